// Claims: tokens are taken for a page of a run, on disk before any of them leaves.

package ledger

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// openClaim is a claim that is not settled.
type openClaim struct {
	pageID
	line    *line
	channel string
	account string
	at      time.Time
	facts   []byte
	name    uint64 // of its marks
	marks   Marks
	members []openMember
	seqs    []uint64 // of the members, in order
}

// openMember is one token under a claim, with what its settlement needs.
type openMember struct {
	seq     uint64
	token   otn.TokenID
	person  otn.PersonID
	attempt int
	granted int64 // Unix milliseconds
	day     uint32
	answers []byte // packed, for the indexes that it is in
}

func (o *openClaim) has(seq uint64) bool {
	if len(o.seqs) == 0 || seq < o.seqs[0] || seq > o.seqs[len(o.seqs)-1] {
		return false
	}
	_, found := slices.BinarySearch(o.seqs, seq)
	return found
}

func (o *openClaim) index() {
	o.seqs = make([]uint64, len(o.members))
	for i := range o.members {
		o.seqs[i] = o.members[i].seq
	}
	slices.Sort(o.seqs)
}

func (p *prepared) prepareClaims() error {
	p.claims, p.won = make([]*openClaim, len(p.b.Claims)), make([]bool, len(p.b.Claims))
	for i, c := range p.b.Claims {
		if err := checkClaim(c); err != nil {
			return err
		}
		if len(c.Members) == 0 {
			continue
		}
		o := &openClaim{pageID: pageID{c.Run, c.Page}, channel: c.Channel, account: c.Account, at: c.At, facts: c.Facts, name: newName()}
		marks, err := p.l.engine.Mark(o.name, len(c.Members))
		if err != nil {
			return err
		}
		o.marks = marks
		p.claims[i] = o
		p.want(pageKey(spacePage, o.pageID))
		p.size += 32*len(c.Members) + len(c.Facts) + 128
	}
	return nil
}

func newName() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	return binary.BigEndian.Uint64(b[:])
}

func checkClaim(c *Claim) error {
	seqs := make([]uint64, len(c.Members))
	for i := range c.Members {
		seqs[i] = c.Members[i].Seq
	}
	slices.Sort(seqs)
	if len(slices.Compact(seqs)) != len(c.Members) {
		return fmt.Errorf("claim %s page %d names a member twice: %w", c.Run, c.Page, otn.ErrInvalid)
	}
	return nil
}

// checkClaims refuses a page that was claimed before: its members were told, or are being told.
func (p *prepared) checkClaims(g *group) error {
	for i, o := range p.claims {
		if o == nil {
			continue
		}
		_, settled := g.get(pageKey(spacePage, o.pageID))
		_, open := g.l.open[o.pageID]
		repeats := func(other *openClaim) bool { return other != nil && other != o && other.pageID == o.pageID }
		if settled || open || slices.ContainsFunc(g.claims, repeats) || slices.ContainsFunc(p.claims[:i], repeats) {
			return fmt.Errorf("claim %s page %d: %w", o.run, o.page, otn.ErrRepeat)
		}
	}
	return nil
}

func (p *prepared) addClaims(g *group) {
	for i, c := range p.b.Claims {
		var won []Member
		if o := p.claims[i]; o != nil {
			won = g.claim(o, c)
			p.won[i] = len(won) > 0
		}
		g.after = append(g.after, func() {
			c.Members = won
			if len(won) > 0 {
				c.marks = p.claims[i].marks
			}
		})
	}
}

// claim takes what is free of the candidates; with nothing won it writes nothing.
func (g *group) claim(o *openClaim, c *Claim) []Member {
	n := g.find(c.Line)
	if n == nil {
		return nil
	}
	o.line = n
	keys := make([][]byte, len(c.Members))
	arena := make([]byte, 0, 20*len(c.Members))
	for i := range c.Members {
		from := len(arena)
		arena = appendConsentKey(arena, place{n.id, c.Members[i].Seq})
		keys[i] = arena[from:len(arena):len(arena)]
	}
	won := make([]Member, 0, len(c.Members))
	o.members = make([]openMember, 0, len(c.Members))
	var paired []int // of the members won, those with siblings
	g.read(keys, func(i int, v []byte) {
		m := c.Members[i]
		if len(v) < rowSealed || otn.TokenID(v[rowToken:rowPerson]) != m.Token || !g.free(n, m.Seq) {
			return
		}
		om := openMember{seq: m.Seq, token: m.Token, person: otn.PersonID(v[rowPerson:rowSealed]), attempt: max(m.Attempt, 1)}
		var expires int64
		if om.granted, expires = readTimes(v); expires != 0 {
			om.day = dayOf(time.UnixMilli(expires))
		}
		if a := packedAnswers(v); a != nil {
			om.answers = slices.Clone(a)
		}
		if v[rowFlags]&flagSiblings != 0 {
			paired = append(paired, len(won))
		}
		m.Person = om.person
		won, o.members = append(won, m), append(o.members, om)
	})
	won = g.part(o, won, paired)
	if len(won) == 0 {
		return nil
	}
	o.index()
	g.claims = append(g.claims, o)
	g.set(pageKey(spaceOpen, o.pageID), packOpen(o))
	g.seen(o.at)
	k := g.count(n)
	k.waiting -= int64(len(won))
	k.claimed += int64(len(won))
	return won
}

// free reports whether a consent that has a row can be claimed.
func (g *group) free(n *line, seq uint64) bool {
	if n.claimOf(seq) != nil || g.gone[place{n.id, seq}] {
		return false
	}
	for _, o := range g.claims {
		if o.line == n && o.has(seq) {
			return false
		}
	}
	return true
}

// part takes out those whose person has, in this run, another delivery that is open, sent or unknown: one message for a person in a run.
func (g *group) part(o *openClaim, won []Member, paired []int) []Member {
	if len(paired) == 0 {
		return won
	}
	out := make(map[int]bool)
	seen := make(map[otn.PersonID]bool)
	for _, i := range paired {
		m := &o.members[i]
		if seen[m.person] || g.reached(o.run, m) {
			out[i] = true
		}
		seen[m.person] = true
	}
	if len(out) == 0 {
		return won
	}
	kept, members := won[:0], o.members[:0]
	for i := range won {
		if !out[i] {
			kept, members = append(kept, won[i]), append(members, o.members[i])
		}
	}
	o.members = members
	return kept
}

// reached reports whether a run has or may have reached a member's person with another token.
func (g *group) reached(run otn.RunID, m *openMember) bool {
	for _, o := range g.claims {
		if o.run == run && slices.ContainsFunc(o.members, func(other openMember) bool { return other.person == m.person }) {
			return true
		}
	}
	d, there, err := g.l.told(run, m.person)
	if err != nil && g.err == nil {
		g.err = err
	}
	return there && (d.Open || d.Outcome == otn.Sent || d.Outcome == otn.Unknown)
}

// readTimes reads when a row's consent was granted and when it expires, in Unix milliseconds.
func readTimes(v []byte) (granted, expires int64) {
	r := reader{b: v[rowSealed:]}
	r.counted()
	granted = r.varint()
	return granted, granted + otn.TokenLife.Milliseconds() + r.varint()
}

func packOpen(o *openClaim) []byte {
	b := append(make([]byte, 0, 96+len(o.facts)+3*len(o.members)), rowVersion)
	b = binary.BigEndian.AppendUint64(b, o.name)
	b = binary.AppendUvarint(b, o.line.id)
	b = appendText(appendText(b, o.channel), o.account)
	b = appendTime(b, o.at)
	b = appendBytes(b, o.facts)
	last := uint64(0)
	for i := range o.members {
		m := &o.members[i]
		b = binary.AppendVarint(b, int64(m.seq-last))
		b = binary.AppendUvarint(b, uint64(m.attempt))
		last = m.seq
	}
	return b
}

func (l *Ledger) loadOpen(key, value []byte) error {
	id, ok := readPageKey(key)
	r := reader{b: value}
	r.byte()
	name := r.bytes(8)
	if !ok || r.bad {
		return errDamaged
	}
	o := &openClaim{pageID: id, name: binary.BigEndian.Uint64(name), line: l.lineAt[r.uvarint()]}
	o.channel, o.account, o.at = r.text(), r.text(), r.time()
	o.facts = slices.Clone(r.counted())
	last := uint64(0)
	for len(r.b) > 0 {
		last += uint64(r.varint())
		o.members = append(o.members, openMember{seq: last, attempt: int(r.uvarint())})
	}
	if r.bad || o.line == nil {
		return errDamaged
	}
	o.index()
	l.open[id] = o
	o.line.open = append(o.line.open, o)
	return nil
}
