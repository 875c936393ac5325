// Channels that rest, that are slow or hang, and that panic: none harms another.

package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// A channel that wants a rest gets one, and everybody is told once, in order, when it is over.
func TestChannelRests(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		resting := time.Now().Add(10 * time.Minute)
		taken := 0
		shop.answer = func(otn.Delivery, int) error {
			if taken >= 3 && time.Now().Before(resting) {
				return &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, After: time.Until(resting), Code: "limit"}
			}
			taken++
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		for i := range 8 {
			w.grant(fmt.Sprintf("p%d", i), "price-drop", "coat")
		}
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		want(t, "calls", shop.calls(), 4)
		channels, _ := w.host.Instances(t.Context())
		want(t, "state", channels[0].State, "paused")
		w.restart()
		w.after(time.Minute)
		want(t, "calls while resting", shop.calls(), 4)
		w.after(10 * time.Minute)
		want(t, "told", len(shop.accepted()), 8)
		want(t, "calls", shop.calls(), 9)
		run := w.run()
		want(t, "sent", run.Sent, 8)
		want(t, "state", run.State, "done")
	})
}

// A second means a second: n messages in each, evenly.
func TestPace(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.Rate = 40
		w.rates = map[string]float64{"shop": 20}
		w.start()
		w.price("coat", "120.00 USD")
		for i := range 100 {
			w.grant(fmt.Sprintf("p%d", i), "price-drop", "coat")
		}
		begin := time.Now()
		w.price("coat", "99.00 USD")
		w.after(2*time.Second - time.Millisecond)
		want(t, "told in two seconds", shop.calls(), 40)
		w.after(time.Minute)
		want(t, "told", shop.calls(), 100)
		last := shop.sent[99].at.Sub(begin)
		if last < 4900*time.Millisecond || last > 5100*time.Millisecond {
			t.Errorf("the hundredth after %s", last)
		}
	})
}

// A channel that hangs does not hold the others.
func TestSlowChannelHoldsNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		slow := w.fake("slow")
		slow.answer = func(otn.Delivery, int) error { time.Sleep(time.Hour); return nil }
		w.start()
		w.price("coat", "120.00 USD")
		for i := range 4 {
			w.grant(fmt.Sprintf("p%d", i), "price-drop", "coat")
		}
		if _, err := w.host.Grant(t.Context(), otn.Consent{Token: otn.NewToken("page", "s"), Channel: "slow", Subscriber: otn.Subscriber{ID: "s"}, Topic: "price-drop", Subject: "coat"}); err != nil {
			t.Fatal(err)
		}
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		want(t, "told", len(w.chans["shop"].(*channel).accepted()), 4)
		want(t, "run", w.run().State, "running")
		w.after(2 * time.Hour)
		want(t, "slow", len(slow.accepted()), 1)
		want(t, "run", w.run().State, "done")
	})
}

func TestPanicInAChannelHarmsOneDelivery(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(d otn.Delivery, _ int) error {
			if d.Subscriber.ID == "p1" {
				panic("out of my depth")
			}
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		for i := range 3 {
			w.grant(fmt.Sprintf("p%d", i), "price-drop", "coat")
		}
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		want(t, "told", len(shop.accepted()), 2)
		want(t, "unknown", w.run().Unknown, 1)
	})
}
