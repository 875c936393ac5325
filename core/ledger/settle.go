// Settlements: how each member of a claim ended decides what becomes of its token.

package ledger

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/core/otn"
)

// EchoKey names the document whose presence proves that a delivery left: a settlement that does not know, knows by it.
func EchoKey(id otn.DeliveryID) string { return "echo/" + id.String() }

// ends reports whether a result takes the consent from its waiting list.
func ends(r *Result) bool {
	return !r.Untouched && (r.Outcome == otn.Sent || r.Outcome == otn.Refused || r.Outcome == otn.Unknown)
}

func (p *prepared) prepareSettles() error {
	for _, s := range p.b.Settles {
		if len(s.Results) != len(s.Claim.Members) {
			return fmt.Errorf("claim %s page %d: %d results for %d members: %w", s.Claim.Run, s.Claim.Page, len(s.Results), len(s.Claim.Members), otn.ErrInvalid)
		}
		for i := range s.Results {
			m := &s.Claim.Members[i]
			p.wants = append(p.wants, settleWants(s.Claim.Run, m.Person, m.Attempt, &s.Results[i])...)
		}
		p.size += 90 * len(s.Results)
	}
	return nil
}

// provable reports whether a proof that a delivery left says more than its result. Of one that was never handed over an
// earlier attempt may have left.
func provable(attempt int, r *Result) bool {
	if r.Untouched {
		return attempt > 1
	}
	return r.Outcome != otn.Sent && r.Outcome != otn.Refused
}

// settleWants are the rows that a settlement looks at: proof that an unknown one left, and what earlier attempts left.
func settleWants(run otn.RunID, person otn.PersonID, attempt int, r *Result) (keys [][]byte) {
	id := otn.NewDeliveryID(run, person)
	if provable(attempt, r) {
		keys = append(keys, docKey(EchoKey(id)))
	}
	if attempt > 1 {
		keys = append(keys, deliveryKey(spaceTried, id))
	}
	return keys
}

func (p *prepared) addSettles(g *group) {
	for _, s := range p.b.Settles {
		g.l.mu.RLock()
		o, open := g.l.open[pageID{s.Claim.Run, s.Claim.Page}]
		g.l.mu.RUnlock()
		if open && len(o.members) == len(s.Results) {
			g.settle(o, s.Results)
		}
	}
}

// settle ends an open claim. One that this group has settled already is left alone.
func (g *group) settle(o *openClaim, results []Result) {
	if _, done := g.settled[o]; done {
		return
	}
	if g.settled == nil {
		g.settled = make(map[*openClaim][]Result)
	}
	results = slices.Clone(results)
	g.believe(o, results)
	g.settled[o] = results
	k := g.count(o.line)
	k.claimed -= int64(len(o.members))
	var left []entry
	var doubts []doubtful
	for i := range o.members {
		m, r := &o.members[i], &results[i]
		g.seen(r.At)
		if !ends(r) {
			k.waiting++
			if !r.Untouched {
				g.tried(o, m, r)
			}
			continue
		}
		e := g.entry(o, m, r)
		g.unindexPacked(o.line, m.seq, m.answers)
		k.days[m.day]--
		g.during(r.At).end(e.fate, 1)
		switch r.Outcome {
		case otn.Sent:
			k.counts.Sent++
		case otn.Refused:
			k.counts.Refused++
		default:
			k.counts.Unknown++
			doubts = append(doubts, doubtful{m, e})
		}
		left = append(left, e)
	}
	g.doubt(o, doubts)
	g.leave(o, left)
	g.drop(pageKey(spaceOpen, o.pageID))
	g.marks = append(g.marks, o.name)
}

// believe turns those whose echo came back into sent ones, whatever their channel said.
func (g *group) believe(o *openClaim, results []Result) {
	for i := range results {
		r := &results[i]
		if !provable(o.members[i].attempt, r) {
			continue
		}
		if _, echoed := g.get(docKey(EchoKey(otn.NewDeliveryID(o.run, o.members[i].person)))); echoed {
			r.Untouched, r.Outcome, r.Code, r.Detail = false, otn.Sent, "echo", ""
		}
	}
}

// entry is what remains of a consent that leaves. Its earlier attempts in this run are folded into it.
func (g *group) entry(o *openClaim, m *openMember, r *Result) entry {
	e := entry{seq: m.seq, token: m.token, person: m.person, granted: m.granted, fate: fateOf(r.Outcome), attempts: m.attempt,
		first: r.At.UnixMilli(), at: r.At.UnixMilli(), code: r.Code, detail: r.Detail, provider: r.ProviderID}
	if m.attempt > 1 {
		key := deliveryKey(spaceTried, otn.NewDeliveryID(o.run, m.person))
		if v, there := g.get(key); there {
			if before, ok := readTried(v); ok && before.seq == m.seq {
				e.first = before.first
			}
			g.remove(key)
		}
	}
	return e
}

// tried notes an attempt that left the token whole.
func (g *group) tried(o *openClaim, m *openMember, r *Result) {
	t := triedRow{line: o.line.id, channel: o.channel, outcome: r.Outcome, entry: entry{seq: m.seq, token: m.token, person: m.person, granted: m.granted,
		attempts: m.attempt, first: r.At.UnixMilli(), at: r.At.UnixMilli(), code: r.Code, detail: r.Detail, provider: r.ProviderID}}
	key := deliveryKey(spaceTried, otn.NewDeliveryID(o.run, m.person))
	if m.attempt > 1 {
		if v, there := g.get(key); there {
			if before, ok := readTried(v); ok && before.seq == m.seq {
				t.first = before.first
			}
		}
	}
	g.put(key, packTried(&t))
}

// leave takes consents from the waiting list: their rows go, and what remains of them is packed, block by block.
func (g *group) leave(o *openClaim, left []entry) {
	slices.SortFunc(left, func(a, b entry) int { return compareSeq(a.seq, b.seq) })
	arena := make([]byte, 0, 20*len(left))
	for i := range left {
		from := len(arena)
		arena = appendConsentKey(arena, place{o.line.id, left[i].seq})
		g.drop(arena[from:len(arena):len(arena)])
	}
	page := binary.AppendUvarint([]byte{rowVersion}, o.line.id)
	last := uint64(0)
	for len(left) > 0 {
		block := left[0].seq >> blockBits
		n := 1
		for n < len(left) && left[n].seq>>blockBits == block {
			n++
		}
		g.put(endedKey(place{o.line.id, left[0].seq}, o.pageID), packBlock(o.channel, left[:n]))
		page = binary.AppendUvarint(page, block-last)
		last, left = block, left[n:]
	}
	g.put(pageKey(spacePage, o.pageID), page)
}

func compareSeq(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
