// Reconcile: a store that is older than what happened learns which of its tokens may have been spent meanwhile.

package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// RestoredCode is the code of deliveries that are unknown because their token may have been spent after the backup was made. Nobody
// asks the platform about them: it may have taken the token with another delivery.
const RestoredCode = "restored"

const restoredDetail = "the token may have been spent after the backup was made"

// Reconciled counts what Reconcile did.
type Reconciled struct {
	Unknown   int // consents that waited and are unknown now
	Withdrawn int // consents that waited and are withdrawn now
	Left      int // of the tokens named, those that do not wait in this store anyway
}

// Reconcile makes every waiting consent that may have been spent meanwhile an unknown delivery, of a run that nobody made:
// the tokens named as spent, or with all those of everybody who waits. Those named as withdrawn are withdrawn. A delivery of such a token that is unknown already gets RestoredCode. Nothing brings them back but an echo, or an operator. Tokens
// that this store never saw become known as those of nobody: platforms repeat what they told, and none is granted again.
func (l *Ledger) Reconcile(ctx context.Context, spent, withdrawn []otn.TokenID, all bool, now time.Time) (Reconciled, error) {
	r := &reconciler{l: l, ctx: ctx, now: now, pages: make(map[Line]map[string][]Member)}
	step := r.withdraw(withdrawn)
	if step == nil {
		step = r.some(slices.Concat(spent, withdrawn))
	}
	if step == nil && all {
		step = r.everybody()
	}
	if step != nil {
		return r.Reconciled, fmt.Errorf("ledger: reconcile: %w", step)
	}
	return r.Reconciled, nil
}

// reconciler gathers members by line and channel, and ends them page by page.
type reconciler struct {
	Reconciled
	l     *Ledger
	ctx   context.Context
	now   time.Time
	pages map[Line]map[string][]Member
	page  uint64

	doubts []otn.DeliveryID // to be mistrusted
}

// reconcilePage is how many are ended in one claim.
const reconcilePage = 1000

// withdraw withdraws what waits, or was on its way when the backup was made.
func (r *reconciler) withdraw(tokens []otn.TokenID) error {
	for _, id := range tokens {
		switch err := r.l.Withdraw(r.ctx, id, r.now); {
		case err == nil:
			r.Withdrawn++
		case !errors.Is(err, otn.ErrNotFound) && !errors.Is(err, otn.ErrSpent):
			return err
		}
	}
	return nil
}

func (r *reconciler) some(spent []otn.TokenID) error {
	spent = slices.Clone(spent)
	slices.SortFunc(spent, func(a, b otn.TokenID) int { return slices.Compare(a[:], b[:]) })
	var unknown []otn.TokenID
	for _, id := range slices.Compact(spent) {
		c, ok, err := r.l.Consent(id)
		if err != nil {
			return err
		}
		if !ok {
			unknown = append(unknown, id)
		}
		if ok && c.State == Doubtful {
			if err := r.doubted(otn.NewDeliveryID(c.Run, c.Person)); err != nil {
				return err
			}
			continue
		}
		if !ok || c.State != Waiting {
			r.Left++
			continue
		}
		if err := r.add(Line{c.Topic, c.Subject}, c.Channel, Member{Seq: c.Seq, Token: id, Person: c.Person}); err != nil {
			return err
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	if err := r.mistrust(); err != nil {
		return err
	}
	for some := range slices.Chunk(unknown, reconcilePage) {
		if err := r.nobodys(some); err != nil {
			return err
		}
	}
	return nil
}

// nobodys makes tokens known that nothing else is known of.
func (r *reconciler) nobodys(tokens []otn.TokenID) error {
	return r.l.do(r.ctx, &turn{size: 32 * len(tokens), build: func(g *group) error {
		for _, id := range tokens {
			if _, there := g.get(tokenKey(id)); !there {
				g.put(tokenKey(id), packPlace(nil, place{}))
			}
		}
		return nil
	}})
}

// doubted gathers a delivery that is unknown already.
func (r *reconciler) doubted(id otn.DeliveryID) error {
	if r.doubts = append(r.doubts, id); len(r.doubts) < reconcilePage {
		return r.ctx.Err()
	}
	return r.mistrust()
}

// mistrust gives the doubts that were gathered the code of those that nobody looks into.
func (r *reconciler) mistrust() error {
	doubts := r.doubts
	r.doubts = nil
	if len(doubts) == 0 {
		return nil
	}
	return r.l.do(r.ctx, &turn{size: 512 * len(doubts), build: func(g *group) error {
		for _, id := range doubts {
			v, there := g.get(deliveryKey(spaceDoubt, id))
			if !there {
				continue
			}
			d, ok := readDoubt(v)
			if !ok {
				return errDamaged
			}
			if d.code != RestoredCode {
				d.code, d.detail = RestoredCode, restoredDetail
				g.put(deliveryKey(spaceDoubt, id), packDoubt(&d))
			}
		}
		return nil
	}})
}

// everyDoubt gathers all deliveries that are unknown already.
func (r *reconciler) everyDoubt() error {
	var after otn.DeliveryID
	for {
		list, err := r.l.Doubts(after, reconcilePage)
		if err != nil || len(list) == 0 {
			return either(err, r.mistrust())
		}
		for _, d := range list {
			after = d.ID
			if err := r.doubted(d.ID); err != nil {
				return err
			}
		}
	}
}

func (r *reconciler) everybody() error {
	if err := r.everyDoubt(); err != nil {
		return err
	}
	for _, topic := range r.l.topicNames() {
		for _, line := range r.l.Lines(topic) {
			after, done := uint64(0), false
			for !done {
				var err, bad error
				after, done, err = r.l.Scan(line, after, r.l.Head()+1, reconcilePage, time.Time{}, func(c *Candidate) bool {
					bad = r.gather(line, c.Channel, Member{Seq: c.Seq, Token: c.ID, Person: c.person})
					return bad == nil
				})
				if err != nil || bad != nil {
					return either(err, bad)
				}
				if err := r.flush(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func either(err, or error) error {
	if err != nil {
		return err
	}
	return or
}

func (l *Ledger) topicNames() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []string
	for name := range l.topics {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (r *reconciler) gather(line Line, channel string, m Member) error {
	if r.pages[line] == nil {
		r.pages[line] = make(map[string][]Member)
	}
	r.pages[line][channel] = append(r.pages[line][channel], m)
	return r.ctx.Err()
}

func (r *reconciler) add(line Line, channel string, m Member) error {
	if err := r.gather(line, channel, m); err != nil || len(r.pages[line][channel]) < reconcilePage {
		return err
	}
	return r.flush()
}

func (r *reconciler) flush() error {
	for line, channels := range r.pages {
		for channel, members := range channels {
			if err := r.end(line, channel, members); err != nil {
				return err
			}
		}
		delete(r.pages, line)
	}
	return nil
}

// end claims members and leaves them unknown. One person has one delivery in a run: those with several tokens take several.
func (r *reconciler) end(line Line, channel string, members []Member) error {
	for len(members) > 0 {
		r.page++
		cause := fmt.Sprintf("restored %d %d", r.now.UnixNano(), r.page)
		c := &Claim{Run: otn.NewRunID("restored", otn.Subject{ID: line.Subject}, cause, r.now), Page: 1, Line: line, Channel: channel, At: r.now, Members: slices.Clone(members)}
		if err := r.l.Commit(r.ctx, &Batch{Claims: []*Claim{c}}); err != nil {
			return err
		}
		if len(c.Members) == 0 {
			return fmt.Errorf("%d consents of %s cannot be claimed: %w", len(members), lineName(line), otn.ErrStore)
		}
		s := &Settlement{Claim: c, Results: make([]Result, len(c.Members))}
		for i := range s.Results {
			s.Results[i] = Result{Outcome: otn.Unknown, At: r.now, Code: RestoredCode, Detail: restoredDetail}
		}
		if err := r.l.Commit(r.ctx, &Batch{Settles: []*Settlement{s}}); err != nil {
			return err
		}
		r.Unknown += len(c.Members)
		won := make(map[uint64]bool, len(c.Members))
		for _, m := range c.Members {
			won[m.Seq] = true
		}
		members = slices.DeleteFunc(members, func(m Member) bool { return won[m.Seq] })
	}
	return nil
}
