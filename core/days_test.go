// Days, as the Host's zone has them, exact whatever dies.

package core_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// told lists the days on which something happened.
func told(t *testing.T, h *core.Host, from, to time.Time) []core.Day {
	t.Helper()
	days, err := h.Days(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(days, func(d core.Day) bool { return d == core.Day{Date: d.Date} })
}

func TestDaysOfTheZone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		kathmandu := time.FixedZone("+0545", 5*3600+45*60)
		w.zone = kathmandu
		ch := w.fake("shop")
		w.start()
		w.price("coat", "120.00 USD")
		begin := time.Now().In(kathmandu)
		evening := time.Date(begin.Year(), begin.Month(), begin.Day(), 23, 59, 0, 0, kathmandu)
		time.Sleep(time.Until(evening))
		w.grant("ann", "price-drop", "coat")
		w.grant("bob", "price-drop", "coat")
		time.Sleep(time.Minute) // midnight
		w.grant("cid", "price-drop", "coat")
		ch.answer = func(d otn.Delivery, _ int) error {
			if d.Subscriber.ID == "bob" {
				return &otn.SendError{Outcome: otn.Unknown, Err: errors.New("no answer")}
			}
			return nil
		}
		w.price("coat", "99.00 USD")
		synctest.Wait()
		first, second := evening.Format(time.DateOnly), evening.Add(time.Hour).Format(time.DateOnly)
		want := []core.Day{{Date: first, Granted: 2}, {Date: second, Granted: 1, Sent: 2, Unknown: 1}}
		for range 2 {
			if got := told(t, w.host, time.Time{}, time.Time{}); !slices.Equal(got, want) {
				t.Fatalf("got %+v, want %+v", got, want)
			}
			w.restart() // all of it is on disk
		}
		time.Sleep(48 * time.Hour)
		list, _, err := w.host.Deliveries(core.DeliveryQuery{Outcome: "unknown"})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if _, err := w.host.Resolve(t.Context(), list[0].ID, true); err != nil {
			t.Fatal(err)
		}
		want[1].Unknown = 0
		want = append(want, core.Day{Date: time.Now().In(kathmandu).Format(time.DateOnly), Sent: 1})
		if got := told(t, w.host, time.Time{}, time.Time{}); !slices.Equal(got, want) {
			t.Errorf("resolved: got %+v, want %+v", got, want)
		}
	})
}

func TestDaysAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		now := time.Now()
		for _, c := range []struct {
			from, to time.Time
			days     int // 0: refused
		}{
			{time.Time{}, time.Time{}, 30},
			{now, now, 1},
			{now.AddDate(0, 0, -399), now, 400},
			{now.AddDate(0, 0, -400), now, 0},
			{now.AddDate(0, 0, 1), now, 0},
		} {
			days, err := w.host.Days(c.from, c.to)
			if len(days) != c.days || (c.days == 0) != errors.Is(err, otn.ErrInvalid) {
				t.Errorf("%s to %s: %d days, %v", c.from, c.to, len(days), err)
			}
		}
	})
}

// A day in which the clock is changed over midnight begins when it can.
func TestDaysWithoutMidnight(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cairo, err := time.LoadLocation("Africa/Cairo")
		if err != nil {
			t.Skip(err)
		}
		w.zone = cairo
		w.start()
		days, err := w.host.Days(time.Date(2026, 4, 22, 12, 0, 0, 0, cairo), time.Date(2026, 4, 26, 12, 0, 0, 0, cairo))
		if err != nil || len(days) != 5 || days[2].Date != "2026-04-24" {
			t.Errorf("%+v, %v", days, err)
		}
	})
}
