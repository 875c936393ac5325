// Proofs: a platform shows that a message left, after its channel or an operator had said otherwise, or nothing.

package ledger

import (
	"encoding/binary"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

func (p *prepared) prepareProofs() error {
	for _, proof := range p.b.Proofs {
		p.want(deliveryKey(spaceDoubt, proof.Delivery))
		p.want(deliveryKey(spaceTried, proof.Delivery))
		p.size += 512
	}
	return nil
}

func (p *prepared) addProofs(g *group) {
	for _, proof := range p.b.Proofs {
		was, ended := g.prove(proof)
		g.after = append(g.after, func() { proof.Was, proof.Ended = was, ended })
	}
}

// prove ends what a proof is about as sent, and says what was believed of it.
func (g *group) prove(p *Proof) (was otn.Outcome, ended bool) {
	if v, there := g.get(deliveryKey(spaceDoubt, p.Delivery)); there {
		d, ok := readDoubt(v)
		if ok {
			g.resolve(p.Delivery, &d, &Result{Outcome: otn.Sent, At: p.At, Code: p.Code, ProviderID: p.ProviderID}, false)
		}
		return otn.Unknown, ok
	}
	v, there := g.get(deliveryKey(spaceTried, p.Delivery))
	t, ok := readTried(v)
	if !there || !ok {
		return otn.Unknown, false
	}
	return t.outcome, g.spend(p, &t)
}

// spend takes a consent that waits again after an attempt from its waiting list, as sent by that attempt.
func (g *group) spend(p *Proof, t *triedRow) bool {
	at := place{t.line, t.seq}
	n := g.lineAt(t.line)
	row, there := g.get(consentKey(at))
	if n == nil || !there || g.left(at) || !g.free(n, t.seq) {
		return false
	}
	g.seen(p.At)
	_, expires := readTimes(row)
	g.remove(consentKey(at))
	g.remove(deliveryKey(spaceTried, p.Delivery))
	g.unindexPacked(n, t.seq, packedAnswers(row))
	t.fate, t.at, t.code, t.detail, t.provider = fateSent, p.At.UnixMilli(), p.Code, "", p.ProviderID
	page := pageID{p.Delivery.Run(), ^t.seq} // a page of its own: those of claims are counted from below
	g.put(endedKey(at, page), packBlock(t.channel, []entry{t.entry}))
	g.put(pageKey(spacePage, page), binary.AppendUvarint(binary.AppendUvarint([]byte{rowVersion}, t.line), t.seq>>blockBits))
	g.leaves(at)
	g.during(p.At).end(fateSent, 1)
	k := g.count(n)
	k.waiting--
	k.counts.Sent++
	k.days[dayOf(time.UnixMilli(expires))]--
	return true
}
