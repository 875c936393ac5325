// Ranges of a waiting list: the few who may be meant by one answer, oldest first, found without a look at the others.

package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Range yields what Scan yields, in the same order, but only of those who are inside of in. It reads them through the index
// by answer. found says whether that was possible: not where there is no index that is complete, nor where more than most
// are inside; then nothing was yielded, and the line is to be scanned. last is the last one looked at.
func (l *Ledger) Range(of Line, in otn.AnswerRange, after, below uint64, most int, now time.Time, yield func(*Candidate) bool) (last uint64, done, found bool, err error) {
	n := l.lineOf(of)
	x, complete := l.indexOf(Indexed{of.Topic, in.Answer})
	switch {
	case !complete:
		return after, false, false, nil
	case n == nil || below <= after+1:
		return after, true, true, nil
	}
	l.mu.RLock()
	open := append([]*openClaim(nil), n.open...)
	l.mu.RUnlock()
	seqs, found, err := l.inside(x.id, n.id, in, after, below, most)
	if err == nil && found {
		last, done, err = l.those(n, seqs, open, after, now, yield)
	}
	if err != nil {
		return last, false, false, fmt.Errorf("ledger: range of %s by %s: %w", of.Topic, in.Answer, err)
	}
	return last, done, found, nil
}

// inside finds the places in a range, in order; not found when more than most rows of the index are in it.
func (l *Ledger) inside(index, line uint64, in otn.AnswerRange, after, below uint64, most int) (seqs []uint64, found bool, err error) {
	looked, bad := 0, false
	for _, part := range answerParts(index, line, in) {
		err := l.engine.Scan(part.from, part.to, func(key, _ []byte) bool {
			if looked++; looked > most {
				return false
			}
			_, at, ok := readAnswerKey(key)
			if at.seq > after && at.seq < below {
				seqs = append(seqs, at.seq)
			}
			bad = !ok
			return ok
		})
		switch {
		case err != nil:
			return nil, false, err
		case bad:
			return nil, false, errDamaged
		case looked > most:
			return nil, false, nil
		}
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), true, nil
}

// keyRange is from <= key < to.
type keyRange struct{ from, to []byte }

// answerParts are the parts of an index that a range takes in.
func answerParts(index, line uint64, in otn.AnswerRange) []keyRange {
	prefix := appendAnswerLine(nil, index, line)
	key := func(class ...byte) []byte { return append(slices.Clone(prefix), class...) }
	section := orderedSection(slices.Clone(prefix), in.Type, in.Currency)
	parts := []keyRange{{key(orderAbsent + 1), section}, {after(section), key(orderEnd)}} // whoever cannot be compared
	if in.Absent {
		parts = append(parts, keyRange{key(orderAbsent), key(orderAbsent + 1)})
	}
	for _, s := range in.Spans {
		p := keyRange{section, after(section)}
		if in.Type == otn.String && s.Low != s.High {
			s = otn.Span{} // texts are in no order
		}
		if s.Low != (otn.Value{}) {
			p.from = appendOrdered(key(), s.Low, true)
		}
		if s.High != (otn.Value{}) {
			p.to = after(appendOrdered(key(), s.High, true))
		}
		parts = append(parts, p)
	}
	return slices.DeleteFunc(parts, func(p keyRange) bool { return string(p.from) >= string(p.to) })
}

// rangeAtOnce is how many rows of consents are read together.
const rangeAtOnce = 256

// those yields the waiting consents at places, in their order.
func (l *Ledger) those(n *line, seqs []uint64, open []*openClaim, after uint64, now time.Time, yield func(*Candidate) bool) (last uint64, done bool, err error) {
	c := Candidate{Consent: otn.Consent{Topic: n.Topic, Subject: n.Subject}}
	var seen texts
	last, done = after, true
	bad := false
	for some := range slices.Chunk(seqs, rangeAtOnce) {
		keys := make([][]byte, len(some))
		for i, seq := range some {
			keys[i] = consentKey(place{n.id, seq})
		}
		err := l.engine.Get(keys, func(i int, v []byte) {
			if !done || bad {
				return
			}
			if bad = !readRow(v, &c, &seen); bad {
				return
			}
			last, c.Seq = some[i], some[i]
			if c.ExpiresAt.After(now) && !claimed(open, c.Seq) {
				done = yield(&c)
			}
		})
		if err == nil && bad {
			err = errDamaged
		}
		if err != nil || !done {
			return last, false, err
		}
	}
	return last, done, nil
}
