// Grants: a token is added once, for ever; its row, its token, its person and its expiry are written together.

package ledger

import (
	"encoding/binary"
	"slices"
)

func (p *prepared) addGrants(g *group, rev uint64) {
	for i := range p.grants {
		r, grant := &p.grants[i], p.b.Grants[i]
		if _, there := g.get(tokenKey(r.token)); there {
			g.after = append(g.after, func() { grant.Added = false })
			continue
		}
		seq := g.next
		g.next++
		g.grant(r, seq, rev)
		g.index(g.line(r.line), seq, grant.Consent.Answers)
		g.seen(grant.Consent.GrantedAt)
		g.during(grant.Consent.GrantedAt).Granted++
		g.after = append(g.after, func() { grant.Added, grant.Seq, grant.Consent.Seq = true, seq, seq })
	}
}

func (g *group) grant(r *ready, seq, rev uint64) {
	n := g.line(r.line)
	at := place{n.id, seq}
	first := g.living(n) == 0
	if g.join(r, at) {
		r.row[rowFlags] |= flagSiblings
	}
	g.put(consentKey(at), r.row)
	g.put(tokenKey(r.token), packPlace(nil, at))
	g.set(appendExpiryKey(make([]byte, 0, 20), n.topic.id, r.day, at), nil)
	g.set(numberKey(spaceJournal, seq), packGrantEntry(r, n.id, seq-rev, first))
	c := g.count(n)
	c.waiting++
	c.days[r.day]++
}

// join adds the consent to those of its person, and reports whether there are others on the line: both are marked then.
func (g *group) join(r *ready, at place) (siblings bool) {
	places, _ := g.get(personKey(r.person))
	rd := reader{b: places}
	for len(rd.b) > 0 {
		other := rd.place()
		if other.line != at.line {
			continue
		}
		siblings = true
		if row, there := g.get(consentKey(other)); there && !g.left(other) && row[rowFlags]&flagSiblings == 0 {
			marked := slices.Clone(row)
			marked[rowFlags] |= flagSiblings
			g.put(consentKey(other), marked)
		}
	}
	g.put(personKey(r.person), packPlace(slices.Clone(places), at))
	return siblings
}

// left reports whether this group takes a consent from its waiting list: its row is then no longer to be written.
func (g *group) left(at place) bool {
	if g.gone[at] {
		return true
	}
	for o, results := range g.settled {
		if o.line.id != at.line {
			continue
		}
		for i := range o.members {
			if o.members[i].seq == at.seq && ends(&results[i]) {
				return true
			}
		}
	}
	return false
}

func packPlace(b []byte, p place) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, p.line), p.seq)
}

func (r *reader) place() place { return place{r.uvarint(), r.uvarint()} }

// packGrantEntry packs the journal's row of a grant; Journal makes its body again.
func packGrantEntry(r *ready, line, back uint64, first bool) []byte {
	v := append(make([]byte, 0, 40), journalGrant, byte(truth(first)))
	v = binary.AppendUvarint(v, back)
	v = binary.AppendUvarint(v, line)
	granted, _ := readTimes(r.row)
	v = binary.AppendVarint(v, granted)
	return append(v, r.token[:]...)
}
