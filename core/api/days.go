// The call that tells what happened day by day.

package api

import (
	"context"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
)

// Days are days as they are answered, oldest first.
type Days struct {
	Zone string     `json:"zone" doc:"IANA: the time zone of the dates."`
	Days []core.Day `json:"days"`
}

func (d *door) days(a huma.API) {
	get(a, core.ScopeRead, "days", "/v1/days", "How many consents were given, and how they ended, day by day", d.tellDays)
}

type daysIn struct {
	From string `query:"from" format:"date" doc:"The first day. Left out: 30 days up to the last."`
	To   string `query:"to" format:"date" doc:"The last day. Left out: today. At most 400 days are told."`
}

func (d *door) tellDays(ctx context.Context, in *daysIn) (*body[Days], error) {
	zone := d.host.Zone()
	to, err := dateIn(in.To, zone)
	if err != nil {
		return nil, err
	}
	from, err := dateIn(in.From, zone)
	if err != nil {
		return nil, err
	}
	list, err := d.host.Days(from, to)
	return reply(ctx, d, Days{zone.String(), full(list)}, err)
}

// dateIn is noon of a date in a zone, and no moment for "".
func dateIn(date string, zone *time.Location) (time.Time, error) {
	if date == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, date, zone)
	if err != nil {
		return t, huma.Error422UnprocessableEntity(fmt.Sprintf("%q is no date such as 2026-11-27", date))
	}
	return t.Add(12 * time.Hour), nil
}
