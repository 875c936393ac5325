// Listening: what is heard is on disk before it is acknowledged, its cursor with it, and a connection that is lost is opened again.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// ear is a platform that keeps updates until they are acknowledged, as a bot's long polling does, and the channel that listens to it.
type ear struct {
	*channel

	mu      sync.Mutex
	at      []time.Time // of each beginning
	cursors []string
	updates []otn.Record  // not acknowledged; the n-th of all has the cursor n
	acked   int           // of all
	more    chan struct{} // an update came
	fault   func() error  // before anything is heard
	left    func()        // what was heard is on disk, and not yet acknowledged
	inside  int
	most    int // connections at once
}

func (w *world) ear(name string) *ear {
	e := &ear{channel: &channel{can: otn.Capabilities{Sends: true, Listens: true, MaxInFlight: 8}, account: "page"}, more: make(chan struct{}, 1)}
	w.chans[name] = e
	return e
}

// says has updates come.
func (e *ear) says(records ...otn.Record) {
	e.mu.Lock()
	e.updates = append(e.updates, records...)
	e.mu.Unlock()
	select {
	case e.more <- struct{}{}:
	default:
	}
}

func (e *ear) Listen(ctx context.Context, cursor string, yield func(string, ...otn.Record) error) error {
	if err := e.begin(cursor); err != nil {
		return err
	}
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.inside--
	}()
	for {
		e.mu.Lock()
		updates, acked := slices.Clone(e.updates), e.acked
		e.mu.Unlock()
		if len(updates) > 0 {
			if err := yield(fmt.Sprint(acked+len(updates)), updates...); err != nil {
				return err
			}
			if e.left != nil {
				e.left()
			}
			e.mu.Lock()
			e.updates, e.acked = e.updates[len(updates):], acked+len(updates)
			e.mu.Unlock()
			continue
		}
		select {
		case <-e.more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *ear) begin(cursor string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at, e.cursors = append(e.at, time.Now()), append(e.cursors, cursor)
	if e.fault != nil {
		if err := e.fault(); err != nil {
			return err
		}
	}
	e.inside++
	e.most = max(e.most, e.inside)
	return nil
}

// begins are the moments at which it was listened to, in seconds since the first, and forgets them.
func (e *ear) begins() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []string
	for _, at := range e.at {
		list = append(list, fmt.Sprint(int(at.Sub(e.at[0]).Seconds())))
	}
	e.at = nil
	return strings.Join(list, " ")
}

func said(key, sub string) otn.Record {
	return otn.Record{Key: key, Consent: &otn.Consent{Mint: true, Token: otn.NewToken("page", ""), Channel: "shop", Subscriber: otn.Subscriber{ID: sub}, Topic: "price-drop", Subject: "coat"}}
}

func (w *world) channelView(name string) core.InstanceView {
	w.t.Helper()
	channels, _ := w.host.Instances(w.t.Context())
	i := slices.IndexFunc(channels, func(v core.InstanceView) bool { return v.Name == name })
	if i < 0 || channels[i].Listen == nil {
		w.t.Fatalf("no channel %s that listens in %+v", name, channels)
	}
	return channels[i]
}

// What is heard takes its way like a webhook; a restart goes on behind it, over one connection.
func TestListenerHears(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.ear("shop")
		w.start()
		w.price("coat", "120.00 USD")
		shop.says(said("1", "ann"), otn.Record{Consent: &otn.Consent{}}, said("2", "bob"), said("1", "ann"))
		w.after(time.Second)
		v := w.channelView("shop")
		want(t, "state", v.State, "ready")
		want(t, "heard", v.Listen.Records, 4)
		want(t, "refused", v.Listen.Refused, 1)
		want(t, "listening", v.Listen.Listening, true)
		w.restart()
		shop.says(said("2", "bob"), said("3", "cleo"))
		w.after(time.Second)
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		want(t, "told", len(shop.accepted()), 3)
		want(t, "cursors", strings.Join(shop.cursors, ","), ",4")
		want(t, "connections at once", shop.most, 1)
	})
}

// A connection that is lost is opened again, later and later, and not before the other side wants to; whatever is heard begins anew.
func TestListenerBacksOff(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.ear("shop")
		var broken error = errors.New("connection reset")
		shop.fault = func() error { return broken }
		w.start()
		w.after(20 * time.Minute)
		want(t, "begins", shop.begins(), "0 1 3 7 15 31 63 127 255 511 811 1111")
		v := w.channelView("shop")
		want(t, "lamp", v.State+" "+v.LastError, "degraded connection reset")
		want(t, "failures", v.Listen.Failures, 12)
		shop.mu.Lock()
		broken = &otn.SendError{Outcome: otn.Deferred, After: 20 * time.Minute, Err: errors.New("too many requests")}
		shop.mu.Unlock()
		w.after(5 * time.Minute)
		shop.begins()
		w.after(20 * time.Minute)
		want(t, "begins when it is to wait", shop.begins(), "0")
		shop.mu.Lock()
		broken = nil
		shop.mu.Unlock()
		w.after(20 * time.Minute)
		shop.says(said("1", "ann"))
		w.after(time.Second)
		v = w.channelView("shop")
		want(t, "lamp when it is well", v.State+v.LastError, "ready")
		want(t, "failures when it is well", v.Listen.Failures, 0)
	})
}

// A listener that panics, or hands over too much, harms itself only, and what it handed over is not taken.
func TestListenerOutOfOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		loud := w.ear("loud")
		loud.fault = func() error { panic("s3cret") }
		w.start()
		w.waiting("ann")
		w.after(time.Second)
		v := w.channelView("loud")
		want(t, "lamp", v.State+" "+v.LastError, "degraded the listener panicked")
		loud.mu.Lock()
		loud.fault = nil
		loud.mu.Unlock()
		loud.says(make([]otn.Record, otn.MaxHeard+1)...)
		w.after(10 * time.Second)
		want(t, "too much", strings.Contains(w.channelView("loud").LastError, "1001 records"), true)
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		want(t, "told meanwhile", texts(shop), "ann: now price-drop 99.00 USD")
	})
}

// A power cut between the write and the acknowledgement: the platform tells it again, and it is kept once.
func TestP40_PowerCutBeforeAnAcknowledgement(t *testing.T) {
	breakable(t).bubble(t, func(f *fragile) {
		shop := f.ear("shop")
		f.start()
		f.price("coat", "120.00 USD")
		f.after(time.Second)
		shop.left = func() {
			if f.left == nil {
				f.die(true)
			}
		}
		shop.says(said("1", "ann"), said("2", "bob"))
		f.after(time.Second)
		f.stop()
		shop.mu.Lock()
		shop.updates, shop.acked = []otn.Record{said("1", "ann"), said("2", "bob")}, 0 // never acknowledged
		shop.mu.Unlock()
		f.world.disk, f.marks = f.left, f.kept
		f.start()
		f.after(time.Second)
		want(f.t, "cursor on disk", shop.cursors[len(shop.cursors)-1], "2")
		list, _, err := f.host.Consents(core.ConsentQuery{})
		if err != nil {
			f.t.Fatal(err)
		}
		want(f.t, "consents", len(list), 2)
		f.stop()
	})
}

// A full disk while something is heard: nothing is acknowledged, and the Host ends as it does for a webhook.
func TestP40_FullDiskWhileListening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		w := &world{t: t, disk: fullFS(vfs.NewCrashableMem(), &full), marks: pebble.NewMemory(), key: ledger.NewKey(), rules: shopRules{text: "now"}, chans: map[string]otn.Channel{}}
		shop := w.ear("shop")
		_, ended := begin(t, w)
		shop.says(said("1", "ann"))
		w.after(time.Second)
		want(t, "acknowledged", shop.acked, 1)
		full.Store(true)
		shop.says(said("2", "bob"))
		if err := <-ended; !errors.Is(err, otn.ErrStore) {
			t.Errorf("the host ended with %v", err)
		}
		want(t, "acknowledged on a full disk", shop.acked, 1)
	})
}

// A Host that dies at any write of what it heard: nothing that was acknowledged is lost, nothing is kept twice, and the cursor never
// runs ahead of what is on disk.
func TestDeathAtEveryWriteOfAListening(t *testing.T) {
	writes := dieListening(t, death{})
	if writes < 5 {
		t.Fatalf("only %d writes: the scenario does nothing", writes)
	}
	for k := int64(1); k <= writes; k++ {
		for _, d := range []death{{at: k, unsynced: 100, marks: true}, {at: k}, {at: k, unsynced: 50}} {
			dieListening(t, d)
		}
	}
}

// hearing is an ear in the place of a poller: it tells so many updates from the cursor on, and counts those whose acknowledgement a dead Host did not only seem to give.
type hearing struct {
	*shelf
	all   int
	begin chan struct{}
	life  *life // known when begin is closed
	acked int   // by that life
	from  []string
}

func (h *hearing) Listen(ctx context.Context, cursor string, yield func(string, ...otn.Record) error) error {
	select {
	case <-h.begin:
	case <-ctx.Done():
		return ctx.Err()
	}
	h.from = append(h.from, cursor)
	n := 0
	_, _ = fmt.Sscan(cursor, &n)
	for ; n < h.all; n++ {
		record := otn.Record{Key: fmt.Sprint("update-", n), Trigger: &otn.Trigger{Name: "post"}}
		if err := yield(fmt.Sprint(n+1), record, said(fmt.Sprint("consent-", n), fmt.Sprint("p", n))); err != nil {
			return err
		}
		if !h.life.isOver() {
			h.acked = n + 1
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func dieListening(t *testing.T, d death) (writes int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ear := &hearing{shelf: &shelf{answer: unchanged}, all: 3}
		p := &platform{single: true, took: map[otn.TokenID]int{}, rules: shopRules{text: "now"}, polls: map[string]core.Poll{"ear": {Line: "@yearly", Poller: ear}}}
		disk, marks := made(t)
		key := ledger.NewKey()
		hear := func(l *life) {
			ear.life = l
			close(ear.begin)
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		ear.begin = make(chan struct{})
		disk, marks, writes = live(t, disk, marks, key, p, d, func(l *life, _ *core.Host) { hear(l) })
		acked := ear.acked
		ear.begin = make(chan struct{})
		live(t, disk, marks, key, p, death{}, func(l *life, h *core.Host) {
			hear(l)
			if at := ear.from[len(ear.from)-1]; at != "" && at < fmt.Sprint(acked) || at == "" && acked > 0 {
				t.Errorf("%+v: %d updates were acknowledged, and it goes on from %q", d, acked, at)
			}
			list, _, err := h.Consents(core.ConsentQuery{Topic: "price-drop"})
			if err != nil || len(list) != 3 {
				t.Errorf("%+v: %d consents, want one for each of 3 updates: %v", d, len(list), err)
			}
		})
	})
	return writes
}
