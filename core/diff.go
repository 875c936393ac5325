// Two versions of the rules over those who wait now: who gains a message and who loses one. Nothing is written.

package core

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// DiffRequest names two versions of the rules.
type DiffRequest struct {
	Old    otn.Rules // nil: those that decide now
	New    otn.Rules
	People int // how many people are named for each line
}

// Diff is what changes when New decides instead of Old.
type Diff struct {
	Old     string      `json:"old" doc:"Version."`
	New     string      `json:"new" doc:"Version."`
	At      time.Time   `json:"at"`
	Looked  int         `json:"looked" doc:"Consents that were decided about."`
	Partial string      `json:"partial,omitempty" doc:"What was left out, and why."`
	Rules   []RuleDiff  `json:"rules" doc:"Rules that change, or change something for somebody."`
	Topics  []TopicDiff `json:"topics" doc:"Topics that change."`
}

// RuleDiff is what changes in one rule.
type RuleDiff struct {
	Rule    string     `json:"rule"`
	Topic   string     `json:"topic"`
	Change  string     `json:"change" enum:"new,gone,renamed,changed,same"`
	Was     string     `json:"was,omitempty" doc:"The id before, of one that was renamed."`
	State   string     `json:"state" enum:"none,kept,forgotten,starts" doc:"What the rule remembers of each subject."`
	Gains   int        `json:"gains" doc:"People whom it means now and did not mean before."`
	Loses   int        `json:"loses"`
	Keeps   int        `json:"keeps"`
	Rewords int        `json:"rewords" doc:"Of those whom both mean: who would read something else."`
	Lines   []LineDiff `json:"lines,omitempty" doc:"By subject, where somebody gains or loses; a bounded number."`
	Note    string     `json:"note,omitempty"`
}

// LineDiff is what changes for those who wait for one subject.
type LineDiff struct {
	Subject string   `json:"subject,omitempty"`
	Gains   int      `json:"gains"`
	Loses   int      `json:"loses"`
	Gain    []string `json:"gain,omitempty" doc:"channel/id, a bounded number."`
	Lose    []string `json:"lose,omitempty"`
}

// TopicDiff is a topic that changes.
type TopicDiff struct {
	Topic   string `json:"topic"`
	Change  string `json:"change" enum:"new,gone,changed"`
	Waiting int64  `json:"waiting" doc:"Consents that wait for it now."`
}

// Diff decides for everybody who waits, by both versions, with the subjects as they are now: whom the condition of a rule
// means, whatever the rule told before. Errors: otn.ErrInvalid without new rules, the context's.
func (h *Host) Diff(ctx context.Context, q DiffRequest) (Diff, error) {
	if err := h.isOpen(); err != nil {
		return Diff{}, err
	}
	if q.New == nil {
		return Diff{}, fmt.Errorf("core: diff: no new rules: %w", otn.ErrInvalid)
	}
	if q.Old == nil {
		q.Old = h.Rules()
	}
	d := differ{h: h, ctx: ctx, q: q, stop: h.config.Clock.Now().Add(lookTime)}
	d.out = Diff{Old: q.Old.Version(), New: q.New.Version(), At: h.config.Clock.Now(), Rules: []RuleDiff{}, Topics: h.topicsDiffer(q)}
	for _, pair := range pairs(q.Old.List(), q.New.List()) {
		if err := d.rule(pair); err != nil {
			return Diff{}, fmt.Errorf("core: diff: %w", err)
		}
	}
	return d.out, nil
}

func (h *Host) topicsDiffer(q DiffRequest) []TopicDiff {
	counts, out := h.ledger.Topics(), []TopicDiff{}
	for _, t := range q.New.Topics() {
		was, ok := q.Old.Topic(t.ID)
		switch {
		case !ok:
			out = append(out, TopicDiff{t.ID, "new", counts[t.ID].Waiting})
		case !reflect.DeepEqual(was, t):
			out = append(out, TopicDiff{t.ID, "changed", counts[t.ID].Waiting})
		}
	}
	for _, t := range q.Old.Topics() {
		if _, ok := q.New.Topic(t.ID); !ok {
			out = append(out, TopicDiff{t.ID, "gone", counts[t.ID].Waiting})
		}
	}
	return out
}

// pair is one rule before and after; nil where it is not there.
type pair struct{ old, new *otn.Rule }

// pairs are the rules of both versions, by their ids; what is the same under another id was renamed.
func pairs(old, list []otn.Rule) (out []pair) {
	find := func(in []otn.Rule, id string) *otn.Rule {
		if i := slices.IndexFunc(in, func(r otn.Rule) bool { return r.ID == id }); i >= 0 {
			return &in[i]
		}
		return nil
	}
	renamed := map[string]bool{}
	for i := range list {
		p := pair{find(old, list[i].ID), &list[i]}
		for j := range old {
			if p.old == nil && find(list, old[j].ID) == nil && !renamed[old[j].ID] && sameRule(old[j], list[i]) {
				p.old, renamed[old[j].ID] = &old[j], true
			}
		}
		out = append(out, p)
	}
	for i := range old {
		if find(list, old[i].ID) == nil && !renamed[old[i].ID] {
			out = append(out, pair{old: &old[i]})
		}
	}
	return out
}

// sameRule reports whether two rules decide alike, whatever they are called and wherever they stand.
func sameRule(a, b otn.Rule) bool {
	a.ID, a.File, a.Line = b.ID, b.File, b.Line
	return reflect.DeepEqual(a, b)
}

// differ is one diff.
type differ struct {
	h    *Host
	ctx  context.Context
	q    DiffRequest
	out  Diff
	stop time.Time
}

// rule compares one rule over all lines of its topics.
func (d *differ) rule(p pair) error {
	r := p.about()
	var lines []ledger.Line
	for _, rule := range []*otn.Rule{p.old, p.new} {
		if rule != nil && moments(*rule) {
			lines = append(lines, d.h.ledger.Lines(rule.Topic)...)
		} else if rule != nil {
			r.Note = "decided when its trigger comes: nobody is counted"
		}
	}
	slices.SortFunc(lines, func(a, b ledger.Line) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), strings.Compare(a.Subject, b.Subject))
	})
	for _, line := range slices.Compact(lines) {
		if err := d.line(p, line, &r); err != nil {
			return err
		}
	}
	if r.Change != "same" || r.Gains+r.Loses+r.Rewords > 0 {
		d.out.Rules = append(d.out.Rules, r)
	}
	return nil
}

// moments reports whether a rule can be decided from the facts of a moment.
func moments(r otn.Rule) bool {
	return r.Cron != "" || !r.Once.IsZero() || slices.ContainsFunc(r.On, func(on string) bool { return !strings.HasPrefix(on, "trigger.") })
}

// about says what becomes of a rule, and of what it remembers.
func (p pair) about() RuleDiff {
	switch {
	case p.old == nil:
		return RuleDiff{Rule: p.new.ID, Topic: p.new.Topic, Change: "new", State: stateOf(p.new, "starts")}
	case p.new == nil:
		return RuleDiff{Rule: p.old.ID, Topic: p.old.Topic, Change: "gone", State: stateOf(p.old, "forgotten")}
	case p.old.ID != p.new.ID:
		return RuleDiff{Rule: p.new.ID, Topic: p.new.Topic, Change: "renamed", Was: p.old.ID, State: stateOf(p.old, "forgotten")}
	}
	r := RuleDiff{Rule: p.new.ID, Topic: p.new.Topic, Change: "changed", State: stateOf(p.new, "kept")}
	if sameRule(*p.old, *p.new) {
		r.Change = "same"
	}
	return r
}

func stateOf(r *otn.Rule, becomes string) string {
	if r.State {
		return becomes
	}
	return "none"
}

// line compares a rule for those who wait on one line.
func (d *differ) line(p pair, line ledger.Line, r *RuleDiff) error {
	old, err := d.open(d.q.Old, p.old, line)
	if err != nil {
		return err
	}
	then, err := d.open(d.q.New, p.new, line)
	if err != nil {
		return err
	}
	tally := lineTally{out: LineDiff{Subject: line.Subject}, persons: map[otn.PersonID]bool{}, people: min(d.q.People, lookPeople)}
	var failed error
	for after, done := uint64(0), false; !done && failed == nil && d.out.Partial == ""; {
		after, done, err = d.h.ledger.Scan(line, after, d.h.ledger.Head()+1, journalPage, d.out.At, func(c *ledger.Candidate) bool {
			d.out.Looked++
			failed = d.consent(old, then, c, &tally, r)
			return failed == nil
		})
		if err = cmp.Or(failed, err, d.ctx.Err()); err != nil {
			return err
		}
		switch {
		case d.out.Looked >= lookConsents:
			d.out.Partial = fmt.Sprintf("only %d consents were looked at", d.out.Looked)
		case d.h.config.Clock.Now().After(d.stop):
			d.out.Partial = fmt.Sprintf("it took too long: only %d consents were looked at", d.out.Looked)
		}
	}
	if l := tally.out; l.Gains+l.Loses > 0 && len(r.Lines) < lookFires {
		r.Lines = append(r.Lines, l)
	}
	r.Gains, r.Loses = r.Gains+tally.out.Gains, r.Loses+tally.out.Loses
	return nil
}

// lineTally counts people on one line, each once for what became of the first of their consents that counts.
type lineTally struct {
	out     LineDiff
	persons map[otn.PersonID]bool
	people  int
}

// open begins decisions of a rule about one line, as if it had never told anybody. nil: it is not there, or not about the line.
func (d *differ) open(set otn.Rules, r *otn.Rule, line ledger.Line) (otn.Page, error) {
	if r == nil || r.Topic != line.Topic || !moments(*r) {
		return nil, nil
	}
	f := otn.Facts{Rule: r.ID, At: d.out.At, Last: otn.Last{At: d.out.At, Cleared: true}}
	if r.Kind != otn.NoSubject && r.Kind != "" {
		now, known, err := d.h.catalog.Snapshot(otn.Subject{Kind: r.Kind, ID: line.Subject})
		if err != nil || !known {
			return nil, err
		}
		f.Now, f.Was = now, now
		if f.Was, err = d.h.wasOn(line, now); err != nil {
			return nil, err
		}
	}
	return set.Open(f)
}

// wasOn is the subject of a line before its last event, where a decision remembers it; else as it is now.
func (h *Host) wasOn(line ledger.Line, now otn.Snapshot) (otn.Snapshot, error) {
	decisions, err := h.ledger.LineDecisions(line, time.Time{}, time.Time{}, 10)
	if err != nil {
		return now, err
	}
	for _, made := range decisions {
		var from dispatch.Decided
		if len(made.Facts) == 0 {
			continue
		}
		if err := json.Unmarshal(made.Facts, &from); err != nil {
			return now, err
		}
		if from.Facts.Now.Rev == now.Rev && !from.Facts.Was.IsZero() {
			return from.Facts.Was, nil
		}
	}
	return now, nil
}

// consent decides for one consent by both.
func (d *differ) consent(old, then otn.Page, c *ledger.Candidate, t *lineTally, r *RuleDiff) error {
	if t.persons[c.Person()] {
		return nil
	}
	if err := d.h.dispatch.Meet(&c.Consent, c.Person(), d.out.At); err != nil {
		return err
	}
	before, after := old != nil && old.Select(&c.Consent) == otn.Yes, then != nil && then.Select(&c.Consent) == otn.Yes
	if !before && !after {
		return nil
	}
	if c.Siblings {
		t.persons[c.Person()] = true
	}
	list := &t.out.Gain
	switch {
	case before && after:
		r.Keeps++
		if rewords(old, then, &c.Consent) {
			r.Rewords++
		}
		return nil
	case after:
		t.out.Gains++
	default:
		t.out.Loses++
		list = &t.out.Lose
	}
	if len(*list) >= t.people {
		return nil
	}
	kept := c.Keep()
	if _, err := d.h.ledger.Unseal(kept); err != nil {
		return err
	}
	*list = append(*list, kept.Channel+"/"+kept.Subscriber.ID)
	return nil
}

// rewords reports whether the messages of two versions differ for one consent.
func rewords(old, then otn.Page, c *otn.Consent) bool {
	a, errA := old.Render(c, nil)
	b, errB := then.Render(c, nil)
	return (errA == nil) != (errB == nil) || errA == nil && !reflect.DeepEqual(a, b)
}
