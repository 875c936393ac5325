// A rule's Plan made ready: what the facts decide of it is compiled here, and asked of a Page.

package rules

import (
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// course is what the facts decide of how a run is carried out; nil where the rule says nothing of it.
type course struct {
	size, ends *compiled
	ranks      []*compiled
}

// expressions calls visit for each.
func (c *course) expressions(visit func(*compiled)) {
	for _, e := range append([]*compiled{c.size, c.ends}, c.ranks...) {
		if e != nil {
			visit(e)
		}
	}
}

// plan settles how the runs of a rule are carried out. It reports whether no fault was found.
func (in *declared) plan(d *ruleDecl, r *rule, sc *scopes, personal *scope) bool {
	s := d.src
	if d.pacing == nil { // a send: the operator chose the moment, and is stopped only where a run should pause or a person be left alone
		p := (&pacing{}).over(d.defaults, "per_subscriber", "pause_above")
		r.Plan = p.plan
		return true
	}
	before := len(s.faults)
	p := d.pacing.over(d.defaults)
	shared := sc.shared(personal)
	r.Plan = p.plan
	if p.size != nil && p.size.kind != nullNode {
		r.course.size = s.expression(p.size, "size", shared, integer)
		s.neverEmpty(p.size, r.course.size)
	}
	for _, n := range p.ranks[:min(len(p.ranks), maxRanks)] {
		if e := s.expression(n, "order", personal, boolean); e != nil {
			r.course.ranks = append(r.course.ranks, e)
		}
	}
	if p.notAfter != nil {
		r.course.ends = s.expression(p.notAfter, "not_after", shared, moment)
		r.Plan.Ends = true
	}
	in.hours(d, r)
	in.fits(d, r)
	return len(only(s.faults[before:], Fault)) == 0
}

// neverEmpty refuses a wave whose size is written out and tells nobody.
func (s *source) neverEmpty(n *node, size *compiled) {
	if size != nil && size.fixed {
		if v := size.now(); v.ok() && v.n < 1 {
			s.fault(s.within(n, 0, 1), codeLimit, "a wave of this size tells nobody", "write how many people a wave tells")
		}
	}
}

// hours fills in whose hours they are: everybody's own, and the file's zone where that is not known.
func (in *declared) hours(d *ruleDecl, r *rule) {
	h := &r.Plan.Hours
	if !h.Set() {
		for _, name := range []string{"tz", "outside"} {
			if at, own := d.pacing.has[name]; own && !d.pacing.torn {
				d.src.fault(at, codeFits, name+" does nothing without between", "say between which hours: between: 09:00-21:00")
			}
		}
		*h = otn.Hours{}
		return
	}
	if h.TZ == "" {
		h.Subscriber, h.TZ = true, d.zone.String()
	}
}

// fits refuses keys that cannot do anything in this rule.
func (in *declared) fits(d *ruleDecl, r *rule) {
	s := d.src
	refuse := func(name, message, hint string) { s.fault(d.n.get(name).at, codeFits, message, hint) }
	if r.Plan.WhileTrue && !r.State {
		refuse("while_true", "while_true does not fit: the rule fires at single events, not while something holds", "leave while_true out")
	}
	if r.Plan.Coalesce > 0 && r.Kind == otn.NoSubject {
		refuse("coalesce", "coalesce does not fit: the topic has no subject, so there is nothing to gather", "leave coalesce out")
	}
	if d.n.get("missed") != nil && d.cron == nil && d.once == nil {
		refuse("missed", "missed does nothing without cron or once", "leave missed out")
	}
	r.SkipMissed = s.decoder().pick(d.n, "rule", "missed") == "skip"
}

func (p *page) decided(e *compiled, what string) (value, error) {
	if e == nil {
		return value{}, fmt.Errorf("rules: rule %s has no %s: %w", p.rule.ID, what, otn.ErrInvalid)
	}
	v := p.now.eval(e.run)
	if !v.ok() {
		return v, fmt.Errorf("rules: %s of rule %s: %s: %w", what, p.rule.ID, v.because(), otn.ErrInvalid)
	}
	return v, nil
}

// Size is how many the next wave may tell; 0 and less is nobody. Errors: ErrInvalid where a fact that it needs is not known.
func (p *page) Size() (int64, error) {
	v, err := p.decided(p.rule.course.size, "size")
	return v.n, err
}

// Ends is the moment behind which nothing is sent. Errors: ErrInvalid where a fact that it needs is not known.
func (p *page) Ends() (time.Time, error) {
	v, err := p.decided(p.rule.course.ends, "not_after")
	if err != nil {
		return time.Time{}, err
	}
	return v.time(), nil
}

// Rank is the place of a consent before its age counts, from 0 on: the first condition of the order weighs most, and one
// that is not known does not help.
func (p *page) Rank(c *otn.Consent) int {
	rank := 0
	p.now.consent = c
	for _, e := range p.rule.course.ranks {
		rank <<= 1
		if !p.now.eval(e.run).isTrue() {
			rank |= 1
		}
	}
	p.now.consent = nil
	return rank
}
