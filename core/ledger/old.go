// What is too old to be kept: entries of the journal, and what is left of consents that ended. Found in bounded pieces, and
// deleted in the batch that remembers how far somebody has come.

package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Old is a piece of what is too old, as OldEntries and OldEnded find it. A batch that holds it deletes it.
type Old struct {
	Entries  int // of the journal
	Consents int // that ended; after Commit: those of them that are deleted

	seqs   []uint64
	blocks []oldBlock
}

// oldBlock is a row of ended consents as it was read.
type oldBlock struct {
	key, value []byte
	id         pageID
	line       uint64
	entries    []entry
}

// OldEntries looks over the journal from a number on, as far as before: entries whose moment is earlier than that are too old,
// but no consent's, which goes with the consent. It looks at so many at most, and at none behind upTo. next is where to go on;
// more says that there is something to go on with now.
func (l *Ledger) OldEntries(from, upTo uint64, before time.Time, look int) (o *Old, next uint64, more bool, err error) {
	o, next = &Old{}, from
	var bad error
	err = l.engine.Scan(numberKey(spaceJournal, from), numberKey(spaceJournal, upTo+1), func(key, v []byte) bool {
		if look--; look < 0 {
			more = true
			return false
		}
		r := reader{b: v}
		if r.byte() == journalEvent {
			r.uvarint()
			at := r.time()
			if bad = nil; r.bad {
				bad = errDamaged
				return false
			}
			if !at.Before(before) {
				return false
			}
			o.seqs = append(o.seqs, numberOf(key))
		}
		next = numberOf(key) + 1
		return true
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, 0, false, fmt.Errorf("ledger: old entries: %w", err)
	}
	o.Entries = len(o.seqs)
	return o, next, more, nil
}

// OldEnded looks over what is left of consents that ended, from a cursor on ("" at the beginning): those that ended before a
// moment are too old, unless they are in doubt, or keep wants those of their run. It looks at so many at most, and a few more.
// next is the cursor to go on with, "" at the end.
func (l *Ledger) OldEnded(from string, before time.Time, look int, keep func(otn.RunID) (bool, error)) (o *Old, next string, err error) {
	o = &Old{}
	start := []byte{spaceEnded}
	if from != "" {
		start = append(start, from...)
	}
	var read []oldBlock
	good := true
	err = l.engine.Scan(start, []byte{spaceEnded + 1}, func(key, v []byte) bool {
		if look <= 0 {
			next = string(key[1:])
			return false
		}
		line, block, id, ok := readEndedKey(key)
		b := oldBlock{key: bytes.Clone(key), value: bytes.Clone(v), id: id, line: line}
		young := false
		good = ok && readBlock(v, block, func(_ string, e *entry) bool {
			young = young || e.at >= before.UnixMilli() || e.fate == fateUnknown
			b.entries = append(b.entries, *e)
			return true
		})
		if look -= max(len(b.entries), 1); !young {
			read = append(read, b)
		}
		return good
	})
	if err == nil && !good {
		err = errDamaged
	}
	for i := 0; i < len(read) && err == nil; i++ {
		kept := false
		if read[i].id.run != (otn.RunID{}) {
			kept, err = keep(read[i].id.run)
		}
		if !kept {
			o.blocks = append(o.blocks, read[i])
			o.Consents += len(read[i].entries)
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("ledger: old consents: %w", err)
	}
	return o, next, nil
}

func (p *prepared) prepareOld() error {
	for _, o := range p.b.Old {
		p.size += 24 * len(o.seqs)
		for i := range o.blocks {
			b := &o.blocks[i]
			p.want(b.key)
			p.want(pageKey(spacePage, b.id))
			for k := range b.entries {
				p.want(tokenKey(b.entries[k].token))
				p.want(personKey(b.entries[k].person))
			}
			p.size += 120 * len(b.entries)
		}
	}
	return nil
}

func (p *prepared) addOld(g *group) {
	for _, o := range p.b.Old {
		for _, seq := range o.seqs {
			g.drop(numberKey(spaceJournal, seq))
		}
		n := 0
		for i := range o.blocks {
			if g.forgetBlock(&o.blocks[i]) {
				n += len(o.blocks[i].entries)
			}
		}
		g.after = append(g.after, func() { o.Consents = n })
	}
}

// forgetBlock deletes what is left of a block's consents, unless it has changed. Of each token stays that it was granted: it is
// never granted again.
func (g *group) forgetBlock(b *oldBlock) bool {
	if v, there := g.get(b.key); !there || !bytes.Equal(v, b.value) {
		return false
	}
	g.remove(b.key)
	for i := range b.entries {
		e := &b.entries[i]
		at := place{b.line, e.seq}
		g.drop(numberKey(spaceJournal, e.seq))
		if v, there := g.get(tokenKey(e.token)); there && holds(v, at) {
			g.put(tokenKey(e.token), packPlace(nil, place{}))
		}
		g.leavePerson(e.person, at)
	}
	g.forgetPage(b.id)
	return true
}

// leavePerson takes a place from those of a person.
func (g *group) leavePerson(p otn.PersonID, at place) {
	v, there := g.get(personKey(p))
	if !there {
		return
	}
	var rest []byte
	for r := (reader{b: v}); len(r.b) > 0; {
		if other := r.place(); other != at {
			rest = packPlace(rest, other)
		}
	}
	if len(rest) == 0 {
		g.remove(personKey(p))
		return
	}
	g.put(personKey(p), rest)
}

// forgetPage deletes the row of a page of which no block is left.
func (g *group) forgetPage(id pageID) {
	key := pageKey(spacePage, id)
	v, there := g.get(key)
	if !there {
		return
	}
	p, ok := readPage(key, v)
	left := !ok || slices.ContainsFunc(p.blocks, func(block uint64) bool {
		_, there := g.get(endedKey(place{p.line, block << blockBits}, id))
		return there
	})
	if !left {
		g.remove(key)
	}
}

// Forgettable reports whether nothing is left of what a run did but attempts that left the token whole.
func (l *Ledger) Forgettable(run otn.RunID) (bool, error) {
	there := false
	for _, space := range []byte{spacePage, spaceDoubt, spaceOpen, spaceResend, spaceRedo} {
		prefix := runKey(space, run)
		err := l.engine.Scan(prefix, after(prefix), func([]byte, []byte) bool { there = true; return false })
		if err != nil {
			return false, fmt.Errorf("ledger: what is left of %s: %w", run, err)
		}
	}
	return !there, nil
}

func (p *prepared) addForgotten(g *group) {
	for _, run := range p.b.Forget {
		prefix := runKey(spaceTried, run)
		g.changes = append(g.changes, Change{DeleteRange, prefix, after(prefix)})
	}
}
