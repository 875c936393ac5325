// Virtual time: it moves only when the Host has nothing left to do, and nothing sleeps.

package ruletest

import (
	"context"
	"sync"
	"time"
)

// clock is a core.Clock that a test moves. It knows exactly when a Host is idle: every loop of a Host that rests is in
// Wait. Each of them is asked twice, all of them a first time before any of them a second time. A loop that rested through
// both, with nothing to wake it either time, rested in between, and so did all others: at that moment nobody was left who
// could wake anybody.
type clock struct {
	mu      sync.Mutex
	now     time.Time
	resting map[*rest]bool
	began   chan struct{} // somebody began to rest
}

// rest is one loop in Wait.
type rest struct {
	until time.Time       // zero: no moment
	wake  <-chan struct{} // nil: never
	asked chan chan bool
	due   chan struct{} // closed when until has come
	over  chan struct{} // closed when the loop has gone on
}

func newClock(now time.Time) *clock {
	return &clock{now: now, resting: map[*rest]bool{}, began: make(chan struct{}, 1)}
}

// Now implements core.Clock.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Wait implements core.Clock.
func (c *clock) Wait(ctx context.Context, until time.Time, wake <-chan struct{}) {
	r := c.rest(until, wake)
	if r == nil {
		return
	}
	defer c.leave(r)
	for {
		select {
		case <-r.due:
			return
		case <-wake:
			return
		case <-ctx.Done():
			return
		case answer := <-r.asked:
			answer <- len(wake) == 0
		}
	}
}

// rest notes that a loop rests; nil when its moment has come already.
func (c *clock) rest(until time.Time, wake <-chan struct{}) *rest {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !until.IsZero() && !until.After(c.now) {
		return nil
	}
	r := &rest{until: until, wake: wake, asked: make(chan chan bool), due: make(chan struct{}), over: make(chan struct{})}
	c.resting[r] = true
	select {
	case c.began <- struct{}{}:
	default:
	}
	return r
}

func (c *clock) leave(r *rest) {
	c.mu.Lock()
	delete(c.resting, r)
	c.mu.Unlock()
	close(r.over)
}

// idle returns when all loops rest, or false when ended is closed first.
func (c *clock) idle(loops int, ended <-chan struct{}) bool {
	for {
		all := c.those()
		if len(all) >= loops && rested(all) && rested(all) {
			return true
		}
		select {
		case <-c.began:
		case <-ended:
			return false
		}
	}
}

// those are all who rest now. Who begins to rest from now on is heard of.
func (c *clock) those() []*rest {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.began:
	default:
	}
	all := make([]*rest, 0, len(c.resting))
	for r := range c.resting {
		all = append(all, r)
	}
	return all
}

// rested asks each loop whether it rests and nothing has been signalled to it.
func rested(all []*rest) bool {
	for _, r := range all {
		answer := make(chan bool)
		select {
		case r.asked <- answer:
			if !<-answer {
				return false
			}
		case <-r.over:
			return false
		}
	}
	return true
}

// next is the earliest moment that somebody waits for, up to and with limit.
func (c *clock) next(limit time.Time) (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, found := limit, false
	for r := range c.resting {
		if !r.until.IsZero() && !r.until.After(at) {
			at, found = r.until, true
		}
	}
	return at, found
}

// set moves the time, and lets those go on whose moment has come.
func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
	for r := range c.resting {
		if !r.until.IsZero() && !r.until.After(now) {
			delete(c.resting, r)
			close(r.due)
		}
	}
}
