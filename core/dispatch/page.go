// A page: the next few consents of a run, selected with the facts as they are now, claimed together.

package dispatch

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// page is what one claim holds, and how each member ended.
type page struct {
	task   *task
	state  *Progress
	rules  otn.Page
	facts  otn.Facts
	picks  []pick
	end    bool // the scan came to the end of the line
	claim  *ledger.Claim
	result []ledger.Result
	errs   []*otn.SendError // of each member that was not sent
	halt   atomic.Bool      // the channel wants no more of this page
	rest   *Pause           // of the channel, to be written with the settlement
	counts Tally
	wait   map[time.Time][]uint64 // who is to be looked at again, and when
	docs   []*ledger.Doc          // to be written with the settlement
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
	others  []uint64 // the person's other consents on the line, to be tried should this one be refused
}

// scanAtOnce bounds the rows of one turn, so that a run that selects nobody does not keep the others waiting.
const scanAtOnce = 100_000

// fill looks for the next consents of a task. A change of facts since the event counts: whoever is no longer meant waits on.
func (l *Lane) fill(t *task, state *Progress) (*page, error) {
	run, now := t.run, l.d.Clock.Now()
	rules, err := l.d.version(run.Version)
	if err != nil {
		return nil, err
	}
	snap, _, err := l.d.Shop.Snapshot(run.Subject)
	if err != nil {
		return nil, err
	}
	pg := &page{task: t, state: state, facts: run.Facts(snap, now)}
	if pg.rules, err = rules.Open(pg.facts); err != nil {
		return nil, err
	}
	f := &filler{l: l, page: pg, now: now, size: l.size(), persons: map[otn.PersonID]bool{}}
	switch {
	case t.seqs != nil:
		err = f.some(t.seqs)
	case run.Person != nil:
		err = f.person(*run.Person)
	default:
		err = f.scan()
	}
	return pg, err
}

// filler gathers the picks of one page.
type filler struct {
	l       *Lane
	page    *page
	now     time.Time
	size    int
	persons map[otn.PersonID]bool // already on this page
	err     error
}

func (f *filler) scan() error {
	run, state := f.page.task.run, f.page.state
	last, done, err := f.l.d.Ledger.Scan(run.Line(), state.Cursor, run.Below, scanAtOnce, f.now, func(c *ledger.Candidate) bool {
		f.offer(c)
		return f.err == nil && len(f.page.picks) < f.size
	})
	if err != nil || f.err != nil {
		return errOr(err, f.err)
	}
	state.Cursor, f.page.end = last, done
	return nil
}

// person looks at the consents of one person, whom the run's trigger named.
func (f *filler) person(p otn.PersonID) error {
	f.page.end = true
	list, err := f.l.d.Ledger.Siblings(p, f.page.task.run.Line(), f.now)
	for _, c := range list {
		if c.Seq < f.page.task.run.Below && err == nil {
			f.offer(c)
			err = f.err
		}
	}
	f.page.state.Again = max(f.page.state.Again, f.page.task.run.Below)
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
	switch f.page.rules.Select(&c.Consent) {
	case otn.Yes:
		f.err = f.pick(c, &counts)
	case otn.Undecided:
		counts = Tally{Undecided: 1, Because: f.page.rules.Because()}
	case otn.Failed:
		counts = Tally{Failed: 1, Because: f.page.rules.Because()}
	}
	if !f.again(c) { // else it was counted when it was looked at first
		counts.Seen = 1
		f.page.counts.add(counts)
	}
}

// again reports whether the run may have looked at a consent before.
func (f *filler) again(c *ledger.Candidate) bool {
	return f.page.task.seqs != nil || c.Seq <= f.page.state.Again
}

// ours reports whether an unsealed consent was given to the account that the channel sends from.
func (f *filler) ours(c *ledger.Candidate) bool {
	return f.l.account == "" || c.Token.Account() == f.l.account
}

func (f *filler) pick(c *ledger.Candidate, counts *Tally) error {
	c = c.Keep()
	person, err := f.l.d.Ledger.Unseal(c)
	if err != nil {
		return err
	}
	if !f.ours(c) {
		counts.Because = "the consent was given to another account of this channel"
		return nil
	}
	if f.persons[person] {
		return nil
	}
	if until, held := f.l.d.Held(person, f.now); held {
		counts.Selected = 1
		f.page.later(c.Seq, until)
		return nil
	}
	p := pick{consent: c.Consent, id: c.ID, person: person, attempt: 1}
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
	counts.Selected = 1
	f.persons[person] = true
	p.message = message
	f.page.picks = append(f.page.picks, p)
	return nil
}

// turnOf says whether it is this consent's turn in the run, and with which attempt. One person gets one message a run, by
// the consent that expires first of those that the rule means; another is tried only where that one was refused, or is gone.
func (f *filler) turnOf(c *ledger.Candidate, p *pick) (bool, error) {
	run, retry := f.page.task.run, f.page.task.seqs != nil
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
	mine := was && told.Token == c.ID // begun with this one, gone on with it
	if mine {
		p.attempt = told.Attempts + 1
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
	if !f.ours(c) || f.page.rules.Select(&c.Consent) != otn.Yes {
		return false, nil
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
	b, err := l.settlement()
	if err != nil {
		return err
	}
	state.Page++
	pg.claim = &ledger.Claim{
		Run: t.run.ID, Page: pageNumber(l.name, state.Page), Line: t.run.Line(), Channel: l.name, Account: l.account, At: pg.facts.At, Facts: encode(pg.facts),
	}
	for _, p := range pg.picks {
		pg.claim.Members = append(pg.claim.Members, ledger.Member{Seq: p.consent.Seq, Token: p.id, Person: p.person, Attempt: p.attempt})
	}
	b.Claims = append(b.Claims, pg.claim)
	state.Tally.add(pg.counts)
	b.Docs = append(b.Docs, put(laneKey(t.run.ID, l.name), state))
	if err := l.commit(store, b); err != nil {
		return err
	}
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
		for _, seq := range p.others {
			pg.later(seq, pg.facts.At)
		}
	}
	pg.picks = kept
	pg.result = make([]ledger.Result, len(kept))
	pg.errs = make([]*otn.SendError, len(kept))
}
