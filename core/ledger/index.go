// Indexes by answer: made for the answers that a loaded rule compares, kept with every grant and every end, made good for
// those who waited before, and used only once that is done and durable.

package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"

	"github.com/onetimenotify/otn/core/otn"
)

// Indexed names an index: one answer of the consents of one topic.
type Indexed struct{ Topic, Answer string }

// index is one of them. It does not change.
type index struct {
	Indexed
	id    uint64
	below uint64 // who was granted from here on was indexed at the grant
	walk  uint64 // makes it good for those before; when it has ended, the index is complete
}

// indexes are all there are, with the walks that make some of them good. They are replaced, never changed.
type indexes struct {
	by    map[string][]*index // by topic
	walks map[uint64]place    // how far each has come
}

func (s *indexes) complete(x *index) bool {
	_, walking := s.walks[x.walk]
	return !walking
}

func packIndex(x *index) []byte {
	b := appendText(appendText([]byte{rowVersion}, x.Topic), x.Answer)
	return binary.AppendUvarint(binary.AppendUvarint(b, x.below), x.walk)
}

func (l *Ledger) loadIndex(key, value []byte) error {
	x := &index{id: numberOf(key)}
	r := reader{b: value}
	r.byte()
	x.Topic, x.Answer = r.text(), r.text()
	x.below, x.walk = r.uvarint(), r.uvarint()
	l.indexes.by[x.Topic] = append(l.indexes.by[x.Topic], x)
	l.numbers = max(l.numbers, x.id)
	return r.fault()
}

func (l *Ledger) loadWalk(key, value []byte) error {
	r := reader{b: value}
	l.indexes.walks[numberOf(key)] = r.place()
	return r.fault()
}

// Index says which indexes by answer are wanted from now on. New ones are kept from then on and made good by Backfill;
// those not named are dropped. It is durable when it returns.
func (l *Ledger) Index(ctx context.Context, wanted []Indexed) error {
	size := 64 + 64*len(wanted)
	if err := l.do(ctx, &turn{size: size, build: func(g *group) error { g.want(wanted); return nil }}); err != nil {
		return fmt.Errorf("ledger: index: %w", err)
	}
	return nil
}

// want makes the indexes those that are wanted, and changes nothing where they are.
func (g *group) want(wanted []Indexed) {
	missing := make(map[Indexed]bool, len(wanted))
	for _, w := range wanted {
		missing[w] = true
	}
	now := &indexes{make(map[string][]*index), g.indexes().walks}
	changed := false
	for _, list := range g.indexes().by {
		for _, x := range list {
			if missing[x.Indexed] {
				delete(missing, x.Indexed)
				now.by[x.Topic] = append(now.by[x.Topic], x)
				continue
			}
			g.drop(numberKey(spaceIndex, x.id))
			g.changes = append(g.changes, Change{DeleteRange, numberKey(spaceAnswer, x.id), after(numberKey(spaceAnswer, x.id))})
			changed = true
		}
	}
	walk := uint64(0)
	for _, w := range wanted {
		if !missing[w] {
			continue
		}
		delete(missing, w)
		g.numbers++
		x := &index{Indexed: w, id: g.numbers, below: g.next}
		if !g.empty(w.Topic) {
			if walk == 0 {
				g.numbers++
				walk = g.numbers
			}
			x.walk = walk
		}
		now.by[w.Topic] = append(now.by[w.Topic], x)
		g.set(numberKey(spaceIndex, x.id), packIndex(x))
		changed = true
	}
	if walk != 0 {
		now.walks = g.walked(walk, place{}, false)
	}
	if changed {
		g.indexed = now
	}
}

// empty reports that nobody waits for a topic, and nobody is claimed, for certain.
func (g *group) empty(topic string) bool {
	for n := range g.tally {
		if n.Topic == topic {
			return false
		}
	}
	t, ok := g.l.topics[topic]
	return !ok || t.counts.Waiting+t.counts.Claimed == 0
}

// walked notes how far a walk has come.
func (g *group) walked(walk uint64, at place, ended bool) map[uint64]place {
	walks := maps.Clone(g.indexes().walks)
	if ended {
		delete(walks, walk)
		g.drop(numberKey(spaceWalk, walk))
		return walks
	}
	walks[walk] = at
	g.set(numberKey(spaceWalk, walk), packPlace(nil, at))
	return walks
}

// indexes are those of all topics, as this group leaves them.
func (g *group) indexes() *indexes {
	if g.indexed != nil {
		return g.indexed
	}
	return g.l.indexes
}

// index adds a consent that waits from now on to the indexes of its topic; unindex takes one out that waits no more.
func (g *group) index(n *line, seq uint64, answers []otn.Named) {
	for _, x := range g.indexes().by[n.Topic] {
		v, given := answerNamed(answers, x.Answer)
		g.set(appendAnswerKey(make([]byte, 0, 32), x.id, place{n.id, seq}, v, given), nil)
	}
}

func (g *group) unindex(n *line, seq uint64, answers []otn.Named) {
	for _, x := range g.indexes().by[n.Topic] {
		v, given := answerNamed(answers, x.Answer)
		g.drop(appendAnswerKey(make([]byte, 0, 32), x.id, place{n.id, seq}, v, given))
	}
}

// unindexPacked is unindex with the answers as a row holds them.
func (g *group) unindexPacked(n *line, seq uint64, packed []byte) {
	if len(g.indexes().by[n.Topic]) == 0 {
		return
	}
	g.unindex(n, seq, unpackAnswers(packed))
}

func answerNamed(answers []otn.Named, name string) (otn.Value, bool) {
	for i := range answers {
		if answers[i].Name == name {
			return answers[i].Value, true
		}
	}
	return otn.Value{}, false
}

// packedAnswers is the part of a row that holds its answers, nil where there are none. It is lent from the row.
func packedAnswers(row []byte) []byte {
	flags := row[rowFlags]
	if flags&flagAnswers == 0 {
		return nil
	}
	r := reader{b: row[rowSealed:]}
	r.counted()
	r.uvarint()
	r.uvarint()
	r.counted()
	r.counted()
	for _, part := range [...]struct {
		flag    byte
		numbers int
		texts   int
	}{{flagPrice, 1, 1}, {flagZone, 0, 2}, {flagAsk, 0, 1}, {flagRef, 0, 1}} {
		if flags&part.flag == 0 {
			continue
		}
		for range part.numbers {
			r.uvarint()
		}
		for range part.texts {
			r.counted()
		}
	}
	return r.b
}

func unpackAnswers(packed []byte) []otn.Named {
	if len(packed) == 0 {
		return nil
	}
	var c Candidate
	readAnswers(&reader{b: packed}, &c, &texts{})
	return c.Answers
}

// How many consents are indexed in one turn, and how many rows are looked at for that: nobody else writes meanwhile.
const (
	backfillAtOnce = 1000
	backfillLook   = 10_000
)

// Backfill makes indexes good for some of those who waited before they were wanted, and reports whether there is more to do.
// What a crash interrupts goes on where it was.
func (l *Ledger) Backfill(ctx context.Context) (more bool, err error) {
	if !l.backfills() {
		return false, nil
	}
	if err := l.do(ctx, &turn{size: 40 * backfillAtOnce, build: (*group).backfill}); err != nil {
		return false, fmt.Errorf("ledger: backfill: %w", err)
	}
	return l.backfills(), nil
}

func (l *Ledger) backfills() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.indexes.walks) > 0
}

// backfill does the next part of the oldest walk, for all indexes that were wanted with it. Earlier turns of this group are
// on no disk yet: whom they grant they have indexed, and whom they end is passed over.
func (g *group) backfill() error {
	all := g.indexes()
	walk, found := uint64(0), false
	for id := range g.l.indexes.walks { // not one of this group: whom it granted before that is on no disk yet
		if _, goesOn := all.walks[id]; goesOn && (!found || id < walk) {
			walk, found = id, true
		}
	}
	if !found {
		return nil
	}
	at, ended := all.walks[walk], true
	looked, added := 0, 0
	var c Candidate
	var seen texts
	bad := false
	err := g.l.engine.Scan(behind(consentKey(at)), []byte{spaceConsent + 1}, func(key, row []byte) bool {
		if looked == backfillLook || added >= backfillAtOnce {
			ended = false
			return false
		}
		r := reader{b: key[1:]}
		at = place{r.ord(), r.ord()}
		n := g.lineAt(at.line)
		if bad = !r.done() || n == nil; bad {
			return false
		}
		looked++
		for _, x := range all.by[n.Topic] {
			if x.walk != walk || at.seq >= x.below || g.left(at) || g.removed(key) {
				continue
			}
			if bad = !readRow(row, &c, &seen); bad {
				return false
			}
			v, given := answerNamed(c.Answers, x.Answer)
			g.set(appendAnswerKey(make([]byte, 0, 32), x.id, at, v, given), nil)
			added++
		}
		return true
	})
	if err == nil && bad {
		err = errDamaged
	}
	if err != nil {
		g.err = err // some changes may be in the group
		return err
	}
	g.indexed = &indexes{all.by, g.walked(walk, at, ended)}
	return nil
}

// removed reports whether a turn of this group deleted a row.
func (g *group) removed(key []byte) bool {
	r, known := g.known[string(key)]
	return known && !r.there
}

// HasIndex reports whether an index by answer is complete, so that Range can use it.
func (l *Ledger) HasIndex(of Indexed) bool {
	_, ok := l.indexOf(of)
	return ok
}

func (l *Ledger) indexOf(of Indexed) (*index, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, x := range l.indexes.by[of.Topic] {
		if x.Answer == of.Answer {
			return x, l.indexes.complete(x)
		}
	}
	return nil, false
}
