// The clock goroutine: it sleeps until the earliest timer on disk, and hands over what is due.
package core

import (
	"context"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/core/schedule"
)

// How far the clock goroutine looks ahead, and how many timers it reads at once.
const (
	horizon      = time.Minute
	timersAtOnce = 10_000
)

// watchClock hands timers over when they are due. It sleeps a minute at the most, so that a clock that is set is noticed.
func (h *Host) watchClock(ctx context.Context) error {
	taken := map[ledger.TimerID]bool{} // handed over; on disk until their work is done
	swept := time.Time{}
	for ctx.Err() == nil {
		now := h.config.Clock.Now()
		if now.Sub(swept) > sweepEvery {
			if err := h.sweep(context.WithoutCancel(ctx), now); err != nil {
				return err
			}
			swept = now
		}
		timers, err := h.ledger.Due(now.Add(horizon), timersAtOnce)
		if err != nil {
			return err
		}
		due, next := split(timers, now, taken)
		if len(due) > 0 {
			h.dispatch.Take(due)
		}
		h.config.Clock.Wait(ctx, next, h.tick)
	}
	return nil
}

// split parts timers into those that are due now and not taken yet, and the moment of the next. It forgets taken ones that are gone.
func split(timers []ledger.Timer, now time.Time, taken map[ledger.TimerID]bool) (due []ledger.Timer, next time.Time) {
	next = now.Add(horizon)
	here := make(map[ledger.TimerID]bool, len(timers))
	for _, t := range timers {
		here[t.TimerID] = true
		switch {
		case t.Due.After(now):
			if t.Due.Before(next) {
				next = t.Due
			}
		case !taken[t.TimerID]:
			taken[t.TimerID] = true
			due = append(due, t)
		}
	}
	for id := range taken {
		if !here[id] {
			delete(taken, id)
		}
	}
	return due, next
}

// How often what is old is cleared away, and how old decisions get.
const (
	sweepEvery  = 6 * time.Hour
	keepReasons = 90 * 24 * time.Hour
)

// sweep ends expired consents and forgets keys and reasons that are too old to matter.
func (h *Host) sweep(ctx context.Context, now time.Time) error {
	for {
		n, err := h.ledger.Sweep(ctx, now, 1000)
		if err != nil {
			return err
		}
		if n < 1000 {
			break
		}
	}
	if err := h.ledger.Trim(ctx, now.Add(-keepReasons)); err != nil {
		return err
	}
	return h.intake.Forget(ctx, now.Add(-intake.SeenFor))
}

// nextLine is when a rule's cron line comes next.
func nextLine(r otn.Rule, after time.Time) (time.Time, error) {
	line, err := cronLine(r)
	if err != nil {
		return time.Time{}, err
	}
	return line.Next(after), nil
}

func cronLine(r otn.Rule) (schedule.Line, error) {
	zone, err := time.LoadLocation(r.TZ)
	if err != nil {
		return schedule.Line{}, fmt.Errorf("core: rule %s: %w: %w", r.ID, err, otn.ErrInvalid)
	}
	line, err := schedule.Parse(r.Cron, zone)
	if err != nil {
		return schedule.Line{}, fmt.Errorf("core: rule %s: %w", r.ID, err)
	}
	return line, nil
}

// cronLines refuses rules with a cron line that cannot be read.
func cronLines(r otn.Rules) error {
	for _, rule := range r.List() {
		if rule.Cron != "" {
			if _, err := cronLine(rule); err != nil {
				return err
			}
		}
	}
	return nil
}

// Reload lets another version of the rules decide from now on. Nothing fires by it; runs under way end with the version
// that made them. All or nothing: a cron line that cannot be read leaves the old version.
func (h *Host) Reload(ctx context.Context, r otn.Rules) error {
	if err := h.await(ctx); err != nil {
		return err
	}
	if err := cronLines(r); err != nil {
		return err
	}
	return h.dispatch.Reload(ctx, r)
}

// Rules is the version that decides now.
func (h *Host) Rules() otn.Rules {
	if h.isOpen() != nil {
		return h.config.Rules
	}
	return h.dispatch.Current()
}

var _ dispatch.Clock = Clock(nil)
