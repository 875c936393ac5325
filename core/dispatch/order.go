// The order of a run: who comes first where a rule says so, or where there is not a place for everybody.

package dispatch

import (
	"cmp"
	"slices"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// ordered reports whether a lane gathers the next few of a line before it tells them, rather than take them as they come.
func ordered(p *otn.Plan) bool { return p.Budgeted() || p.Newest || p.Ranked }

// queueAtMost bounds how many of a line are gathered at once.
const queueAtMost = 100_000

// standing is the place of a consent in the order of its run: smaller ones come first.
type standing struct {
	rank     int
	age, seq uint64 // age is seq, or its complement where the newest comes first
	own      bool   // it goes through this lane
}

func (a standing) compare(b standing) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.age, b.age))
}

// best gathers the first so many of a line.
type best struct {
	limit   int
	cursor  uint64
	rivals  map[string]bool // other lanes: their people have their places before ours
	list    []standing
	own     int  // of this lane, in the list or dropped from it
	stopped bool // there is no need to look further
}

func (b *best) add(s standing, inOrder bool) {
	if s.own {
		b.own++
	}
	if b.limit == 0 {
		b.stopped = s.own
		return
	}
	b.list = append(b.list, s)
	switch {
	case inOrder:
		b.stopped = len(b.list) == b.limit
	case len(b.list) >= 2*b.limit:
		b.cut()
	}
}

// cut keeps the best, in order.
func (b *best) cut() {
	slices.SortFunc(b.list, standing.compare)
	b.list = b.list[:min(len(b.list), b.limit)]
}

// queue takes the next of the pass's queue onto the page, and gathers it anew where it is used up.
func (f *filler) queue() error {
	p, run := &f.page.state.pass, f.page.task.run
	f.page.queued = true
	if len(p.queue) == 0 {
		if done, err := f.refill(p, run); err != nil || !done {
			return err
		}
	}
	room := f.l.d.room(run)
	waiting := len(p.queue) > 0
	for len(p.queue) > 0 && len(f.page.picks) < f.size && int64(len(f.page.picks)) < room {
		seq := p.queue[0]
		p.queue = p.queue[1:]
		if err := f.some([]uint64{seq}); err != nil {
			return err
		}
	}
	switch {
	case len(f.page.picks) > 0:
	case len(p.queue) > 0, p.left && !waiting: // there is no room, or others come before all of this lane
		f.page.full, f.page.end = true, true
	case !p.left && run.Plan.Ranked && p.rounds > 1 && !p.plain:
		p.plain, f.page.state.Cursor = true, 0
	default:
		f.page.end = !p.left
	}
	return nil
}

// refill gathers the next queue, a part of the line at a time: done when it has.
func (f *filler) refill(p *pass, run *Run) (done bool, err error) {
	if p.best == nil {
		p.best = &best{limit: int(min(f.l.d.room(run), queueAtMost))}
		p.turn, p.best.rivals = f.l.d.rivals(run, f.l.name)
	}
	b := p.best
	last, end, err := f.l.d.look(run, f.page.rules, &f.page.task.wide, b.cursor, f.now, func(c *ledger.Candidate) bool {
		f.err = f.consider(p, c)
		return f.err == nil && !b.stopped
	})
	if err != nil || f.err != nil {
		return false, errOr(err, f.err)
	}
	b.cursor = last
	f.page.state.Again = max(f.page.state.Again, last)
	if !end && !b.stopped {
		return false, nil
	}
	b.cut()
	for _, s := range b.list {
		if s.own {
			p.queue = append(p.queue, s.seq)
		}
	}
	p.left = b.stopped || b.own > len(p.queue)
	if n := len(b.list); n > 0 {
		p.behind = &b.list[n-1]
	}
	p.best = nil
	p.rounds++
	return true, nil
}

// consider gathers a candidate that could be told now.
func (f *filler) consider(p *pass, c *ledger.Candidate) error {
	own := c.Channel == f.l.name
	if !own && !p.best.rivals[c.Channel] {
		return nil
	}
	v, err := f.page.rules.Choose(c)
	if err != nil {
		return err
	}
	plan := &f.page.task.run.Plan
	if own {
		counts := f.undecided(v)
		if v == otn.Yes {
			counts.Selected = 1
		}
		f.count(c, counts)
	}
	if v != otn.Yes {
		return nil
	}
	s := standing{age: c.Seq, seq: c.Seq, own: own}
	if plan.Newest {
		s.age = ^c.Seq
	}
	if plan.Ranked {
		s.rank = f.page.rules.Rank(&c.Consent)
	}
	if own && p.behind != nil && s.compare(*p.behind) <= 0 {
		return nil
	}
	if free, err := f.free(c, own); err != nil || !free {
		return err
	}
	p.best.add(s, !plan.Newest && !plan.Ranked)
	return nil
}

// free reports whether a candidate that the rule means could be told now, as far as that can be seen without unsealing it.
func (f *filler) free(c *ledger.Candidate, own bool) (bool, error) {
	if c.Siblings || f.again(c) {
		told, was, err := f.l.d.Ledger.Told(f.page.task.run.ID, c.Person())
		if err != nil || was && !mayFollow(told, c.ID, false) {
			return false, err
		}
	}
	if own {
		return f.due(c)
	}
	at, why, err := f.when(c.TZ, c.Person())
	return why == Why{} && at.IsZero(), err
}
