// The calls about one person: everything that is known of them, and the operator's tags.

package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
)

// subscribers registers the calls about one person.
func (d *door) subscribers(a huma.API) {
	get(a, core.ScopeRead, "subscriber", "/v1/subscribers/{channel}/{id}", "Everything that is known of a person", d.subscriber)
	put(a, core.ScopeSubmit, "tag", "/v1/subscribers/{channel}/{id}/tags", "The operator's tags of a person",
		"Idempotent by nature. tags replaces them all, add and remove change some. Conditions read them as sub.tags. The person need not be known yet.", d.tag)
	remove(a, core.ScopeAdmin, "erase", "/v1/subscribers/{channel}/{id}", "Erase a person",
		"Everything that is kept of them, down to the bytes on disk. A message that is on its way is answered first: done is false then, and the rest follows by itself. "+
			"Tokens of theirs are never granted again. Backups made before hold them still; a restore erases them again.", d.erase)
	remove(a, core.ScopeSubmit, "withdraw", "/v1/consents/{id}", "Withdraw one consent",
		"Idempotent. One whose message is on its way, or in doubt, keeps its state, and is withdrawn should it wait again.", d.withdraw)
}

func (d *door) erase(ctx context.Context, in *Whom) (*body[core.Erased], error) {
	done, err := d.host.Erase(ctx, in.Channel, in.ID)
	return reply(ctx, d, done, err)
}

func (d *door) withdraw(ctx context.Context, in *byID) (*body[core.ConsentView], error) {
	v, err := d.host.Withdraw(ctx, in.ID)
	return reply(ctx, d, v, err)
}

// Whom names a person in a path.
type Whom struct {
	Channel string `path:"channel" maxLength:"128"`
	ID      string `path:"id" minLength:"1" maxLength:"128"`
}

func (d *door) subscriber(ctx context.Context, in *Whom) (*body[core.SubscriberView], error) {
	v, err := d.host.Subscriber(in.Channel, in.ID)
	return reply(ctx, d, v, err)
}

type tagIn struct {
	Whom
	Body TagBody
}

// TagBody says what becomes of a person's tags.
type TagBody struct {
	Tags   []string `json:"tags,omitempty" maxItems:"64" doc:"These and no others. Left out: those that are there."`
	Add    []string `json:"add,omitempty" maxItems:"64"`
	Remove []string `json:"remove,omitempty" maxItems:"1000"`
}

// TagAnswer is a person's tags as they are now, sorted.
type TagAnswer struct {
	Tags []string `json:"tags"`
}

func (d *door) tag(ctx context.Context, in *tagIn) (*body[TagAnswer], error) {
	tags, err := d.host.Tag(ctx, in.Channel, in.ID, core.TagChange{Set: in.Body.Tags, Add: in.Body.Add, Remove: in.Body.Remove})
	return reply(ctx, d, TagAnswer{full(tags)}, err)
}
