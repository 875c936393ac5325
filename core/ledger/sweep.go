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
				if g.expire(e, now) {
					n++
				}
			}
			for _, d := range emptied {
				g.changes = append(g.changes, Change{DeleteRange, expiryDayKey(d.topic, d.day), expiryDayKey(d.topic, d.day+1)})
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

// expired finds consents that are due, topic by topic, and days of the past on which nobody is left.
func (l *Ledger) expired(now time.Time, limit int) (due, emptied []expiring, err error) {
	today := dayOf(now)
	for _, t := range l.topicsBy() {
		from := expiryDayKey(t.id, 0)
		err = l.engine.Scan(from, expiryDayKey(t.id, today+1), func(key, _ []byte) bool {
			topic, d, at, ok := readExpiryKey(key)
			if !ok {
				return true
			}
			if t.living[d] == 0 {
				if k := len(emptied); d < today && (k == 0 || emptied[k-1].topic != topic || emptied[k-1].day != d) {
					emptied = append(emptied, expiring{topic: topic, day: d})
				}
				return true
			}
			due = append(due, expiring{topic, d, at})
			return true
		})
		if err != nil {
			return nil, nil, err
		}
	}
	due, err = l.reallyExpired(due, now, limit)
	return due, emptied, err
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

// reallyExpired keeps those whose row is there and says so to the millisecond.
func (l *Ledger) reallyExpired(due []expiring, now time.Time, limit int) ([]expiring, error) {
	keys := make([][]byte, len(due))
	for i := range due {
		keys[i] = consentKey(due[i].place)
	}
	var out []expiring
	err := l.engine.Get(keys, func(i int, v []byte) {
		if len(v) < rowSealed || len(out) >= limit {
			return
		}
		if _, expires := readTimes(v); expires <= now.UnixMilli() {
			out = append(out, due[i])
		}
	})
	return out, err
}

// expire ends one consent, unless it is claimed or gone by now.
func (g *group) expire(e expiring, now time.Time) bool {
	n := g.lineAt(e.line)
	if n == nil || g.left(e.place) || !g.free(n, e.seq) {
		return false
	}
	row, there := g.get(consentKey(e.place))
	if !there {
		return false
	}
	g.end(n, e.seq, row, fateExpired, now)
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

// end takes a waiting consent from its list without a delivery.
func (g *group) end(n *line, seq uint64, row []byte, f fate, at time.Time) {
	p := place{n.id, seq}
	granted, expires := readTimes(row)
	e := entry{seq: seq, token: otn.TokenID(row[rowToken:rowPerson]), person: otn.PersonID(row[rowPerson:rowSealed]), fate: f, granted: granted, attempts: 1}
	if !at.IsZero() {
		e.at, e.first = at.UnixMilli(), at.UnixMilli()
	}
	var seen texts
	var c Candidate
	readRow(row, &c, &seen)
	g.remove(consentKey(p))
	g.put(endedKey(p, pageID{page: seq}), packBlock(c.Channel, []entry{e}))
	if g.gone == nil {
		g.gone = make(map[place]bool)
	}
	g.gone[p] = true
	k := g.count(n)
	k.waiting--
	k.days[dayOf(time.UnixMilli(expires))]--
	if f == fateExpired {
		k.counts.Expired++
	} else {
		k.counts.Withdrawn++
	}
}
