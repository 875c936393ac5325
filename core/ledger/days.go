// Counts over time: how many consents were given and how many ended, in each quarter of an hour.

package ledger

import (
	"encoding/binary"
	"slices"
	"time"
)

// Quarter counts what happened in a quarter of an hour, which every time zone's day is made of. What was unknown and is
// settled later moves from where it was counted to when that happened. The counts change with the batch that changes what
// they count; all quarters together are what Topics counts.
type Quarter struct {
	From time.Time // its beginning; zero: everything that is older than what is kept apart

	Granted, Sent, Refused, Unknown, Expired, Withdrawn int64
}

const (
	quarterSeconds = 15 * 60
	// quartersKept is how many are kept apart: those of 402 days, the newest moment's included.
	quartersKept = 402 * 24 * 4
)

// fields lists the counters in the order in which they are packed.
func (q *Quarter) fields() [6]*int64 {
	return [...]*int64{&q.Granted, &q.Sent, &q.Refused, &q.Unknown, &q.Expired, &q.Withdrawn}
}

func (q *Quarter) add(d *Quarter) {
	to, from := q.fields(), d.fields()
	for i := range to {
		*to[i] += *from[i]
	}
}

func (q *Quarter) empty() bool {
	return *q == Quarter{From: q.From}
}

// end counts a consent that left, as fate says, or with -1 one that comes back.
func (q *Quarter) end(f fate, n int64) {
	*[...]*int64{fateUnknown: &q.Unknown, fateSent: &q.Sent, fateRefused: &q.Refused, fateExpired: &q.Expired, fateWithdrawn: &q.Withdrawn}[f] += n
}

// quarterOf numbers the quarter of a moment, from 1 up. 0 is that of all that is older than what is kept apart.
func quarterOf(t time.Time) uint64 { return uint64(max(t.Unix()/quarterSeconds, 0)) }

// oldestQuarter is the first one that is kept apart when a moment is the newest.
func oldestQuarter(newest time.Time) uint64 {
	last := quarterOf(newest)
	return last - min(last, quartersKept-1)
}

// during gives the differences of the quarter of a moment, to be added to.
func (g *group) during(at time.Time) *Quarter {
	n := quarterOf(at)
	if n < oldestQuarter(g.newest) {
		n = 0
	}
	q, ok := g.quarters[n]
	if !ok {
		if g.quarters == nil {
			g.quarters = make(map[uint64]*Quarter)
		}
		q = &Quarter{}
		g.quarters[n] = q
	}
	return q
}

// closeQuarters adds the rows of the quarters that changed. When a new one begins, those too old to be kept apart become one.
func (g *group) closeQuarters() {
	if len(g.quarters) == 0 {
		return
	}
	for n := range g.quarters {
		if _, there := g.l.quarters[n]; !there {
			g.foldQuarters()
			break
		}
	}
	sums := make(map[uint64]Quarter, len(g.quarters))
	for n, d := range g.quarters {
		sum := g.l.quarters[n]
		sum.add(d)
		if sums[n] = sum; sum.empty() {
			g.drop(numberKey(spaceQuarter, n))
		} else {
			g.set(numberKey(spaceQuarter, n), packQuarter(&sum))
		}
	}
	g.after = append(g.after, func() {
		for n, sum := range sums {
			if g.l.quarters[n] = sum; sum.empty() {
				delete(g.l.quarters, n)
			}
		}
	})
}

func (g *group) foldQuarters() {
	oldest := oldestQuarter(g.newest)
	for n, q := range g.l.quarters {
		if n == 0 || n >= oldest {
			continue
		}
		less := g.during(time.Unix(int64(n)*quarterSeconds, 0)) // that of all that is older
		less.add(&q)
		minus := Quarter{}
		for i, f := range minus.fields() {
			*f = -*q.fields()[i]
		}
		if d, ok := g.quarters[n]; ok {
			d.add(&minus)
		} else {
			g.quarters[n] = &minus
		}
	}
}

func packQuarter(q *Quarter) []byte {
	b := append(make([]byte, 0, 16), rowVersion)
	for _, n := range q.fields() {
		b = binary.AppendVarint(b, *n)
	}
	return b
}

func (l *Ledger) loadQuarter(key, value []byte) error {
	r := reader{b: value}
	r.byte()
	var q Quarter
	for _, n := range q.fields() {
		*n = r.varint()
	}
	l.quarters[numberOf(key)] = q
	return r.fault()
}

// Quarters are those that begin at from or later and before to, in which anything was counted, in order. A zero from also
// gives what is too old to be kept apart, first. It reads no disk.
func (l *Ledger) Quarters(from, to time.Time) []Quarter {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []Quarter
	for n, q := range l.quarters {
		if n > 0 {
			q.From = time.Unix(int64(n)*quarterSeconds, 0).UTC()
		}
		if !q.From.Before(from) && q.From.Before(to) {
			out = append(out, q)
		}
	}
	slices.SortFunc(out, func(a, b Quarter) int { return a.From.Compare(b.From) })
	return out
}
