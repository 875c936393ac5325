// Indexes by answer: made for the answers that a loaded rule compares, kept with every grant and every end, made good for
// those who waited before, and used only once that is done and durable.

package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/core/otn"
)

// Indexed names an index: one answer of the consents of one topic.
type Indexed struct{ Topic, Answer string }

// index is one of them. It changes only by being replaced.
type index struct {
	Indexed
	id       uint64
	below    uint64 // who was granted from here on was indexed at the grant
	at       place  // of those before, how far they are indexed
	complete bool
}

func packIndex(x *index) []byte {
	b := appendText(appendText([]byte{rowVersion}, x.Topic), x.Answer)
	b = append(b, byte(truth(x.complete)))
	for _, n := range [...]uint64{x.below, x.at.line, x.at.seq} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (l *Ledger) loadIndex(key, value []byte) error {
	x := &index{id: numberOf(key)}
	r := reader{b: value}
	r.byte()
	x.Topic, x.Answer = r.text(), r.text()
	x.complete = r.byte() != 0
	x.below, x.at = r.uvarint(), place{r.uvarint(), r.uvarint()}
	l.indexes[x.Topic] = append(l.indexes[x.Topic], x)
	l.numbers = max(l.numbers, x.id)
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
	kept, changed := make(map[string][]*index), false
	for _, list := range g.indexes() {
		for _, x := range list {
			if slices.Contains(wanted, x.Indexed) {
				kept[x.Topic] = append(kept[x.Topic], x)
				continue
			}
			g.drop(numberKey(spaceIndex, x.id))
			g.changes = append(g.changes, Change{DeleteRange, numberKey(spaceAnswer, x.id), after(numberKey(spaceAnswer, x.id))})
			changed = true
		}
	}
	for _, w := range wanted {
		if slices.ContainsFunc(kept[w.Topic], func(x *index) bool { return x.Answer == w.Answer }) {
			continue
		}
		g.numbers++
		x := &index{Indexed: w, id: g.numbers, below: g.next}
		kept[w.Topic] = append(kept[w.Topic], x)
		g.set(numberKey(spaceIndex, x.id), packIndex(x))
		changed = true
	}
	if changed {
		g.indexed = kept
	}
}

// indexes are those of all topics, as this group leaves them.
func (g *group) indexes() map[string][]*index {
	if g.indexed != nil {
		return g.indexed
	}
	return g.l.indexes
}

// index adds a consent that waits from now on to the indexes of its topic; unindex takes one out that waits no more.
func (g *group) index(n *line, seq uint64, answers []otn.Named) {
	for _, x := range g.indexes()[n.Topic] {
		v, given := answerNamed(answers, x.Answer)
		g.set(appendAnswerKey(make([]byte, 0, 32), x.id, place{n.id, seq}, v, given), nil)
	}
}

func (g *group) unindex(n *line, seq uint64, answers []otn.Named) {
	for _, x := range g.indexes()[n.Topic] {
		v, given := answerNamed(answers, x.Answer)
		g.drop(appendAnswerKey(make([]byte, 0, 32), x.id, place{n.id, seq}, v, given))
	}
}

// unindexPacked is unindex with the answers as a row holds them.
func (g *group) unindexPacked(n *line, seq uint64, packed []byte) {
	if len(g.indexes()[n.Topic]) == 0 {
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

// Backfill makes an index good for some of those who waited before it was wanted, and reports whether there is more to do.
// What a crash interrupts goes on where it was.
func (l *Ledger) Backfill(ctx context.Context) (more bool, err error) {
	if !l.Backfills() {
		return false, nil
	}
	if err := l.do(ctx, &turn{size: 40 * backfillAtOnce, build: (*group).backfill}); err != nil {
		return false, fmt.Errorf("ledger: backfill: %w", err)
	}
	return l.Backfills(), nil
}

// Backfills reports whether an index is not made good yet.
func (l *Ledger) Backfills() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return unfinished(l.indexes) != nil
}

// unfinished is the oldest index that is not complete.
func unfinished(all map[string][]*index) (first *index) {
	for _, list := range all {
		for _, x := range list {
			if !x.complete && (first == nil || x.id < first.id) {
				first = x
			}
		}
	}
	return first
}

// backfill does the next part of the oldest index that is not complete. Earlier turns of this group are on no disk yet:
// whom they grant they have indexed, and whom they end is passed over.
func (g *group) backfill() error {
	x := unfinished(g.indexes())
	if x == nil {
		return nil
	}
	next := *x
	next.complete = true
	looked, added := 0, 0
	bad := false
	var c Candidate
	var seen texts
	err := g.l.engine.Scan(behind(consentKey(x.at)), []byte{spaceConsent + 1}, func(key, row []byte) bool {
		if looked == backfillLook || added == backfillAtOnce {
			next.complete = false
			return false
		}
		r := reader{b: key[1:]}
		at := place{r.ord(), r.ord()}
		n := g.lineAt(at.line)
		if bad = !r.done() || n == nil || !readRow(row, &c, &seen); bad {
			return false
		}
		looked++
		next.at = at
		if n.Topic == x.Topic && at.seq < x.below && !g.left(at) {
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
	g.set(numberKey(spaceIndex, x.id), packIndex(&next))
	g.replace(x, &next)
	return nil
}

// replace puts a new state of an index in the place of the old one.
func (g *group) replace(old, new *index) {
	all := make(map[string][]*index, len(g.indexes()))
	for topic, list := range g.indexes() {
		all[topic] = list
		if i := slices.Index(list, old); i >= 0 {
			all[topic] = slices.Clone(list)
			all[topic][i] = new
		}
	}
	g.indexed = all
}

// HasIndex reports whether an index by answer is complete, so that Range can use it.
func (l *Ledger) HasIndex(of Indexed) bool {
	_, ok := l.indexOf(of)
	return ok
}

func (l *Ledger) indexOf(of Indexed) (*index, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, x := range l.indexes[of.Topic] {
		if x.Answer == of.Answer {
			return x, x.complete
		}
	}
	return nil, false
}
