// Holds: who is told has stayed meant for as long as the rule holds, at every event, over restarts and downtimes.

package core_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// holding is a world whose rule back holds for five minutes, and in which nothing is in stock.
func holding(t *testing.T, test func(t *testing.T, w *world, shop *channel)) {
	t.Helper()
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		w.rules = plans("back", otn.Plan{Hold: 5 * time.Minute})
		w.start()
		w.stock("coat", 0)
		test(t, w, shop)
	})
}

func TestHoldFiresAtItsEnd(t *testing.T) {
	holding(t, func(t *testing.T, w *world, shop *channel) {
		w.grant("ann", "back", "coat")
		w.stock("coat", 3)
		w.after(5*time.Minute - time.Second)
		want(t, "told before", whom(shop), "")
		want(t, "state", w.run().State, "holding")
		says(t, "why", w.because("ann"), "has not come yet", "held until")
		w.after(time.Second) // the boundary counts
		want(t, "told", whom(shop), "ann")
		want(t, "state", w.run().State, "done")
	})
}

// Flapping stock is no news.
func TestP6_FlappingUnderAHold(t *testing.T) {
	holding(t, func(t *testing.T, w *world, shop *channel) {
		w.grant("ann", "back", "coat")
		for _, n := range []int64{3, 0, 3, 0, 3, 0, 3, 0} {
			w.stock("coat", n)
			w.after(time.Minute)
		}
		w.after(time.Hour)
		want(t, "told", whom(shop), "")
		want(t, "runs", w.states(), "cancelled cancelled cancelled cancelled")
		says(t, "why", w.run().Why, "did not stay true")
		why, err := w.host.Why("shop", "ann", "")
		if err != nil {
			t.Fatal(err)
		}
		says(t, "why of ann", why.Reasons[len(why.Reasons)-2].Because, "cancelled", "did not stay true")
		w.stock("coat", 6)
		w.after(5 * time.Minute)
		want(t, "told", whom(shop), "ann")
	})
}

// An update of something else changes nothing, neither does one that keeps it true.
func TestUnrelatedUpdateUnderAHold(t *testing.T) {
	holding(t, func(t *testing.T, w *world, shop *channel) {
		w.grant("ann", "back", "coat")
		w.stock("coat", 3)
		w.after(4 * time.Minute)
		w.price("coat", "99.00 USD")
		w.stock("coat", 2)
		w.after(time.Minute)
		want(t, "told", whom(shop), "ann")
		want(t, "runs", w.states(), "done")
		w.price("coat", "98.00 USD")
		w.after(time.Hour)
		want(t, "calls", shop.calls(), 1)
		want(t, "runs", w.states(), "done")
	})
}

// Each person's own condition holds for itself: who wants three is told five minutes after three were there.
func TestHoldIsPerConsent(t *testing.T) {
	holding(t, func(t *testing.T, w *world, shop *channel) {
		w.grant("one", "back", "coat", quantity(1))
		w.grant("three", "back", "coat", quantity(3))
		w.stock("coat", 1)
		w.after(3 * time.Minute)
		w.stock("coat", 5)
		w.after(2 * time.Minute)
		want(t, "told after five minutes", whom(shop), "one")
		w.after(2*time.Minute + 59*time.Second)
		want(t, "told a second before the second hold ends", whom(shop), "one")
		w.after(time.Second)
		want(t, "told", whom(shop), "one three")
	})
}

// Who falls out in the middle and comes back begins anew, while the others' hold goes on.
func TestFallingOutOfAHold(t *testing.T) {
	holding(t, func(t *testing.T, w *world, shop *channel) {
		w.grant("one", "back", "coat", quantity(1))
		w.grant("three", "back", "coat", quantity(3))
		w.stock("coat", 5)
		w.after(2 * time.Minute)
		w.stock("coat", 2) // three falls out
		w.after(time.Minute)
		w.restart()
		w.after(time.Minute)
		w.stock("coat", 4) // three comes back
		w.after(time.Minute)
		want(t, "told at the end of the first hold", whom(shop), "one")
		w.after(4*time.Minute - time.Second)
		want(t, "told a second before the end of the second", whom(shop), "one")
		w.after(time.Second)
		want(t, "told", whom(shop), "one three")
	})
}

// A consent that is given while it holds already waits for the next rise.
func TestConsentDuringAHold(t *testing.T) {
	holding(t, func(t *testing.T, w *world, shop *channel) {
		w.grant("ann", "back", "coat")
		w.stock("coat", 3)
		w.after(time.Minute)
		late := w.grant("late", "back", "coat")
		w.stock("coat", 4)
		w.after(time.Hour)
		want(t, "told", whom(shop), "ann")
		want(t, "late", w.state(late.ID), "waiting")
		w.stock("coat", 0)
		w.stock("coat", 1)
		w.after(5 * time.Minute)
		want(t, "told", whom(shop), "ann late")
	})
}

// A change rule holds with what was before its own event, whatever smaller changes follow.
func TestHoldOfAChange(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.rules = plans("price-drop", otn.Plan{Hold: 5 * time.Minute})
		w.start()
		w.waiting("ann")
		w.price("coat", "99.00 USD")
		w.after(3 * time.Minute)
		w.price("coat", "95.00 USD") // ann is held for already
		w.after(time.Second)
		want(t, "runs", w.states(), "holding")
		says(t, "why", w.because("ann"), "held for already")
		w.after(59 * time.Second)
		w.price("coat", "110.00 USD") // still less than the 120 before the first event
		w.after(time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 110.00 USD")

		w.grantToken("bob", "price-drop", "coat", "bob")
		w.price("coat", "100.00 USD")
		w.after(time.Minute)
		w.price("coat", "110.00 USD")
		want(t, "told", shop.calls(), 1)
		w.after(time.Minute)
		want(t, "the hold of a price that rose again", w.run().State, "cancelled")
	})
}

// A person of two topics, a trigger for one: a hold that was for somebody else covers nobody.
func TestHoldOfATriggerForOne(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		w.rules = plans("news", otn.Plan{Hold: time.Minute})
		w.start()
		w.grant("ann", "news", "")
		w.grant("bob", "news", "")
		for _, name := range []string{"ann", "bob"} {
			if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post", Channel: "shop", Subscriber: otn.Subscriber{ID: name}}); err != nil {
				t.Fatal(err)
			}
		}
		w.after(time.Second)
		want(t, "runs", w.states(), "holding holding")
		w.after(time.Minute)
		told := strings.Fields(whom(shop)) // two runs, in whichever order their lane gets them
		slices.Sort(told)
		want(t, "told", strings.Join(told, " "), "ann bob")
	})
}

// A restart of a moment changes nothing; a downtime longer than the hold starts it again: nobody looked.
func TestDowntimeAndHold(t *testing.T) {
	for name, c := range map[string]struct {
		down  time.Duration
		after time.Duration // until it fires, counted from the start
	}{
		"none":                  {0, 3 * time.Minute},
		"shorter":               {4 * time.Minute, 0},
		"as long":               {5 * time.Minute, 0},
		"longer":                {5*time.Minute + time.Second, 5 * time.Minute},
		"a day":                 {24 * time.Hour, 5 * time.Minute},
		"shorter than what was": {time.Minute, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, func(t *testing.T, w *world, shop *channel) {
				w.grant("ann", "back", "coat")
				w.stock("coat", 3)
				w.after(2 * time.Minute)
				w.stop()
				time.Sleep(c.down)
				w.start()
				if c.after > 0 {
					w.after(c.after - time.Second)
					want(t, "told before", whom(shop), "")
				}
				w.after(time.Second)
				want(t, "told", whom(shop), "ann")
				want(t, "runs", w.states(), "done")
			})
		})
	}
}

// A daemon that is killed gives no last sign of life: the one before counts, and a short death does not start a hold again.
func TestDeathDuringAHold(t *testing.T) {
	for _, down := range []time.Duration{time.Minute, time.Hour} {
		holdDeath(t, down)
	}
}

func holdDeath(t *testing.T, down time.Duration) {
	t.Helper()
	breakable(t).bubble(t, func(w *fragile) {
		w.fake("shop")
		w.rules = plans("back", otn.Plan{Hold: 5 * time.Minute})
		w.start()
		w.stock("coat", 0)
		w.grant("ann", "back", "coat")
		w.stock("coat", 3)
		w.after(2 * time.Minute)
		w.die(false)
		w.stop()
		shop := w.fake("shop")
		time.Sleep(down)
		w.world.disk, w.marks = w.left, w.kept
		w.start()
		left := 2 * time.Minute
		if down > 5*time.Minute {
			left = 5 * time.Minute
		}
		w.after(left - time.Second)
		want(t, "told before", whom(shop), "")
		w.after(time.Second)
		want(t, "told", whom(shop), "ann")
		w.stop()
	})
}

// A run belongs to the version that made it, also when its rule is edited or deleted while it is held.
func TestP25_RuleChangesUnderAHold(t *testing.T) {
	for name, edit := range map[string]func(*otn.Rule){
		"edited":  func(r *otn.Rule) { r.Plan.Hold = time.Hour },
		"deleted": func(r *otn.Rule) { r.ID = map[bool]string{true: "gone", false: r.ID}[r.ID == "back"] },
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, func(t *testing.T, w *world, shop *channel) {
				old := w.rules.(planRules)
				w.grant("ann", "back", "coat")
				w.stock("coat", 3)
				w.after(time.Minute)
				edited := old
				edited.name, edited.edit = name, edit
				// a version knows its own plans alone
				edited.plans = map[string]otn.Plan{"back": {Hold: time.Hour}}
				if err := w.host.Reload(t.Context(), versions{edited, old}); err != nil {
					t.Fatal(err)
				}
				w.after(4*time.Minute - time.Second)
				want(t, "told before", whom(shop), "")
				w.after(time.Second)
				want(t, "told by the version that made the run", whom(shop), "ann")
			})
		})
	}
}

// versions are rules that can make an older version of theirs again.
type versions struct {
	planRules
	old planRules
}

func (v versions) Restore(source []byte) (otn.Rules, error) {
	return v.old.Restore(source)
}

// What an operator does to a run that is held.
func TestActsOnAHold(t *testing.T) {
	holding(t, func(t *testing.T, w *world, shop *channel) {
		w.grant("ann", "back", "coat")
		w.stock("coat", 3)
		w.after(time.Minute)
		run := w.run().ID
		act := func(f func() (core.RunView, error), state string) {
			t.Helper()
			v, err := f()
			if err != nil {
				t.Fatal(err)
			}
			want(t, "state", v.State, state)
		}
		act(func() (core.RunView, error) { return w.host.PauseRun(t.Context(), run) }, "paused")
		w.after(time.Hour)
		w.restart()
		w.after(time.Hour)
		want(t, "told while paused", whom(shop), "")
		act(func() (core.RunView, error) { return w.host.ResumeRun(t.Context(), run) }, "running")
		w.after(time.Second)
		want(t, "told", whom(shop), "ann")

		bob := w.grant("bob", "back", "coat")
		w.stock("coat", 0)
		w.stock("coat", 3)
		w.after(time.Minute)
		run = w.run().ID
		act(func() (core.RunView, error) { return w.host.CancelRun(t.Context(), run) }, "cancelled")
		w.restart()
		w.after(time.Hour)
		want(t, "told after it was cancelled", whom(shop), "ann")
		want(t, "bob", w.state(bob.ID), "waiting")
		says(t, "why", w.because("bob"), "cancelled by an operator")
	})
}

// A held run whose rules can no longer be read pauses, as any other would, and ends nothing else.
func TestHoldOfRulesThatCannotBeRead(t *testing.T) {
	holding(t, func(t *testing.T, w *world, shop *channel) {
		w.grant("ann", "back", "coat")
		w.grant("bob", "news", "")
		w.stock("coat", 3)
		w.after(time.Minute)
		w.stop()
		rules := plans("back", otn.Plan{Hold: 5 * time.Minute})
		rules.text = "another"
		w.rules = unreadable{rules}
		w.start()
		w.stock("coat", 4)
		w.after(time.Hour)
		want(t, "state", w.run().State, "paused")
		says(t, "why", w.run().Why, "cannot be read")
		w.post("bob")
		w.after(time.Minute)
		want(t, "told", whom(shop), "bob")
		w.stock("coat", 0)
		w.stock("coat", 3)
		w.after(time.Hour)
		want(t, "told in the end", whom(shop), "bob ann")
	})
}

// unreadable are rules that cannot make an older version of theirs again.
type unreadable struct{ planRules }

func (unreadable) Restore([]byte) (otn.Rules, error) { return nil, errors.New("it cannot be read") }
