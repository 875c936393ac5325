// The message of one person before anybody sends it: in each channel's form, with what was too long for it.

package rules

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

// Preview is a message as one person would get it.
type Preview struct {
	Rule     string      `json:"rule"`
	Verdict  string      `json:"verdict"` // whether they would get it now: yes no undecided failed holds
	Because  string      `json:"because,omitempty"`
	Written  otn.Form    `json:"written"` // the form that the rule writes
	Message  otn.Message `json:"message"` // through the person's own channel
	Texts    []Length    `json:"texts"`
	Cut      int         `json:"cut"` // how many texts are too long, and end with …
	Channels []Through   `json:"channels"`
}

// Length is one text of a message and how long it came out, in characters.
type Length struct {
	Part   string `json:"part"` // text, card.title, gallery[2].subtitle
	Length int    `json:"length"`
	Limit  int    `json:"limit"`
}

// Cut reports a text that is too long.
func (l Length) Cut() bool { return l.Length > l.Limit }

// Through is the message in one channel.
type Through struct {
	Channel string      `json:"channel"`
	Form    otn.Form    `json:"form,omitempty"`
	Falls   bool        `json:"falls_back,omitempty"` // the channel does not carry the form that is written for it
	Message otn.Message `json:"message,omitzero"`
	Error   string      `json:"error,omitempty"` // why nobody gets it there
}

// Preview renders the message of a rule for one consent, and in every other channel. nil stands for a channel of which
// nobody knows what it can do: it is taken to carry everything.
// Errors: ErrNotFound for a rule that is not here, ErrInvalid when the message cannot be made for this consent.
func (s *Set) Preview(f otn.Facts, c *otn.Consent, channels map[string]*otn.Capabilities) (*Preview, error) {
	open, err := s.Open(f)
	if err != nil {
		return nil, err
	}
	p := open.(*page) //nolint:forcetypeassert // Open makes no other
	l := p.rule.letter.through(c.Channel)
	out := &Preview{Rule: p.rule.ID, Verdict: p.Select(c).String(), Because: p.Because(), Written: l.form(), Channels: []Through{}}
	if out.Message, err = p.Render(c, channels[c.Channel]); err != nil {
		return nil, err
	}
	p.now.consent = c
	out.Texts = writer{&p.now, p.printer(c)}.lengths(l)
	p.now.consent = nil
	for _, t := range out.Texts {
		if t.Cut() {
			out.Cut++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		out.Channels = append(out.Channels, p.through(name, *c, channels[name]))
	}
	return out, nil
}

// through is the message for a person like this one who came through another channel.
func (p *page) through(name string, c otn.Consent, can *otn.Capabilities) Through {
	c.Channel = name
	out := Through{Channel: name}
	m, err := p.Render(&c, can)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Message, out.Form = m, m.Form()
	out.Falls = out.Form != p.rule.letter.through(name).form()
	return out
}

// lengths measures every text of a message before it is cut. A text that cannot be made has none.
func (w writer) lengths(l *letter) []Length {
	out := []Length{}
	add := func(part string, t *template, limit int) {
		if t == nil {
			return
		}
		if s, err := t.render(w.f, w.pr, nil); err == nil {
			out = append(out, Length{part, utf8.RuneCountInString(s), limit})
		}
	}
	card := func(part string, c *cardText) {
		add(part+".title", c.title, otn.MaxTitle)
		add(part+".subtitle", c.subtitle, otn.MaxSubtitle)
		for i, b := range c.buttons {
			add(fmt.Sprintf("%s.buttons[%d].title", part, i), b.title, otn.MaxTitle)
		}
	}
	add("text", l.text, otn.MaxText)
	if l.card != nil {
		card("card", l.card)
	}
	for i, c := range l.cards {
		card(fmt.Sprintf("gallery[%d]", i), c)
	}
	if l.gallery != nil {
		if list := w.f.eval(l.each.run); list.ok() {
			for i := range list.items()[:min(len(list.items()), otn.MaxCards)] {
				w.f.el = itemAt(list.items(), i)
				card(fmt.Sprintf("gallery[%d]", i), l.gallery)
			}
		}
	}
	if l.template != nil {
		for i, p := range l.template.params {
			add(fmt.Sprintf("template.params[%d]", i), p, otn.MaxText)
		}
	}
	add("quick_reply.title", l.reply, otn.MaxTitle)
	return out
}
