// Messages: what of them can be checked at load is; the rest is made for one person from the facts of the run.

package rules

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

// letter is a message as a rule writes it. Exactly one of text, card, gallery, image and template is set.
type letter struct {
	text, image *template
	template    *templateText
	channels    map[string]*letter // another message for an instance
	at          place              // of the message, or of the instance that it is for
	card        *cardText
	each        *compiled // of a gallery: its items
	gallery     *cardText
	cards       []*cardText // a gallery that is written out: an operator's send
	reply       *template
	payload     *template
}

// cardText is a card as a rule writes it; parts that are left out are nil.
type cardText struct {
	title, subtitle, image, url *template
	buttons                     []buttonText
}

type buttonText struct{ title, url *template }

// maxParams is how many places of a template can be filled.
const maxParams = 32

// templateText names a text that the platform approved, and fills its places.
type templateText struct {
	name, language string
	params         []*template
}

// through is the message for people of one instance.
func (l *letter) through(instance string) *letter {
	if other, ok := l.channels[instance]; ok {
		return other
	}
	return l
}

func (s *source) decoder() *decoder { return &decoder{source: s} }

// letter reads the message of a rule. faults on the way leave it incomplete, and the rule unused.
func (s *source) letter(n *node, sc *scope, item *fields) *letter {
	return s.letterOf(n, "message", sc, item)
}

func (s *source) letterOf(n *node, shape string, sc *scope, item *fields) *letter {
	d := s.decoder()
	if n == nil || n.kind == nullNode || d.mapping(n, "a message", shape) == nil {
		return nil
	}
	l := &letter{at: n.at}
	forms := 0
	for _, p := range n.pairs {
		switch p.key.text {
		case "text":
			l.text = s.limited(p.value, "text", sc, otn.MaxText)
		case "image":
			l.image = s.link(p.value, "image", sc)
		case "card":
			l.card = s.card(p.value, "a card", sc, "card")
		case "gallery":
			s.gallery(p.value, l, sc, item)
		case "template":
			l.template = s.approved(p.value, sc)
		case "quick_reply":
			s.quickReply(p.value, l, sc)
			continue
		case "for":
			if shape == "message" {
				s.channels(p.value, l, sc, item)
			}
			continue
		default:
			continue
		}
		forms++
	}
	if forms != 1 {
		at := n.at
		if forms > 1 {
			at = n.pairs[1].key.at
		}
		s.fault(at, codeForm, "a message is exactly one of text, card, gallery, image and template, and here "+[]string{"is none", "", "are two", "are three", "are four", "are five"}[min(forms, 5)], "")
	}
	return l
}

// channels reads what people get through single instances.
func (s *source) channels(n *node, l *letter, sc *scope, item *fields) {
	if s.decoder().mapping(n, "for", names) == nil {
		return
	}
	l.channels = map[string]*letter{}
	for _, p := range n.pairs {
		if other := s.letterOf(p.value, "message of a channel", sc, item); other != nil {
			other.at = p.key.at
			l.channels[p.key.text] = other
		}
	}
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,3}$`)

// approved reads a template: its name and language are the platform's, and stand as they are.
func (s *source) approved(n *node, sc *scope) *templateText {
	d := s.decoder()
	if d.mapping(n, "a template", "template") == nil {
		return nil
	}
	t := &templateText{}
	for _, word := range []string{"name", "language"} {
		v := n.get(word)
		if v == nil || v.kind == nullNode {
			continue
		}
		w, ok := d.word(v, word)
		switch {
		case !ok:
		case strings.TrimSpace(w) == "" || strings.Contains(w, "${"):
			s.fault(v.at, codeTemplateName, fmt.Sprintf("the %s of a template is a plain word: the platform knows it under this one only", word), "")
		case word == "name":
			t.name = w
		case !languageTag.MatchString(w):
			s.fault(v.at, codeTemplateName, fmt.Sprintf("%q is no language", w), "write it as the platform does: en_US, or de")
		default:
			t.language = w
		}
	}
	if list := n.get("params"); list != nil && d.is(list, listNode, "params") {
		if len(list.items) > maxParams {
			s.fault(list.items[maxParams].at, codeCount, fmt.Sprintf("a template has at most %d params, and here are %d", maxParams, len(list.items)), "")
			return t
		}
		for _, p := range list.items {
			t.params = append(t.params, s.limited(p, "a param", sc, otn.MaxText))
		}
	}
	return t
}

// limited is a text that is not longer than limit as far as it is written out.
func (s *source) limited(n *node, what string, sc *scope, limit int) *template {
	t := s.template(n, what, sc)
	if t == nil {
		return nil
	}
	if got := t.shortest(); got > limit {
		s.fault(place{n.at.line, n.at.col, 1}, codeLength, fmt.Sprintf("%s has at least %d characters, %d are allowed", what, got, limit), "")
		return nil
	}
	if written, ok := t.written(); ok && strings.TrimSpace(written) == "" {
		s.fault(n.at, codeMissing, what+" is empty", "")
		return nil
	}
	return t
}

// link is a text that becomes an http or https address.
func (s *source) link(n *node, what string, sc *scope) *template {
	t := s.template(n, what, sc)
	if t == nil {
		return nil
	}
	written, ok := t.written()
	bad := ok && !isLink(written)
	if !ok && t.parts[0].expr == nil {
		lead := strings.ToLower(t.parts[0].plain)
		bad = !strings.HasPrefix(lead, "https://") && !strings.HasPrefix(lead, "http://")
	}
	if bad {
		s.fault(n.at, codeURL, fmt.Sprintf("%s is no link", what), "a link begins with https://")
		return nil
	}
	return t
}

// isLink reports an absolute http or https address.
func isLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) < 0
}

func (s *source) card(n *node, what string, sc *scope, shape string) *cardText {
	if s.decoder().mapping(n, what, shape) == nil {
		return nil
	}
	c := &cardText{}
	for _, p := range n.pairs {
		switch p.key.text {
		case "title":
			c.title = s.limited(p.value, "title", sc, otn.MaxTitle)
		case "subtitle":
			c.subtitle = s.limited(p.value, "subtitle", sc, otn.MaxSubtitle)
		case "image":
			c.image = s.link(p.value, "image", sc)
		case "url":
			c.url = s.link(p.value, "url", sc)
		case "buttons":
			c.buttons = s.buttons(p.value, sc)
		}
	}
	if c.title != nil && len(n.pairs) == 1 {
		s.fault(n.at, codeForm, what+" needs more than a title", "add a subtitle, an image, a url or buttons, or send a text")
	}
	return c
}

func (s *source) buttons(n *node, sc *scope) (out []buttonText) {
	d := s.decoder()
	if !d.is(n, listNode, "buttons") {
		return nil
	}
	if len(n.items) > otn.MaxButtons {
		s.fault(n.items[otn.MaxButtons].at, codeCount, fmt.Sprintf("a card has at most %d buttons, and here are %d", otn.MaxButtons, len(n.items)), "")
	}
	for _, b := range n.items {
		if d.mapping(b, "a button", "button") == nil {
			continue
		}
		out = append(out, buttonText{s.limited(b.get("title"), "title", sc, otn.MaxTitle), s.link(b.get("url"), "url", sc)})
	}
	return out
}

func (s *source) gallery(n *node, l *letter, sc *scope, item *fields) {
	d := s.decoder()
	if n.kind == listNode && s.sent {
		for _, c := range n.items {
			l.cards = append(l.cards, s.card(c, "a card", sc, "card"))
		}
		return
	}
	if n.kind != mapNode {
		d.mapping(n, "a gallery", names)
		return
	}
	each := n.get("each")
	if each != nil && each.kind != nullNode {
		l.each = s.expression(each, "each", sc, items)
	}
	el := field{shape: shape{object, item}, self: func(f *frame) any { return f.el.ref }}
	l.gallery = s.card(n, "a gallery", sc.with("el", el), "gallery")
}

func (s *source) quickReply(n *node, l *letter, sc *scope) {
	d := s.decoder()
	if d.mapping(n, "a quick reply", "quick_reply") == nil {
		return
	}
	l.reply = s.limited(n.get("title"), "title", sc, otn.MaxTitle)
	l.payload = s.template(n.get("payload"), "payload", sc)
}

// cut shortens a text to limit runes, at the end of a word where there is one in its second half.
func cut(s string, limit int) string {
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)[:limit-1]
	for i := len(runes) - 1; i >= limit/2; i-- {
		if unicode.IsSpace(runes[i]) {
			runes = runes[:i]
			break
		}
	}
	for len(runes) > 0 && (combines(runes[len(runes)-1]) || unicode.IsSpace(runes[len(runes)-1])) {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// escapeLink makes a value safe inside a link: a whole link stands as it is, a part of a path or a query is escaped.
func escapeLink(before, text string) string {
	switch {
	case before == "":
		return text
	case strings.ContainsRune(before, '?'):
		return url.QueryEscape(text)
	}
	parts := strings.Split(text, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// templates are all texts of the message, those for single channels included.
func (l *letter) templates() []*template {
	all := []*template{l.text, l.image, l.reply, l.payload}
	for _, c := range append([]*cardText{l.card, l.gallery}, l.cards...) {
		if c == nil {
			continue
		}
		all = append(all, c.title, c.subtitle, c.image, c.url)
		for _, b := range c.buttons {
			all = append(all, b.title, b.url)
		}
	}
	if l.template != nil {
		all = append(all, l.template.params...)
	}
	for _, name := range slices.Sorted(maps.Keys(l.channels)) {
		all = append(all, l.channels[name].templates()...)
	}
	return slices.DeleteFunc(all, func(t *template) bool { return t == nil })
}

// expressions calls visit for each expression of the message.
func (l *letter) expressions(visit func(*compiled)) {
	for _, t := range l.templates() {
		t.expressions(visit)
	}
	for _, one := range append([]*letter{l}, slices.Collect(maps.Values(l.channels))...) {
		if one.each != nil {
			visit(one.each)
		}
	}
}
