// Waves, limits and order: never more than a wave's size, whom first, and an operator's word before many are told.

package core_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// waving is a world whose rule back tells in waves, every twenty minutes.
func waving(t *testing.T, size func(otn.Snapshot) (int64, error), more otn.Plan, test func(t *testing.T, w *world, shop *channel)) {
	t.Helper()
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		more.Every = 20 * time.Minute
		rules := plans("back", more)
		rules.size = size
		w.rules = rules
		w.start()
		w.stock("coat", 0)
		test(t, w, shop)
	})
}

func twiceTheStock(s otn.Snapshot) (int64, error) { return s.Item.Stock * 2, nil }

// The size of each wave is that of its own moment, and those who are left when nobody is meant wait on.
func TestP7_WavesFollowTheStock(t *testing.T) {
	waving(t, twiceTheStock, otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		w.crowd(50, "back")
		w.stock("coat", 6)
		w.after(time.Minute)
		want(t, "first wave", shop.calls(), 12)
		first := w.run()
		want(t, "state", first.State, "waiting")
		want(t, "wave", first.Wave, 1)
		says(t, "why of p20", w.because("p20"), "the next wave")
		w.stock("coat", 2)
		w.after(19*time.Minute - time.Second)
		want(t, "before the second", shop.calls(), 12)
		w.after(time.Second)
		want(t, "second wave", shop.calls(), 16)
		w.restart()
		w.after(20*time.Minute - time.Second)
		want(t, "before the third", shop.calls(), 16)
		w.after(time.Second)
		want(t, "third wave", shop.calls(), 20)
		w.stock("coat", 0)
		w.after(time.Hour)
		want(t, "sold out", shop.calls(), 20)
		first, err := w.host.RunByID(first.ID)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "state", first.State, "done")
		want(t, "sent", first.Sent, 20)
		want(t, "oldest first", whom(shop), order(0, 20, 1))
		w.stock("coat", 1)
		w.after(time.Minute)
		want(t, "the next rise finds who waited on", shop.calls(), 22)
	})
}

// order are the names of people, from one to before another.
func order(from, to, step int) string {
	var list []string
	for i := from; i != to; i += step {
		list = append(list, fmt.Sprint("p", i))
	}
	return strings.Join(list, " ")
}

// A size of nothing tells nobody in that wave, and the next one looks again.
func TestWaveOfNobody(t *testing.T) {
	var size atomic.Int64
	waving(t, func(otn.Snapshot) (int64, error) { return size.Load(), nil }, otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		w.crowd(5, "back")
		w.stock("coat", 6)
		for _, n := range []int64{0, -3, -1} {
			size.Store(n)
			w.after(20 * time.Minute)
		}
		want(t, "told", shop.calls(), 0)
		want(t, "state", w.run().State, "waiting")
		size.Store(2)
		w.after(20 * time.Minute)
		want(t, "told", shop.calls(), 2)
		w.after(time.Hour)
		want(t, "told", shop.calls(), 5)
		want(t, "state", w.run().State, "done")
	})
}

// A size that cannot be decided pauses the run and says why; once it can, an operator lets it go on.
func TestWaveOfUnknownSize(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	waving(t, func(otn.Snapshot) (int64, error) {
		if broken.Load() {
			return 0, fmt.Errorf("item.stock is not known: %w", otn.ErrInvalid)
		}
		return 2, nil
	}, otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		w.crowd(5, "back")
		w.stock("coat", 6)
		w.after(time.Hour)
		want(t, "told", shop.calls(), 0)
		want(t, "state", w.run().State, "paused")
		says(t, "why", w.run().Why, "item.stock is not known")
		broken.Store(false)
		if _, err := w.host.ResumeRun(t.Context(), w.run().ID); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		want(t, "told", shop.calls(), 2)
		broken.Store(true)
		w.after(20 * time.Minute)
		want(t, "state in the second wave", w.run().State, "paused")
		want(t, "told", shop.calls(), 2)
	})
}

// A run tells as many as it may and no more, with waves and without.
func TestLimitPerRun(t *testing.T) {
	for every, plan := range map[time.Duration]otn.Plan{
		0:               {Limits: otn.Limits{PerRun: 7}},
		5 * time.Minute: {Limits: otn.Limits{PerRun: 7}, Every: 5 * time.Minute},
	} {
		bubble(t, func(t *testing.T, w *world) {
			shop := w.fake("shop")
			rules := plans("back", plan)
			rules.size = fixed(3)
			w.rules = rules
			w.start()
			w.stock("coat", 0)
			w.crowd(20, "back")
			w.stock("coat", 6)
			w.after(3 * every)
			w.after(time.Minute)
			want(t, "told", shop.calls(), 7)
			want(t, "state", w.run().State, "done")
			says(t, "why", w.run().Why, "limit of 7")
			says(t, "why of p10", w.because("p10"), "limit of 7")
			w.stock("coat", 0)
			w.stock("coat", 1)
			w.after(time.Hour)
			want(t, "told by the next run", shop.calls(), 14)
		})
	}
}

// Who is refused or put off has had their place: a retry needs none, and takes none from another.
func TestPlacesOfThoseWhoArePutOff(t *testing.T) {
	waving(t, fixed(4), otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		shop.answer = func(d otn.Delivery, nth int) error {
			switch {
			case d.Subscriber.ID == "p1" && nth < 3:
				return deferred(15*time.Minute, otn.MessageScope)
			case d.Subscriber.ID == "p2":
				return &otn.SendError{Outcome: otn.Refused, Code: "gone"}
			}
			return nil
		}
		w.crowd(10, "back")
		w.stock("coat", 6)
		w.after(time.Minute)
		want(t, "first wave", whom(shop), "p0 p3")
		w.after(20 * time.Minute)
		want(t, "second wave", whom(shop), "p0 p3 p4 p5 p6 p7")
		w.after(20 * time.Minute)
		want(t, "third wave, and p1's third attempt", whom(shop), "p0 p3 p4 p5 p6 p7 p1 p8 p9")
		want(t, "state", w.run().State, "done")
	})
}

// Those who were not handed over because the channel wanted a rest give their places back, to themselves.
func TestPlacesOfThoseWhoWereNotHandedOver(t *testing.T) {
	waving(t, fixed(6), otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		n := 0
		shop.answer = func(otn.Delivery, int) error {
			if n++; n == 3 {
				return deferred(2*time.Minute, otn.ChannelScope)
			}
			return nil
		}
		w.crowd(20, "back")
		w.stock("coat", 6)
		w.after(time.Minute)
		want(t, "before the rest", whom(shop), "p0 p1")
		w.after(10 * time.Minute)
		want(t, "the whole wave", len(shop.accepted()), 6)
		w.after(20 * time.Minute)
		want(t, "two waves", len(shop.accepted()), 12)
	})
}

// A wave that is over while some of it is still on its way begins the next one behind it: no more than its size in either.
func TestWaveEndsUnderWay(t *testing.T) {
	waving(t, fixed(4), otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		var slow atomic.Bool
		slow.Store(true)
		shop.answer = func(otn.Delivery, int) error {
			if slow.Load() {
				time.Sleep(9 * time.Minute)
			}
			return nil
		}
		w.crowd(12, "back")
		w.stock("coat", 6)
		w.after(21 * time.Minute)
		want(t, "at the second wave's moment", len(shop.accepted()), 2)
		w.after(16 * time.Minute) // the first wave has ended after 36 minutes
		slow.Store(false)
		w.after(15 * time.Minute)
		want(t, "both waves", len(shop.accepted()), 8)
	})
}

// A wave that was cut short, and whose time passed while nobody was there, is not made up for: the next one has its own size.
func TestWaveThatEndedWhileTheHostWasDown(t *testing.T) {
	waving(t, fixed(4), otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		w.grant("zoe", "late", "coat")
		w.after(8*time.Hour + 50*time.Minute)
		shop.answer = func(otn.Delivery, int) error { time.Sleep(time.Minute); return nil }
		w.crowd(20, "back")
		w.stock("coat", 6)
		w.after(30 * time.Second)
		w.stop() // what is on its way is answered
		told := len(shop.accepted())
		if told == 0 || told >= 4 {
			t.Fatalf("%d were told before the stop: the wave was not cut short", told)
		}
		shop.answer = nil
		time.Sleep(22 * time.Minute)
		rules := w.rules.(planRules)
		rules.match = func(_ otn.Rule, e otn.Event, _ func(string) (otn.Last, bool)) (otn.Match, bool) {
			if e.Kind == otn.CronDue { // the line of nine o'clock comes first, and keeps who decides busy while the lanes send
				time.Sleep(5 * time.Second)
			}
			return otn.Match{Because: "nobody is told by the line"}, e.Kind == otn.CronDue
		}
		w.rules = rules
		w.start()
		w.after(19 * time.Minute)
		want(t, "told in the wave that began with the start", len(shop.accepted()), told+4)
		w.after(2 * time.Minute)
		want(t, "told in the wave after it", len(shop.accepted()), told+4+4)
	})
}

// While a wave begins there is no place, also none that the last one left: what is taken is counted once.
func TestNobodyIsToldWhileAWaveBegins(t *testing.T) {
	waves, during := 0, 0
	var shop *channel
	size := func(otn.Snapshot) (int64, error) {
		if waves++; waves == 2 {
			before := shop.calls()
			time.Sleep(10 * time.Second) // the channel's rest ends meanwhile
			during = shop.calls() - before
		}
		return 6, nil
	}
	waving(t, size, otn.Plan{}, func(t *testing.T, w *world, c *channel) {
		shop = c
		shop.answer = func(d otn.Delivery, _ int) error {
			if time.Since(w.run().At) < time.Minute && d.Subscriber.ID == "p2" {
				return deferred(20*time.Minute+5*time.Second, otn.ChannelScope)
			}
			return nil
		}
		w.crowd(20, "back")
		w.stock("coat", 6)
		w.after(time.Minute)
		want(t, "told before the rest", whom(shop), "p0 p1")
		w.after(30 * time.Minute)
		want(t, "waves", waves, 2)
		want(t, "told while the second wave began", during, 0)
		want(t, "told in both", len(shop.accepted()), 2+1+6) // p2 has had its place
	})
}

// Two channels share a wave: the oldest go first, whatever they come through, and no more than its size.
func TestWaveOverTwoChannels(t *testing.T) {
	for name, plan := range map[string]otn.Plan{"oldest": {}, "newest": {Newest: true}, "ranked": {Ranked: true}} {
		t.Run(name, func(t *testing.T) {
			waving(t, fixed(6), plan, func(t *testing.T, w *world, shop *channel) {
				rules := w.rules.(planRules)
				rules.rank = func(c *otn.Consent) int { return map[string]int{"p": 1}[c.Ref] }
				other := w.fake("other")
				w.rules = rules
				w.restart()
				for i := range 20 {
					ch := []string{"shop", "other"}[i%2]
					w.give(otn.Consent{Token: otn.NewToken("page", fmt.Sprint(i)), Channel: ch, Subscriber: otn.Subscriber{ID: fmt.Sprint("p", i)}, Topic: "back", Subject: "coat", Ref: map[bool]string{true: "p"}[i < 3]})
				}
				w.stock("coat", 6)
				told := map[string]bool{}
				first := map[string]int{"oldest": 0, "newest": 14, "ranked": 3}[name]
				for wave := 1; wave <= 2; wave++ {
					w.after(19 * time.Minute)
					for _, s := range append(shop.accepted(), other.accepted()...) {
						told[s.Subscriber.ID] = true
					}
					want(t, "told", len(told), 6*wave)
					if wave == 1 {
						for i := first; i < first+6; i++ {
							want(t, fmt.Sprint("p", i, " told"), told[fmt.Sprint("p", i)], true)
						}
					}
					w.after(time.Minute)
				}
				w.after(time.Hour)
				want(t, "told in the end", len(shop.accepted())+len(other.accepted()), 20)
				want(t, "state", w.run().State, "done")
			})
		})
	}
}

// A channel that rests keeps no places from the others.
func TestWaveBesideAChannelThatRests(t *testing.T) {
	waving(t, fixed(6), otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		w.chans["other"] = &both{channel: &channel{can: shop.can, account: "page"}}
		w.restart()
		call(t, w.host.Hooks(), "POST", "/hooks/other", "s3cret", "blocked")
		for i := range 20 {
			ch := []string{"shop", "other"}[i%2]
			w.give(otn.Consent{Token: otn.NewToken("page", fmt.Sprint(i)), Channel: ch, Subscriber: otn.Subscriber{ID: fmt.Sprint("p", i)}, Topic: "back", Subject: "coat"})
		}
		w.stock("coat", 6)
		w.after(time.Minute)
		want(t, "told", whom(shop), "p0 p2 p4 p6 p8 p10")
	})
}

// The newest first, and people with a better rank before all others; in pages, over deferrals.
func TestOrderOfARun(t *testing.T) {
	vip := func(c *otn.Consent) int {
		if important(c.Ref) {
			return 0
		}
		return 1
	}
	for name, plan := range map[string]otn.Plan{"newest": {Newest: true}, "ranked": {Ranked: true}, "ranked, newest": {Ranked: true, Newest: true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				shop.can.MaxInFlight, shop.can.Rate = 1, 7
				rules := plans("back", plan)
				rules.rank = vip
				w.rules = rules
				w.start()
				w.stock("coat", 0)
				w.crowd(40, "back")
				w.stock("coat", 6)
				w.after(time.Second)
				w.restart()
				w.after(time.Minute)
				want(t, "told", shop.calls(), 40)
				var list []string
				for _, first := range []bool{true, false} {
					for i := range 40 {
						if plan.Newest {
							i = 39 - i
						}
						if !plan.Ranked && first || plan.Ranked && important(fmt.Sprint("p", i)) == first {
							list = append(list, fmt.Sprint("p", i))
						}
					}
				}
				want(t, "order", whom(shop), strings.Join(list, " "))
				want(t, "seen", w.run().Seen, 40)
				want(t, "selected", w.run().Selected, 40)
			})
		})
	}
}

func important(name string) bool { return strings.HasSuffix(name, "0") || strings.HasSuffix(name, "5") }

// A run that would reach many waits for an operator's word before its first send.
func TestPauseAboveWaitsForApproval(t *testing.T) {
	limits := otn.Limits{PauseShare: 0.25, PauseAtLeast: 5}
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.rules = plans("back", otn.Plan{Limits: limits, Hold: time.Minute})
		w.start()
		w.stock("coat", 0)
		w.crowd(5, "back")
		w.stock("coat", 1)
		w.after(2 * time.Minute)
		want(t, "five of five are told without asking", shop.calls(), 5)

		w.stock("coat", 0)
		for i := range 20 {
			w.grantToken(fmt.Sprint("q", i), "back", "coat", fmt.Sprint("q", i), quantity(int64(1+i/6))) // 6 want 1, 6 want 2, …
		}
		w.stock("coat", 1)
		w.after(2 * time.Minute)
		want(t, "six of twenty", shop.calls(), 5)
		run := w.run()
		want(t, "state", run.State, "paused")
		says(t, "why", run.Why, "at least 6 of the 20", "approve")
		if _, err := w.host.ResumeRun(t.Context(), run.ID); err == nil {
			t.Error("resumed without approval")
		}
		w.restart()
		w.after(time.Hour)
		want(t, "told without approval", shop.calls(), 5)
		approved, err := w.host.ApproveRun(t.Context(), run.ID)
		if err != nil {
			t.Fatal(err)
		}
		if approved.State != "running" && approved.State != "done" { // its lane goes on at once
			t.Errorf("state: %s", approved.State)
		}
		w.after(time.Minute)
		want(t, "told", shop.calls(), 11)
		want(t, "state", w.run().State, "done")
		if _, err := w.host.ApproveRun(t.Context(), run.ID); err == nil {
			t.Error("a run that is done was approved")
		}
	})
}

// An operator cancels a run between its waves, and pauses one in the middle of a page: nobody more is told.
func TestActsOnWaves(t *testing.T) {
	waving(t, fixed(4), otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		w.crowd(20, "back")
		w.stock("coat", 6)
		w.after(time.Minute)
		if _, err := w.host.CancelRun(t.Context(), w.run().ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.host.CancelRun(t.Context(), w.run().ID); err == nil {
			t.Error("cancelled twice")
		}
		w.restart()
		w.after(24 * time.Hour)
		want(t, "told", shop.calls(), 4)
		want(t, "state", w.run().State, "cancelled")
		want(t, "sent", w.run().Sent, 4)
	})
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		shop.answer = func(otn.Delivery, int) error { time.Sleep(time.Second); return nil }
		w.start()
		w.price("coat", "120.00 USD")
		w.crowd(20, "price-drop")
		w.price("coat", "99.00 USD")
		time.Sleep(3500 * time.Millisecond)
		run := w.run().ID
		if _, err := w.host.PauseRun(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		w.after(time.Hour)
		want(t, "told when paused in a page", shop.calls(), 4)
		if _, err := w.host.ResumeRun(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Millisecond)
		if _, err := w.host.CancelRun(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		w.after(time.Hour)
		want(t, "told when cancelled in a page", shop.calls(), 8)
		synctest.Wait()
		topics, err := w.host.Topics()
		if err != nil {
			t.Fatal(err)
		}
		want(t, "who waits on", topics[0].Waiting, 12)
	})
}

// Pausing and resuming inside a wave gives it no more places.
func TestPauseInsideAWave(t *testing.T) {
	waving(t, fixed(4), otn.Plan{}, func(t *testing.T, w *world, shop *channel) {
		w.crowd(20, "back")
		w.stock("coat", 6)
		w.after(time.Minute)
		run := w.run().ID
		for range 3 {
			if _, err := w.host.PauseRun(t.Context(), run); err != nil {
				t.Fatal(err)
			}
			w.after(time.Minute)
			if _, err := w.host.ResumeRun(t.Context(), run); err != nil {
				t.Fatal(err)
			}
			w.after(time.Minute)
		}
		want(t, "told in one wave", shop.calls(), 4)
		if _, err := w.host.PauseRun(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		w.after(3 * time.Hour)
		if _, err := w.host.ResumeRun(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		want(t, "told after a pause over many waves", shop.calls(), 8)
		w.after(20 * time.Minute)
		want(t, "told by the next wave", shop.calls(), 12)
	})
}
