// Moments, durations, hours and rates as a rule file writes them. Expressions read dates and durations in the same way.

package rules

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// parseDate reads a date or a moment; without a zone of its own it is in the file's. A local time that comes twice is
// the first of the two; one that clocks skip is the moment at which they do.
func parseDate(s string, zone *time.Location) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, inReach(t)
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if wall, err := time.Parse(layout, s); err == nil {
			return local(wall, zone), inReach(wall)
		}
	}
	return time.Time{}, false
}

func inReach(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2200 }

// local is the moment at which clocks in a zone show what wall shows.
func local(wall time.Time, zone *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := t.ZoneBounds()
	shown := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	switch {
	case shown.Before(wall): // skipped: the change is at one end of the zone's time
		return end
	case shown.After(wall):
		return start
	}
	if start.IsZero() {
		return t
	}
	_, before := start.Add(-time.Nanosecond).Zone()
	_, now := t.Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); first.Before(start) && first.Before(t) {
		return first
	}
	return t
}

var spanPart = regexp.MustCompile(`^(\d{1,6})(w|d|h|m|s)`)

// parseSpan reads 3d, 1h30m, 90s.
func parseSpan(s string) (time.Duration, bool) {
	unit := map[string]time.Duration{"w": 7 * day, "d": day, "h": time.Hour, "m": time.Minute, "s": time.Second}
	sign, total := time.Duration(1), time.Duration(0)
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		s, sign = rest, -1
	}
	if s == "" {
		return 0, false
	}
	for s != "" {
		m := spanPart.FindStringSubmatch(s)
		if m == nil {
			return 0, false
		}
		count, _ := strconv.Atoi(m[1])
		if total += time.Duration(count) * unit[m[2]]; total > 100*365*day || total < 0 {
			return 0, false
		}
		s = s[len(m[0]):]
	}
	return sign * total, true
}

const day = 24 * time.Hour

// spanWords is a duration as parseSpan reads it: 1d12h.
func spanWords(d time.Duration) string {
	out := ""
	for _, u := range []struct {
		name string
		is   time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / u.is; n > 0 {
			out += fmt.Sprintf("%d%s", n, u.name)
			d -= n * u.is
		}
	}
	return out
}

// span reads a duration of one second or more, and at most high; 0 when a fault was noted.
func (d *decoder) span(n *node, what string, high time.Duration) time.Duration {
	w, ok := d.word(n, what)
	if !ok {
		return 0
	}
	got, ok := parseSpan(w)
	switch {
	case !ok:
		d.fault(n.at, codeSpan, fmt.Sprintf("%s is no duration: %q", what, w), "write a number and a unit: 30s, 5m, 23h, 3d, 1w")
		return 0
	case got < time.Second:
		d.fault(n.at, codeSpan, fmt.Sprintf("%s is at least 1s", what), "leave it out for no time at all")
		return 0
	case got > high:
		d.fault(n.at, codeSpan, fmt.Sprintf("%s is at most %s", what, spanWords(high)), "")
		return 0
	}
	return got
}

// moment reads a moment as it is written; the zero time when a fault was noted.
func (d *decoder) moment(n *node, what string, zone *time.Location) time.Time {
	w, ok := d.word(n, what)
	if !ok {
		return time.Time{}
	}
	t, ok := parseDate(w, zone)
	if !ok {
		d.fault(n.at, codeMoment, fmt.Sprintf("%s is no moment: %q", what, w), "write 2026-12-01T10:00, in the file's timezone, or 2026-12-01T10:00:00-05:00")
	}
	return t
}

var hoursShape = regexp.MustCompile(`^(\d{1,2}):(\d\d) ?- ?(\d{1,2}):(\d\d)$`)

// hours reads 09:00-21:00, to which the whole day is 00:00-24:00.
func (d *decoder) hours(n *node) (from, to int, ok bool) {
	w, ok := d.word(n, "between")
	if !ok {
		return 0, 0, false
	}
	const hint = "write the hours as 09:00-21:00; 21:00-09:00 reaches over midnight"
	m := hoursShape.FindStringSubmatch(w)
	if m == nil {
		d.fault(n.at, codeHours, fmt.Sprintf("between is no span of hours: %q", w), hint)
		return 0, 0, false
	}
	var part [4]int
	for i := range part {
		part[i], _ = strconv.Atoi(m[i+1])
	}
	from, to = part[0]*60+part[1], part[2]*60+part[3]
	switch {
	case part[1] > 59 || part[3] > 59 || from >= 24*60 || to > 24*60:
		d.fault(n.at, codeHours, fmt.Sprintf("there is no such hour in %q", w), hint)
		return 0, 0, false
	case from == to:
		d.fault(n.at, codeHours, "the hours begin and end at the same minute", "the whole day is 00:00-24:00, or between left out")
		return 0, 0, false
	case from == 0 && to == 24*60:
		return 0, 0, true
	}
	return from, to, true
}

// rate reads 1/24h.
func (d *decoder) rate(n *node) (count int, within time.Duration, ok bool) {
	w, ok := d.word(n, "per_subscriber")
	if !ok {
		return 0, 0, false
	}
	many, in, cut := strings.Cut(w, "/")
	count, err := strconv.Atoi(strings.TrimSpace(many))
	within, known := parseSpan(strings.TrimSpace(in))
	if !cut || err != nil || !known {
		d.fault(n.at, codeLimit, fmt.Sprintf("per_subscriber is no rate: %q", w), "write how many messages in which time: 1/24h")
		return 0, 0, false
	}
	if count < 1 || count > 1000 || within < time.Minute || within > otn.TokenLife {
		d.fault(n.at, codeLimit, "per_subscriber goes from 1 to 1000 messages, in 1m to 365d", "")
		return 0, 0, false
	}
	return count, within, true
}

// share reads 25% as 0.25.
func (d *decoder) share(n *node) float64 {
	w, ok := d.word(n, "share")
	if !ok {
		return 0
	}
	number, percent := strings.CutSuffix(w, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !percent || err != nil || !(f > 0 && f <= 100) {
		d.fault(n.at, codeLimit, fmt.Sprintf("share is no share: %q", w), "write it in per cent, above 0% and up to 100%: 25%")
		return 0
	}
	return f / 100
}

// count reads a whole number from 1 on; 0 when a fault was noted.
func (d *decoder) count(n *node, what string) int64 {
	w, ok := d.word(n, what)
	if !ok {
		return 0
	}
	c, err := strconv.ParseInt(w, 10, 64)
	if err != nil || c < 1 || c > 1_000_000_000 {
		d.fault(n.at, codeLimit, fmt.Sprintf("%s is a whole number from 1 on, and here is %q", what, w), "")
		return 0
	}
	return c
}
