// Reading a test file: every fault with its place, as in a rule file.

package ruletest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// Reader finds the rule files of a pattern, which is relative to the folder of the test file, in their order.
// Without any it returns an error that says so.
type Reader func(pattern string) ([]rules.File, error)

// Load reads a test file and the rules that it names. The faults are those of all of them; with one that is a Fault there is no Suite.
func Load(f rules.File, read Reader) (*Suite, []*rules.Error) {
	doc, root := rules.ReadDocument(f)
	p := &parser{read: read, suite: &Suite{File: f.Name}}
	p.file(root)
	found := append(p.foreign, doc.Faults()...)
	if slices.ContainsFunc(found, func(e *rules.Error) bool { return e.Severity == rules.Fault }) {
		return nil, found
	}
	return p.suite, found
}

// parser reads one file.
type parser struct {
	suite   *Suite
	read    Reader
	foreign []*rules.Error // faults of the rule files
	sets    []*rules.Set   // the rules, and those that are reloaded
	clock   time.Time
	given   given
	script  script

	people  int // of all generates
	test    *test
	persons map[string]bool     // who gives a consent in the test
	keys    map[consentKey]bool // all consents of the test
	about   map[string]otn.Kind // subjects that the test speaks of
	later   []func()            // checks that need the whole test
}

func (p *parser) file(root rules.Node) {
	if !root.Mapping("a test file", []string{"version", "rules", "clock", "tests"}, []string{"given", "channel"}) {
		return
	}
	if v := root.Get("version"); v.There() {
		v.Choice("version", "1")
	}
	p.rules(root.Get("rules"))
	p.clock = p.moment(root.Get("clock"), "clock", time.UTC)
	p.about = map[string]otn.Kind{}
	p.keys = map[consentKey]bool{}
	p.given = p.givenOf(root.Get("given"))
	p.script = p.channel(root.Get("channel"))
	if tests := root.Get("tests"); tests.There() && tests.List("tests") {
		for _, n := range tests.Items() {
			p.one(n)
		}
		if len(tests.Items()) == 0 {
			tests.Fault(codeNoExpect, "there are no tests", "")
		}
	}
}

// rules compiles the rule files.
func (p *parser) rules(n rules.Node) {
	files := p.files(n, "rules")
	if len(files) == 0 {
		return
	}
	set, err := rules.Compile(files...)
	if err != nil {
		p.foreign = append(p.foreign, rules.Faults(err)...)
		return
	}
	p.suite.Rules, p.suite.set = files, set
	p.sets = append(p.sets, set)
}

// files reads the files that a pattern or a list of patterns names.
func (p *parser) files(n rules.Node, what string) (files []rules.File) {
	for _, e := range oneOrMore(n) {
		pattern, ok := e.Word(what)
		if !ok {
			continue
		}
		found, err := p.read(pattern)
		if err != nil {
			e.Fault(codeRules, err.Error(), "the name is relative to the folder of this file")
			continue
		}
		for _, f := range found {
			if !slices.ContainsFunc(files, func(have rules.File) bool { return have.Name == f.Name }) {
				files = append(files, f)
			}
		}
	}
	return files
}

// oneOrMore are the elements of a list, or a value by itself.
func oneOrMore(n rules.Node) []rules.Node {
	switch {
	case n.IsList():
		return n.Items()
	case n.There():
		return []rules.Node{n}
	}
	return nil
}

// moment reads a time; one without a zone is in zone.
func (p *parser) moment(n rules.Node, what string, zone *time.Location) time.Time {
	if !n.There() {
		return time.Time{}
	}
	w, ok := n.Word(what)
	if !ok {
		return time.Time{}
	}
	if at, err := time.Parse(time.RFC3339Nano, w); err == nil {
		return at
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if at, err := time.ParseInLocation(layout, w, zone); err == nil {
			return at
		}
	}
	n.Fault(codeValue, fmt.Sprintf("%s is no time: %q", what, w), "for example 2026-11-27T09:00:00-05:00")
	return time.Time{}
}

// number reads a whole number from 0 on, up to high.
func number(n rules.Node, what string, high int64) int {
	w, ok := n.Word(what)
	if !ok {
		return 0
	}
	v, err := otn.ParseValue(otn.Int, w)
	if err != nil || v.Int() < 0 || v.Int() > high {
		n.Fault(codeValue, fmt.Sprintf("%s is no whole number from 0 to %d: %q", what, high, w), "")
		return 0
	}
	return int(v.Int())
}

// The largest numbers of a test file.
const (
	maxCount    = 1_000_000
	maxGenerate = 100_000 // people of one line
	maxPeople   = 200_000 // people of one test
)

// one reads one test.
func (p *parser) one(n rules.Node) {
	if !n.Mapping("a test", []string{"name", "steps"}, []string{"given", "channel", "clock"}) {
		return
	}
	t := &test{line: n.Line(), clock: p.clock, script: p.script, channels: map[string]bool{mainChannel: true}, persons: map[string]bool{}}
	t.name, _ = n.Get("name").Word("name")
	for _, have := range p.suite.tests {
		if have.name == t.name && t.name != "" {
			n.Get("name").Fault(codeTwice, fmt.Sprintf("two tests are named %q", t.name), fmt.Sprintf("the first is in line %d", have.line))
		}
	}
	p.begin(t, n)
	if steps := n.Get("steps"); steps.There() && steps.List("steps") {
		expects := false
		for _, s := range steps.Items() {
			expects = p.step(s) || expects
		}
		if !expects {
			steps.Fault(codeNoExpect, fmt.Sprintf("test %q expects nothing, so that it cannot fail", t.name), "end it with a step expect")
		}
	}
	for _, check := range p.later {
		check()
	}
	p.suite.tests = append(p.suite.tests, t)
}

// begin sets up what a test is given.
func (p *parser) begin(t *test, n rules.Node) {
	p.test, p.later = t, nil
	p.persons, p.keys, p.about = map[string]bool{}, map[consentKey]bool{}, map[string]otn.Kind{}
	if c := n.Get("clock"); c.There() {
		t.clock = p.moment(c, "clock", p.clock.Location())
	}
	if c := n.Get("channel"); c.There() {
		t.script = p.channel(c)
	}
	for _, s := range p.given.subjects {
		p.about[s.id] = s.kind
	}
	t.given = p.given.merge(p.givenOf(n.Get("given")))
	for i := range t.given.consents {
		p.knows(&t.given.consents[i])
	}
	for _, s := range t.given.subjects {
		p.about[s.id] = s.kind
	}
}

// knows notes whom a consent makes known.
func (p *parser) knows(c *consent) {
	if p.test != nil {
		p.test.channels[c.otn.Channel] = true
	}
	if c.key.subject != "" {
		if _, have := p.about[c.key.subject]; !have {
			p.about[c.key.subject] = ""
		}
	}
	if len(p.keys)+c.count > maxPeople {
		return // it was said where it stands
	}
	c.each(func(k consentKey, _ otn.Consent) {
		p.persons[k.sub], p.keys[k] = true, true
	})
}

func (p *parser) givenOf(n rules.Node) (g given) {
	if !n.There() || !n.Mapping("given", nil, []string{"items", "collections", "consents"}) {
		return g
	}
	g.subjects = append(p.subjects(n.Get("items"), otn.ItemKind), p.subjects(n.Get("collections"), otn.CollectionKind)...)
	g.consents = p.consents(n.Get("consents"))
	return g
}

// subjects reads facts by id. kind is what an id stands for that nothing else is known of.
func (p *parser) subjects(n rules.Node, kind otn.Kind) (list []*subject) {
	if !n.There() || !n.Mapping("a list of facts by id", nil, nil) {
		return nil
	}
	for _, pair := range n.Pairs() {
		s := &subject{kind: kind, id: pair.Key.Text(), facts: map[string]string{}}
		if have, ok := p.about[s.id]; ok && have != "" {
			s.kind = have
		}
		if k := pair.Value.Get("kind"); k.There() {
			s.kind = otn.Kind(k.Choice("kind", string(otn.ItemKind), string(otn.CollectionKind)))
		}
		if pair.Value.Mapping("what is told of "+s.id, nil, nil) {
			p.facts(s, pair.Value)
		}
		p.about[s.id] = s.kind
		list = append(list, s)
	}
	return list
}

// facts reads the facts of a subject, each checked by itself.
func (p *parser) facts(s *subject, n rules.Node) {
	for _, f := range n.Pairs() {
		if name := f.Key.Text(); name != "kind" {
			p.fact(s, name, f.Key, f.Value)
		}
	}
}

// fact adds one fact.
func (p *parser) fact(s *subject, name string, key, value rules.Node) {
	text := p.factJSON(name, value)
	one := subject{kind: s.kind, id: s.id, names: []string{name}, facts: map[string]string{name: text}}
	if _, err := one.observation(); err != nil {
		p.noFact(err, name, key, value)
		return
	}
	if _, have := s.facts[name]; !have {
		s.names = append(s.names, name)
	}
	s.facts[name] = text
}

// noFact says why a fact cannot be told.
func (p *parser) noFact(err error, name string, key, value rules.Node) {
	message, hint := strings.TrimSuffix(strings.TrimPrefix(err.Error(), "observation: "), ": "+otn.ErrInvalid.Error()), ""
	at := value
	if unknown := strings.Contains(message, "unknown field"); unknown || !at.There() {
		at = key
		if unknown && slices.Contains(p.attrs(), name) {
			hint = fmt.Sprintf("the rules declare it as an attr: attrs: {%s: …}", name)
		}
	}
	at.Fault(codeFact, message, hint)
}

// attrs are the names of the extra fields that the rules declare.
func (p *parser) attrs() (known []string) {
	for _, set := range p.sets {
		for _, f := range set.Attrs() {
			known = append(known, f.Name)
		}
	}
	return known
}

// factJSON writes the value of a fact as JSON.
func (p *parser) factJSON(name string, n rules.Node) string {
	switch {
	case !n.There():
		return "null"
	case n.IsList():
		parts := make([]string, 0, len(n.Items()))
		for _, e := range n.Items() {
			parts = append(parts, quote(e.Text()))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case n.IsMapping() && name == "attrs":
		parts := make([]string, 0, len(n.Pairs()))
		for _, a := range n.Pairs() {
			parts = append(parts, quote(a.Key.Text())+":"+p.attr(a.Key, a.Value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case n.IsMapping():
		return "{}"
	}
	text := n.Text()
	if raw := slices.Contains([]string{"stock", "sellable", "published", "gone"}, name); raw && isJSON(text) {
		return text
	}
	return quote(text)
}

// attr writes an extra field as the type that the rules declare.
func (p *parser) attr(key, n rules.Node) string {
	for _, set := range p.sets {
		for _, f := range set.Attrs() {
			if f.Name != key.Text() {
				continue
			}
			if !n.There() {
				return "null"
			}
			v, err := otn.ParseValue(f.Type, n.Text())
			if err != nil {
				n.Fault(codeFact, fmt.Sprintf("attr %s is a %s, and here is %q", f.Name, f.Type, n.Text()), "")
				return "null"
			}
			switch f.Type {
			case otn.MoneyType, otn.Time:
				return fmt.Sprintf("{%q:%s}", f.Type, quote(n.Text()))
			case otn.String:
				return quote(n.Text())
			}
			return v.String()
		}
	}
	if len(p.sets) > 0 {
		key.Fault(codeFact, fmt.Sprintf("the rules declare no attr %q", key.Text()), rules.DidYouMean(key.Text(), p.attrs()))
	}
	return quote(n.Text())
}
