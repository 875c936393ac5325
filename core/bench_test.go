// How fast the whole path is, in process: match, claim, render, send to nothing, settle.

package core_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// nothing is a channel that takes everything at once.
type nothing struct{ sent atomic.Int64 }

func (n *nothing) Describe(context.Context) (otn.Description, error) {
	return otn.Description{Capabilities: otn.Capabilities{Sends: true, MaxInFlight: 64}}, nil
}

func (n *nothing) Send(context.Context, otn.Delivery) (otn.Receipt, error) {
	n.sent.Add(1)
	return otn.Receipt{ProviderID: "m"}, nil
}

// BenchmarkPath carries one price drop to 100,000 people who wait for it.
func BenchmarkPath(b *testing.B) {
	const people = 100_000
	for b.Loop() {
		b.StopTimer()
		ch := new(nothing)
		host, stop := benchHost(b, ch)
		observe(b, host, 12000)
		grantMany(b, host, people)
		b.StartTimer()
		begin := time.Now()
		observe(b, host, 9900)
		for ch.sent.Load() < people {
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(people/time.Since(begin).Seconds(), "messages/s")
		b.StopTimer()
		stop()
		b.StartTimer()
	}
}

// BenchmarkFirstMessage is the time from an event's arrival to the first message handed over.
func BenchmarkFirstMessage(b *testing.B) {
	ch := new(nothing)
	host, stop := benchHost(b, ch)
	defer stop()
	observe(b, host, 1_000_000)
	price, told := int64(1_000_000), int64(0)
	for b.Loop() {
		b.StopTimer()
		grantMany(b, host, 1)
		price--
		told++
		b.StartTimer()
		observe(b, host, price)
		for ch.sent.Load() < told {
			time.Sleep(20 * time.Microsecond)
		}
	}
}

func benchHost(b *testing.B, ch otn.Channel) (*core.Host, func()) {
	b.Helper()
	return benchHostIn(b, filepath.Join(b.TempDir(), "data"), shopRules{text: "now"}, ch)
}

func benchHostIn(b *testing.B, dir string, set otn.Rules, ch otn.Channel) (*core.Host, func()) {
	b.Helper()
	host, err := core.New(core.Config{Dir: dir, Rules: set, Channels: map[string]otn.Channel{"shop": ch}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	select {
	case <-host.Ready():
	case err := <-ended:
		b.Fatal(err)
	}
	return host, func() {
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	}
}

func observe(b *testing.B, host *core.Host, minor int64) {
	b.Helper()
	o := otn.Observation{Item: &otn.Item{ID: "coat", Known: otn.FactPrice, Price: otn.Money{Minor: minor, Currency: "USD"}}}
	if _, err := host.Observe(context.Background(), o); err != nil {
		b.Fatal(err)
	}
}

var granted atomic.Int64

func grantMany(b *testing.B, host *core.Host, n int, answers ...otn.Named) {
	b.Helper()
	for n > 0 {
		page := make([]otn.Consent, min(n, 1000))
		for i := range page {
			k := granted.Add(1)
			page[i] = otn.Consent{
				Token: otn.NewToken("", fmt.Sprint(8100000000000000000+k)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint(5400000000000000 + k)},
				Topic: "price-drop", Subject: "coat", Answers: answers,
			}
		}
		if _, err := host.Grant(context.Background(), page...); err != nil {
			b.Fatal(err)
		}
		n -= len(page)
	}
}

const benchRules = `
version: 1
timezone: UTC
topics:
  price-drop: {use: price_drop, subject: item, ask: cheaper, answers: {target: {type: money, optional: true}}}
rules:
  - id: price-drop
    topic: price-drop
    on: [item.changed]
    when: |
      item.price < was.price && (!sub.has.target || item.price <= sub.target)
    message: {text: "now ${item.price}"}
`

// BenchmarkDecide is one price change over a million people who wait for a lower one: match, scan and decide, nobody is told.
func BenchmarkDecide(b *testing.B) {
	const people = 1_000_000
	set, err := rules.Compile(rules.File{Name: "bench.yaml", Source: []byte(benchRules)})
	if err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(b.TempDir(), "data")
	host, stop := benchHostIn(b, dir, set, new(nothing))
	observe(b, host, 1_000_000)
	target := otn.Named{Name: "target", Value: otn.MoneyValue(otn.Money{Minor: 100, Currency: "USD"})}
	grantMany(b, host, people, target)
	price := int64(1_000_000)
	for b.Loop() {
		price--
		begin := time.Now()
		observe(b, host, price)
		for !decided(b, host, people, begin) {
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(people/time.Since(begin).Seconds(), "decisions/s")
	}
	b.StopTimer()
	stop()
	begin := time.Now()
	_, stop = benchHostIn(b, dir, set, new(nothing))
	b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms-to-start-with-1M")
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-heap-with-1M")
	stop()
}

// decided reports whether a run that began behind a moment has looked at everybody.
func decided(b *testing.B, host *core.Host, people int64, begin time.Time) bool {
	b.Helper()
	runs, _, err := host.Runs(core.RunQuery{Limit: 10})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range runs {
		if r.State == "done" && r.Seen == people && r.At.After(begin) {
			return true
		}
	}
	return false
}
