// Consents as an operator sees them: in every state, with what is left of them.

package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Consent finds a consent by its token's id, whatever became of it. Of one that has ended the sealed half and the answers are gone.
func (l *Ledger) Consent(id otn.TokenID) (Consent, bool, error) {
	c, ok, err := l.consent(id)
	if err != nil {
		return Consent{}, false, fmt.Errorf("ledger: consent %s: %w", id, err)
	}
	return c, ok, nil
}

// Knows reports whether a token was ever granted, whatever became of it, and of its person.
func (l *Ledger) Knows(id otn.TokenID) (bool, error) {
	_, there, err := l.get(tokenKey(id))
	if err != nil {
		return false, fmt.Errorf("ledger: token %s: %w", id, err)
	}
	return there, nil
}

func (l *Ledger) consent(id otn.TokenID) (Consent, bool, error) {
	v, there, err := l.get(tokenKey(id))
	if err != nil || !there {
		return Consent{}, false, err
	}
	r := reader{b: v}
	at := r.place()
	if !r.done() {
		return Consent{}, false, errDamaged
	}
	return l.consentAt(at)
}

// consentAt reads a consent where it stands. What moves between two reads is looked for once more.
func (l *Ledger) consentAt(at place) (Consent, bool, error) {
	for range 3 {
		if v, there, err := l.get(consentKey(at)); err != nil || there {
			if err != nil {
				return Consent{}, false, err
			}
			return l.living(at, v)
		}
		if e, there, err := l.endedAt(at, nil); err != nil || there {
			if err != nil {
				return Consent{}, false, err
			}
			return l.left(&e)
		}
	}
	return Consent{}, false, nil
}

// living is a consent that waits or is claimed.
func (l *Ledger) living(at place, row []byte) (Consent, bool, error) {
	c, err := l.unsealed(at, row)
	if err != nil {
		return Consent{}, false, err
	}
	c.State = Waiting
	l.mu.RLock()
	defer l.mu.RUnlock()
	if o := l.lineAt[at.line].claimOf(at.seq); o != nil {
		c.State, c.Run = Claimed, o.run
	}
	return c, true, nil
}

func (l *Ledger) unsealed(at place, row []byte) (Consent, error) {
	c, err := l.candidate(at, row)
	if err != nil {
		return Consent{}, err
	}
	if err := l.unseal(c); err != nil {
		return Consent{}, err
	}
	return Consent{Consent: c.Consent, ID: c.ID, Person: c.person}, nil
}

// left is a consent that left the waiting list; a doubtful one is still whole.
func (l *Ledger) left(e *ended) (Consent, bool, error) {
	if e.fate == fateUnknown {
		v, there, err := l.get(deliveryKey(spaceDoubt, otn.NewDeliveryID(e.run, e.person)))
		if err != nil {
			return Consent{}, false, err
		}
		if d, ok := readDoubt(v); there && ok {
			c, err := l.unsealed(e.place(), d.row)
			c.State, c.Run = Doubtful, e.run
			return c, err == nil, err
		}
	}
	c := Consent{ID: e.token, Person: e.person, State: e.fate.state(), Run: e.run}
	c.Channel, c.Seq, c.GrantedAt, c.Left = e.channel, e.seq, time.UnixMilli(e.granted).UTC(), time.UnixMilli(e.at).UTC()
	if n := l.lineByID(e.line); n != nil {
		c.Topic, c.Subject = n.Topic, n.Subject
	}
	return c, true, nil
}

// Of lists all consents that a person ever gave, oldest first.
func (l *Ledger) Of(p otn.PersonID) ([]Consent, error) {
	places, err := l.placesOf(p)
	if err != nil {
		return nil, fmt.Errorf("ledger: of %s: %w", p, err)
	}
	slices.SortFunc(places, func(a, b place) int { return compareSeq(a.seq, b.seq) })
	var out []Consent
	for _, at := range places {
		c, ok, err := l.consentAt(at)
		if err != nil {
			return nil, fmt.Errorf("ledger: of %s: %w", p, err)
		}
		if ok {
			out = append(out, c)
		}
	}
	return out, nil
}

// Withdraw ends a waiting consent at now, at the operator's or the person's wish.
// Errors: otn.ErrNotFound; otn.ErrSpent when it does not wait any more, or is claimed.
// The batch that holds the wish comes before it, and tells the witness (Batch.Withdrawn).
func (l *Ledger) Withdraw(ctx context.Context, id otn.TokenID, now time.Time) error {
	key := tokenKey(id)
	err := l.do(ctx, &turn{wants: [][]byte{key}, size: 256, build: func(g *group) error {
		v, there := g.get(key)
		if !there {
			return otn.ErrNotFound
		}
		r := reader{b: v}
		at := r.place()
		if at == (place{}) {
			return otn.ErrNotFound // its person was erased
		}
		row, there := g.get(consentKey(at))
		n := g.lineAt(at.line)
		if g.err != nil || n == nil {
			return errDamaged
		}
		if !there || g.left(at) || !g.free(n, at.seq) {
			return otn.ErrSpent
		}
		g.seen(now)
		g.end(n, at.seq, row, fateWithdrawn, now)
		return nil
	}})
	if err != nil {
		return fmt.Errorf("ledger: withdraw %s: %w", id, err)
	}
	return nil
}
