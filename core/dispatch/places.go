// Places on a page: each pick that was not handed over before takes one of its run's, where the run counts whom it tells.

package dispatch

import (
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// afford takes a place for each pick that needs one. Those for whom there is none wait for the next wave.
func (l *Lane) afford(pg *page) {
	if !pg.task.run.Plan.Budgeted() || len(pg.picks) == 0 {
		return
	}
	need := 0
	for _, p := range pg.picks {
		if p.place {
			need++
		}
	}
	got := l.d.book(pg.task.run, l.name, need)
	if got == need {
		return
	}
	kept := pg.picks[:0:0]
	var back []uint64
	for _, p := range pg.picks {
		switch {
		case !p.place:
			kept = append(kept, p)
		case got > 0:
			got--
			kept = append(kept, p)
		default:
			back = append(back, p.consent.Seq)
		}
	}
	pg.picks, pg.full = kept, true
	l.putBack(pg, back)
}

// putBack lets a pass come again to consents that it had picked.
func (l *Lane) putBack(pg *page, seqs []uint64) {
	state := pg.state
	switch {
	case pg.task.seqs != nil:
		if next := l.d.nextWave(pg.task.run.ID); !next.IsZero() {
			for _, seq := range seqs {
				pg.later(seq, next)
			}
		}
		return
	case pg.queued:
		state.pass.queue = append(seqs, state.pass.queue...)
	default:
		state.Again = max(state.Again, state.Cursor)
		state.Cursor = seqs[0] - 1
	}
	pg.end = true
}

// nextWave is when a run's next wave begins; zero where there is none.
func (d *Dispatch) nextWave(id otn.RunID) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.courses[id]; c != nil {
		return c.Next
	}
	return time.Time{}
}
