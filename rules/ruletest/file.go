// A test file as it is written: what is given, the tests, their steps.

package ruletest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// Suite is one test file, with the rules it is about.
type Suite struct {
	File  string
	Rules []rules.File // the rule files that it names
	set   *rules.Set
	tests []*test
}

// test is one test of a file: it begins from nothing but what is given.
type test struct {
	name     string
	line     int
	clock    time.Time
	given    given
	channels map[string]bool // by name: all that the test speaks of
	script   script
	steps    []step
	persons  map[string]bool // of whom expectations want to know why
}

// given is what there is before the first step.
type given struct {
	subjects []*subject
	consents []consent
}

// step is one thing that happens, or that is expected.
type step struct {
	line int
	what string // as written: "observe", "after"
	do   func(context.Context, *world) error
}

// subject is an item or a collection with facts, each in otn's own JSON.
type subject struct {
	kind  otn.Kind
	id    string
	names []string // of the facts, in the order of the file
	facts map[string]string
}

// with is a copy of s under the facts of another.
func (s *subject) with(over *subject) *subject {
	out := &subject{kind: s.kind, id: s.id, names: slices.Clone(s.names), facts: map[string]string{}}
	for n, v := range s.facts {
		out.facts[n] = v
	}
	for _, n := range over.names {
		if _, have := out.facts[n]; !have {
			out.names = append(out.names, n)
		}
		out.facts[n] = over.facts[n]
	}
	return out
}

// observation is what a source would say of the subject.
func (s *subject) observation() (otn.Observation, error) {
	text := fmt.Sprintf(`{"kind":%q,"id":%s`, s.kind, quote(s.id))
	for _, n := range s.names {
		text += "," + quote(n) + ":" + s.facts[n]
	}
	return otn.DecodeObservation([]byte(text + "}"))
}

// consent is a person's, or many of them that are alike.
type consent struct {
	line  int
	sub   string
	key   consentKey // without the person
	count int        // 0: one; else so many persons, named sub-1, sub-2, …
	otn   otn.Consent
}

// consentKey names a consent in a test.
type consentKey struct{ sub, topic, subject string }

func (k consentKey) String() string {
	text := k.sub + "/" + k.topic
	if k.subject != "" {
		text += "/" + k.subject
	}
	return text
}

// each visits every single consent.
func (c *consent) each(visit func(consentKey, otn.Consent)) {
	one := func(sub string) {
		k, out := c.key, c.otn
		k.sub = sub
		out.Subscriber.ID = sub
		visit(k, out)
	}
	if c.count == 0 {
		one(c.sub)
	}
	for i := range c.count {
		one(fmt.Sprintf("%s-%d", c.sub, i+1))
	}
}

// merge lays what a test is given over what its file is: facts by name, consents by person, topic and subject.
func (g given) merge(over given) given {
	out := given{subjects: slices.Clone(g.subjects)}
	for _, s := range over.subjects {
		i := slices.IndexFunc(out.subjects, func(have *subject) bool { return have.id == s.id && have.kind == s.kind })
		if i < 0 {
			out.subjects = append(out.subjects, s)
		} else {
			out.subjects[i] = out.subjects[i].with(s)
		}
	}
	for _, c := range g.consents {
		if !slices.ContainsFunc(over.consents, func(o consent) bool { return o.sub == c.sub && o.key == c.key && o.count == 0 && c.count == 0 }) {
			out.consents = append(out.consents, c)
		}
	}
	out.consents = append(out.consents, over.consents...)
	return out
}
