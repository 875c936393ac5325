// The past through rules: what the journal's events would have fired, and for whom. Nothing is sent, and nothing is written.

package core

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/catalog"
	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// What bounds a replay and a diff, in memory and in time.
const (
	lookConsents = 200_000          // consents that are looked at
	lookFires    = 1_000            // firings that are listed
	lookReasons  = 8                // reasons that are told apart for a rule
	lookTime     = 25 * time.Second // of one call
	lookPeople   = 1_000            // people that are listed in one place
	journalPage  = 512
)

// ReplayRequest says which past goes through which rules.
type ReplayRequest struct {
	Rules  otn.Rules // nil: those that decide now
	Rule   string    // this one alone; empty: all
	Since  time.Time
	People int // how many people are named for each firing
}

// Replay is what rules would have done with the events since From.
type Replay struct {
	From    time.Time      `json:"from"`
	To      time.Time      `json:"to"`
	Version string         `json:"version" doc:"Of the rules."`
	Events  int            `json:"events" doc:"Observations that changed something, and triggers."`
	Partial string         `json:"partial,omitempty" doc:"What was left out, and why."`
	Rules   []ReplayedRule `json:"rules"`
	Fires   []Fired        `json:"fires" doc:"Oldest first."`
}

// ReplayedRule is what one rule came to.
type ReplayedRule struct {
	Rule     string        `json:"rule"`
	Topic    string        `json:"topic"`
	Decided  int           `json:"decided" doc:"Events that it was asked about while somebody waited."`
	Fired    int           `json:"fired" doc:"Those at which somebody would have been told."`
	Told     int           `json:"told" doc:"People who would have been told, each consent once."`
	Unjudged int           `json:"unjudged" doc:"Consents that have ended since: their answers are gone, and the rule looks at them."`
	Reasons  []ReasonCount `json:"reasons" doc:"Why it did not fire, the most frequent first; for events, and for people."`
	Note     string        `json:"note,omitempty" doc:"What of it was not replayed."`
}

// ReasonCount is how often something was the reason.
type ReasonCount struct {
	Code    string `json:"code"`
	Because string `json:"because,omitempty" doc:"The first time, in words."`
	Times   int    `json:"times"`
}

// Fired is one event at which a rule would have told somebody.
type Fired struct {
	At      time.Time `json:"at"`
	Event   time.Time `json:"event,omitzero" doc:"Of a rule that holds: when its condition became true."`
	Rule    string    `json:"rule"`
	Topic   string    `json:"topic"`
	Subject string    `json:"subject,omitempty"`
	Cause   string    `json:"cause"`
	Told    int       `json:"told"`
	People  []string  `json:"people,omitempty" doc:"channel/id, a bounded number; of consents that have ended nobody is known any more."`
	Values  []string  `json:"values,omitempty" doc:"What the parts of the condition gave for one of them."`
}

// Replay decides about the recorded events since a moment by the rules, as if no consent had been spent since.
// Errors: otn.ErrNotFound for a rule that is not there, the context's.
func (h *Host) Replay(ctx context.Context, q ReplayRequest) (Replay, error) {
	if err := h.isOpen(); err != nil {
		return Replay{}, err
	}
	if q.Rules == nil {
		q.Rules = h.Rules()
	}
	p := replayer{h: h, ctx: ctx, q: q, stop: h.config.Clock.Now().Add(lookTime), lines: map[ledger.Line][]*waiter{}, rules: map[string]*ReplayedRule{},
		last: map[ruleSubject]otn.Last{}, seen: map[otn.Subject]otn.Snapshot{}}
	began, _, err := h.trimState()
	if err != nil {
		return Replay{}, err
	}
	p.out = Replay{From: q.Since, To: h.config.Clock.Now(), Version: q.Rules.Version(), Rules: []ReplayedRule{}, Fires: []Fired{}}
	if began.Begin.After(q.Since) {
		p.out.Partial = "events before " + began.Begin.UTC().Format(time.RFC3339) + " are too old to be kept"
	}
	if err := p.begin(); err != nil {
		return Replay{}, err
	}
	if err := p.journal(); err != nil {
		return Replay{}, fmt.Errorf("core: replay: %w", err)
	}
	return p.end(), nil
}

// replayer is one replay.
type replayer struct {
	h     *Host
	ctx   context.Context
	q     ReplayRequest
	out   Replay
	stop  time.Time
	lines map[ledger.Line][]*waiter
	rules map[string]*ReplayedRule
	order []string
	last  map[ruleSubject]otn.Last
	seen  map[otn.Subject]otn.Snapshot
	held  []*heldFire
}

// ruleSubject is what a rule remembers facts for.
type ruleSubject struct {
	rule    string
	subject otn.Subject
}

// waiter is a consent as the replay sees it.
type waiter struct {
	ledger.Consent
	ends time.Time // zero: it has ended, and nobody knows when it would have
	told bool      // by the replay
	held map[string]bool
}

// here reports whether a consent could be spent at an event.
func (w *waiter) here(e otn.Event) bool {
	return !w.told && w.Seq < e.Seq && (w.ends.IsZero() || w.ends.After(e.At))
}

// living reports whether the consent's answers are there.
func (w *waiter) living() bool { return !w.ends.IsZero() }

// begin finds the rules and those who waited for their topics.
func (p *replayer) begin() error {
	topics := map[string]bool{}
	for _, r := range p.q.Rules.List() {
		if p.q.Rule != "" && p.q.Rule != r.ID {
			continue
		}
		topics[r.Topic] = true
		p.rules[r.ID] = &ReplayedRule{Rule: r.ID, Topic: r.Topic, Reasons: []ReasonCount{}, Note: notReplayed(r)}
		p.order = append(p.order, r.ID)
	}
	if len(p.rules) == 0 && p.q.Rule != "" {
		return fmt.Errorf("core: rule %q: %w", p.q.Rule, otn.ErrNotFound)
	}
	kept, cursor := 0, uint64(0)
	for {
		list, next, err := p.h.ledger.Consents(ledger.ConsentQuery{Cursor: cursor, Limit: maxLimit})
		if err != nil {
			return err
		}
		for _, c := range list {
			if !topics[c.Topic] || c.State == ledger.Expired || c.State == ledger.Withdrawn {
				continue
			}
			if kept++; kept > lookConsents {
				p.out.Partial = fmt.Sprintf("only the oldest %d consents were looked at", lookConsents)
				return nil
			}
			line := ledger.Line{Topic: c.Topic, Subject: c.Subject}
			p.lines[line] = append(p.lines[line], &waiter{Consent: c, ends: c.ExpiresAt})
		}
		if cursor = next; cursor == 0 {
			return p.ctx.Err()
		}
		if over, err := p.over(); err != nil || over {
			return err
		}
	}
}

// notReplayed says what of a rule a replay leaves out.
func notReplayed(r otn.Rule) string {
	switch {
	case r.Cron != "":
		return "the moments of its cron line are not replayed"
	case !r.Once.IsZero():
		return "its own moment is not replayed"
	case r.Plan.Budgeted():
		return "everybody is counted when it fires, without waves"
	}
	return ""
}

// over reports whether the time is up, and remembers it.
func (p *replayer) over() (bool, error) {
	if err := p.ctx.Err(); err != nil {
		return true, err
	}
	if p.h.config.Clock.Now().Before(p.stop) {
		return false, nil
	}
	p.out.Partial = "it took too long: what came later is left out; ask for less (--since, --rule)"
	return true, nil
}

// journal walks the events.
func (p *replayer) journal() error {
	after := uint64(0)
	for {
		entries, err := p.h.ledger.Journal(after, journalPage)
		if err != nil {
			return err
		}
		for _, e := range entries {
			after = e.Seq
			if e.At.Before(p.q.Since) {
				continue
			}
			if over, err := p.over(); err != nil || over {
				p.out.To = e.At
				return err
			}
			if err := p.entry(e); err != nil {
				return err
			}
		}
		if len(entries) < journalPage {
			p.due(p.out.To)
			return nil
		}
		if over, err := p.over(); err != nil || over {
			return err
		}
	}
}

func (p *replayer) entry(e ledger.Entry) error {
	switch otn.EventKind(e.Kind) {
	case otn.ItemChanged, otn.CollectionChanged:
		ev, err := catalog.Decode(e)
		if err != nil {
			return err
		}
		p.seen[ev.Subject] = ev.Now
		return p.event(ev, nil)
	case otn.Triggered:
		var body dispatch.TriggerBody
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return errors.Join(err, otn.ErrStore)
		}
		ev := otn.Event{Seq: e.Seq, Kind: otn.Triggered, At: e.At, Trigger: &body.Trigger, Cause: "e" + strconv.FormatUint(e.Seq, 10)}
		if body.Trigger.Subject != "" {
			ev.Subject = otn.Subject{Kind: otn.ItemKind, ID: body.Trigger.Subject}
			now, ok := p.seen[ev.Subject]
			if !ok {
				var err error
				if now, _, err = p.h.catalog.Snapshot(ev.Subject); err != nil {
					return err
				}
			}
			ev.Now, ev.Was = now, now
		}
		return p.event(ev, body.Person)
	}
	return nil
}

// event decides every rule that the event concerns and for which somebody waited.
func (p *replayer) event(e otn.Event, person *otn.PersonID) error {
	p.out.Events++
	p.due(e.At)
	if err := p.fallen(e); err != nil {
		return err
	}
	matches := p.q.Rules.Match(e, func(rule string) (otn.Last, bool) {
		l, ok := p.last[ruleSubject{rule, e.Subject}]
		return l, ok
	})
	for _, m := range matches {
		of, asked := p.rules[m.Rule.ID]
		if !asked {
			continue
		}
		var here []*waiter
		for _, w := range p.lines[lineFor(m.Rule, e.Subject.ID)] {
			if w.here(e) && (person == nil || w.Person == *person) {
				here = append(here, w)
			}
		}
		if len(here) == 0 {
			continue
		}
		of.Decided++
		if m.Rule.State {
			p.last[ruleSubject{m.Rule.ID, e.Subject}] = otn.Last{At: e.At, Now: e.Now}
		}
		if err := p.match(e, m, of, here); err != nil {
			return err
		}
	}
	return nil
}

func lineFor(r otn.Rule, subject string) ledger.Line {
	if r.Kind == otn.NoSubject || r.Kind == "" {
		return ledger.Line{Topic: r.Topic}
	}
	return ledger.Line{Topic: r.Topic, Subject: subject}
}

// match chooses among those who waited.
func (p *replayer) match(e otn.Event, m otn.Match, of *ReplayedRule, here []*waiter) error {
	facts := otn.Facts{Rule: m.Rule.ID, At: e.At, Now: e.Now, Was: e.Was, First: e.First, Last: m.Last, Trigger: e.Trigger}
	if m.Verdict != otn.Yes {
		of.because(codeOf(m.Verdict, facts), m.Because, 1)
		return nil
	}
	page, err := p.q.Rules.Open(facts)
	if err != nil {
		return err
	}
	chosen := map[otn.PersonID]*waiter{}
	for i, w := range here {
		if i%1000 == 999 {
			if over, err := p.over(); err != nil || over {
				return err
			}
		}
		yes, err := p.choose(page, m.Rule, facts, of, w)
		if err != nil {
			return err
		}
		if first := chosen[w.Person]; yes && !w.held[m.Rule.ID] && (first == nil || w.ends.Before(first.ends)) {
			chosen[w.Person] = w
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	f := &heldFire{rule: m.Rule, of: of, about: e.Subject, facts: facts, due: e.At.Add(m.Rule.Plan.Hold), waits: inOrder(chosen),
		fired: Fired{At: e.At, Rule: m.Rule.ID, Topic: m.Rule.Topic, Subject: lineFor(m.Rule, e.Subject.ID).Subject, Cause: string(e.Kind)}}
	if e.Trigger != nil {
		f.fired.Cause = "trigger." + e.Trigger.Name
	}
	if one := f.waits[0]; one.living() {
		f.fired.Values = page.Explain(&one.Consent.Consent)
	}
	if m.Rule.Plan.Hold == 0 {
		p.fire(f)
		return nil
	}
	f.fired.Event = e.At
	for _, w := range f.waits {
		if w.held == nil {
			w.held = map[string]bool{}
		}
		w.held[m.Rule.ID] = true
	}
	p.held = append(p.held, f)
	return nil
}

// inOrder are those who were chosen, the one who agreed first first.
func inOrder(chosen map[otn.PersonID]*waiter) []*waiter {
	list := make([]*waiter, 0, len(chosen))
	for _, w := range chosen {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *waiter) int { return cmp.Compare(a.Seq, b.Seq) })
	return list
}

// choose decides for one consent, and counts why not.
func (p *replayer) choose(page otn.Page, r otn.Rule, f otn.Facts, of *ReplayedRule, w *waiter) (bool, error) {
	if !w.living() {
		if r.NeedsSub || r.NeedsPerson {
			of.Unjudged++
			return false, nil
		}
		return page.Select(&w.Consent.Consent) == otn.Yes, nil
	}
	if r.NeedsPerson {
		if err := p.h.dispatch.Meet(&w.Consent.Consent, w.Person, p.out.To); err != nil {
			return false, err
		}
	}
	v := page.Select(&w.Consent.Consent)
	if v != otn.Yes {
		of.because(codeOf(v, f), page.Because(), 1)
	}
	return v == otn.Yes, nil
}

// because counts a reason.
func (r *ReplayedRule) because(code, words string, times int) {
	for i := range r.Reasons {
		if r.Reasons[i].Code == code {
			r.Reasons[i].Times += times
			return
		}
	}
	if len(r.Reasons) < lookReasons {
		r.Reasons = append(r.Reasons, ReasonCount{code, words, times})
	}
}

// heldFire is what a rule would tell, at once or once its condition has stayed true.
type heldFire struct {
	rule  otn.Rule
	of    *ReplayedRule
	about otn.Subject
	facts otn.Facts
	due   time.Time
	waits []*waiter
	fired Fired
}

// due fires what was held until a moment.
func (p *replayer) due(at time.Time) {
	p.held = slices.DeleteFunc(p.held, func(f *heldFire) bool {
		if f.due.After(at) {
			return false
		}
		f.fired.At = f.due
		p.fire(f)
		return true
	})
}

// fallen takes out of the holds those for whom an event made the condition false.
func (p *replayer) fallen(e otn.Event) error {
	for _, f := range p.held {
		if e.Kind == otn.Triggered || f.about != e.Subject {
			continue
		}
		facts := f.facts
		facts.At, facts.Now = e.At, e.Now
		page, err := p.q.Rules.Open(facts)
		if err != nil {
			return err
		}
		f.waits = slices.DeleteFunc(f.waits, func(w *waiter) bool {
			if page.Select(&w.Consent.Consent) == otn.Yes {
				return false
			}
			delete(w.held, f.rule.ID)
			f.of.because(HoldBroken, "the condition did not stay true", 1)
			return true
		})
	}
	return nil
}

// fire spends the consents, within the replay.
func (p *replayer) fire(f *heldFire) {
	for _, w := range f.waits {
		delete(w.held, f.rule.ID)
		if w.told || w.living() && !w.ends.After(f.fired.At) {
			continue
		}
		w.told = true
		f.fired.Told++
		if len(f.fired.People) < min(p.q.People, lookPeople) && w.Subscriber.ID != "" {
			f.fired.People = append(f.fired.People, w.Channel+"/"+w.Subscriber.ID)
		}
	}
	if f.fired.Told == 0 {
		return
	}
	f.of.Fired++
	f.of.Told += f.fired.Told
	if len(p.out.Fires) >= lookFires {
		p.out.Partial = fmt.Sprintf("only the first %d firings are listed; all are counted", lookFires)
		return
	}
	p.out.Fires = append(p.out.Fires, f.fired)
}

func (p *replayer) end() Replay {
	for _, id := range p.order {
		r := p.rules[id]
		for _, f := range p.held {
			if f.of == r {
				r.because(OnHold, "held until "+f.due.UTC().Format(time.RFC3339), len(f.waits))
			}
		}
		slices.SortStableFunc(r.Reasons, func(a, b ReasonCount) int { return cmp.Compare(b.Times, a.Times) })
		p.out.Rules = append(p.out.Rules, *r)
	}
	return p.out
}
