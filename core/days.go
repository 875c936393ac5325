// Days: how many consents were given and how many ended, day by day, from counters that are kept with what they count.

package core

import (
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Day counts what happened on one day of the Host's time zone. Sent, Refused, Unknown, Expired and Withdrawn are the ways in
// which a consent ends; what was unknown and is settled later counts on the day of that.
type Day struct {
	Date      string `json:"date"` // as in 2026-11-27
	Granted   int64  `json:"granted"`
	Sent      int64  `json:"sent"`
	Refused   int64  `json:"refused"`
	Unknown   int64  `json:"unknown"`
	Expired   int64  `json:"expired"`
	Withdrawn int64  `json:"withdrawn"`
}

// MaxDays is how many days Days tells at most: what is older is not kept apart.
const MaxDays = 400

// Zone is the time zone in which the Host tells days.
func (h *Host) Zone() *time.Location {
	if h.config.Zone == nil {
		return time.UTC
	}
	return h.config.Zone
}

// daysTold is how many days are told to who names none.
const daysTold = 30

// Days tells every day from that of one moment to that of another, in order, also those on which nothing happened. A zero to
// is now, a zero from is 29 days before to. It reads no disk. Errors: otn.ErrInvalid for more than MaxDays, or none.
func (h *Host) Days(from, to time.Time) ([]Day, error) {
	if err := h.isOpen(); err != nil {
		return nil, err
	}
	if to.IsZero() {
		to = h.config.Clock.Now()
	}
	if from.IsZero() {
		from = midnight(to.In(h.Zone()), 1-daysTold)
	}
	first, end := midnight(from.In(h.Zone()), 0), midnight(to.In(h.Zone()), 1)
	if !first.Before(end) || midnight(first, MaxDays).Before(end) {
		return nil, fmt.Errorf("core: days from %s to %s: 1 to %d days are told: %w", from.Format(time.DateOnly), to.Format(time.DateOnly), MaxDays, otn.ErrInvalid)
	}
	var days []Day
	at := map[string]int{}
	for day := first; day.Before(end); day = midnight(day, 1) {
		at[day.Format(time.DateOnly)] = len(days)
		days = append(days, Day{Date: day.Format(time.DateOnly)})
	}
	for _, q := range h.ledger.Quarters(first.Add(-time.Hour), end) {
		i, ok := at[q.From.In(h.Zone()).Format(time.DateOnly)]
		if !ok {
			continue // before the first midnight
		}
		d := &days[i]
		d.Granted += q.Granted
		d.Sent += q.Sent
		d.Refused += q.Refused
		d.Unknown += q.Unknown
		d.Expired += q.Expired
		d.Withdrawn += q.Withdrawn
	}
	return days, nil
}

// midnight is the beginning of the day so many days after that of a moment, in its zone. Where a zone has no midnight that
// day, it is the first moment that there is.
func midnight(t time.Time, days int) time.Time {
	y, m, d := t.Date()
	noon := time.Date(y, m, d+days, 12, 0, 0, 0, t.Location())
	begin := time.Date(y, m, d+days, 0, 0, 0, 0, t.Location())
	for begin.Day() != noon.Day() { // the clock was put forward over midnight
		begin = begin.Add(15 * time.Minute)
	}
	return begin
}
