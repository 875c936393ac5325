// Reading documents, the journal and timers.

package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// Doc reads the document under a key.
func (l *Ledger) Doc(key string) (Doc, bool, error) {
	v, there, err := l.get(docKey(key))
	if err != nil {
		return Doc{}, false, fmt.Errorf("ledger: doc %q: %w", key, err)
	}
	if !there {
		return Doc{Key: key}, false, nil
	}
	return readDoc(key, v), true, nil
}

func readDoc(key string, v []byte) Doc {
	r := reader{b: v}
	rev := r.uvarint()
	return Doc{Key: key, Rev: rev, Value: append([]byte{}, r.b...)}
}

// Docs lists the documents whose keys begin with prefix and sort behind after, in the order of their keys.
func (l *Ledger) Docs(prefix, after string, limit int) ([]Doc, error) {
	from, to := docKey(prefix), endOf(docKey(prefix))
	if behindAfter := behind(docKey(after)); after != "" && string(behindAfter) > string(from) {
		from = behindAfter
	}
	var out []Doc
	err := l.engine.Scan(from, to, func(key, v []byte) bool {
		if len(out) >= limit {
			return false
		}
		out = append(out, readDoc(string(key[1:]), v))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: docs %q: %w", prefix, err)
	}
	return out, nil
}

// endOf is the end of the rows under a prefix.
func endOf(prefix []byte) []byte { return after(prefix) }

// Journal lists the entries with Seq > after, oldest first. What is written and not yet on disk is not shown.
func (l *Ledger) Journal(after uint64, limit int) ([]Entry, error) {
	var out []Entry
	var bad error
	head := l.Head()
	if after >= head { // the number behind the largest is 0
		return nil, nil
	}
	err := l.engine.Scan(numberKey(spaceJournal, after+1), numberKey(spaceJournal, head+1), func(key, v []byte) bool {
		if len(out) >= limit {
			return false
		}
		var e Entry
		e, bad = l.readEntry(numberOf(key), v)
		out = append(out, e)
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: journal behind %d: %w", after, err)
	}
	return out, nil
}

func (l *Ledger) readEntry(seq uint64, v []byte) (Entry, error) {
	r := reader{b: v}
	if r.byte() == journalGrant {
		return l.readGrantEntry(seq, &r)
	}
	e := Entry{Seq: seq, Rev: seq - r.uvarint(), At: r.time(), Kind: r.text()}
	e.Body = slices.Clone(r.b)
	if r.bad {
		return e, errDamaged
	}
	return e, nil
}

func (l *Ledger) readGrantEntry(seq uint64, r *reader) (Entry, error) {
	body := GrantBody{First: r.byte() != 0}
	e := Entry{Seq: seq, Kind: GrantEntry, Rev: seq - r.uvarint()}
	n := l.lineByID(r.uvarint())
	e.At = time.UnixMilli(r.varint()).UTC()
	copy(body.Token[:], r.bytes(tokenSize))
	if n == nil || !r.done() {
		return e, errDamaged
	}
	body.Topic, body.Subject = n.Topic, n.Subject
	var err error
	e.Body, err = json.Marshal(body)
	return e, err
}

// Due lists the timers that are due at now, earliest first.
func (l *Ledger) Due(now time.Time, limit int) ([]Timer, error) {
	out, err := l.timers(timerEnd(now), limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: due: %w", err)
	}
	return out, nil
}

// timerEnd is behind every timer that is due at t.
func timerEnd(t time.Time) []byte {
	if n := instant(t); n < math.MaxUint64 {
		return binary.BigEndian.AppendUint64([]byte{spaceTimer}, n+1)
	}
	return []byte{spaceTimer + 1}
}

// NextDue is when the earliest timer is due; not ok when there is none.
func (l *Ledger) NextDue() (time.Time, bool, error) {
	next, err := l.timers([]byte{spaceTimer + 1}, 1)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("ledger: next due: %w", err)
	}
	if len(next) == 0 {
		return time.Time{}, false, nil
	}
	return next[0].Due, true, nil
}

// TimerChange is a timer that was set, or deleted.
type TimerChange struct {
	Timer
	Gone bool // it was deleted: of Timer the TimerID alone is there
}

// maxMoved is how many changes of timers are remembered for who asks.
const maxMoved = 20_000

// timerSet makes a new timer's key one from which scans begin. This and timerGone are for TimersChanged; under mu, once it is written.
func (l *Ledger) timerSet(key []byte, t Timer) {
	if bytes.Compare(key, l.noTimers) < 0 {
		l.noTimers = key
	}
	l.timerMoved(key, TimerChange{Timer: t})
}

func (l *Ledger) timerGone(key []byte) { l.timerMoved(key, TimerChange{Gone: true}) }

// timerMoved remembers a change, with the moment as Due gives it: to the resolution of the disk, and in UTC.
func (l *Ledger) timerMoved(key []byte, c TimerChange) {
	if len(l.moved) > maxMoved {
		return
	}
	c.TimerID, _ = readTimerKey(key)
	l.moved = append(l.moved, c)
}

// TimersChanged gives the timers that were set and deleted since it was asked before, in order; all is false when there were too many
// to remember, and Due has to be asked.
func (l *Ledger) TimersChanged() (list []TimerChange, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, l.moved = l.moved, nil
	if len(list) > maxMoved {
		return nil, false
	}
	return list, true
}

// noTimersBelow notes that a scan found none below a key, while nobody wrote.
func (l *Ledger) noTimersBelow(key []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noTimers = key
}

// timers lists those whose batch is known in memory too: who works on one finds the consents that it is about.
func (l *Ledger) timers(end []byte, limit int) ([]Timer, error) {
	l.writing.RLock()
	defer l.writing.RUnlock()
	l.mu.RLock()
	from := l.noTimers
	l.mu.RUnlock()
	if from == nil {
		from = []byte{spaceTimer}
	}
	if bytes.Compare(from, end) >= 0 {
		return nil, nil
	}
	out, first, err := l.timersFrom(from, end, limit)
	if err == nil && limit > 0 {
		l.noTimersBelow(first)
	}
	return out, err
}

// timersFrom reads timers, and the key of the first; end where there is none.
func (l *Ledger) timersFrom(from, end []byte, limit int) (out []Timer, first []byte, err error) {
	first = end
	bad := false
	err = l.engine.Scan(from, end, func(key, v []byte) bool {
		if len(out) >= limit {
			return false
		}
		if len(out) == 0 {
			first = slices.Clone(key)
		}
		id, ok := readTimerKey(key)
		r := reader{b: v}
		t := Timer{TimerID: id, Kind: r.text()}
		t.Body = slices.Clone(r.b)
		bad = !ok || r.bad
		out = append(out, t)
		return !bad
	})
	if err == nil && bad {
		err = errDamaged
	}
	return out, first, err
}
