// Where a process stands, for the operator and for who waits until it is ready.

package plugins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Phase is where a process stands in its supervision.
type Phase string

// The phases.
const (
	Starting      Phase = "starting"
	Ready         Phase = "ready"
	Backoff       Phase = "backoff"       // it ended unasked; the next start is at Next
	Misconfigured Phase = "misconfigured" // its file or its configuration is at fault; tried again at Next
	Quarantined   Phase = "quarantined"   // it crashed too often and is left alone until Release
	Stopped       Phase = "stopped"       // not run, or not any more
)

// State is where a process stands.
type State struct {
	Phase    Phase
	Since    time.Time
	Next     time.Time // of the next start, where one is set
	PID      int       // while there is a process
	Restarts int       // starts after the first
	InFlight int       // deliveries taken and not yet answered by the plugin
	Err      error     // why the last process ended, or could not be had; a *ConfigError where the configuration was at fault
}

// State tells where the process stands.
func (p *Process) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	if p.life != nil {
		s.InFlight = p.life.stream.inFlight()
	}
	return s
}

// Ready waits until the plugin takes calls. Errors: the plugin's when its file or configuration is at fault or it is quarantined, ctx's.
func (p *Process) Ready(ctx context.Context) error {
	if err := p.ready(ctx); err != nil {
		return fmt.Errorf("plugins: %s %w", p.spec.Name, err)
	}
	return nil
}

func (p *Process) ready(ctx context.Context) error {
	for {
		p.mu.Lock()
		state, changed, running := p.state, p.changed, p.running
		p.mu.Unlock()
		switch {
		case state.Phase == Ready:
			return nil
		case state.Phase == Stopped && running:
			return fmt.Errorf("is stopped: %w", otn.ErrUnavailable)
		case state.Phase == Misconfigured, state.Phase == Quarantined:
			return fmt.Errorf("is %s: %w", state.Phase, state.Err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("is %s: %w", state.Phase, errors.Join(ctx.Err(), state.Err))
		}
	}
}

// Release ends a quarantine, and the wait of a plugin that is misconfigured or backs off: it is started at once. One that is just
// starting is started once more, should it fail; one that is ready is left alone.
func (p *Process) Release() {
	if phase := p.State().Phase; phase == Ready || phase == Stopped {
		return
	}
	select {
	case p.release <- struct{}{}:
	default:
	}
}

// Replace puts a new process in the place of the running one, with the program's file as it is now: it is launched and configured
// beside it, then takes all calls, and the old one ends what it has. When it cannot be had, the old one stays. Errors: otn.ErrUnavailable
// for a plugin that is not running, ctx's, and why there is no new process.
func (p *Process) Replace(ctx context.Context) error {
	answer := make(chan error, 1)
	for {
		p.mu.Lock()
		state, changed := p.state, p.changed
		p.mu.Unlock()
		if state.Phase != Ready {
			return fmt.Errorf("plugins: %s is %s: %w", p.spec.Name, state.Phase, otn.ErrUnavailable)
		}
		select {
		case p.replace <- answer:
			select {
			case err := <-answer:
				return p.wrap("replace", err)
			case <-ctx.Done():
				return p.wrap("replace", ctx.Err())
			}
		case <-changed:
		case <-ctx.Done():
			return p.wrap("replace", ctx.Err())
		}
	}
}

// set changes the state and wakes who waits for it.
func (p *Process) set(change func(*State)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.state.Phase
	change(&p.state)
	if p.state.Phase != before {
		p.state.Since = time.Now()
	}
	close(p.changed)
	p.changed = make(chan struct{})
}
