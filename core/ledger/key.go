// The keys: one byte of keyspace, then what the rows are ordered by. Nobody else writes or reads a key.

package ledger

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// The keyspaces.
const (
	spaceMeta     = 'a' // name
	spaceDoc      = 'b' // text key → revision, value
	spaceJournal  = 'c' // sequence → entry
	spaceTopic    = 'd' // topic's number → name, counts
	spaceDay      = 'e' // topic's number, day → how many living consents expire on it
	spaceLine     = 'f' // line's number → topic, subject
	spaceCount    = 'g' // line's number → waiting, claimed
	spaceConsent  = 'h' // line's number, sequence → the sealed consent: waiting, or under an open claim
	spaceToken    = 'i' // token id → line's number, sequence; stays for ever, with zeroes once its person is erased
	spacePerson   = 'j' // person → the places of all their consents
	spaceExpiry   = 'k' // topic's number, day, line's number, sequence → nothing
	spaceOpen     = 'l' // run, page → a claim that is not settled
	spacePage     = 'm' // run, page → where its deliveries lie
	spaceEnded    = 'n' // line's number, block of sequences, run, page → the consents that left the waiting list, packed
	spaceTried    = 'o' // run, person → a delivery whose token is whole
	spaceDoubt    = 'p' // run, person → an unknown delivery with the sealed consent
	spaceResend   = 'q' // run, page → what its doubts would be resent with
	spaceRedo     = 'r' // run, page → members that a recovery found whole
	spaceTimer    = 's' // due, id → timer
	spaceDecision = 't' // day (newest first), person or line, moment (newest first), number → decision
	spaceIndex    = 'u' // index's number → topic, answer, which walk makes it good
	spaceAnswer   = 'v' // index's number, line's number, ordered answer, sequence → nothing
	spaceWalk     = 'w' // walk's number → how far it has come
	spaceQuarter  = 'x' // quarter of an hour → what happened in it, counted
)

const (
	runSize    = len(otn.RunID{})
	personSize = len(otn.PersonID{})
	tokenSize  = otn.TokenIDSize
)

// place is where a consent stands in the waiting lists.
type place struct {
	line uint64
	seq  uint64
}

// pageID names a page of a run.
type pageID struct {
	run  otn.RunID
	page uint64
}

func metaKey(name string) []byte { return append([]byte{spaceMeta}, name...) }
func docKey(key string) []byte   { return append([]byte{spaceDoc}, key...) }

func numberKey(space byte, n uint64) []byte { return appendOrd([]byte{space}, n) }

func dayKey(topic uint64, day uint32) []byte {
	return binary.BigEndian.AppendUint32(numberKey(spaceDay, topic), day)
}

func appendConsentKey(b []byte, p place) []byte {
	return appendOrd(appendOrd(append(b, spaceConsent), p.line), p.seq)
}

func consentKey(p place) []byte { return appendConsentKey(make([]byte, 0, 16), p) }

func tokenKey(id otn.TokenID) []byte    { return append([]byte{spaceToken}, id[:]...) }
func personKey(p otn.PersonID) []byte   { return append([]byte{spacePerson}, p[:]...) }
func runKey(s byte, r otn.RunID) []byte { return append([]byte{s}, r[:]...) }

func pageKey(space byte, p pageID) []byte { return appendOrd(runKey(space, p.run), p.page) }

func deliveryKey(space byte, id otn.DeliveryID) []byte { return append([]byte{space}, id[:]...) }

func appendExpiryKey(b []byte, topic uint64, day uint32, p place) []byte {
	b = appendOrd(append(b, spaceExpiry), topic)
	b = binary.BigEndian.AppendUint32(b, day)
	return appendOrd(appendOrd(b, p.line), p.seq)
}

// expiryDayKey is the beginning of one day of a topic; that of the next day is its end.
func expiryDayKey(topic uint64, day uint32) []byte {
	return binary.BigEndian.AppendUint32(appendOrd([]byte{spaceExpiry}, topic), day)
}

func readExpiryKey(key []byte) (topic uint64, day uint32, p place, ok bool) {
	r := reader{b: key}
	r.bad = r.byte() != spaceExpiry
	topic = r.ord()
	if d := r.bytes(4); d != nil {
		day = binary.BigEndian.Uint32(d)
	}
	p = place{r.ord(), r.ord()}
	return topic, day, p, r.done()
}

// appendAnswerLine is the beginning of one line in an index by answer.
func appendAnswerLine(b []byte, index, line uint64) []byte {
	return appendOrd(appendOrd(append(b, spaceAnswer), index), line)
}

func appendAnswerKey(b []byte, index uint64, p place, v otn.Value, given bool) []byte {
	return appendOrd(appendOrdered(appendAnswerLine(b, index, p.line), v, given), p.seq)
}

// readAnswerKey reads whose row of which index it is.
func readAnswerKey(key []byte) (index uint64, p place, ok bool) {
	r := reader{b: key}
	r.bad = r.byte() != spaceAnswer
	index, p.line = r.ord(), r.ord()
	r.ordered()
	p.seq = r.ord()
	return index, p, r.done()
}

// blockBits is how many bits of a sequence are inside a block: 1,024 numbers lie together.
const blockBits = 10

func blockKey(p place) []byte { return appendOrd(numberKey(spaceEnded, p.line), p.seq>>blockBits) }

func endedKey(p place, id pageID) []byte {
	return appendOrd(append(blockKey(p), id.run[:]...), id.page)
}

func readEndedKey(key []byte) (line, block uint64, id pageID, ok bool) {
	r := reader{b: key}
	r.bad = r.byte() != spaceEnded
	line, block = r.ord(), r.ord()
	copy(id.run[:], r.bytes(runSize))
	id.page = r.ord()
	return line, block, id, r.done()
}

func readPageKey(key []byte) (id pageID, ok bool) {
	r := reader{b: key}
	r.byte()
	copy(id.run[:], r.bytes(runSize))
	id.page = r.ord()
	return id, r.done()
}

// readSeq reads the sequence at the end of a consent's key; the line is known.
func readSeq(key []byte, prefix int) (uint64, bool) {
	if len(key) < prefix {
		return 0, false
	}
	r := reader{b: key[prefix:]}
	n := r.ord()
	return n, r.done()
}

// instant packs a moment so that earlier ones sort first. Moments outside the years 1678 to 2261 are moved to the border.
func instant(t time.Time) uint64 {
	switch {
	case t.Year() < 1678:
		return 0
	case t.Year() > 2261:
		return math.MaxUint64
	}
	return uint64(t.UnixNano()) ^ 1<<63
}

func fromInstant(n uint64) time.Time { return time.Unix(0, int64(n^1<<63)).UTC() }

func timerKey(id TimerID) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{spaceTimer}, instant(id.Due)), id.ID...)
}

func readTimerKey(key []byte) (TimerID, bool) {
	r := reader{b: key}
	r.bad = r.byte() != spaceTimer
	due := r.bytes(8)
	if r.bad {
		return TimerID{}, false
	}
	return TimerID{fromInstant(binary.BigEndian.Uint64(due)), string(r.b)}, true
}

// after is the first key behind all keys that begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// behind is the first key behind key itself.
func behind(key []byte) []byte { return append(append(make([]byte, 0, len(key)+1), key...), 0) }
