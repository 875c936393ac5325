// What becomes of a token: put off, refused, unknown, at fault, of another account.

package core_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

func TestDeferredComesBackByItsTimer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth <= 2 {
				return &otn.SendError{Outcome: otn.Deferred, Code: "later"}
			}
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(30 * time.Second)
		want(t, "calls", shop.calls(), 1)
		w.restart()
		w.after(40 * time.Second)
		want(t, "calls after a minute", shop.calls(), 2)
		w.after(4 * time.Minute)
		want(t, "calls", shop.calls(), 2)
		w.after(2 * time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD")
		w.after(24 * time.Hour)
		want(t, "calls", shop.calls(), 3)
	})
}

// A retry looks at the rule again: who is no longer meant waits on.
func TestDeferredIsLookedAtAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth == 1 {
				return &otn.SendError{Outcome: otn.Deferred}
			}
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		w.price("coat", "130.00 USD")
		w.after(time.Hour)
		want(t, "calls", shop.calls(), 1)
		want(t, "ann", w.state(ann.ID), "waiting")
	})
}

func TestUnknownIsStickyWhereNothingRefusesASecondUse(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth == 1 {
				return errors.New("the line went dead")
			}
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(24 * time.Hour)
		w.restart()
		w.price("coat", "90.00 USD")
		w.after(24 * time.Hour)
		want(t, "calls", shop.calls(), 1)
		want(t, "ann", w.state(ann.ID), "unknown")
		list, _, err := w.host.Deliveries(core.DeliveryQuery{Outcome: "unknown"})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		want(t, "who", list[0].Subscriber, "ann")
		if _, err := w.host.Resolve(t.Context(), list[0].ID, false); err != nil {
			t.Fatal(err)
		}
		want(t, "ann", w.state(ann.ID), "waiting")
		if _, err := w.host.Resolve(t.Context(), list[0].ID, true); !errors.Is(err, otn.ErrRefused) {
			t.Fatal(err)
		}
		w.price("coat", "80.00 USD")
		w.after(time.Second)
		want(t, "told", texts(shop), "ann: now price-drop 80.00 USD")
	})
}

// Where the platform refuses a second use the same text goes again with the same token, also after the facts have changed.
func TestUnknownIsSentAgainWithTheIdenticalText(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.SingleUseToken = true
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth <= 2 {
				return errors.New("the line went dead")
			}
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		w.price("coat", "95.00 USD")
		w.rules = shopRules{text: "then"}
		w.restart()
		w.after(2 * time.Minute)
		want(t, "calls", shop.calls(), 2)
		w.after(10 * time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD")
		want(t, "ann", w.state(ann.ID), "sent")
		run := w.run()
		want(t, "run's unknown", run.Unknown, 0)
		want(t, "run's sent", run.Sent, 1)
		for _, s := range shop.sent {
			want(t, "delivery", s.ID, shop.sent[0].ID)
		}
	})
}

func TestResendThatIsRefusedIsProbablyDelivered(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.SingleUseToken = true
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth == 1 {
				return errors.New("the line went dead")
			}
			return &otn.SendError{Outcome: otn.Refused, Code: "token_used"}
		}
		w.start()
		w.price("coat", "120.00 USD")
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(48 * time.Hour)
		want(t, "calls", shop.calls(), 2)
		want(t, "ann", w.state(ann.ID), "unknown")
		list, _, err := w.host.Deliveries(core.DeliveryQuery{Outcome: "unknown"})
		if err != nil || len(list) != 1 || !list[0].Probably {
			t.Fatal(list, err)
		}
	})
}

func TestFaultyMessagesPauseTheirRun(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.Rate = 1
		broken := true
		shop.answer = func(otn.Delivery, int) error {
			if broken {
				return &otn.SendError{Outcome: otn.Invalid, Code: "template"}
			}
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		for i := range 6 {
			w.grant(fmt.Sprintf("p%d", i), "price-drop", "coat")
		}
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		want(t, "calls", shop.calls(), 3)
		run := w.run()
		want(t, "state", run.State, "paused")
		w.restart()
		w.after(time.Minute)
		want(t, "calls while paused", shop.calls(), 3)
		broken = false
		if _, err := w.host.ResumeRun(t.Context(), run.ID); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		want(t, "told", len(shop.accepted()), 6)
	})
}

func TestTokenOfAnotherAccountIsNotSpent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.price("coat", "120.00 USD")
		w.grant("ann", "price-drop", "coat")
		shop.account = "another"
		w.price("coat", "99.00 USD")
		w.after(time.Hour)
		want(t, "calls", shop.calls(), 0)
		if !strings.Contains(w.run().Why, "another account") {
			t.Error(w.run().Why)
		}
	})
}
