// A channel's pace: messages, replies and requests for consent leave one after the other, whoever sends them.

package dispatch

import (
	"context"
	"sync"
	"time"
)

// pace spaces what leaves evenly: n a second means n. Who waits has a place, and gets it in the order of asking.
type pace struct {
	mu    sync.Mutex
	next  time.Time // the first place that is free
	queue int       // how many wait for theirs
}

// slack is how far a fast channel may catch up after the clock was late.
const slack = 10 * time.Millisecond

// wait returns when the next one may go, or false when ctx is done first: its place is lost then.
func (p *pace) wait(ctx context.Context, clock Clock, rate float64) bool {
	if rate <= 0 {
		return ctx.Err() == nil
	}
	gap := time.Duration(float64(time.Second) / rate)
	place := p.place(clock.Now(), gap)
	for now := clock.Now(); place.After(now) && ctx.Err() == nil; now = clock.Now() {
		if place.Sub(now) > p.longest(gap) { // the clock was set back
			break
		}
		clock.Wait(ctx, place, nil)
	}
	p.mu.Lock()
	p.queue--
	p.mu.Unlock()
	return ctx.Err() == nil
}

// place takes the first place that is free.
func (p *pace) place(now time.Time, gap time.Duration) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	earliest := now
	if gap < slack {
		earliest = now.Add(-slack)
	}
	if p.next.Before(earliest) || p.next.Sub(now) > p.most(gap) { // nobody waits, or the clock was set back
		p.next = earliest
	}
	place := p.next
	p.next = place.Add(gap)
	p.queue++
	return place
}

// most is how far ahead the first free place can be while the clock goes right. The lock is held.
func (p *pace) most(gap time.Duration) time.Duration {
	return gap*time.Duration(p.queue+1) + time.Minute
}

func (p *pace) longest(gap time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most(gap)
}
