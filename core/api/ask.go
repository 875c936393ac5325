// The calls that ask for consent: of one person, or by a link.

package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
)

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
