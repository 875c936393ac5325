// The calendar: what is planned, day by day, and the hours that rules keep.

package console

import (
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// ahead is how far the calendar reaches.
const ahead = 14 * 24 * time.Hour

// calendarView is what comes, by day.
type calendarView struct {
	Days  []agendaDay
	Hours []otn.Rule // that keep hours, waves, holds or spread
	Until time.Time
}

func (calendarView) title() string { return "Calendar" }

// agendaDay is one day of the console's zone.
type agendaDay struct {
	At   time.Time
	List []core.Upcoming
}

func (c *console) calendar(*visit) (any, error) {
	v := calendarView{Until: c.Now().Add(ahead)}
	list, err := c.host.Calendar(v.Until)
	if err != nil {
		return nil, err
	}
	for _, u := range list {
		last := len(v.Days) - 1
		if last < 0 || v.Days[last].At.In(c.Zone).Format(time.DateOnly) != u.At.In(c.Zone).Format(time.DateOnly) {
			v.Days = append(v.Days, agendaDay{At: u.At})
			last++
		}
		v.Days[last].List = append(v.Days[last].List, u)
	}
	for _, r := range c.host.Rules().List() {
		if p := &r.Plan; p.Hours.Set() || p.Every > 0 || p.Hold > 0 || p.Spread > 0 || p.Coalesce > 0 {
			v.Hours = append(v.Hours, r)
		}
	}
	return v, nil
}
