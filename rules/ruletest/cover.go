// What the tests have seen of the rules: each conjunct of each when true and false, each rule fired, each message written.

package ruletest

import (
	"fmt"
	"slices"
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

// Percent is Count as a percentage.
func (c *Cover) Percent() float64 { return Percent([]*Cover{c}) }

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

// Ranges implements otn.Page: everybody is looked at, so that who is certainly not meant is seen too.
func (*watchedPage) Ranges() []otn.AnswerRange { return nil }

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

// Unseen lists in words what was not seen, with file and line.
func (c *Cover) Unseen() (list []string) {
	for _, s := range c.Conjuncts {
		switch at := fmt.Sprintf("%s:%d: %s: %s", s.File, s.Line, s.Rule, s.Text); {
		case !s.True && !s.False:
			list = append(list, at+"  neither true nor false")
		case !s.True:
			list = append(list, at+"  true")
		case !s.False:
			list = append(list, at+"  false")
		}
	}
	for _, r := range c.Rules {
		at := fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Rule)
		if !r.Fired {
			list = append(list, at+"  fired")
		}
		if !r.Rendered {
			list = append(list, at+"  its message written")
		}
	}
	return list
}

// Together joins what several test files have seen of the same rules.
func Together(list []*Cover) (out []*Cover) {
	for _, c := range list {
		i := slices.IndexFunc(out, func(have *Cover) bool { return have.set.Version() == c.set.Version() })
		if i < 0 {
			out = append(out, c)
			continue
		}
		for j := range c.Conjuncts {
			have, more := &out[i].Conjuncts[j], c.Conjuncts[j]
			have.True, have.False, have.Undecided = have.True || more.True, have.False || more.False, have.Undecided || more.Undecided
		}
		for j := range c.Rules {
			have, more := &out[i].Rules[j], c.Rules[j]
			have.Fired, have.Rendered = have.Fired || more.Fired, have.Rendered || more.Rendered
		}
	}
	return out
}

// Percent is how much of several sets of rules was seen.
func Percent(list []*Cover) float64 {
	seen, all := 0, 0
	for _, c := range list {
		s, a := c.Count()
		seen, all = seen+s, all+a
	}
	if all == 0 {
		return 100
	}
	return 100 * float64(seen) / float64(all)
}
