// An operator's send: one rule more, checked like any other, that fires for its own event alone.

package rules

import (
	"fmt"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// Once is this version with one rule more, made from an operator's send.
// Errors: Errors with every fault, each shown in the send as if it were written in a file; ErrUnknownTopic.
func (s *Set) Once(send otn.Send) (otn.Rules, error) {
	set, err := s.with(send)
	if err != nil {
		return nil, err
	}
	return set, nil
}

func (s *Set) with(send otn.Send) (*Set, error) {
	t := s.declared.topic(send.Topic)
	if t == nil {
		return nil, fmt.Errorf("rules: send %s: topic %q: %w", send.ID, send.Topic, otn.ErrUnknownTopic)
	}
	w := sendWriter{source: &source{name: "send " + send.ID, sent: true}}
	d := w.rule(send, t)
	if _, taken := s.byID[send.ID]; taken {
		w.fault(d.at, codeDeclared, fmt.Sprintf("rule %q is declared twice", send.ID), "a send needs an id of its own")
	}
	r := s.declared.rule(d, s.scopes, map[string]bool{})
	if bad := only(w.faults, Fault); len(bad) > 0 {
		return nil, Errors(inOrder(bad, nil))
	}
	out := *s
	out.origin.Sends = append(append([]otn.Send(nil), s.origin.Sends...), send)
	out.rules = append([]*rule(nil), s.rules...)
	out.byID = map[string]*rule{}
	for id, have := range s.byID {
		out.byID[id] = have
	}
	r.Rule.File, r.Rule.Line = "", 0
	out.rules = append(out.rules, r)
	out.byID[r.ID] = r
	out.seal()
	return &out, nil
}

// sendWriter lays a send out as the lines of a rule file, so that its faults are shown like those of one.
type sendWriter struct{ *source }

func (w *sendWriter) rule(send otn.Send, t *topicDecl) *ruleDecl {
	d := &ruleDecl{topic: send.Topic, src: w.source, zone: t.zone, defaults: t.defaults}
	id := w.text("id", send.ID)
	d.at = id.at
	if (&decoder{source: w.source}).id(id, "a send") {
		d.id = send.ID
	}
	if strings.TrimSpace(send.Where) != "" {
		d.when = w.text("where", send.Where)
	}
	d.message = w.message(send.Message)
	return d
}

// text adds one value as a block of lines.
func (w *sendWriter) text(key, text string) *node {
	w.lines = append(w.lines, key+": |")
	n := &node{kind: scalarNode, style: literal, text: text, at: place{len(w.lines), 1, 1}}
	for _, line := range strings.Split(text, "\n") {
		w.lines = append(w.lines, "  "+line)
	}
	return n
}

func (w *sendWriter) mapping(key string) *node {
	w.lines = append(w.lines, key+":")
	return &node{kind: mapNode, at: place{len(w.lines), 1, 1}}
}

func (w *sendWriter) put(n *node, key, text string) {
	if text != "" {
		v := w.text(key, text)
		n.pairs = append(n.pairs, pair{&node{kind: scalarNode, text: key, at: v.at}, v})
	}
}

func put(n *node, key string, v *node) {
	n.pairs = append(n.pairs, pair{&node{kind: scalarNode, text: key, at: v.at}, v})
}

func (w *sendWriter) message(m otn.Message) *node {
	n := w.mapping("message")
	w.put(n, "text", m.Text)
	w.put(n, "image", m.Image)
	if m.Card != nil {
		put(n, "card", w.card(*m.Card))
	}
	if len(m.Gallery) > 0 {
		list := w.mapping("gallery")
		list.kind = listNode
		for _, c := range m.Gallery {
			list.items = append(list.items, w.card(c))
		}
		put(n, "gallery", list)
	}
	if m.Template != nil {
		put(n, "template", w.template(*m.Template))
	}
	if m.QuickReply != nil {
		q := w.mapping("quick_reply")
		w.put(q, "title", m.QuickReply.Title)
		w.put(q, "payload", m.QuickReply.Payload)
		put(n, "quick_reply", q)
	}
	return n
}

func (w *sendWriter) template(t otn.Template) *node {
	n := w.mapping("template")
	w.put(n, "name", t.Name)
	w.put(n, "language", t.Language)
	if len(t.Params) > 0 {
		list := w.mapping("params")
		list.kind = listNode
		for _, p := range t.Params {
			list.items = append(list.items, w.text("-", p))
		}
		put(n, "params", list)
	}
	return n
}

func (w *sendWriter) card(c otn.Card) *node {
	n := w.mapping("card")
	w.put(n, "title", c.Title)
	w.put(n, "subtitle", c.Subtitle)
	w.put(n, "image", c.Image)
	w.put(n, "url", c.URL)
	if len(c.Buttons) > 0 {
		list := w.mapping("buttons")
		list.kind = listNode
		for _, b := range c.Buttons {
			item := w.mapping("-")
			w.put(item, "title", b.Title)
			w.put(item, "url", b.URL)
			list.items = append(list.items, item)
		}
		put(n, "buttons", list)
	}
	return n
}
