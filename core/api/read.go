// The calls that read: topics, consents, runs, deliveries, decisions, channels and sources.

package api

import (
	"cmp"
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
)

// body is an answer with status 200.
type body[T any] struct{ Body T }

// Page is what every list takes.
type Page struct {
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"How many at most; 0 is 100. A page looks at a bounded number of rows: it can have fewer, or none, and a next all the same."`
}

// The lists, as they are answered. Next is the cursor of the following page, left out on the last.
type (
	Topics struct {
		Topics []core.TopicView `json:"topics"`
	}
	Consents struct {
		Consents []core.ConsentView `json:"consents"`
		Next     string             `json:"next,omitempty"`
	}
	Runs struct {
		Runs []core.RunView `json:"runs"`
		Next string         `json:"next,omitempty"`
	}
	Deliveries struct {
		Deliveries []core.DeliveryView `json:"deliveries"`
		Next       string              `json:"next,omitempty"`
	}
	Channels struct {
		Channels []core.InstanceView `json:"channels"`
	}
	Sources struct {
		Sources []core.InstanceView `json:"sources"`
	}
)

// reads registers the calls that change nothing.
func (d *door) reads(a huma.API) {
	get(a, core.ScopeRead, "topics", "/v1/topics", "Topics, with how many consents stand where", d.topics)
	get(a, core.ScopeRead, "consents", "/v1/consents", "Consents; a token is never shown", d.consents)
	get(a, core.ScopeRead, "consent", "/v1/consents/{id}", "One consent", d.consent)
	get(a, core.ScopeRead, "runs", "/v1/runs", "Runs, newest first", d.runs)
	get(a, core.ScopeRead, "run", "/v1/runs/{id}", "One run", d.run)
	get(a, core.ScopeRead, "deliveries", "/v1/deliveries", "Deliveries: of a run, of a person, all that are unknown, or the latest", d.deliveries)
	get(a, core.ScopeRead, "delivery", "/v1/deliveries/{id}", "One delivery", d.delivery)
	get(a, core.ScopeRead, "decisions", "/v1/decisions", "Why a person got a message, or did not", d.why)
	get(a, core.ScopeRead, "channels", "/v1/channels", "Channels as they stand", d.channels)
	get(a, core.ScopeRead, "sources", "/v1/sources", "Sources as they stand", d.sources)
}

type none struct{}

func (d *door) topics(ctx context.Context, _ *none) (*body[Topics], error) {
	list, err := d.host.Topics()
	return reply(ctx, d, Topics{full(list)}, err)
}

type consentsIn struct {
	Page
	Topic      string `query:"topic"`
	Subject    string `query:"subject"`
	State      string `query:"state" enum:"waiting,claimed,sent,refused,unknown,expired,withdrawn"`
	Channel    string `query:"channel" doc:"With subscriber: one person's consents. Left out with one channel: that one."`
	Subscriber string `query:"subscriber" maxLength:"128"`
}

func (d *door) consents(ctx context.Context, in *consentsIn) (*body[Consents], error) {
	channel, err := d.channel(ctx, in.Channel, in.Subscriber)
	if err != nil {
		return nil, err
	}
	list, next, err := d.host.Consents(core.ConsentQuery{
		Topic: in.Topic, Subject: in.Subject, State: in.State, Channel: channel, Subscriber: in.Subscriber, Cursor: in.Cursor, Limit: in.Limit,
	})
	for i := range list {
		list[i].Subscriber = cmp.Or(list[i].Subscriber, in.Subscriber) // of a spent token the store keeps a hash alone
	}
	return reply(ctx, d, Consents{full(list), next}, err)
}

type byID struct {
	ID string `path:"id" maxLength:"128"`
}

func (d *door) consent(ctx context.Context, in *byID) (*body[core.ConsentView], error) {
	v, err := d.host.Consent(in.ID)
	return reply(ctx, d, v, err)
}

type runsIn struct {
	Page
	Rule  string `query:"rule"`
	State string `query:"state" enum:"holding,waiting,running,paused,done,cancelled"`
}

func (d *door) runs(ctx context.Context, in *runsIn) (*body[Runs], error) {
	list, next, err := d.host.Runs(core.RunQuery{Rule: in.Rule, State: in.State, Cursor: in.Cursor, Limit: in.Limit})
	return reply(ctx, d, Runs{full(list), next}, err)
}

func (d *door) run(ctx context.Context, in *byID) (*body[core.RunView], error) {
	v, err := d.host.RunByID(in.ID)
	return reply(ctx, d, v, err)
}

type deliveriesIn struct {
	Page
	Run        string `query:"run"`
	Channel    string `query:"channel"`
	Subscriber string `query:"subscriber" maxLength:"128"`
	Outcome    string `query:"outcome" enum:"sent,refused,deferred,invalid,unknown,sending"`
}

func (d *door) deliveries(ctx context.Context, in *deliveriesIn) (*body[Deliveries], error) {
	channel, err := d.channel(ctx, in.Channel, in.Subscriber)
	if err != nil {
		return nil, err
	}
	list, next, err := d.host.Deliveries(core.DeliveryQuery{
		Run: in.Run, Channel: channel, Subscriber: in.Subscriber, Outcome: in.Outcome, Cursor: in.Cursor, Limit: in.Limit,
	})
	for i := range list {
		list[i].Subscriber = cmp.Or(list[i].Subscriber, in.Subscriber)
	}
	return reply(ctx, d, Deliveries{full(list), next}, err)
}

func (d *door) delivery(ctx context.Context, in *byID) (*body[core.DeliveryView], error) {
	v, err := d.host.DeliveryByID(in.ID)
	return reply(ctx, d, v, err)
}

type whyIn struct {
	Channel    string `query:"channel" doc:"Left out with one channel: that one."`
	Subscriber string `query:"subscriber" required:"true" minLength:"1" maxLength:"128"`
	Rule       string `query:"rule"`
}

func (d *door) why(ctx context.Context, in *whyIn) (*body[core.Why], error) {
	channel, err := d.channel(ctx, in.Channel, in.Subscriber)
	if err != nil {
		return nil, err
	}
	v, err := d.host.Why(channel, in.Subscriber, in.Rule)
	v.Consents, v.Reasons = full(v.Consents), full(v.Reasons)
	return reply(ctx, d, v, err)
}

func (d *door) channels(ctx context.Context, _ *none) (*body[Channels], error) {
	list, _ := d.host.Instances(ctx)
	return reply(ctx, d, Channels{full(list)}, nil)
}

func (d *door) sources(ctx context.Context, _ *none) (*body[Sources], error) {
	_, list := d.host.Instances(ctx)
	return reply(ctx, d, Sources{full(list)}, nil)
}

// channel is the one that a subscriber is known by: the named one, or the only one there is.
func (d *door) channel(ctx context.Context, name, subscriber string) (string, error) {
	channels, _ := d.host.Instances(ctx)
	switch {
	case subscriber == "" && name != "":
		return "", huma.Error422UnprocessableEntity("a channel wants a subscriber with it")
	case subscriber == "" || name != "":
		return name, nil
	case len(channels) == 1:
		return channels[0].Name, nil
	}
	return "", huma.Error422UnprocessableEntity("there are several channels: name the one that knows the subscriber")
}

// reply is v, or the problem that err is.
func reply[T any](ctx context.Context, d *door, v T, err error) (*body[T], error) {
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	return &body[T]{v}, nil
}

// full is the list, never null.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
