// What an operator waits for with ten million consents and a million deliveries in the store.

package core_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// crowd fills a store without waiting for the disk: people who wait for one of a thousand items.
func crowd(b *testing.B, dir string, key otn.Secret, people int) {
	b.Helper()
	engine, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	l, err := ledger.Open(b.Context(), engine, key, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	var all sync.WaitGroup
	var next atomic.Int64
	for range 2 {
		all.Go(func() {
			for from := int(next.Add(2000)) - 2000; from < people; from = int(next.Add(2000)) - 2000 {
				batch := &ledger.Batch{Lazy: true}
				for i := from; i < min(from+2000, people); i++ {
					batch.Grants = append(batch.Grants, &ledger.Grant{Consent: otn.Consent{
						Token: otn.NewToken("page", fmt.Sprint(8100000000000000000+i)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint(5400000000000000 + i)},
						Topic: "price-drop", Subject: fmt.Sprint("item", i*7919%1000), GrantedAt: now.Add(time.Duration(i-people) * 100 * time.Millisecond),
					}})
				}
				if err := l.Commit(context.Background(), batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// told lets a hundred runs tell people who wait for the shop's news.
func tell(b *testing.B, host *core.Host, ch *nothing, people int) {
	b.Helper()
	const runs = 100
	for run := range runs {
		for from := 0; from < people/runs; from += 1000 {
			page := make([]otn.Consent, min(1000, people/runs-from))
			for i := range page {
				n := run*people/runs + from + i
				page[i] = otn.Consent{Token: otn.NewToken("", fmt.Sprint("news", n)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint("reader", n)}, Topic: "news"}
			}
			if _, err := host.Grant(b.Context(), page...); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := host.Trigger(b.Context(), otn.Trigger{Name: "post"}); err != nil {
			b.Fatal(err)
		}
		for ch.sent.Load() < int64((run+1)*(people/runs)) {
			time.Sleep(time.Millisecond)
		}
	}
}

// BenchmarkCrowd tells how long each look takes, in milliseconds: the overview's numbers, and the first and a deep page of each list.
func BenchmarkCrowd(b *testing.B) {
	for _, size := range []struct{ waiting, told int }{{100_000, 10_000}, {1_000_000, 100_000}, {10_000_000, 1_000_000}} {
		b.Run(fmt.Sprint(size.waiting), func(b *testing.B) {
			dir, key := filepath.Join(b.TempDir(), "data"), ledger.NewKey()
			crowd(b, dir, key, size.waiting)
			ch := new(nothing)
			host, err := core.New(core.Config{Dir: dir, Key: key, Rules: shopRules{text: "now"}, Channels: map[string]otn.Channel{"shop": ch}})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- host.Run(ctx) }()
			began := time.Now()
			<-host.Ready()
			start := time.Since(began)
			tell(b, host, ch, size.told)
			for b.Loop() {
				looks(b, host)
			}
			b.ReportMetric(float64(start.Milliseconds()), "ms-to-start")
			cancel()
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// looks takes every look once, and reports those that took longest.
func looks(b *testing.B, host *core.Host) {
	b.Helper()
	slowest := time.Duration(0)
	look := func(name string, f func() error) {
		b.Helper()
		began := time.Now()
		if err := f(); err != nil {
			b.Fatalf("%s: %v", name, err)
		}
		took := time.Since(began)
		b.Logf("%-40s %8.2f ms", name, float64(took.Microseconds())/1000)
		slowest = max(slowest, took)
	}
	look("topics", func() error { _, err := host.Topics(); return err })
	look("overview", func() error { _, err := host.Overview(); return err })
	look("days, 400", func() error { _, err := host.Days(time.Now().AddDate(0, 0, -399), time.Now()); return err })
	look("open runs", func() error { _, err := host.OpenRuns(200); return err })
	look("demand", func() error { _, _, err := host.Demand("price-drop", 20); return err })
	look("journal", func() error { _, _, err := host.JournalBefore("", 100); return err })
	pages := func(name string, deep int, page func(cursor string) (string, error)) {
		cursor := ""
		look(name+", first page", func() (err error) { cursor, err = page(""); return err })
		for i := 0; i < deep && cursor != ""; i++ {
			next, err := page(cursor)
			if err != nil {
				b.Fatal(err)
			}
			cursor = next
		}
		if cursor != "" {
			look(fmt.Sprint(name, ", page ", deep), func() error { _, err := page(cursor); return err })
		}
	}
	for _, q := range []core.ConsentQuery{{}, {Topic: "price-drop"}, {Topic: "price-drop", Subject: "item7"}, {Topic: "news"}, {State: "sent"}, {State: "expired"}, {Topic: "news", State: "waiting"}} {
		pages(fmt.Sprintf("consents %s %s %s", q.Topic, q.Subject, q.State), 50, func(c string) (string, error) {
			q.Cursor = c
			_, next, err := host.Consents(q)
			return next, err
		})
	}
	half := core.ConsentQuery{Cursor: "5000000"}
	look("consents from the middle on", func() error { _, _, err := host.Consents(half); return err })
	for _, q := range []core.RunQuery{{}, {State: "paused"}, {Rule: "none"}} {
		pages(fmt.Sprint("runs ", q.Rule, q.State), 3, func(c string) (string, error) {
			q.Cursor, q.Limit = c, 20
			_, next, err := host.Runs(q)
			return next, err
		})
	}
	for _, q := range []core.DeliveryQuery{{}, {Outcome: "refused"}, {Outcome: "unknown"}} {
		pages(fmt.Sprint("deliveries ", q.Outcome), 50, func(c string) (string, error) {
			q.Cursor = c
			_, next, err := host.Deliveries(q)
			return next, err
		})
	}
	b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-slowest")
}
