// The list of all calls, and those that say what is known: observations and triggers.

package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// answer is a body with a status of its own.
type answer[T any] struct {
	Status int
	Body   T
}

// say is v with a status, or the problem that err is.
func say[T any](ctx context.Context, d *door, status int, v T, err error) (*answer[T], error) {
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	return &answer[T]{status, v}, nil
}

// calls registers every call of the door.
func (d *door) calls(a huma.API) {
	post(a, core.ScopeSubmit, "observe", "/v1/observations", "Submit observations",
		"Idempotent by nature: the same observation again changes nothing. Fields left out keep their last value, null forgets one. All of a call are written or none.", http.StatusAccepted, d.observe)
	post(a, core.ScopeSubmit, "trigger", "/v1/triggers/{name}", "Submit an external trigger",
		"With an Idempotency-Key the same trigger is taken once, also after a restart, and however late it comes again: a day later the answer says duplicate.", http.StatusAccepted, d.trigger)
	post(a, core.ScopeSend, "ask", "/v1/asks", "Request consent",
		"Only inside the subscriber's open window. Who was asked already, or has agreed, is not asked again.", http.StatusAccepted, d.ask)
	post(a, core.ScopeSubmit, "link", "/v1/links", "Make a link to the request for consent",
		"Idempotent by nature: the same request gives the same link. Whoever follows it is asked about the topic and the subject.", http.StatusOK, d.link)
	post(a, core.ScopeSubmit, "grant", "/v1/consents", "Import one granted token",
		"Idempotent by the token: 201 when it is new, 200 when it was known.", http.StatusCreated, d.grant)
	post(a, core.ScopeSend, "send", "/v1/sends", "Deliver to those who wait for a topic",
		"With an Idempotency-Key the same send is made once, also after a restart, and however late it comes again: a day later the answer says duplicate. dry_run says how many it would reach and sends nothing.", http.StatusAccepted, d.send)
	post(a, core.ScopeSend, "resolve", "/v1/deliveries/{id}/resolve", "Resolve a delivery whose outcome is unknown",
		"sent: the message did arrive, its token is spent. lost: it certainly did not, and the consent waits again at its place.", http.StatusOK, d.resolve)
	post(a, core.ScopeAdmin, "backup", "/v1/backups", "Copy the store to a folder",
		"The copy is opened again and compared row by row before the call answers. The key file is not in it, and it is read only with that.", http.StatusCreated, d.backup)
	post(a, core.ScopeSubmit, "poll-source", "/v1/sources/{name}/poll", "Poll a source now",
		"As soon as a poll that is under way has ended; GET /v1/sources shows what comes of it. With accept, a full snapshot that shrank sharply is taken as it is, this once.", http.StatusAccepted, d.poll)
	d.acts(a)
	d.authoring(a)
	d.transfer(a)
	d.reads(a)
	d.days(a)
	d.subscribers(a)
	d.supervision(a)
	d.sends(a)
	d.events(a)
	d.keys(a)
	d.audit(a)
}

type observeIn struct {
	Idempotent
	Body struct {
		Observations []Observation `json:"observations" minItems:"1" maxItems:"1000"`
	}
}

// Idempotent is the header of every POST. It is read before the handlers: see once.
type Idempotent struct {
	Key string `header:"Idempotency-Key" maxLength:"128" doc:"The same call under the same key happens once: for a day it is answered as before, with Idempotency-Replayed. Another call under it is refused, and the same one while it is under way. What only looks, looks again."`
}

// ObserveAnswer says how many observations were taken and how many changed something.
type ObserveAnswer struct {
	Accepted int `json:"accepted"`
	Changed  int `json:"changed"`
}

func (d *door) observe(ctx context.Context, in *observeIn) (*answer[ObserveAnswer], error) {
	obs := make([]otn.Observation, len(in.Body.Observations))
	var faults []error
	for i, raw := range in.Body.Observations {
		o, err := otn.DecodeObservation(raw)
		if err != nil {
			faults = append(faults, &huma.ErrorDetail{Location: fmt.Sprintf("body.observations[%d]", i), Message: err.Error()})
		}
		obs[i] = o
	}
	if len(faults) > 0 {
		return nil, huma.Error422UnprocessableEntity("an observation is not valid; none was taken", faults...)
	}
	o, err := d.host.Observe(ctx, obs...)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	about(ctx, "%d observations, %d changed something", o.Accepted, o.Changed)
	return &answer[ObserveAnswer]{http.StatusAccepted, ObserveAnswer{o.Accepted, o.Changed}}, nil
}

type triggerIn struct {
	Idempotent
	Name string `path:"name" maxLength:"128"`
	Body TriggerBody
}

// TriggerBody is what a trigger carries.
type TriggerBody struct {
	Fields    map[string]Text `json:"fields,omitempty" doc:"By name, as the rules declare them."`
	Subject   string          `json:"subject,omitempty" doc:"The id of the item it names, where the rules declare one."`
	Channel   string          `json:"channel,omitempty" doc:"With recipient: the person it names."`
	Recipient string          `json:"recipient,omitempty"`
}

// TriggerAnswer is a trigger that is on disk.
type TriggerAnswer struct {
	ID        string `json:"id,omitempty"` // of a duplicate: none
	Duplicate bool   `json:"duplicate"`
}

func (d *door) trigger(ctx context.Context, in *triggerIn) (*answer[TriggerAnswer], error) {
	a, err := d.host.Trigger(ctx, otn.Trigger{
		Name: in.Name, Subject: in.Body.Subject, Channel: in.Body.Channel, Subscriber: otn.Subscriber{ID: in.Body.Recipient},
		Fields: named(in.Body.Fields), Key: durable(ctx, in.Key),
	})
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	about(ctx, "%s %s %s", in.Name, in.Body.Subject, a.ID)
	return &answer[TriggerAnswer]{http.StatusAccepted, TriggerAnswer{a.ID, a.Duplicate}}, nil
}
