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

// Lag is how many numbers of the journal are not decided yet.
func (d *Dispatch) Lag() (uint64, error) {
	cursor, err := d.cursor()
	return d.Ledger.Head() - min(cursor, d.Ledger.Head()), err
}

// decider gathers decisions into one batch. It sees its own decisions: last holds rule state not yet on disk.
type decider struct {
	d     *Dispatch
	rules otn.Rules
	batch ledger.Batch
	docs  map[string]*ledger.Doc
	kept  []*roster // whose source is written with the batch
	hands []handed
	ends  []otn.RunID // runs that are over before their lanes had them
	due   time.Time   // the moment that names the runs: a cron line's, however late it is decided; zero: the event's
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

func (x *decider) entry(e ledger.Entry) error {
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

// grant remembers the facts at which a line began to wait, for rules whose own moments compare with them. Where the
// subject has changed since, that change is in the journal behind this grant and says itself what was before.
// Rules that tell also while they hold are asked about the one who agreed.
func (x *decider) grant(e ledger.Entry) error {
	rules := x.d.roster(x.rules).granted
	if len(rules) == 0 {
		return nil
	}
	var g ledger.GrantBody
	if err := decode(e.Body, &g); err != nil {
		return err
	}
	for _, r := range rules[g.Topic] {
		s := subjectOf(r, g.Subject)
		now, _, err := x.d.Shop.Snapshot(s)
		if err != nil {
			return err
		}
		if g.First && clocked(r) && now.Rev < e.Seq {
			x.put(put(lastKey(r.ID, s), otn.Last{At: e.At, Now: now}))
		}
		if r.Plan.WhileTrue {
			if err := x.whileTrue(r, s, now, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// clocked reports whether a rule decides at moments of its own and compares them with the last one.
func clocked(r otn.Rule) bool { return r.State && (r.Cron != "" || !r.Once.IsZero()) }

// whileTrue makes a run for one consent that is given while the rule holds.
func (x *decider) whileTrue(r otn.Rule, s otn.Subject, now otn.Snapshot, e ledger.Entry) error {
	cause := "g" + strconv.FormatUint(e.Seq, 10)
	run := &Run{
		ID: otn.NewRunID(r.ID, s, cause, e.At), Rule: r.ID, Version: x.rules.Version(), Topic: r.Topic, Subject: s, Cause: ledger.GrantEntry,
		At: e.At, Was: now, Last: otn.Last{At: e.At, Now: now, Cleared: true}, Only: e.Seq, Below: e.Seq + 1, Plan: r.Plan, NeedsPerson: r.NeedsPerson,
	}
	mine, err := x.d.see(run, nil, now, e.At)
	if err != nil {
		return err
	}
	holds := false
	err = x.d.each(run, nil, e.At, func(c *ledger.Candidate) (bool, error) {
		v, err := mine.Choose(c)
		holds = v == otn.Yes
		return false, err
	})
	if err != nil || !holds {
		return err
	}
	return x.decide(run, ledger.Decision{Line: run.Line(), At: e.At, Rule: r.ID, Verdict: otn.Yes}, mine.facts)
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
		Below: below(e, x.d.Ledger.Head()), Plan: m.Rule.Plan, NeedsPerson: m.Rule.NeedsPerson,
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

// open adds a run to the batch: held, gathering or under way. It is not opened where a hold would hold nobody.
// Nobody else makes runs, so that what is read here stays true.
func (x *decider) open(run *Run, now otn.Snapshot) (bool, error) {
	if run.Plan.Hold > 0 {
		if found, err := x.uncovered(run, now); err != nil || !found {
			return false, err
		}
	}
	x.put(once(runKey(run.ID), encode(run)))
	x.put(opened(run.ID))
	if run.Plan == (otn.Plan{}) {
		x.hands = append(x.hands, handed{run, true})
		return true, nil
	}
	c := newCourse(run)
	if run.Plan.Hold > 0 {
		from := run.At
		if at := x.d.Clock.Now(); at.Sub(from) > run.Plan.Hold { // nobody looked for longer than that
			from = at
		}
		x.d.keep(c)
		x.hold(c, from, now)
		return true, nil
	}
	x.d.keep(c)
	return true, x.goOn(c)
}

// set changes a course, and has it written down with the batch.
func (x *decider) set(c *course, change func(*Course)) {
	x.d.mu.Lock()
	change(&c.Course)
	x.put(c.doc(c.run.ID))
	x.d.mu.Unlock()
}

// goOn takes a run from the stage it is in to the next, where its moment has come.
func (x *decider) goOn(c *course) error {
	now, p := x.d.Clock.Now(), &c.run.Plan
	switch {
	case c.Until.After(now): // its timer is on disk
		x.set(c, func(*Course) {})
		return nil
	case p.Coalesce > 0 && c.Began.IsZero() && c.Stage != Gathering:
		until := now.Add(p.Coalesce)
		x.set(c, func(c *Course) { c.Stage, c.Until = Gathering, until })
		x.batch.Timers = append(x.batch.Timers, holdTimer(c.run.ID, until))
		return nil
	}
	if c.Began.IsZero() {
		if p.Coalesce == 0 {
			x.d.unkeep(c)
		}
		x.set(c, func(c *Course) { c.Stage, c.Until, c.Began = UnderWay, time.Time{}, now })
		paused, err := x.tooMany(c, now)
		if err != nil || paused {
			return err
		}
	}
	if p.Budgeted() && !c.Next.After(now) {
		if err := x.wave(c, now); err != nil {
			return err
		}
	}
	if c.Paused == "" {
		x.hands = append(x.hands, handed{c.run, false})
	}
	return nil
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
