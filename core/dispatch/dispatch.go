// Package dispatch carries an event through the data path, top to bottom: match, claim, send, settle. It follows the
// journal behind a durable cursor, decides by the rules, and spends tokens through the channels. Nothing else sends.
package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Shop is what dispatch needs of the catalog.
type Shop interface {
	// Snapshot is a subject as it is now; not ok for one that was never seen.
	Snapshot(s otn.Subject) (otn.Snapshot, bool, error)
	// Event reads an event of a subject from its row in the journal.
	Event(e ledger.Entry) (otn.Event, error)
}

// Clock is the Host's clock.
type Clock interface {
	Now() time.Time
	// Wait returns at until or earlier, when wake is signalled or ctx is done. A zero until is no moment. Every loop that has nothing to do waits here.
	Wait(ctx context.Context, until time.Time, wake <-chan struct{})
}

// Config is what a Dispatch is made of.
type Config struct {
	Ledger   *ledger.Ledger
	Shop     Shop
	Rules    otn.Rules
	Channels map[string]otn.Channel
	Rates    map[string]float64                                   // messages per second by channel; missing: what the channel declares
	Next     func(r otn.Rule, after time.Time) (time.Time, error) // when a rule's cron line comes next
	Clock    Clock
	Log      *slog.Logger
	Meter    otn.Meter                                    // nil: nothing is measured
	Ticked   func()                                       // called when a timer was set
	Polls    string                                       // the kind of the Host's timers by which sources are polled: a restore lets them come
	Kept     func(p otn.PersonID) (ledger.Erasure, error) // everything that is kept of a person beside their consents
}

// Dispatch is the event path. Its loops (Follow, and each Lane's Run and Carry) belong to the Host, which starts and stops them.
type Dispatch struct {
	Config
	rules     atomic.Pointer[roster]
	began     time.Time // when the daemon did
	lanes     map[string]*Lane
	wake      chan struct{} // something is in the journal or in due
	unindexed chan struct{} // indexes were wanted

	// Taken in this order: acting, closing, mu, a lane's own.
	acting  sync.Mutex // who decides, and who acts on a run, take turns
	beating bool       // of who holds acting: there is a timer for the next sign of life
	closing sync.Mutex // a lane that closes its part of a run looks at the others' parts

	mu        sync.Mutex
	due       []dueTimer // handed over by the clock, not yet worked on
	versions  map[string]*roster
	held      map[otn.PersonID]time.Time // subscribers to leave alone until then
	courses   map[otn.RunID]*course      // of the open runs that have one
	bySubject map[otn.Subject][]*course  // of those whose rule holds or gathers
	parked    map[otn.RunID][]parked     // retries that came due while their run was paused
	stopped   map[otn.TokenID]bool       // consents to be withdrawn as soon as they are free
	erasing   map[otn.PersonID]bool      // people to be erased as soon as nothing of theirs is claimed

	doubting sync.Mutex              // who sends a doubt again and who resolves it see each other
	again    map[otn.DeliveryID]bool // doubts that are being sent again
}

// New makes a Dispatch and its lanes. It starts nothing and reads nothing.
func New(c Config) *Dispatch {
	d := &Dispatch{
		Config: c, lanes: map[string]*Lane{}, wake: make(chan struct{}, 1), unindexed: make(chan struct{}, 1),
		versions: map[string]*roster{}, held: map[otn.PersonID]time.Time{},
		courses: map[otn.RunID]*course{}, bySubject: map[otn.Subject][]*course{}, parked: map[otn.RunID][]parked{}, stopped: map[otn.TokenID]bool{}, again: map[otn.DeliveryID]bool{}, erasing: map[otn.PersonID]bool{},
	}
	d.rules.Store(newRoster(c.Rules))
	for name, ch := range c.Channels {
		d.lanes[name] = newLane(d, name, ch, c.Rates[name])
	}
	return d
}

// Lanes lists the lanes, one for each channel.
func (d *Dispatch) Lanes() []*Lane {
	list := make([]*Lane, 0, len(d.lanes))
	for _, l := range d.lanes {
		list = append(list, l)
	}
	return list
}

// Lane finds a channel's lane.
func (d *Dispatch) Lane(channel string) (*Lane, bool) {
	l, ok := d.lanes[channel]
	return l, ok
}

// Current is the version of the rules that decides about new events.
func (d *Dispatch) Current() otn.Rules { return d.rules.Load().Rules }

// Wake says that the journal has grown.
func (d *Dispatch) Wake() { signal(d.wake) }

// dueTimer is a timer with how far the journal reached when it was handed over.
type dueTimer struct {
	ledger.Timer
	head uint64
}

// Take hands over timers that are due. Each is worked on once, and deleted in the batch that does its work.
func (d *Dispatch) Take(timers []ledger.Timer) {
	head := d.Ledger.Head()
	d.mu.Lock()
	for _, t := range timers {
		d.due = append(d.due, dueTimer{t, head})
	}
	d.mu.Unlock()
	d.Wake()
}

// taken are the timers to be worked on now that the journal is decided up to a number, or to its end. The end of a hold
// waits for what was in the journal by then.
func (d *Dispatch) taken(cursor uint64, drained bool) (now []ledger.Timer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	later := d.due[:0]
	for _, t := range d.due {
		if t.Kind == HoldTimer && !drained && t.head > cursor {
			later = append(later, t)
			continue
		}
		now = append(now, t.Timer)
	}
	d.due = later
	return now
}

// version finds the rules that made a run: the current ones, or older ones made again from their stored source.
func (d *Dispatch) version(v string) (otn.Rules, error) {
	if cur := d.Current(); cur.Version() == v {
		return cur, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, ok := d.versions[v]; ok {
		return r.Rules, nil
	}
	doc, ok, err := d.Ledger.Doc(versionKey(v))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("dispatch: rule version %s: %w", v, otn.ErrNotFound)
	}
	r, err := d.Current().Restore(doc.Value)
	if err != nil {
		return nil, fmt.Errorf("dispatch: rule version %s: %w", v, err)
	}
	if len(d.versions) >= keptVersions {
		clear(d.versions)
	}
	d.versions[v] = newRoster(r)
	d.versions[v].kept.Store(true)
	return r, nil
}

// keptVersions bounds the older versions kept compiled.
const keptVersions = 64

// Recover takes up what an earlier daemon left: open runs from their start, doubts with their resends, wishes to hear no
// more, cron lines. Call it once, before the loops.
func (d *Dispatch) Recover(ctx context.Context) error {
	d.began = d.Clock.Now()
	if err := d.Ledger.Track(openPrefix); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.restop, d.reerase, d.restored, d.reopen, d.rehold, d.redo, d.remindDoubts, d.recall, d.adopt, d.wantIndexes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reopen gives every open run back to its lanes. A lane begins at the head of the line again: it reads which tokens are
// left, rather than trust how far somebody had got. A run that only a channel was left with that is no more is done.
func (d *Dispatch) reopen(ctx context.Context) error {
	return d.eachDoc(openPrefix, func(doc ledger.Doc) error {
		id, err := openID(doc)
		if err != nil {
			return err
		}
		run, ok, err := d.Run(id)
		if err != nil || !ok {
			return err
		}
		if stands, err := d.retake(run); err != nil || stands {
			return err
		}
		done := len(d.lanes) > 0
		for _, l := range d.lanes {
			state, err := d.laneDoc(run.ID, l.name)
			if err != nil {
				return err
			}
			done = done && state.Done
		}
		if done {
			d.forget(run.ID)
			return d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{drop(doc.Key)}})
		}
		if err := d.afresh(ctx, run.ID); err != nil {
			return err
		}
		return d.hand(run, false)
	})
}

// retake reads the course of an open run, where it has one, and reports whether it stands still.
func (d *Dispatch) retake(run *Run) (stands bool, err error) {
	_, there, err := d.readCourse(run.ID)
	if err != nil || !there {
		return false, err
	}
	c, err := d.load(run)
	if err != nil {
		return false, err
	}
	if c.Began.IsZero() || c.run.Plan.Coalesce > 0 {
		d.keep(c)
	}
	return c.Paused != "" || c.Stage != UnderWay, nil
}

// redo looks again at those whom a daemon that died left claimed and whole. An open run comes to them by itself.
func (d *Dispatch) redo(ctx context.Context) error {
	var b ledger.Batch
	now := d.Clock.Now()
	for _, r := range d.Ledger.Recovered().Redo {
		_, open, err := d.Ledger.Doc(openPrefix + r.Run.String())
		if err != nil {
			return err
		}
		if !open && len(r.Seqs) > 0 {
			b.Timers = append(b.Timers, retryTimer(now, r.Run, r.Channel, r.Seqs))
		}
		b.Redone = append(b.Redone, r.Run)
	}
	if len(b.Redone) == 0 {
		return nil
	}
	return d.commit(ctx, &b)
}

// recall reads what was held back: channels that are paused, subscribers to leave alone.
func (d *Dispatch) recall(ctx context.Context) error {
	now := d.Clock.Now()
	for _, prefix := range []string{pausePrefix, restPrefix} {
		err := d.eachDoc(prefix, func(doc ledger.Doc) error {
			var p Pause
			if err := decode(doc.Value, &p); err != nil {
				return err
			}
			if l, ok := d.lanes[doc.Key[len(prefix):]]; ok {
				l.pause(p)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return d.eachDoc(holdPrefix, func(doc ledger.Doc) error {
		var p otn.PersonID
		var until time.Time
		if err := p.UnmarshalText([]byte(doc.Key[len(holdPrefix):])); err != nil {
			return err
		}
		if err := decode(doc.Value, &until); err != nil {
			return err
		}
		if !until.After(now) {
			return d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{drop(doc.Key)}})
		}
		d.held[p] = until
		return nil
	})
}

func (d *Dispatch) eachDoc(prefix string, do func(ledger.Doc) error) error {
	after := ""
	for {
		docs, err := d.Ledger.Docs(prefix, after, 256)
		if err != nil || len(docs) == 0 {
			return err
		}
		for _, doc := range docs {
			if err := do(doc); err != nil {
				return err
			}
		}
		after = docs[len(docs)-1].Key
	}
}

// commit makes a batch true, and lets the clock know of its timers.
func (d *Dispatch) commit(ctx context.Context, b *ledger.Batch) error {
	if err := d.Ledger.Commit(ctx, b); err != nil {
		return fmt.Errorf("dispatch: %w", err)
	}
	if len(b.Timers) > 0 {
		d.Ticked()
	}
	return nil
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
