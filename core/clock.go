// The Host's clock: the only place where the data path learns the time.

package core

import (
	"context"
	"time"
)

// Clock tells the time and waits for it. Tests bring their own. Every loop of a Host that has nothing to do is in Wait,
// and nowhere else: a clock in whose Wait all of them are, with no wake signalled, belongs to a Host that is idle.
type Clock interface {
	Now() time.Time
	// Wait returns at until or earlier, when wake is signalled or ctx is done. A zero until is no moment, a nil wake never is.
	Wait(ctx context.Context, until time.Time, wake <-chan struct{})
}

// machine is the machine's clock.
type machine struct{}

func (machine) Now() time.Time { return time.Now() }

// glance is how often somebody who waits for a moment looks at the clock, so that one that is set is noticed.
const glance = time.Minute

func (machine) Wait(ctx context.Context, until time.Time, wake <-chan struct{}) {
	var due <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(min(time.Until(until), glance))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-wake:
	case <-ctx.Done():
	}
}
