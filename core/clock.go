// The Host's clock: the only place where the data path learns the time.

package core

import (
	"context"
	"time"
)

// Clock tells the time and waits for it. Tests bring their own.
type Clock interface {
	Now() time.Time
	// Wait returns at until, or earlier when wake is signalled or ctx is done. A nil wake never is.
	Wait(ctx context.Context, until time.Time, wake <-chan struct{})
}

// machine is the machine's clock.
type machine struct{}

func (machine) Now() time.Time { return time.Now() }

func (machine) Wait(ctx context.Context, until time.Time, wake <-chan struct{}) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
}
