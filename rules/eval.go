// One expression by itself, with facts that somebody gives: its value and type, or where and why there is none.

package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// Answer is what an expression gives.
type Answer struct {
	Type    string `json:"type"`              // as rule files write it; "list of strings", "list of items"
	Value   string `json:"value,omitempty"`   // left out when there is none
	Verdict string `json:"verdict"`           // known, undecided or failed
	Because string `json:"because,omitempty"` // why there is no value
	Part    string `json:"part,omitempty"`    // the smallest part of the expression that has no value
	Line    int    `json:"line,omitempty"`    // where that stands in the expression, from 1
	Col     int    `json:"col,omitempty"`     // in runes, from 1
	Hint    string `json:"hint,omitempty"`    // what a rule can do about it
	Shown   string `json:"-"`                 // the line with a caret below it
}

// Eval checks one expression and evaluates it. where is the id of a rule or an ask, whose names it sees then, or of a topic;
// "" lets it see whatever the facts tell, answers and fields with the types they look like.
// Errors: Errors with every fault of the expression; ErrNotFound for a where that is not there.
func (s *Set) Eval(src, where string, g *Given) (*Answer, error) {
	names, g, err := s.sight(where, g)
	if err != nil {
		return nil, err
	}
	at := newSource(File{Name: "expression", Source: []byte(src)})
	n := &node{kind: scalarNode, style: literal, text: src, at: place{0, 1, 1}} // its lines are those of the source
	if strings.TrimSpace(src) == "" {
		at.fault(place{1, 1, 1}, codeMissing, "the expression is empty", "")
		return nil, Errors(at.faults)
	}
	c, mistakes := compile(src, names, unknown)
	if c != nil && c.k == object {
		mistakes = append(mistakes, mistake{0, 0, codeResult, fmt.Sprintf("%s is no value by itself", article(c.shape)), "name one of its fields", false})
	}
	at.report(n, 0, src, mistakes)
	if bad := only(at.faults, Fault); len(bad) > 0 {
		return nil, Errors(inOrder(bad, nil))
	}
	f := g.frame()
	v := f.eval(c.run)
	out := &Answer{Type: c.k.String(), Verdict: "known"}
	switch {
	case v.ok():
		out.Value = shown(v)
		return out, nil
	case v.k == unknown:
		out.Verdict = "undecided"
	default:
		out.Verdict = "failed"
	}
	part := blame(c, f)
	from, to := wholePath(part)
	p := at.within(n, from, to-from)
	out.Because, out.Hint, out.Part, out.Line, out.Col = v.because(), hintOf(v), part.String(), p.line, p.col
	out.Shown = at.line(p.line) + "\n" + caret(at.line(p.line), max(p.col, 1), p.width)
	return out, nil
}

// hintOf says how a rule can go on without a fact.
func hintOf(v value) string {
	object, name, ok := strings.Cut(v.s, ".")
	if v.k != unknown || !ok || strings.Contains(name, ".") {
		return ""
	}
	return fmt.Sprintf("%s.has.%s says whether it is known", object, name)
}

// blame is the smallest part of an expression that has no value for the same reason as the whole.
func blame(c *compiled, f *frame) ast.Node {
	n, none := c.root, f.eval(c.run)
	for deeper := true; deeper; {
		deeper = false
		for _, part := range below(n) {
			if code := c.part(part); !code.bad && code.k != object && f.eval(code.run) == none {
				n, deeper = part, true
				break
			}
		}
	}
	return n
}

// wholePath is where a node stands; of a path from its beginning on.
func wholePath(n ast.Node) (from, to int) {
	from, to = extent(n)
	for m, ok := n.(*ast.MemberNode); ok; m, ok = n.(*ast.MemberNode) {
		n = m.Node
		from, _ = extent(n)
	}
	return from, to
}

// shown is a value in full: texts without quotes only where they stand alone.
func shown(v value) string {
	switch v.k {
	case texts:
		list := make([]string, len(v.texts()))
		for i, s := range v.texts() {
			list[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(list, ", ") + "]"
	case items:
		list := make([]string, len(v.items()))
		for i, it := range v.items() {
			list[i] = it.ID
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	return v.String()
}

// frame is what the facts look like to an expression.
func (g *Given) frame() *frame {
	f := &frame{at: g.At, now: g.Now, was: g.Was, firstSeen: g.First, consent: &g.Consent, zones: zones{}}
	if g.Trigger != nil {
		f.trigger = &otn.Trigger{Fields: g.Trigger}
	}
	c := &g.Consent
	f.asked = &otn.AskFacts{At: g.At, Now: g.Now, Ref: g.Ref, Rest: g.Rest, Trigger: f.trigger,
		Person: otn.Person{Channel: c.Channel, TZ: c.TZ, Locale: c.Locale, Tags: c.Tags, Consents: c.Waiting}}
	return f
}

// sight is what an expression may name, and the facts with the types that these names have.
func (s *Set) sight(where string, g *Given) (*scope, *Given, error) {
	for _, d := range s.declared.rules {
		if d.id == where && where != "" {
			return s.ruleSight(d, g)
		}
	}
	if t := s.declared.topic(where); t != nil {
		fields := guess(g.Trigger)
		names := s.scopes.rule(t, t.zone, &trigger{name: "NAME", fields: fields}, t.Subject != otn.NoSubject, "")
		return names, g.typed(s.declared.attrs, t.Answers, fields), s.knows(g, false)
	}
	for _, d := range s.declared.asks {
		if d.id == where && where != "" {
			names, fields := s.askSight(d)
			return names, g.typed(s.declared.attrs, nil, fields), s.knows(g, true)
		}
	}
	if where != "" {
		return nil, nil, fmt.Errorf("rules: neither a rule, a topic nor an ask %q: %w", where, otn.ErrNotFound)
	}
	return s.anySight(g)
}

// ruleSight is what the condition of a rule sees.
func (s *Set) ruleSight(d *ruleDecl, g *Given) (*scope, *Given, error) {
	t := s.declared.topic(d.topic)
	fired, fields := s.firedBy(d.on...)
	names := s.scopes.rule(t, d.zone, fired, len(d.on) > 0 && d.cron == nil && d.once == nil && fired == nil, "the rule has no before")
	return names, g.typed(s.declared.attrs, t.Answers, fields), s.knows(g, true)
}

// askSight is what the condition of an ask sees.
func (s *Set) askSight(d *askDecl) (*scope, []otn.Field) {
	fired, fields := s.firedBy(d.on)
	kind := otn.Kind("")
	if t := s.declared.topic(d.topic); t != nil {
		kind = t.Subject
	}
	return s.scopes.asking(kind, d.zone, fired, d.on.text == otn.Referred), fields
}

// firedBy is the trigger that something is on, and what it carries.
func (s *Set) firedBy(on ...*node) (*trigger, []otn.Field) {
	for _, n := range on {
		if name, ok := strings.CutPrefix(n.text, "trigger."); ok {
			t, _ := s.declared.trigger(name)
			return &t, t.fields
		}
	}
	return nil, nil
}

// anySight is everything at once, as the facts tell it.
func (s *Set) anySight(g *Given) (*scope, *Given, error) {
	in := *s.declared
	in.attrs = append([]otn.Field(nil), s.declared.attrs...)
	for _, snapshot := range []otn.Snapshot{g.Now, g.Was} {
		if snapshot.Item == nil {
			continue
		}
		for _, f := range guess(snapshot.Item.Attrs) {
			if !hasName(in.attrs, f.Name) {
				in.attrs = append(in.attrs, f)
			}
		}
	}
	answers, fields := guess(g.Consent.Answers), guess(g.Trigger)
	t := &topicDecl{Topic: otn.Topic{Subject: otn.ItemKind, Answers: answers}, zone: s.zone()}
	names := in.scopes().rule(t, t.zone, &trigger{name: "NAME", fields: fields}, true, "")
	all := in.scopes()
	names.add("collection", field{shape: shape{object, all.collection}, self: func(f *frame) any { return f.now.Collection }})
	delete(names.elsewhere, "collection")
	if g.kind == otn.CollectionKind {
		names.add("was", all.was(otn.CollectionKind))
	}
	return names, g.typed(in.attrs, answers, fields), nil
}

func hasName(list []otn.Field, name string) bool {
	for _, f := range list {
		if f.Name == name {
			return true
		}
	}
	return false
}

// guess declares values by what they look like; an answer that is there is not optional, and has.NAME is true.
func guess(list []otn.Named) []otn.Field {
	out := make([]otn.Field, len(list))
	for i, n := range list {
		out[i] = otn.Field{Name: n.Name, Type: n.Value.Type()}
		if out[i].Type != otn.String {
			continue
		}
		for _, t := range []otn.Type{otn.Bool, otn.Int, otn.Float, otn.MoneyType, otn.Time} {
			if _, err := otn.ParseValue(t, n.Value.Text()); err == nil {
				out[i].Type = t
				break
			}
		}
	}
	return out
}

// knows refuses answers that no topic declares, and trigger fields that no trigger does: they are misspelt.
func (s *Set) knows(g *Given, fields bool) error {
	var answers, told []string
	for _, t := range s.declared.topics {
		for _, f := range t.Answers {
			answers = append(answers, f.Name)
		}
	}
	for _, t := range s.declared.triggers {
		for _, f := range t.fields {
			told = append(told, f.Name)
		}
	}
	if !fields {
		return strangers("answer", g.Consent.Answers, answers)
	}
	return errors.Join(strangers("answer", g.Consent.Answers, answers), strangers("trigger field", g.Trigger, told))
}

func strangers(what string, list []otn.Named, names []string) error {
	for _, n := range list {
		if slices.Contains(names, n.Name) {
			continue
		}
		hint := didYouMean(n.Name, names)
		if hint == "" {
			hint = "none is declared"
		}
		return fmt.Errorf("rules: facts: no %s %q is declared; %s: %w", what, n.Name, hint, otn.ErrInvalid)
	}
	return nil
}

// typed gives the values of a facts file the types that are declared for them, and leaves out what is not declared here.
// What does not fit its type stays as it is told, as it would from a shop.
func (g *Given) typed(attrs, answers, fields []otn.Field) *Given {
	out := *g
	out.Consent.Answers, out.Trigger = retyped(g.Consent.Answers, answers), retyped(g.Trigger, fields)
	for _, s := range []*otn.Snapshot{&out.Now, &out.Was, &out.Last.Now} {
		if s.Item != nil {
			it := *s.Item
			it.Attrs = retyped(it.Attrs, attrs)
			s.Item = &it
		}
	}
	return &out
}

func retyped(list []otn.Named, declared []otn.Field) (out []otn.Named) {
	for _, n := range list {
		for _, f := range declared {
			if f.Name != n.Name {
				continue
			}
			if v, err := otn.ParseValue(f.Type, n.Value.String()); err == nil {
				n.Value = v
			}
			out = append(out, n)
		}
	}
	return out
}

// zone is that of the first file that declares a topic, in which dates without one are read.
func (s *Set) zone() *time.Location {
	for _, t := range s.declared.topics {
		return t.zone
	}
	return time.UTC
}
