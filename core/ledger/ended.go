// What remains of consents that left the waiting list: packed in blocks of neighbours, so that a page costs a few rows.

package ledger

import (
	"encoding/binary"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// fate is how a consent left.
type fate uint8

const (
	fateUnknown fate = iota
	fateSent
	fateRefused
	fateExpired
	fateWithdrawn
	fates
)

func fateOf(o otn.Outcome) fate {
	switch o {
	case otn.Sent:
		return fateSent
	case otn.Refused:
		return fateRefused
	}
	return fateUnknown
}

func (f fate) state() State {
	return [...]State{Doubtful, Spent, Ended, Expired, Withdrawn}[f]
}

func (f fate) outcome() otn.Outcome {
	return [...]otn.Outcome{otn.Unknown, otn.Sent, otn.Refused, otn.Refused, otn.Refused}[f]
}

// entry is one consent that left, with its delivery. Times are Unix milliseconds.
type entry struct {
	seq                    uint64
	token                  otn.TokenID
	person                 otn.PersonID
	fate                   fate
	granted                int64
	attempts               int
	first, at              int64
	code, detail, provider string
}

// The flags of an entry, above its fate.
const (
	entryAgain = 1 << (iota + 3) // more than one attempt
	entryCode
	entryDetail
	entryProvider
	entryFate = 1<<3 - 1
)

// packBlock packs entries of one block, in order.
func packBlock(channel string, entries []entry) []byte {
	b := append(make([]byte, 0, 16+len(channel)+48*len(entries)), rowVersion)
	b = appendText(b, channel)
	base := entries[0].at
	b = binary.AppendVarint(b, base)
	for i := range entries {
		b = packEntry(b, &entries[i], base)
	}
	return b
}

func packEntry(b []byte, e *entry, base int64) []byte {
	flags := byte(e.fate)
	for _, f := range [...]struct {
		flag byte
		set  bool
	}{{entryAgain, e.attempts > 1}, {entryCode, e.code != ""}, {entryDetail, e.detail != ""}, {entryProvider, e.provider != ""}} {
		if f.set {
			flags |= f.flag
		}
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, e.seq&(1<<blockBits-1))
	b = append(append(b, e.token[:]...), e.person[:]...)
	b = binary.AppendVarint(b, base-e.granted)
	b = binary.AppendVarint(b, e.at-base)
	if flags&entryAgain != 0 {
		b = binary.AppendUvarint(b, uint64(e.attempts))
		b = binary.AppendVarint(b, e.at-e.first)
	}
	for _, t := range [...]string{e.code, e.detail, e.provider} {
		if t != "" {
			b = appendText(b, t)
		}
	}
	return b
}

// readBlock yields the entries of a row until yield returns false. It reports false for a row that cannot be read.
func readBlock(v []byte, block uint64, yield func(channel string, e *entry) bool) bool {
	r := reader{b: v}
	if r.byte() != rowVersion {
		return false
	}
	channel := r.text()
	base := r.varint()
	for len(r.b) > 0 {
		e := readEntry(&r, base)
		e.seq |= block << blockBits
		if r.bad {
			break
		}
		if !yield(channel, &e) {
			return true
		}
	}
	return !r.bad
}

func readEntry(r *reader, base int64) (e entry) {
	flags := r.byte()
	if e.fate = fate(flags & entryFate); e.fate >= fates {
		r.fail()
	}
	if e.seq = r.uvarint(); e.seq >= 1<<blockBits {
		r.fail()
	}
	copy(e.token[:], r.bytes(tokenSize))
	copy(e.person[:], r.bytes(personSize))
	e.granted = base - r.varint()
	e.at = base + r.varint()
	e.attempts, e.first = 1, e.at
	if flags&entryAgain != 0 {
		e.attempts = int(r.uvarint())
		e.first = e.at - r.varint()
	}
	for _, t := range [...]struct {
		flag byte
		to   *string
	}{{entryCode, &e.code}, {entryDetail, &e.detail}, {entryProvider, &e.provider}} {
		if flags&t.flag != 0 {
			*t.to = r.text()
		}
	}
	return e
}

// ended is an entry with where it was found.
type ended struct {
	entry
	pageID
	line    uint64
	channel string
}

func (e *ended) place() place { return place{e.line, e.seq} }

func (e *ended) delivery(l *Ledger) Delivery {
	d := e.entry.delivery(e.run, e.channel, e.fate.outcome())
	if n := l.lineByID(e.line); n != nil {
		d.Line = n.Line
	}
	return d
}

func (e *entry) delivery(run otn.RunID, channel string, o otn.Outcome) Delivery {
	return Delivery{ID: otn.NewDeliveryID(run, e.person), Token: e.token, Channel: channel, Outcome: o, Attempts: e.attempts,
		First: time.UnixMilli(e.first).UTC(), At: time.UnixMilli(e.at).UTC(), Code: e.code, Detail: e.detail, ProviderID: e.provider}
}

// endedAt finds what remains of a consent; of one run alone when run is given.
func (l *Ledger) endedAt(at place, run *otn.RunID) (found ended, ok bool, err error) {
	prefix := blockKey(at)
	if run != nil {
		prefix = append(prefix, run[:]...)
	}
	err = l.all(prefix, func(key, value []byte) error {
		_, block, id, good := readEndedKey(key)
		good = good && readBlock(value, block, func(channel string, e *entry) bool {
			if e.seq == at.seq {
				found, ok = ended{entry: *e, pageID: id, line: at.line, channel: channel}, true
			}
			return !ok
		})
		if !good {
			return errDamaged
		}
		return nil
	})
	return found, ok, err
}

// triedRow is a delivery whose token is whole.
type triedRow struct {
	entry
	line    uint64
	channel string
	outcome otn.Outcome
}

func packTried(t *triedRow) []byte {
	b := []byte{rowVersion, byte(t.outcome)}
	b = binary.AppendUvarint(b, t.line)
	b = binary.AppendUvarint(b, t.seq)
	b = appendText(b, t.channel)
	b = binary.AppendVarint(b, t.at)
	return packEntry(b, &t.entry, t.at)
}

func readTried(v []byte) (t triedRow, ok bool) {
	r := reader{b: v}
	if r.byte() != rowVersion {
		return t, false
	}
	t.outcome = otn.Outcome(r.byte())
	t.line = r.uvarint()
	seq := r.uvarint()
	t.channel = r.text()
	t.entry = readEntry(&r, r.varint())
	t.seq = seq
	return t, r.done()
}
