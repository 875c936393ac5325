// A small world around a ledger: shops that grant, runs that claim, a platform that takes tokens and forgets nothing.

package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Platform is what the outside has seen. It survives every death of the daemon.
type Platform struct {
	mu       sync.Mutex
	accepted map[otn.TokenID]int
}

// NewPlatform makes a platform that has seen nothing.
func NewPlatform() *Platform { return &Platform{accepted: make(map[otn.TokenID]int)} }

// Accept takes a token, as often as it is offered: whoever offers it twice has told somebody twice.
func (p *Platform) Accept(id otn.TokenID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted[id]++
}

// Accepted says how often a token was taken.
func (p *Platform) Accepted(id otn.TokenID) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted[id]
}

// Balance checks what must hold for every token that was acknowledged, whatever happened: it is there; nobody was told
// twice; what the platform took is sent or unknown, and what is sent was taken.
func Balance(t testing.TB, l *ledger.Ledger, p *Platform, granted []otn.TokenID) {
	t.Helper()
	for _, id := range granted {
		c, ok, err := l.Consent(id)
		if err != nil || !ok {
			t.Fatalf("%s was acknowledged and is lost: %v", id, err)
		}
		switch n := p.Accepted(id); {
		case n > 1:
			t.Fatalf("%s was told %d times", id, n)
		case n == 1 && c.State != ledger.Spent && c.State != ledger.Doubtful && c.State != ledger.Claimed:
			t.Fatalf("%s was told and is %s", id, c.State)
		case n == 0 && c.State == ledger.Spent:
			t.Fatalf("%s is sent and was never told", id)
		}
	}
}

// life is one life of a daemon in the world: from an opening to a death.
type life struct {
	b        *bench
	platform *Platform
	mu       sync.RWMutex // held for writing by death, so that nothing of the dead reaches the outside
	dead     bool
	granted  []otn.TokenID
}

// outside runs act unless the daemon is dead.
func (w *life) outside(act func()) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if !w.dead {
		act()
	}
}

func (w *life) grants(rng *rand.Rand, step, round int) error {
	batch := &ledger.Batch{Events: []*ledger.Entry{{At: w.b.now, Kind: "item.changed"}}}
	for i := range 1 + rng.IntN(20) {
		c := w.b.consent((round*1000+step)*1000+i, drop)
		c.Subscriber.ID = fmt.Sprint("p", rng.IntN(5000))
		if v, ok := answerOf(rng); ok {
			c.Answers = []otn.Named{{Name: "target", Value: v}}
		}
		batch.Grants = append(batch.Grants, &ledger.Grant{Consent: c})
	}
	if err := w.b.Commit(context.Background(), batch); err != nil {
		return err
	}
	w.outside(func() {
		w.platform.mu.Lock()
		defer w.platform.mu.Unlock()
		for _, g := range batch.Grants {
			w.granted = append(w.granted, g.Consent.Token.ID())
		}
	})
	return nil
}

// index wants an index by answer, or another, and makes some of it good.
func (w *life) index(rng *rand.Rand) error {
	if rng.IntN(8) == 0 {
		if err := w.b.Index(context.Background(), []ledger.Indexed{{Topic: "drop", Answer: []string{"target", "other"}[rng.IntN(2)]}}); err != nil {
			return err
		}
	}
	_, err := w.b.Backfill(context.Background())
	return err
}

// page claims some of what waits, sends it and settles.
func (w *life) page(rng *rand.Rand, name string, page uint64) error {
	l := w.b.Ledger
	c := &ledger.Claim{Run: run(name), Page: page, Line: drop, Channel: "m", Account: "page", At: w.b.now}
	_, _, err := l.Scan(drop, 0, l.Head()+1, 10+rng.IntN(100), w.b.now, func(k *ledger.Candidate) bool {
		if rng.IntN(3) > 0 {
			c.Members = append(c.Members, ledger.Member{Seq: k.Seq, Token: k.ID, Attempt: 1})
		}
		return len(c.Members) < 20
	})
	if err != nil {
		return err
	}
	if err := l.Commit(context.Background(), &ledger.Batch{Claims: []*ledger.Claim{c}}); err != nil || len(c.Members) == 0 {
		return err
	}
	s := &ledger.Settlement{Claim: c, Results: make([]ledger.Result, len(c.Members))}
	for i, m := range c.Members {
		r := &s.Results[i]
		r.At = w.b.now
		w.outside(func() { c.Handed(i) })
		w.outside(func() {
			r.Outcome = otn.Outcome(rng.IntN(5))
			if r.Outcome == otn.Sent || r.Outcome == otn.Unknown && rng.IntN(2) == 0 {
				w.platform.Accept(m.Token)
			}
		})
		w.outside(func() { c.Answered(i, r.Outcome) })
	}
	return l.Commit(context.Background(), &ledger.Batch{Settles: []*ledger.Settlement{s}, Lazy: rng.IntN(2) == 0})
}

// randomDeaths lets a world work, kills the daemon or cuts the power at any moment, and weighs what is left; then all is worked off.
func randomDeaths(t *testing.T, b *bench) {
	platform := NewPlatform()
	var granted []otn.TokenID
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		w := &life{b: b, platform: platform}
		w.live(t, rng.Uint64(), round, func() {
			if rng.IntN(2) == 0 {
				b.store.Kill()
			} else {
				b.store.Cut()
			}
		}, 20+rng.IntN(150))
		granted = append(granted, w.granted...)
		b.must(b.Close())
		b.open()
		Balance(t, b.Ledger, platform, granted)
		b.agree()
		b.whole()
		if b.HasIndex(byTarget) {
			b.ranges(rng, drop, "target")
		}
	}
	for page := uint64(0); b.Waiting(drop) > 0; page++ {
		c := b.candidates(fmt.Sprint("last", page), 0, drop)
		b.commit(&ledger.Batch{Claims: []*ledger.Claim{c}})
		for _, m := range c.Members {
			platform.Accept(m.Token)
		}
		b.settle(c, otn.Sent)
	}
	Balance(t, b.Ledger, platform, granted)
	b.agree()
	b.whole()
}

// live works with four hands until after some steps death comes, and returns when all hands rest.
func (w *life) live(t *testing.T, seed uint64, round int, death func(), steps int) {
	var wg sync.WaitGroup
	step := make(chan struct{})
	stop := make(chan struct{})
	for worker := range 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(worker)))
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case step <- struct{}{}:
				case <-stop:
					return
				}
				act := func() error { return w.page(rng, fmt.Sprint("r", round, worker), uint64(n)) }
				switch {
				case worker == 1 && n%3 == 0:
					act = func() error { return w.index(rng) }
				case worker == 0:
					act = func() error { return w.grants(rng, n, round) }
				}
				if err := act(); err != nil && !errors.Is(err, otn.ErrStore) {
					t.Error(err)
					return
				}
			}
		})
	}
	for range steps {
		<-step
	}
	w.mu.Lock()
	death()
	w.dead = true
	w.mu.Unlock()
	close(stop)
	wg.Wait()
}
