// The call that delivers to those who wait for a topic.

package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/onetimenotify/otn/core"
)

type sendIn struct {
	Idempotent
	Body core.SendRequest
}

// SendAnswer says what a send does: the run it made (the first of several), and how many it reaches.
type SendAnswer struct {
	Run string `json:"run,omitempty"`
	core.SendAnswer
}

func (d *door) send(ctx context.Context, in *sendIn) (*answer[SendAnswer], error) {
	r := in.Body
	r.Key = durable(ctx, in.Key)
	about(ctx, "%s %s", r.Topic, r.Subject)
	a, err := d.host.Send(ctx, r)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	out := SendAnswer{SendAnswer: a}
	about(ctx, "%s %s %s dry_run=%v", r.Topic, r.Subject, a.ID, r.DryRun)
	if len(a.Runs) > 0 {
		out.Run = a.Runs[0]
	}
	return &answer[SendAnswer]{http.StatusAccepted, out}, nil
}

// durable makes a name of any idempotency key of a caller: equal ones have equal names, and no others do. What another key of the
// door called the same is something else.
func durable(ctx context.Context, key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(callerOf(ctx).key.ID + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}
