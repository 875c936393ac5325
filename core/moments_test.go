// Moments of the rules' own: cron lines and single moments, each once, over downtimes, clock changes and clocks that are set.

package core_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// moments are rules that decide at their own moments, about anything that is waited for.
func moments(rule otn.Rule) planRules {
	rule.ID, rule.Topic, rule.Kind = "tick", "news", otn.NoSubject
	r := plans("", otn.Plan{})
	r.more = []otn.Rule{rule}
	r.match = func(rule otn.Rule, _ otn.Event, _ func(string) (otn.Last, bool)) (otn.Match, bool) {
		return otn.Match{Verdict: otn.Yes}, rule.ID == "tick"
	}
	return r
}

// subscribed gives ann so many consents to news that a rule can tell her that often.
func (w *world) subscribed(n int) {
	w.t.Helper()
	for i := range n {
		w.grantToken("ann", "news", "", fmt.Sprint("news ", i))
	}
}

// times are the moments at which a channel took something.
func times(c *channel, zone string) string {
	place, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	var list []string
	for _, s := range c.accepted() {
		list = append(list, s.at.In(place).Format("01-02 15:04"))
	}
	return strings.Join(list, ", ")
}

// A line that was missed comes once after a downtime, or not at all.
func TestDowntimeAcrossACronLine(t *testing.T) {
	for skip, told := range map[bool]string{false: "01-04 12:00, 01-05 09:00", true: "01-05 09:00"} {
		bubble(t, func(t *testing.T, w *world) {
			shop := w.fake("shop")
			w.rules = moments(otn.Rule{Cron: "0 9 * * *", TZ: "UTC", SkipMissed: skip})
			w.start()
			w.subscribed(10)
			w.after(time.Hour)
			w.stop()
			time.Sleep(83 * time.Hour) // over three mornings
			w.start()
			w.after(22 * time.Hour)
			want(t, fmt.Sprint("told, skip ", skip), times(shop, "UTC"), told)
		})
	}
}

// A line in a zone comes once a day by the clock on the wall, whatever the clocks do that night.
func TestCronLineOverClockChanges(t *testing.T) {
	for _, c := range []struct {
		zone, line string
		from       time.Time
		days       int
		want       string
	}{
		{"America/New_York", "30 1 * * *", local(t, "America/New_York", 2000, 10, 28, 0, 0), 3, "10-28 01:30, 10-29 01:30, 10-30 01:30"},
		{"America/New_York", "30 2 * * *", local(t, "America/New_York", 2000, 4, 1, 0, 0), 3, "04-01 02:30, 04-02 03:00, 04-03 02:30"},
		{"Europe/Berlin", "30 2 * * *", local(t, "Europe/Berlin", 2000, 10, 28, 0, 0), 3, "10-28 02:30, 10-29 02:30, 10-30 02:30"},
		{"Europe/Berlin", "30 2 * * *", local(t, "Europe/Berlin", 2000, 3, 25, 0, 0), 3, "03-25 02:30, 03-26 03:00, 03-27 02:30"},
		{"Australia/Lord_Howe", "15 2 * * *", local(t, "Australia/Lord_Howe", 2000, 8, 26, 0, 0), 3, "08-26 02:15, 08-27 02:30, 08-28 02:15"},
		{"Australia/Lord_Howe", "45 1 * * *", local(t, "Australia/Lord_Howe", 2000, 3, 25, 0, 0), 3, "03-25 01:45, 03-26 01:45, 03-27 01:45"},
		{"UTC", "0 12 29 2 *", time.Date(2000, 2, 28, 0, 0, 0, 0, time.UTC), 3, "02-29 12:00"},
	} {
		t.Run(c.zone+c.line+c.from.Format("01"), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				time.Sleep(time.Until(c.from))
				w.rules = moments(otn.Rule{Cron: c.line, TZ: c.zone})
				w.start()
				w.subscribed(10)
				for range c.days {
					w.after(23 * time.Hour)
					w.restart()
					w.after(time.Hour)
				}
				want(t, "told", times(shop, c.zone), c.want)
			})
		})
	}
}

// A single moment comes once: not again after a restart, an edit or a return of its rule, and not where it had passed.
func TestSingleMoment(t *testing.T) {
	at := time.Date(2000, 1, 1, 10, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		rule otn.Rule
		acts func(*world, planRules)
		want string
	}{
		"at its moment": {otn.Rule{Once: at}, func(w *world, _ planRules) { w.until(at) }, "01-01 10:00"},
		"after a downtime": {otn.Rule{Once: at}, func(w *world, _ planRules) {
			w.stop()
			time.Sleep(30 * time.Hour)
			w.start()
		}, "01-02 06:01"},
		"left out after a downtime": {otn.Rule{Once: at, SkipMissed: true}, func(w *world, _ planRules) {
			w.stop()
			time.Sleep(30 * time.Hour)
			w.start()
		}, ""},
		"edited after it": {otn.Rule{Once: at}, func(w *world, r planRules) {
			w.until(at)
			r.name = "edited"
			w.reload(r)
			w.restart()
		}, "01-01 10:00"},
		"moved": {otn.Rule{Once: at}, func(w *world, r planRules) {
			r.more = []otn.Rule{r.more[0]}
			r.name, r.more[0].Once = "moved", at.Add(2*time.Hour)
			w.reload(r)
		}, "01-01 12:00"},
		"moved after it": {otn.Rule{Once: at}, func(w *world, r planRules) {
			w.until(at)
			r.more = []otn.Rule{r.more[0]}
			r.name, r.more[0].Once = "moved", at.Add(2*time.Hour)
			w.reload(r)
		}, "01-01 10:00, 01-01 12:00"},
		"deleted": {otn.Rule{Once: at}, func(w *world, r planRules) {
			r.name, r.more = "deleted", nil
			w.reload(r)
		}, ""},
		"deleted after it, and back": {otn.Rule{Once: at}, func(w *world, r planRules) {
			w.until(at)
			gone := r
			gone.name, gone.more = "deleted", nil
			w.reload(gone)
			w.reload(r)
		}, "01-01 10:00"},
		"deleted over it, and back": {otn.Rule{Once: at}, func(w *world, r planRules) {
			gone := r
			gone.name, gone.more = "deleted", nil
			w.reload(gone)
			w.until(at.Add(time.Minute))
			w.reload(r)
		}, ""},
		"passed when it was written": {otn.Rule{Once: at.Add(-11 * time.Hour)}, func(*world, planRules) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				rules := moments(c.rule)
				w.rules = rules
				w.start()
				w.subscribed(10)
				w.after(time.Minute)
				c.acts(w, rules)
				w.after(72 * time.Hour)
				want(t, "told", times(shop, "UTC"), c.want)
			})
		})
	}
}

func (w *world) reload(r otn.Rules) {
	w.t.Helper()
	if err := w.host.Reload(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
	w.rules = r
}

// set is a clock that somebody sets.
type set struct {
	mu     sync.Mutex
	by     time.Duration
	change chan struct{}
}

func (s *set) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.by)
}

// Wait ends also when the clock is set, as the machine's does within a minute.
func (s *set) Wait(ctx context.Context, until time.Time, wake <-chan struct{}) {
	s.mu.Lock()
	change := s.change
	s.mu.Unlock()
	var due <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(until.Sub(s.Now()))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-wake:
	case <-change:
	case <-ctx.Done():
	}
}

func (s *set) set(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by += by
	close(s.change)
	s.change = make(chan struct{})
}

// A clock that is set back repeats no moment; one that is set forward comes to each line once.
func TestClockIsSet(t *testing.T) {
	for name, c := range map[string]struct {
		by   time.Duration
		want int // in the three days after
	}{"back a minute": {-time.Minute, 3}, "back some hours": {-5 * time.Hour, 2}, "back two days": {-49 * time.Hour, 0}, "forward a day": {25 * time.Hour, 4}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				clock := &set{change: make(chan struct{})}
				w.clock = clock
				w.rules = moments(otn.Rule{Cron: "0 9 * * *", TZ: "UTC", Once: time.Date(2000, 1, 3, 9, 0, 30, 0, time.UTC)})
				w.start()
				w.subscribed(20)
				w.until(time.Date(2000, 1, 3, 9, 1, 0, 0, time.UTC))
				want(t, "told on three mornings, and once", shop.calls(), 4)
				clock.set(c.by)
				w.after(72 * time.Hour)
				want(t, "told in the three days after", shop.calls()-4, c.want)
				w.restart()
				w.after(time.Minute)
				want(t, "told after a restart", shop.calls()-4, c.want)
			})
		})
	}
}

// A run that was paused over its moment, and goes on after the clock was set back to before it, goes on when that moment comes
// again: held, or between two waves.
func TestClockIsSetBackOverAPause(t *testing.T) {
	for name, plan := range map[string]otn.Plan{"held": {Hold: 10 * time.Minute}, "in waves": {Every: 10 * time.Minute}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				shop.can.MaxInFlight = 1
				clock := &set{change: make(chan struct{})}
				rules := plans("back", plan)
				rules.size = fixed(1)
				w.rules, w.clock = rules, clock
				w.start()
				w.stock("coat", 0)
				w.crowd(2, "back")
				w.stock("coat", 3)
				w.after(time.Minute)
				if _, err := w.host.PauseRun(t.Context(), w.run().ID); err != nil {
					t.Fatal(err)
				}
				w.after(20 * time.Minute) // its moment comes and goes
				clock.set(-18 * time.Minute)
				w.after(time.Second)
				if _, err := w.host.ResumeRun(t.Context(), w.run().ID); err != nil {
					t.Fatal(err)
				}
				w.after(time.Hour)
				want(t, "told", whom(shop), "p0 p1")
			})
		})
	}
}
