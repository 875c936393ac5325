// A delivery, an ask and their parts, to messages and back.

package wire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/onetimenotify/otn/core/otn"
)

// FromDelivery writes a delivery; seq and give-up are the stream's to set.
func FromDelivery(d *otn.Delivery) *Delivery {
	return &Delivery{
		Instance:   d.Channel,
		Id:         d.ID[:],
		Token:      fromToken(d.Token),
		Reply:      d.Reply,
		Follow:     d.Follow,
		Subscriber: fromSubscriber(d.Subscriber),
		Message:    fromMessage(&d.Message),
		Attempt:    int64(d.Attempt),
		Deadline:   FromTime(d.Deadline),
	}
}

// ToDelivery reads a delivery. Errors: otn.ErrInvalid for an id of the wrong size.
func ToDelivery(p *Delivery) (otn.Delivery, error) {
	d := otn.Delivery{
		Channel:    p.GetInstance(),
		Token:      toToken(p.GetToken()),
		Reply:      p.GetReply(),
		Follow:     p.GetFollow(),
		Subscriber: toSubscriber(p.GetSubscriber()),
		Message:    toMessage(p.GetMessage()),
		Attempt:    int(p.GetAttempt()),
		Deadline:   ToTime(p.GetDeadline()),
	}
	return d, toID(&d.ID, p.GetId())
}

// FromAsk writes a request for consent.
func FromAsk(a *otn.Ask) *AskRequest {
	return &AskRequest{
		Id: a.ID, Instance: a.Channel, Subscriber: fromSubscriber(a.Subscriber), Topic: a.Topic, Subject: a.Subject,
		Title: a.Title, Ref: a.Ref, NotBefore: FromTime(a.NotBefore), Deadline: FromTime(a.Deadline),
	}
}

// ToAsk reads a request for consent.
func ToAsk(p *AskRequest) otn.Ask {
	return otn.Ask{
		ID: p.GetId(), Channel: p.GetInstance(), Subscriber: toSubscriber(p.GetSubscriber()), Topic: p.GetTopic(), Subject: p.GetSubject(),
		Title: p.GetTitle(), Ref: p.GetRef(), NotBefore: ToTime(p.GetNotBefore()), Deadline: ToTime(p.GetDeadline()),
	}
}

func toID(id *otn.DeliveryID, b []byte) error {
	if len(b) != len(id) {
		return fmt.Errorf("a delivery id of %d bytes: %w", len(b), otn.ErrInvalid)
	}
	copy(id[:], b)
	return nil
}

func fromToken(t otn.Token) *Token {
	if t.IsZero() && t.Account() == "" {
		return nil
	}
	return &Token{Account: t.Account(), Secret: t.Reveal()}
}

func toToken(p *Token) otn.Token {
	if p == nil {
		return otn.Token{}
	}
	return otn.NewToken(p.GetAccount(), p.GetSecret())
}

func fromSubscriber(s otn.Subscriber) *Subscriber {
	return &Subscriber{Id: s.ID, Address: s.Address.Reveal()}
}

func toSubscriber(p *Subscriber) otn.Subscriber {
	s := otn.Subscriber{ID: p.GetId()}
	if a := p.GetAddress(); a != "" {
		s.Address = otn.NewSecret(a)
	}
	return s
}

func fromMessage(m *otn.Message) *Message {
	p := &Message{Text: m.Text, Image: m.Image, Gallery: each(m.Gallery, fromCard)}
	if m.Card != nil {
		p.Card = fromCard(*m.Card)
	}
	if t := m.Template; t != nil {
		p.Template = &Template{Name: t.Name, Language: t.Language, Params: t.Params}
	}
	if q := m.QuickReply; q != nil {
		p.QuickReply = &QuickReply{Title: q.Title, Payload: q.Payload}
	}
	return p
}

func toMessage(p *Message) otn.Message {
	m := otn.Message{Text: p.GetText(), Image: p.GetImage(), Gallery: each(p.GetGallery(), toCard)}
	if p.GetCard() != nil {
		c := toCard(p.GetCard())
		m.Card = &c
	}
	if t := p.GetTemplate(); t != nil {
		m.Template = &otn.Template{Name: t.GetName(), Language: t.GetLanguage(), Params: t.GetParams()}
	}
	if q := p.GetQuickReply(); q != nil {
		m.QuickReply = &otn.QuickReply{Title: q.GetTitle(), Payload: q.GetPayload()}
	}
	return m
}

func fromCard(c otn.Card) *Card {
	return &Card{
		Title: c.Title, Subtitle: c.Subtitle, Image: c.Image, Url: c.URL,
		Buttons: each(c.Buttons, func(b otn.Button) *Button { return &Button{Title: b.Title, Url: b.URL} }),
	}
}

func toCard(p *Card) otn.Card {
	return otn.Card{
		Title: p.GetTitle(), Subtitle: p.GetSubtitle(), Image: p.GetImage(), URL: p.GetUrl(),
		Buttons: each(p.GetButtons(), func(b *Button) otn.Button { return otn.Button{Title: b.GetTitle(), URL: b.GetUrl()} }),
	}
}

// FromTime leaves out the zero time.
func FromTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// ToTime reads a time in UTC; none, and one out of the years 1 to 9999, is the zero time.
func ToTime(p *timestamppb.Timestamp) time.Time {
	if !p.IsValid() {
		return time.Time{}
	}
	return p.AsTime()
}

// each maps a list; none stays nil.
func each[A, B any](all []A, f func(A) B) []B {
	if len(all) == 0 {
		return nil
	}
	out := make([]B, len(all))
	for i, a := range all {
		out[i] = f(a)
	}
	return out
}
