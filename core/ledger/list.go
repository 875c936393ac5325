// Consents, listed in the order in which they were granted: all, of a topic, or of one line. A page reads a bounded number of rows.

package ledger

import (
	"bytes"
	"fmt"
	"math"
	"slices"
)

// ConsentQuery says which consents to list. The zero query lists all.
type ConsentQuery struct {
	Topic   string
	Subject string // empty: all subjects
	State   State  // empty: all states
	Cursor  uint64 // behind this Seq
	Limit   int
}

// Consents lists consents by their Seq, that is in the order in which they were granted. next is the cursor to go on
// with, 0 at the end. One call looks at no more than a bounded number of rows: it can return fewer than Limit, or none, with a next.
func (l *Ledger) Consents(q ConsentQuery) (out []Consent, next uint64, err error) {
	list := l.consents
	n, one := l.lineAsked(q)
	switch {
	case l.nobody(q):
		return nil, 0, nil
	case one && n == nil:
		return nil, 0, nil
	case one:
		list = func(q ConsentQuery) ([]Consent, uint64, error) { return l.consentsOf(n, q) }
	}
	out, next, err = list(q)
	if err != nil {
		return nil, 0, fmt.Errorf("ledger: consents: %w", err)
	}
	return out, next, nil
}

// lineAsked is the one line that a query is about: of a subject, or of a topic that has no subjects.
func (l *Ledger) lineAsked(q ConsentQuery) (n *line, one bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if q.Topic != "" && q.Subject != "" {
		return l.lines[Line{q.Topic, q.Subject}], true
	}
	if t := l.topics[q.Topic]; t != nil && len(t.lines) == 1 {
		return t.lines[0], true
	}
	return nil, false
}

// nobody reports whether the counts say that nothing can match.
func (l *Ledger) nobody(q ConsentQuery) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	n := int64(0)
	for name, t := range l.topics {
		c := &t.counts
		if q.Topic == "" || q.Topic == name {
			n += map[State]int64{
				Waiting: c.Waiting, Claimed: c.Claimed, Spent: c.Sent, Ended: c.Refused, Doubtful: c.Unknown, Expired: c.Expired, Withdrawn: c.Withdrawn,
				"": c.Waiting + c.Claimed + c.Sent + c.Refused + c.Unknown + c.Expired + c.Withdrawn,
			}[q.State]
		}
	}
	return n == 0
}

// How many rows of the journal one call of Consents looks at, and how many at once.
const (
	consentsLook = 2000
	placesAtOnce = 250
)

func (l *Ledger) consents(q ConsentQuery) (out []Consent, next uint64, err error) {
	blocks := blocks{l: l, read: make(map[place]map[uint64]ended)}
	for range consentsLook / placesAtOnce {
		places, last, err := l.granted(q, placesAtOnce)
		if err != nil {
			return nil, 0, err
		}
		rows, err := l.livingRows(places)
		if err != nil {
			return nil, 0, err
		}
		for i, at := range places {
			c, ok, err := l.stands(at, rows[i], &blocks, q.State)
			if err != nil {
				return nil, 0, err
			}
			if ok {
				out = append(out, c)
			}
			if len(out) >= q.Limit {
				return out, at.seq, nil
			}
		}
		if last == 0 {
			return out, 0, nil
		}
		q.Cursor = last
	}
	return out, q.Cursor, nil
}

// granted reads from the journal where the consents of a query stand; last is 0 at the end.
func (l *Ledger) granted(q ConsentQuery, look int) (places []place, last uint64, err error) {
	looked := 0
	err = l.engine.Scan(numberKey(spaceJournal, q.Cursor+1), []byte{spaceJournal + 1}, func(key, v []byte) bool {
		if looked++; looked > look {
			return false
		}
		last = numberOf(key)
		r := reader{b: v}
		if r.byte() != journalGrant {
			return true
		}
		r.byte()
		r.uvarint()
		n := l.lineByID(r.uvarint())
		if n != nil && (q.Topic == "" || n.Topic == q.Topic) && (q.Subject == "" || n.Subject == q.Subject) {
			places = append(places, place{n.id, last})
		}
		return true
	})
	if looked <= look {
		last = 0
	}
	return places, last, err
}

// livingRows reads the rows of those that wait or are claimed, nil for others.
func (l *Ledger) livingRows(places []place) ([][]byte, error) {
	keys, order := make([][]byte, len(places)), make([]int, len(places))
	for i, at := range places {
		keys[i], order[i] = consentKey(at), i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	sorted := make([][]byte, len(keys))
	for i, k := range order {
		sorted[i] = keys[k]
	}
	rows := make([][]byte, len(places))
	err := l.engine.Get(sorted, func(i int, v []byte) { rows[order[i]] = slices.Clone(v) })
	return rows, err
}

// stands reads a consent where it stands, unless it is in another state than is asked for. row is nil for one that has left.
func (l *Ledger) stands(at place, row []byte, gone *blocks, state State) (c Consent, ok bool, err error) {
	lives := state == Waiting || state == Claimed
	switch {
	case row == nil && lives, row != nil && state != "" && !lives:
		return c, false, nil
	case row != nil:
		c, ok, err = l.living(at, row)
	default:
		e, there, err := gone.find(at)
		switch {
		case err != nil || there && state != "" && e.fate.state() != state:
			return c, false, err
		case there:
			c, ok, err = l.left(&e)
		default: // it moved between two reads
			c, ok, err = l.consentAt(at)
		}
		return c, ok && (state == "" || c.State == state), err
	}
	return c, ok && (state == "" || c.State == state), err
}

// blocks are the blocks of consents that left, each read once however many runs share it.
type blocks struct {
	l    *Ledger
	read map[place]map[uint64]ended // by line and number of the block
}

func (b *blocks) find(at place) (e ended, ok bool, err error) {
	of := place{at.line, at.seq >> blockBits}
	have, known := b.read[of]
	if !known {
		have = make(map[uint64]ended)
		err = b.l.all(blockKey(at), func(key, v []byte) error {
			_, block, id, good := readEndedKey(key)
			good = good && readBlock(v, block, func(channel string, e *entry) bool {
				have[e.seq] = ended{entry: *e, pageID: id, line: at.line, channel: channel}
				return true
			})
			if !good {
				return errDamaged
			}
			return nil
		})
		b.read[of] = have
	}
	e, ok = have[at.seq]
	return e, ok, err
}

// found is a consent of a line that was read: its row while it lives, else what is left of it.
type found struct {
	seq  uint64
	row  []byte
	left ended
}

// consentsOf lists the consents of one line: those that live and those that left lie apart, each in order.
func (l *Ledger) consentsOf(n *line, q ConsentQuery) (out []Consent, next uint64, err error) {
	lives := q.State == Waiting || q.State == Claimed
	var all, left []found
	var behind uint64
	border := uint64(math.MaxUint64) // up to where both have been read
	if q.State == "" || lives {
		if all, border, err = l.livingOf(n, q); err != nil {
			return nil, 0, err
		}
	}
	if !lives {
		if left, behind, err = l.leftOf(n, q); err != nil {
			return nil, 0, err
		}
		all, border = append(all, left...), min(border, behind)
	}
	slices.SortStableFunc(all, func(a, b found) int { return compareSeq(a.seq, b.seq) })
	for i, f := range all {
		if f.seq > border {
			break
		}
		if i > 0 && all[i-1].seq == f.seq {
			continue // it left between the two reads, and is told as it was
		}
		if f.row == nil && q.State != "" && f.left.fate.state() != q.State {
			continue
		}
		c, ok, err := l.show(place{n.id, f.seq}, &f)
		if err != nil {
			return nil, 0, err
		}
		if ok && (q.State == "" || c.State == q.State) {
			out = append(out, c)
		}
		if len(out) >= q.Limit {
			return out, f.seq, nil
		}
	}
	if border == math.MaxUint64 {
		border = 0
	}
	return out, border, nil
}

func (l *Ledger) show(at place, f *found) (Consent, bool, error) {
	if f.row != nil {
		return l.living(at, f.row)
	}
	return l.left(&f.left)
}

// livingOf reads up to a page of those of a line that wait or are claimed. border is where more may follow.
func (l *Ledger) livingOf(n *line, q ConsentQuery) (out []found, border uint64, err error) {
	prefix := numberKey(spaceConsent, n.id)
	border = math.MaxUint64
	err = l.engine.Scan(consentKey(place{n.id, q.Cursor + 1}), after(prefix), func(key, v []byte) bool {
		seq, ok := readSeq(key, len(prefix))
		if !ok {
			return true
		}
		out = append(out, found{seq: seq, row: slices.Clone(v)})
		if len(out) >= max(q.Limit, placesAtOnce) {
			border = seq
		}
		return border == math.MaxUint64
	})
	return out, border, err
}

// leftOf reads what is left of those of a line that are in none of its lists any more: whole blocks, as they overlap.
func (l *Ledger) leftOf(n *line, q ConsentQuery) (out []found, border uint64, err error) {
	border = math.MaxUint64
	good, enough := true, max(q.Limit, placesAtOnce)
	if q.State != "" {
		enough = consentsLook
	}
	err = l.engine.Scan(blockKey(place{n.id, q.Cursor + 1}), after(numberKey(spaceEnded, n.id)), func(key, v []byte) bool {
		_, block, id, ok := readEndedKey(key)
		if good = ok; !good {
			return false
		}
		if first := block << blockBits; len(out) >= enough && first > out[len(out)-1].seq|(1<<blockBits-1) {
			border = first - 1
			return false
		}
		good = readBlock(v, block, func(channel string, e *entry) bool {
			if e.seq > q.Cursor {
				out = append(out, found{seq: e.seq, left: ended{entry: *e, pageID: id, line: n.id, channel: channel}})
			}
			return true
		})
		return good
	})
	if err == nil && !good {
		err = errDamaged
	}
	return out, border, err
}
