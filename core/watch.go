// The clock goroutine: it sleeps until the earliest timer on disk, and hands over what is due.

package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/core/schedule"
)

// How far the clock goroutine looks ahead, and how many timers it reads at once.
const (
	horizon      = time.Hour
	timersAtOnce = 10_000
)

// watchClock hands timers over when they are due.
func (h *Host) watchClock(ctx context.Context) error {
	var a agenda
	swept := time.Time{}
	for ctx.Err() == nil {
		now := h.config.Clock.Now()
		if err := h.writeUses(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		if now.Sub(swept) >= sweepEvery {
			if err := h.sweep(context.WithoutCancel(ctx), now); err != nil {
				return err
			}
			swept = now
		}
		if ticks := h.ticks.Load(); ticks != a.ticks || a.stale(now) {
			if err := a.update(h.ledger, now); err != nil {
				return err
			}
			a.ticks = ticks
		}
		if due := h.takePolls(a.due(now)); len(due) > 0 {
			h.hand(due)
		}
		h.config.Clock.Wait(ctx, earlier(a.next(), swept.Add(sweepEvery)), h.tick)
	}
	return nil
}

// agenda is what the clock goroutine knows of the timers on disk. It reads them once a horizon, and hears of those that are set:
// however many are handed over and not done, a wake costs nothing for them.
type agenda struct {
	ticks uint64                  // timers set when it was updated
	at    time.Time               // when it was read
	until time.Time               // up to where
	ahead []ledger.Timer          // not handed over, earliest first
	taken map[ledger.TimerID]bool // handed over; on disk until their work is done
}

// stale reports whether the agenda ends at now, or the clock was set back.
func (a *agenda) stale(now time.Time) bool { return !now.Before(a.until) || now.Before(a.at) }

// update follows the timers that were set and deleted, or reads all anew where that is not enough: the agenda has ended, or too much
// happened to be remembered.
func (a *agenda) update(l *ledger.Ledger, now time.Time) error {
	changes, all := l.TimersChanged()
	if !all || a.stale(now) || len(a.ahead) > 2*timersAtOnce {
		return a.read(l, now)
	}
	for _, c := range changes {
		at, there := slices.BinarySearchFunc(a.ahead, c.Timer, earliestFirst)
		switch {
		case c.Gone && there:
			a.ahead = slices.Delete(a.ahead, at, at+1)
		case c.Gone:
			delete(a.taken, c.TimerID)
		case there:
			a.ahead[at] = c.Timer
		case c.Due.Before(a.until) && !a.taken[c.TimerID]:
			a.ahead = slices.Insert(a.ahead, at, c.Timer)
		}
	}
	return nil
}

func earliestFirst(a, b ledger.Timer) int {
	return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
}

// read reads the timers up to the horizon. Those that are handed over take no place from the others.
func (a *agenda) read(l *ledger.Ledger, now time.Time) error {
	limit := len(a.taken) + timersAtOnce
	timers, err := l.Due(now.Add(horizon), limit)
	if err != nil {
		return err
	}
	a.at, a.until, a.ahead = now, now.Add(horizon), nil
	still := make(map[ledger.TimerID]bool, len(a.taken))
	for _, t := range timers {
		if a.taken[t.TimerID] {
			still[t.TimerID] = true
		} else {
			a.ahead = append(a.ahead, t)
		}
	}
	a.taken = still
	if len(timers) == limit {
		a.until = timers[limit-1].Due // more may be due then
	}
	return nil
}

// due takes the timers that are due at now.
func (a *agenda) due(now time.Time) []ledger.Timer {
	n := 0
	for n < len(a.ahead) && !a.ahead[n].Due.After(now) {
		a.taken[a.ahead[n].TimerID] = true
		n++
	}
	due := a.ahead[:n:n]
	a.ahead = a.ahead[n:]
	return due
}

// next is when there is something to do.
func (a *agenda) next() time.Time {
	if len(a.ahead) > 0 && a.ahead[0].Due.Before(a.until) {
		return a.ahead[0].Due
	}
	return a.until
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// sweepEvery is how often what is old is cleared away.
const sweepEvery = 6 * time.Hour

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
	old := now.Add(-h.config.Keep.Decisions)
	if at, open, err := h.dispatch.OldestOpen(); err != nil {
		return err
	} else if open && at.Before(old) {
		old = at // why somebody is meant by a run is told while it is open
	}
	if err := h.ledger.Trim(ctx, old); err != nil {
		return err
	}
	if err := h.dispatch.Tidy(ctx, old); err != nil {
		return err
	}
	if err := h.forgetCalls(ctx, now); err != nil {
		return err
	}
	return h.intake.Forget(ctx, now)
}

// nextLine is when a rule's cron line comes next. A line is read once: its zone is on disk.
func (h *Host) nextLine(r otn.Rule, after time.Time) (time.Time, error) {
	key := r.TZ + " " + r.Cron
	if line, ok := h.lines.Load(key); ok {
		return line.(schedule.Line).Next(after), nil
	}
	line, err := cronLine(r)
	if err != nil {
		return time.Time{}, err
	}
	h.lines.Store(key, line)
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
