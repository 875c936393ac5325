// Hours against a walk of every minute, in zones with every kind of clock change.

package otn

import (
	"testing"
	"time"

	_ "time/tzdata"
)

func TestHoursBeginWhenTheyDo(t *testing.T) {
	hours := []Hours{{From: 9 * 60, To: 21 * 60}, {From: 22 * 60, To: 6 * 60}, {From: 150, To: 200}, {From: 90, To: 130}, {From: 0, To: 60}, {From: 105, To: 106}}
	for _, name := range []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, day := range []string{"2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2028-02-29"} {
			begin, err := time.ParseInLocation(time.DateOnly, day, zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range hours {
				walk(t, h, begin.Add(-12*time.Hour), begin.Add(40*time.Hour))
			}
		}
	}
}

// walk goes backwards, so that the next open minute is always known.
func walk(t *testing.T, h Hours, from, to time.Time) {
	t.Helper()
	var next time.Time
	for at := to; !at.Before(from); at = at.Add(-time.Minute) {
		minute := at.Hour()*60 + at.Minute()
		inside := minute >= h.From && minute < h.To
		if h.To < h.From {
			inside = minute >= h.From || minute < h.To
		}
		if inside {
			next = at
		}
		open, begins := h.Open(at)
		if open != inside || !next.IsZero() && !begins.Equal(next) {
			t.Fatalf("%s, %d to %d: %v, %s; want %v, %s", at, h.From, h.To, open, begins, inside, next)
		}
		if at.Before(to) {
			if open, begins := h.Open(at.Add(30 * time.Second)); !open && !begins.Equal(next) && !next.IsZero() {
				t.Fatalf("%s and a half: %s, want %s", at, begins, next)
			}
		}
	}
}

func TestNoHoursAreAlwaysOpen(t *testing.T) {
	at := time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)
	if open, next := (Hours{}).Open(at); !open || !next.Equal(at) {
		t.Error(open, next)
	}
}
