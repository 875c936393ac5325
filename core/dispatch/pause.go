// Paused runs: nothing of them is sent until an operator lets them go on, whatever dies meanwhile.

package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// parked is a retry that came due while its run was paused.
type parked struct {
	lane *Lane
	task *task
}

// Pause keeps a run from sending until Resume. Its tasks end at their next turn.
func (d *Dispatch) Pause(ctx context.Context, id otn.RunID, why string) error {
	d.setPaused(id)
	for {
		doc, ok, err := d.Ledger.Doc(runKey(id))
		if err != nil || !ok {
			return errOr(err, otn.ErrNotFound)
		}
		var run Run
		if err := decode(doc.Value, &run); err != nil {
			return err
		}
		run.Paused = why
		doc.Value = encode(run)
		err = d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{&doc, opened(id)}})
		if !errors.Is(err, otn.ErrConflict) {
			return err
		}
	}
}

func (d *Dispatch) setPaused(id otn.RunID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paused[id] = true
}

func (d *Dispatch) isPaused(id otn.RunID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.paused[id]
}

// park reports whether a task's run is paused. A retry is kept for Resume, which looks at everybody else anyway.
func (d *Dispatch) park(l *Lane, t *task) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.paused[t.run.ID] {
		return false
	}
	if t.seqs != nil {
		d.parked[t.run.ID] = append(d.parked[t.run.ID], parked{l, t})
	}
	return true
}

// unpause gives back the retries that were parked.
func (d *Dispatch) unpause(id otn.RunID) []parked {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.parked[id]
	delete(d.parked, id)
	delete(d.paused, id)
	return kept
}

// Resume lets a paused run go on: every lane looks again at everybody who still waits, and retries that came due are made.
// Errors: otn.ErrNotFound, otn.ErrRefused for a run that is not paused.
func (d *Dispatch) Resume(ctx context.Context, id otn.RunID) error {
	d.closing.Lock()
	defer d.closing.Unlock()
	run, ok, err := d.Run(id)
	if err != nil || !ok {
		return fmt.Errorf("dispatch: run %s: %w", id, errOr(err, otn.ErrNotFound))
	}
	if run.Paused == "" {
		return fmt.Errorf("dispatch: run %s is not paused: %w", id, otn.ErrRefused)
	}
	run.Paused = ""
	b := ledger.Batch{Docs: []*ledger.Doc{put(runKey(id), run)}}
	for _, l := range d.lanes {
		state, err := d.laneDoc(id, l.name)
		if err != nil {
			return err
		}
		if state.Done {
			state.rewind()
			b.Docs = append(b.Docs, put(laneKey(id, l.name), state))
		}
	}
	if err := d.commit(ctx, &b); err != nil {
		return err
	}
	kept := d.unpause(id)
	for _, l := range d.lanes {
		l.add(&task{run: run, rewind: true})
	}
	for _, p := range kept {
		p.lane.add(p.task)
	}
	return nil
}
