// Breakers: what stops a page when its answers say that something larger is wrong, before more tokens are put at risk.

package messenger

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// breaker is one of them: so many answers in a row close it, and then one call is let through each wait to see.
type breaker struct {
	code  string
	most  int
	wait  time.Duration
	kinds kind // the kinds of call that it counts and stops
	why   string

	count  int
	closed bool
	probe  time.Time // when the next call is let through
}

// breakers are the page's. Their methods may be called from many goroutines.
type breakers struct {
	mu                     sync.Mutex
	lost, refused, outside breaker
}

func newBreakers() *breakers {
	return &breakers{
		lost: breaker{code: "answers_lost", most: 3, wait: time.Minute, kinds: byToken | inWindow | ask,
			why: "three answers in a row were lost: one call a minute is made to see whether they come again"},
		refused: breaker{code: "tokens_refused", most: 5, wait: time.Hour, kinds: byToken,
			why: "five tokens in a row were called dead and none was taken: look at those deliveries; one an hour is tried to see whether it goes on"},
		outside: breaker{code: "tokens_not_honoured", most: 3, wait: time.Hour, kinds: byToken,
			why: "three tokens in a row were treated as none at all: has the page lost its permission for one-time notifications? One an hour is tried to see"},
	}
}

// enter lets a call through, or gives the breaker that does not.
func (b *breakers) enter(k kind, now time.Time) *otn.SendError {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range []*breaker{&b.outside, &b.refused, &b.lost} {
		if !one.closed || one.kinds&k == 0 {
			continue
		}
		if now.Before(one.probe) {
			return deferred(one.code, one.probe.Sub(now), errors.New(one.why))
		}
		one.probe = now.Add(one.wait)
	}
	return nil
}

// note takes an answer.
func (b *breakers) note(k kind, v *verdict, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v.outcome == otn.Unknown {
		b.lost.hit(now)
	} else if v.name != notSent {
		b.lost.reset()
	}
	if k != byToken {
		return
	}
	switch {
	case v.outcome == otn.Sent:
		b.refused.reset()
		b.outside.reset()
	case v.outcome == otn.Refused:
		b.refused.hit(now)
	case v.code == 10 && len(v.subs) > 0 && slices.Equal(v.subs, outside):
		b.outside.hit(now)
	}
}

func (b *breaker) hit(now time.Time) {
	if b.count++; b.count >= b.most && !b.closed {
		b.closed, b.probe = true, now.Add(b.wait)
	}
}

func (b *breaker) reset() { b.count, b.closed = 0, false }
