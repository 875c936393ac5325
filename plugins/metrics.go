// What an instance did, in numbers: for whoever draws curves of it.

package plugins

import (
	"sync/atomic"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Metrics are an instance's numbers since its Process was made. They only grow, but for InFlight.
type Metrics struct {
	Starts   int64 // processes that were launched, also those that did not get ready
	Crashes  int64 // processes that ended unasked, could not be had or had to be ended
	Replaced int64 // processes that took the place of a running one
	Dropped  int64 // lines of its output that were too many to log
	Heard    int64 // records that it heard and that were kept
	Lookups  int64 // deliveries that its platform was asked about
	InFlight int   // deliveries taken and not yet answered by the plugin
	Answers  [otn.Invalid + 1]int64
	Latency  Histogram // of deliveries, from Send to its answer
}

// Bounds are the upper ends of a Histogram's buckets. A last bucket has no end.
func Bounds() [16]time.Duration {
	const ms = time.Millisecond
	return [...]time.Duration{
		ms / 10, ms / 4, ms / 2, ms, 2500 * time.Microsecond, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms,
		time.Second, 2500 * ms, 10 * time.Second, 30 * time.Second,
	}
}

// Histogram counts lengths of time by the bucket that they fall into: that of the first bound that is not less.
type Histogram struct {
	Counts [17]int64
	Sum    time.Duration
}

// meter gathers an instance's numbers. Its zero value is ready.
type meter struct {
	starts, crashes, replaced, dropped, heard, lookups atomic.Int64

	answers [otn.Invalid + 1]atomic.Int64
	buckets [17]atomic.Int64
	sum     atomic.Int64
}

// answered counts an answer and how long it took.
func (m *meter) answered(outcome otn.Outcome, took time.Duration) {
	m.answers[outcome].Add(1)
	bucket := 0
	for _, bound := range Bounds() {
		if took <= bound {
			break
		}
		bucket++
	}
	m.buckets[bucket].Add(1)
	m.sum.Add(int64(took))
}

func (m *meter) read() Metrics {
	all := Metrics{Starts: m.starts.Load(), Crashes: m.crashes.Load(), Replaced: m.replaced.Load(), Dropped: m.dropped.Load(), Heard: m.heard.Load(), Lookups: m.lookups.Load()}
	for i := range m.answers {
		all.Answers[i] = m.answers[i].Load()
	}
	for i := range m.buckets {
		all.Latency.Counts[i] = m.buckets[i].Load()
	}
	all.Latency.Sum = time.Duration(m.sum.Load())
	return all
}

// Metrics gives the instance's numbers.
func (p *Process) Metrics() Metrics {
	m := p.meter.read()
	m.InFlight = p.State().InFlight
	return m
}
