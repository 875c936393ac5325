// Expressions inside a file: YAML's traps first, then the check, each mistake shown at its place in the file.

package rules

import (
	"fmt"
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
	return out
}

// whole refuses a scalar that YAML may have changed: cut at a comment, or folded.
func (s *source) whole(n *node, what string) bool {
	switch {
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
	suspect          map[string]bool
	partial          bool
	made             map[string]*scope // while files are linked: rules of one topic share their names
}

func (in *declared) scopes() *scopes {
	item := &fields{"item", itemFields(in.attrs)}
	return &scopes{
		item:       item,
		suspect:    in.suspect,
		partial:    in.partial,
		collection: &fields{"collection", collectionFields(item)},
		params:     field{shape: shape{object, &fields{"params", paramFields(in.params)}}},
	}
}

// ask is what the title of a request may name: the subject and the params.
func (s *scopes) ask(t *topicDecl) *scope {
	sc := newScope(t.zone)
	sc.suspect, sc.partial = s.suspect, s.partial
	sc.add("params", s.params)
	s.subject(sc, t.Subject)
	for _, name := range []string{"was", "sub", "trigger", "at"} {
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
		sc.add("was", s.was(t.Subject))
	default:
		sc.elsewhere["was"] = why
	}
	sc.elsewhere["el"] = "el is the item of a gallery's card"
	if fired != nil {
		obj := &fields{"trigger." + fired.name, triggerFields(fired.fields)}
		sc.add("trigger", field{shape: shape{object, obj}, uses: usesTrigger})
	} else {
		sc.elsewhere["trigger"] = "the rule is not on a trigger"
	}
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
