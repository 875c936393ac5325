// Package intake is the public door: what a channel or a source is told by webhook becomes records on disk, and only
// then is the caller answered. It never sends anything.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/onetimenotify/otn/core/catalog"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Path is the event path, as far as the door concerns it.
type Path interface {
	// Trigger is the journal row of a trigger.
	Trigger(t otn.Trigger, person *otn.PersonID, now time.Time) *ledger.Entry
	// Notice is the document that a platform's notice changes, if any; Heed makes it take effect once it is on disk.
	Notice(n otn.ChannelNotice) *ledger.Doc
	Heed(n otn.ChannelNotice)
	// Proven counts a delivery that an echo ended.
	Proven(ctx context.Context, p *ledger.Proof) error
	// StopDoc records the wish that a consent be withdrawn; Stop fulfils it once it is on disk, at once or when its message is answered.
	StopDoc(id otn.TokenID, now time.Time) *ledger.Doc
	Stop(ctx context.Context, id otn.TokenID) error
	// Wake says that the journal has grown.
	Wake()
}

// Intake writes records down.
type Intake struct {
	Ledger  *ledger.Ledger
	Catalog *catalog.Catalog
	Rules   func() otn.Rules
	Path    Path
	Now     func() time.Time
	Ticked  func() // called when a timer was set
	Log     *slog.Logger
	Meter   otn.Meter // nil: nothing is measured
}

// Result says what became of the records of one call.
type Result struct {
	Consents     []Granted // one for each consent, in order
	Observations int
	Changed      int // observations that changed something
	Duplicates   int // records that were known
	Refused      int // records that can never be written
	Seq          uint64
}

// Granted is what became of one consent.
type Granted struct {
	ID    otn.TokenID
	Added bool
}

// tries bounds how often a batch is built anew because somebody else was faster.
const tries = 16

// Write makes records of one instance durable, all of them in one batch. The same records again change nothing.
// Errors: otn.ErrInvalid, otn.ErrNoToken, otn.ErrNotFound for a trigger that is not declared, each of which leaves
// everything as it was; otn.ErrStore.
func (in *Intake) Write(ctx context.Context, instance string, records ...otn.Record) (Result, error) {
	return in.take(ctx, instance, records, nil, func(err error) error { return err }, false)
}

// WriteEach is Write, but one bad record does not stop the others: it is logged and counted in Refused.
func (in *Intake) WriteEach(ctx context.Context, instance string, records ...otn.Record) (Result, error) {
	return in.take(ctx, instance, records, nil, in.passOver(instance), false)
}

// passOver lets a record that can never be written pass, and logs it.
func (in *Intake) passOver(instance string) func(error) error {
	return func(err error) error {
		if !never(err) {
			return err
		}
		in.Log.Warn("a record was refused", "instance", instance, "why", err)
		return nil
	}
}

// never reports whether a record can never be written, however often it comes.
func never(err error) bool {
	return errors.Is(err, otn.ErrInvalid) || errors.Is(err, otn.ErrNotFound) || errors.Is(err, otn.ErrNoToken)
}

// take is write, measured. hooked says that it is part of a webhook.
func (in *Intake) take(ctx context.Context, instance string, records []otn.Record, with Together, bad func(error) error, hooked bool) (Result, error) {
	if in.Meter == nil {
		return in.write(ctx, instance, records, with, bad)
	}
	began := in.Now()
	result, err := in.write(ctx, instance, records, with, bad)
	in.Meter.Step(otn.Step{
		Kind: otn.TakeStep, Instance: instance, Began: began, Took: in.Now().Sub(began), N: len(records), Write: result.Seq, Failed: err != nil, Hooked: hooked,
	})
	return result, err
}

// write builds the batch, anew when somebody else was faster. bad says whether a record's error stops it.
func (in *Intake) write(ctx context.Context, instance string, records []otn.Record, with Together, bad func(error) error) (Result, error) {
	for range tries {
		w := &writer{in: in, instance: instance, now: in.Now(), docs: map[string]*ledger.Doc{}, prices: map[string]otn.Money{}}
		for _, r := range records {
			err := w.record(r)
			if err == nil {
				continue
			}
			w.result.Refused++
			if err = bad(err); never(err) {
				return Result{}, err // the caller's own fault: where it was found is no news to them
			}
			if err != nil {
				return Result{}, fmt.Errorf("intake: %s: %w", instance, err)
			}
		}
		if with != nil {
			with(&w.batch, w.result)
		}
		err := w.commit(ctx)
		if errors.Is(err, otn.ErrConflict) {
			continue
		}
		if err != nil {
			return Result{}, fmt.Errorf("intake: %s: %w", instance, err)
		}
		return w.result, nil
	}
	return Result{}, fmt.Errorf("intake: %s: %w", instance, otn.ErrConflict)
}

// writer builds the batch of one call.
type writer struct {
	in       *Intake
	instance string
	now      time.Time
	batch    ledger.Batch
	docs     map[string]*ledger.Doc
	prices   map[string]otn.Money
	notices  []otn.ChannelNotice
	stops    []otn.TokenID
	result   Result
}

func (w *writer) record(r otn.Record) error {
	known, err := w.seen(r.Key)
	if err != nil {
		return err
	}
	if known {
		w.result.Duplicates++
		return nil
	}
	switch {
	case r.Consent != nil:
		return w.consent(*r.Consent, r.At, r.Key)
	case r.Observation != nil:
		return w.observe(*r.Observation)
	case r.Trigger != nil:
		return w.trigger(*r.Trigger)
	case r.Window != nil:
		return w.window(*r.Window, r.At)
	case r.Stop != nil:
		return w.stop(*r.Stop, w.moment(r.At))
	case r.Echo != nil:
		return w.echo(*r.Echo)
	case r.Notice != nil:
		n := *r.Notice
		n.Channel = w.instance
		if doc := w.in.Path.Notice(n); doc != nil {
			w.put(doc)
		}
		w.notices = append(w.notices, n)
		w.in.Log.Warn("notice from the platform", "instance", w.instance, "level", n.Level, "reason", n.Reason)
	case r.Note != nil:
		w.in.Log.Info("seen and not used", "instance", w.instance, "code", r.Note.Code, "text", r.Note.Text)
	case r.Ask != nil:
		return w.ask(*r.Ask)
	case r.Referral != nil:
		return w.referral(*r.Referral, r.At)
	}
	return nil
}

// SeenPrefix is where the keys of records are remembered, with the moment of each.
const SeenPrefix = "seen/"

// seen reports whether a record's key is known, and remembers it if not.
func (w *writer) seen(key string) (bool, error) {
	if key == "" {
		return false, nil
	}
	key = SeenPrefix + w.instance + "/" + key
	if _, here := w.docs[key]; here {
		return true, nil
	}
	_, known, err := w.in.Ledger.Doc(key)
	if err != nil || known {
		return known, err
	}
	w.put(&ledger.Doc{Key: key, Value: encode(w.now), Expect: ledger.Fresh})
	return false, nil
}

func (w *writer) put(d *ledger.Doc) {
	if have, ok := w.docs[d.Key]; ok {
		if have.Value = d.Value; have.Expect == ledger.Still {
			have.Expect = d.Expect
		}
		return
	}
	w.docs[d.Key] = d
	w.batch.Docs = append(w.batch.Docs, d)
}

func (w *writer) trigger(t otn.Trigger) error {
	if t.Subscriber.ID != "" && t.Channel == "" {
		t.Channel = w.instance // a channel's own trigger is about its own people
	}
	typed, err := w.in.Rules().Trigger(t)
	if err != nil {
		return err
	}
	var person *otn.PersonID
	if t.Subscriber.ID != "" {
		p := w.in.Ledger.Person(t.Channel, t.Subscriber.ID)
		person = &p
	}
	w.batch.Events = append(w.batch.Events, w.in.Path.Trigger(typed, person, w.now))
	return w.planTriggered(typed)
}

func (w *writer) observe(o otn.Observation) error {
	o.Source = w.instance
	changed, err := w.in.Catalog.Observe(&w.batch, w.now, o)
	if err == nil {
		w.result.Observations++
		w.result.Changed += changed
	}
	return err
}

func (w *writer) commit(ctx context.Context) error {
	b := &w.batch
	// A call of nothing but duplicates commits too: it waits until what it repeats is on disk.
	if err := w.in.Ledger.Commit(ctx, b); err != nil {
		return err
	}
	w.result.Seq = b.Seq
	for _, g := range b.Grants {
		w.result.Consents = append(w.result.Consents, Granted{g.Consent.Token.ID(), g.Added})
	}
	for _, n := range w.notices {
		w.in.Path.Heed(n)
	}
	if err := w.end(ctx); err != nil {
		return err
	}
	if len(b.Timers) > 0 {
		w.in.Ticked()
	}
	if len(b.Events)+len(b.Grants) > 0 {
		w.in.Path.Wake()
	}
	return nil
}

// SeenFor is how long the keys of records are remembered. No platform repeats a webhook after so long.
const SeenFor = 7 * 24 * time.Hour
