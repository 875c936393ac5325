// What the tests have seen of the rules: each conjunct of each when true and false, each rule fired, each message written.

package ruletest

import (
	"sync"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// Cover is what was seen of one set of rules.
type Cover struct {
	Conjuncts []Seen     `json:"conjuncts"`
	Rules     []SeenRule `json:"rules"`

	mu      sync.Mutex
	set     *rules.Set
	byRule  map[string]int // where the conjuncts of each rule begin
	rulesAt map[string]int
}

// Seen is one conjunct.
type Seen struct {
	rules.Conjunct
	True      bool `json:"true"`
	False     bool `json:"false"`
	Undecided bool `json:"undecided"` // not counted: many rules cannot be undecided
}

// SeenRule is one rule.
type SeenRule struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Rule     string `json:"rule"`
	Fired    bool   `json:"fired"`    // it said yes for somebody
	Rendered bool   `json:"rendered"` // its message was written
}

func newCover(set *rules.Set) *Cover {
	c := &Cover{set: set, byRule: map[string]int{}, rulesAt: map[string]int{}}
	for i, one := range set.Conjuncts() {
		if _, have := c.byRule[one.Rule]; !have {
			c.byRule[one.Rule] = i
		}
		c.Conjuncts = append(c.Conjuncts, Seen{Conjunct: one})
	}
	for i, r := range set.List() {
		c.rulesAt[r.ID] = i
		c.Rules = append(c.Rules, SeenRule{File: r.File, Line: r.Line, Rule: r.ID})
	}
	return c
}

// Count is how many things were seen, of how many there are: both sides of each conjunct, each rule fired, each message written.
func (c *Cover) Count() (seen, all int) {
	one := func(yes bool) {
		all++
		if yes {
			seen++
		}
	}
	for _, s := range c.Conjuncts {
		one(s.True)
		one(s.False)
	}
	for _, r := range c.Rules {
		one(r.Fired)
		one(r.Rendered)
	}
	return seen, all
}

// Percent is Count as a percentage, 100 where there is nothing to see.
func (c *Cover) Percent() float64 {
	seen, all := c.Count()
	if all == 0 {
		return 100
	}
	return 100 * float64(seen) / float64(all)
}

// watch lets c see what the rules decide, when they are those that c is about.
func (c *Cover) watch(r otn.Rules) otn.Rules {
	set, ok := r.(*rules.Set)
	if !ok || set.Version() != c.set.Version() {
		return r
	}
	return &watched{Set: set, cover: c}
}

func (c *Cover) see(rule string, verdicts []otn.Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, v := range verdicts {
		s := &c.Conjuncts[c.byRule[rule]+i]
		switch v {
		case otn.Yes:
			s.True = true
		case otn.No:
			s.False = true
		case otn.Undecided:
			s.Undecided = true
		}
	}
}

func (c *Cover) note(rule string, what func(*SeenRule)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i, ok := c.rulesAt[rule]; ok {
		what(&c.Rules[i])
	}
}

// watched are rules that are looked at while they decide.
type watched struct {
	*rules.Set
	cover *Cover
}

// Match implements otn.Rules.
func (w *watched) Match(e otn.Event, last func(string) (otn.Last, bool)) []otn.Match {
	matches := w.Set.Match(e, last)
	for _, m := range matches {
		w.trace(otn.Facts{Rule: m.Rule.ID, At: e.At, Now: e.Now, Was: e.Was, First: e.First, Last: m.Last, Trigger: e.Trigger}, nil)
	}
	return matches
}

func (w *watched) trace(f otn.Facts, c *otn.Consent) {
	if t := w.Tracer(f.Rule); t != nil {
		w.cover.see(f.Rule, t.See(f, c))
	}
}

// Open implements otn.Rules.
func (w *watched) Open(f otn.Facts) (otn.Page, error) {
	page, err := w.Set.Open(f)
	if err != nil {
		return nil, err
	}
	return &watchedPage{Page: page, of: w, facts: f}, nil
}

// Restore implements otn.Rules.
func (w *watched) Restore(source []byte) (otn.Rules, error) {
	r, err := w.Set.Restore(source)
	if err != nil {
		return nil, err
	}
	return w.cover.watch(r), nil
}

// watchedPage is a page that is looked at.
type watchedPage struct {
	otn.Page
	of    *watched
	facts otn.Facts
}

// Select implements otn.Page.
func (p *watchedPage) Select(c *otn.Consent) otn.Verdict {
	p.of.trace(p.facts, c)
	v := p.Page.Select(c)
	if v == otn.Yes {
		p.of.cover.note(p.facts.Rule, func(r *SeenRule) { r.Fired = true })
	}
	return v
}

// Render implements otn.Page.
func (p *watchedPage) Render(c *otn.Consent, can *otn.Capabilities) (otn.Message, error) {
	m, err := p.Page.Render(c, can)
	if err == nil {
		p.of.cover.note(p.facts.Rule, func(r *SeenRule) { r.Rendered = true })
	}
	return m, err
}
