// Deliveries, listed: of a run, of a person, those that are unknown, or the latest. A page looks at a bounded number of them.

package core

import (
	"fmt"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// What bounds a page of the latest deliveries: how many it looks at, and in how many runs.
const (
	deliveriesLook = 5000
	runsAtOnce     = 64
)

// Deliveries lists deliveries: a run's, a person's, all that are unknown, or the latest: those of the newest run first. A
// call looks at a bounded number of them: with a next there may be more, however few it gives. Errors: otn.ErrInvalid.
func (h *Host) Deliveries(q DeliveryQuery) (list []DeliveryView, next string, err error) {
	if err := h.isOpen(); err != nil {
		return nil, "", err
	}
	var found []ledger.Delivery
	switch {
	case q.Subscriber != "":
		found, err = h.deliveriesOf(h.ledger.Person(q.Channel, q.Subscriber))
	case q.Run == "" && q.Outcome != otn.Unknown.String():
		found, next, err = h.latest(q)
	default:
		found, next, err = h.deliveries(q)
	}
	if err != nil {
		return nil, "", fmt.Errorf("core: deliveries: %w", err)
	}
	show := h.deliveryViews()
	for _, d := range found {
		if q.Outcome != "" && q.Outcome != outcome(d) {
			continue
		}
		v, err := show(d)
		if err != nil {
			return nil, "", err
		}
		list = append(list, v)
	}
	return list, next, nil
}

// deliveries are those of a run, or all that are unknown.
func (h *Host) deliveries(q DeliveryQuery) (found []ledger.Delivery, next string, err error) {
	limit := limitOf(q.Limit)
	var after otn.DeliveryID
	if q.Cursor != "" {
		if after, err = otn.ParseDeliveryID(q.Cursor); err != nil {
			return nil, "", fmt.Errorf("cursor: %w: %w", err, otn.ErrInvalid)
		}
	}
	if q.Run == "" {
		found, err = h.ledger.Doubts(after, limit)
	} else {
		run, bad := otn.ParseRunID(q.Run)
		if bad != nil {
			return nil, "", fmt.Errorf("run: %w: %w", bad, otn.ErrInvalid)
		}
		found, err = h.ledger.Deliveries(run, after, limit)
	}
	if err == nil && len(found) == limit {
		next = found[limit-1].ID.String()
	}
	return found, next, err
}

// latest walks the runs, newest first, and the deliveries of each. Its cursor is the last delivery that it looked at, or
// the last run, when it has seen all of that.
func (h *Host) latest(q DeliveryQuery) (found []ledger.Delivery, next string, err error) {
	limit, budget := limitOf(q.Limit), deliveriesLook
	before, after := q.Cursor, otn.DeliveryID{}
	if id, err := otn.ParseDeliveryID(q.Cursor); err == nil {
		before, after = id.Run().String(), id
		if found, after, err = h.someOf(id.Run(), after, q, limit, &budget); err != nil || after != (otn.DeliveryID{}) {
			return found, after.String(), err
		}
	}
	for looked := 0; looked < runsLook; looked += runsAtOnce {
		runs, err := h.dispatch.RunsBefore(before, runsAtOnce)
		if err != nil || len(runs) == 0 {
			return found, "", err
		}
		for _, run := range runs {
			before = run.ID.String()
			some, after, err := h.someOf(run.ID, otn.DeliveryID{}, q, limit-len(found), &budget)
			found = append(found, some...)
			if err != nil || after != (otn.DeliveryID{}) {
				return found, after.String(), err
			}
			if len(found) == limit || budget <= 0 {
				return found, before, nil
			}
		}
	}
	return found, before, nil
}

// someOf are up to limit deliveries of a run that a query wants. Where more may follow, last is the last one looked at.
func (h *Host) someOf(run otn.RunID, after otn.DeliveryID, q DeliveryQuery, limit int, budget *int) (found []ledger.Delivery, last otn.DeliveryID, err error) {
	for *budget > 0 {
		page := min(limit, *budget)
		if q.Outcome != "" {
			page = min(maxLimit, *budget)
		}
		some, err := h.ledger.Deliveries(run, after, page)
		if err != nil {
			return nil, last, err
		}
		*budget -= len(some) + 1
		for _, d := range some {
			after = d.ID
			if q.Outcome != "" && q.Outcome != outcome(d) {
				continue
			}
			if found = append(found, d); len(found) == limit {
				return found, after, nil
			}
		}
		if len(some) < page {
			return found, otn.DeliveryID{}, nil
		}
	}
	return found, after, nil
}

// deliveryViews makes views of deliveries; of several of one run it reads the run once.
func (h *Host) deliveryViews() func(ledger.Delivery) (DeliveryView, error) {
	var last otn.RunID
	var run *dispatch.Run
	return func(d ledger.Delivery) (DeliveryView, error) {
		if id := d.ID.Run(); id != last {
			var err error
			if run, _, err = h.dispatch.Run(id); err != nil {
				return DeliveryView{}, err
			}
			last = id
		}
		return h.deliveryOf(run, d)
	}
}
