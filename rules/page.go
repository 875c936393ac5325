// A page of consents: each is decided and written to from the same facts.

package rules

import (
	"fmt"

	"github.com/onetimenotify/otn/core/otn"
)

// page belongs to one goroutine.
type page struct {
	rule      *rule
	now, last frame
	once      value // of now
	past      value // the half without the consent of the last decision
	fresh     bool  // the first decision, and the rule fires at first sight
	blocked   string
	printers  map[string]*printer

	value value // of the last Select
	prior value // what it was compared with
	said  otn.Verdict
}

// Open begins decisions about consents from the facts of one moment. Errors: ErrNotFound for a rule that is not here.
func (s *Set) Open(facts otn.Facts) (otn.Page, error) {
	r, ok := s.byID[facts.Rule]
	if !ok {
		return nil, fmt.Errorf("rules: rule %q: %w", facts.Rule, otn.ErrNotFound)
	}
	p := &page{rule: r, printers: map[string]*printer{}}
	p.now = frame{at: facts.At, now: facts.Now, was: facts.Was, firstSeen: facts.First, trigger: facts.Trigger, zones: zones{}}
	p.last = p.now
	p.last.at, p.last.now = facts.Last.At, facts.Last.Now
	p.once = r.once.eval(&p.now)
	first := facts.First && !r.fired || r.State && none(facts.Last)
	switch {
	case first && r.FirstFires, r.State && facts.Last.Cleared:
		p.fresh = true
	case first && !r.sent:
		p.blocked = "first sight: there is nothing to compare with"
	case r.State:
		p.past = r.once.eval(&p.last)
	}
	return p, nil
}

// Select decides for one consent.
func (p *page) Select(c *otn.Consent) otn.Verdict {
	p.now.consent = c
	v := p.once
	if p.rule.personal != nil && !v.isFalse() {
		v = both(v, p.now.eval(p.rule.personal))
	}
	p.value = v
	p.said = v.verdict()
	switch {
	case p.said != otn.Yes:
	case p.blocked != "":
		p.said = otn.Holds
	case p.rule.State && !p.fresh:
		p.said = p.rose(c)
	}
	p.now.consent = nil
	return p.said
}

// rose decides whether the state of this consent is news.
func (p *page) rose(c *otn.Consent) otn.Verdict {
	v := p.past
	if p.rule.personal != nil && !v.isFalse() {
		p.last.consent = c
		v = both(v, p.last.eval(p.rule.personal))
		p.last.consent = nil
	}
	p.prior = v
	if v.isFalse() {
		return otn.Yes
	}
	return otn.Holds
}

// Because says in words why the last Select gave what it gave.
func (p *page) Because() string {
	switch {
	case p.said != otn.Holds:
		return p.value.because()
	case p.blocked != "":
		return p.blocked
	}
	_, why := risen(p.prior)
	return why
}

// Render gives the message as this subscriber gets it. Errors: ErrInvalid when a fact that the text needs is not known, or a link is none.
func (p *page) Render(c *otn.Consent, can *otn.Capabilities) (otn.Message, error) {
	p.now.consent = c
	m, err := writer{&p.now, p.printer(c)}.letter(p.rule.letter.through(c.Channel))
	p.now.consent = nil
	if err == nil {
		m, err = carried(m, can)
	}
	if err != nil {
		return otn.Message{}, fmt.Errorf("rules: message of %s: %w", p.rule.ID, err)
	}
	return m, nil
}

// printer is the one for a consent's locale and zone.
func (p *page) printer(c *otn.Consent) *printer {
	key := c.Locale + "\x00" + c.TZ
	if pr, ok := p.printers[key]; ok {
		return pr
	}
	zone, ok := p.now.zones.find(c.TZ)
	if !ok {
		zone = p.rule.zone
	}
	pr := newPrinter(c.Locale, zone)
	if len(p.printers) < 256 {
		p.printers[key] = pr
	}
	return pr
}
