// Reading consents: one, a list of them, or many that are alike.

package ruletest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// mainChannel is the instance through which consents come that name none.
const mainChannel = "shop"

// consents reads a consent, a list of them, or {generate: …}.
func (p *parser) consents(n rules.Node) (list []consent) {
	for _, e := range oneOrMore(n) {
		if !e.IsMapping() {
			e.Mapping("a consent", nil, nil)
			continue
		}
		if many := e.Get("generate"); many.There() {
			e.Mapping("generate", []string{"generate"}, nil)
			c := p.consent(many, true)
			if p.people += c.count; p.people > maxPeople {
				many.Get("count").Fault(codeValue, fmt.Sprintf("a test file has at most %d people", maxPeople), "")
			}
			list = append(list, c)
			continue
		}
		list = append(list, p.consent(e, false))
	}
	return list
}

func (p *parser) consent(n rules.Node, many bool) consent {
	must, may := []string{"sub", "topic"}, []string{"subject", "answers", "channel", "granted_at", "expires_at", "price_then", "tz", "locale"}
	what := "a consent"
	if many {
		must, may, what = []string{"count", "topic"}, append(may, "sub"), "generate"
	}
	c := consent{line: n.Line(), sub: "sub", otn: otn.Consent{Channel: mainChannel}}
	if !n.Mapping(what, must, may) {
		return c
	}
	if s := n.Get("sub"); s.There() {
		c.sub, _ = s.Word("sub")
		if strings.Contains(c.sub, "/") {
			s.Fault(codeValue, fmt.Sprintf("a person's name has no / here, and this is %q", c.sub), "")
		}
	}
	if many {
		if c.count = number(n.Get("count"), "count", maxGenerate); c.count == 0 {
			c.count = 1
		}
	}
	if ch := n.Get("channel"); ch.There() {
		c.otn.Channel, _ = ch.Word("channel")
	}
	c.key.topic, c.key.subject = n.Get("topic").Text(), n.Get("subject").Text()
	c.otn.Topic, c.otn.Subject = c.key.topic, c.key.subject
	p.purpose(&c, n)
	p.terms(&c, n)
	return c
}

// purpose checks what a consent is for: its topic, its subject and its answers.
func (p *parser) purpose(c *consent, n rules.Node) {
	topic, ok := p.topic(n.Get("topic"))
	if !ok {
		return
	}
	subject := n.Get("subject")
	switch {
	case topic.Subject == otn.NoSubject && subject.There():
		subject.Fault(codeNoSubject, fmt.Sprintf("topic %s has no subject", topic.ID), "leave subject out")
	case topic.Subject != otn.NoSubject && !subject.There():
		n.Get("topic").Fault(codeNoSubject, fmt.Sprintf("topic %s is about a subject, the id of the %s", topic.ID, topic.Subject), "add subject: SKU-1, say")
	}
	answers := n.Get("answers")
	if !answers.There() || !answers.Mapping("answers", nil, nil) {
		return
	}
	for _, a := range answers.Pairs() {
		p.answer(c, topic, a)
	}
	slices.SortFunc(c.otn.Answers, func(a, b otn.Named) int { return strings.Compare(a.Name, b.Name) })
}

func (p *parser) answer(c *consent, topic otn.Topic, a rules.Pair) {
	name := a.Key.Text()
	f, ok := topic.Answer(name)
	if !ok {
		names := make([]string, len(topic.Answers))
		for i, f := range topic.Answers {
			names[i] = f.Name
		}
		a.Key.Fault(codeAnswer, fmt.Sprintf("topic %s has no answer %q", topic.ID, name), rules.DidYouMean(name, names))
		return
	}
	w, ok := a.Value.Word("answer " + name)
	if !ok {
		return
	}
	v, err := otn.ParseValue(f.Type, w)
	if err != nil {
		a.Value.Fault(codeAnswer, fmt.Sprintf("answer %s is no %s: %q", name, f.Type, w), "")
		return
	}
	c.otn.Answers = append(c.otn.Answers, otn.Named{Name: name, Value: v})
}

// terms reads when a consent was given and until when it holds, and where its person is.
func (p *parser) terms(c *consent, n rules.Node) {
	zone := p.clock.Location()
	c.otn.GrantedAt = p.moment(n.Get("granted_at"), "granted_at", zone)
	c.otn.ExpiresAt = p.moment(n.Get("expires_at"), "expires_at", zone)
	if price := n.Get("price_then"); price.There() {
		w, _ := price.Word("price_then")
		m, err := otn.ParseMoney(w)
		if err != nil {
			price.Fault(codeValue, fmt.Sprintf("price_then is no money: %q", w), "for example 120.00 USD")
		}
		c.otn.PriceThen = m
	}
	if tz := n.Get("tz"); tz.There() {
		c.otn.TZ, _ = tz.Word("tz")
		if _, err := time.LoadLocation(c.otn.TZ); err != nil || c.otn.TZ == "Local" {
			tz.Fault(codeValue, fmt.Sprintf("there is no time zone %q", c.otn.TZ), "for example America/New_York")
		}
	}
	if l := n.Get("locale"); l.There() {
		c.otn.Locale, _ = l.Word("locale")
	}
}

// topic finds a topic that the rules declare.
func (p *parser) topic(n rules.Node) (otn.Topic, bool) {
	if !n.There() || len(p.sets) == 0 {
		return otn.Topic{}, false
	}
	id, ok := n.Word("topic")
	if !ok {
		return otn.Topic{}, false
	}
	var names []string
	for _, set := range p.sets {
		if t, ok := set.Topic(id); ok {
			return t, true
		}
		for _, t := range set.Topics() {
			names = append(names, t.ID)
		}
	}
	n.Fault(codeNoTopic, fmt.Sprintf("there is no topic %q", id), rules.DidYouMean(id, names))
	return otn.Topic{}, false
}

// rule checks that a rule is there. It is done when all rules are known.
func (p *parser) rule(n rules.Node) {
	id, ok := n.Word("rule")
	if !ok {
		return
	}
	p.later = append(p.later, func() {
		var names []string
		for _, set := range p.sets {
			for _, r := range set.List() {
				names = append(names, r.ID)
			}
		}
		if len(names) > 0 && !slices.Contains(names, id) {
			n.Fault(codeNoRule, fmt.Sprintf("there is no rule %q", id), rules.DidYouMean(id, names))
		}
	})
}

// person checks that somebody of that name gives a consent in the test, before or behind this line.
func (p *parser) person(n rules.Node) string {
	sub, ok := n.Word("sub")
	if !ok {
		return ""
	}
	p.later = append(p.later, func() {
		if !p.persons[sub] {
			n.Fault(codeNoPerson, fmt.Sprintf("nobody is called %q in this test", sub), p.whoElse(sub))
		}
	})
	return sub
}

// whoElse is the hint for a name that nobody has: the nearest, or how somebody gets one.
func (p *parser) whoElse(name string) string {
	if hint := rules.DidYouMean(name, keysOf(p.persons)); hint != "" {
		return hint
	}
	return "a person is known by a consent: given: {consents: [{sub: " + name + ", topic: TOPIC}]}"
}

// subjectID checks that the test speaks of a subject elsewhere too.
func (p *parser) subjectID(n rules.Node) {
	id, ok := n.Word("subject")
	if !ok {
		return
	}
	p.later = append(p.later, func() {
		if _, known := p.about[id]; !known && id != "" {
			n.Fault(codeNoSubject, fmt.Sprintf("nothing is called %q in this test", id), rules.DidYouMean(id, keysOf(p.about)))
		}
	})
}

// consentOf finds the one consent that "ann", "ann/price-drop" or "ann/price-drop/SKU-1" names.
func (p *parser) consentOf(n rules.Node, into *consentKey) {
	want := strings.SplitN(n.Text(), "/", 3)
	p.later = append(p.later, func() {
		var found []consentKey
		for k := range p.keys {
			if k.sub == want[0] && (len(want) < 2 || k.topic == want[1]) && (len(want) < 3 || k.subject == want[2]) {
				found = append(found, k)
			}
		}
		switch {
		case len(found) == 1:
			*into = found[0]
		case len(found) > 1:
			slices.SortFunc(found, func(a, b consentKey) int { return strings.Compare(a.String(), b.String()) })
			n.Fault(codeSeveral, fmt.Sprintf("%s has %d consents", n.Text(), len(found)), fmt.Sprintf("say which: %s, say", found[0]))
		case !p.persons[want[0]]:
			n.Fault(codeNoPerson, fmt.Sprintf("nobody is called %q in this test", want[0]), p.whoElse(want[0]))
		default:
			n.Fault(codeNoPerson, fmt.Sprintf("there is no consent %q", n.Text()), rules.DidYouMean(n.Text(), p.keyTexts()))
		}
	})
}

func (p *parser) keyTexts() (list []string) {
	for k := range p.keys {
		list = append(list, k.String())
	}
	slices.Sort(list)
	return list
}

func keysOf[V any](m map[string]V) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// quote writes a text as JSON.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a text can always be written
	}
	return string(b)
}

func isJSON(s string) bool { return json.Valid([]byte(s)) }
