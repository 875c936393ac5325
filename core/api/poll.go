// A source that is polled, asked at once.

package api

import (
	"context"
	"net/http"

	"github.com/onetimenotify/otn/core"
)

type pollIn struct {
	Idempotent
	Name string `path:"name" maxLength:"64"`
	Body *PollBody
}

// PollBody says how a poll is taken.
type PollBody struct {
	Accept bool `json:"accept,omitempty" doc:"A full snapshot that shrank is right: the shop did take the missing items away."`
}

func (d *door) poll(ctx context.Context, in *pollIn) (*answer[core.PollView], error) {
	v, err := d.host.PollNow(ctx, in.Name, in.Body != nil && in.Body.Accept)
	return say(ctx, d, http.StatusAccepted, v, err)
}
