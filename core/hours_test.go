// Hours, ends, spreads and pauses between messages: when each person is told, to the second, over restarts and clock changes.

package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// in lets somebody in a zone wait for a topic.
func (w *world) in(zone, sub, topic string) {
	w.t.Helper()
	w.give(otn.Consent{Token: otn.NewToken("page", sub+topic), Channel: "shop", Subscriber: otn.Subscriber{ID: sub}, Topic: topic, Subject: "coat", TZ: zone})
}

// until lets time pass until a moment.
func (w *world) until(at time.Time) { w.after(time.Until(at)) }

func local(t *testing.T, zone string, y int, m time.Month, d, h, min int) time.Time {
	t.Helper()
	place, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return time.Date(y, m, d, h, min, 0, 0, place)
}

func TestHoursOfEachSubscriber(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) { // begins at midnight UTC, 1 January 2000
		shop := w.fake("shop")
		w.rules = plans("back", otn.Plan{Hours: otn.Hours{From: 9 * 60, To: 18 * 60, Subscriber: true, TZ: "Europe/Berlin"}})
		w.start()
		w.stock("coat", 0)
		w.in("America/New_York", "york", "back")
		w.in("Australia/Lord_Howe", "howe", "back")
		w.in("", "berlin", "back")
		w.in("Nowhere/Else", "lost", "back")
		w.stock("coat", 3)
		w.after(time.Second)
		want(t, "told at once, at eleven in the morning", whom(shop), "howe")
		want(t, "state", w.run().State, "waiting")
		want(t, "until", w.run().Until.UTC().Format("15:04:05"), "08:00:00")
		says(t, "why", w.because("york"), "outside the hours", "2000-01-01T14:00:00Z")
		w.restart()
		w.until(time.Date(2000, 1, 1, 7, 59, 59, 0, time.UTC))
		want(t, "told before nine in Berlin", whom(shop), "howe")
		w.after(time.Second)
		want(t, "told at nine", len(shop.accepted()), 3)
		w.until(time.Date(2000, 1, 1, 13, 59, 59, 0, time.UTC))
		want(t, "told before nine in New York", len(shop.accepted()), 3)
		w.after(time.Second)
		want(t, "told", len(shop.accepted()), 4)
		want(t, "state", w.run().State, "done")
	})
}

// Whose hour it is not waits for another event, where the rule skips it.
func TestHoursSkipped(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.rules = plans("back", otn.Plan{Hours: otn.Hours{From: 9 * 60, To: 21 * 60, TZ: "UTC", Skip: true}})
		w.start()
		w.stock("coat", 0)
		w.grant("ann", "back", "coat")
		w.stock("coat", 3)
		w.after(time.Second)
		want(t, "state", w.run().State, "done")
		w.after(12 * time.Hour)
		want(t, "told", whom(shop), "")
		w.stock("coat", 0)
		w.stock("coat", 1)
		w.after(time.Second)
		want(t, "told by the next rise", whom(shop), "ann")
	})
}

// The night over which clocks change: hours begin when they do by the clock on the wall, and end so.
func TestHoursOverClockChanges(t *testing.T) {
	for _, c := range []struct {
		zone  string
		hours otn.Hours
		event time.Time // false hours
		told  time.Time
	}{
		// 2:30 does not exist on this day: the hours begin when the clocks have skipped it.
		{"America/New_York", otn.Hours{From: 2*60 + 30, To: 5 * 60}, local(t, "America/New_York", 2000, 4, 2, 1, 30), local(t, "America/New_York", 2000, 4, 2, 3, 0)},
		{"America/New_York", otn.Hours{From: 9 * 60, To: 21 * 60}, local(t, "America/New_York", 2000, 4, 1, 22, 0), local(t, "America/New_York", 2000, 4, 2, 9, 0)},
		{"Europe/Berlin", otn.Hours{From: 9 * 60, To: 21 * 60}, local(t, "Europe/Berlin", 2000, 10, 28, 22, 0), local(t, "Europe/Berlin", 2000, 10, 29, 9, 0)},
		{"Australia/Lord_Howe", otn.Hours{From: 2*60 + 15, To: 6 * 60}, local(t, "Australia/Lord_Howe", 2000, 8, 27, 1, 0), local(t, "Australia/Lord_Howe", 2000, 8, 27, 2, 30)},
		// Hours that begin at a time that comes twice begin at the first.
		{"America/New_York", otn.Hours{From: 1*60 + 30, To: 1*60 + 45}, local(t, "America/New_York", 2000, 10, 29, 0, 30), local(t, "America/New_York", 2000, 10, 29, 1, 30)},
		{"America/New_York", otn.Hours{From: 9 * 60, To: 21 * 60}, local(t, "America/New_York", 2000, 10, 28, 22, 0), local(t, "America/New_York", 2000, 10, 29, 9, 0)},
		{"Europe/Berlin", otn.Hours{From: 2*60 + 30, To: 5 * 60}, local(t, "Europe/Berlin", 2000, 3, 26, 1, 30), local(t, "Europe/Berlin", 2000, 3, 26, 3, 0)},
		{"Australia/Lord_Howe", otn.Hours{From: 9 * 60, To: 21 * 60}, local(t, "Australia/Lord_Howe", 2000, 3, 25, 22, 0), local(t, "Australia/Lord_Howe", 2000, 3, 26, 9, 0)},
		{"UTC", otn.Hours{From: 22 * 60, To: 6 * 60}, time.Date(2000, 2, 29, 12, 0, 0, 0, time.UTC), time.Date(2000, 2, 29, 22, 0, 0, 0, time.UTC)},
	} {
		t.Run(fmt.Sprint(c.zone, c.hours.From, c.event.Month()), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				c.hours.TZ = c.zone
				time.Sleep(time.Until(c.event.Add(-time.Hour)))
				w.rules = plans("back", otn.Plan{Hours: c.hours})
				w.start()
				w.stock("coat", 0)
				w.grant("ann", "back", "coat")
				w.until(c.event)
				w.stock("coat", 3)
				w.until(c.told.Add(-time.Second))
				want(t, "told before", whom(shop), "")
				w.until(c.told)
				want(t, "told", whom(shop), "ann")
			})
		})
	}
}

// What was true at the event and is not when the hour comes is not told: the person waits on.
func TestP15_NoLongerTrueWhenTheHourComes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.rules = plans("price-drop", otn.Plan{Hours: otn.Hours{From: 9 * 60, To: 21 * 60, TZ: "UTC"}})
		w.start()
		w.waiting("ann")
		w.price("coat", "99.00 USD")
		w.after(time.Hour)
		w.price("coat", "130.00 USD")
		w.after(24 * time.Hour)
		want(t, "told", whom(shop), "")
		want(t, "state", w.run().State, "done")
		says(t, "why", w.because("ann"), "the price did not fall")
		why, err := w.host.Why("shop", "ann", "")
		if err != nil {
			t.Fatal(err)
		}
		says(t, "why of the fall", why.Reasons[len(why.Reasons)-2].Because, "no longer true", "up again")
	})
}

// A retry that comes due outside the hours waits for them.
func TestRetryKeepsToTheHours(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.rules = plans("back", otn.Plan{Hours: otn.Hours{From: 9 * 60, To: 21 * 60, TZ: "UTC"}})
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth == 1 {
				return deferred(2*time.Hour, otn.MessageScope)
			}
			return nil
		}
		w.start()
		w.stock("coat", 0)
		w.grant("ann", "back", "coat")
		w.until(time.Date(2000, 1, 1, 20, 0, 0, 0, time.UTC))
		w.stock("coat", 3)
		w.until(time.Date(2000, 1, 2, 8, 59, 0, 0, time.UTC))
		want(t, "calls at night", shop.calls(), 1)
		w.after(2 * time.Minute)
		want(t, "told in the morning", whom(shop), "ann")
	})
}

// Nothing is sent behind a run's end; those who are left wait on.
func TestRunEndsAtItsMoment(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		rules := plans("back", otn.Plan{Every: 20 * time.Minute, Ends: true})
		end := time.Now().Add(40 * time.Minute)
		rules.size, rules.ends = fixed(2), func(otn.Snapshot) (time.Time, error) { return end, nil }
		w.rules = rules
		w.start()
		w.stock("coat", 0)
		w.crowd(10, "back")
		w.stock("coat", 3)
		w.after(12 * time.Hour)
		want(t, "told, at the end itself too", shop.calls(), 6)
		want(t, "state", w.run().State, "done")
		says(t, "why", w.run().Why, "nothing is sent after", "2000-01-01T00:40:00Z")
		says(t, "why of p9", w.because("p9"), "nothing is sent after")
	})
	bubble(t, func(t *testing.T, w *world) { // the hours begin behind the end
		shop := w.fake("shop")
		rules := plans("back", otn.Plan{Hours: otn.Hours{From: 9 * 60, To: 21 * 60, TZ: "UTC"}, Ends: true})
		end := time.Now().Add(6 * time.Hour)
		rules.ends = func(otn.Snapshot) (time.Time, error) { return end, nil }
		w.rules = rules
		w.start()
		w.stock("coat", 0)
		w.crowd(10, "back")
		w.stock("coat", 3)
		w.after(6*time.Hour + time.Minute)
		want(t, "state", w.run().State, "done")
		w.after(24 * time.Hour)
		want(t, "told", shop.calls(), 0)
	})
}

// A run is spread over its time, each person at a place of their own that a restart does not change.
func TestSpread(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.rules = plans("back", otn.Plan{Spread: 30 * time.Minute})
		w.start()
		w.stock("coat", 0)
		w.crowd(600, "back")
		w.stock("coat", 3)
		last := 0
		for i := range 6 {
			w.after(5 * time.Minute)
			n := shop.calls() - last
			if n < 60 || n > 140 {
				t.Errorf("%d in the %d. five minutes, of 600 over 30", n, i+1)
			}
			last = shop.calls()
			w.restart()
		}
		w.after(time.Minute)
		want(t, "told", len(shop.accepted()), 600)
		want(t, "seen", w.run().Seen, 600)
		want(t, "selected", w.run().Selected, 600)
		want(t, "state", w.run().State, "done")
	})
}

// Messages of any rule to a person count, through any run, over restarts; the next comes when enough time has passed.
func TestLimitPerSubscriber(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		w.rules = planRules{shopRules: shopRules{text: "now"}, plans: map[string]otn.Plan{"back": {Limits: otn.Limits{Messages: 2, Within: 24 * time.Hour}}}}
		w.start()
		w.stock("coat", 0)
		w.price("coat", "120.00 USD")
		for _, s := range []string{"ann", "bob"} {
			w.grant(s, "back", "coat")
		}
		w.grantToken("ann", "news", "", "n1")
		w.grantToken("ann", "price-drop", "coat", "pd1")
		w.post("ann")
		w.after(time.Hour)
		w.price("coat", "99.00 USD")
		w.after(time.Hour)
		want(t, "two messages", whom(shop), "ann ann")
		w.restart()
		w.stock("coat", 3)
		w.after(time.Minute)
		want(t, "bob is told, ann is left alone", whom(shop), "ann ann bob")
		want(t, "state", w.run().State, "waiting")
		says(t, "why", w.because("ann"), "left alone until 2000-01-02T00:00:00Z")
		w.restart()
		w.until(time.Date(2000, 1, 1, 23, 59, 59, 0, time.UTC))
		want(t, "before the day is over", whom(shop), "ann ann bob")
		w.until(time.Date(2000, 1, 2, 0, 0, 1, 0, time.UTC))
		want(t, "a day after the first", whom(shop), "ann ann bob ann")
		want(t, "state", w.run().State, "done")
	})
}

// post is a trigger for one person.
func (w *world) post(sub string) {
	w.t.Helper()
	if _, err := w.host.Trigger(w.t.Context(), otn.Trigger{Name: "post", Channel: "shop", Subscriber: otn.Subscriber{ID: sub}}); err != nil {
		w.t.Fatal(err)
	}
}

// Two runs that come to a person at once tell them one thing; a doubt counts as a message.
func TestLimitOfRunsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		limit := otn.Plan{Limits: otn.Limits{Messages: 1, Within: time.Hour}}
		w.rules = planRules{shopRules: shopRules{text: "now"}, plans: map[string]otn.Plan{"back": limit, "price-drop": limit}}
		shop.answer = func(_ otn.Delivery, nth int) error { return fmt.Errorf("the line went dead") }
		w.start()
		w.observe(otn.Item{ID: "coat", Known: otn.FactStock | otn.FactPrice, Price: otn.Money{Minor: 12000, Currency: "USD"}})
		w.grant("ann", "back", "coat")
		w.grant("ann", "price-drop", "coat")
		w.observe(otn.Item{ID: "coat", Known: otn.FactStock | otn.FactPrice, Stock: 3, Price: otn.Money{Minor: 9900, Currency: "USD"}})
		w.after(59 * time.Minute)
		want(t, "calls", shop.calls(), 1)
		w.after(2 * time.Minute)
		want(t, "calls an hour later", shop.calls(), 2)
	})
}

// Many small falls: each is compared with the price at which a person agreed, and the one that counts tells them once.
func TestP18_ManySmallDrops(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		rules := plans("", otn.Plan{})
		rules.means = func(rule string, f otn.Facts, c *otn.Consent) (otn.Verdict, bool) {
			if rule != "price-drop" {
				return otn.No, false
			}
			if f.Now.Item.Price.Minor < f.Was.Item.Price.Minor && f.Now.Item.Price.Minor*100 <= c.PriceThen.Minor*95 {
				return otn.Yes, true
			}
			return otn.No, true
		}
		w.rules = rules
		w.start()
		w.price("coat", "100.00 USD")
		w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.grant("late", "price-drop", "coat")
		for p := 98; p >= 90; p-- {
			w.price("coat", fmt.Sprintf("%d.00 USD", p))
			w.after(time.Minute)
			told := map[bool]string{true: "ann"}[p <= 95]
			if p <= 94 {
				told = "ann late"
			}
			want(t, fmt.Sprint("told at ", p), whom(shop), told)
		}
	})
}
