// The supervisor: start, watch, start again, and know when to leave a plugin alone.

package plugins

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// ErrRunning is a second Run of one Process: it is run once.
var ErrRunning = errors.New("plugins: a process is run once")

// fault marks what no restart will mend: the plugin's file or its configuration.
type fault struct{ error }

func (e fault) Unwrap() error { return e.error }

// Run supervises the plugin until ctx is done, then lets deliveries in flight end and returns when the process and every goroutine
// are gone. A plugin that cannot start, or dies, ends nothing here: see State. Errors: ErrRunning.
func (p *Process) Run(ctx context.Context) error {
	if !p.begin() {
		return ErrRunning
	}
	defer p.set(func(s *State) { s.Phase, s.Next, s.PID = Stopped, time.Time{}, 0 })
	crashes := crashes{spec: &p.spec}
	for starts := 0; ctx.Err() == nil; starts++ {
		p.set(func(s *State) { s.Phase, s.Next, s.Restarts = Starting, time.Time{}, starts })
		began := time.Now()
		if err := p.live(ctx); ctx.Err() == nil {
			p.rest(ctx, err, &crashes, time.Since(began))
		}
	}
	return nil
}

// begin marks the process as run, once.
func (p *Process) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running {
		return false
	}
	p.running, p.state.Phase = true, Starting
	return true
}

// rest waits as long as the way the last process ended asks for.
func (p *Process) rest(ctx context.Context, err error, c *crashes, lived time.Duration) {
	var wait <-chan time.Time
	now := time.Now()
	phase, pause := Misconfigured, p.spec.Recheck
	if f := (fault{}); p.spec.Attach != nil {
		phase, pause = Backoff, attachPause // its author starts it again, as often as it takes
	} else if !errors.As(err, &f) {
		phase, pause = c.add(now, lived)
	}
	p.meter.crashes.Add(1)
	next := time.Time{}
	if phase != Quarantined {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		wait, next = timer.C, now.Add(pause)
	}
	p.tell(phase, pause, err)
	p.set(func(s *State) { s.Phase, s.Next, s.PID, s.Err = phase, next, 0, err })
	select {
	case <-wait:
	case <-p.release:
		*c = crashes{spec: c.spec}
	case <-ctx.Done():
	}
}

func (p *Process) tell(phase Phase, pause time.Duration, err error) {
	switch phase {
	case Quarantined:
		p.spec.Log.Error("plugin quarantined: it crashed too often and is not started again until it is released", "error", err)
	case Misconfigured:
		p.spec.Log.Error("plugin cannot run as it is configured", "error", err, "again_in", pause)
	default:
		p.spec.Log.Warn("plugin ended", "error", err, "again_in", pause.Round(time.Millisecond))
	}
}

// crashes remembers when a plugin crashed and says what to do about the next one.
type crashes struct {
	spec  *Spec
	times []time.Time
	pause time.Duration // the last one
}

// add counts a crash at now of a process that lived so long: the phase to go to, and for how long.
func (c *crashes) add(now time.Time, lived time.Duration) (Phase, time.Duration) {
	c.times = append(c.times, now)
	for len(c.times) > 0 && now.Sub(c.times[0]) > c.spec.CrashWindow {
		c.times = c.times[1:]
	}
	if len(c.times) >= maxCrashes {
		return Quarantined, 0
	}
	c.pause = min(c.pause*2, c.spec.MaxBackoff)
	if c.pause == 0 || lived >= c.spec.Steady {
		c.pause = c.spec.Backoff
	}
	return Backoff, jitter(c.pause)
}

// jitter is d or up to a fifth less: many plugins that died together do not start together.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/5+1)) //nolint:gosec // nobody gains by guessing it
}
