// Deaths at the places that hurt: in a send, in a retry, between a cron line and its timer, before an answer.

package core_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// A Host that dies at any write of a cron line's moment and of an operator's send: each is carried out once, every run
// comes to its end, and what the runs say they did is what became of the consents.
func TestDeathAtCronAndSend(t *testing.T) {
	writes := dieAtNine(t, true, death{})
	if writes < 30 {
		t.Fatalf("only %d writes: the scenario does nothing", writes)
	}
	for _, single := range []bool{true, false} {
		for k := int64(1); k <= writes; k++ {
			dieAtNine(t, single, death{at: k, unsynced: 100, marks: true})
			dieAtNine(t, single, death{at: k})
		}
	}
}

func dieAtNine(t *testing.T, single bool, d death) (writes int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &platform{single: single, took: map[otn.TokenID]int{}, rules: each{shopRules{text: "now"}, "0 9 * * *"}}
		key := ledger.NewKey()
		disk, marks := made(t)
		sends := false
		disk, marks, writes = live(t, disk, marks, key, p, d, func(l *life, h *core.Host) { sends = l.nine(h) })
		time.Sleep(2 * time.Second)
		live(t, disk, marks, key, p, death{}, func(l *life, h *core.Host) {
			time.Sleep(8 * time.Hour)
			synctest.Wait()
			books(t, h, p, sends, d)
		})
	})
	return writes
}

// nine is a life until after nine o'clock: ann waits for news twice, three people wait for a coat. It reports whether a
// send to those was acknowledged.
func (l *life) nine(h *core.Host) (sends bool) {
	ctx := context.Background()
	grant := func(token, sub, topic, subject string) {
		_, _ = h.Grant(ctx, otn.Consent{Token: otn.NewToken("page", token), Channel: "shop", Subscriber: otn.Subscriber{ID: sub}, Topic: topic, Subject: subject})
	}
	grant("ann 1", "ann", "news", "")
	grant("ann 2", "ann", "news", "")
	for i := range 3 {
		grant(fmt.Sprint("coat ", i), fmt.Sprint("p", i), "price-drop", "coat")
	}
	all := !l.isOver()
	time.Sleep(9 * time.Hour)
	synctest.Wait()
	_, err := h.Send(ctx, core.SendRequest{Topic: "price-drop", Subject: "coat", Key: "k", Message: otn.Message{Text: "hello"}})
	sends = all && err == nil && !l.isOver()
	time.Sleep(time.Second)
	synctest.Wait()
	return sends
}

// books compares the runs with the consents, and both with what the platform took.
func books(t *testing.T, h *core.Host, p *platform, sends bool, d death) {
	t.Helper()
	states := map[string]int64{}
	for _, topic := range []string{"news", "price-drop"} {
		list, _, err := h.Consents(core.ConsentQuery{Topic: topic})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			states[c.State]++
		}
	}
	runs, _, err := h.Runs(core.RunQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var sent, unknown int64
	for _, r := range runs {
		sent, unknown = sent+r.Sent, unknown+r.Unknown
		if r.State != "done" {
			t.Errorf("%+v: a run of %s is %s", d, r.Rule, r.State)
		}
		if r.Sent+r.Unknown > r.Selected {
			t.Errorf("%+v: a run of %s selected %d and told %d", d, r.Rule, r.Selected, r.Sent+r.Unknown)
		}
	}
	if sent != states["sent"] || unknown != states["unknown"] {
		t.Errorf("%+v, single use %v: the runs count %d sent and %d unknown, the consents are %v", d, p.single, sent, unknown, states)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := func(token string) int { return p.took[otn.NewToken("page", token).ID()] }
	if n := id("ann 1") + id("ann 2"); n > 1 {
		t.Errorf("%+v, single use %v: ann was told %d times at one moment", d, p.single, n)
	}
	for i := range 3 {
		if n := id(fmt.Sprint("coat ", i)); n > 1 || sends && n == 0 && (p.single || states["unknown"] == 0) {
			t.Errorf("%+v, single use %v: p%d was told %d times", d, p.single, i, n)
		}
	}
}

// fragile is a world whose Host dies, by kill -9, in the middle of a send.
type fragile struct {
	*world
	disk *vfs.MemFS
	left *vfs.MemFS
	kept *pebble.Memory
}

func breakable(t *testing.T) *fragile {
	disk, marks := made(t)
	w := &world{t: t, disk: disk, marks: marks, key: ledger.NewKey(), rules: shopRules{text: "now"}, chans: map[string]otn.Channel{}}
	return &fragile{world: w, disk: disk}
}

// bubble runs a test in virtual time; it stops its Host itself.
func (f *fragile) bubble(t *testing.T, test func(*fragile)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f.t = t
		test(f)
	})
}

// die is called from a send: nothing that this Host does from here on counts. A power cut leaves no marks.
func (f *fragile) die(cut bool) {
	if cut {
		f.left, f.kept = f.disk.CrashClone(vfs.CrashCloneCfg{}), pebble.NewMemory()
		return
	}
	f.left, f.kept = f.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))}), f.marks.Clone()
}

// rise ends the dead Host and starts the next over what is left.
func (f *fragile) rise() {
	f.stop()
	f.world.disk, f.marks = f.left, f.kept
	f.start()
}

// Who was put off and was claimed again when a Host died is looked at by the next one.
func TestDeathInARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := breakable(t)
		shop, slow := w.fake("shop"), w.fake("slow")
		shop.can.MaxInFlight = 1
		shop.answer = func(d otn.Delivery, nth int) error {
			if nth == 1 {
				return deferred(time.Minute, otn.MessageScope)
			}
			if d.Subscriber.ID == "ann" && nth == 2 {
				w.die(false)
			}
			return nil
		}
		slow.answer = func(otn.Delivery, int) error { return deferred(time.Hour, otn.ChannelScope) } // keeps the run open
		w.start()
		w.waiting("ann", "bob")
		w.give(otn.Consent{Token: otn.NewToken("page", "s"), Channel: "slow", Subscriber: otn.Subscriber{ID: "s"}, Topic: "price-drop", Subject: "coat"})
		w.price("coat", "99.00 USD")
		w.after(2 * time.Minute)
		w.rise()
		w.after(30 * time.Minute)
		want(t, "run", w.run().State, "running")
		told := map[string]int{}
		for _, s := range shop.accepted() {
			told[s.Subscriber.ID]++
		}
		want(t, "ann was told, and is a doubt", told["ann"], 1)
		want(t, "bob was told by the dead, and by the living", told["bob"], 2)
		w.stop()
		l := w.ledger()
		want(t, "left to be looked at again", len(l.Recovered().Redo), 0)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A Host that dies while a message is on its way: the one that was handed over is a doubt, and nobody is told twice.
func TestDeathWhileSending(t *testing.T) {
	for _, cut := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := breakable(t)
			shop := w.fake("shop")
			shop.can.MaxInFlight = 1
			shop.answer = func(d otn.Delivery, _ int) error {
				if d.Subscriber.ID == "bob" {
					w.die(cut)
				}
				return nil
			}
			w.start()
			w.waiting()
			ann, bob, cat := w.grant("ann", "price-drop", "coat"), w.grant("bob", "price-drop", "coat"), w.grant("cat", "price-drop", "coat")
			w.price("coat", "99.00 USD")
			w.after(time.Second)
			after := w.fake("shop")
			w.rise()
			w.after(time.Second)
			w.price("coat", "90.00 USD")
			w.after(24 * time.Hour)
			if cut {
				want(t, "told after a power cut", texts(after), "")
				want(t, "ann", w.state(ann.ID), "unknown")
				want(t, "cat", w.state(cat.ID), "unknown")
			} else {
				want(t, "told after a kill", texts(after), "cat: now price-drop 99.00 USD")
				want(t, "ann", w.state(ann.ID), "sent")
				want(t, "cat", w.state(cat.ID), "sent")
			}
			want(t, "bob", w.state(bob.ID), "unknown")
			runs, _, err := w.host.Runs(core.RunQuery{})
			if err != nil {
				t.Fatal(err)
			}
			var sent, unknown int64
			for _, r := range runs {
				sent, unknown = sent+r.Sent, unknown+r.Unknown
				want(t, "state", r.State, "done")
			}
			want(t, "counted", sent+unknown, 3)
			w.stop()
		})
	}
}

// A webhook that is repeated while the first is not on disk yet is not answered before it is.
func TestRepeatWaitsForTheDisk(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var slow atomic.Bool
		release := make(chan struct{})
		w.disk = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
				if slow.Load() {
					<-release
				}
			}
			return nil
		}))
		w.chans["shop"] = &both{channel: w.fake("shop")}
		w.start()
		slow.Store(true)
		answers := make(chan int, 2)
		for range 2 {
			go func() { answers <- call(t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "price 120.00 USD") }()
			synctest.Wait()
		}
		select {
		case code := <-answers:
			t.Errorf("answered %d before it was on disk", code)
			answers <- code
		default:
		}
		slow.Store(false)
		close(release)
		want(t, "first", <-answers, 202)
		want(t, "second", <-answers, 202)
	})
}

// A run that was resumed a moment before its Host died goes on with the next.
func TestDeathAfterResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := breakable(t)
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		broken := true
		var hangs atomic.Bool
		shop.answer = func(_ otn.Delivery, nth int) error {
			switch {
			case nth == 1:
				return deferred(time.Minute, otn.MessageScope)
			case broken:
				return invalid()
			}
			return nil
		}
		w.chans["shop"] = &sleepy{both: &both{channel: shop}, before: func() error {
			if hangs.Load() {
				time.Sleep(time.Hour)
			}
			return nil
		}}
		w.start()
		w.waiting("p1", "p2", "p3")
		w.price("coat", "99.00 USD")
		w.after(30 * time.Second)
		want(t, "run", w.run().State, "done")
		w.after(time.Hour)
		want(t, "run", w.run().State, "paused")
		broken = false
		hangs.Store(true)
		if _, err := w.host.ResumeRun(t.Context(), w.run().ID); err != nil {
			t.Fatal(err)
		}
		w.die(false)
		hangs.Store(false)
		w.rise()
		w.after(time.Hour)
		told := map[string]bool{}
		for _, s := range shop.accepted() {
			told[s.Subscriber.ID] = true
		}
		want(t, "told", len(told), 3)
		want(t, "run", w.run().State, "done")
		w.stop()
	})
}
