// Moments and ranges, as Google writes them.

package feed

import (
	"errors"
	"strings"
	"time"
)

var errDate = errors.New("no date")

// The forms of ISO 8601 that feeds use. What is left out is left out in this order: the zone, which is UTC then; seconds; the time.
const (
	seconds = "2006-01-02T15:04:05"
	minutes = "2006-01-02T15:04"
	days    = "2006-01-02"
)

// moment reads one moment: when it begins, and when it ends, for what is told to the minute or to the day lasts as long.
func moment(s string) (start, end time.Time, err error) {
	s = strings.TrimSpace(s)
	for _, form := range []struct {
		layout string
		lasts  time.Duration
	}{
		{seconds, 0}, {minutes, 0}, {days, 23*time.Hour + 59*time.Minute},
	} {
		for _, zone := range []string{"", "Z07:00", "Z0700", "Z07"} {
			if form.layout == days && zone != "" {
				continue
			}
			if at, err := time.Parse(form.layout+zone, s); err == nil && at.Year() > 0 {
				return at.UTC(), at.Add(form.lasts).UTC(), nil
			}
		}
	}
	return start, end, errDate
}

// maxSpan is the longest range that is read, in bytes.
const maxSpan = 64

// span reads "start/end". A range that ends before it begins is none.
func span(s string) (start, end time.Time, err error) {
	from, to, ok := strings.Cut(s, "/")
	if !ok || len(s) > maxSpan {
		return start, end, errDate
	}
	start, _, err = moment(from)
	if err == nil {
		_, end, err = moment(to)
	}
	if err == nil && end.Before(start) {
		err = errDate
	}
	return start, end, err
}
