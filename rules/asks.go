// Asking by themselves: when people are asked for consent, and what is said right after one.

package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// askDecl is an ask as declared.
type askDecl struct {
	id, topic       string
	on, topicNode   *node
	when, afterNode *node
	after           time.Duration
	src             *source
	zone            *time.Location
	at              place
}

// asking is an ask made ready.
type asking struct {
	otn.AskRule
	when  *compiled
	topic *topicDecl // nil: the one that the link names
}

func (d *decoder) asks(n *node, zone *time.Location) {
	if n == nil || n.kind == nullNode || !d.is(n, listNode, "asks") {
		return
	}
	for _, item := range n.items {
		d.ask(item, zone)
	}
}

func (d *decoder) ask(n *node, zone *time.Location) {
	if d.mapping(n, "an ask", "ask") == nil {
		return
	}
	a := &askDecl{src: d.source, zone: zone, at: n.at, when: n.get("when"), topicNode: n.get("topic"), afterNode: n.get("after")}
	if id := n.get("id"); id != nil && id.kind != nullNode && d.id(id, "an ask") && d.once("ask", id.text, id.at) {
		a.id = id.text
	}
	if t := a.topicNode; t != nil {
		a.topic, _ = d.word(t, "topic")
	}
	if on := n.get("on"); on != nil && on.kind != nullNode {
		if _, ok := d.word(on, "on"); ok {
			a.on = on
		}
	}
	if a.afterNode != nil {
		a.after = d.span(a.afterNode, "after", maxAfter)
	}
	d.into.asks = append(d.into.asks, a)
}

// asking compiles a declared ask. nil means that faults were noted.
func (in *declared) asking(d *askDecl, sc *scopes, used map[string]bool) *asking {
	s := d.src
	before := len(s.faults)
	a := &asking{AskRule: otn.AskRule{ID: d.id, Topic: d.topic, After: d.after, File: s.name, Line: d.at.line}}
	if d.topic != "" {
		if a.topic = in.topic(d.topic); a.topic == nil {
			if !in.partial {
				s.fault(d.topicNode.at, codeNoTopic, fmt.Sprintf("there is no topic %q", d.topic), didYouMean(d.topic, in.topicIDs()))
			}
			return nil
		}
	}
	if d.on == nil || a.topic != nil && a.topic.Subject == "" {
		return nil
	}
	a.On = d.on.text
	fired := in.askOn(d, a)
	kind := otn.Kind("")
	switch {
	case a.topic != nil:
		kind = a.topic.Subject
	case a.On != otn.Referred:
		kind = otn.NoSubject // a fault: the topic is missing
	}
	if d.after >= otn.WindowLength {
		s.warn(d.afterNode.at, codeLate, "a window is open for a day, as a rule: after this long hardly anybody may still be asked", "23h is the last hour")
	}
	if d.when != nil {
		if a.when = s.expression(d.when, "when", sc.asking(kind, d.zone, fired, a.On == otn.Referred), boolean); a.when != nil {
			note(used)(a.when)
			a.When = strings.TrimSpace(d.when.text)
		}
	}
	if len(only(s.faults[before:], Fault)) > 0 || d.id == "" {
		return nil
	}
	return a
}

// askOn checks what an ask is on against its topic. It returns the trigger, where that is one.
func (in *declared) askOn(d *askDecl, a *asking) (fired *trigger) {
	s := d.src
	name, isTrigger := strings.CutPrefix(a.On, "trigger.")
	switch {
	case isTrigger:
		fired = in.askTrigger(d, a, name)
	case a.On != otn.WindowOpened && a.On != otn.Referred:
		s.fault(d.on.at, codeChoice, fmt.Sprintf("an ask cannot be on %q", a.On), didYouMean(a.On, []string{otn.WindowOpened, otn.Referred, "trigger.NAME"}))
		return nil
	}
	switch {
	case a.topic == nil && a.On != otn.Referred:
		s.fault(d.at, codeMissing, `an ask has no "topic"`, "only on a referral can the link name it")
	case a.topic != nil && a.On == otn.WindowOpened && a.topic.Subject != otn.NoSubject:
		s.fault(d.topicNode.at, codeAskOn, fmt.Sprintf("topic %s is about %s, and an opened window names none", a.topic.ID, subjectWords(a.topic.Subject)), "ask on a referral, or on a trigger that names an item")
	}
	return fired
}

func (in *declared) askTrigger(d *askDecl, a *asking, name string) *trigger {
	s := d.src
	fired, ok := in.trigger(name)
	switch {
	case !ok && in.partial:
		return &trigger{name: name}
	case !ok:
		s.fault(d.on.at, codeNoTrigger, fmt.Sprintf("there is no trigger %q", name), didYouMean(name, in.triggerNames()))
		return &trigger{name: name}
	case fired.subscriber == "":
		s.fault(d.on.at, codeAskOn, fmt.Sprintf("trigger %s names no person to be asked", name), "declare it with subscriber: required")
	case a.topic != nil && a.topic.Subject != otn.NoSubject && a.topic.Subject != fired.subject && fired.subject != "":
		s.fault(d.on.at, codeAskOn, fmt.Sprintf("topic %s is about %s, and trigger %s is about %s", a.topic.ID, subjectWords(a.topic.Subject), name, subjectWords(fired.subject)), "")
	}
	return &fired
}

func (in *declared) triggerNames() []string {
	var names []string
	for _, t := range in.triggers {
		names = append(names, t.name)
	}
	return names
}

// Asks lists when people are asked by themselves, in the order of the files.
func (s *Set) Asks() []otn.AskRule {
	out := make([]otn.AskRule, len(s.asking))
	for i, a := range s.asking {
		out[i] = a.AskRule
	}
	return out
}

// MayAsk decides whether one person is asked, and says why not: Undecided where a fact is not known, No for a link that
// names no topic of this shop, or another subject than the ask's topic is about.
func (s *Set) MayAsk(f otn.AskFacts) (otn.Verdict, string) {
	for _, a := range s.asking {
		if a.ID != f.Rule {
			continue
		}
		if why := s.askless(a, f); why != "" {
			return otn.No, why
		}
		if a.when == nil {
			return otn.Yes, ""
		}
		fr := frame{at: f.At, now: f.Now, trigger: f.Trigger, asked: &f, zones: zones{}}
		v := fr.eval(a.when.run)
		if v.isFalse() && v.s == "" {
			v.s = cut(strings.Join(strings.Fields(a.When), " "), 120)
		}
		return v.verdict(), v.because()
	}
	return otn.No, fmt.Sprintf("there is no ask %q", f.Rule)
}

// askless says why there is nothing to ask about, or "".
func (s *Set) askless(a *asking, f otn.AskFacts) string {
	t := a.topic
	if a.On == otn.Referred && t == nil {
		if f.Ref == nil || f.Ref.Topic == "" {
			return "the link names no topic"
		}
		found, ok := s.asks[f.Ref.Topic]
		if !ok {
			return fmt.Sprintf("the link names a topic that does not exist: %q", cut(f.Ref.Topic, 80))
		}
		t = found.topic
	}
	switch {
	case t.Subject == otn.NoSubject || a.On == otn.WindowOpened:
		return ""
	case a.On == otn.Referred && (f.Ref == nil || f.Ref.Topic != t.ID):
		return "the link is not about topic " + t.ID
	case a.On == otn.Referred && f.Ref.Subject == "":
		return "the link names no " + string(t.Subject)
	case a.On != otn.Referred && (f.Trigger == nil || f.Trigger.Subject == ""):
		return "the trigger names no " + string(t.Subject)
	}
	return ""
}

// Then renders what a topic says right after a consent, in the subscriber's locale; not ok where it says nothing.
// Errors: ErrUnknownTopic, ErrInvalid when a fact that the text needs is not known.
func (s *Set) Then(c *otn.Consent, now otn.Snapshot, can *otn.Capabilities) (otn.Message, bool, error) {
	a, ok := s.asks[c.Topic]
	switch {
	case !ok:
		return otn.Message{}, false, fmt.Errorf("rules: then of %q: %w", c.Topic, otn.ErrUnknownTopic)
	case a.then == nil:
		return otn.Message{}, false, nil
	}
	zone, known := (zones{}).find(c.TZ)
	if !known {
		zone = a.topic.zone
	}
	w := writer{&frame{now: now, consent: c, zones: zones{}}, newPrinter(c.Locale, zone)}
	text, err := w.text(a.then, otn.MaxText)
	if err == nil && text == "" {
		err = fmt.Errorf("the text came out empty: %w", otn.ErrInvalid)
	}
	if err != nil {
		return otn.Message{}, false, fmt.Errorf("rules: then of %s: %w", c.Topic, err)
	}
	m, err := carried(otn.Message{Text: text}, can)
	return m, err == nil, err
}
