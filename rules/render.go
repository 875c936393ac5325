// From a letter and the facts to the message of one person, in a form that the channel carries.

package rules

import (
	"fmt"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// writer renders for one person.
type writer struct {
	f  *frame
	pr *printer
}

func (w writer) text(t *template, limit int) (string, error) {
	if t == nil {
		return "", nil
	}
	s, err := t.render(w.f, w.pr, nil)
	return cut(s, limit), err
}

func (w writer) link(t *template) (string, error) {
	if t == nil {
		return "", nil
	}
	s, err := t.render(w.f, w.pr, escapeLink)
	if err == nil && !isLink(s) {
		return "", fmt.Errorf("%q is no http or https link: %w", cut(s, 80), otn.ErrInvalid)
	}
	return s, err
}

// letter renders the whole message, in its own form.
func (w writer) letter(l *letter) (m otn.Message, err error) {
	switch {
	case l.text != nil:
		m.Text, err = w.text(l.text, otn.MaxText)
	case l.image != nil:
		m.Image, err = w.link(l.image)
	case l.template != nil:
		m.Template, err = w.template(l.template)
	case l.card != nil:
		var c otn.Card
		c, err = w.card(l.card)
		m.Card = &c
	case l.gallery != nil:
		m.Gallery, err = w.gallery(l)
	default:
		for _, c := range l.cards {
			card, err := w.card(c)
			if err != nil {
				return otn.Message{}, err
			}
			m.Gallery = append(m.Gallery, card)
		}
	}
	if err != nil {
		return otn.Message{}, err
	}
	if m.Form() == "" || m.Card != nil && m.Card.Title == "" {
		return otn.Message{}, fmt.Errorf("the text came out empty: %w", otn.ErrInvalid)
	}
	if l.reply != nil {
		title, err := w.text(l.reply, otn.MaxTitle)
		if err != nil {
			return otn.Message{}, err
		}
		payload, err := w.text(l.payload, otn.MaxText)
		if err != nil {
			return otn.Message{}, err
		}
		m.QuickReply = &otn.QuickReply{Title: title, Payload: payload}
	}
	return m, nil
}

// template fills the places of an approved text: what comes out empty has nothing to stand there.
func (w writer) template(t *templateText) (*otn.Template, error) {
	out := &otn.Template{Name: t.name, Language: t.language}
	for i, p := range t.params {
		s, err := w.text(p, otn.MaxText)
		if err == nil && s == "" {
			err = fmt.Errorf("place %d of the template came out empty: %w", i+1, otn.ErrInvalid)
		}
		if err != nil {
			return nil, err
		}
		out.Params = append(out.Params, s)
	}
	return out, nil
}

func (w writer) card(c *cardText) (out otn.Card, err error) {
	if out.Title, err = w.text(c.title, otn.MaxTitle); err != nil {
		return out, err
	}
	if out.Subtitle, err = w.text(c.subtitle, otn.MaxSubtitle); err != nil {
		return out, err
	}
	if out.Image, err = w.link(c.image); err != nil {
		return out, err
	}
	if out.URL, err = w.link(c.url); err != nil {
		return out, err
	}
	for _, b := range c.buttons {
		title, err := w.text(b.title, otn.MaxTitle)
		if err != nil {
			return out, err
		}
		link, err := w.link(b.url)
		if err != nil {
			return out, err
		}
		out.Buttons = append(out.Buttons, otn.Button{Title: title, URL: link})
	}
	return out, nil
}

// gallery makes a card of each item. An item of which a fact is not known has no card; without any card there is no message.
func (w writer) gallery(l *letter) (cards []otn.Card, err error) {
	list := w.f.eval(l.each.run)
	if !list.ok() {
		return nil, fmt.Errorf("%s: %w", list.because(), otn.ErrInvalid)
	}
	var first error
	all := list.items()
	for i := range all {
		if len(cards) == otn.MaxCards {
			break
		}
		w.f.el = itemAt(all, i)
		c, err := w.card(l.gallery)
		switch {
		case err == nil && c.Title != "":
			cards = append(cards, c)
		case first == nil:
			first = err
		}
	}
	switch {
	case len(cards) > 0:
		return cards, nil
	case first != nil:
		return nil, first
	}
	return nil, fmt.Errorf("the gallery has no items: %w", otn.ErrInvalid)
}

// carried is the message in the best form that an instance carries: gallery, card, text. nil carries everything.
// Errors: ErrInvalid for a template, which no other form can stand for.
func carried(m otn.Message, can *otn.Capabilities) (otn.Message, error) {
	if can == nil {
		return m, nil
	}
	if !can.QuickReply {
		m.QuickReply = nil
	}
	switch f := m.Form(); {
	case can.Carries(f):
		return m, nil
	case f == otn.TemplateForm:
		return otn.Message{}, fmt.Errorf("the channel carries no templates: %w", otn.ErrInvalid)
	case f == otn.GalleryForm && can.Carries(otn.CardForm):
		return otn.Message{Card: &m.Gallery[0], QuickReply: m.QuickReply}, nil
	}
	cards := m.Gallery
	if m.Card != nil {
		cards = []otn.Card{*m.Card}
	}
	lines := []string{}
	if m.Image != "" {
		lines = append(lines, m.Image)
	}
	for _, c := range cards {
		lines = append(lines, plainCard(c))
	}
	return otn.Message{Text: cutLines(lines, otn.MaxText), QuickReply: m.QuickReply}, nil
}

// plainCard is a card as text: what it says, then where it leads.
func plainCard(c otn.Card) string {
	out := []string{c.Title}
	if c.Subtitle != "" {
		out = append(out, c.Subtitle)
	}
	seen := map[string]bool{"": true}
	for _, b := range c.Buttons {
		out = append(out, b.Title+": "+b.URL)
		seen[b.URL] = true
	}
	if !seen[c.URL] {
		out = append(out, c.URL)
	}
	return strings.Join(out, "\n")
}

// cutLines joins whole paragraphs as long as they fit: a link is never cut in the middle.
func cutLines(paragraphs []string, limit int) string {
	out := ""
	for _, p := range paragraphs {
		next := p
		if out != "" {
			next = out + "\n\n" + p
		}
		if len([]rune(next)) > limit {
			break
		}
		out = next
	}
	if out == "" && len(paragraphs) > 0 {
		return cut(paragraphs[0], limit)
	}
	return out
}
