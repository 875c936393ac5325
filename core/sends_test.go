// Sends, cron lines, doubts and reasons: once, at their moment, and told as they were.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// A doubt is sent again at its moment once, also when a restart set the timer anew.
func TestDoubtHasOneTimer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		time.Sleep(123456 * time.Nanosecond)
		shop := w.fake("shop")
		shop.can.SingleUseToken = true
		shop.answer = func(otn.Delivery, int) error { return errors.New("the line went dead") }
		w.start()
		w.waiting("ann")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		w.restart()
		w.after(2 * time.Minute)
		want(t, "calls after two minutes", shop.calls(), 2)
	})
}

// An echo that comes before the answer of its send is counted as what it proves.
func TestEchoBeforeTheAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.chans["shop"] = &both{channel: shop}
		shop.answer = func(d otn.Delivery, _ int) error {
			call(t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "echo "+d.ID.String())
			return errors.New("the line went dead")
		}
		w.start()
		w.waiting()
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(time.Hour)
		want(t, "ann", w.state(ann.ID), "sent")
		want(t, "sent", w.run().Sent, 1)
		want(t, "unknown", w.run().Unknown, 0)
	})
}

// The same key, by many at once, is one send.
func TestSendsWithTheSameKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		for i := range 20 {
			w.grantToken("ann", "news", "", fmt.Sprint("token", i))
		}
		const keys, callers = 10, 8
		fresh := make(chan bool)
		for i := range keys {
			for c := range callers {
				go func() {
					at := time.Now().Add(time.Duration(c+1) * time.Minute)
					a, err := w.host.Send(t.Context(), core.SendRequest{Topic: "news", Key: fmt.Sprint(i), At: at, Message: otn.Message{Text: "hello"}})
					fresh <- err == nil && !a.Duplicate
				}()
			}
		}
		n := 0
		for range keys * callers {
			if <-fresh {
				n++
			}
		}
		want(t, "sends", n, keys)
		w.after(time.Hour)
		want(t, "told", len(shop.accepted()), keys)
	})
}

// each are rules with a line that tells at every moment of its own.
type each struct {
	shopRules
	line string
}

func (r each) Version() string { return r.shopRules.Version() + r.line }

func (r each) List() []otn.Rule {
	return append(r.shopRules.List(), otn.Rule{ID: "each", Topic: "news", Kind: otn.NoSubject, Cron: r.line, TZ: "UTC"})
}

func (r each) Restore(source []byte) (otn.Rules, error) {
	rules, err := r.shopRules.Restore(source)
	if err != nil {
		return nil, err
	}
	return each{rules.(shopRules), r.line}, nil
}

func (r each) Once(s otn.Send) (otn.Rules, error) {
	rules, err := r.shopRules.Once(s)
	if err != nil {
		return nil, err
	}
	return each{rules.(shopRules), r.line}, nil
}

func (r each) Match(e otn.Event, last func(string) (otn.Last, bool)) []otn.Match {
	out := r.shopRules.Match(e, last)
	if e.Rule == "each" {
		for _, rule := range r.List() {
			if rule.ID == "each" {
				out = append(out, otn.Match{Rule: rule, Verdict: otn.Yes})
			}
		}
	}
	return out
}

// A line that is changed and changed back does not come twice as often.
func TestCronLineThereAndBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		ten, seven := each{shopRules{text: "now"}, "@every 10m"}, each{shopRules{text: "now"}, "@every 7m"}
		w.rules = ten
		w.start()
		for i := range 20 {
			w.grantToken("ann", "news", "", fmt.Sprint("token", i))
		}
		w.after(3 * time.Minute)
		for _, r := range []otn.Rules{seven, ten} {
			if err := w.host.Reload(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		w.after(61 * time.Minute)
		want(t, "told in an hour", len(shop.accepted()), 6)
	})
}

// Who came after an event, whom a trigger did not mean and who is left alone for a while is told just that.
func TestWhySaysWhatHappened(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(d otn.Delivery, _ int) error {
			if d.Subscriber.ID == "dan" {
				return deferred(48*time.Hour, otn.SubscriberScope)
			}
			return nil
		}
		w.start()
		w.waiting("ann")
		granted := time.Now()
		w.after(time.Minute)
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		w.give(otn.Consent{Token: otn.NewToken("page", "late"), Channel: "shop", Subscriber: otn.Subscriber{ID: "bob"}, Topic: "price-drop", Subject: "coat", GrantedAt: granted})
		if got := w.because("bob"); !strings.Contains(got, "after the event") {
			t.Errorf("of somebody who came late: %s", got)
		}
		w.grant("cat", "news", "")
		w.grant("dan", "news", "")
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post", Channel: "shop", Subscriber: otn.Subscriber{ID: "dan"}}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		if got := w.because("cat"); !strings.Contains(got, "somebody else") {
			t.Errorf("of somebody whom the trigger did not name: %s", got)
		}
		w.grant("dan", "price-drop", "coat")
		w.price("coat", "90.00 USD")
		w.after(time.Minute)
		if got := w.because("dan"); !strings.Contains(got, "left alone") {
			t.Errorf("of somebody who is left alone: %s", got)
		}
	})
}

// What an operator calls lost while it is being sent again would be told once more by the next event: it is refused.
func TestLostWhileItIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.SingleUseToken = true
		shop.answer = func(d otn.Delivery, nth int) error {
			if nth == 1 {
				return errors.New("the line went dead")
			}
			if _, err := w.host.Resolve(context.Background(), d.ID.String(), false); !errors.Is(err, otn.ErrRefused) {
				t.Error(err)
			}
			return nil
		}
		w.start()
		w.waiting()
		ann := w.grant("ann", "price-drop", "coat")
		w.price("coat", "99.00 USD")
		w.after(time.Hour)
		want(t, "ann", w.state(ann.ID), "sent")
		w.price("coat", "90.00 USD")
		w.after(time.Hour)
		want(t, "calls", shop.calls(), 2)
	})
}

// broken are rules that cannot make an older version again.
type broken struct{ shopRules }

func (broken) Version() string { return "broken" }

func (broken) Restore([]byte) (otn.Rules, error) { return nil, otn.ErrInvalid }

// A send whose rules cannot be made again harms nobody else, and is made as soon as they can.
func TestSendOfRulesThatCannotBeMade(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.waiting("ann")
		w.grant("bob", "news", "")
		if _, err := w.host.Send(t.Context(), core.SendRequest{Topic: "news", At: time.Now().Add(time.Hour), Message: otn.Message{Text: "hello"}}); err != nil {
			t.Fatal(err)
		}
		sound := w.rules
		w.rules = broken{shopRules{text: "now"}}
		w.restart()
		w.after(2 * time.Hour)
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD")
		w.rules = sound
		w.restart()
		w.after(time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD; bob: hello")
	})
}
