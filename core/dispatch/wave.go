// Waves and limits: how many people a run may tell, over all its lanes, until the next wave begins; and who asks an operator first.

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// runBody is a timer's run.
type runBody struct {
	Run otn.RunID `json:"run"`
}

func waveTimer(id otn.RunID, due time.Time) ledger.Timer {
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: WaveTimer + "/" + id.String()}, Kind: WaveTimer, Body: encode(runBody{id})}
}

// tooMany pauses a run before its first send where it would reach more people than its rule wants to without asking.
func (x *decider) tooMany(c *course, now time.Time) (paused bool, err error) {
	p := &c.run.Plan.Limits
	waiting := x.d.Ledger.Pending(c.run.Line())
	if !p.Pauses(waiting, waiting) {
		return false, nil
	}
	s, err := x.d.seeNow(c.run, c.Dips, now)
	if err != nil {
		return true, x.trouble(c, err)
	}
	reaches := int64(0)
	err = x.d.each(c.run, s, now, func(k *ledger.Candidate) (bool, error) {
		v, err := s.Choose(k)
		if v == otn.Yes {
			reaches++
		}
		return !p.Pauses(reaches, waiting), err
	})
	if err != nil || !p.Pauses(reaches, waiting) {
		return false, err
	}
	why := fmt.Sprintf("it would reach at least %d of the %d people who wait: approve it, or cancel it", reaches, waiting)
	x.set(c, func(c *Course) { c.Paused, c.Approve = why, true })
	return true, nil
}

// trouble pauses a run that cannot be carried out as its rule says. Trouble of the store is passed on.
func (x *decider) trouble(c *course, err error) error {
	if errors.Is(err, otn.ErrStore) {
		return err
	}
	if c.Paused == err.Error() {
		return nil
	}
	x.d.Log.Error("run paused", "run", c.run.ID, "rule", c.run.Rule, "why", err)
	x.set(c, func(c *Course) { c.Paused = err.Error() })
	return nil
}

// wave begins the next wave: as many as the rule says, by the facts now, beside those of the waves before. Where something
// of the last one is in hand it waits for that. Nobody takes a place from here on until the batch is on disk.
func (x *decider) wave(c *course, now time.Time) error {
	p := &c.run.Plan
	base, free := x.d.seize(c, true)
	if !free {
		return nil
	}
	x.begun = append(x.begun, c)
	top, next := base, time.Time{}
	if p.Every > 0 {
		s, err := x.d.seeNow(c.run, nil, now)
		if err != nil {
			return x.trouble(c, err)
		}
		size, err := s.Size()
		if err != nil {
			return x.trouble(c, fmt.Errorf("how many a wave tells cannot be decided: %w", err))
		}
		top += max(size, 0)
		next = now.Add(p.Every)
		x.batch.Timers = append(x.batch.Timers, waveTimer(c.run.ID, next))
	}
	if limit := p.Limits.PerRun; limit > 0 && (p.Every == 0 || top > limit) {
		top = limit
	}
	x.set(c, func(c *Course) { c.Wave, c.Base, c.Cap, c.Next = c.Wave+1, base, top, next })
	return nil
}

// waveOver begins a run's next wave, as soon as nothing of the last one is in hand any more.
func (d *Dispatch) waveOver(ctx context.Context, t ledger.Timer) error {
	var b runBody
	if err := decode(t.Body, &b); err != nil {
		return err
	}
	x := d.decider()
	x.batch.Done = append(x.batch.Done, t.TimerID)
	c := d.courseOf(b.Run)
	if c == nil || c.Paused != "" || c.Stage != UnderWay || !c.Next.Equal(t.Due) {
		return x.commit(ctx)
	}
	if _, free := d.seize(c, true); !free {
		return nil // its timer stays on disk
	}
	if err := x.wave(c, d.Clock.Now()); err != nil {
		return err
	}
	if c.Paused == "" {
		x.hands = append(x.hands, handed{c.run, false})
	}
	return x.commit(ctx)
}

// seize lets nobody take a place of a run until unseize, and says how many are taken. It reports false while some are in
// hand; who waits for that gets the wave's timer again when they are not.
func (d *Dispatch) seize(c *course, wait bool) (taken int64, free bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(c.flying) > 0 {
		if again := waveTimer(c.run.ID, c.Next); wait {
			c.over = &again
		}
		return 0, false
	}
	c.over, c.begins = nil, true
	return c.sum(), true
}

// unseize lets the lanes take places again: those of waves that are on disk.
func (d *Dispatch) unseize(waves ...*course) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range waves {
		c.begins = false
		d.stir(c)
	}
}

// afresh begins a wave anew that has told nobody yet, because it was nobody's hour: it is as long from now as any other.
// It begins the next one where the last is over and nobody was there to see.
func (d *Dispatch) afresh(ctx context.Context, id otn.RunID) error {
	c := d.courseOf(id)
	if c == nil || c.run.Plan.Every == 0 || c.Stage != UnderWay || c.Paused != "" {
		return nil
	}
	now := d.Clock.Now()
	taken, free := d.seize(c, false)
	if !free {
		return nil
	}
	if taken != c.Base && c.Next.After(now) {
		d.unseize(c)
		return nil
	}
	x := d.decider()
	x.batch.Done = append(x.batch.Done, waveTimer(id, c.Next).TimerID)
	if err := x.wave(c, now); err != nil {
		return err
	}
	return x.commit(ctx)
}

// room is how many places of a run are free now. A run without a limit has room for everybody.
func (d *Dispatch) room(run *Run) int64 {
	if !run.Plan.Budgeted() {
		return 1 << 62
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free(run)
}

// free is room for who holds mu. A run that is done has none.
func (d *Dispatch) free(run *Run) int64 {
	c := d.courses[run.ID]
	if c == nil || c.over != nil || c.begins {
		return 0
	}
	return max(c.Cap-c.sum(), 0)
}

// book takes up to n places for a lane, and says how many it got.
func (d *Dispatch) book(run *Run, lane string, n int) int {
	if !run.Plan.Budgeted() || n == 0 {
		return n
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n = int(min(int64(n), d.free(run)))
	if c := d.courses[run.ID]; c != nil && n > 0 {
		c.taken[lane] += int64(n)
		c.flying[lane] = true
		d.stir(c)
	}
	return n
}

// land says that a lane has nothing of a run in hand any more, and gives back the places of those who were not handed over.
func (d *Dispatch) land(run *Run, lane string, back int) {
	if !run.Plan.Budgeted() {
		return
	}
	d.mu.Lock()
	var over *ledger.Timer
	if c := d.courses[run.ID]; c != nil {
		c.taken[lane] -= int64(back)
		delete(c.flying, lane)
		d.stir(c)
		if len(c.flying) == 0 {
			over, c.over = c.over, nil
		}
	}
	d.mu.Unlock()
	if over != nil {
		d.Take([]ledger.Timer{*over})
	}
}

// stir wakes the lanes that wait for a place. The caller holds mu.
func (d *Dispatch) stir(c *course) {
	c.turn++
	for name := range c.idle {
		if l, here := d.lanes[name]; here {
			c.active[name] = true
			l.add(&task{run: c.run, rewind: true})
		}
	}
	clear(c.idle)
}

// The ways in which a lane that has no place for somebody goes on.
type lack uint8

const (
	tryAgain lack = iota // something has changed: look again
	waitFor              // a place, in this wave or the next
	enough               // the run has told as many as it may
)

// lacks settles how a lane goes on that has no place for somebody. seen is the course's turn when it looked.
func (d *Dispatch) lacks(run *Run, lane string, seen uint64) (lack, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.courses[run.ID]
	switch limit := run.Plan.Limits.PerRun; {
	case c == nil:
		return enough, time.Time{}
	case limit > 0 && c.sum() >= limit && len(c.flying) == 0:
		return enough, time.Time{}
	case c.turn != seen:
		return tryAgain, time.Time{}
	}
	delete(c.active, lane)
	c.idle[lane] = true
	return waitFor, c.Next
}

// rivals are the course's turn, and which other lanes are at the run and can send.
func (d *Dispatch) rivals(run *Run, lane string) (turn uint64, others map[string]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.courses[run.ID]
	if c == nil {
		return 0, nil
	}
	for name := range c.active {
		if l := d.lanes[name]; name != lane && l != nil {
			if _, rests := l.Paused(); !rests {
				if others == nil {
					others = map[string]bool{}
				}
				others[name] = true
			}
		}
	}
	return c.turn, others
}

// leave says that a lane is not at a run any more.
func (d *Dispatch) leave(run *Run, lane string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.courses[run.ID]; c != nil {
		delete(c.active, lane)
		if run.Plan.Budgeted() {
			d.stir(c)
		}
	}
}
