// Expressions inside a file: YAML's traps first, then the check, each mistake shown at its place in the file.

package rules

import (
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

// expression checks the scalar n as one expression. nil means that faults were noted.
func (s *source) expression(n *node, what string, sc *scope, want kind) *compiled {
	if !s.whole(n, what) {
		return nil
	}
	if strings.TrimSpace(n.text) == "" {
		s.fault(n.at, codeMissing, what+" is empty", "")
		return nil
	}
	out, mistakes := compile(n.text, sc, want)
	s.report(n, 0, n.text, mistakes)
	s.spend(n, 0, what, out)
	return out
}

// whole refuses a scalar that YAML may have changed: cut at a comment, or folded.
func (s *source) whole(n *node, what string) bool {
	switch {
	case n.split:
		return false
	case n.kind != scalarNode:
		if n.kind == nullNode {
			s.fault(n.at, codeMissing, what+" is empty", "")
		} else {
			s.fault(n.at, codeShape, fmt.Sprintf("%s is a plain value, and here is %s", what, n.kind), "quote it: '…'")
		}
		return false
	case n.cut.line > 0:
		s.fault(n.cut, codeCut, "YAML takes everything behind this # for a comment", "quote the whole value: '"+s.rest(n.at)+"'; a real comment stands on a line of its own")
		return false
	case n.style == folded:
		s.fault(place{n.at.line, n.at.col, 1}, codeFolded, what+" runs over several lines in a style that YAML folds", "use a | block")
		return false
	}
	return true
}

// report shows the mistakes of an expression that begins off runes into n.
func (s *source) report(n *node, off int, src string, mistakes []mistake) {
	for _, m := range mistakes {
		if m.width == 0 {
			lead := len(src) - len(strings.TrimLeft(src, " \t\n"))
			first, _, _ := strings.Cut(strings.TrimSpace(src), "\n")
			m.off, m.width = utf8.RuneCountInString(src[:lead]), utf8.RuneCountInString(first)
		}
		m.off = min(m.off, utf8.RuneCountInString(strings.TrimRight(src, " \t\n"))) // the end of the text is where something visible ends
		e := s.fault(s.within(n, off+m.off, m.width), m.code, m.message, m.hint)
		if m.warning {
			e.Severity = Warning
		}
	}
}

// scopes makes the names that a topic's expressions see.
type scopes struct {
	item, collection *fields
	params           field
	before           map[otn.Kind]field // the subject before the event: the same for all topics
	suspect          map[string]bool
	partial          bool
	made             map[string]*scope // while files are linked: rules of one topic share their names
	without          map[*scope]*scope // the same, without sub
}

// shared is a scope without sub: what is the same for everybody.
func (s *scopes) shared(sc *scope) *scope {
	if out, ok := s.without[sc]; ok {
		return out
	}
	out := newScope(sc.zone)
	maps.Copy(out.roots.by, sc.roots.by)
	maps.Copy(out.elsewhere, sc.elsewhere)
	out.suspect, out.partial = sc.suspect, sc.partial
	delete(out.roots.by, "sub")
	out.elsewhere["sub"] = "this is decided once, for everybody"
	if s.without != nil {
		s.without[sc] = out
	}
	return out
}

// then is what may be said right after a consent.
func (s *scopes) then(t *topicDecl) *scope {
	sc := s.ask(t)
	clear(sc.elsewhere)
	s.subject(sc, t.Subject)
	by := subFields(t.Answers)
	for _, name := range personNames() {
		delete(by, name)
	}
	sc.add("sub", field{shape: shape{object, &fields{"sub", by}}})
	for _, name := range []string{"was", "trigger", "at", "el"} {
		sc.elsewhere[name] = "this is said right after the consent: it can name the subject, sub and params"
	}
	return sc
}

// asking is what an ask may name. kind is that of the subject, "" where the link decides which it is.
func (s *scopes) asking(kind otn.Kind, zone *time.Location, fired *trigger, referral bool) *scope {
	sc := newScope(zone)
	sc.suspect, sc.partial = s.suspect, s.partial
	sc.add("params", s.params)
	if s.subject(sc, kind); kind == "" {
		sc.elsewhere["item"] = "which topic and subject it is about comes from the link: name the topic to look at its item"
		sc.elsewhere["collection"] = "which topic and subject it is about comes from the link: name the topic to look at its collection"
	}
	sc.add("sub", field{shape: shape{object, &fields{"sub", personFields()}}})
	sc.add("at", field{shape: shape{k: moment}, uses: usesAt, read: func(f *frame, _ any, _ string) value { return timeValue(f.at) }})
	sc.elsewhere["was"] = "an ask is not about a change: there is no before"
	sc.elsewhere["el"] = "el is the item of a gallery's card"
	if referral {
		sc.add("ref", field{shape: shape{object, &fields{"ref", refFields()}}})
	} else {
		sc.elsewhere["ref"] = "the ask is not on a referral"
	}
	s.fired(sc, fired, "the ask is not on a trigger")
	return sc
}

// fired adds the trigger that something is on.
func (s *scopes) fired(sc *scope, fired *trigger, why string) {
	if fired == nil {
		sc.elsewhere["trigger"] = why
		return
	}
	obj := &fields{"trigger." + fired.name, triggerFields(fired.fields)}
	sc.add("trigger", field{shape: shape{object, obj}, uses: usesTrigger})
}

func (in *declared) scopes() *scopes {
	item := &fields{"item", itemFields(in.attrs)}
	s := &scopes{
		item:       item,
		suspect:    in.suspect,
		partial:    in.partial,
		collection: &fields{"collection", collectionFields(item)},
		params:     field{shape: shape{object, &fields{"params", paramFields(in.params)}}},
	}
	s.before = map[otn.Kind]field{otn.ItemKind: s.was(otn.ItemKind), otn.CollectionKind: s.was(otn.CollectionKind)}
	return s
}

// ask is what the title of a request may name: the subject and the params.
func (s *scopes) ask(t *topicDecl) *scope {
	sc := newScope(t.zone)
	sc.suspect, sc.partial = s.suspect, s.partial
	sc.add("params", s.params)
	s.subject(sc, t.Subject)
	for _, name := range []string{"was", "sub", "trigger", "at", "ref", "el"} {
		sc.elsewhere[name] = "a title is shown before there is a consent: it can name the subject and params"
	}
	return sc
}

// of is rule, made once for all rules that see the same.
func (s *scopes) of(t *topicDecl, zone *time.Location, fired *trigger, before bool, why string) *scope {
	if s.made == nil {
		return s.rule(t, zone, fired, before, why)
	}
	key := t.ID + "\x00" + zone.String() + "\x00" + why
	if fired != nil {
		key += "\x00" + fired.name
	}
	if before {
		key += "\x00before"
	}
	if s.made[key] == nil {
		s.made[key] = s.rule(t, zone, fired, before, why)
	}
	return s.made[key]
}

// rule is what a rule of a topic may name. fired is the trigger it is on, if any; before says whether there is a was.
func (s *scopes) rule(t *topicDecl, zone *time.Location, fired *trigger, before bool, why string) *scope {
	sc := s.ask(t)
	sc.zone = zone
	clear(sc.elsewhere)
	s.subject(sc, t.Subject)
	sc.add("sub", field{shape: shape{object, &fields{"sub", subFields(t.Answers)}}})
	sc.add("at", field{shape: shape{k: moment}, uses: usesAt, read: func(f *frame, _ any, _ string) value { return timeValue(f.at) }})
	switch {
	case t.Subject == otn.NoSubject:
		sc.elsewhere["was"] = "the topic has no subject"
	case before:
		sc.add("was", s.before[t.Subject])
	default:
		sc.elsewhere["was"] = why
	}
	sc.elsewhere["el"] = "el is the item of a gallery's card"
	sc.elsewhere["ref"] = "ref is what the link of an ask says"
	s.fired(sc, fired, "the rule is not on a trigger")
	return sc
}

// subject adds the subject as it is now.
func (s *scopes) subject(sc *scope, k otn.Kind) {
	switch k {
	case otn.ItemKind:
		sc.add("item", field{shape: shape{object, s.item}, self: func(f *frame) any { return f.now.Item }})
		sc.elsewhere["collection"] = "the topic is about an item"
	case otn.CollectionKind:
		sc.add("collection", field{shape: shape{object, s.collection}, self: func(f *frame) any { return f.now.Collection }})
		sc.elsewhere["item"] = "the topic is about a collection"
	default:
		sc.elsewhere["item"] = "the topic has no subject"
		sc.elsewhere["collection"] = "the topic has no subject"
	}
}

// was is the subject before the event, with first_seen.
func (s *scopes) was(k otn.Kind) field {
	from, self := s.item, func(f *frame) any { return f.was.Item }
	if k == otn.CollectionKind {
		from, self = s.collection, func(f *frame) any { return f.was.Collection }
	}
	by := map[string]field{"first_seen": {shape: shape{k: boolean}, read: func(f *frame, _ any, _ string) value { return boolValue(f.firstSeen) }}}
	for name, f := range from.by {
		by[name] = f
	}
	return field{shape: shape{object, &fields{"was", by}}, uses: usesWas, self: self}
}
