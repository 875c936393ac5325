// Passes: a lane walks over a run's line, and over it again when those are due who were passed over.

package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// pass is one walk of a lane over a run's line.
type pass struct {
	wake   time.Time // when the first of those is due who were passed over; zero: nobody was
	why    Why       // they were
	ends   time.Time // of the run, where its rule says when
	turn   uint64    // of the course, when the queue was gathered
	queue  []uint64  // the next of this lane, best first
	best   *best     // being gathered
	behind *standing // those of this lane up to here have been in the queue
	left   bool      // there may be more of this lane
	rounds int
	plain  bool // the last walk, as they come: for those whose rank changed meanwhile
}

// nobody ends a turn that found nobody to tell: the run goes on behind them, this lane is done with it, or rests.
func (l *Lane) nobody(store context.Context, t *task, state *Progress, pg *page) (more bool, err error) {
	state.Tally.add(pg.counts)
	if pg.over != (Why{}) {
		state.because(pg.over)
		return false, l.finish(store, t, state, pg)
	}
	if t.seqs != nil {
		return false, l.finish(store, t, state, pg)
	}
	if pg.end {
		return l.passed(store, t, state, pg)
	}
	if len(pg.wait) > 0 {
		return true, l.commit(store, &ledger.Batch{Timers: l.retries(pg)})
	}
	return true, nil
}

// passed ends a pass over the line: the lane rests until somebody is due or has a place, or is done with the run.
func (l *Lane) passed(store context.Context, t *task, state *Progress, pg *page) (more bool, err error) {
	if pg.full {
		how, next := l.d.lacks(t.run, l.name, state.pass.turn)
		switch how {
		case tryAgain:
			t.rewind = true
			if len(pg.wait) > 0 {
				return true, l.commit(store, &ledger.Batch{Timers: l.retries(pg)})
			}
			return true, nil
		case waitFor:
			return false, l.rests(store, t, state, pg, next, Why{NextWave, "the next wave"})
		}
		state.because(Why{LimitReached, fmt.Sprintf("its limit of %d people is reached; those who are left wait on", t.run.Plan.Limits.PerRun)})
	} else if wake := state.pass.wake; !wake.IsZero() {
		l.d.leave(t.run, l.name)
		return false, l.rests(store, t, state, pg, l.passAt(t.run, pg), state.pass.why)
	}
	l.d.leave(t.run, l.name)
	return false, l.finish(store, t, state, pg)
}

// rests writes down that the lane looks at a run again at a moment; zero: when another lane gives it a place.
func (l *Lane) rests(store context.Context, t *task, state *Progress, pg *page, next time.Time, why Why) error {
	b, err := l.settlement()
	if err != nil {
		return err
	}
	state.Next, state.Rests, state.RestsCode = next, why.Words, why.Code
	b.Timers = append(b.Timers, l.retries(pg)...)
	if !pg.full {
		b.Timers = append(b.Timers, passTimer(t.run.ID, l.name, next))
	}
	b.Docs = append(b.Docs, put(laneKey(t.run.ID, l.name), state))
	return l.commit(store, b)
}

// passAt is when a lane walks over the line again for those who were passed over: not for each of them at their own
// moment, where there may be many, and not behind the end of the run.
func (l *Lane) passAt(run *Run, pg *page) time.Time {
	p := &pg.state.pass
	gap := time.Second
	if run.Plan.Limits.Messages > 0 {
		gap = time.Minute
	}
	if run.Plan.Spread > 0 {
		gap = max(gap, step(run.Plan.Spread))
	}
	at := p.wake
	if soonest := l.d.Clock.Now().Add(gap); at.Before(soonest) {
		at = soonest
	}
	if behind := p.ends.Add(time.Second); !p.ends.IsZero() && at.After(behind) {
		at = behind
	}
	return at
}

func passTimer(run otn.RunID, channel string, due time.Time) ledger.Timer {
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: PassTimer + "/" + run.String() + "/" + channel}, Kind: PassTimer, Body: encode(retryBody{Run: run, Channel: channel})}
}
