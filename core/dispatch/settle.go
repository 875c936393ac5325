// Settling: what each answer means for its token, its run and its channel.

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// When a delivery that was put off is tried again, by attempt; behind the last it is given up, and the consent waits for another event.
// Source: the waits recommended for the Send API's error classes.
var (
	messageWaits    = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}
	subscriberWaits = []time.Duration{6 * time.Hour, 24 * time.Hour}
	resendWaits     = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}
)

// lasting is how long a channel's rest must be to be worth writing down.
const lasting = time.Minute

// faultsInARow is how many messages in a row may be at fault before their run pauses.
const faultsInARow = 3

// judge reads the answers of a page: what is tried again and when, what pauses.
func (l *Lane) judge(store context.Context, pg *page) error {
	now := l.d.Clock.Now()
	fault, back := "", pg.lost
	for i := range pg.result {
		r := &pg.result[i]
		if r.Untouched {
			if pg.picks[i].place {
				back++
			}
			continue
		}
		pg.state.Tally.count(r.Outcome)
		if r.Outcome != otn.Invalid {
			pg.state.faults = 0
		}
		switch se := pg.errs[i]; r.Outcome {
		case otn.Sent:
			l.backoff = 0
		case otn.Deferred:
			l.deferred(pg, i, se, now)
		case otn.Refused:
			for _, seq := range pg.picks[i].others {
				pg.later(seq, now)
			}
		case otn.Invalid:
			pg.state.faults++
			if se.Scope == otn.ChannelScope || pg.state.faults >= faultsInARow {
				fault = fmt.Sprintf("%s: %s", se.Code, r.Detail)
			}
		}
	}
	l.rewind(pg, now)
	pg.state.Judged = pg.state.Page
	pg.state.Taken -= int64(back)
	l.d.land(pg.task.run, l.name, back)
	if fault == "" {
		return nil
	}
	pg.state.faults = 0
	return l.stop(store, pg.task.run, errors.New(fault))
}

// whole reports whether a member of a page waits again when the page is settled.
func whole(r ledger.Result) bool {
	return r.Untouched || r.Outcome == otn.Deferred || r.Outcome == otn.Invalid
}

// deferred sets the time of the next attempt, and holds back what the channel says to hold back.
func (l *Lane) deferred(pg *page, i int, se *otn.SendError, now time.Time) {
	wait, again := se.After, true
	attempt := pg.picks[i].attempt
	switch se.Scope {
	case otn.ChannelScope:
		if wait == 0 {
			l.backoff = min(max(l.backoff*2, firstBreath), lastBreath)
			wait = l.backoff
		}
		l.rest(pg, Pause{Until: now.Add(wait), Reason: se.Error()})
	case otn.SubscriberScope:
		wait, again = nextWait(wait, subscriberWaits, attempt)
		if again {
			l.d.hold(pg, pg.picks[i].person, now.Add(wait))
		}
	default:
		wait, again = nextWait(wait, messageWaits, attempt)
	}
	if !again {
		return
	}
	pg.later(pg.picks[i].consent.Seq, now.Add(wait))
	for _, seq := range pg.picks[i].others { // this one may be gone by then
		pg.later(seq, now.Add(wait))
	}
}

// nextWait is what the channel asked for, or the schedule's entry for the attempt; not again behind its end.
func nextWait(asked time.Duration, schedule []time.Duration, attempt int) (time.Duration, bool) {
	if attempt > len(schedule) {
		return 0, false
	}
	if asked > 0 {
		return asked, true
	}
	return schedule[attempt-1], true
}

// rewind sets the cursor back to those who were claimed and not handed over: they wait, and their run comes to them again.
func (l *Lane) rewind(pg *page, now time.Time) {
	var back []uint64
	for i := range pg.result {
		if !pg.result[i].Untouched {
			continue
		}
		if pg.task.seqs != nil {
			until := now
			if p, ok := l.Paused(); ok && p.Until.After(now) {
				until = p.Until
			}
			pg.later(pg.picks[i].consent.Seq, until)
			continue
		}
		if pg.queued {
			back = append(back, pg.picks[i].consent.Seq)
			continue
		}
		pg.state.Again = max(pg.state.Again, pg.state.Cursor)
		pg.state.Cursor = pg.picks[i].consent.Seq - 1
		return
	}
	pg.state.pass.queue = append(back, pg.state.pass.queue...)
}

// settlement is a batch with what the last page came to, empty when there is none.
func (l *Lane) settlement() (*ledger.Batch, error) {
	b := new(ledger.Batch)
	pg := l.prev
	if pg == nil {
		return b, nil
	}
	if err := l.believe(pg); err != nil {
		return nil, err
	}
	b.Settles = []*ledger.Settlement{{Claim: pg.claim, Results: pg.result}}
	b.Docs = append(pg.docs, put(laneKey(pg.claim.Run, l.name), pg.state))
	b.Timers = append(l.retries(pg), l.doubts(pg)...)
	if pg.task.timer != nil {
		b.Done = append(b.Done, *pg.task.timer)
	}
	if have, ok := l.Paused(); ok && pg.rest != nil && have == *pg.rest { // nobody said more meanwhile
		b.Docs = append(b.Docs, put(restKey(l.name), have))
	}
	return b, nil
}

// believe takes one whose echo has come for what it is: sent, whatever the channel said. The ledger does the same when it settles.
func (l *Lane) believe(pg *page) error {
	for i := range pg.result {
		r := &pg.result[i]
		if !pg.claim.Provable(i, r) {
			continue
		}
		_, echoed, err := l.d.Ledger.Doc(ledger.EchoKey(otn.NewDeliveryID(pg.claim.Run, pg.picks[i].person)))
		if err != nil {
			return err
		}
		if echoed {
			if r.Outcome == otn.Unknown {
				pg.state.Unknown--
			}
			pg.state.Sent++
			r.Untouched, r.Outcome, r.Code, r.Detail = false, otn.Sent, "echo", ""
		}
	}
	return nil
}

// commit makes a batch true; when it held the last page's settlement, that page is over.
func (l *Lane) commit(store context.Context, b *ledger.Batch) error {
	b.Docs = lastOfEach(b.Docs)
	if err := l.d.commit(store, b); err != nil {
		return err
	}
	if len(b.Settles) > 0 {
		pg := l.prev
		l.prev = nil
		l.stepped(pg.answered, otn.SettleStep, pg, len(pg.result))
		if pg.state.Done {
			delete(l.progress, pg.claim.Run)
		}
		return l.withdraw(store, pg)
	}
	return nil
}

// settle writes down what the last page came to.
func (l *Lane) settle(store context.Context) error {
	if l.prev == nil {
		return nil
	}
	b, err := l.settlement()
	if err != nil {
		return err
	}
	return l.commit(store, b)
}

// lastOfEach keeps the last document under each key.
func lastOfEach(docs []*ledger.Doc) []*ledger.Doc {
	byKey := make(map[string]*ledger.Doc, len(docs))
	for _, d := range docs {
		byKey[d.Key] = d
	}
	return slices.Collect(maps.Values(byKey))
}

// retries are the timers of those who are looked at again.
func (l *Lane) retries(pg *page) []ledger.Timer {
	timers := make([]ledger.Timer, 0, len(pg.wait))
	for due, seqs := range pg.wait {
		timers = append(timers, retryTimer(due, pg.task.run.ID, l.name, seqs))
	}
	return timers
}

func retryTimer(due time.Time, run otn.RunID, channel string, seqs []uint64) ledger.Timer {
	id := fmt.Sprintf("%s/%s/%s/%d", RetryTimer, run, channel, seqs[0])
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: id}, Kind: RetryTimer, Body: encode(retryBody{run, channel, seqs})}
}

// doubts are the timers of what is found out or tried again: only where the platform can be asked, or refuses a token's second use itself.
func (l *Lane) doubts(pg *page) []ledger.Timer {
	if !l.can.SingleUseToken && !l.can.Lookups {
		return nil
	}
	var timers []ledger.Timer
	for i, r := range pg.result {
		if r.Outcome == otn.Unknown && !r.Untouched {
			timers = append(timers, resendTimer(otn.NewDeliveryID(pg.claim.Run, pg.picks[i].person), l.name, r.At.Truncate(time.Millisecond).Add(resendWaits[0])))
		}
	}
	return timers
}

// hold leaves a subscriber alone until a moment, in every run.
func (d *Dispatch) hold(pg *page, p otn.PersonID, until time.Time) {
	d.mu.Lock()
	d.held[p] = until
	d.mu.Unlock()
	pg.docs = append(pg.docs, put(holdPrefix+p.String(), until))
}

// Held is until when a subscriber is left alone, if they are at now.
func (d *Dispatch) Held(p otn.PersonID, now time.Time) (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	until, ok := d.held[p]
	if ok && !until.After(now) {
		delete(d.held, p)
		return time.Time{}, false
	}
	return until, ok
}
