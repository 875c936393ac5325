// A rule made ready: what it is on, its condition in two halves, its message.

package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// rule decides for one topic.
type rule struct {
	otn.Rule
	when      *compiled
	once      half        // decided once for an event
	personal  half        // decided for each consent
	narrowers []*narrower // who needs not be looked at
	letter    *letter
	course    course
	zone      *time.Location
	fired     bool // it is on a trigger
	sent      bool // an operator's send: it matches nothing but its own event
}

// half is a part of a condition; nil is true.
type half func(*frame) value

func (h half) eval(f *frame) value {
	if h == nil {
		return boolValue(true)
	}
	return f.eval(h)
}

// rule compiles a declared rule. nil means that faults were noted.
func (in *declared) rule(d *ruleDecl, sc *scopes, used map[string]bool) *rule {
	s := d.src
	t := in.topic(d.topic)
	if t == nil {
		if d.topicNode != nil && d.topic != "" && !in.partial {
			s.fault(d.topicNode.at, codeNoTopic, fmt.Sprintf("there is no topic %q", d.topic), didYouMean(d.topic, in.topicIDs()))
		}
		return nil
	}
	if t.Subject == "" {
		return nil // the topic is at fault
	}
	r := &rule{zone: d.zone, sent: s.sent, Rule: otn.Rule{ID: d.id, Topic: t.ID, Kind: t.Subject, File: s.name, Line: d.at.line, TZ: d.zone.String(), FirstFires: d.first == "fire"}}
	fired := in.on(d, t, r)
	r.fired = fired != nil
	before, why := len(d.on) > 0 && d.cron == nil && d.once == nil && fired == nil, "a trigger tells of no change: there is no before"
	switch {
	case s.sent:
		why = "a send is not about a change: there is no before"
	case d.cron != nil:
		why = "cron looks without an event: there is no before; the price when they agreed is sub.price_then"
		s.cron(d.cron, r)
	case d.once != nil:
		why = "once looks without an event: there is no before; the price when they agreed is sub.price_then"
	}
	r.Once = d.onceAt
	names := sc.of(t, d.zone, fired, before, why)
	ok := in.condition(d, r, names)
	in.fire(d, r, fired)
	ok = in.plan(d, r, sc, names) && ok
	r.letter = s.letter(d.message, names, sc.item)
	r.expressions(note(used))
	r.expressions(func(e *compiled) { r.NeedsPerson = r.NeedsPerson || e.uses&usesPerson != 0 })
	if !ok || r.letter == nil || d.id == "" {
		return nil
	}
	return r
}

// expressions calls visit for each expression of the rule: of its condition, its course and its message.
func (r *rule) expressions(visit func(*compiled)) {
	if r.when != nil {
		visit(r.when)
	}
	r.course.expressions(visit)
	if r.letter != nil {
		r.letter.expressions(visit)
	}
}

func (in *declared) topicIDs() []string {
	var ids []string
	for _, t := range in.topics {
		ids = append(ids, t.ID)
	}
	return ids
}

// on checks what a rule is on against its topic. It returns the trigger, where that is one.
func (in *declared) on(d *ruleDecl, t *topicDecl, r *rule) (fired *trigger) {
	s := d.src
	for _, n := range d.on {
		name, isTrigger := strings.CutPrefix(n.text, "trigger.")
		changed := otn.Kind(strings.TrimSuffix(n.text, ".changed"))
		switch {
		case isTrigger:
			fired = in.onTrigger(d, t, n, name)
		case n.text != string(otn.ItemChanged) && n.text != string(otn.CollectionChanged):
			s.fault(n.at, codeChoice, fmt.Sprintf("a rule cannot be on %q", n.text), didYouMean(n.text, []string{string(otn.ItemChanged), string(otn.CollectionChanged), "trigger.NAME"}))
		case t.Subject != "" && changed != t.Subject:
			s.fault(n.at, codeOn, fmt.Sprintf("topic %s is about %s, and %s is not", t.ID, subjectWords(t.Subject), n.text), "")
		}
		r.On = append(r.On, n.text)
	}
	return fired
}

func subjectWords(k otn.Kind) string {
	return map[otn.Kind]string{otn.ItemKind: "an item", otn.CollectionKind: "a collection", otn.NoSubject: "the shop as a whole"}[k]
}

func (in *declared) onTrigger(d *ruleDecl, t *topicDecl, n *node, name string) *trigger {
	s := d.src
	fired, ok := in.trigger(name)
	var names []string
	for _, t := range in.triggers {
		names = append(names, t.name)
	}
	switch {
	case !ok && in.partial:
		return &trigger{name: name}
	case !ok:
		in.suspect["trigger."+name] = true
		s.fault(n.at, codeNoTrigger, fmt.Sprintf("there is no trigger %q", name), didYouMean(name, names))
		return &trigger{name: name}
	case len(d.on) > 1 || d.cron != nil || d.once != nil:
		s.fault(n.at, codeOn, "a rule on a trigger is on nothing else", "make it two rules")
	case t.Subject != "" && fired.subject != "" && fired.subject != t.Subject:
		s.fault(n.at, codeOn, fmt.Sprintf("topic %s is about %s, and trigger %s is about %s", t.ID, subjectWords(t.Subject), name, subjectWords(fired.subject)), "")
	}
	return &fired
}

// condition compiles when and splits it.
func (in *declared) condition(d *ruleDecl, r *rule, names *scope) bool {
	if d.when == nil {
		return true
	}
	r.when = d.src.expression(d.when, "when", names, boolean)
	if r.when == nil {
		return false
	}
	r.When = strings.TrimSpace(d.when.text)
	r.NeedsSub = r.when.uses&usesSub != 0
	r.AtMatters = r.when.uses&usesAt != 0
	if r.when.uses&^usesSub == 0 && r.when.fixed {
		e := r.when.now()
		d.src.warn(d.src.within(d.when, 0, 1), codeConstant, fmt.Sprintf("this is always %s", e), "")
	}
	r.once, r.personal = halves(r.when)
	r.narrow(in.topic(d.topic))
	return true
}

// halves splits a condition at its top-level &&: what does not look at the consent, and the rest.
func halves(when *compiled) (once, personal half) {
	var first, each []conjunct
	for _, n := range conjuncts(when.root) {
		part := when.part(n)
		c := conjunct{cut(strings.Join(strings.Fields(n.String()), " "), 120), part.run}
		if part.uses&usesSub == 0 {
			first = append(first, c)
		} else {
			each = append(each, c)
		}
	}
	return all(first), all(each)
}

// conjunct is one side of a top-level &&.
type conjunct struct {
	src string
	run func(*frame) value
}

func conjuncts(n ast.Node) []ast.Node {
	if b, ok := n.(*ast.BinaryNode); ok && (b.Operator == "&&" || b.Operator == "and") {
		return append(conjuncts(b.Left), conjuncts(b.Right)...)
	}
	return []ast.Node{n}
}

// all is && of its parts; false comes with the part that is.
func all(parts []conjunct) half {
	switch len(parts) {
	case 0:
		return nil
	case 1:
		run, src := parts[0].run, parts[0].src
		return func(f *frame) value {
			v := run(f)
			if v.isFalse() {
				v.s = src
			}
			return v
		}
	}
	return func(f *frame) value {
		v := boolValue(true)
		for i := range parts {
			if v = both(v, parts[i].run(f)); v.isFalse() {
				v.s = parts[i].src
				return v
			}
		}
		return v
	}
}

// fire settles whether the rule is about a change or a state.
func (in *declared) fire(d *ruleDecl, r *rule, fired *trigger) {
	change := fired != nil || r.sent || r.when != nil && r.when.uses&usesWas != 0
	single := d.once != nil && d.cron == nil && len(d.on) == 0 // there is no decision before it to rise from
	r.State = !change && !single
	switch {
	case d.fire == "each":
		r.State = false
	case d.fire == "rising" && change:
		d.src.fault(d.fireAt.at, codeFire, "fire: rising does not fit: the rule is about a change, which has no before", "leave fire out")
	case d.fire == "rising" && single:
		d.src.fault(d.fireAt.at, codeFire, "fire: rising does not fit: the rule is decided a single time, and there is nothing before", "leave fire out")
	}
	if r.State && d.when == nil && !r.FirstFires {
		d.src.warn(d.at, codeConstant, "without a when the rule is always true, so it never becomes true", "write a when, or fire: each")
	}
}
