// How a rule is decided: what it is about, which parts are decided once and which for each consent, and what they give.

package rules

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// Explanation is a rule in words, with what it gives for one consent.
type Explanation struct {
	Rule  string `json:"rule"`
	Topic string `json:"topic"`
	File  string `json:"file"`
	Line  int    `json:"line"`
	About string `json:"about"` // change or state
	Fires string `json:"fires"` // when, and why that is so
	Plan  []Step `json:"plan"`
	decision
}

// Step is one conjunct of a condition and when it is decided.
type Step struct {
	Each      bool   `json:"each"` // for each consent; false: once for an event
	Condition string `json:"condition"`
	How       string `json:"how"`
}

// Explain says how a rule is decided, and what it gives for one consent with these facts.
// Errors: ErrNotFound for a rule that is not here.
func (s *Set) Explain(f otn.Facts, c *otn.Consent) (*Explanation, error) {
	open, err := s.Open(f)
	if err != nil {
		return nil, err
	}
	p := open.(*page) //nolint:forcetypeassert // Open makes no other
	r := p.rule
	e := &Explanation{Rule: r.ID, Topic: r.Topic, File: r.File, Line: r.Line, About: "change", Plan: r.steps(), decision: p.explain(c)}
	if r.State {
		e.About = "state"
	}
	e.Fires = r.fires()
	return e, nil
}

// fires says when the rule fires, and why.
func (r *rule) fires() string {
	mentions := r.when != nil && r.when.uses&usesWas != 0
	switch {
	case r.sent:
		return "once, for the operator's send"
	case r.fired:
		return "at each trigger for which it is true: a trigger is a change"
	case r.State:
		return "when it becomes true: it does not mention was"
	case mentions:
		return "at each event for which it is true: it mentions was"
	}
	return "at each event for which it is true: fire: each says so"
}

// steps is the plan of the condition, in the order in which it is written.
func (r *rule) steps() []Step {
	if r.when == nil {
		return []Step{{Condition: "true", How: "there is no when: everybody who waits is told"}}
	}
	var out []Step
	for _, n := range conjuncts(r.when.root) {
		step := Step{Condition: oneLine(n), How: "decided once for an event"}
		if r.when.part(n).uses&usesSub != 0 {
			step.Each, step.How = true, "decided for each consent that waits"
		}
		out = append(out, step)
	}
	return out
}

func oneLine(n ast.Node) string { return strings.Join(strings.Fields(n.String()), " ") }

// Facts are what is given, as one rule sees it: typed by its topic and trigger. A state rule is compared with last, or with
// was where nothing is told of last.
// Errors: ErrNotFound for a rule that is not here, ErrInvalid for a name that the rules do not declare.
func (s *Set) Facts(rule string, g *Given) (otn.Facts, *otn.Consent, error) {
	r, ok := s.byID[rule]
	if !ok {
		return otn.Facts{}, nil, fmt.Errorf("rules: rule %q: %s: %w", rule, didYouMean(rule, s.ids()), otn.ErrNotFound)
	}
	_, g, err := s.sight(rule, g)
	if err != nil {
		return otn.Facts{}, nil, err
	}
	f := otn.Facts{Rule: rule, At: g.At, Now: g.Now, Was: g.Was, First: g.First, Last: g.Last}
	if r.State && none(f.Last) && len(g.was) > 0 {
		f.Last = otn.Last{At: g.At, Now: g.Was}
	}
	if r.fired {
		f.Trigger = &otn.Trigger{Name: strings.TrimPrefix(r.On[0], "trigger."), Fields: g.Trigger}
	}
	c := g.Consent
	c.Topic = r.Topic
	return f, &c, nil
}

func (s *Set) ids() (list []string) {
	for _, r := range s.rules {
		list = append(list, r.ID)
	}
	return list
}
