// When one person may be told: at the hours of a rule, spread over a time, and not too often.

package dispatch

import (
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// calendar knows when the people of a run may be told, as of one moment.
type calendar struct {
	d          *Dispatch
	run        *Run
	began, now time.Time
	hours      map[string]hour // by zone
}

// hour is whether a zone's hours are on, and when they begin.
type hour struct {
	open bool
	next time.Time
}

func (d *Dispatch) calendar(run *Run, began, now time.Time) *calendar {
	return &calendar{d: d, run: run, began: began, now: now, hours: map[string]hour{}}
}

// when says when a person in a zone may be told: zero and no reason for now, zero with a reason for not by this run.
func (k *calendar) when(zone string, p otn.PersonID) (at time.Time, why Why, err error) {
	plan := &k.run.Plan
	if plan.Spread > 0 {
		if due := k.began.Add(offset(otn.NewDeliveryID(k.run.ID, p), plan.Spread)); due.After(k.now) {
			at, why = due, Why{OnSpread, "spread over " + plan.Spread.String()}
		}
	}
	if plan.Hours.Set() {
		switch h := k.hour(zone); {
		case h.open:
		case plan.Hours.Skip:
			return time.Time{}, Why{OutsideHours, "outside the hours: the consent waits for another event"}, nil
		case h.next.After(at):
			at, why = h.next, Why{OutsideHours, "outside the hours"}
		}
	}
	if plan.Limits.Messages > 0 {
		until, err := k.alone(p)
		if err != nil {
			return time.Time{}, Why{}, err
		}
		if until.After(k.now) && until.After(at) {
			at, why = until, Why{LimitReached, "left alone for a while after the last message"}
		}
	}
	return at, why, nil
}

// alone is until when a person has had as many messages as the rule allows, whoever sent them.
func (k *calendar) alone(p otn.PersonID) (time.Time, error) {
	l := &k.run.Plan.Limits
	told, err := k.d.Ledger.MessagesTo(p, k.now.Add(-l.Within))
	if err != nil || len(told) < l.Messages {
		return time.Time{}, err
	}
	return told[len(told)-l.Messages].Add(l.Within), nil
}

// hour reads the hours in a zone: the subscriber's where the rule goes by it and it is known, else the rule's own.
func (k *calendar) hour(zone string) hour {
	plan := &k.run.Plan.Hours
	if !plan.Subscriber {
		zone = ""
	}
	h, known := k.hours[zone]
	if known {
		return h
	}
	place, err := time.LoadLocation(zone)
	if zone == "" || err != nil {
		if place, err = time.LoadLocation(plan.TZ); err != nil {
			place = time.UTC
		}
	}
	h.open, h.next = plan.Open(k.now.In(place))
	k.hours[zone] = h
	return h
}

// due reports whether a consent may be told now. One that may be later is passed over until then.
func (f *filler) due(c *ledger.Candidate) (bool, error) {
	if f.run.Plan == (otn.Plan{}) {
		return true, nil
	}
	at, why, err := f.when(c.TZ, c.Person())
	switch {
	case err != nil || why == (Why{}):
		return err == nil, err
	case at.IsZero():
		return false, nil
	case f.page.task.seqs != nil:
		f.page.later(c.Seq, at)
		return false, nil
	}
	if p := &f.page.state.pass; p.wake.IsZero() || at.Before(p.wake) {
		p.wake, p.why = at, why
	}
	return false, nil
}

// stepsAtMost is in how many steps a run is spread, so that its line is not walked for each person.
const stepsAtMost = 128

// step is the length of one step of a spread.
func step(spread time.Duration) time.Duration {
	return min(max(spread/stepsAtMost, time.Second), time.Minute)
}

// offset is where in a spread a delivery has its place: always the same for the same delivery.
func offset(id otn.DeliveryID, spread time.Duration) time.Duration {
	h := uint64(14695981039346656037)
	for _, b := range id {
		h = (h ^ uint64(b)) * 1099511628211
	}
	h ^= h >> 32 // the low bits of a short id mix badly
	h *= 0x9e3779b97f4a7c15
	h ^= h >> 29
	at := time.Duration(h % uint64(spread))
	return at.Truncate(step(spread))
}
