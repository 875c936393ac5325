// Moments of the rules' own: cron lines, which come again and again, and the single moment of a rule.

package dispatch

import (
	"context"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// cronBody names the rule and the line that the timer was set for: a timer of a line that was edited does nothing.
type cronBody struct {
	Rule string `json:"rule"`
	Cron string `json:"cron"`
	TZ   string `json:"tz"`
}

// planned is a cron line with its one next moment: a timer for any other does nothing.
type planned struct {
	cronBody
	Due  time.Time `json:"due"`
	Last time.Time `json:"last,omitzero"` // the last one, decided or left out: none comes twice, however the clock is set
}

func (p planned) doc() *ledger.Doc { return put(CronTimer+"/"+p.Rule, p) }

// moment is a rule's single moment. It stands here for ever, so that it never comes twice.
type moment struct {
	Rule string    `json:"rule"`
	At   time.Time `json:"at"`
	Done bool      `json:"done,omitempty"`
}

func (m moment) doc() *ledger.Doc { return put(OnceTimer+"/"+m.Rule, m) }

// late is how late a moment may be decided before it counts as one that passed while nobody looked.
const late = 10 * time.Minute

// missed reports whether a moment passed while nobody looked.
func (d *Dispatch) missed(due, now time.Time) bool {
	return due.Before(d.began) || now.Sub(due) > late
}

// plan sets the timers of every rule that has moments of its own and none planned. What is planned already keeps its moment.
func (d *Dispatch) plan(ctx context.Context) error {
	now := d.Clock.Now()
	var b ledger.Batch
	for _, r := range d.Current().List() {
		if r.Cron != "" {
			if err := d.planLine(&b, r, now); err != nil {
				return err
			}
		}
		if !r.Once.IsZero() {
			if err := d.planOnce(&b, r, now); err != nil {
				return err
			}
		}
	}
	if len(b.Docs) == 0 {
		return nil
	}
	return d.commit(ctx, &b)
}

func (d *Dispatch) planLine(b *ledger.Batch, r otn.Rule, now time.Time) error {
	want := cronBody{r.ID, r.Cron, r.TZ}
	have, err := readDoc[planned](d, CronTimer+"/"+r.ID)
	if err != nil || have.cronBody == want {
		return err
	}
	next, err := d.Next(r, later(now, have.Last))
	if err != nil {
		return err
	}
	b.Docs = append(b.Docs, planned{want, next, have.Last}.doc())
	b.Timers = append(b.Timers, cronTimer(next, want))
	return nil
}

// planOnce plans a moment that is still to come. One that has passed already when its rule is first seen never comes.
func (d *Dispatch) planOnce(b *ledger.Batch, r otn.Rule, now time.Time) error {
	have, err := readDoc[moment](d, OnceTimer+"/"+r.ID)
	if err != nil || have.At.Equal(r.Once) {
		return err
	}
	m := moment{Rule: r.ID, At: r.Once.UTC(), Done: !r.Once.After(now)}
	b.Docs = append(b.Docs, m.doc())
	if !m.Done {
		b.Timers = append(b.Timers, ledger.Timer{TimerID: ledger.TimerID{Due: m.At, ID: OnceTimer + "/" + r.ID}, Kind: OnceTimer, Body: encode(m)})
	}
	return nil
}

// readDoc reads one of this package's documents; the zero value where there is none.
func readDoc[T any](d *Dispatch, key string) (v T, err error) {
	doc, there, err := d.Ledger.Doc(key)
	if err != nil || !there {
		return v, err
	}
	return v, decode(doc.Value, &v)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func cronTimer(due time.Time, b cronBody) ledger.Timer {
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: CronTimer + "/" + b.Rule + "/" + b.TZ + "/" + b.Cron}, Kind: CronTimer, Body: encode(b)}
}

// linesAStep bounds the lines that a cron line or a send decides about in one batch.
const linesAStep = 256

// cronDue decides a rule for every subject that somebody waits for, and sets the line's next moment. However long nobody
// looked, a line that is overdue comes once, or not at all where the rule leaves out what was missed.
func (d *Dispatch) cronDue(ctx context.Context, t ledger.Timer) error {
	var body cronBody
	if err := decode(t.Body, &body); err != nil {
		return err
	}
	done := ledger.Batch{Done: []ledger.TimerID{t.TimerID}}
	have, err := readDoc[planned](d, CronTimer+"/"+body.Rule)
	if err != nil {
		return err
	}
	rule, ok := d.rules.Load().rule(body.Rule)
	if have.cronBody != body || !have.Due.Equal(t.Due) || !ok || rule.Cron != body.Cron || rule.TZ != body.TZ {
		return d.commit(ctx, &done)
	}
	now := d.Clock.Now()
	if !rule.SkipMissed || !d.missed(t.Due, now) {
		if err := d.momentOf(ctx, rule, t.Due, now, "c"); err != nil {
			return err
		}
	}
	next, err := d.Next(rule, later(now, t.Due))
	if err != nil {
		return err
	}
	done.Timers = append(done.Timers, cronTimer(next, body))
	done.Docs = append(done.Docs, planned{body, next, t.Due}.doc())
	return d.commit(ctx, &done)
}

// onceDue decides a rule at its single moment.
func (d *Dispatch) onceDue(ctx context.Context, t ledger.Timer) error {
	var m moment
	if err := decode(t.Body, &m); err != nil {
		return err
	}
	done := ledger.Batch{Done: []ledger.TimerID{t.TimerID}}
	have, err := readDoc[moment](d, OnceTimer+"/"+m.Rule)
	if err != nil {
		return err
	}
	rule, ok := d.rules.Load().rule(m.Rule)
	if have.Done || !have.At.Equal(t.Due) || !ok || !rule.Once.Equal(t.Due) {
		return d.commit(ctx, &done)
	}
	now := d.Clock.Now()
	if !rule.SkipMissed || !d.missed(t.Due, now) {
		if err := d.momentOf(ctx, rule, t.Due, now, "o"); err != nil {
			return err
		}
	}
	m.Done = true
	done.Docs = append(done.Docs, m.doc())
	return d.commit(ctx, &done)
}

// momentOf decides a rule for every subject, at a moment of its own that was due.
func (d *Dispatch) momentOf(ctx context.Context, rule otn.Rule, due, now time.Time, kind string) error {
	return d.eachLine(ctx, rule, func(x *decider, s otn.Subject) error {
		snap, _, err := d.Shop.Snapshot(s)
		if err != nil {
			return err
		}
		x.due = due
		return x.event(otn.Event{Kind: otn.CronDue, At: now, Subject: s, Now: snap, Was: snap, Rule: rule.ID, Cause: kind + strconv.FormatInt(due.Unix(), 10)}, nil)
	})
}

// eachLine decides about every line of a rule's topic that somebody waits on, a few in a batch.
func (d *Dispatch) eachLine(ctx context.Context, r otn.Rule, decide func(*decider, otn.Subject) error) error {
	lines := d.Ledger.Lines(r.Topic)
	for len(lines) > 0 {
		n := min(len(lines), linesAStep)
		x := d.decider()
		for _, line := range lines[:n] {
			if err := decide(x, subjectOf(r, line.Subject)); err != nil {
				return err
			}
		}
		if len(x.batch.Docs) > 0 || len(x.batch.Decisions) > 0 {
			if err := x.commit(ctx); err != nil {
				return err
			}
		}
		lines = lines[n:]
	}
	return nil
}
