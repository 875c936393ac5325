// Sends of an operator: made when they are due, and shown as runs that wait until then.

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// sendBody is an operator's send.
type sendBody struct {
	Version string      `json:"version"` // of the rules that the send was compiled into
	Rule    string      `json:"rule"`
	Topic   string      `json:"topic"`
	Subject otn.Subject `json:"subject,omitzero"`
	All     bool        `json:"all,omitempty"`
	At      time.Time   `json:"at"`
	Later   bool        `json:"later,omitempty"` // it was not due when it was asked for: somebody knows it by the id of its run
	Send    otn.Send    `json:"send"`
}

// Schedule makes the timer of an operator's send, and the document with the rules it was compiled into. Add both to a batch.
// Until it is due it is a run that waits: its id is that of the run it makes, or, for all subjects, one of its own.
func Schedule(send otn.Send, compiled otn.Rules, subject otn.Subject, all bool, at, now time.Time) (ledger.Timer, []*ledger.Doc, otn.RunID) {
	body := sendBody{compiled.Version(), send.ID, send.Topic, subject, all, at, at.After(now), send}
	id := SendRun(send.ID, subject, at)
	return sendTimer(body), []*ledger.Doc{once(versionKey(compiled.Version()), compiled.Source()), once(scheduledKey(id), encode(body))}, id
}

func sendTimer(b sendBody) ledger.Timer {
	return ledger.Timer{TimerID: ledger.TimerID{Due: b.At, ID: SendTimer + "/" + b.Rule}, Kind: SendTimer, Body: encode(b)}
}

func scheduledKey(id otn.RunID) string { return scheduledPrefix + id.String() }

const scheduledPrefix = "scheduled/"

// run is the send as a run: what an operator sees of it before it is due.
func (b *sendBody) run() *Run {
	return &Run{ID: SendRun(b.Rule, b.Subject, b.At), Rule: b.Rule, Version: b.Version, Topic: b.Topic, Subject: b.Subject, Cause: otn.SendAsked, At: b.At}
}

// Scheduled lists the sends that are not due yet, as runs that wait.
func (d *Dispatch) Scheduled() (runs []*Run, err error) {
	err = d.eachDoc(scheduledPrefix, func(doc ledger.Doc) error {
		var b sendBody
		err := decode(doc.Value, &b)
		runs = append(runs, b.run())
		return err
	})
	slices.SortFunc(runs, func(a, b *Run) int { return b.At.Compare(a.At) })
	return runs, err
}

// ScheduledRun finds a send that is not due yet by the id of its run.
func (d *Dispatch) ScheduledRun(id otn.RunID) (*Run, bool, error) {
	b, err := readDoc[sendBody](d, scheduledKey(id))
	if err != nil || b.Rule == "" {
		return nil, false, err
	}
	return b.run(), true, nil
}

// cancelSend ends a send that is not due yet. The caller holds acting. Errors: otn.ErrNotFound when there is none.
func (d *Dispatch) cancelSend(ctx context.Context, id otn.RunID, why string) error {
	b, err := readDoc[sendBody](d, scheduledKey(id))
	if err != nil || b.Rule == "" {
		return errOr(err, otn.ErrNotFound)
	}
	c := Course{Stage: Cancelled, Why: why, Code: ByOperator}
	return d.commit(ctx, &ledger.Batch{
		Docs: []*ledger.Doc{drop(scheduledKey(id)), once(runKey(id), encode(b.run())), c.doc(id)},
		Done: []ledger.TimerID{sendTimer(b).TimerID},
	})
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
	body, err := readDoc[sendBody](d, scheduledKey(body.run().ID)) // as it was edited last: the timer may have been read before
	if err != nil {
		return err
	}
	if body.Rule == "" { // it was cancelled, moved, or is made
		return d.commit(ctx, &ledger.Batch{Done: []ledger.TimerID{t.TimerID}})
	}
	rules, err := d.version(body.Version)
	if errors.Is(err, otn.ErrStore) {
		return err
	}
	rule, ok := otn.Rule{}, false
	if err == nil {
		rule, ok = d.roster(rules).rule(body.Rule)
	}
	if !ok { // its timer stays: the next start tries again
		d.Log.Error("a send cannot be made", "send", body.Rule, "why", errOr(err, otn.ErrNotFound))
		return nil
	}
	lines := 0
	err = d.eachLine(ctx, rule, func(x *decider, s otn.Subject) error {
		if !body.All && s != body.Subject {
			return nil
		}
		lines++
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
	run := body.run()
	done := ledger.Batch{Done: []ledger.TimerID{t.TimerID}, Docs: []*ledger.Doc{drop(scheduledKey(run.ID))}}
	if !body.Later {
		return d.commit(ctx, &done)
	}
	if rule.Kind != otn.NoSubject && body.All {
		c := Course{Why: fmt.Sprintf("it made a run for each subject that somebody waits for: %d", lines)}
		done.Docs = append(done.Docs, once(runKey(run.ID), encode(run)), c.doc(run.ID))
	} else if lines == 0 {
		c := Course{Why: "nobody waited"}
		done.Docs = append(done.Docs, once(runKey(run.ID), encode(run)), c.doc(run.ID))
	}
	return d.commit(ctx, &done)
}
