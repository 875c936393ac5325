// How fast the whole path is, in process: match, claim, render, send to nothing, settle.

package core_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
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

// BenchmarkDecide is a price change over a million people who wait, each with a target of their own, that reaches ten of
// them: looked up through the index by answer, and looked over from end to end.
func BenchmarkDecide(b *testing.B) {
	const people = 1_000_000
	set, err := rules.Compile(rules.File{Name: "bench.yaml", Source: []byte(benchRules)})
	if err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(b.TempDir(), "data")
	host, stop := benchHostIn(b, dir, endToEnd{set}, new(nothing))
	price := int64(2 * people)
	observe(b, host, price)
	targets(b, host, people)
	stop()
	price = people + 1
	for _, way := range []struct {
		name  string
		rules otn.Rules
	}{{"looked over", endToEnd{set}}, {"looked up", set}} {
		b.Run(way.name, func(b *testing.B) {
			ch := new(nothing)
			begin := time.Now()
			host, stop := benchHostIn(b, dir, way.rules, ch)
			started := time.Since(begin)
			if _, narrow := way.rules.(*rules.Set); narrow {
				for !host.Indexed(otn.Rule{Topic: "price-drop", Compares: []string{"target"}}) {
					time.Sleep(time.Millisecond)
				}
			}
			indexed := time.Since(begin) - started
			b.ResetTimer()
			spent, told := cpuTime(), ch.sent.Load()
			for b.Loop() {
				price -= 10
				told += 10
				observe(b, host, price)
				for ch.sent.Load() < told {
					time.Sleep(200 * time.Microsecond)
				}
			}
			b.ReportMetric(float64((cpuTime()-spent).Microseconds())/1e3/float64(b.N), "cpu-ms/event")
			b.StopTimer()
			b.ReportMetric(float64(started.Milliseconds()), "ms-to-start")
			b.ReportMetric(float64(indexed.Milliseconds()), "ms-to-index")
			reportHeap(b)
			stop()
		})
	}
}

// targets lets people wait, the first for a price of 1 cent, the next for 2, and so on.
func targets(b *testing.B, host *core.Host, people int) {
	b.Helper()
	begin := time.Now()
	for from := 0; from < people; from += 1000 {
		page := make([]otn.Consent, min(people-from, 1000))
		for i := range page {
			k := granted.Add(1)
			page[i] = otn.Consent{
				Token: otn.NewToken("", fmt.Sprint(8100000000000000000+k)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint(5400000000000000 + k)},
				Topic: "price-drop", Subject: "coat", Answers: []otn.Named{{Name: "target", Value: otn.MoneyValue(otn.Money{Minor: int64(from + i + 1), Currency: "USD"})}},
			}
		}
		if _, err := host.Grant(context.Background(), page...); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%.0f grants a second, in pages of 1,000", float64(people)/time.Since(begin).Seconds())
}

// cpuTime is what this process has used of its processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportHeap(b *testing.B) {
	b.Helper()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-heap")
}

// BenchmarkReachAll is a price change that reaches everybody, of 20,000 and of 100,000: what is held in memory stays the same.
func BenchmarkReachAll(b *testing.B) {
	set, err := rules.Compile(rules.File{Name: "bench.yaml", Source: []byte(benchRules)})
	if err != nil {
		b.Fatal(err)
	}
	for _, people := range []int{20_000, 100_000} {
		b.Run(fmt.Sprint(people), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				ch := new(nothing)
				host, stop := benchHostIn(b, filepath.Join(b.TempDir(), "data"), set, ch)
				observe(b, host, int64(2*people))
				targets(b, host, people)
				b.StartTimer()
				begin, peak := time.Now(), uint64(0)
				observe(b, host, 1)
				for ch.sent.Load() < int64(people) {
					time.Sleep(5 * time.Millisecond)
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapInuse)
				}
				b.ReportMetric(float64(people)/time.Since(begin).Seconds(), "messages/s")
				b.ReportMetric(float64(peak)/1e6, "MB-heap-peak")
				b.StopTimer()
				stop()
				b.StartTimer()
			}
		})
	}
}

// manyRules are so many rules, each of a topic of its own, 400 in a file.
func manyRules(n int, note string) (files []rules.File) {
	const each = 400
	for from := 0; from < n; from += each {
		var topics, list bytes.Buffer
		for i := from; i < min(from+each, n); i++ {
			fmt.Fprintf(&topics, "  t%d: {use: price_drop, subject: item, ask: cheaper, answers: {target: {type: money, optional: true}}}\n", i)
			fmt.Fprintf(&list, "  - id: r%d\n    topic: t%d\n    on: [item.changed]\n    when: |\n      item.price < was.price && (!sub.has.target || item.price <= sub.target)\n    message: {text: \"now ${item.price}\"}\n", i, i)
		}
		text := fmt.Sprintf("version: 1\ntimezone: UTC\ntopics:\n%srules:\n%s# %s\n", &topics, &list, note)
		files = append(files, rules.File{Name: fmt.Sprintf("many%d.yaml", from), Source: []byte(text)})
	}
	return files
}

// BenchmarkManyRules has 10,000 rules: what an event costs that nobody waits for, one that somebody waits for, and a reload.
func BenchmarkManyRules(b *testing.B) {
	const n = 10_000
	files := manyRules(n, "one")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	set, err := rules.Compile(files...)
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	ch := new(nothing)
	host, stop := benchHostIn(b, filepath.Join(b.TempDir(), "data"), set, ch)
	defer stop()
	page := []otn.Consent{{Token: otn.NewToken("", "1"), Channel: "shop", Subscriber: otn.Subscriber{ID: "1"}, Topic: "t77", Subject: "hat"}}
	if _, err := host.Grant(b.Context(), page...); err != nil {
		b.Fatal(err)
	}
	b.Run("reload", func(b *testing.B) {
		var compiling, reloading time.Duration
		for b.Loop() {
			begin := cpuTime()
			other, err := rules.Compile(manyRules(n, "two")...)
			if err != nil {
				b.Fatal(err)
			}
			compiling += cpuTime() - begin
			for _, r := range []otn.Rules{other, set} {
				begin = cpuTime()
				if err := host.Reload(b.Context(), r); err != nil {
					b.Fatal(err)
				}
				reloading += (cpuTime() - begin) / 2
			}
		}
		b.ReportMetric(float64(compiling.Milliseconds())/float64(b.N), "cpu-ms-to-compile")
		b.ReportMetric(float64(reloading.Milliseconds())/float64(b.N), "cpu-ms-to-reload")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/rule")
	})
	for _, c := range []struct{ name, item string }{{"nobody waits", "coat"}, {"one waits", "hat"}} {
		b.Run("event/"+c.name, func(b *testing.B) {
			stock := int64(0)
			spent := cpuTime()
			events := 0
			for b.Loop() {
				page := make([]otn.Observation, 500)
				for i := range page {
					stock++
					page[i] = otn.Observation{Item: &otn.Item{ID: c.item, Known: otn.FactStock, Stock: stock}}
				}
				if _, err := host.Observe(b.Context(), page...); err != nil {
					b.Fatal(err)
				}
				for host.Behind() {
					time.Sleep(200 * time.Microsecond)
				}
				events += len(page)
			}
			b.ReportMetric(float64((cpuTime()-spent).Nanoseconds())/1e3/float64(events), "cpu-us/event")
		})
	}
}
