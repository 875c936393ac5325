// Doubts: deliveries that nobody can tell about, asked about where the platform can tell, and tried again where it refuses a second use itself.

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

func resendTimer(id otn.DeliveryID, channel string, due time.Time) ledger.Timer {
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: ResendTimer + "/" + id.String()}, Kind: ResendTimer, Body: encode(resendBody{id, channel})}
}

// remindDoubts sets the resend of every doubt, or ends it where its echo is on disk. The moment follows from the delivery alone, so that setting it again changes nothing.
func (d *Dispatch) remindDoubts(ctx context.Context) error {
	var after otn.DeliveryID
	for {
		list, err := d.Ledger.Doubts(after, 256)
		if err != nil || len(list) == 0 {
			return err
		}
		var b ledger.Batch
		for _, doubt := range list {
			if echoed, err := d.echoed(ctx, doubt); err != nil {
				return err
			} else if echoed {
				continue
			}
			if due, ok := nextResend(doubt); ok {
				b.Timers = append(b.Timers, resendTimer(doubt.ID, doubt.Channel, due))
			}
			after = doubt.ID
		}
		if len(b.Timers) > 0 {
			if err := d.commit(ctx, &b); err != nil {
				return err
			}
		}
	}
}

// echoed ends a doubt whose echo was written down by a daemon that died before it could say so.
func (d *Dispatch) echoed(ctx context.Context, doubt ledger.Delivery) (bool, error) {
	_, there, err := d.Ledger.Doc(ledger.EchoKey(doubt.ID))
	if err != nil || !there {
		return false, err
	}
	proof := &ledger.Proof{Delivery: doubt.ID, At: d.Clock.Now(), Code: "echo"}
	if err := d.commit(ctx, &ledger.Batch{Proofs: []*ledger.Proof{proof}}); err != nil {
		return true, err
	}
	return true, d.Proven(ctx, proof)
}

// Proven counts what a proof that is on disk has ended.
func (d *Dispatch) Proven(ctx context.Context, p *ledger.Proof) error {
	if !p.Ended {
		return nil
	}
	change := Tally{Sent: 1}
	if p.Was == otn.Unknown {
		change.Unknown = -1
	}
	return d.Resolved(ctx, p.Delivery, change)
}

// nextResend is when a doubt is tried again. One whose daemon died is tried at once: its first attempt can no longer be under way.
func nextResend(doubt ledger.Delivery) (time.Time, bool) {
	if doubt.Probably || doubt.Code == ledger.RestoredCode || doubt.Attempts > len(resendWaits) {
		return time.Time{}, false
	}
	if doubt.Code == ledger.Recovered && doubt.Attempts <= 1 {
		return doubt.At, true
	}
	return doubt.At.Add(resendWaits[max(doubt.Attempts, 1)-1]), true
}

// resend ends a doubt where it can: it asks the platform what became of the message, then tries again with the same token, the identical
// text, the same account where the platform itself refuses a second use. Sent ends it, "already used" marks it as probably
// delivered, "never taken" lets the consent wait again, and anything else leaves it as it is.
func (l *Lane) resend(ctx, store context.Context, t *task) error {
	if err := l.settle(store); err != nil {
		return err
	}
	done := &ledger.Batch{Done: []ledger.TimerID{*t.timer}, Lazy: true} // a start sets the timer again
	doubt, c, ok, err := l.d.Ledger.Doubt(*t.doubt)
	if err != nil {
		return err
	}
	if !ok || doubt.Probably || doubt.Code == ledger.RestoredCode || doubt.Account != l.account {
		return l.commit(store, done)
	}
	try := again{doubt: doubt, c: c, resends: l.can.SingleUseToken && !l.d.isStopped(doubt.Token)}
	if try.resends {
		if try.message, err = l.sameText(doubt, c); err != nil {
			l.log.Error("a doubt cannot be sent again", "delivery", doubt.ID, "why", err)
			try.resends = false
		}
	}
	if !try.resends && !l.can.Lookups {
		return l.commit(store, done)
	}
	if !l.pace.wait(ctx, l.d.Clock, l.limit()) {
		return nil // the timer is on disk
	}
	if l.d.park(l, t) { // while it waited for its turn
		return nil
	}
	if try.resends = try.resends && !l.d.unwanted(doubt.Token, doubt.ID.Person()); !try.resends && !l.can.Lookups {
		return l.commit(store, done)
	}
	if err := l.d.begin(store, doubt.ID); err != nil {
		return l.over(store, done, err)
	}
	defer l.d.end(doubt.ID)
	r, probably, err := l.find(store, &try, done)
	if err != nil {
		return err
	}
	if err := l.d.Ledger.Resolve(store, doubt.ID, r, probably); err != nil {
		return l.over(store, done, err)
	}
	switch r.Outcome {
	case otn.Sent:
		err = l.d.Resolved(store, doubt.ID, Tally{Sent: 1, Unknown: -1})
	case otn.Deferred:
		err = errors.Join(l.d.Resolved(store, doubt.ID, Tally{Unknown: -1}), l.d.StopAgain(store, doubt.Token))
	}
	if err != nil {
		return err
	}
	return l.remind(store, doubt.ID, done)
}

// again is a doubt that is looked into.
type again struct {
	doubt   *ledger.Doubt
	c       *ledger.Candidate
	resends bool
	message otn.Message // where it is sent again
}

// find asks, then tries again, and says what became of the doubt.
func (l *Lane) find(store context.Context, try *again, done *ledger.Batch) (r ledger.Result, probably bool, err error) {
	if l.can.Lookups {
		if r = l.lookUp(store, try); r.Outcome == otn.Sent {
			return r, false, nil
		}
		if r.Outcome == otn.Deferred && !try.resends {
			return r, false, l.waitAgain(store, try, r.At)
		}
		r.Outcome = otn.Unknown
	}
	if !try.resends {
		return r, false, nil
	}
	began := l.began()
	receipt, err := l.sendAgain(store, try)
	outcome, se := otn.OutcomeOf(err)
	l.resent(began, try.doubt.ID.Run(), outcome)
	r = ledger.Result{Outcome: outcome, At: l.d.Clock.Now(), ProviderID: receipt.ProviderID, Code: receipt.Code}
	if se != nil {
		r.Code, r.Detail = se.Code, detail(se)
	}
	if outcome != otn.Sent {
		r.Outcome = otn.Unknown
	}
	if outcome == otn.Deferred && se.Scope == otn.ChannelScope {
		l.pause(Pause{Until: r.At.Add(max(se.After, firstBreath)), Reason: se.Error()})
	}
	return r, outcome == otn.Refused, nil
}

// tooFresh is how long after an attempt "never taken" is not believed: the attempt may still be under way.
const tooFresh = time.Minute

// lookUp asks the platform what became of a delivery. Whatever is no clear word is Unknown.
func (l *Lane) lookUp(ctx context.Context, try *again) (r ledger.Result) {
	asked := l.d.Clock.Now()
	receipt, err := l.lookup(ctx, otn.Delivery{
		ID: try.doubt.ID, Channel: l.name, Token: try.c.Token, Subscriber: try.c.Subscriber, Attempt: max(try.doubt.Attempts, 1),
	})
	outcome, se := otn.OutcomeOf(err)
	r = ledger.Result{Outcome: outcome, At: l.d.Clock.Now(), ProviderID: receipt.ProviderID, Code: receipt.Code}
	if se != nil {
		r.Code, r.Detail = se.Code, detail(se)
	}
	if outcome != otn.Sent && (outcome != otn.Deferred || asked.Sub(try.doubt.At) < tooFresh) {
		r.Outcome = otn.Unknown
	}
	return r
}

// lookup calls the channel. A channel that panics, or cannot be asked after all, leaves the doubt as it is.
func (l *Lane) lookup(ctx context.Context, d otn.Delivery) (r otn.Receipt, err error) {
	ch, ok := l.channel.(otn.Lookuper)
	if !ok {
		return r, fmt.Errorf("dispatch: channel %s looks nothing up: %w", l.name, otn.ErrNotFound)
	}
	defer func() {
		if p := recover(); p != nil {
			err = &otn.SendError{Outcome: otn.Unknown, Code: "panic", Err: fmt.Errorf("the channel panicked: %v", p)}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	return ch.Lookup(ctx, d)
}

// waitAgain has the run come again to somebody whose message was never taken. It is on disk before the doubt ends, so that a death
// between the two loses nobody: a retry of somebody who does not wait does nothing.
func (l *Lane) waitAgain(store context.Context, try *again, now time.Time) error {
	at := now.Add(messageWaits[0])
	return l.commit(store, &ledger.Batch{Timers: []ledger.Timer{retryTimer(at, try.doubt.ID.Run(), l.name, []uint64{try.c.Seq})}})
}

// begin notes that a doubt is being sent again, until end.
func (d *Dispatch) begin(store context.Context, id otn.DeliveryID) error {
	d.doubting.Lock()
	defer d.doubting.Unlock()
	if err := d.Ledger.Retry(store, id, d.Clock.Now()); err != nil {
		return err
	}
	d.again[id] = true
	return nil
}

func (d *Dispatch) end(id otn.DeliveryID) {
	d.doubting.Lock()
	defer d.doubting.Unlock()
	delete(d.again, id)
}

// Resolve ends a doubt as an operator says. Errors: otn.ErrRefused for one that is called lost while it is being sent again.
func (d *Dispatch) Resolve(ctx context.Context, id otn.DeliveryID, r ledger.Result, change Tally) error {
	d.doubting.Lock()
	defer d.doubting.Unlock()
	if d.again[id] && r.Outcome != otn.Sent {
		return fmt.Errorf("dispatch: delivery %s is being sent again: %w", id, otn.ErrRefused)
	}
	if err := d.Ledger.Resolve(ctx, id, r, false); err != nil {
		return err
	}
	return d.Resolved(ctx, id, change)
}

// over deletes the timer of a doubt that was ended meanwhile.
func (l *Lane) over(store context.Context, done *ledger.Batch, err error) error {
	if err := ignoreGone(err); err != nil {
		return err
	}
	return l.commit(store, done)
}

// remind replaces a resend's timer by that of the next attempt, if there is one.
func (l *Lane) remind(store context.Context, id otn.DeliveryID, done *ledger.Batch) error {
	now, ok, err := l.d.Ledger.Delivery(id)
	if err != nil {
		return err
	}
	if due, again := nextResend(now); ok && again && now.Outcome == otn.Unknown {
		done.Timers = append(done.Timers, resendTimer(id, l.name, due))
	}
	return l.commit(store, done)
}

func (l *Lane) sendAgain(ctx context.Context, try *again) (otn.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	return l.attempt(ctx, otn.Delivery{
		ID: try.doubt.ID, Channel: l.name, Token: try.c.Token, Subscriber: try.c.Subscriber, Message: try.message, Attempt: try.doubt.Attempts + 1,
		Deadline: l.d.Clock.Now().Add(SendTimeout),
	})
}

// Resolved counts a doubt that ended later.
func (d *Dispatch) Resolved(ctx context.Context, id otn.DeliveryID, change Tally) error {
	delivery, _, err := d.Ledger.Delivery(id)
	if err != nil {
		return err
	}
	key := laneKey(id.Run(), resolvedOf(delivery.Channel))
	for {
		doc, _, err := d.Ledger.Doc(key)
		if err != nil {
			return err
		}
		var p Progress
		if doc.Value != nil {
			if err := decode(doc.Value, &p); err != nil {
				return err
			}
		}
		p.Tally.add(change)
		err = d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{{Key: key, Value: encode(p), Rev: doc.Rev}}})
		if !errors.Is(err, otn.ErrConflict) {
			return err
		}
	}
}

// ignoreGone takes an error that says that a doubt was ended meanwhile, by an echo or an operator, for good.
func ignoreGone(err error) error {
	if errors.Is(err, otn.ErrNotFound) {
		return nil
	}
	return err
}
