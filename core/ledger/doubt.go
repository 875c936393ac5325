// Doubts: unknown deliveries, kept with all that a resend needs until a proof or an operator ends them.

package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// doubtRow is an unknown delivery on disk.
type doubtRow struct {
	triedRow
	page     uint64
	day      uint32
	probably bool
	row      []byte // the consent's, sealed as it was
}

func packDoubt(d *doubtRow) []byte {
	b := []byte{rowVersion, byte(truth(d.probably))}
	b = binary.AppendUvarint(b, d.page)
	b = binary.AppendUvarint(b, uint64(d.day))
	b = appendBytes(b, packTried(&d.triedRow))
	return append(b, d.row...)
}

func readDoubt(v []byte) (d doubtRow, ok bool) {
	r := reader{b: v}
	if r.byte() != rowVersion {
		return d, false
	}
	d.probably = r.byte() != 0
	d.page = r.uvarint()
	d.day = uint32(r.uvarint())
	d.triedRow, ok = readTried(r.counted())
	d.row = slices.Clone(r.b)
	return d, ok && !r.bad
}

// resend is what the doubts of one page would be resent with.
type resend struct {
	doubts  uint64 // how many refer to it
	account string
	at      time.Time
	facts   []byte
}

func packResend(s *resend) []byte {
	b := binary.AppendUvarint([]byte{rowVersion}, s.doubts)
	return append(appendTime(appendText(b, s.account), s.at), s.facts...)
}

func readResend(v []byte) (s resend, ok bool) {
	r := reader{b: v}
	if r.byte() != rowVersion {
		return s, false
	}
	s.doubts, s.account, s.at = r.uvarint(), r.text(), r.time()
	s.facts = slices.Clone(r.b)
	return s, !r.bad
}

// doubtful is a member of a claim that nobody can tell about.
type doubtful struct {
	*openMember
	entry entry
}

// doubt moves consents that nobody can tell about out of the waiting list, whole.
func (g *group) doubt(o *openClaim, members []doubtful) {
	if len(members) == 0 {
		return
	}
	for _, m := range members {
		row, _ := g.get(consentKey(place{o.line.id, m.seq}))
		d := doubtRow{page: o.page, day: m.day, row: row,
			triedRow: triedRow{entry: m.entry, line: o.line.id, channel: o.channel, outcome: otn.Unknown}}
		g.put(deliveryKey(spaceDoubt, otn.NewDeliveryID(o.run, m.person)), packDoubt(&d))
	}
	g.put(pageKey(spaceResend, o.pageID), packResend(&resend{uint64(len(members)), o.account, o.at, o.facts}))
}

// Retry notes, on disk, that a doubtful delivery is about to be sent once more. Errors: otn.ErrNotFound when the doubt has ended.
func (l *Ledger) Retry(ctx context.Context, id otn.DeliveryID, at time.Time) error {
	return l.onDoubt(ctx, "retry", id, func(g *group, d *doubtRow) {
		d.attempts++
		d.at = at.UnixMilli()
		g.seen(at)
		g.put(deliveryKey(spaceDoubt, id), packDoubt(d))
	})
}

// Resolve ends a doubt. Sent: the token is spent. Deferred: it is whole and waits again at its old place; only an
// operator's "lost" says so. Unknown: it stays, with the newer code and detail, and is marked when it probably arrived.
// Retry has counted the attempt. Errors: otn.ErrNotFound when there is no such doubt, otn.ErrInvalid for other outcomes.
func (l *Ledger) Resolve(ctx context.Context, id otn.DeliveryID, r Result, probably bool) error {
	if r.Outcome != otn.Sent && r.Outcome != otn.Deferred && r.Outcome != otn.Unknown {
		return fmt.Errorf("ledger: resolve %s: %s ends no doubt: %w", id, r.Outcome, otn.ErrInvalid)
	}
	return l.onDoubt(ctx, "resolve", id, func(g *group, d *doubtRow) { g.resolve(id, d, &r, probably) })
}

func (l *Ledger) onDoubt(ctx context.Context, verb string, id otn.DeliveryID, act func(*group, *doubtRow)) error {
	key := deliveryKey(spaceDoubt, id)
	err := l.do(ctx, &turn{wants: [][]byte{key}, size: 512, build: func(g *group) error {
		v, there := g.get(key)
		if !there {
			return otn.ErrNotFound
		}
		d, ok := readDoubt(v)
		if !ok {
			return errDamaged
		}
		act(g, &d)
		return nil
	}})
	if err != nil {
		return fmt.Errorf("ledger: %s %s: %w", verb, id, err)
	}
	return nil
}

func (g *group) resolve(id otn.DeliveryID, d *doubtRow, r *Result, probably bool) {
	key := deliveryKey(spaceDoubt, id)
	g.seen(r.At)
	d.code, d.detail = r.Code, r.Detail
	if r.ProviderID != "" {
		d.provider = r.ProviderID
	}
	if r.Outcome == otn.Unknown {
		d.probably = d.probably || probably
		g.put(key, packDoubt(d))
		return
	}
	d.at = r.At.UnixMilli()
	n := g.l.lineAt[d.line]
	page := pageID{id.Run(), d.page}
	k := g.count(n)
	k.counts.Unknown--
	g.remove(key)
	g.release(page)
	if r.Outcome == otn.Sent {
		k.counts.Sent++
		d.fate = fateSent
		was := g.amend(page, place{d.line, d.seq}, &d.entry)
		g.during(time.UnixMilli(was.at)).end(fateUnknown, -1)
		g.during(r.At).end(fateSent, 1)
		return
	}
	was := g.amend(page, place{d.line, d.seq}, nil)
	g.during(time.UnixMilli(was.at)).end(fateUnknown, -1)
	d.outcome = otn.Deferred
	g.put(deliveryKey(spaceTried, id), packTried(&d.triedRow))
	d.row[rowFlags] |= flagSiblings // somebody may have come meanwhile
	g.put(consentKey(place{d.line, d.seq}), d.row)
	g.index(n, d.seq, unpackAnswers(packedAnswers(d.row)))
	g.set(appendExpiryKey(nil, n.topic.id, d.day, place{d.line, d.seq}), nil)
	k.waiting++
	k.days[d.day]++
}

// release lets go of what a page's doubts are resent with, when the last of them ends.
func (g *group) release(page pageID) {
	key := pageKey(spaceResend, page)
	v, there := g.get(key)
	s, ok := readResend(v)
	if !there || !ok {
		return
	}
	if s.doubts--; s.doubts == 0 {
		g.remove(key)
		return
	}
	g.put(key, packResend(&s))
}

// amend replaces one entry of a block, or takes it out, and returns it.
func (g *group) amend(page pageID, at place, with *entry) (was entry) {
	key := endedKey(at, page)
	v, _ := g.get(key)
	var channel string
	var entries []entry
	readBlock(v, at.seq>>blockBits, func(c string, e *entry) bool {
		channel = c
		switch {
		case e.seq != at.seq:
			entries = append(entries, *e)
			return true
		case with != nil:
			entries = append(entries, *with)
		}
		was = *e
		return true
	})
	if len(entries) == 0 {
		g.remove(key)
		return was
	}
	g.put(key, packBlock(channel, entries))
	return was
}

// Doubts lists unknown deliveries behind after, in the order of their ids.
func (l *Ledger) Doubts(after otn.DeliveryID, limit int) ([]Delivery, error) {
	from := []byte{spaceDoubt}
	if after != (otn.DeliveryID{}) {
		from = behind(deliveryKey(spaceDoubt, after))
	}
	var out []Delivery
	var bad error
	err := l.engine.Scan(from, []byte{spaceDoubt + 1}, func(key, v []byte) bool {
		if len(out) >= limit {
			return false
		}
		d, ok := readDoubt(v)
		if !ok {
			bad = errDamaged
			return false
		}
		out = append(out, l.doubtDelivery(otn.DeliveryID(key[1:]).Run(), &d))
		return true
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: doubts: %w", err)
	}
	return out, nil
}

func (l *Ledger) doubtDelivery(run otn.RunID, d *doubtRow) Delivery {
	out := d.entry.delivery(run, d.channel, otn.Unknown)
	out.Probably = d.probably
	if n := l.lineByID(d.line); n != nil {
		out.Line = n.Line
	}
	return out
}

// Doubt gives one unknown delivery with its consent, unsealed, for a resend.
func (l *Ledger) Doubt(id otn.DeliveryID) (*Doubt, *Candidate, bool, error) {
	doubt, c, ok, err := l.readDoubt(id)
	if err != nil {
		return nil, nil, false, fmt.Errorf("ledger: doubt %s: %w", id, err)
	}
	return doubt, c, ok, nil
}

func (l *Ledger) readDoubt(id otn.DeliveryID) (*Doubt, *Candidate, bool, error) {
	v, there, err := l.get(deliveryKey(spaceDoubt, id))
	if err != nil || !there {
		return nil, nil, false, err
	}
	d, ok := readDoubt(v)
	if !ok {
		return nil, nil, false, errDamaged
	}
	v, there, err = l.get(pageKey(spaceResend, pageID{id.Run(), d.page}))
	if err != nil || !there {
		return nil, nil, false, err // it ended between the two reads
	}
	s, ok := readResend(v)
	if !ok {
		return nil, nil, false, errDamaged
	}
	out := &Doubt{Delivery: l.doubtDelivery(id.Run(), &d), Account: s.account, Facts: s.facts, FactsAt: s.at}
	c, err := l.candidate(place{d.line, d.seq}, d.row)
	if err != nil {
		return nil, nil, false, err
	}
	return out, c, true, l.unseal(c)
}
