// The course of a run: what changes while it is carried out. It waits, somebody stops it, it may tell so many.

package dispatch

import (
	"cmp"
	"context"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Stage is how far a run has come.
type Stage string

// The stages. The zero Stage is a run that its lanes carry out, or have.
const (
	UnderWay  Stage = ""
	Holding   Stage = "holding"   // somebody must stay selected until Until before anybody is told
	Gathering Stage = "gathering" // it begins at Until: what one person is told of until then is told in one message
	Cancelled Stage = "cancelled"
)

// Course is written down when a run is held, gathers, tells in waves or up to a limit, or is stopped. A run without one
// is carried out from its event on.
type Course struct {
	Stage   Stage      `json:"stage,omitempty"`
	Until   time.Time  `json:"until,omitzero"`
	Dips    []otn.Last `json:"dips,omitempty"`    // of a hold: the facts at its beginning, and those at which somebody fell out
	Began   time.Time  `json:"began,omitzero"`    // when its lanes got it
	Paused  string     `json:"paused,omitempty"`  // why nothing more is sent until an operator lets it go on
	Approve bool       `json:"approve,omitempty"` // it is paused before its first send, and wants an operator's word
	Wave    int        `json:"wave,omitempty"`    // which one, from 1
	Base    int64      `json:"base,omitempty"`    // how many were taken when the wave began
	Cap     int64      `json:"cap,omitempty"`     // how many may be taken, over all lanes and waves, until the wave ends
	Next    time.Time  `json:"next,omitzero"`     // when the next wave begins
	Why     string     `json:"why,omitempty"`     // it was cancelled
	Code    string     `json:"code,omitempty"`    // of Why
}

func (c *Course) doc(id otn.RunID) *ledger.Doc { return put(courseKey(id), c) }

func courseKey(id otn.RunID) string { return coursePrefix + id.String() }

// course is an open run that has a Course, shared by its lanes. Dispatch.mu guards it; whoever writes it down holds acting.
type course struct {
	run *Run
	Course
	taken  map[string]int64 // what each lane has taken, with what it has in hand
	flying map[string]bool  // lanes that have some of it in hand
	active map[string]bool  // lanes that are at it
	idle   map[string]bool  // lanes that wait for a place
	turn   uint64           // changes when a lane takes something, gives it back, or leaves
	over   *ledger.Timer    // the wave is over: the next one begins when nothing of it is in hand
	begins bool             // a wave is being begun, and is not on disk yet: until then there is no place
}

func newCourse(run *Run) *course {
	return &course{run: run, taken: map[string]int64{}, flying: map[string]bool{}, active: map[string]bool{}, idle: map[string]bool{}}
}

// sum is how many places are taken.
func (c *course) sum() (n int64) {
	for _, t := range c.taken {
		n += t
	}
	return n
}

// courseOf is an open run's course, nil where it has none.
func (d *Dispatch) courseOf(id otn.RunID) *course {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.courses[id]
}

// readCourse reads what is written down of a run's course.
func (d *Dispatch) readCourse(id otn.RunID) (c Course, there bool, err error) {
	doc, there, err := d.Ledger.Doc(courseKey(id))
	if err != nil || !there {
		return c, false, err
	}
	return c, true, decode(doc.Value, &c)
}

// alter changes a course, and writes it down with what becomes true with it. The caller holds acting.
func (d *Dispatch) alter(ctx context.Context, c *course, b *ledger.Batch, change func(*Course)) error {
	d.mu.Lock()
	next := c.Course
	d.mu.Unlock()
	change(&next)
	b.Docs = append(b.Docs, next.doc(c.run.ID))
	if err := d.commit(ctx, b); err != nil {
		return err
	}
	d.mu.Lock()
	c.Course = next
	d.mu.Unlock()
	return nil
}

// halted reports whether nothing more of a run is sent now.
func (d *Dispatch) halted(id otn.RunID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.isHalted(id)
}

// isHalted is halted for who holds mu.
func (d *Dispatch) isHalted(id otn.RunID) bool {
	c := d.courses[id]
	return c != nil && (c.Paused != "" || c.Stage != UnderWay)
}

// hand gives a run to its lanes: those that are not done with it, or all of them. They begin at the head of the line.
func (d *Dispatch) hand(run *Run, all bool) error {
	var to []*Lane
	for _, l := range d.lanes {
		if !all {
			state, err := d.laneDoc(run.ID, l.name)
			if err != nil {
				return err
			}
			if state.Done {
				continue
			}
		}
		to = append(to, l)
	}
	d.mu.Lock()
	if c := d.courses[run.ID]; c != nil {
		clear(c.idle)
		for _, l := range to {
			c.active[l.name] = true
		}
	}
	d.mu.Unlock()
	for _, l := range to {
		l.add(&task{run: run, rewind: true})
	}
	return nil
}

// forget lets go of a run that is done.
func (d *Dispatch) forget(id otn.RunID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.courses[id]; c != nil {
		d.lose(c)
		delete(d.courses, id)
	}
}

// Standing is where a run stands.
type Standing struct {
	State string    // holding waiting running paused done cancelled
	Why   string    // in words, where there is something to say
	Code  string    // of Why, where it has one
	Until time.Time // when it goes on by itself, where that is known
	Wave  int

	Approve bool // paused before its first send: it wants to be approved, and cannot be resumed
	Tally
}

// The states of a run, as an operator reads them.
const (
	IsHolding   = "holding"
	IsWaiting   = "waiting"
	IsRunning   = "running"
	IsPaused    = "paused"
	IsDone      = "done"
	IsCancelled = "cancelled"
)

// Stand tells where a run stands, from what is on disk.
func (d *Dispatch) Stand(id otn.RunID) (s Standing, err error) {
	c, _, err := d.readCourse(id)
	if err != nil {
		return s, err
	}
	_, open, err := d.Ledger.Doc(openPrefix + id.String())
	if err != nil {
		return s, err
	}
	rests, err := d.lanesOf(id, &s)
	s.Wave = c.Wave
	switch {
	case c.Stage == Cancelled:
		s.State, s.Why, s.Code, s.Until = IsCancelled, c.Why, c.Code, time.Time{}
	case c.Paused != "":
		s.State, s.Why, s.Code, s.Approve = IsPaused, c.Paused, "", c.Approve
	case !open:
		s.State, s.Why, s.Code, s.Until = IsDone, cmp.Or(s.Because, c.Why), s.BecauseCode, time.Time{}
	case c.Stage == Holding:
		s.State, s.Until, s.Why, s.Code = IsHolding, c.Until, "held until "+words(c.Until), OnHold
	case c.Stage == Gathering:
		s.State, s.Until, s.Why, s.Code = IsWaiting, c.Until, "gathers what each person is told of until "+words(c.Until), OnGathering
	case rests:
		s.State = IsWaiting
	default:
		s.State, s.Why, s.Code, s.Until = IsRunning, s.Because, s.BecauseCode, time.Time{}
	}
	return s, err
}

// lanesOf adds up what the lanes of a run did, and says whether all those that are left rest.
func (d *Dispatch) lanesOf(id otn.RunID, s *Standing) (rest bool, err error) {
	left, resting, known := 0, 0, map[string]bool{}
	prefix := lanePrefix + id.String() + "/"
	err = d.eachDoc(prefix, func(doc ledger.Doc) error {
		var p Progress
		if err := decode(doc.Value, &p); err != nil {
			return err
		}
		s.add(p.Tally)
		name := doc.Key[len(prefix):]
		if _, here := d.lanes[name]; !here {
			return nil
		}
		known[name] = true
		if !p.Done {
			left++
		}
		if !p.Done && !p.Next.IsZero() {
			resting++
			if s.Until.IsZero() || p.Next.Before(s.Until) {
				s.Until, s.Why, s.Code = p.Next, p.Rests, p.RestsCode
			}
		}
		return nil
	})
	return left > 0 && resting == left && len(known) == len(d.lanes), err
}

// words is a moment as it is told.
func words(t time.Time) string { return t.UTC().Format(time.RFC3339) }
