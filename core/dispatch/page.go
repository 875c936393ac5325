// A page: the next few consents of a run, selected with the facts as they are now, claimed together.

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// page is what one claim holds, and how each member ended.
type page struct {
	task   *task
	state  *Progress
	rules  *sight
	facts  otn.Facts
	picks  []pick
	end    bool // the pass came to the end of the line, or to the end of its places
	full   bool // there is no place for somebody whom the rule means
	over   Why  // nobody is told any more, and why
	queued bool // the picks come from the pass's queue
	lost   int  // places taken for picks that somebody else won
	claim  *ledger.Claim
	result []ledger.Result
	errs   []*otn.SendError // of each member that was not sent
	halt   atomic.Bool      // the channel wants no more of this page
	rest   *Pause           // of the channel, to be written with the settlement
	counts Tally
	wait   map[time.Time][]uint64 // who is to be looked at again, and when
	docs   []*ledger.Doc          // to be written with the settlement

	answered time.Time // when the last answer came; zero: nobody measures
}

// later sets a consent aside until a moment.
func (pg *page) later(seq uint64, until time.Time) {
	until = until.Truncate(time.Second).Add(time.Second)
	if pg.wait == nil {
		pg.wait = map[time.Time][]uint64{}
	}
	pg.wait[until] = append(pg.wait[until], seq)
}

// pick is one consent for whom the rule says yes, with its message.
type pick struct {
	consent otn.Consent
	id      otn.TokenID
	person  otn.PersonID
	message otn.Message
	attempt int
	begun   bool     // there is a delivery of its person in the run
	place   bool     // it takes a place of the run's budget: it was not handed over before
	others  []uint64 // the person's other consents on the line, to be tried should this one be refused
	gallery *gallery // what else the message tells of
}

// scanAtOnce bounds the rows of one turn, so that a run that selects nobody does not keep the others waiting.
const scanAtOnce = 100_000

// fill looks for the next consents of a task. A change of facts since the event counts: whoever is no longer meant waits on.
func (l *Lane) fill(t *task, state *Progress) (*page, error) {
	run, now := t.run, l.d.Clock.Now()
	dips, began := l.d.sinceHold(run)
	rules, err := l.d.seeNow(run, dips, now)
	if err != nil {
		return nil, err
	}
	pg := &page{task: t, state: state, facts: rules.facts, rules: rules}
	if run.Plan.Ends {
		ends, err := rules.Ends()
		if err != nil {
			return nil, fmt.Errorf("the end of the run cannot be decided: %w", err)
		}
		if now.After(ends) {
			pg.end, pg.over = true, Why{Ended, "nothing is sent after " + words(ends) + "; those who are left wait on"}
			return pg, nil
		}
		state.pass.ends = ends
	}
	f := &filler{l: l, page: pg, now: now, size: l.size(), persons: map[otn.PersonID]bool{}, calendar: l.d.calendar(run, began, now)}
	switch {
	case t.seqs != nil:
		err = f.some(t.seqs)
	case run.Only > 0 || run.Person != nil:
		err = f.few()
	case ordered(&run.Plan) && !state.pass.plain:
		err = f.queue()
	default:
		err = f.scan()
	}
	return pg, err
}

// sinceHold is what a run keeps of the time before its lanes had it.
func (d *Dispatch) sinceHold(run *Run) (dips []otn.Last, began time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.courses[run.ID]; c != nil && !c.Began.IsZero() {
		return c.Dips, c.Began
	}
	return nil, run.At
}

// filler gathers the picks of one page.
type filler struct {
	l       *Lane
	page    *page
	now     time.Time
	size    int
	persons map[otn.PersonID]bool // already on this page
	others  map[otn.RunID]*sight  // runs whose messages go into one with this run's
	err     error
	*calendar
}

func (f *filler) scan() error {
	run, state := f.page.task.run, f.page.state
	last, done, err := f.l.d.look(run, f.page.rules, &f.page.task.wide, state.Cursor, f.now, func(c *ledger.Candidate) bool {
		f.offer(c)
		return f.err == nil && len(f.page.picks) < f.size
	})
	if err != nil || f.err != nil {
		return errOr(err, f.err)
	}
	state.Cursor, f.page.end = last, done
	return nil
}

// few looks at the one consent that the run is for, or at those of the one person whom its trigger named.
func (f *filler) few() error {
	f.page.end = true
	run := f.page.task.run
	err := f.l.d.each(run, nil, f.now, func(c *ledger.Candidate) (bool, error) {
		f.offer(c)
		return true, f.err
	})
	f.page.state.Again = max(f.page.state.Again, run.Below)
	return err
}

// some looks at a few consents again.
func (f *filler) some(seqs []uint64) error {
	for _, seq := range seqs {
		c, ok, err := f.l.d.Ledger.Candidate(f.page.task.run.Line(), seq, f.now)
		if err != nil {
			return err
		}
		if ok {
			f.offer(c)
		}
		if f.err != nil {
			return f.err
		}
	}
	return nil
}

// offer takes a candidate onto the page if it goes through this lane and its rule says yes.
func (f *filler) offer(c *ledger.Candidate) {
	if c.Channel != f.l.name {
		return
	}
	var counts Tally
	v, err := f.page.rules.Choose(c)
	switch {
	case err != nil:
		f.err = err
	case v == otn.Yes:
		f.err = f.pick(c, &counts)
	default:
		counts = f.undecided(v)
	}
	f.count(c, counts)
}

// undecided counts a verdict that is not yes.
func (f *filler) undecided(v otn.Verdict) Tally {
	switch v {
	case otn.Undecided:
		return Tally{Undecided: 1, Because: f.page.rules.Because()}
	case otn.Failed:
		return Tally{Failed: 1, Because: f.page.rules.Because()}
	}
	return Tally{}
}

// count adds what a look came to, unless the consent was counted when it was looked at first.
func (f *filler) count(c *ledger.Candidate, counts Tally) {
	if !f.again(c) {
		counts.Seen = 1
		f.page.counts.add(counts)
	}
}

// again reports whether the run may have looked at a consent before.
func (f *filler) again(c *ledger.Candidate) bool {
	return f.page.task.seqs != nil || c.Seq <= f.page.state.Again
}

// AnotherAccount is why a consent cannot be spent whose token another account of its channel got.
const AnotherAccount = "the consent was given to another account of this channel"

// ours reports whether an unsealed consent was given to the account that the channel sends from.
func (f *filler) ours(c *ledger.Candidate) bool { return f.l.spends(c.Token) }

func (l *Lane) spends(t otn.Token) bool { return l.account == "" || t.Account() == l.account }

// Spends reports whether the account that a channel sends from can spend a token, as far as that is known.
func (d *Dispatch) Spends(channel string, t otn.Token) bool {
	l, here := d.lanes[channel]
	if !here {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spends(t)
}

func (f *filler) pick(c *ledger.Candidate, counts *Tally) error {
	if due, err := f.due(c); err != nil || !due {
		counts.Selected = 1
		return err
	}
	c = c.Keep()
	person, err := f.l.d.Ledger.Unseal(c)
	if err != nil {
		return err
	}
	if !f.ours(c) {
		counts.because(Why{OtherAccount, AnotherAccount})
		return nil
	}
	if f.persons[person] || f.l.d.unwanted(c.ID, person) {
		return nil
	}
	if until, held := f.l.d.Held(person, f.now); held {
		counts.Selected = 1
		f.page.later(c.Seq, until)
		return nil
	}
	p := pick{consent: c.Consent, id: c.ID, person: person, attempt: 1, place: true}
	if ok, err := f.turnOf(c, &p); err != nil || !ok {
		return err
	}
	message, err := f.page.rules.Render(&c.Consent, &f.l.can)
	if errors.Is(err, otn.ErrInvalid) {
		counts.Failed = 1
		counts.Because = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	p.message = message
	if f.page.task.run.Plan.Coalesce > 0 {
		if err := f.gather(&p); err != nil {
			return err
		}
	}
	p.note(f.run.NeedsPerson)
	counts.Selected = 1
	f.persons[person] = true
	f.page.picks = append(f.page.picks, p)
	return nil
}

// turnOf says whether it is this consent's turn in the run, and with which attempt. One person gets one message a run, by
// the consent that expires first of those that the rule means; another is tried only where that one was refused, or is gone.
func (f *filler) turnOf(c *ledger.Candidate, p *pick) (bool, error) {
	run, retry := f.page.task.run, f.page.task.seqs != nil
	if run.Plan.Coalesce > 0 {
		if told, err := f.l.d.toldWith(run.ID, p.person); err != nil || told {
			return false, err
		}
	}
	if !c.Siblings && !f.again(c) {
		return true, nil
	}
	told, was, err := f.l.d.Ledger.Told(run.ID, p.person)
	if err != nil {
		return false, err
	}
	if was && !mayFollow(told, c.ID, retry) {
		return false, nil
	}
	p.begun = was
	mine := was && told.Token == c.ID // begun with this one, gone on with it
	if mine {
		p.attempt, p.place = told.Attempts+1, false
	}
	if !c.Siblings {
		return true, nil
	}
	others, err := f.l.d.Ledger.Siblings(p.person, run.Line(), f.now)
	if err != nil {
		return false, err
	}
	for _, o := range others {
		if o.Seq >= run.Below || o.ID == c.ID {
			continue
		}
		p.others = append(p.others, o.Seq)
		first := o.ExpiresAt.Before(c.ExpiresAt) || o.ExpiresAt.Equal(c.ExpiresAt) && o.Seq < c.Seq
		if mine || !first && !(was && told.Token == o.ID) {
			continue
		}
		if meant, err := f.means(o); err != nil || meant {
			return false, err
		}
	}
	return true, nil
}

// means reports whether a consent could be picked as well.
func (f *filler) means(c *ledger.Candidate) (bool, error) {
	if _, err := f.l.d.Ledger.Unseal(c); err != nil {
		return false, err
	}
	if !f.ours(c) {
		return false, nil
	}
	if v, err := f.page.rules.Choose(c); err != nil || v != otn.Yes {
		return false, err
	}
	_, err := f.page.rules.Render(&c.Consent, &f.l.can)
	if errors.Is(err, otn.ErrInvalid) {
		return false, nil
	}
	return err == nil, err
}

// mayFollow says whether a consent may still be used in a run that has a delivery for its person already. One that was
// put off comes back by its own timer; one that was whole when a daemon died, or not valid when a run was paused, with the
// run. Another of the same person may follow one that nothing left with, unless that one can still be used.
func mayFollow(told ledger.Delivery, id otn.TokenID, retry bool) bool {
	switch {
	case told.Open || told.Outcome == otn.Sent || told.Outcome == otn.Unknown:
		return false
	case told.Token == id:
		return retry || told.Outcome == otn.Invalid || told.Code == ledger.Recovered
	}
	return true
}

// claim takes the page's tokens, in one batch with what the last page came to.
func (l *Lane) claim(store context.Context, t *task, state *Progress, pg *page) error {
	began := l.began()
	b, err := l.settlement()
	if err != nil {
		return err
	}
	state.Page++
	pg.claim = &ledger.Claim{
		Run: t.run.ID, Page: pageNumber(l.name, state.Page), Line: t.run.Line(), Channel: l.name, Account: l.account, At: pg.facts.At, Facts: encode(firstMade{pg.facts, l.form()}),
	}
	for _, p := range pg.picks {
		if p.place {
			state.Taken++
		}
		b.Docs = append(b.Docs, p.docs(pg.claim.Run)...)
		pg.claim.Members = append(pg.claim.Members, ledger.Member{Seq: p.consent.Seq, Token: p.id, Person: p.person, Attempt: p.attempt})
	}
	b.Claims = append(b.Claims, pg.claim)
	state.Tally.add(pg.counts)
	state.Selected = max(state.Selected, state.Taken) // in a later pass somebody may be meant who was not in the first
	b.Docs = append(b.Docs, put(laneKey(t.run.ID, l.name), state))
	if err := l.commit(store, b); err != nil {
		return err
	}
	l.stepped(began, otn.ClaimStep, pg, len(pg.claim.Members))
	pg.won()
	return nil
}

// pageNumber keeps the pages of a run's lanes apart.
func pageNumber(lane string, page uint64) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(lane) {
		h = (h ^ uint64(lane[i])) * 1099511628211
	}
	return h<<32 | page&0xffffffff
}

// won keeps the picks whose tokens were won; somebody else has the others.
func (pg *page) won() {
	kept, i := pg.picks[:0], 0
	for _, p := range pg.picks {
		if i < len(pg.claim.Members) && pg.claim.Members[i].Token == p.id {
			kept = append(kept, p)
			i++
			continue
		}
		if p.place {
			pg.lost++
		}
		for _, seq := range p.others {
			pg.later(seq, pg.facts.At)
		}
	}
	pg.picks = kept
	pg.result = make([]ledger.Result, len(kept))
	pg.errs = make([]*otn.SendError, len(kept))
}
