// What is too old goes, piece by piece, and nothing else does; whatever dies meanwhile, nobody is told twice.

package core_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

const aDay = 24 * time.Hour

// entries counts what the journal holds, by kind, and fails where a grant of a consent that is there is missing.
func (w *world) entries() (events, grants int) {
	w.t.Helper()
	list, _, err := w.host.JournalBefore("", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range list {
		if e.Kind == ledger.GrantEntry {
			grants++
		} else {
			events++
		}
	}
	return events, grants
}

// whole checks every row of the store of a Host that has ended against the others.
func (w *world) whole() {
	w.t.Helper()
	engine, err := pebble.Open("data", pebble.Options{FS: w.disk, Marks: w.marks, Still: true})
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := ledger.Inspect(w.t.Context(), engine, w.key)
	if err := errors.Join(err, engine.Close()); err != nil || len(r.Faults) > 0 {
		w.t.Errorf("%v %v", r.Faults, err)
	}
}

// mortal is an engine that dies before one of its writes: nothing is written from then on.
type mortal struct {
	ledger.Engine
	left int // writes that it lives for
	dead atomic.Bool
}

func (m *mortal) Write(w ledger.Write) error {
	if m.left--; m.left < 0 {
		m.dead.Store(true)
		return otn.ErrStore
	}
	return m.Engine.Write(w)
}

func (w *world) trimmed(want core.Trimmed, when string) {
	w.t.Helper()
	if got, err := w.host.Trimmed(); err != nil || got != want {
		w.t.Errorf("%s: %+v, %v, want %+v", when, got, err, want)
	}
}

func (w *world) count(q core.ConsentQuery) int {
	w.t.Helper()
	list, _, err := w.host.Consents(q)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

func TestRetention(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.keep = core.Retention{Journal: 10 * aDay, Deliveries: 40 * aDay, Decisions: 20 * aDay}
		ch := w.fake("shop")
		ch.answer = func(d otn.Delivery, _ int) error {
			if d.Subscriber.ID == "eve" {
				return &otn.SendError{Outcome: otn.Unknown, Err: errors.New("no answer")}
			}
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		for _, sub := range []string{"ann", "bob", "eve"} {
			w.grant(sub, "price-drop", "coat")
		}
		w.grant("cid", "price-drop", "hat")
		w.price("coat", "99.00 USD") // ann and bob are told, of eve nobody knows
		w.grant("dot", "price-drop", "coat")
		gone := w.grant("fay", "price-drop", "hat")
		if _, err := w.host.Withdraw(t.Context(), gone.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(ch.sent); n != 3 {
			t.Fatalf("%d sent", n)
		}
		time.Sleep(9 * aDay)
		w.trimmed(core.Trimmed{}, "nothing is too old")
		time.Sleep(2 * aDay)
		if events, grants := w.entries(); events != 0 || grants != 6 {
			t.Errorf("%d events and %d grants are left of the journal", events, grants)
		}
		w.trimmed(core.Trimmed{Entries: 2}, "events are too old")
		if n := w.count(core.ConsentQuery{}); n != 6 {
			t.Errorf("%d consents are listed", n)
		}
		if r, err := w.host.Replay(t.Context(), core.ReplayRequest{Since: time.Now().Add(-30 * aDay)}); err != nil || !strings.Contains(r.Partial, "too old") {
			t.Errorf("a replay says %q, %v", r.Partial, err)
		}

		// The messages of eve and of cid's line stay: one is in doubt, one waits.
		time.Sleep(45 * aDay)
		w.trimmed(core.Trimmed{Entries: 2, Consents: 1}, "a consent alone in its block") // eve shares the others' block
		for _, sub := range []string{"ann", "bob"} {
			if _, err := w.host.Grant(t.Context(), otn.Consent{Token: otn.NewToken("page", "token-"+sub+"-price-drop-coat"), Channel: "shop", Subscriber: otn.Subscriber{ID: sub}, Topic: "price-drop", Subject: "coat"}); err != nil {
				t.Fatal(err)
			}
		}
		list, _, err := w.host.Deliveries(core.DeliveryQuery{Outcome: "unknown"})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if _, err := w.host.Resolve(t.Context(), list[0].ID, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * aDay)
		w.trimmed(core.Trimmed{Entries: 2, Consents: 4, Runs: 1}, "the doubt was ended")
		if n := w.count(core.ConsentQuery{}); n != 2 {
			t.Errorf("%d consents are listed", n)
		}
		if runs, _, err := w.host.Runs(core.RunQuery{}); err != nil || len(runs) != 0 {
			t.Errorf("%d runs, %v", len(runs), err)
		}
		topics, err := w.host.Topics()
		if err != nil || topics[0].Sent != 3 || topics[0].Waiting != 2 || topics[0].Withdrawn != 1 {
			t.Errorf("%+v, %v", topics, err)
		}

		// Their tokens are never granted again, and those who wait are told.
		for _, sub := range []string{"ann", "bob", "eve"} {
			if g := w.grant(sub, "price-drop", "coat"); g.Added {
				t.Errorf("the token of %s is taken again", sub)
			}
		}
		w.restart()
		w.price("coat", "50.00 USD")
		synctest.Wait()
		if n := len(ch.sent); n != 4 || ch.sent[3].Subscriber.ID != "dot" {
			t.Errorf("%d sent", n)
		}
		w.stop()
		w.whole()
	})
}

// What an open run needs stays, however old.
func TestRetentionLeavesOpenRuns(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.keep = core.Retention{Deliveries: 35 * aDay, Decisions: aDay}
		w.fake("shop").answer = func(d otn.Delivery, _ int) error {
			if d.Subscriber.ID == "bob" {
				return &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, After: 1000 * aDay, Err: errors.New("later")}
			}
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		w.grant("ann", "price-drop", "coat")
		w.grant("bob", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		synctest.Wait()
		runs, _, err := w.host.Runs(core.RunQuery{})
		if err != nil || len(runs) != 1 || runs[0].State == "done" {
			t.Fatal(runs, err)
		}
		time.Sleep(80 * aDay)
		w.trimmed(core.Trimmed{Entries: 2}, "an open run")
		if got, _, err := w.host.Deliveries(core.DeliveryQuery{Run: runs[0].ID, Outcome: "sent"}); err != nil || len(got) != 1 {
			t.Errorf("%d deliveries of an open run are left: %v", len(got), err)
		}
		if why, err := w.host.Why("shop", "ann", ""); err != nil || !strings.Contains(fmt.Sprint(why.Reasons), "sent") {
			t.Errorf("why: %+v, %v", why.Reasons, err)
		}
		if _, err := w.host.CancelRun(t.Context(), runs[0].ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * aDay)
		w.trimmed(core.Trimmed{Entries: 2, Consents: 1, Runs: 1}, "it is over")
	})
}

// A death at each write of the deleting: it goes on, nothing is sent twice, and every row agrees with the others.
func TestRetentionDies(t *testing.T) {
	for death := 1; ; death++ {
		survived := false
		bubble(t, func(t *testing.T, w *world) {
			w.keep = core.Retention{Journal: aDay, Deliveries: 35 * aDay, Decisions: aDay}
			ch := w.fake("shop")
			w.start()
			w.price("coat", "120.00 USD")
			for i := range 4 {
				w.grant(fmt.Sprint("p", i), "price-drop", "coat")
			}
			w.price("coat", "99.00 USD")
			synctest.Wait()
			time.Sleep(35 * aDay) // the next pass begins in six hours
			w.stop()
			dying := &mortal{left: death}
			w.wrap = func(e ledger.Engine) ledger.Engine { dying.Engine = e; return dying }
			w.dies = true
			w.start()
			time.Sleep(aDay)
			survived = !dying.dead.Load()
			w.stop()
			w.wrap, w.dies = nil, false
			w.start()
			time.Sleep(10 * aDay)
			if got, err := w.host.Trimmed(); err != nil || got.Consents != 4 || got.Runs != 1 {
				t.Errorf("death %d: %+v, %v", death, got, err)
			}
			for i := range 4 {
				w.grant(fmt.Sprint("p", i), "price-drop", "coat")
			}
			w.price("coat", "50.00 USD")
			synctest.Wait()
			if len(ch.sent) != 4 {
				t.Errorf("death %d: %d messages", death, len(ch.sent))
			}
			w.stop()
			w.whole()
		})
		if survived || t.Failed() {
			if death < 5 {
				t.Errorf("only %d deaths", death)
			}
			return
		}
	}
}

func TestRetentionIsChecked(t *testing.T) {
	for _, r := range []core.Retention{{Journal: time.Hour}, {Decisions: -aDay}, {Deliveries: 34 * aDay}} {
		if _, err := core.New(core.Config{Dir: "d", Rules: shopRules{}, Keep: r}); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
