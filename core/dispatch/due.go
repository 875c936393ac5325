// Timers that are due: cron lines and scheduled sends are decided here, retries and resends go to their lane.

package dispatch

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// The kinds of timers that dispatch sets and takes.
const (
	CronTimer   = "cron"
	SendTimer   = "send"
	RetryTimer  = "retry"
	ResendTimer = "resend"
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
	Due time.Time `json:"due"`
}

func (p planned) doc() *ledger.Doc { return put(CronTimer+"/"+p.Rule, p) }

// sendBody is an operator's send.
type sendBody struct {
	Version string    `json:"version"` // of the rules that the send was compiled into
	Rule    string    `json:"rule"`
	Topic   string    `json:"topic"`
	Subject string    `json:"subject,omitempty"`
	All     bool      `json:"all,omitempty"`
	At      time.Time `json:"at"`
}

// retryBody is a part of a run to be looked at again by one lane.
type retryBody struct {
	Run     otn.RunID `json:"run"`
	Channel string    `json:"channel"`
	Seqs    []uint64  `json:"seqs"`
}

// resendBody is a doubt to be tried again with the same token.
type resendBody struct {
	Delivery otn.DeliveryID `json:"delivery"`
	Channel  string         `json:"channel"`
}

func (d *Dispatch) timer(ctx context.Context, t ledger.Timer) error {
	switch t.Kind {
	case CronTimer:
		return d.cronDue(ctx, t)
	case SendTimer:
		return d.sendDue(ctx, t)
	case RetryTimer:
		var b retryBody
		if err := decode(t.Body, &b); err != nil {
			return err
		}
		run, ok, err := d.Run(b.Run)
		if err != nil {
			return err
		}
		if l, here := d.lanes[b.Channel]; here && ok {
			l.add(&task{run: run, seqs: b.Seqs, timer: &t.TimerID})
		}
	case ResendTimer:
		var b resendBody
		if err := decode(t.Body, &b); err != nil {
			return err
		}
		if l, here := d.lanes[b.Channel]; here {
			l.add(&task{doubt: &b.Delivery, timer: &t.TimerID})
		}
	}
	return nil
}

// plan sets the timer of every cron line that has none. A line that is already planned keeps its moment.
func (d *Dispatch) plan(ctx context.Context) error {
	now := d.Clock.Now()
	var b ledger.Batch
	for _, r := range d.Current().List() {
		if r.Cron == "" {
			continue
		}
		want := cronBody{r.ID, r.Cron, r.TZ}
		key := CronTimer + "/" + r.ID
		doc, ok, err := d.Ledger.Doc(key)
		if err != nil {
			return err
		}
		var have planned
		if ok {
			if err := decode(doc.Value, &have); err != nil {
				return err
			}
		}
		if have.cronBody == want {
			continue
		}
		next, err := d.Next(r, now)
		if err != nil {
			return err
		}
		b.Docs = append(b.Docs, planned{want, next}.doc())
		b.Timers = append(b.Timers, cronTimer(next, want))
	}
	if len(b.Docs) == 0 {
		return nil
	}
	return d.commit(ctx, &b)
}

func cronTimer(due time.Time, b cronBody) ledger.Timer {
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: CronTimer + "/" + b.Rule + "/" + b.TZ + "/" + b.Cron}, Kind: CronTimer, Body: encode(b)}
}

// linesAStep bounds the lines that a cron line or a send decides about in one batch.
const linesAStep = 256

// cronDue decides a rule for every subject that somebody waits for, and sets the line's next moment. However long nobody
// looked, a line that is overdue comes once.
func (d *Dispatch) cronDue(ctx context.Context, t ledger.Timer) error {
	var body cronBody
	if err := decode(t.Body, &body); err != nil {
		return err
	}
	done := ledger.Batch{Done: []ledger.TimerID{t.TimerID}}
	mine, err := d.isPlanned(t, body)
	if err != nil {
		return err
	}
	if !mine {
		return d.commit(ctx, &done)
	}
	rule, ok := ruleOf(d.Current(), body.Rule)
	if !ok || rule.Cron != body.Cron || rule.TZ != body.TZ {
		if !ok {
			done.Docs = append(done.Docs, drop(CronTimer+"/"+body.Rule)) // it may come back
		}
		return d.commit(ctx, &done)
	}
	now := d.Clock.Now()
	err = d.eachLine(ctx, rule, func(x *decider, s otn.Subject) error {
		snap, _, err := d.Shop.Snapshot(s)
		if err != nil {
			return err
		}
		x.due = t.Due
		return x.event(otn.Event{Kind: otn.CronDue, At: now, Subject: s, Now: snap, Was: snap, Rule: rule.ID,
			Cause: "c" + strconv.FormatInt(t.Due.Unix(), 10)}, nil)
	})
	if err != nil {
		return err
	}
	next, err := d.Next(rule, now)
	if err != nil {
		return err
	}
	done.Timers = append(done.Timers, cronTimer(next, body))
	done.Docs = append(done.Docs, planned{body, next}.doc())
	return d.commit(ctx, &done)
}

// isPlanned reports whether a timer is that of its line's next moment, and not one left by a line that was changed.
func (d *Dispatch) isPlanned(t ledger.Timer, body cronBody) (bool, error) {
	doc, ok, err := d.Ledger.Doc(CronTimer + "/" + body.Rule)
	if err != nil || !ok {
		return false, err
	}
	var p planned
	err = decode(doc.Value, &p)
	return p.cronBody == body && p.Due.Equal(t.Due), err
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

func ruleOf(r otn.Rules, id string) (otn.Rule, bool) {
	for _, rule := range r.List() {
		if rule.ID == id {
			return rule, true
		}
	}
	return otn.Rule{}, false
}

// Schedule makes the timer of an operator's send, and the document with the rules it was compiled into. Add both to a batch.
func Schedule(send otn.Send, compiled otn.Rules, subject string, all bool, at time.Time) (ledger.Timer, *ledger.Doc) {
	body := sendBody{compiled.Version(), send.ID, send.Topic, subject, all, at}
	return ledger.Timer{TimerID: ledger.TimerID{Due: at, ID: SendTimer + "/" + send.ID}, Kind: SendTimer, Body: encode(body)},
		once(versionKey(compiled.Version()), compiled.Source())
}

// SendRun is the id of the run that a send makes for a subject.
func SendRun(send string, s otn.Subject, at time.Time) otn.RunID {
	return otn.NewRunID(send, s, "s"+send, at)
}

// sendDue makes the runs of an operator's send.
func (d *Dispatch) sendDue(ctx context.Context, t ledger.Timer) error {
	var body sendBody
	if err := decode(t.Body, &body); err != nil {
		return err
	}
	rules, err := d.version(body.Version)
	if errors.Is(err, otn.ErrStore) {
		return err
	}
	rule, ok := otn.Rule{}, false
	if err == nil {
		rule, ok = ruleOf(rules, body.Rule)
	}
	if !ok { // its timer stays: the next start tries again
		d.Log.Error("a send cannot be made", "send", body.Rule, "why", errOr(err, otn.ErrNotFound))
		return nil
	}
	err = d.eachLine(ctx, rule, func(x *decider, s otn.Subject) error {
		if !body.All && s.ID != body.Subject {
			return nil
		}
		x.rules = rules
		snap, _, err := d.Shop.Snapshot(s)
		if err != nil {
			return err
		}
		return x.event(otn.Event{Kind: otn.SendAsked, At: body.At, Subject: s, Now: snap, Was: snap, Rule: rule.ID, Cause: "s" + body.Rule}, nil)
	})
	if err != nil {
		return err
	}
	return d.commit(ctx, &ledger.Batch{Done: []ledger.TimerID{t.TimerID}})
}
