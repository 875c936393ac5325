// The journal's reader: each entry is decided once, and the cursor moves in the batch that holds what was decided.

package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// TriggerBody is the journal's body of a trigger. The person it names, if any, stands in it as an id only.
type TriggerBody struct {
	Trigger otn.Trigger   `json:"trigger"`
	Person  *otn.PersonID `json:"person,omitempty"`
}

// stepSize bounds the entries decided in one batch.
const stepSize = 512

// Follow decides about everything in the journal behind the cursor and about timers that are due, until ctx is done.
// It is the only one who decides: cron lines and events see each other's decisions in order.
func (d *Dispatch) Follow(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := d.step(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		d.Clock.Wait(ctx, time.Time{}, d.wake)
	}
	return d.retire(context.WithoutCancel(ctx))
}

// step decides about the next few entries and timers, and returns how many there were.
func (d *Dispatch) step(ctx context.Context) (int, error) {
	d.acting.Lock()
	defer d.acting.Unlock()
	cursor, err := d.cursor()
	if err != nil {
		return 0, err
	}
	entries, err := d.Ledger.Journal(cursor, stepSize)
	if err != nil {
		return 0, err
	}
	dec := d.decider()
	for _, e := range entries {
		if err := dec.entry(e); err != nil {
			return 0, err
		}
		cursor = e.Seq
	}
	if len(entries) > 0 {
		dec.put(put(cursorKey, cursor))
		if err := dec.commit(ctx); err != nil {
			return 0, err
		}
	}
	timers := d.taken(cursor, len(entries) < stepSize) // also while the journal is never empty
	for _, t := range timers {
		if err := d.timer(ctx, t); err != nil {
			return 0, err
		}
	}
	return len(entries) + len(timers), nil
}

func (d *Dispatch) cursor() (n uint64, err error) {
	doc, ok, err := d.Ledger.Doc(cursorKey)
	if err != nil || !ok {
		return 0, err
	}
	return n, decode(doc.Value, &n)
}

// Undecided are the next entries of the journal that are not decided yet, limit at most.
func (d *Dispatch) Undecided(limit int) ([]ledger.Entry, error) {
	cursor, err := d.cursor()
	if err != nil {
		return nil, err
	}
	return d.Ledger.Journal(cursor, limit)
}

// decider gathers decisions into one batch. It sees its own decisions: last holds rule state not yet on disk.
type decider struct {
	d     *Dispatch
	rules otn.Rules
	batch ledger.Batch
	docs  map[string]*ledger.Doc
	kept  []*roster // whose source is written with the batch
	hands []handed
	begun []*course   // runs whose next wave is in the batch
	ends  []otn.RunID // runs that are over before their lanes had them
	due   time.Time   // the moment that names the runs: a cron line's, however late it is decided; zero: the event's
	write uint64      // that brought the entry which is being decided; 0: none did
	made  int         // runs that the entry made
}

// handed is a run that its lanes get once the batch is on disk.
type handed struct {
	run *Run
	all bool // lanes that are done with it as well
}

func (d *Dispatch) decider() *decider {
	return &decider{d: d, rules: d.Current(), docs: map[string]*ledger.Doc{}}
}

// put adds a document; a later one under the same key replaces it.
func (x *decider) put(doc *ledger.Doc) {
	if have, ok := x.docs[doc.Key]; ok {
		*have = *doc
		return
	}
	x.docs[doc.Key] = doc
	x.batch.Docs = append(x.batch.Docs, doc)
}

// commit makes the decisions true and hands the new runs to the lanes.
func (x *decider) commit(ctx context.Context) error {
	x.batch.Done = slices.DeleteFunc(x.batch.Done, func(id ledger.TimerID) bool { // set again for the same moment
		return slices.ContainsFunc(x.batch.Timers, func(t ledger.Timer) bool { return t.ID == id.ID && t.Due.Equal(id.Due) })
	})
	if err := x.d.commit(ctx, &x.batch); err != nil {
		return err
	}
	for _, r := range x.kept {
		r.kept.Store(true)
	}
	x.d.unseize(x.begun...)
	for _, id := range x.ends {
		x.d.forget(id)
	}
	for _, h := range x.hands {
		if err := x.d.hand(h.run, h.all); err != nil {
			return err
		}
	}
	return nil
}

// entry decides about one entry, and measures it.
func (x *decider) entry(e ledger.Entry) error {
	x.write, x.made = e.Rev, 0
	defer func() { x.write = 0 }()
	if x.d.Meter == nil {
		return x.decideEntry(e)
	}
	began := x.d.Clock.Now()
	err := x.decideEntry(e)
	if concerns(e) {
		x.d.Meter.Step(otn.Step{Kind: otn.MatchStep, Began: began, Took: x.d.Clock.Now().Sub(began), N: x.made, Failed: err != nil, Write: e.Rev, Event: e.Seq})
	}
	return err
}

// concerns reports whether rules decide about an entry.
func concerns(e ledger.Entry) bool {
	switch otn.EventKind(e.Kind) {
	case otn.ItemChanged, otn.CollectionChanged, otn.Triggered, ledger.GrantEntry:
		return true
	}
	return false
}

func (x *decider) decideEntry(e ledger.Entry) error {
	switch otn.EventKind(e.Kind) {
	case otn.ItemChanged, otn.CollectionChanged:
		ev, err := x.d.Shop.Event(e)
		if err != nil {
			return err
		}
		return x.event(ev, nil)
	case otn.Triggered:
		return x.trigger(e)
	case ledger.GrantEntry:
		return x.grant(e)
	}
	return nil // acts of an operator are for readers of the journal
}

func (x *decider) trigger(e ledger.Entry) error {
	var body TriggerBody
	if err := decode(e.Body, &body); err != nil {
		return err
	}
	ev := otn.Event{Seq: e.Seq, Kind: otn.Triggered, At: e.At, Trigger: &body.Trigger, Cause: "e" + strconv.FormatUint(e.Seq, 10)}
	if body.Trigger.Subject != "" {
		ev.Subject = otn.Subject{Kind: otn.ItemKind, ID: body.Trigger.Subject}
		now, _, err := x.d.Shop.Snapshot(ev.Subject)
		if err != nil {
			return err
		}
		ev.Now, ev.Was = now, now
	}
	return x.event(ev, body.Person)
}

// event decides every rule that the event concerns and somebody waits for.
func (x *decider) event(e otn.Event, person *otn.PersonID) error {
	if err := x.look(e); err != nil {
		return err
	}
	for _, id := range x.concerned(e) {
		var failed error
		one := e
		one.Rule = id
		matches := x.rules.Match(one, func(rule string) (otn.Last, bool) {
			last, ok, err := x.last(rule, e.Subject)
			if err != nil {
				failed = err
			}
			return last, ok
		})
		if failed != nil {
			return failed
		}
		for _, m := range matches {
			if err := x.match(e, m, person); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *decider) last(rule string, s otn.Subject) (last otn.Last, ok bool, err error) {
	if doc, ok := x.docs[lastKey(rule, s)]; ok {
		return last, true, decode(doc.Value, &last)
	}
	return x.d.Last(rule, s)
}

// match writes down what one rule said of an event: a run where it is worth looking at the consents, else why not.
func (x *decider) match(e otn.Event, m otn.Match, person *otn.PersonID) error {
	line := lineOf(m.Rule, e.Subject)
	if x.d.Ledger.Pending(line) == 0 {
		return nil
	}
	again := x.lookedAgain(e, m)
	if m.Rule.State && (!again || m.Rule.AtMatters) {
		x.put(put(lastKey(m.Rule.ID, e.Subject), otn.Last{At: e.At, Now: e.Now}))
	}
	if again {
		return nil
	}
	subject := subjectOf(m.Rule, e.Subject.ID)
	run := &Run{
		ID: otn.NewRunID(m.Rule.ID, subject, e.Cause, x.moment(e)), Rule: m.Rule.ID, Version: x.rules.Version(), Topic: m.Rule.Topic,
		Subject: subject, Cause: e.Kind, At: e.At, Was: e.Was, First: e.First, Last: m.Last, Trigger: withoutPerson(e.Trigger), Person: person,
		Below: below(e, x.d.Ledger.Head()), Plan: m.Rule.Plan, NeedsPerson: m.Rule.NeedsPerson, Write: x.write,
	}
	return x.decide(run, ledger.Decision{Line: line, At: e.At, Rule: m.Rule.ID, Verdict: m.Verdict, Because: m.Because}, run.Facts(e.Now, e.At))
}

// decide writes down a decision with the facts it was made from, and opens its run where there is something to tell.
// A run that was opened before, by somebody who died before the cause was crossed off, changes nothing.
func (x *decider) decide(run *Run, why ledger.Decision, facts otn.Facts) error {
	if why.Verdict == otn.Yes {
		if _, before, err := x.d.Run(run.ID); err != nil || before {
			return err
		}
		opened, err := x.open(run, facts.Now)
		if err != nil {
			return err
		}
		if why.Run = run.ID; !opened {
			why.Run, why.Because = otn.RunID{}, heldAlready
		}
	}
	x.keepVersion()
	why.Facts = encode(Decided{Version: x.rules.Version(), Facts: facts})
	x.batch.Decisions = append(x.batch.Decisions, why)
	return nil
}

// heldAlready is why an event made no run of a rule that holds.
const heldAlready = "everybody whom it selects is held for already, by an earlier event"

// moment is that of the cause: the same for the same cause, however often it is decided.
func (x *decider) moment(e otn.Event) time.Time {
	if !x.due.IsZero() {
		return x.due
	}
	return e.At
}

// lookedAgain reports whether a cron line came to the same facts with nothing to tell: no news for why.
func (x *decider) lookedAgain(e otn.Event, m otn.Match) bool {
	if e.Kind != otn.CronDue || m.Verdict == otn.Yes {
		return false
	}
	last, ok, err := x.last(m.Rule.ID, e.Subject)
	return err == nil && ok && !last.Cleared && last.Now.Rev == e.Now.Rev
}

// Decided is what a decision was made from: enough to decide it again for one person, and to say why.
type Decided struct {
	Version string    `json:"version"`
	Facts   otn.Facts `json:"facts"`
}

// below is the number behind which consents are younger than the event. What has none of its own takes all there are.
func below(e otn.Event, head uint64) uint64 {
	if e.Seq > 0 {
		return e.Seq
	}
	return head + 1
}

func lineOf(r otn.Rule, s otn.Subject) ledger.Line {
	return ledger.Line{Topic: r.Topic, Subject: subjectOf(r, s.ID).ID}
}

func subjectOf(r otn.Rule, id string) otn.Subject {
	if r.Kind == otn.NoSubject || r.Kind == "" {
		return otn.Subject{}
	}
	return otn.Subject{Kind: r.Kind, ID: id}
}

// withoutPerson is a trigger as it may be kept: nothing personal is in a document.
func withoutPerson(t *otn.Trigger) *otn.Trigger {
	if t == nil {
		return nil
	}
	bare := *t
	bare.Subscriber = otn.Subscriber{}
	return &bare
}

// TriggerEntry is the journal row of a trigger at a moment.
func TriggerEntry(t otn.Trigger, person *otn.PersonID, now time.Time) *ledger.Entry {
	body, err := json.Marshal(TriggerBody{*withoutPerson(&t), person})
	if err != nil {
		panic(fmt.Sprintf("dispatch: a trigger does not encode: %v", err))
	}
	return &ledger.Entry{At: now, Kind: string(otn.Triggered), Body: body}
}
