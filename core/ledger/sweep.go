// Expired consents leave the waiting lists and the counts.

package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// maxJump is how far the clock may be ahead of the newest moment on record and still be believed.
const maxJump = 30 * day

// Sweep ends up to limit consents that are expired at now, and says how many it found. What is under a claim stays until it is
// settled. A now that lies far ahead of every moment on record ends nothing: a wrong clock must not cost a consent.
// (Scans pass over expired consents by themselves.)
func (l *Ledger) Sweep(ctx context.Context, now time.Time, limit int) (n int, err error) {
	l.mu.RLock()
	newest := l.newest
	l.mu.RUnlock()
	if newest.IsZero() || now.Sub(newest) > maxJump {
		return 0, nil
	}
	due, emptied, err := l.expired(now, limit)
	if err == nil {
		err = l.do(ctx, &turn{size: 80*len(due) + 64, build: func(g *group) error {
			for _, e := range due {
				if g.expire(e) {
					n++
				}
			}
			for _, d := range emptied {
				g.forget(d)
			}
			g.seen(now)
			return nil
		}})
	}
	if err != nil {
		return 0, fmt.Errorf("ledger: sweep: %w", err)
	}
	return n, nil
}

// expiring is a row of the expiry index; without a place it stands for the whole day.
type expiring struct {
	topic uint64
	day   uint32
	place
}

// sweepRows is how many rows of the expiry index are looked at together.
const sweepRows = 1000

// expired finds up to limit consents that are due, topic by topic, and days of the past on which nobody is left.
func (l *Ledger) expired(now time.Time, limit int) (due, emptied []expiring, err error) {
	today := dayOf(now)
	for _, t := range l.topicsBy() {
		end := expiryDayKey(t.id, today+1)
		for from := expiryDayKey(t.id, 0); from != nil && len(due) < limit; {
			rows, next, err := l.expiryRows(&t, from, end)
			if err != nil {
				return nil, nil, err
			}
			if len(rows) == 1 && rows[0].place == (place{}) {
				if rows[0].day < today {
					emptied = append(emptied, rows[0])
				}
			} else if due, err = l.reallyExpired(due, rows, now, limit); err != nil {
				return nil, nil, err
			}
			from = next
		}
	}
	return due, emptied, nil
}

// expiryRows reads some rows of the index, or, of a day on which nobody is left, one that stands for all of it.
func (l *Ledger) expiryRows(t *topicDays, from, end []byte) (rows []expiring, next []byte, err error) {
	good := true
	err = l.engine.Scan(from, end, func(key, _ []byte) bool {
		topic, d, at, ok := readExpiryKey(key)
		if good = ok; !ok {
			return false
		}
		if t.living[d] == 0 || len(rows) == sweepRows {
			next = slices.Clone(key)
			if t.living[d] == 0 && len(rows) == 0 {
				rows, next = []expiring{{topic: topic, day: d}}, expiryDayKey(topic, d+1)
			}
			return false
		}
		rows = append(rows, expiring{topic, d, at})
		return true
	})
	if err == nil && !good {
		err = errDamaged
	}
	return rows, next, err
}

type topicDays struct {
	id     uint64
	living map[uint32]int64
}

func (l *Ledger) topicsBy() []topicDays {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []topicDays
	for _, t := range l.topics {
		copied := make(map[uint32]int64, len(t.days))
		for d, n := range t.days {
			copied[d] = n
		}
		out = append(out, topicDays{t.id, copied})
	}
	slices.SortFunc(out, func(a, b topicDays) int { return compareSeq(a.id, b.id) })
	return out
}

// reallyExpired adds those whose row is there and says so to the millisecond.
func (l *Ledger) reallyExpired(due, rows []expiring, now time.Time, limit int) ([]expiring, error) {
	keys := make([][]byte, len(rows))
	for i := range rows {
		keys[i] = consentKey(rows[i].place)
	}
	err := l.engine.Get(keys, func(i int, v []byte) {
		if len(v) < rowSealed || len(due) >= limit {
			return
		}
		if _, expires := readTimes(v); expires <= now.UnixMilli() {
			due = append(due, rows[i])
		}
	})
	return due, err
}

// forget drops what the index holds of a day, unless somebody came back to it meanwhile.
func (g *group) forget(d expiring) {
	t := g.l.topicAt[d.topic]
	living := t.days[d.day]
	for n, c := range g.tally {
		if n.topic == t {
			living += c.days[d.day]
		}
	}
	if living == 0 {
		g.changes = append(g.changes, Change{DeleteRange, expiryDayKey(d.topic, d.day), expiryDayKey(d.topic, d.day+1)})
	}
}

// expire ends one consent, unless it is claimed or gone by now.
func (g *group) expire(e expiring) bool {
	n := g.lineAt(e.line)
	if n == nil || g.left(e.place) || !g.free(n, e.seq) {
		return false
	}
	row, there := g.get(consentKey(e.place))
	if !there {
		return false
	}
	_, expired := readTimes(row)
	g.end(n, e.seq, row, fateExpired, time.UnixMilli(expired))
	g.drop(appendExpiryKey(nil, e.topic, e.day, e.place))
	return true
}

func (g *group) lineAt(id uint64) *line {
	if n, ok := g.l.lineAt[id]; ok {
		return n
	}
	for _, n := range g.lines {
		if n.id == id {
			return n
		}
	}
	return nil
}

// leaves notes that a consent left the waiting list without a claim, for the turns behind this one.
func (g *group) leaves(p place) {
	if g.gone == nil {
		g.gone = make(map[place]bool)
	}
	g.gone[p] = true
}

// end takes a waiting consent from its list without a delivery.
func (g *group) end(n *line, seq uint64, row []byte, f fate, at time.Time) {
	p := place{n.id, seq}
	granted, expires := readTimes(row)
	e := entry{seq: seq, token: otn.TokenID(row[rowToken:rowPerson]), person: otn.PersonID(row[rowPerson:rowSealed]), fate: f, granted: granted, attempts: 1,
		first: at.UnixMilli(), at: at.UnixMilli()}
	var seen texts
	var c Candidate
	readRow(row, &c, &seen)
	g.remove(consentKey(p))
	g.unindex(n, seq, c.Answers)
	g.put(endedKey(p, pageID{page: seq}), packBlock(c.Channel, []entry{e}))
	g.leaves(p)
	g.during(at).end(f, 1)
	k := g.count(n)
	k.waiting--
	k.days[dayOf(time.UnixMilli(expires))]--
	if f == fateExpired {
		k.counts.Expired++
	} else {
		k.counts.Withdrawn++
	}
}
