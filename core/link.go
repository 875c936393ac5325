// Links that lead people to the request for consent, and what their short form stands for.

package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// LinkRequest says where a link leads.
type LinkRequest struct {
	Channel string            `json:"channel"`
	Topic   string            `json:"topic"`
	Subject string            `json:"subject,omitempty"`
	Answers map[string]string `json:"answers,omitempty"` // that a consent through the link carries
	Short   bool              `json:"short,omitempty"`   // the short form also where the long one would do
}

// LinkView is a link. Ref is what it brings back; Means is what that stands for, the same where the ref is not short.
type LinkView struct {
	URL   string `json:"url"`
	Ref   string `json:"ref"`
	Means string `json:"means"`
}

// Link makes the link that leads to the request for consent for a topic and a subject: in the long form where the channel's
// links carry it, else in the short form, which is on disk when Link returns. The same request gives the same link.
// Errors: otn.ErrNotFound for a channel that is not there or makes no links, otn.ErrUnknownTopic, otn.ErrInvalid, otn.ErrUnavailable.
func (h *Host) Link(ctx context.Context, r LinkRequest) (LinkView, error) {
	if err := h.await(ctx); err != nil {
		return LinkView{}, err
	}
	linker, ok := h.config.Channels[r.Channel].(otn.Linker)
	if !ok {
		return LinkView{}, fmt.Errorf("core: channel %q that makes links: %w", r.Channel, otn.ErrNotFound)
	}
	if err := h.linkable(r); err != nil {
		return LinkView{}, err
	}
	means := otn.FormatRef(otn.Ref{Topic: r.Topic, Subject: r.Subject, Answers: r.Answers})
	if !r.Short {
		url, err := linker.Link(ctx, means)
		if err == nil {
			return LinkView{URL: url, Ref: means, Means: means}, nil
		}
		if !errors.Is(err, otn.ErrInvalid) {
			return LinkView{}, fmt.Errorf("core: link: %w", err)
		}
	}
	short, err := h.shorten(ctx, means)
	if err != nil {
		return LinkView{}, fmt.Errorf("core: link: %w", err)
	}
	url, err := linker.Link(ctx, short)
	if err != nil {
		return LinkView{}, fmt.Errorf("core: link: %w", err)
	}
	return LinkView{URL: url, Ref: short, Means: means}, nil
}

// linkable refuses what no consent could come of.
func (h *Host) linkable(r LinkRequest) error {
	topic, ok := h.Rules().Topic(r.Topic)
	if !ok {
		return fmt.Errorf("core: %q: %w", r.Topic, otn.ErrUnknownTopic)
	}
	if err := subjectFits(topic, r.Subject); err != nil {
		return fmt.Errorf("core: %w", err)
	}
	for name, text := range r.Answers {
		if err := answerFits(topic, otn.Named{Name: name, Value: otn.StringValue(text)}); err != nil {
			return fmt.Errorf("core: %w", err)
		}
	}
	return nil
}

// shorten keeps what the short form of a ref stands for.
func (h *Host) shorten(ctx context.Context, ref string) (string, error) {
	short := otn.ShortRef(ref)
	doc := &ledger.Doc{Key: intake.LinkPrefix + short, Value: []byte(ref), Expect: ledger.Once}
	return short, h.ledger.Commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{doc}})
}
