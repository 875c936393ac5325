// What the files declare together: params, attrs, triggers, topics and rules.

package rules

import (
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// declared is everything that a set of files declares, before its expressions are looked at.
type declared struct {
	params   []param
	attrs    []otn.Field
	triggers []trigger
	topics   []*topicDecl
	byTopic  map[string]*topicDecl
	asks     []*askDecl
	rules    []*ruleDecl
	partial  bool              // a file could not be read: what is missing may be declared there
	suspect  map[string]bool   // names whose declaration is at fault: nothing more is said about their use
	places   map[string]string // of each declaration by kind and name, for "first declared at"
}

// param is a typed knob of the shop.
type param struct {
	name  string
	value otn.Value
	src   *source
	at    place
}

// trigger is a named event from outside.
type trigger struct {
	name       string
	subject    otn.Kind
	subscriber string // required, optional; "" for one that names nobody
	fields     []otn.Field
}

// topicDecl is a topic as declared.
type topicDecl struct {
	otn.Topic
	src      *source
	zone     *time.Location
	ask      *node
	then     *node   // its text
	defaults *pacing // of its file
}

// ruleDecl is a rule as declared.
type ruleDecl struct {
	id, topic         string
	on                []*node
	cron, when, once  *node
	onceAt            time.Time
	fire, first       string
	fireAt, topicNode *node
	message           *node
	n                 *node // all of it
	pacing, defaults  *pacing
	src               *source
	zone              *time.Location
	at                place
}

func (in *declared) trigger(name string) (trigger, bool) {
	for _, t := range in.triggers {
		if t.name == name {
			return t, true
		}
	}
	return trigger{}, false
}

func (in *declared) topic(id string) *topicDecl { return in.byTopic[id] }

// once notes a declaration; a second one of the same name is a fault.
func (d *decoder) once(what, name string, at place) bool {
	key := what + " " + name
	if first, ok := d.into.places[key]; ok {
		d.fault(at, codeDeclared, fmt.Sprintf("%s %q is declared twice", what, name), "first at "+first)
		return false
	}
	d.into.places[key] = fmt.Sprintf("%s:%d", d.source.name, at.line)
	return true
}

// file reads a whole file.
func (d *decoder) file(root *node) {
	if d.mapping(root, "a rule file", "file") == nil {
		return
	}
	if v := root.get("version"); v != nil && v.kind != nullNode {
		if w, ok := d.word(v, "version"); ok && w != "1" {
			d.fault(v.at, codeVersion, fmt.Sprintf("version %q is not known", w), "write version: 1")
		}
	}
	zone := d.zone(root.get("timezone"))
	d.params(root.get("params"))
	d.attrs(root.get("attrs"))
	d.triggers(root.get("triggers"))
	defaults := d.defaults(root.get("defaults"))
	d.topics(root.get("topics"), zone, defaults)
	d.asks(root.get("asks"), zone)
	d.rules(root.get("rules"), zone, defaults)
}

func (d *decoder) zone(n *node) *time.Location {
	if n == nil {
		return time.UTC
	}
	w, ok := d.word(n, "timezone")
	if !ok {
		return time.UTC
	}
	zone, ok := zones{}.find(w)
	if !ok {
		d.fault(n.at, codeZone, fmt.Sprintf("there is no time zone %q", w), "for example America/New_York")
		return time.UTC
	}
	return zone
}

// each walks the pairs of a mapping of declarations.
func (d *decoder) each(n *node, what string, visit func(pair)) {
	if n == nil || n.kind == nullNode || d.mapping(n, what, names) == nil {
		return
	}
	for _, p := range n.pairs {
		visit(p)
	}
}

func (d *decoder) params(n *node) {
	d.each(n, "params", func(p pair) {
		what := "param " + p.key.text
		f, ok := d.typed(p, what, "param")
		if !d.name(p.key, "a param", nil) || !ok || !d.once("param", f.Name, p.key.at) {
			return
		}
		if p.value.kind != mapNode {
			d.into.suspect[f.Name] = true
			d.fault(p.value.at, codeMissing, what+" has no default", fmt.Sprintf("write {type: %s, default: …}", f.Type))
			return
		}
		d.between(p.value, f, what)
		if f.Default.Type() == otn.NoType {
			return
		}
		d.into.params = append(d.into.params, param{f.Name, f.Default, d.source, p.key.at})
	})
}

// between checks a param against its min and max.
func (d *decoder) between(n *node, f otn.Field, what string) {
	for _, bound := range []string{"min", "max"} {
		b := n.get(bound)
		if b == nil {
			continue
		}
		if f.Type != otn.Int && f.Type != otn.Float && f.Type != otn.MoneyType {
			d.fault(b.at, codeRange, fmt.Sprintf("%s is a %s, which has no %s", what, f.Type, bound), "")
			continue
		}
		limit := d.typedValue(b, f.Type, bound)
		if limit.Type() == otn.NoType || f.Default.Type() == otn.NoType {
			continue
		}
		order, bad := compare(valueOf(f.Default, ""), valueOf(limit, ""))
		if bad.k == failed || bound == "min" && order < 0 || bound == "max" && order > 0 {
			d.fault(n.get("default").at, codeRange, fmt.Sprintf("the default of %s is outside its limits: %s is %s", what, bound, limit), "")
		}
	}
}

func (d *decoder) attrs(n *node) {
	d.each(n, "attrs", func(p pair) {
		f, ok := d.typed(p, "attr "+p.key.text, "attr")
		if d.name(p.key, "an attr", itemFields(nil)) && ok && d.once("attr", f.Name, p.key.at) {
			d.into.attrs = append(d.into.attrs, f)
		}
	})
}

func (d *decoder) triggers(n *node) {
	d.each(n, "triggers", func(p pair) {
		t := trigger{name: p.key.text, subject: otn.NoSubject}
		if !d.name(p.key, "a trigger", nil) || !d.once("trigger", t.name, p.key.at) {
			return
		}
		if p.value.kind != nullNode {
			d.mapping(p.value, "trigger "+t.name, "trigger")
		}
		if s := p.value.get("subject"); s != nil {
			t.subject = otn.Kind(d.pick(p.value, "trigger", "subject"))
		}
		t.subscriber = d.pick(p.value, "trigger", "subscriber")
		d.each(p.value.get("fields"), "fields", func(p pair) {
			f, ok := d.typed(p, "field "+p.key.text, "field")
			if d.name(p.key, "a field", nil) && ok && d.once("field of "+t.name, f.Name, p.key.at) {
				t.fields = append(t.fields, f)
			}
		})
		d.into.triggers = append(d.into.triggers, t)
	})
}

func (d *decoder) topics(n *node, zone *time.Location, defaults *pacing) {
	d.each(n, "topics", func(p pair) {
		what := "topic " + p.key.text
		if !d.id(p.key, "a topic") || !d.once("topic", p.key.text, p.key.at) {
			return
		}
		t := &topicDecl{Topic: otn.Topic{ID: p.key.text}, src: d.source, zone: zone, defaults: defaults}
		d.into.topics = append(d.into.topics, t)
		d.into.byTopic[t.ID] = t
		if p.value.kind == nullNode {
			p.value.kind = mapNode
		}
		if d.mapping(p.value, what, "topic") == nil {
			return
		}
		t.Use = otn.Use(d.pick(p.value, "topic", "use"))
		t.Subject = otn.Kind(d.pick(p.value, "topic", "subject"))
		if a := p.value.get("ask"); a != nil && a.kind != nullNode {
			if w, ok := d.word(a, "ask"); ok {
				t.ask, t.Ask = a, w
			}
		}
		d.answers(p.value.get("answers"), t)
		if then := p.value.get("then"); then != nil && d.mapping(then, "then", "then") != nil {
			t.then = then.get("text")
		}
	})
}

func (d *decoder) answers(n *node, t *topicDecl) {
	builtin := subBuiltins()
	d.each(n, "answers", func(p pair) {
		f, ok := d.typed(p, "answer "+p.key.text, "answer")
		if d.name(p.key, "an answer", builtin) && ok && d.once("answer of "+t.ID, f.Name, p.key.at) {
			t.Answers = append(t.Answers, f)
		}
	})
	slices.SortFunc(t.Answers, func(a, b otn.Field) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
}

func (d *decoder) rules(n *node, zone *time.Location, defaults *pacing) {
	if n == nil || n.kind == nullNode || !d.is(n, listNode, "rules") {
		return
	}
	for _, item := range n.items {
		d.rule(item, zone, defaults)
	}
}

func (d *decoder) rule(n *node, zone *time.Location, defaults *pacing) {
	if d.mapping(n, "a rule", "rule") == nil {
		return
	}
	r := &ruleDecl{src: d.source, zone: zone, at: n.at, n: n, cron: n.get("cron"), once: n.get("once"), when: n.get("when"), message: n.get("message"),
		topicNode: n.get("topic"), fireAt: n.get("fire"), defaults: defaults}
	if id := n.get("id"); id != nil && id.kind != nullNode && d.id(id, "a rule") && d.once("rule", id.text, id.at) {
		r.id = id.text
	}
	if t := r.topicNode; t != nil && t.kind != nullNode {
		r.topic, _ = d.word(t, "topic")
	}
	r.first, r.fire = d.pick(n, "rule", "first"), d.pick(n, "rule", "fire")
	if r.once != nil {
		r.onceAt = d.moment(r.once, "once", zone)
	}
	r.pacing = d.pacing(n)
	d.on(n.get("on"), r)
	if len(r.on) == 0 && r.cron == nil && r.once == nil {
		d.fault(n.at, codeMissing, "the rule has neither on, cron nor once: it would never be looked at", "write on: [item.changed], say")
	}
	d.into.rules = append(d.into.rules, r)
}

func (d *decoder) on(n *node, r *ruleDecl) {
	switch {
	case n == nil:
	case n.kind == scalarNode:
		r.on = []*node{n}
	case d.is(n, listNode, "on"):
		for _, e := range n.items {
			if _, ok := d.word(e, "an element of on"); ok {
				r.on = append(r.on, e)
			}
		}
		if len(n.items) == 0 && r.cron == nil && r.once == nil {
			d.fault(n.at, codeMissing, "on is empty", "")
		}
	}
}
