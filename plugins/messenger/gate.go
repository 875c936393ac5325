// The page's pace: closed while a limit is exhausted, slower as one comes near, waits that grow while nothing works.

package messenger

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	slowFrom    = 75               // per cent of a limit at which the pace begins to fall
	freshFor    = 10 * time.Minute // how long a reading of the limits is believed
	maxPause    = 2 * time.Second  // a send waits at most so long for its turn; a longer wait is the host's
	closedFor   = time.Minute      // a limit at 100 % that names no wait
	slowestRate = 1                // messages a second
)

// backoff grows by doubling.
type backoff struct{ first, most time.Duration }

var (
	limitBackoff = backoff{time.Minute, time.Hour}       // the platform said: not now
	lineBackoff  = backoff{time.Second, 5 * time.Minute} // nothing reached the platform
)

// gate decides whether and when the next call may be made. Its zero value is open.
type gate struct {
	mu sync.Mutex

	closedUntil time.Time
	reading     usage
	readAt      time.Time
	halvedUntil time.Time
	nextTurn    time.Time
	asks        turnstile

	failures int       // waits in a row without a success between
	waitEnds time.Time // of the last of them
}

// enter gives the time to wait for this call's turn, or not ok and the time until asking again makes sense.
func (g *gate) enter(now time.Time) (pause time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.closedUntil) {
		return g.closedUntil.Sub(now), false
	}
	gap := g.gap(now)
	if gap == 0 {
		return 0, true
	}
	turn := now
	if g.nextTurn.After(now) {
		turn = g.nextTurn
	}
	if turn.Sub(now) > maxPause {
		return turn.Sub(now), false
	}
	g.nextTurn = turn.Add(gap)
	return turn.Sub(now), true
}

// turnstile lets calls of one kind through one after the other, at a rate of their own.
type turnstile struct {
	mu   sync.Mutex
	next time.Time
}

// enter gives the time to wait for a call's turn at so many a second, or not ok and the time until asking again makes sense.
func (s *turnstile) enter(now time.Time, rate int) (pause time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn := now
	if s.next.After(now) {
		turn = s.next
	}
	if turn.Sub(now) > maxPause {
		return turn.Sub(now), false
	}
	s.next = turn.Add(time.Second / time.Duration(rate))
	return turn.Sub(now), true
}

// gap is the time between two calls, 0 when the host's own pace is enough.
func (g *gate) gap(now time.Time) time.Duration {
	rate := float64(sendRate)
	if now.Sub(g.readAt) < freshFor && g.reading.percent >= slowFrom {
		rate *= float64(100-g.reading.percent) / (100 - slowFrom)
	}
	if now.Before(g.halvedUntil) {
		rate /= 2
	}
	if rate == sendRate {
		return 0
	}
	return time.Duration(float64(time.Second) / max(rate, slowestRate))
}

// learn takes a reading of the limits. At 100 % or with a wait the gate closes, and opens again at its slowest.
func (g *gate) learn(u usage, now time.Time) {
	if !u.known {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reading, g.readAt = u, now
	if !u.throttled() {
		return
	}
	wait := u.wait
	if wait == 0 {
		wait = closedFor
	}
	g.shut(now.Add(wait))
	g.reading.percent, g.readAt = 100, g.closedUntil
}

// close keeps calls back for a while.
func (g *gate) close(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut(until)
}

func (g *gate) shut(until time.Time) {
	if until.After(g.closedUntil) {
		g.closedUntil = until
	}
}

// halve takes half the pace until then.
func (g *gate) halve(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.halvedUntil = until
}

// worked forgets the failures: the platform took a message.
func (g *gate) worked() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures, g.waitEnds = 0, time.Time{}
}

// failed gives the wait after a failure of the whole page. Failures of sends that were under way together count as one.
func (g *gate) failed(b backoff, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.waitEnds) {
		return g.waitEnds.Sub(now)
	}
	wait := b.most
	if g.failures < 16 {
		wait = min(b.first<<g.failures, b.most)
		g.failures++
	}
	wait += rand.N(wait/10 + 1) //nolint:gosec // jitter
	g.waitEnds = now.Add(wait)
	return wait
}
