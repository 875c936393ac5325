// A delivery whose outcome is unknown, resolved.

package api

import (
	"context"
	"net/http"

	"github.com/onetimenotify/otn/core"
)

type resolveIn struct {
	Idempotent
	ID   string `path:"id" maxLength:"128"`
	Body struct {
		Outcome string `json:"outcome" enum:"sent,lost"`
	}
}

func (d *door) resolve(ctx context.Context, in *resolveIn) (*answer[core.DeliveryView], error) {
	about(ctx, "%s %s", in.ID, in.Body.Outcome)
	v, err := d.host.Resolve(ctx, in.ID, in.Body.Outcome == "sent")
	v.Subscriber = "" // the answer is kept, and outlives a person who is erased
	return say(ctx, d, http.StatusOK, v, err)
}
