// Every page of a list, and the overview, read a bounded number of rows, whatever they are asked for and however much there is.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// counting is an engine that counts the rows it reads.
type counting struct {
	ledger.Engine
	rows atomic.Int64
}

func (c *counting) Get(keys [][]byte, yield func(int, []byte)) error {
	c.rows.Add(int64(len(keys)))
	return c.Engine.Get(keys, yield)
}

func (c *counting) Scan(from, to []byte, yield func(key, value []byte) bool) error {
	return c.Engine.Scan(from, to, func(k, v []byte) bool {
		c.rows.Add(1)
		return yield(k, v)
	})
}

// crowded is a host with so many runs of a few people each, and so many consents that wait, over a counting engine.
func crowded(t *testing.T, runs, waiting int) (*core.Host, *counting, func()) {
	t.Helper()
	engine, err := pebble.Open("data", pebble.Options{FS: vfs.NewMem(), Marks: pebble.NewMemory(), Still: true})
	if err != nil {
		t.Fatal(err)
	}
	rows := &counting{Engine: engine}
	ch := &channel{can: otn.Capabilities{Sends: true, MaxInFlight: 64}, account: "page"}
	ch.answer = func(d otn.Delivery, _ int) error {
		if strings.HasSuffix(d.Subscriber.ID, "-0") {
			return &otn.SendError{Outcome: otn.Refused, Err: errors.New("left")}
		}
		return nil
	}
	host, err := core.New(core.Config{Engine: rows, Key: ledger.NewKey(), Rules: shopRules{text: "now"}, Channels: map[string]otn.Channel{"shop": ch}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	<-host.Ready()
	for i := range runs {
		give(t, host, "news", "", fmt.Sprint("r", i, "-"), 2)
		if _, err := host.Trigger(t.Context(), otn.Trigger{Name: "post"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	for i := range 10 {
		give(t, host, "price-drop", fmt.Sprint("item", i), fmt.Sprint("w", i, "-"), waiting/10)
	}
	return host, rows, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// give lets some people wait, in one batch.
func give(t *testing.T, host *core.Host, topic, subject, token string, n int) {
	t.Helper()
	list := make([]otn.Consent, n)
	for i := range list {
		list[i] = otn.Consent{Token: otn.NewToken("page", fmt.Sprint(token, i)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint(token, i)}, Topic: topic, Subject: subject}
	}
	if _, err := host.Grant(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
}

// pageRows are the most rows that one page may read.
const pageRows = 12_000

func TestPagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const runs, waiting = 1100, 6000
		host, rows, stop := crowded(t, runs, waiting)
		defer stop()
		list := func(name string, want, least int, page func(cursor string) (n int, next string, err error)) {
			t.Helper()
			all, cursor, pages := 0, "", 0
			for {
				before := rows.rows.Load()
				n, next, err := page(cursor)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if read := rows.rows.Load() - before; read > pageRows {
					t.Errorf("%s, page %d: %d rows were read", name, pages, read)
				}
				all += n
				if pages++; next == "" {
					break
				}
				if next == cursor || pages > 10_000 {
					t.Fatalf("%s: the cursor stands still at %q", name, next)
				}
				cursor = next
			}
			if all != want || pages < least { // what matches nothing is given up for a while, with a cursor
				t.Errorf("%s: %d in all on %d pages, want %d, on %d or more", name, all, pages, want, least)
			}
		}
		consents := func(q core.ConsentQuery) func(string) (int, string, error) {
			return func(c string) (int, string, error) {
				q.Cursor = c
				l, next, err := host.Consents(q)
				return len(l), next, err
			}
		}
		list("all consents", 2*runs+waiting, 1, consents(core.ConsentQuery{}))
		list("consents of a topic", waiting, 1, consents(core.ConsentQuery{Topic: "price-drop"}))
		list("consents of a subject", waiting/10, 1, consents(core.ConsentQuery{Topic: "price-drop", Subject: "item3", Limit: 3}))
		list("consents that are refused", runs, 13, consents(core.ConsentQuery{State: "refused"}))
		list("consents that are expired", 0, 1, consents(core.ConsentQuery{State: "expired"}))
		list("consents of a topic that is none", 0, 1, consents(core.ConsentQuery{Topic: "none"}))
		list("consents of a subject that nobody waits for", 0, 1, consents(core.ConsentQuery{Topic: "price-drop", Subject: "none"}))
		list("consents of a topic that wait", 0, 1, consents(core.ConsentQuery{Topic: "news", State: "waiting"}))
		theRuns := func(q core.RunQuery) func(string) (int, string, error) {
			return func(c string) (int, string, error) {
				q.Cursor = c
				l, next, err := host.Runs(q)
				return len(l), next, err
			}
		}
		list("runs", runs, 1, theRuns(core.RunQuery{}))
		list("runs of a rule", 0, 2, theRuns(core.RunQuery{Rule: "none"}))
		list("runs that are cancelled", 0, 2, theRuns(core.RunQuery{State: "cancelled"}))
		list("runs that are paused", 0, 1, theRuns(core.RunQuery{State: "paused"}))
		deliveries := func(q core.DeliveryQuery) func(string) (int, string, error) {
			return func(c string) (int, string, error) {
				q.Cursor = c
				l, next, err := host.Deliveries(q)
				return len(l), next, err
			}
		}
		list("deliveries", 2*runs, 1, deliveries(core.DeliveryQuery{Limit: 7}))
		list("deliveries that are refused", runs, 1, deliveries(core.DeliveryQuery{Outcome: "refused"}))
		list("deliveries that are invalid", 0, 2, deliveries(core.DeliveryQuery{Outcome: "invalid"}))
		list("deliveries that are unknown", 0, 1, deliveries(core.DeliveryQuery{Outcome: "unknown"}))

		before := rows.rows.Load()
		if o, err := host.Overview(); err != nil || o.Sent != runs || o.Refused != runs || o.Waiting != waiting || o.OpenRuns != 0 {
			t.Errorf("%+v, %v", o, err)
		}
		if _, err := host.Topics(); err != nil {
			t.Error(err)
		}
		if read := rows.rows.Load() - before; read > 10 {
			t.Errorf("the overview reads %d rows", read)
		}
	})
}

// What is open is counted whatever becomes of it, and over a restart.
func TestOverviewCountsWhatIsOpen(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop").answer = func(otn.Delivery, int) error {
			return &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, After: 1 << 40, Err: errors.New("later")}
		}
		w.start()
		stands := func(when string, open int64, paused int) {
			t.Helper()
			synctest.Wait()
			o, err := w.host.Overview()
			if err != nil || o.OpenRuns != open || o.Paused != paused || len(o.Decide) != min(paused, 20) {
				t.Errorf("%s: %+v, %v, want %d open, %d paused", when, o, err, open, paused)
			}
		}
		stands("nothing", 0, 0)
		for i := range 25 {
			item := fmt.Sprint("item", i)
			w.price(item, "120.00 USD")
			w.grant("ann", "price-drop", item)
			w.price(item, "99.00 USD")
		}
		stands("all at once", 25, 0)
		list, _, err := w.host.Runs(core.RunQuery{Limit: 100})
		if err != nil || len(list) != 25 {
			t.Fatal(len(list), err)
		}
		for i, v := range list {
			act := w.host.PauseRun
			if i < 2 {
				act = w.host.CancelRun
			}
			if _, err := act(t.Context(), v.ID); err != nil {
				t.Fatal(err)
			}
		}
		stands("two cancelled, the others paused", 23, 23)
		w.restart()
		stands("after a restart", 23, 23)
		if l, next, err := w.host.Runs(core.RunQuery{State: "paused", Limit: 20}); err != nil || len(l) != 20 || next == "" {
			t.Errorf("paused: %d, %q, %v", len(l), next, err)
		} else if l, next, err = w.host.Runs(core.RunQuery{State: "paused", Limit: 20, Cursor: next}); err != nil || len(l) != 3 || next != "" {
			t.Errorf("paused, the second page: %d, %q, %v", len(l), next, err)
		}
		if _, err := w.host.ResumeRun(t.Context(), list[5].ID); err != nil {
			t.Fatal(err)
		}
		stands("one goes on", 23, 22)
	})
}
