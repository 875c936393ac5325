// Package schedule turns cron lines into moments. It is the only door to robfig/cron, and uses its parser and Next alone:
// who waits, what is remembered and what happens after a downtime is the Host's.
package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/onetimenotify/otn/core/otn"
)

// Line is one parsed cron line in its zone. It is immutable.
type Line struct {
	spec   cron.Schedule
	zone   *time.Location
	every  time.Duration // of "@every 5m"
	hourly bool          // the hour field matches every hour: plain instants, so that a repeated hour is not silent
}

// minEvery is the shortest @every: below a minute a line is a mistake.
const minEvery = time.Minute

// Parse reads five fields ("*/5 * * * *"), a descriptor ("@daily") or "@every 5m" (a minute at least), in the given zone.
// A line that never comes (30 February) is refused. Errors wrap otn.ErrInvalid.
func Parse(line string, zone *time.Location) (Line, error) {
	line = strings.TrimSpace(line)
	if err := refuse(line); err != nil {
		return Line{}, fmt.Errorf("schedule: %q: %w: %w", line, err, otn.ErrInvalid)
	}
	spec, err := parse(line)
	if err != nil {
		return Line{}, fmt.Errorf("schedule: %q: %s: %w", line, strings.TrimPrefix(err.Error(), "cron: "), otn.ErrInvalid)
	}
	l := Line{spec: spec, zone: zone}
	switch s := spec.(type) {
	case cron.ConstantDelaySchedule:
		l.every = s.Delay
	case *cron.SpecSchedule:
		s.Location = time.UTC
		l.hourly = s.Hour&everyHour == everyHour
	}
	if l.every == 0 && l.wall(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Line{}, fmt.Errorf("schedule: %q never comes: %w", line, otn.ErrInvalid)
	}
	return l, nil
}

const everyHour = 1<<24 - 1

// refuse knows the lines that the parser takes wrongly or panics on.
func refuse(line string) error {
	fields := strings.Fields(line)
	switch {
	case line == "":
		return fmt.Errorf("empty")
	case strings.HasPrefix(line, "TZ=") || strings.HasPrefix(line, "CRON_TZ="):
		return fmt.Errorf("a zone does not belong into a cron line; set timezone in the file")
	case strings.HasPrefix(line, "@every"):
		d, err := time.ParseDuration(strings.TrimSpace(strings.TrimPrefix(line, "@every")))
		if err != nil || d < minEvery {
			return fmt.Errorf("want @every with a duration of at least %s", minEvery)
		}
		return nil
	case strings.HasPrefix(line, "@"):
		return nil
	case len(fields) == 6:
		return fmt.Errorf("six fields; want five: minute hour day month weekday")
	case len(fields) != 5:
		return fmt.Errorf("%d fields; want five: minute hour day month weekday", len(fields))
	}
	return refuseFields(fields)
}

func refuseFields(fields []string) error {
	top := [...]int{60, 24, 31, 12, 7}
	for i, f := range fields {
		for _, part := range strings.Split(f, ",") {
			if part == "" {
				return fmt.Errorf("an empty entry in %q", f)
			}
			if _, step, ok := strings.Cut(part, "/"); ok {
				var n int
				if _, err := fmt.Sscanf(step, "%d", &n); err == nil && n > top[i] {
					return fmt.Errorf("step %d in %q is longer than the field", n, f)
				}
			}
		}
	}
	if fields[4] == "7" {
		return fmt.Errorf("write Sunday as 0")
	}
	return nil
}

// parse keeps a panic of the parser from being ours.
func parse(line string) (s cron.Schedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not a cron line")
		}
	}()
	return cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse(line)
}

// Next is the first moment of the line after the given one. A local minute that clocks skip comes at the next one
// that exists; one that comes twice comes once, unless the line comes every hour.
func (l Line) Next(after time.Time) time.Time {
	if l.every > 0 {
		return after.Add(l.every).Truncate(time.Second)
	}
	if l.hourly {
		return l.instant(after)
	}
	wall := asUTC(after.In(l.zone))
	for {
		wall = l.wall(wall)
		if at := fromUTC(wall, l.zone); at.After(after) {
			return at
		}
	}
}

// wall is Next on a clock without zone.
func (l Line) wall(after time.Time) time.Time { return l.spec.Next(after) }

// instant walks real minutes and asks the line about the wall clock of each hour's start: lines of every hour differ in the minute only.
func (l Line) instant(after time.Time) time.Time {
	for at := after.Truncate(time.Minute).Add(time.Minute); ; at = at.Add(time.Minute) {
		wall := asUTC(at.In(l.zone))
		if l.wall(wall.Add(-time.Second)).Equal(wall) {
			return at
		}
		if next := l.wall(wall); next.Sub(wall) > 2*time.Hour {
			at = fromUTC(next.Add(-2*time.Hour), l.zone)
		}
	}
}

func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// fromUTC is the moment at which a zone's clocks show a time: the first of two, and for a time that they skip the moment
// at which they skip it.
func fromUTC(t time.Time, zone *time.Location) time.Time {
	at := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
	begin, end := at.ZoneBounds()
	switch shown := asUTC(at); {
	case shown.Before(t):
		return end
	case shown.After(t):
		return begin
	}
	if begin.IsZero() {
		return at
	}
	_, now := at.Zone()
	_, before := begin.Add(-time.Second).Zone()
	if first := at.Add(time.Duration(now-before) * time.Second); first.Before(begin) && now < before {
		return first
	}
	return at
}
