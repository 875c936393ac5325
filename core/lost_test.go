// Nobody is lost: whoever waits is looked at again, whatever happened to the run that came to them first.

package core_test

import (
	"errors"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// A retry that came due while its run was paused is made when the run goes on.
func TestRetryThatCameDueInAPause(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		broken := true
		shop.answer = func(d otn.Delivery, _ int) error {
			switch {
			case !broken:
				return nil
			case d.Subscriber.ID == "ann":
				return deferred(30*time.Second, otn.MessageScope)
			}
			return invalid()
		}
		w.start()
		w.waiting("ann", "p1", "p2", "p3")
		w.price("coat", "99.00 USD")
		w.after(time.Hour)
		want(t, "state", w.run().State, "paused")
		broken = false
		if _, err := w.host.ResumeRun(t.Context(), w.run().ID); err != nil {
			t.Fatal(err)
		}
		w.after(time.Hour)
		want(t, "told", len(shop.accepted()), 4)
		want(t, "run", w.run().State, "done")
	})
}

// A run that was done and is paused by a retry is paused after a restart too, and goes on to its end over restarts.
func TestRetryPausesARunThatWasDone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.Rate = 1
		broken := true
		shop.answer = func(_ otn.Delivery, nth int) error {
			switch {
			case nth == 1:
				return deferred(time.Minute, otn.MessageScope)
			case broken:
				return &otn.SendError{Outcome: otn.Invalid, Scope: otn.ChannelScope, Code: "permission"}
			}
			return nil
		}
		w.start()
		w.waiting("p1", "p2", "p3", "p4", "p5", "p6")
		w.price("coat", "99.00 USD")
		w.after(30 * time.Second)
		want(t, "state", w.run().State, "done")
		w.after(5 * time.Minute)
		want(t, "state", w.run().State, "paused")
		calls := shop.calls()
		w.restart()
		w.after(time.Hour)
		want(t, "calls while paused, after a restart", shop.calls(), calls)
		want(t, "state after a restart", w.run().State, "paused")
		broken = false
		if _, err := w.host.ResumeRun(t.Context(), w.run().ID); err != nil {
			t.Fatal(err)
		}
		want(t, "state after it was resumed", w.run().State, "running")
		w.restart()
		w.after(time.Hour)
		want(t, "told", len(shop.accepted()), 6)
		want(t, "state", w.run().State, "done")
		run := w.run()
		want(t, "sent", run.Sent, 6)
		want(t, "seen", run.Seen, 6)
		want(t, "selected", run.Selected, 6)
	})
}

// Of two consents the one that the rule means is used, whichever expires first.
func TestTheOtherConsentIsTheOneMeant(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.price("coat", "120.00 USD")
		w.grantToken("ann", "price-drop", "coat", "older", target("80.00 USD"))
		w.after(time.Hour)
		w.grantToken("ann", "price-drop", "coat", "newer", target("100.00 USD"))
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		want(t, "calls", shop.calls(), 1)
		if shop.calls() == 1 {
			want(t, "token", shop.sent[0].Token.Reveal(), "newer")
		}
		w.price("coat", "79.00 USD")
		w.after(time.Minute)
		want(t, "told", len(shop.accepted()), 2)
	})
}

// A consent of an account that is no longer ours does not stand in the way of a person's other one.
func TestConsentOfAnotherAccountStandsInNobodysWay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.price("coat", "120.00 USD")
		ann := otn.Consent{Channel: "shop", Subscriber: otn.Subscriber{ID: "ann"}, Topic: "price-drop", Subject: "coat"}
		ann.Token = otn.NewToken("gone", "older")
		w.give(ann)
		w.after(time.Hour)
		ann.Token = otn.NewToken("page", "newer")
		w.give(ann)
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD")
	})
}

// When a consent expires before its retry, the person's other one is used.
func TestConsentExpiresBeforeItsRetry(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(d otn.Delivery, _ int) error {
			if d.Token.Reveal() == "older" {
				return deferred(time.Minute, otn.MessageScope)
			}
			return nil
		}
		w.start()
		w.price("coat", "120.00 USD")
		ann := otn.Consent{Channel: "shop", Subscriber: otn.Subscriber{ID: "ann"}, Topic: "price-drop", Subject: "coat", Token: otn.NewToken("page", "older")}
		ann.ExpiresAt = time.Now().Add(30 * time.Second)
		w.give(ann)
		w.grantToken("ann", "price-drop", "coat", "newer")
		w.price("coat", "99.00 USD")
		w.after(10 * time.Second)
		want(t, "calls", shop.calls(), 1)
		w.after(2 * time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD")
		want(t, "calls", shop.calls(), 2)
	})
}

// Somebody who wants no more while their message is on its way is not told by a later attempt, nor by a later run.
func TestStopWhileClaimed(t *testing.T) {
	for name, answer := range map[string]error{
		"deferred":   deferred(time.Minute, otn.MessageScope),
		"invalid":    invalid(),
		"the rest":   deferred(time.Minute, otn.ChannelScope),
		"died after": deferred(time.Minute, otn.SubscriberScope),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				shop.can.MaxInFlight = 1
				w.chans["shop"] = &both{channel: shop}
				shop.answer = func(d otn.Delivery, nth int) error {
					if nth == 1 && d.Subscriber.ID == "ann" {
						call(t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "stop ann\nstop bob")
						return answer
					}
					return nil
				}
				w.start()
				w.waiting()
				ann, bob := w.grant("ann", "price-drop", "coat"), w.grant("bob", "price-drop", "coat")
				w.price("coat", "99.00 USD")
				w.after(time.Second)
				if name == "died after" {
					w.restart()
				}
				w.after(time.Hour)
				w.price("coat", "90.00 USD")
				w.after(48 * time.Hour)
				want(t, "ann", w.state(ann.ID), "withdrawn")
				for _, s := range shop.accepted() {
					if s.Subscriber.ID == "ann" {
						t.Error("ann wanted no more and was told")
					}
				}
				if name == "the rest" {
					want(t, "bob, who was claimed and not handed over", w.state(bob.ID), "withdrawn")
				}
			})
		})
	}
}

// A stop holds for a doubt as well: it is not sent again, and an operator's "lost" does not bring it back.
func TestStopOfADoubt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.SingleUseToken = true
		w.chans["shop"] = &both{channel: shop}
		shop.answer = func(otn.Delivery, int) error { return errors.New("the line went dead") }
		w.start()
		w.waiting()
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		call(t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "stop ann")
		w.restart()
		w.after(24 * time.Hour)
		want(t, "calls", shop.calls(), 1)
		if _, err := w.host.Resolve(t.Context(), shop.sent[0].ID.String(), false); err != nil {
			t.Fatal(err)
		}
		want(t, "ann", w.state(ann.ID), "withdrawn")
	})
}

// Two runs on one line: whom one of them puts off, the other still looks at.
func TestTwoRunsOnOneLine(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth > 1 {
				return nil
			}
			time.Sleep(5 * time.Second)
			return deferred(time.Minute, otn.MessageScope)
		}
		w.start()
		w.waiting("ann")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		if _, err := w.host.Send(t.Context(), core.SendRequest{Topic: "price-drop", Subject: "coat", Message: otn.Message{Text: "hello"}}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		w.price("coat", "130.00 USD") // the first run's retry means nobody any more
		w.after(time.Hour)
		want(t, "told", texts(shop), "ann: hello")
	})
}

// A consent that a person's delivery was begun with is gone on with, whatever the rule says of their others meanwhile.
func TestDeliveryGoesOnWithItsConsent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(d otn.Delivery, nth int) error {
			switch {
			case nth > 1:
				return nil
			case d.Token.Reveal() == "older":
				return deferred(10*time.Minute, otn.MessageScope)
			}
			return deferred(time.Minute, otn.MessageScope)
		}
		w.start()
		w.price("coat", "120.00 USD")
		w.grantToken("ann", "price-drop", "coat", "older", target("95.00 USD"))
		w.after(time.Hour)
		w.grantToken("ann", "price-drop", "coat", "newer", target("100.00 USD"))
		w.price("coat", "99.00 USD") // the newer one is meant, and put off
		w.after(10 * time.Second)
		run := w.run().ID
		w.price("coat", "90.00 USD") // both are meant; the second run begins with the older one
		w.after(2 * time.Minute)
		want(t, "told by the first run's retry", len(shop.accepted()), 1)
		w.after(time.Hour)
		want(t, "told", len(shop.accepted()), 2)
		first, err := w.host.RunByID(run)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "the first run's", first.Sent, 1)
	})
}

// A trigger that names a person names their channel too: else it would mean nobody, in silence.
func TestTriggerForOneNamesTheirChannel(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.start()
		w.grant("bob", "news", "")
		for _, name := range []string{"", "nowhere"} {
			_, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post", Channel: name, Subscriber: otn.Subscriber{ID: "bob"}})
			if !errors.Is(err, otn.ErrNotFound) {
				t.Errorf("channel %q: %v", name, err)
			}
		}
	})
}

// Who agrees while a run is under way came after its event: that run is not theirs.
func TestConsentDuringARun(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.Rate = 1
		w.start()
		w.waiting("p1", "p2", "p3")
		w.grant("bob", "news", "")
		w.price("coat", "99.00 USD")
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post", Channel: "shop", Subscriber: otn.Subscriber{ID: "bob"}}); err != nil {
			t.Fatal(err)
		}
		w.after(500 * time.Millisecond)
		late := w.grant("late", "price-drop", "coat")
		again := w.grantToken("bob", "news", "", "another")
		w.after(time.Hour)
		want(t, "told", len(shop.accepted()), 4)
		want(t, "who came late", w.state(late.ID), "waiting")
		want(t, "bob's later consent", w.state(again.ID), "waiting")
		want(t, "seen", w.run().Seen, w.run().Sent)
	})
}

// An echo that was written down by a Host that died at once ends its doubt at the next start.
func TestEchoOfADeadHost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.SingleUseToken = true
		shop.answer = func(otn.Delivery, int) error { return errors.New("the line went dead") }
		w.start()
		w.waiting()
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		w.stop()
		l := w.ledger()
		echo := &ledger.Doc{Key: ledger.EchoKey(shop.sent[0].ID), Value: []byte(`"m"`), Expect: ledger.Any}
		if err := errors.Join(l.Commit(t.Context(), &ledger.Batch{Docs: []*ledger.Doc{echo}}), l.Close()); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.after(time.Hour)
		want(t, "calls", shop.calls(), 1)
		want(t, "ann", w.state(ann.ID), "sent")
		want(t, "sent", w.run().Sent, 1)
		want(t, "unknown", w.run().Unknown, 0)
	})
}
