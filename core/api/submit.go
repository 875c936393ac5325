// The calls that change something: observations, triggers, asks, consents, sends, and a doubtful delivery resolved.

package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"sort"
	"time"

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
		"With an Idempotency-Key the same trigger is taken once, also after a restart; the second answer says duplicate.", http.StatusAccepted, d.trigger)
	post(a, core.ScopeSend, "ask", "/v1/asks", "Request consent",
		"Only inside the subscriber's open window. Who was asked already, or has agreed, is not asked again.", http.StatusAccepted, d.ask)
	post(a, core.ScopeSubmit, "link", "/v1/links", "Make a link to the request for consent",
		"Idempotent by nature: the same request gives the same link. Whoever follows it is asked about the topic and the subject.", http.StatusOK, d.link)
	post(a, core.ScopeSubmit, "grant", "/v1/consents", "Import one granted token",
		"Idempotent by the token: 201 when it is new, 200 when it was known.", http.StatusCreated, d.grant)
	post(a, core.ScopeSend, "send", "/v1/sends", "Deliver to those who wait for a topic",
		"With an Idempotency-Key the same send is made once, also after a restart. dry_run says how many it would reach and sends nothing.", http.StatusAccepted, d.send)
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

// Idempotent is the header of every POST. Calls that are idempotent by nature take it and need it not.
type Idempotent struct {
	Key string `header:"Idempotency-Key" maxLength:"128" doc:"Makes a repeated call change nothing, where the call is not idempotent by nature."`
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
		Fields: named(in.Body.Fields), Key: in.Key,
	})
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	about(ctx, "%s %s %s", in.Name, in.Body.Subject, a.ID)
	return &answer[TriggerAnswer]{http.StatusAccepted, TriggerAnswer{a.ID, a.Duplicate}}, nil
}

type askIn struct {
	Idempotent
	Body AskBody
}

// AskBody requests consent from one person.
type AskBody struct {
	Channel   string          `json:"channel" minLength:"1"`
	Recipient string          `json:"recipient" minLength:"1" maxLength:"128"`
	Topic     string          `json:"topic" minLength:"1"`
	Subject   string          `json:"subject,omitempty"`
	Title     string          `json:"title,omitempty" doc:"At most 65 characters. Left out: the topic's own."`
	Answers   map[string]Text `json:"answers,omitempty"`
	BlockID   string          `json:"block_id,omitempty" maxLength:"128" doc:"Where a bot goes on after the tap: the answer block_id, where the topic declares it."`
}

// AskAnswer is a request that the platform took.
type AskAnswer struct {
	ProviderID string `json:"provider_id,omitempty"`
}

func (d *door) ask(ctx context.Context, in *askIn) (*answer[AskAnswer], error) {
	b := in.Body
	if b.BlockID != "" {
		if _, twice := b.Answers["block_id"]; twice {
			return nil, huma.Error422UnprocessableEntity("block_id is given twice", &huma.ErrorDetail{Location: "body.block_id", Message: "it stands among the answers too"})
		}
		if b.Answers == nil {
			b.Answers = map[string]Text{}
		}
		b.Answers["block_id"] = Text(b.BlockID)
	}
	about(ctx, "%s %s %s", b.Topic, b.Subject, d.host.PersonName(b.Channel, b.Recipient))
	r, err := d.host.Ask(ctx, core.AskRequest{Channel: b.Channel, Recipient: b.Recipient, Topic: b.Topic, Subject: b.Subject, Title: b.Title, Answers: plain(b.Answers)})
	return say(ctx, d, http.StatusAccepted, AskAnswer{r.ProviderID}, err)
}

type linkIn struct {
	Idempotent
	Body LinkBody
}

// LinkBody says where a link leads.
type LinkBody struct {
	Channel string          `json:"channel" minLength:"1"`
	Topic   string          `json:"topic" minLength:"1"`
	Subject string          `json:"subject,omitempty"`
	Answers map[string]Text `json:"answers,omitempty" doc:"That a consent through the link carries."`
	Short   bool            `json:"short,omitempty" doc:"The short form also where the long one would do."`
}

func (d *door) link(ctx context.Context, in *linkIn) (*answer[core.LinkView], error) {
	b := in.Body
	about(ctx, "%s %s %s", b.Channel, b.Topic, b.Subject)
	v, err := d.host.Link(ctx, core.LinkRequest{Channel: b.Channel, Topic: b.Topic, Subject: b.Subject, Answers: plain(b.Answers), Short: b.Short})
	return say(ctx, d, http.StatusOK, v, err)
}

type grantIn struct {
	Idempotent
	Body GrantBody
}

// GrantBody is one granted token from elsewhere.
type GrantBody struct {
	Channel   string          `json:"channel" minLength:"1"`
	Recipient string          `json:"recipient" minLength:"1" maxLength:"128"`
	Topic     string          `json:"topic" minLength:"1"`
	Subject   string          `json:"subject,omitempty"`
	Token     string          `json:"token" minLength:"1" writeOnly:"true"`
	GrantedAt time.Time       `json:"granted_at,omitzero" doc:"Left out: now. The token lives for a year from here."`
	Answers   map[string]Text `json:"answers,omitempty"`
	Tags      []string        `json:"tags,omitempty" maxItems:"64" doc:"Added to the operator's tags of the person."`

	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"Left out: a year after granted_at."`
	PriceThen Text      `json:"price_then,omitempty" doc:"What the item cost when they agreed, as in 99.00 USD. Left out: what it costs now."`
	TZ        string    `json:"tz,omitempty" maxLength:"64" doc:"Their IANA zone."`
	Locale    string    `json:"locale,omitempty" maxLength:"64" doc:"Their language, BCP 47."`
	Ask       string    `json:"ask,omitempty" maxLength:"1000" doc:"The title that they saw."`
	Ref       string    `json:"ref,omitempty" maxLength:"1000" doc:"The payload as the platform returned it."`
}

// GrantAnswer names the consent. Added is false when its token was known.
type GrantAnswer struct {
	ID    string `json:"id"`
	Added bool   `json:"added"`
}

func (d *door) grant(ctx context.Context, in *grantIn) (*answer[GrantAnswer], error) {
	b := in.Body
	account, err := d.account(ctx, b.Channel)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	if err := core.CheckTags(b.Tags...); err != nil {
		return nil, d.problem(ctx, err)
	}
	consent, err := b.consent(account)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	got, err := d.host.Grant(ctx, consent)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	if len(b.Tags) > 0 { // after the consent: who is refused is not tagged either
		if _, err := d.host.Tag(ctx, b.Channel, b.Recipient, core.TagChange{Add: b.Tags}); err != nil {
			return nil, d.problem(ctx, err)
		}
	}
	status := http.StatusOK
	if got[0].Added {
		status = http.StatusCreated
	}
	about(ctx, "%s %s", got[0].ID, added(got[0].Added))
	return &answer[GrantAnswer]{status, GrantAnswer{got[0].ID, got[0].Added}}, nil
}

// account is what a channel's tokens are bound to. A channel that is not up yet cannot say.
func (d *door) account(ctx context.Context, channel string) (string, error) {
	channels, _ := d.host.Instances(ctx)
	for _, c := range channels {
		if c.Name == channel && c.Account == "" && c.State != "ready" {
			return "", fmt.Errorf("channel %s is %s: %w", channel, c.State, otn.ErrUnavailable)
		}
		if c.Name == channel {
			return c.Account, nil
		}
	}
	return "", fmt.Errorf("channel %q: %w", channel, otn.ErrNotFound)
}

func added(is bool) string {
	if is {
		return "added"
	}
	return "known"
}

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
	r.Key = durable(in.Key)
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

// durable makes a name of any idempotency key: equal keys have equal names, and no others do.
func durable(key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

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

// Text is a text, a number or true and false, kept as the text it was written as: the rules give it its type.
type Text string

// UnmarshalJSON reads a JSON text, number, true or false.
func (t *Text) UnmarshalJSON(b []byte) error {
	if kind := map[byte]string{'{': "object", '[': "array", 'n': "null"}[b[0]]; kind != "" {
		return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeFor[string]()}
	}
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*t = Text(s)
	return nil
}

// Schema says what a Text may be.
func (Text) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString, MaxLength: ptr(4096)}, {Type: huma.TypeNumber}, {Type: huma.TypeBoolean}}}
}

func ptr[T any](v T) *T { return &v }

func named(m map[string]Text) []otn.Named {
	list := make([]otn.Named, 0, len(m))
	for name, v := range m {
		list = append(list, otn.Named{Name: name, Value: otn.StringValue(string(v))})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

func plain(m map[string]Text) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for name, v := range m {
		out[name] = string(v)
	}
	return out
}
