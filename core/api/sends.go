// The calls about sends that are not due yet: list, show, edit, cancel.

package api

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// sends registers the calls about them.
func (d *door) sends(a huma.API) {
	get(a, core.ScopeRead, "sends", "/v1/sends", "Sends that are not due yet, the next one first", d.listSends)
	get(a, core.ScopeRead, "scheduled-send", "/v1/sends/{id}", "One send that is not due yet, by its id or that of its run", d.scheduledSend)
	patch(a, core.ScopeSend, "edit-send", "/v1/sends/{id}", "Edit a send that is not due yet",
		"What is left out stays as it is. It is compiled into the rules of now. One that is due is a run: it can be paused or cancelled as such.", d.editSend)
	remove(a, core.ScopeSend, "cancel-send", "/v1/sends/{id}", "Cancel a send that is not due yet", "Nobody is told by it, and nobody loses a token.", d.cancelSend)
}

// Sends is the sends that are not due yet.
type Sends struct {
	Sends []core.SendView `json:"sends"`
}

func (d *door) listSends(ctx context.Context, _ *none) (*body[Sends], error) {
	list, err := d.host.Sends()
	return reply(ctx, d, Sends{full(list)}, err)
}

func (d *door) scheduledSend(ctx context.Context, in *byID) (*body[core.SendView], error) {
	v, err := d.host.Scheduled(in.ID)
	return reply(ctx, d, v, err)
}

type editSendIn struct {
	ID   string `path:"id" maxLength:"128"`
	Body SendEdit
}

// SendEdit says what becomes of a send.
type SendEdit struct {
	Message *otn.Message `json:"message,omitempty"`
	Where   *string      `json:"where,omitempty" maxLength:"4096" doc:"Only those for whom this is true; empty: everybody."`
	At      time.Time    `json:"at,omitzero"`
}

func (d *door) editSend(ctx context.Context, in *editSendIn) (*body[core.SendView], error) {
	v, err := d.host.EditSend(ctx, in.ID, core.SendChange{Message: in.Body.Message, Where: in.Body.Where, At: in.Body.At})
	return reply(ctx, d, v, err)
}

func (d *door) cancelSend(ctx context.Context, in *byID) (*body[core.RunView], error) {
	v, err := d.host.CancelSend(ctx, in.ID)
	return reply(ctx, d, v, err)
}
