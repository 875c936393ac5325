// A lane is one channel's part of every run: it selects, claims and settles page by page, at the channel's pace.

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Lane carries runs through one channel. Run is its loop; Carry is run by as many goroutines as may send at once.
type Lane struct {
	d       *Dispatch
	name    string
	channel otn.Channel
	rate    float64 // configured; 0: the channel's own
	log     *slog.Logger

	wake chan struct{}
	jobs chan job

	mu     sync.Mutex
	tasks  []*task
	going  map[otn.RunID]*task // runs that are carried out from their cursor on: one task each
	page   *page               // being sent
	paused *Pause

	// Of Run's goroutine alone.
	can      otn.Capabilities
	account  string // written under mu
	pace     pace
	progress map[otn.RunID]*Progress
	prev     *page // claimed and answered, not yet settled
	backoff  time.Duration
}

// task is something a lane has to do: a run from its cursor on, a few consents of a run again, or a doubt.
type task struct {
	run    *Run
	rewind bool     // from the head of the line again
	again  bool     // somebody asked for that while it was being worked on
	wide   bool     // the rule narrows the line by too little: see look
	seqs   []uint64 // nil: from the cursor on
	doubt  *otn.DeliveryID
	timer  *ledger.TimerID // deleted in the batch that does the work
	since  time.Time       // when the work became due
}

// of is the run that a task belongs to.
func (t *task) of() otn.RunID {
	if t.doubt != nil {
		return t.doubt.Run()
	}
	return t.run.ID
}

// MaxCarriers is how many sends a lane makes at once at the most.
const MaxCarriers = 64

func newLane(d *Dispatch, name string, ch otn.Channel, rate float64) *Lane {
	return &Lane{
		d: d, name: name, channel: ch, rate: rate, log: d.Log.With("channel", name),
		wake: make(chan struct{}, 1), jobs: make(chan job), going: map[otn.RunID]*task{}, progress: map[otn.RunID]*Progress{},
	}
}

// Name is the channel's instance name.
func (l *Lane) Name() string { return l.name }

// add takes a task. A run that is carried out already begins again, from the head of its line.
func (l *Lane) add(t *task) {
	t.since = l.sinceOf(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.run != nil && t.seqs == nil {
		if have := l.going[t.run.ID]; have != nil {
			have.again = true
			return
		}
		l.going[t.run.ID] = t
	}
	l.tasks = append(l.tasks, t)
	signal(l.wake)
}

// back takes a task that was worked on for a turn: to be gone on with, or over.
func (l *Lane) back(t *task, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	runs := t.run != nil && t.seqs == nil
	switch {
	case more || runs && t.again:
		l.tasks = append(l.tasks, t)
	case runs:
		delete(l.going, t.run.ID)
	}
}

// fromHead reports whether a task is to begin at the head of its line, this once.
func (l *Lane) fromHead(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	head := t.rewind || t.again
	t.rewind, t.again = false, false
	return head
}

// halt ends the page that is being sent, if it is of a run: who was not handed over yet is not.
func (l *Lane) halt(id otn.RunID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.page != nil && l.page.task.run.ID == id {
		l.page.halt.Store(true)
	}
}

// sending says which page is being sent. It reports false for one whose run was stopped meanwhile.
func (l *Lane) sending(pg *page) bool {
	l.mu.Lock()
	l.page = pg
	l.mu.Unlock()
	return pg == nil || !l.d.halted(pg.task.run.ID)
}

// take is the next task; runs take turns.
func (l *Lane) take() *task {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tasks) == 0 {
		return nil
	}
	t := l.tasks[0]
	l.tasks = l.tasks[1:]
	return t
}

// Run works until ctx is done; what has been handed over by then is answered and settled before it returns.
func (l *Lane) Run(ctx context.Context) error {
	store := context.WithoutCancel(ctx)
	defer close(l.jobs)
	for ctx.Err() == nil {
		if until, waits := l.waits(); waits {
			if err := l.settle(store); err != nil {
				return err
			}
			l.d.Clock.Wait(ctx, until, l.wake)
			continue
		}
		t := l.take()
		if t == nil {
			if err := l.settle(store); err != nil {
				return err
			}
			l.d.Clock.Wait(ctx, time.Time{}, l.wake)
			continue
		}
		more, err := l.turn(ctx, store, t)
		if err != nil {
			return fmt.Errorf("dispatch: %s: %w", l.name, err)
		}
		l.back(t, more)
	}
	return l.settle(store)
}

// turn does one page of a task, and reports whether there is more to do.
func (l *Lane) turn(ctx, store context.Context, t *task) (more bool, err error) {
	if l.d.park(l, t) {
		return false, l.settle(store)
	}
	if err := l.describe(ctx); err != nil {
		l.breathe(err)
		return true, nil
	}
	if t.run != nil && l.returns(t.run) {
		if err := l.settle(store); err != nil {
			return false, err
		}
	}
	if t.doubt != nil {
		return false, l.resend(ctx, store, t)
	}
	state, err := l.progressOf(t)
	if err != nil {
		return false, err
	}
	pg, err := l.fill(t, state)
	if err != nil {
		return false, l.stop(store, t.run, err)
	}
	l.afford(pg)
	if len(pg.picks) == 0 {
		return l.nobody(store, t, state, pg)
	}
	if err := l.claim(store, t, state, pg); err != nil {
		return false, err
	}
	if err := l.tell(ctx, store, pg); err != nil {
		return false, err
	}
	return t.seqs == nil, nil
}

// tell sends a page that is claimed, and reads the answers.
func (l *Lane) tell(ctx, store context.Context, pg *page) error {
	if l.sending(pg) {
		l.carry(ctx, pg)
	} else {
		pg.untouched(0, len(pg.picks))
	}
	l.sending(nil)
	l.prev, pg.answered = pg, l.began()
	return l.judge(store, pg)
}

// returns reports whether the page before must be settled before a run is looked at: it may give consents back to the
// run's line, which are looked at only once they wait again, or the run looks at what people were told before.
func (l *Lane) returns(run *Run) bool {
	looksBack := run.Plan.Limits.Messages > 0 || run.Plan.Coalesce > 0
	return l.prev != nil && (looksBack || l.prev.claim.Line == run.Line() && slices.ContainsFunc(l.prev.result, whole))
}

// describe asks the channel what it can do and whose account it sends from.
func (l *Lane) describe(ctx context.Context) error {
	describer, ok := l.channel.(otn.Describer)
	if !ok {
		l.can = otn.Capabilities{Sends: true}
		return nil
	}
	d, err := describer.Describe(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.can, l.account = d.Capabilities, d.Account
	return nil
}

// progressOf is how far this lane is with a run. What was read once is kept while the run is open, or its last page is.
func (l *Lane) progressOf(t *task) (*Progress, error) {
	p, ok := l.progress[t.run.ID]
	if !ok && l.prev != nil && l.prev.claim.Run == t.run.ID {
		p, ok = l.prev.state, true
	}
	if !ok {
		read, err := l.d.laneDoc(t.run.ID, l.name)
		if err != nil {
			return nil, err
		}
		p = &read
		if p.Judged < p.Page {
			if err := l.d.recount(t.run.ID, l.name, p); err != nil {
				return nil, err
			}
		}
		l.progress[t.run.ID] = p
	}
	if l.fromHead(t) {
		p.rewind()
	}
	return p, nil
}

// size is how many consents a page may claim: what the channel sends in a second.
func (l *Lane) size() int {
	r := l.limit()
	if r == 0 {
		return maxPage
	}
	return int(math.Min(math.Max(r, 1), maxPage))
}

const maxPage = 1000

// limit is the channel's pace in messages per second, 0 for none.
func (l *Lane) limit() float64 {
	if l.rate > 0 && (l.can.Rate == 0 || l.rate < l.can.Rate) {
		return l.rate
	}
	return l.can.Rate
}

// finish closes this lane's part of a run; the last lane to do so closes the run, unless it is paused.
func (l *Lane) finish(store context.Context, t *task, state *Progress, pg *page) error {
	b, err := l.settlement()
	if err != nil {
		return err
	}
	b.Timers = append(b.Timers, l.retries(pg)...)
	if t.timer != nil {
		b.Done = append(b.Done, *t.timer)
	}
	if t.seqs == nil {
		state.Done = true
	}
	b.Docs = append(b.Docs, put(laneKey(t.run.ID, l.name), state))
	l.d.closing.Lock()
	defer l.d.closing.Unlock()
	last := t.seqs == nil && !l.d.halted(t.run.ID) && l.d.lastLane(t.run.ID, l.name)
	if last {
		b.Docs = append(b.Docs, drop(openPrefix+t.run.ID.String()))
	}
	if err := l.commit(store, b); err != nil {
		return err
	}
	if last {
		l.d.forget(t.run.ID)
		l.ended(t.run)
	}
	if state.Done {
		delete(l.progress, t.run.ID)
	}
	return nil
}

// lastLane reports whether every other lane is done with a run.
func (d *Dispatch) lastLane(id otn.RunID, name string) bool {
	for other := range d.lanes {
		if p, err := d.laneDoc(id, other); other != name && (err != nil || !p.Done) {
			return false
		}
	}
	return true
}

// stop pauses a run that cannot go on; the other runs do. One that was cancelled meanwhile stays so.
func (l *Lane) stop(store context.Context, run *Run, why error) error {
	err := l.d.Pause(store, run.ID, why.Error())
	if errors.Is(err, otn.ErrRefused) {
		return nil
	}
	l.log.Error("run paused", "run", run.ID, "rule", run.Rule, "why", why)
	return err
}

func errOr(err, or error) error {
	if err != nil {
		return err
	}
	return or
}
