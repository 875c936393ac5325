// Consents from elsewhere, one by one.

package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

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
