// How a run begins: held, gathering, or under way; and how it goes on from one stage to the next.

package dispatch

import (
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// open adds a run to the batch: held, gathering or under way. It is not opened where a hold would hold nobody.
// Nobody else makes runs, so that what is read here stays true.
func (x *decider) open(run *Run, now otn.Snapshot) (bool, error) {
	if run.Plan.Hold > 0 {
		if found, err := x.uncovered(run, now); err != nil || !found {
			return false, err
		}
	}
	x.made++
	x.put(once(runKey(run.ID), encode(run)))
	x.put(opened(run.ID))
	if run.Plan == (otn.Plan{}) {
		x.hands = append(x.hands, handed{run, true})
		return true, nil
	}
	c := newCourse(run)
	if run.Plan.Hold > 0 {
		from := run.At
		if at := x.d.Clock.Now(); at.Sub(from) > run.Plan.Hold { // nobody looked for longer than that
			from = at
		}
		x.d.keep(c)
		x.hold(c, from, now)
		return true, nil
	}
	x.d.keep(c)
	return true, x.goOn(c)
}

// set changes a course, and has it written down with the batch.
func (x *decider) set(c *course, change func(*Course)) {
	x.d.mu.Lock()
	change(&c.Course)
	x.put(c.doc(c.run.ID))
	x.d.mu.Unlock()
}

// goOn takes a run from the stage it is in to the next, where its moment has come.
func (x *decider) goOn(c *course) error {
	now, p := x.d.Clock.Now(), &c.run.Plan
	switch {
	case c.Until.After(now):
		x.set(c, func(*Course) {})
		x.batch.Timers = append(x.batch.Timers, anew(holdTimer(c.run.ID, c.Until)))
		return nil
	case p.Coalesce > 0 && c.Began.IsZero() && c.Stage != Gathering:
		until := now.Add(p.Coalesce)
		x.set(c, func(c *Course) { c.Stage, c.Until = Gathering, until })
		x.batch.Timers = append(x.batch.Timers, holdTimer(c.run.ID, until))
		return nil
	}
	if c.Began.IsZero() {
		if p.Coalesce == 0 {
			x.d.unkeep(c)
		}
		x.set(c, func(c *Course) { c.Stage, c.Until, c.Began = UnderWay, time.Time{}, now })
		paused, err := x.tooMany(c, now)
		if err != nil || paused {
			return err
		}
	}
	if p.Budgeted() && c.Next.After(now) {
		x.batch.Timers = append(x.batch.Timers, anew(waveTimer(c.run.ID, c.Next)))
	} else if p.Budgeted() {
		if err := x.wave(c, now); err != nil {
			return err
		}
	}
	if c.Paused == "" {
		x.hands = append(x.hands, handed{c.run, false})
	}
	return nil
}

// anew is a timer once more, for a moment whose own may have come while the run was paused, before the clock was set back.
// The one of the two that comes first counts.
func anew(t ledger.Timer) ledger.Timer {
	t.ID += "/anew"
	return t
}
