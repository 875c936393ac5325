// A person is erased: everything that is kept of them, in the store and in what is under way.

package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Erased says what became of the wish that a person be erased.
type Erased struct {
	Consents int  `json:"consents"` // gone, in whatever state they were
	Held     int  `json:"held"`     // whose message is on its way: erased as soon as it is answered
	Done     bool `json:"done"`     // nothing is left
}

// Erase deletes everything that is kept of a person, and returns when no byte of it is left in the store. What a channel was
// given is answered first: Done is false then, and the rest follows by itself, also after a restart. The person may come back
// as somebody new; the tokens they gave are never granted again. A backup that was made before holds them still, and a restore
// of it erases them again. Of somebody unknown nothing is left either: that is no error. Errors: otn.ErrInvalid for no
// subscriber, otn.ErrUnavailable when something still reads what was deleted: it is purged a minute later.
func (h *Host) Erase(ctx context.Context, channel, subscriber string) (Erased, error) {
	if err := h.await(ctx); err != nil {
		return Erased{}, err
	}
	if channel == "" || subscriber == "" {
		return Erased{}, fmt.Errorf("core: no subscriber is named: %w", otn.ErrInvalid)
	}
	person := h.ledger.Person(channel, subscriber)
	h.gone.add(person, h.config.Clock.Now())
	done, err := h.dispatch.Erase(ctx, person)
	if err != nil {
		return Erased{}, fmt.Errorf("core: erase: %w", err)
	}
	return Erased{Consents: done.Consents, Held: done.Held, Done: done.Held == 0}, nil
}

// Withdraw ends a consent at the operator's or the person's wish. One whose message is on its way, or in doubt, is answered
// first: its state is not withdrawn then, and it is withdrawn should it wait again, also after a restart.
// Errors: otn.ErrNotFound, otn.ErrSpent for one that has ended otherwise, otn.ErrInvalid.
func (h *Host) Withdraw(ctx context.Context, id string) (ConsentView, error) {
	if err := h.await(ctx); err != nil {
		return ConsentView{}, err
	}
	v, err := h.Consent(id)
	if err != nil {
		return v, err
	}
	switch ledger.State(v.State) {
	case ledger.Withdrawn:
		return v, nil
	case ledger.Waiting, ledger.Claimed, ledger.Doubtful:
	default:
		return v, fmt.Errorf("core: consent %s has ended as %s: %w", id, v.State, otn.ErrSpent)
	}
	token, err := otn.ParseTokenID(id)
	if err != nil {
		return v, err
	}
	wish := dispatch.StopDoc(token, h.config.Clock.Now())
	if err := h.ledger.Commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{wish}, Withdrawn: []otn.TokenID{token}}); err != nil {
		return v, err
	}
	if err := h.dispatch.Stop(ctx, token); err != nil {
		return v, err
	}
	return h.Consent(id)
}

// carryPurge lets the store go of what was erased by a lane, or by somebody who did not live to do it.
func (h *Host) carryPurge(ctx context.Context, t ledger.Timer) error {
	err := h.dispatch.Purge(ctx, t)
	if err != nil && (ctx.Err() != nil || purgeable(err)) {
		h.config.Log.Warn("what was erased is not purged yet; the next start does it", "why", err)
		return nil // its timer is on disk
	}
	return err
}

func purgeable(err error) bool { return errors.Is(err, otn.ErrUnavailable) }

// keptOf is everything that is kept of a person beside what the ledger knows by itself: the documents named in
// ARCHITECTURE.md, and timers.
func keptOf(l *ledger.Ledger, p otn.PersonID) (ledger.Erasure, error) {
	x := ledger.Erasure{Person: p, Docs: []string{intake.WindowKey(p), intake.SilenceKey(p), TagsKey(p)}}
	more, err := dispatch.DocsOf(l, p)
	if err != nil {
		return x, err
	}
	x.Docs = append(x.Docs, more...)
	x.Under = intake.PrefixesOf(p)
	x.Timers, err = timersOf(l, p)
	return x, err
}

// timersOf finds the timers that name a person, or a consent of theirs.
func timersOf(l *ledger.Ledger, p otn.PersonID) (list []ledger.TimerID, err error) {
	consents, err := l.Of(p)
	if err != nil {
		return nil, err
	}
	said := map[string]bool{}
	for i := range consents {
		said[intake.ThenPrefix+consents[i].ID.String()] = true
	}
	name := "/" + p.String() + "/"
	var from ledger.TimerID
	for {
		some, err := l.Timers(from, timersAtOnce)
		if err != nil || len(some) == 0 {
			return list, err
		}
		for _, t := range some {
			if said[t.ID] || strings.Contains(t.ID, name) || dispatch.NamesPerson(t, p) {
				list = append(list, t.TimerID)
			}
		}
		from = some[len(some)-1].TimerID
	}
}

// gone remembers who was erased lately: what was under way for them then comes to nothing.
type gone struct {
	mu sync.Mutex
	at map[otn.PersonID]time.Time
}

// goneFor is how long something can be under way that was due before.
const goneFor = 24 * time.Hour

func (g *gone) add(p otn.PersonID, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at == nil {
		g.at = map[otn.PersonID]time.Time{}
	}
	for other, at := range g.at {
		if now.Sub(at) > goneFor {
			delete(g.at, other)
		}
	}
	g.at[p] = now
}

// before reports whether a person was erased after something had been due for them.
func (g *gone) before(p otn.PersonID, due time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ok := g.at[p]
	return ok && !due.After(at)
}
