// Cron lines in zones with every kind of clock change, against a brute-force walk.

package schedule

import (
	"errors"
	"testing"
	"time"

	_ "time/tzdata"

	"github.com/onetimenotify/otn/core/otn"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func mustParse(t *testing.T, line string, z *time.Location) Line {
	t.Helper()
	l, err := Parse(line, z)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A daily line comes exactly once on each day of the year, in every zone, whatever its clocks do.
func TestDailyComesOnceADay(t *testing.T) {
	for _, name := range []string{"America/New_York", "Europe/Berlin", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Gaza", "Australia/Lord_Howe", "UTC"} {
		z := zone(t, name)
		for _, line := range []string{"0 0 * * *", "30 1 * * *", "30 2 * * *", "0 3 * * *"} {
			l := mustParse(t, line, z)
			at := time.Date(2025, 12, 31, 23, 59, 0, 0, z)
			seen := map[string]int{}
			for {
				next := l.Next(at)
				if !next.After(at) {
					t.Fatalf("%s %q: %s does not come after %s", name, line, next, at)
				}
				at = next
				if at.In(z).Year() > 2026 {
					break
				}
				seen[at.In(z).Format(time.DateOnly)]++
			}
			for day := time.Date(2026, 1, 1, 12, 0, 0, 0, z); day.Year() == 2026; day = day.AddDate(0, 0, 1) {
				if n := seen[day.Format(time.DateOnly)]; n != 1 {
					t.Errorf("%s %q: %d times on %s", name, line, n, day.Format(time.DateOnly))
				}
			}
		}
	}
}

// A minute that clocks skip comes at the next one that exists, and one that they show twice the first time.
func TestSkippedAndRepeatedMinutes(t *testing.T) {
	for _, c := range []struct{ zone, line, after, want string }{
		{"America/New_York", "30 2 * * *", "2026-03-08T00:00:00-05:00", "2026-03-08T03:00:00-04:00"},
		{"America/New_York", "15,45 2 * * *", "2026-03-08T03:00:00-04:00", "2026-03-09T02:15:00-04:00"},
		{"Europe/Berlin", "30 2 * * *", "2026-03-29T00:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-04T00:00:00+10:30", "2026-10-04T02:30:00+11:00"},
		{"America/New_York", "30 1 * * *", "2026-11-01T00:00:00-04:00", "2026-11-01T01:30:00-04:00"},
		{"America/New_York", "30 1 * * *", "2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"},
		{"Europe/Berlin", "30 2 * * *", "2026-10-25T00:00:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-05T00:00:00+11:00", "2026-04-05T01:45:00+11:00"},
	} {
		z := zone(t, c.zone)
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustParse(t, c.line, z).Next(after).In(z).Format(time.RFC3339); got != c.want {
			t.Errorf("%s %q behind %s: %s, want %s", c.zone, c.line, c.after, got, c.want)
		}
	}
}

// A line of every hour comes in the repeated hour too.
func TestHourlyIsNotSilentInTheRepeatedHour(t *testing.T) {
	z := zone(t, "America/New_York")
	l := mustParse(t, "*/30 * * * *", z)
	at := time.Date(2026, 11, 1, 0, 45, 0, 0, z)
	for i, want := range []string{"05:00", "05:30", "06:00", "06:30", "07:00"} {
		at = l.Next(at)
		if got := at.UTC().Format("15:04"); got != want {
			t.Fatalf("%d: %s, want %s", i, got, want)
		}
	}
}

func TestHourlyOnOneDayOfTheYear(t *testing.T) {
	l := mustParse(t, "0 * 29 2 *", time.UTC)
	got := l.Next(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	if want := time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Fatalf("%s, want %s", got, want)
	}
}

func TestEvery(t *testing.T) {
	l := mustParse(t, "@every 5m", time.UTC)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := l.Next(at); got.Sub(at) != 5*time.Minute {
		t.Fatalf("%s", got.Sub(at))
	}
}

func TestRefused(t *testing.T) {
	for _, line := range []string{"", "TZ=UTC", "TZ=", "CRON_TZ=Europe/Berlin 0 0 * * *", "0 0 30 2 *", "@every 0s", "@every -1s", "@every 30s",
		"@every", "*/70 * * * *", "1,,2 * * * *", "0 0 * * 7", "0 0 0 * * *", "nonsense", "@nonsense", "61 * * * *"} {
		if _, err := Parse(line, time.UTC); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("%q: %v", line, err)
		}
	}
}
