// What is done to a run: an operator approves, pauses, resumes or cancels it, a fault pauses it. Whatever dies meanwhile.

package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// parked is a retry, or a doubt to be sent again, that came due while its run was paused.
type parked struct {
	lane *Lane
	task *task
}

// Pause keeps a run from sending until Resume: also one that is held, waits, or is done and has retries left. What is on
// its way is answered and settled. Errors: otn.ErrNotFound, otn.ErrRefused for one that was cancelled.
func (d *Dispatch) Pause(ctx context.Context, id otn.RunID, why string) error {
	defer d.act()()
	return d.pause(ctx, id, why)
}

// act is for who acts on a run: nobody else does, and no lane ends it meanwhile, which would forget its course and that it is open.
func (d *Dispatch) act() (done func()) {
	d.acting.Lock()
	d.closing.Lock()
	return func() { d.closing.Unlock(); d.acting.Unlock() }
}

// pause is Pause for who acts.
func (d *Dispatch) pause(ctx context.Context, id otn.RunID, why string) error {
	c, err := d.take(id)
	if err != nil {
		return err
	}
	if c.Stage == Cancelled {
		return fmt.Errorf("dispatch: run %s was cancelled: %w", id, otn.ErrRefused)
	}
	d.mu.Lock()
	c.Paused = why
	d.mu.Unlock()
	d.halt(id)
	return d.alter(context.WithoutCancel(ctx), c, &ledger.Batch{Docs: []*ledger.Doc{opened(id)}}, func(c *Course) { c.Paused = why })
}

// PauseOpen is Pause as an operator asks for it: a run that is done, or paused already, is refused.
func (d *Dispatch) PauseOpen(ctx context.Context, id otn.RunID, why string) error {
	defer d.act()()
	if err := d.expect(id, IsHolding, IsWaiting, IsRunning); err != nil {
		return err
	}
	return d.pause(ctx, id, why)
}

// expect refuses an act on a run that is in none of the states.
func (d *Dispatch) expect(id otn.RunID, states ...string) error {
	if _, ok, err := d.Run(id); err != nil || !ok {
		if _, scheduled, err := d.ScheduledRun(id); err == nil && scheduled {
			return fmt.Errorf("dispatch: run %s is a send that is not due yet, it can be cancelled: %w", id, otn.ErrRefused)
		}
		return fmt.Errorf("dispatch: run %s: %w", id, errOr(err, otn.ErrNotFound))
	}
	s, err := d.Stand(id)
	if err != nil {
		return err
	}
	for _, state := range states {
		if s.State == state {
			return nil
		}
	}
	if s.State != IsPaused && len(states) == 1 && states[0] == IsPaused {
		return fmt.Errorf("dispatch: run %s is not paused, it is %s: %w", id, s.State, otn.ErrRefused)
	}
	return fmt.Errorf("dispatch: run %s is %s: %w", id, s.State, otn.ErrRefused)
}

// take is the course of a run that something is done to. One that has none yet gets one.
func (d *Dispatch) take(id otn.RunID) (*course, error) {
	if c := d.courseOf(id); c != nil {
		return c, nil
	}
	run, ok, err := d.Run(id)
	if err != nil || !ok {
		return nil, fmt.Errorf("dispatch: run %s: %w", id, errOr(err, otn.ErrNotFound))
	}
	return d.load(run)
}

// load reads a run's course from disk, with what its lanes have taken, and keeps it.
func (d *Dispatch) load(run *Run) (*course, error) {
	c := newCourse(run)
	var err error
	if c.Course, _, err = d.readCourse(run.ID); err != nil {
		return nil, err
	}
	if run.Plan.Budgeted() {
		if err := d.readTaken(c); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if have := d.courses[run.ID]; have != nil {
		return have, nil
	}
	d.courses[run.ID] = c
	return c, nil
}

// readTaken counts what every lane of a run has taken, also of channels that are no more.
func (d *Dispatch) readTaken(c *course) error {
	prefix := lanePrefix + c.run.ID.String() + "/"
	return d.eachDoc(prefix, func(doc ledger.Doc) error {
		var p Progress
		if err := decode(doc.Value, &p); err != nil {
			return err
		}
		name := doc.Key[len(prefix):]
		if p.Judged < p.Page {
			if err := d.recount(c.run.ID, name, &p); err != nil {
				return err
			}
		}
		c.taken[name] = p.Taken
		return nil
	})
}

// halt ends the pages of a run that are being sent: who was not handed over yet is not.
func (d *Dispatch) halt(id otn.RunID) {
	for _, l := range d.lanes {
		l.halt(id)
	}
}

// park reports whether a task's run is stopped. A retry and a doubt are kept for Resume, which looks at everybody else anyway.
func (d *Dispatch) park(l *Lane, t *task) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := t.of()
	if !d.isHalted(id) {
		return false
	}
	if (t.seqs != nil || t.doubt != nil) && d.courses[id].Stage != Cancelled {
		d.parked[id] = append(d.parked[id], parked{l, t})
	}
	return true
}

// unpark gives back what came due meanwhile.
func (d *Dispatch) unpark(id otn.RunID) {
	d.mu.Lock()
	kept := d.parked[id]
	delete(d.parked, id)
	d.mu.Unlock()
	for _, p := range kept {
		p.lane.add(p.task)
	}
}

// Resume lets a paused run go on: every lane looks again at everybody who still waits, and retries that came due are made.
// Errors: otn.ErrNotFound, otn.ErrRefused for a run that is not paused, or that wants approval.
func (d *Dispatch) Resume(ctx context.Context, id otn.RunID) error { return d.letGo(ctx, id, false) }

// Approve lets a run make its first send that waits for an operator's word. Errors: otn.ErrNotFound, otn.ErrRefused for
// one that wants none.
func (d *Dispatch) Approve(ctx context.Context, id otn.RunID) error { return d.letGo(ctx, id, true) }

func (d *Dispatch) letGo(ctx context.Context, id otn.RunID, approved bool) error {
	defer d.act()()
	if err := d.expect(id, IsPaused); err != nil {
		return err
	}
	c, err := d.take(id)
	if err != nil {
		return err
	}
	switch {
	case c.Approve && !approved:
		return fmt.Errorf("dispatch: run %s wants approval before its first send: %w", id, otn.ErrRefused)
	case !c.Approve && approved:
		return fmt.Errorf("dispatch: run %s wants no approval, it is paused: %s: %w", id, c.Paused, otn.ErrRefused)
	}
	x := d.decider()
	if c.Stage == UnderWay {
		if err := x.rewound(c.run.ID); err != nil {
			return err
		}
	}
	x.set(c, func(c *Course) { c.Paused, c.Approve = "", false })
	if err := x.goOn(c); err != nil {
		return err
	}
	if err := x.commit(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	d.unpark(id)
	return nil
}

// rewound lets the lanes that are done with a run begin again.
func (x *decider) rewound(id otn.RunID) error {
	for _, l := range x.d.lanes {
		state, err := x.d.laneDoc(id, l.name)
		if err != nil {
			return err
		}
		if state.Done {
			state.rewind()
			x.put(put(laneKey(id, l.name), state))
		}
	}
	return nil
}

// Cancel ends a run: who has not been told waits on, and is told by another event. What is on its way is answered and
// settled. Errors: otn.ErrNotFound, otn.ErrRefused for one that is done, or was cancelled.
func (d *Dispatch) Cancel(ctx context.Context, id otn.RunID, why string) error {
	defer d.act()()
	if err := d.cancelSend(context.WithoutCancel(ctx), id, why); !errors.Is(err, otn.ErrNotFound) {
		return err
	}
	if err := d.expect(id, IsHolding, IsWaiting, IsRunning, IsPaused); err != nil {
		return err
	}
	c, err := d.take(id)
	if err != nil {
		return err
	}
	d.unkeep(c)
	b := ledger.Batch{Docs: []*ledger.Doc{drop(openPrefix + id.String())}}
	if err := d.alter(context.WithoutCancel(ctx), c, &b, func(c *Course) {
		c.Stage, c.Paused, c.Approve, c.Why, c.Code = Cancelled, "", false, why, ByOperator
	}); err != nil {
		return err
	}
	d.halt(id)
	return nil
}
