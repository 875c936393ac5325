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
	name    string
	subject otn.Kind
	fields  []otn.Field
}

// topicDecl is a topic as declared.
type topicDecl struct {
	otn.Topic
	src  *source
	zone *time.Location
	ask  *node
}

// ruleDecl is a rule as declared.
type ruleDecl struct {
	id, topic         string
	on                []*node
	cron, when        *node
	fire, first       string
	fireAt, topicNode *node
	message           *node
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

func (in *declared) topic(id string) *topicDecl {
	for _, t := range in.topics {
		if t.ID == id {
			return t
		}
	}
	return nil
}

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
	k := keys{
		must:  []string{"version"},
		may:   []string{"timezone", "params", "attrs", "triggers", "topics", "rules"},
		later: []string{"asks", "defaults", "tests"},
	}
	if d.mapping(root, "a rule file", k) == nil {
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
	d.topics(root.get("topics"), zone)
	d.rules(root.get("rules"), zone)
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
	if n == nil || n.kind == nullNode || d.mapping(n, what, keys{}) == nil {
		return
	}
	for _, p := range n.pairs {
		visit(p)
	}
}

func (d *decoder) params(n *node) {
	d.each(n, "params", func(p pair) {
		what := "param " + p.key.text
		f, ok := d.typed(p, what, keys{must: []string{"type", "default"}, may: []string{"min", "max"}})
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
		f, ok := d.typed(p, "attr "+p.key.text, keys{must: []string{"type"}, may: []string{"default"}})
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
			d.mapping(p.value, "trigger "+t.name, keys{may: []string{"subject", "fields"}, later: []string{"subscriber"}})
		}
		if s := p.value.get("subject"); s != nil {
			t.subject = otn.Kind(d.choice(s, "subject", string(otn.ItemKind), string(otn.NoSubject)))
		}
		d.each(p.value.get("fields"), "fields", func(p pair) {
			f, ok := d.typed(p, "field "+p.key.text, keys{must: []string{"type"}, may: []string{"default"}})
			if d.name(p.key, "a field", nil) && ok && d.once("field of "+t.name, f.Name, p.key.at) {
				t.fields = append(t.fields, f)
			}
		})
		d.into.triggers = append(d.into.triggers, t)
	})
}

func (d *decoder) topics(n *node, zone *time.Location) {
	d.each(n, "topics", func(p pair) {
		what := "topic " + p.key.text
		if !d.id(p.key, "a topic") || !d.once("topic", p.key.text, p.key.at) {
			return
		}
		t := &topicDecl{Topic: otn.Topic{ID: p.key.text}, src: d.source, zone: zone}
		d.into.topics = append(d.into.topics, t)
		if p.value.kind == nullNode {
			p.value.kind = mapNode
		}
		if d.mapping(p.value, what, keys{must: []string{"use", "subject", "ask"}, may: []string{"answers"}, later: []string{"then"}}) == nil {
			return
		}
		if u := p.value.get("use"); u != nil && u.kind != nullNode {
			t.Use = otn.Use(d.choice(u, "use", string(otn.PriceDrop), string(otn.BackInStock), string(otn.CollectionLaunch), string(otn.TicketsAvailable)))
		}
		if s := p.value.get("subject"); s != nil && s.kind != nullNode {
			t.Subject = otn.Kind(d.choice(s, "subject", string(otn.ItemKind), string(otn.CollectionKind), string(otn.NoSubject)))
		}
		if a := p.value.get("ask"); a != nil && a.kind != nullNode {
			if w, ok := d.word(a, "ask"); ok {
				t.ask, t.Ask = a, w
			}
		}
		d.answers(p.value.get("answers"), t)
	})
}

func (d *decoder) answers(n *node, t *topicDecl) {
	builtin := subBuiltins()
	for _, later := range []string{"tags", "consents"} {
		builtin[later] = field{}
	}
	d.each(n, "answers", func(p pair) {
		f, ok := d.typed(p, "answer "+p.key.text, keys{must: []string{"type"}, may: []string{"optional", "default"}})
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

func (d *decoder) rules(n *node, zone *time.Location) {
	if n == nil || n.kind == nullNode || !d.is(n, listNode, "rules") {
		return
	}
	for _, item := range n.items {
		d.rule(item, zone)
	}
}

func (d *decoder) rule(n *node, zone *time.Location) {
	k := keys{
		must:  []string{"id", "topic", "message"},
		may:   []string{"on", "cron", "when", "fire", "first"},
		later: []string{"hold", "release", "deliver", "limits", "then", "coalesce", "while_true", "missed", "once"},
	}
	if d.mapping(n, "a rule", k) == nil {
		return
	}
	r := &ruleDecl{src: d.source, zone: zone, at: n.at, cron: n.get("cron"), when: n.get("when"), message: n.get("message"), topicNode: n.get("topic"), fireAt: n.get("fire")}
	if id := n.get("id"); id != nil && id.kind != nullNode && d.id(id, "a rule") && d.once("rule", id.text, id.at) {
		r.id = id.text
	}
	if t := r.topicNode; t != nil && t.kind != nullNode {
		r.topic, _ = d.word(t, "topic")
	}
	if f := n.get("first"); f != nil {
		r.first = d.choice(f, "first", "fire")
	}
	if r.fireAt != nil {
		r.fire = d.choice(r.fireAt, "fire", "each", "rising")
	}
	d.on(n.get("on"), r)
	if len(r.on) == 0 && r.cron == nil {
		d.fault(n.at, codeMissing, "the rule has neither on nor cron: it would never be looked at", "write on: [item.changed], say")
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
		if len(n.items) == 0 && r.cron == nil {
			d.fault(n.at, codeMissing, "on is empty", "")
		}
	}
}
