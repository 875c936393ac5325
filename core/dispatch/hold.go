// Holds: a run begins only when somebody has stayed selected for as long as its rule says, at every event until then.

package dispatch

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// maxDips bounds how often people may fall out of one hold. Behind that it starts again: so much coming and going is no news.
const maxDips = 64

// holds are the courses that are held for a subject, of one rule or, for "", of any.
func (d *Dispatch) holds(s otn.Subject, rule string) (list []*course) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.bySubject[s] {
		if c.Stage == Holding && (rule == "" || c.run.Rule == rule) {
			list = append(list, c)
		}
	}
	return list
}

// keep remembers an open run whose rule holds or gathers by its subject.
func (d *Dispatch) keep(c *course) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.courses[c.run.ID] = c
	if list := d.bySubject[c.run.Subject]; (c.run.Plan.Hold > 0 || c.run.Plan.Coalesce > 0) && !slices.Contains(list, c) {
		d.bySubject[c.run.Subject] = append(list, c)
	}
}

// unkeep forgets by its subject a run that holds and gathers no more.
func (d *Dispatch) unkeep(c *course) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lose(c)
}

// lose is unkeep for who holds mu.
func (d *Dispatch) lose(c *course) {
	s := c.run.Subject
	rest := slices.DeleteFunc(slices.Clone(d.bySubject[s]), func(o *course) bool { return o == c })
	if d.bySubject[s] = rest; len(rest) == 0 {
		delete(d.bySubject, s)
	}
}

// uncovered reports whether a run that is to be held selects somebody for whom no other run of its rule is held.
func (x *decider) uncovered(run *Run, now otn.Snapshot) (found bool, err error) {
	mine, err := x.d.see(run, nil, now, run.At)
	if err != nil {
		return false, err
	}
	var others []*sight
	for _, c := range x.d.holds(run.Subject, run.Rule) {
		s, err := x.d.see(c.run, c.Dips, now, run.At)
		if err == nil {
			others = append(others, s)
		} else if err := x.trouble(c, err); err != nil {
			return false, err
		}
	}
	err = x.d.each(run, mine, run.At, func(c *ledger.Candidate) (bool, error) {
		v, err := mine.Choose(c)
		if err != nil || v != otn.Yes {
			return err == nil, err
		}
		for _, o := range others {
			if !o.run.means(c) {
				continue
			}
			if v, err := o.Choose(c); err != nil || v == otn.Yes {
				return err == nil, err
			}
		}
		found = true
		return false, nil
	})
	return found, err
}

// hold keeps a run back from a moment on, for those whom it selects by the facts then.
func (x *decider) hold(c *course, from time.Time, facts otn.Snapshot) {
	until := from.Add(c.run.Plan.Hold)
	x.set(c, func(c *Course) { c.Stage, c.Until, c.Dips = Holding, until, []otn.Last{{At: from, Now: facts}} })
	x.batch.Timers = append(x.batch.Timers, holdTimer(c.run.ID, until))
	x.beat()
}

func holdTimer(id otn.RunID, due time.Time) ledger.Timer {
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: HoldTimer + "/" + id.String()}, Kind: HoldTimer, Body: encode(runBody{id})}
}

// look sees whether an event ends holds of its subject, and who falls out of those that go on.
func (x *decider) look(e otn.Event) error {
	if e.Kind != otn.ItemChanged && e.Kind != otn.CollectionChanged {
		return nil
	}
	for _, c := range x.d.holds(e.Subject, "") {
		if e.At.After(c.Until) {
			continue // it is over: its timer says so when the journal has been read
		}
		still, fell, err := x.stays(c, e)
		switch {
		case err != nil:
			if err := x.trouble(c, err); err != nil {
				return err
			}
		case !still:
			x.release(c)
		case fell && len(c.Dips) >= maxDips:
			x.batch.Done = append(x.batch.Done, holdTimer(c.run.ID, c.Until).TimerID)
			x.hold(c, e.At, e.Now)
		case fell:
			x.set(c, func(c *Course) { c.Dips = append(slices.Clone(c.Dips), otn.Last{At: e.At, Now: e.Now}) })
		}
	}
	return nil
}

// stays reports whether a hold still means somebody by the facts of an event, and whether somebody fell out of it.
func (x *decider) stays(c *course, e otn.Event) (still, fell bool, err error) {
	before, err := x.d.see(c.run, c.Dips, e.Was, e.At)
	if err != nil {
		return false, false, err
	}
	now, err := x.d.see(c.run, c.Dips, e.Now, e.At)
	if err != nil {
		return false, false, err
	}
	err = x.d.each(c.run, now, e.At, func(k *ledger.Candidate) (bool, error) {
		is, err := now.Choose(k)
		still = is == otn.Yes
		return !still, err
	})
	if err != nil || !still {
		return false, false, err
	}
	err = x.d.each(c.run, before, e.At, func(k *ledger.Candidate) (bool, error) {
		was, err := before.Choose(k)
		if err != nil || was != otn.Yes {
			return true, err
		}
		is, err := now.Choose(k)
		fell = is != otn.Yes
		return !fell, err
	})
	return still, fell, err
}

// release ends a hold that means nobody any more: they wait on.
func (x *decider) release(c *course) {
	x.batch.Done = append(x.batch.Done, holdTimer(c.run.ID, c.Until).TimerID)
	x.set(c, func(c *Course) {
		c.Stage, c.Paused = Cancelled, ""
		c.Why, c.Code = "the condition did not stay true for as long as the rule holds", HoldBroken
	})
	x.put(drop(openPrefix + c.run.ID.String()))
	x.d.unkeep(c)
	x.ends = append(x.ends, c.run.ID)
}

// ripen lets a run whose hold or whose gathering is over go on.
func (d *Dispatch) ripen(ctx context.Context, t ledger.Timer) error {
	var b runBody
	if err := decode(t.Body, &b); err != nil {
		return err
	}
	x := d.decider()
	x.batch.Done = append(x.batch.Done, t.TimerID)
	if c := d.courseOf(b.Run); c != nil && c.Paused == "" && c.Until.Equal(t.Due) && (c.Stage == Holding || c.Stage == Gathering) {
		if err := x.goOn(c); err != nil {
			return err
		}
	}
	return x.commit(ctx)
}

// alive is the document of the last sign of life while runs are held, so that the next daemon knows for how long nobody looked.
type alive struct {
	At   time.Time `json:"at"`
	Next time.Time `json:"next"` // of the next sign; a timer for any other does nothing
}

const aliveKey = "alive"

// How often there is a sign of life: a tenth of the shortest hold.
const (
	shortestBeat = time.Second
	longestBeat  = 30 * time.Second
)

// beat begins the signs of life, unless they go on already.
func (x *decider) beat() {
	if x.d.beating {
		return
	}
	x.d.beating = true
	x.nextBeat(x.d.Clock.Now())
}

func (x *decider) nextBeat(now time.Time) {
	next := now.Add(x.d.beatEvery())
	x.put(put(aliveKey, alive{now, next}))
	x.batch.Timers = append(x.batch.Timers, ledger.Timer{TimerID: ledger.TimerID{Due: next, ID: BeatTimer + "/" + strconv.FormatInt(next.UnixNano(), 36)}, Kind: BeatTimer})
}

// beatEvery is a tenth of the shortest hold there is; zero holds are none.
func (d *Dispatch) beatEvery() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	every := longestBeat
	for _, list := range d.bySubject {
		for _, c := range list {
			if c.Stage == Holding {
				every = min(every, c.run.Plan.Hold/10)
			}
		}
	}
	return max(every, shortestBeat)
}

func (d *Dispatch) anyHeld() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, list := range d.bySubject {
		if slices.ContainsFunc(list, func(c *course) bool { return c.Stage == Holding }) {
			return true
		}
	}
	return false
}

// beats gives the next sign of life while runs are held.
func (d *Dispatch) beats(ctx context.Context, t ledger.Timer) error {
	x := d.decider()
	x.batch.Done = append(x.batch.Done, t.TimerID)
	last, _, err := d.lastAlive()
	if err != nil {
		return err
	}
	switch {
	case !last.Next.Equal(t.Due):
	case d.anyHeld():
		x.nextBeat(d.Clock.Now())
	default:
		d.beating = false
		x.put(drop(aliveKey))
	}
	return x.commit(ctx)
}

func (d *Dispatch) lastAlive() (a alive, there bool, err error) {
	doc, there, err := d.Ledger.Doc(aliveKey)
	if err != nil || !there {
		return a, false, err
	}
	return a, true, decode(doc.Value, &a)
}

// retire gives the last sign of life of a daemon that stops in order.
func (d *Dispatch) retire(ctx context.Context) error {
	last, there, err := d.lastAlive()
	if err != nil || !there || !d.anyHeld() {
		return err
	}
	last.At = d.Clock.Now()
	return d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{put(aliveKey, last)}})
}

// rehold takes up the holds of an earlier daemon. Where nobody looked for longer than a hold, it starts again.
func (d *Dispatch) rehold(ctx context.Context) error {
	now := d.Clock.Now()
	last, _, err := d.lastAlive()
	if err != nil || !d.anyHeld() {
		return err
	}
	x := d.decider()
	d.beating = true
	d.mu.Lock()
	var held []*course
	for _, list := range d.bySubject {
		held = append(held, list...)
	}
	d.mu.Unlock()
	for _, c := range held {
		if c.Stage == Holding && now.Sub(last.At) > c.run.Plan.Hold {
			x.batch.Done = append(x.batch.Done, holdTimer(c.run.ID, c.Until).TimerID)
			facts, _, err := d.Shop.Snapshot(c.run.Subject)
			if err != nil {
				return err
			}
			x.hold(c, now, facts)
		}
	}
	x.nextBeat(now) // from now on somebody looks again
	return x.commit(ctx)
}
