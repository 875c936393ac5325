// Commit: a batch is prepared by its caller, decided in its turn, and written with its group.

package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/onetimenotify/otn/core/otn"
)

// Commit makes the batch true: all of it, or with an error nothing. It returns when everything is on disk, or, when the
// batch is Lazy, when it is in order. A batch that changes nothing takes no number: its Seq is 0.
// Errors: otn.ErrConflict (a document was changed meanwhile; named), otn.ErrRepeat (a page that was claimed before),
// otn.ErrNoToken, otn.ErrInvalid (a batch that contradicts itself), otn.ErrStore, and that of ctx.
func (l *Ledger) Commit(ctx context.Context, b *Batch) error {
	p, err := l.prepare(b)
	if err == nil {
		err = l.do(ctx, p.turn())
		p.release(err)
	}
	if err != nil {
		return fmt.Errorf("ledger: commit: %w", err)
	}
	return nil
}

// prepared is a batch with all that can be made ready before its turn.
type prepared struct {
	l      *Ledger
	b      *Batch
	grants []ready
	claims []*openClaim // beside b.Claims
	won    []bool
	size   int
	wants  [][]byte
}

// ready is a consent as it will be written.
type ready struct {
	token  otn.TokenID
	person otn.PersonID
	row    []byte
	line   Line
	day    uint32
}

func (l *Ledger) prepare(b *Batch) (*prepared, error) {
	p := &prepared{l: l, b: b, size: 64}
	for _, step := range []func() error{p.prepareDocs, p.preparePeople, p.prepareRest, p.prepareOld, p.prepareGrants, p.prepareSettles, p.prepareProofs, p.prepareClaims} {
		if err := step(); err != nil {
			p.release(err)
			return nil, err
		}
	}
	return p, nil
}

func (p *prepared) want(key []byte) { p.wants = append(p.wants, key) }

func (p *prepared) prepareDocs() error {
	var seen map[string]bool
	if len(p.b.Docs) > 1 {
		seen = make(map[string]bool, len(p.b.Docs))
	}
	for _, d := range p.b.Docs {
		if seen[d.Key] {
			return fmt.Errorf("doc %q twice in one batch: %w", d.Key, otn.ErrInvalid)
		}
		if seen != nil {
			seen[d.Key] = true
		}
		p.want(docKey(d.Key))
		p.size += len(d.Key) + len(d.Value) + 24
	}
	return nil
}

func (p *prepared) preparePeople() error {
	for _, giver := range p.b.People {
		p.want(personKey(giver.Person))
	}
	return nil
}

func (p *prepared) prepareRest() error {
	for _, e := range p.b.Events {
		if e.Kind == GrantEntry {
			return fmt.Errorf("an entry of kind %q: %w", GrantEntry, otn.ErrInvalid)
		}
		p.size += len(e.Body) + 48
	}
	for i := range p.b.Timers {
		p.size += len(p.b.Timers[i].ID) + len(p.b.Timers[i].Body) + 48
	}
	for i := range p.b.Decisions {
		p.size += len(p.b.Decisions[i].Because) + len(p.b.Decisions[i].Facts) + 160
	}
	p.size += 40 * len(p.b.Done)
	return nil
}

func (p *prepared) prepareGrants() error {
	if len(p.b.Grants) == 0 {
		return nil
	}
	p.grants = make([]ready, len(p.b.Grants))
	for i, g := range p.b.Grants {
		c := &g.Consent
		if c.Token.IsZero() {
			return otn.ErrNoToken
		}
		if c.GrantedAt.IsZero() {
			return fmt.Errorf("consent %s without the moment of its grant: %w", c.Token.ID(), otn.ErrInvalid)
		}
		if c.ExpiresAt.IsZero() {
			c.ExpiresAt = c.GrantedAt.Add(otn.TokenLife)
		}
		r := ready{token: c.Token.ID(), person: p.l.Person(c.Channel, c.Subscriber.ID), line: Line{c.Topic, c.Subject}, day: dayOf(c.ExpiresAt)}
		row, err := p.l.packRow(make([]byte, 0, 160), c, r.token, r.person)
		if err != nil {
			return err
		}
		r.row = row
		p.grants[i] = r
		p.want(tokenKey(r.token))
		p.want(personKey(r.person))
		p.size += len(row) + 200
	}
	return nil
}

func (p *prepared) turn() *turn {
	return &turn{wants: p.wants, size: p.size, build: p.build, lazy: p.b.Lazy}
}

// build decides the batch in its turn. What can refuse it comes first; from then on nothing does.
func (p *prepared) build(g *group) error {
	if err := p.checkDocs(g); err != nil {
		return err
	}
	if err := p.checkPeople(g); err != nil {
		return err
	}
	if err := p.checkClaims(g); err != nil {
		return err
	}
	before, seq := len(g.changes), g.next
	p.addDocs(g, seq)
	p.addEvents(g, seq)
	p.addGrants(g, seq)
	p.addTimers(g)
	for i := range p.b.Decisions {
		g.decide(&p.b.Decisions[i], seq, i)
	}
	p.addSettles(g)
	p.addProofs(g)
	p.addClaims(g)
	p.addRedone(g)
	p.addOld(g)
	p.addForgotten(g)
	if len(g.changes) == before {
		return nil
	}
	g.withdrawn = append(g.withdrawn, p.b.Withdrawn...)
	g.next = max(g.next, seq+1)
	g.after = append(g.after, func() { p.b.Seq = seq })
	return nil
}

func (p *prepared) checkDocs(g *group) error {
	for _, d := range p.b.Docs {
		value, there := g.get(docKey(d.Key))
		rev := uint64(0)
		if there {
			rev = revOf(value)
		}
		if (d.Expect == Same || d.Expect == Still) && rev != d.Rev || d.Expect == Fresh && there {
			return fmt.Errorf("doc %q: %w", d.Key, otn.ErrConflict)
		}
	}
	return nil
}

func (p *prepared) checkPeople(g *group) error {
	for _, giver := range p.b.People {
		places, _ := g.get(personKey(giver.Person))
		last := uint64(0)
		for r := (reader{b: places}); len(r.b) > 0; {
			last = max(last, r.place().seq)
		}
		if last > giver.Last {
			return fmt.Errorf("consents of %s: %w", giver.Person, otn.ErrConflict)
		}
	}
	return nil
}

func revOf(value []byte) uint64 {
	r := reader{b: value}
	return r.uvarint()
}

func (p *prepared) addDocs(g *group, seq uint64) {
	for _, d := range p.b.Docs {
		key := docKey(d.Key)
		value, there := g.get(key)
		rev, kept, change := seq, false, int64(0)
		switch {
		case d.Expect == Once && there:
			rev, kept = revOf(value), true
		case d.Expect == Still:
			rev = d.Rev
		case d.Value == nil:
			rev = 0
			if d.Buried {
				g.buried = append(g.buried, DocIDOf(d.Key))
			}
			if there {
				g.remove(key)
				change = -1
			}
		default:
			g.put(key, append(binary.AppendUvarint(nil, seq), d.Value...))
			if !there {
				change = 1
			}
		}
		g.after = append(g.after, func() {
			d.Rev, d.Kept = rev, kept
			g.l.track(d.Key, change)
		})
	}
}

// The kinds of journal rows.
const (
	journalEvent = iota
	journalGrant
)

func (p *prepared) addEvents(g *group, rev uint64) {
	for _, e := range p.b.Events {
		seq := g.next
		g.next++
		v := append(make([]byte, 0, len(e.Body)+len(e.Kind)+24), journalEvent)
		v = binary.AppendUvarint(v, seq-rev)
		v = appendTime(v, e.At)
		v = appendText(v, e.Kind)
		g.set(numberKey(spaceJournal, seq), append(v, e.Body...))
		g.seen(e.At)
		g.after = append(g.after, func() { e.Seq, e.Rev = seq, rev })
	}
}

func (p *prepared) addTimers(g *group) {
	for i := range p.b.Timers {
		t := p.b.Timers[i]
		key := timerKey(t.TimerID)
		g.set(key, append(appendText(nil, t.Kind), t.Body...))
		g.after = append(g.after, func() { g.l.timerSet(key, t) })
	}
	for _, id := range p.b.Done {
		key := timerKey(id)
		g.drop(key)
		g.after = append(g.after, func() { g.l.timerGone(key) })
	}
}

// release gives back what a batch that was not written had made ready: the marks of its claims.
func (p *prepared) release(err error) {
	for i, o := range p.claims {
		if o != nil && (err != nil && !errors.Is(err, otn.ErrStore) || !p.won[i]) {
			_ = p.l.engine.Drop(o.name)
		}
	}
}
