// Sequences that tried to send twice, to lose somebody, or to be silent about it. Each was found by looking for trouble.
package core_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

func deferred(after time.Duration, scope otn.Scope) error {
	return &otn.SendError{Outcome: otn.Deferred, After: after, Scope: scope, Code: "later"}
}

func invalid() error { return &otn.SendError{Outcome: otn.Invalid, Code: "template"} }

// waiting lets one person for each name wait for the coat, which costs 120.
func (w *world) waiting(names ...string) {
	w.t.Helper()
	w.price("coat", "120.00 USD")
	for _, n := range names {
		w.grant(n, "price-drop", "coat")
	}
}

func (w *world) give(c otn.Consent) core.Granted {
	w.t.Helper()
	g, err := w.host.Grant(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return g[0]
}

func (w *world) because(sub string) string {
	w.t.Helper()
	why, err := w.host.Why("shop", sub, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return why.Reasons[len(why.Reasons)-1].Because
}

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

// A run whose every message is at fault pauses, also when its pages take turns with those of a sound run.
func TestFaultyRunBesideASoundOne(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.Rate = 1
		shop.answer = func(d otn.Delivery, _ int) error {
			if strings.Contains(d.Message.Text, "news") {
				return nil
			}
			return invalid()
		}
		w.start()
		w.price("coat", "120.00 USD")
		for i := range 8 {
			w.grant(fmt.Sprintf("p%d", i), "price-drop", "coat")
			w.grant(fmt.Sprintf("p%d", i), "news", "")
		}
		w.price("coat", "99.00 USD")
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post"}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		want(t, "told of news", len(shop.accepted()), 8)
		want(t, "calls", shop.calls(), 8+3)
	})
}

// Retries of a run that are due together are all counted.
func TestRetriesDueTogetherAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		after := time.Duration(0)
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth > 1 {
				return nil
			}
			after += 10 * time.Second
			return deferred(after, otn.MessageScope)
		}
		w.start()
		w.waiting("a", "b", "c", "d")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		w.stop()
		time.Sleep(time.Hour)
		w.start()
		w.after(time.Minute)
		want(t, "told", len(shop.accepted()), 4)
		run := w.run()
		want(t, "sent", run.Sent, 4)
		want(t, "deferred", run.Deferred, 4)
		want(t, "seen", run.Seen, 4)
		want(t, "selected", run.Selected, 4)
	})
}

// Messages of less than one a minute keep their pace too.
func TestSlowPace(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.rates = map[string]float64{"shop": 0.01}
		w.start()
		w.waiting("a", "b", "c", "d")
		w.price("coat", "99.00 USD")
		w.after(150 * time.Second)
		want(t, "calls", shop.calls(), 2)
		w.after(time.Hour)
		want(t, "calls", shop.calls(), 4)
	})
}

// A trigger that named one person waits with the retry as long as the channel asked, over a restart and a rest of the channel.
func TestRetryOfATriggerForOne(t *testing.T) {
	for _, scope := range []otn.Scope{otn.MessageScope, otn.ChannelScope} {
		bubble(t, func(t *testing.T, w *world) {
			shop := w.fake("shop")
			shop.answer = func(_ otn.Delivery, nth int) error {
				if nth == 1 {
					w.t.Log("put off", scope)
					return deferred(10*time.Minute, scope)
				}
				return nil
			}
			w.start()
			w.grant("bob", "news", "")
			one := otn.Trigger{Name: "post", Channel: "shop", Subscriber: otn.Subscriber{ID: "bob"}}
			if _, err := w.host.Trigger(t.Context(), one); err != nil {
				t.Fatal(err)
			}
			w.after(time.Second)
			w.restart()
			w.after(time.Minute)
			want(t, "calls", shop.calls(), 1)
			w.after(time.Hour)
			want(t, "calls", shop.calls(), 2)
			want(t, "attempt", shop.sent[1].Attempt, 2)
			want(t, "state", w.run().State, "done")
			want(t, "sent", w.run().Sent, 1)
		})
	}
}

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

// sleepy is a channel that does something before it describes itself, and may fail at it.
type sleepy struct {
	*both
	before func() error
}

func (s *sleepy) Describe(ctx context.Context) (otn.Description, error) {
	if err := s.before(); err != nil {
		return otn.Description{}, err
	}
	return s.both.Describe(ctx)
}

// A platform's block stands, whatever shorter rest comes at the same time.
func TestBlockOutlastsOtherRests(t *testing.T) {
	for name, single := range map[string]bool{"describe": false, "resend": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				shop.can.SingleUseToken = single
				blocked := false
				block := func() {
					if !blocked {
						blocked = true
						call(t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "blocked")
					}
				}
				shop.answer = func(_ otn.Delivery, nth int) error {
					if nth == 1 {
						return errors.New("the line went dead")
					}
					block()
					return deferred(time.Second, otn.ChannelScope)
				}
				w.chans["shop"] = &sleepy{both: &both{channel: shop}, before: func() error {
					if single || blocked || w.host == nil {
						return nil
					}
					block()
					return errors.New("not there")
				}}
				w.start()
				w.waiting("ann")
				w.price("coat", "99.00 USD")
				w.after(24 * time.Hour)
				want(t, "blocked", blocked, true)
				if most := map[bool]int{false: 0, true: 2}[single]; shop.calls() != most {
					t.Errorf("%d calls of a blocked channel, want %d", shop.calls(), most)
				}
			})
		})
	}
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

// Timers that nobody can work on hold up no others, however many they are.
func TestManyTimersHoldUpNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		slow, shop := w.fake("slow"), w.fake("shop")
		const many = 10_050
		slow.can.MaxInFlight = 1
		n := 0
		slow.answer = func(otn.Delivery, int) error {
			n++
			return deferred(time.Hour+time.Duration(n)*time.Second, otn.MessageScope)
		}
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth == 1 {
				return deferred(5*time.Hour, otn.MessageScope)
			}
			return nil
		}
		w.chans["slow"] = &both{channel: slow}
		w.start()
		w.waiting("ann")
		var crowd []otn.Consent
		for i := range many {
			crowd = append(crowd, otn.Consent{Token: otn.NewToken("page", fmt.Sprint("s", i)), Channel: "slow", Subscriber: otn.Subscriber{ID: fmt.Sprint("s", i)}, Topic: "price-drop", Subject: "coat"})
		}
		if _, err := w.host.Grant(t.Context(), crowd...); err != nil {
			t.Fatal(err)
		}
		w.price("coat", "99.00 USD")
		w.after(30 * time.Minute)
		want(t, "put off", slow.calls(), many)
		call(t, w.host.Hooks(), "POST", "/hooks/slow", "s3cret", "blocked")
		w.after(5 * time.Hour)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD")
	})
}

// A Host that dies at any write of a cron line's moment and of an operator's send: each is carried out once, every run
// comes to its end, and what the runs say they did is what became of the consents.
func TestDeathAtCronAndSend(t *testing.T) {
	writes := dieAtNine(t, true, death{})
	if writes < 30 {
		t.Fatalf("only %d writes: the scenario does nothing", writes)
	}
	for _, single := range []bool{true, false} {
		for k := int64(1); k <= writes; k++ {
			dieAtNine(t, single, death{at: k, unsynced: 100, marks: true})
			dieAtNine(t, single, death{at: k})
		}
	}
}

func dieAtNine(t *testing.T, single bool, d death) (writes int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &platform{single: single, took: map[otn.TokenID]int{}, rules: each{shopRules{text: "now"}, "0 9 * * *"}}
		key := ledger.NewKey()
		disk, marks := made(t)
		sends := false
		disk, marks, writes = live(t, disk, marks, key, p, d, func(l *life, h *core.Host) { sends = l.nine(h) })
		time.Sleep(2 * time.Second)
		live(t, disk, marks, key, p, death{}, func(l *life, h *core.Host) {
			time.Sleep(8 * time.Hour)
			synctest.Wait()
			books(t, h, p, sends, d)
		})
	})
	return writes
}

// nine is a life until after nine o'clock: ann waits for news twice, three people wait for a coat. It reports whether a
// send to those was acknowledged.
func (l *life) nine(h *core.Host) (sends bool) {
	ctx := context.Background()
	grant := func(token, sub, topic, subject string) {
		_, _ = h.Grant(ctx, otn.Consent{Token: otn.NewToken("page", token), Channel: "shop", Subscriber: otn.Subscriber{ID: sub}, Topic: topic, Subject: subject})
	}
	grant("ann 1", "ann", "news", "")
	grant("ann 2", "ann", "news", "")
	for i := range 3 {
		grant(fmt.Sprint("coat ", i), fmt.Sprint("p", i), "price-drop", "coat")
	}
	all := !l.isOver()
	time.Sleep(9 * time.Hour)
	synctest.Wait()
	_, err := h.Send(ctx, core.SendRequest{Topic: "price-drop", Subject: "coat", Key: "k", Message: otn.Message{Text: "hello"}})
	sends = all && err == nil && !l.isOver()
	time.Sleep(time.Second)
	synctest.Wait()
	return sends
}

// books compares the runs with the consents, and both with what the platform took.
func books(t *testing.T, h *core.Host, p *platform, sends bool, d death) {
	t.Helper()
	states := map[string]int64{}
	for _, topic := range []string{"news", "price-drop"} {
		list, _, err := h.Consents(core.ConsentQuery{Topic: topic})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			states[c.State]++
		}
	}
	runs, _, err := h.Runs(core.RunQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var sent, unknown int64
	for _, r := range runs {
		sent, unknown = sent+r.Sent, unknown+r.Unknown
		if r.State != "done" {
			t.Errorf("%+v: a run of %s is %s", d, r.Rule, r.State)
		}
		if r.Sent+r.Unknown > r.Selected {
			t.Errorf("%+v: a run of %s selected %d and told %d", d, r.Rule, r.Selected, r.Sent+r.Unknown)
		}
	}
	if sent != states["sent"] || unknown != states["unknown"] {
		t.Errorf("%+v, single use %v: the runs count %d sent and %d unknown, the consents are %v", d, p.single, sent, unknown, states)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := func(token string) int { return p.took[otn.NewToken("page", token).ID()] }
	if n := id("ann 1") + id("ann 2"); n > 1 {
		t.Errorf("%+v, single use %v: ann was told %d times at one moment", d, p.single, n)
	}
	for i := range 3 {
		if n := id(fmt.Sprint("coat ", i)); n > 1 || sends && n == 0 && (p.single || states["unknown"] == 0) {
			t.Errorf("%+v, single use %v: p%d was told %d times", d, p.single, i, n)
		}
	}
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

// broken are rules that cannot make an older version again.
type broken struct{ shopRules }

func (broken) Version() string                   { return "broken" }
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

// fragile is a world whose Host dies, by kill -9, in the middle of a send.
type fragile struct {
	*world
	disk *vfs.MemFS
	left *vfs.MemFS
	kept *pebble.Memory
}

func breakable(t *testing.T) *fragile {
	disk, marks := made(t)
	w := &world{t: t, disk: disk, marks: marks, key: ledger.NewKey(), rules: shopRules{text: "now"}, chans: map[string]otn.Channel{}}
	return &fragile{world: w, disk: disk}
}

// die is called from a send: nothing that this Host does from here on counts. A power cut leaves no marks.
func (f *fragile) die(cut bool) {
	if cut {
		f.left, f.kept = f.disk.CrashClone(vfs.CrashCloneCfg{}), pebble.NewMemory()
		return
	}
	f.left, f.kept = f.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))}), f.marks.Clone()
}

// rise ends the dead Host and starts the next over what is left.
func (f *fragile) rise() {
	f.stop()
	f.world.disk, f.marks = f.left, f.kept
	f.start()
}

// Who was put off and was claimed again when a Host died is looked at by the next one.
func TestDeathInARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := breakable(t)
		shop, slow := w.fake("shop"), w.fake("slow")
		shop.can.MaxInFlight = 1
		shop.answer = func(d otn.Delivery, nth int) error {
			if nth == 1 {
				return deferred(time.Minute, otn.MessageScope)
			}
			if d.Subscriber.ID == "ann" && nth == 2 {
				w.die(false)
			}
			return nil
		}
		slow.answer = func(otn.Delivery, int) error { return deferred(time.Hour, otn.ChannelScope) } // keeps the run open
		w.start()
		w.waiting("ann", "bob")
		w.give(otn.Consent{Token: otn.NewToken("page", "s"), Channel: "slow", Subscriber: otn.Subscriber{ID: "s"}, Topic: "price-drop", Subject: "coat"})
		w.price("coat", "99.00 USD")
		w.after(2 * time.Minute)
		w.rise()
		w.after(30 * time.Minute)
		want(t, "run", w.run().State, "running")
		told := map[string]int{}
		for _, s := range shop.accepted() {
			told[s.Subscriber.ID]++
		}
		want(t, "ann was told, and is a doubt", told["ann"], 1)
		want(t, "bob was told by the dead, and by the living", told["bob"], 2)
		w.stop()
		l := w.ledger()
		want(t, "left to be looked at again", len(l.Recovered().Redo), 0)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A Host that dies while a message is on its way: the one that was handed over is a doubt, and nobody is told twice.
func TestDeathWhileSending(t *testing.T) {
	for _, cut := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := breakable(t)
			shop := w.fake("shop")
			shop.can.MaxInFlight = 1
			shop.answer = func(d otn.Delivery, _ int) error {
				if d.Subscriber.ID == "bob" {
					w.die(cut)
				}
				return nil
			}
			w.start()
			w.waiting()
			ann, bob, cat := w.grant("ann", "price-drop", "coat"), w.grant("bob", "price-drop", "coat"), w.grant("cat", "price-drop", "coat")
			w.price("coat", "99.00 USD")
			w.after(time.Second)
			after := w.fake("shop")
			w.rise()
			w.after(time.Second)
			w.price("coat", "90.00 USD")
			w.after(24 * time.Hour)
			if cut {
				want(t, "told after a power cut", texts(after), "")
				want(t, "ann", w.state(ann.ID), "unknown")
				want(t, "cat", w.state(cat.ID), "unknown")
			} else {
				want(t, "told after a kill", texts(after), "cat: now price-drop 99.00 USD")
				want(t, "ann", w.state(ann.ID), "sent")
				want(t, "cat", w.state(cat.ID), "sent")
			}
			want(t, "bob", w.state(bob.ID), "unknown")
			runs, _, err := w.host.Runs(core.RunQuery{})
			if err != nil {
				t.Fatal(err)
			}
			var sent, unknown int64
			for _, r := range runs {
				sent, unknown = sent+r.Sent, unknown+r.Unknown
				want(t, "state", r.State, "done")
			}
			want(t, "counted", sent+unknown, 3)
			w.stop()
		})
	}
}

// A webhook that is repeated while the first is not on disk yet is not answered before it is.
func TestRepeatWaitsForTheDisk(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var slow atomic.Bool
		release := make(chan struct{})
		w.disk = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
				if slow.Load() {
					<-release
				}
			}
			return nil
		}))
		w.chans["shop"] = &both{channel: w.fake("shop")}
		w.start()
		slow.Store(true)
		answers := make(chan int, 2)
		for range 2 {
			go func() { answers <- call(t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "price 120.00 USD") }()
			synctest.Wait()
		}
		select {
		case code := <-answers:
			t.Errorf("answered %d before it was on disk", code)
			answers <- code
		default:
		}
		slow.Store(false)
		close(release)
		want(t, "first", <-answers, 202)
		want(t, "second", <-answers, 202)
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

// ledger opens what a Host that has ended left.
func (w *world) ledger() *ledger.Ledger {
	w.t.Helper()
	engine, err := pebble.Open("data", pebble.Options{FS: w.disk, Marks: w.marks, Still: true})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := ledger.Open(w.t.Context(), engine, w.key, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return l
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

// A run that only a channel was left with that is configured no more comes to its end.
func TestRunOfAChannelThatIsNoMore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.fake("slow").answer = func(otn.Delivery, int) error { return deferred(24*time.Hour, otn.ChannelScope) }
		w.start()
		w.waiting("ann")
		w.give(otn.Consent{Token: otn.NewToken("page", "s"), Channel: "slow", Subscriber: otn.Subscriber{ID: "s"}, Topic: "price-drop", Subject: "coat"})
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		want(t, "run", w.run().State, "running")
		w.restart()
		want(t, "run", w.run().State, "running")
		w.stop()
		delete(w.chans, "slow")
		w.start()
		w.after(time.Minute)
		want(t, "run without the channel", w.run().State, "done")
	})
}

// A run that a retry paused while another channel was still at it stays paused when that one comes to its end.
func TestPausedWhileAnotherChannelEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(d otn.Delivery, nth int) error {
			switch {
			case nth == 1:
				return deferred(time.Minute, otn.MessageScope)
			case d.Subscriber.ID == "bob":
				return deferred(30*time.Minute, otn.MessageScope)
			}
			return &otn.SendError{Outcome: otn.Invalid, Scope: otn.ChannelScope, Code: "permission"}
		}
		slow := w.fake("slow")
		turns := 0
		w.chans["slow"] = &sleepy{both: &both{channel: slow}, before: func() error {
			if turns++; turns == 2 { // the turn in which it comes to its end
				time.Sleep(2 * time.Minute)
			}
			return nil
		}}
		w.start()
		w.waiting("ann", "bob")
		w.give(otn.Consent{Token: otn.NewToken("page", "s"), Channel: "slow", Subscriber: otn.Subscriber{ID: "s"}, Topic: "price-drop", Subject: "coat"})
		w.price("coat", "99.00 USD")
		w.after(10 * time.Minute)
		want(t, "run", w.run().State, "paused")
		calls := shop.calls()
		w.restart()
		w.after(time.Hour)
		want(t, "calls of a paused run", shop.calls(), calls)
		if _, err := w.host.ResumeRun(t.Context(), w.run().ID); err != nil {
			t.Error(err)
		}
	})
}

// A run that was resumed a moment before its Host died goes on with the next.
func TestDeathAfterResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := breakable(t)
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		broken := true
		var hangs atomic.Bool
		shop.answer = func(_ otn.Delivery, nth int) error {
			switch {
			case nth == 1:
				return deferred(time.Minute, otn.MessageScope)
			case broken:
				return invalid()
			}
			return nil
		}
		w.chans["shop"] = &sleepy{both: &both{channel: shop}, before: func() error {
			if hangs.Load() {
				time.Sleep(time.Hour)
			}
			return nil
		}}
		w.start()
		w.waiting("p1", "p2", "p3")
		w.price("coat", "99.00 USD")
		w.after(30 * time.Second)
		want(t, "run", w.run().State, "done")
		w.after(time.Hour)
		want(t, "run", w.run().State, "paused")
		broken = false
		hangs.Store(true)
		if _, err := w.host.ResumeRun(t.Context(), w.run().ID); err != nil {
			t.Fatal(err)
		}
		w.die(false)
		hangs.Store(false)
		w.rise()
		w.after(time.Hour)
		told := map[string]bool{}
		for _, s := range shop.accepted() {
			told[s.Subscriber.ID] = true
		}
		want(t, "told", len(told), 3)
		want(t, "run", w.run().State, "done")
		w.stop()
	})
}

// hooked are rules that do something at each match.
type hooked struct {
	shopRules
	hook func(otn.Event)
}

func (r hooked) Restore(source []byte) (otn.Rules, error) {
	rules, err := r.shopRules.Restore(source)
	if err != nil {
		return nil, err
	}
	return hooked{rules.(shopRules), r.hook}, nil
}

func (r hooked) Match(e otn.Event, last func(string) (otn.Last, bool)) []otn.Match {
	r.hook(e)
	return r.shopRules.Match(e, last)
}

// A send that is made again after a death opens no run that had come to its end.
func TestSendIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := breakable(t)
		shop := w.fake("shop")
		n := 0
		w.rules = hooked{shopRules{text: "now"}, func(e otn.Event) {
			if n++; n == 290 { // behind the first batch of lines
				time.Sleep(time.Hour)
				w.die(false)
			}
		}}
		w.start()
		var crowd []otn.Consent
		for i := range 300 {
			crowd = append(crowd, otn.Consent{Token: otn.NewToken("page", fmt.Sprint(i)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint(i)}, Topic: "back", Subject: fmt.Sprint("coat", i)})
			crowd = append(crowd, otn.Consent{Token: otn.NewToken("page", fmt.Sprint("second", i)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint(i)}, Topic: "back", Subject: fmt.Sprint("coat", i)})
		}
		if _, err := w.host.Grant(t.Context(), crowd...); err != nil {
			t.Fatal(err)
		}
		if _, err := w.host.Send(t.Context(), core.SendRequest{Topic: "back", AllSubjects: true, Message: otn.Message{Text: "hello"}}); err != nil {
			t.Fatal(err)
		}
		w.after(2 * time.Hour)
		dead := map[string]bool{}
		for _, s := range shop.accepted()[:256] {
			dead[s.Subscriber.ID] = true
		}
		want(t, "told before the death", len(dead), 256)
		after := w.fake("shop")
		w.rise()
		w.after(time.Hour)
		want(t, "told after it", len(after.accepted()), 300-256)
		for _, s := range after.accepted() {
			if dead[s.Subscriber.ID] {
				t.Error("told by both:", s.Subscriber.ID)
			}
		}
		runs, _, err := w.host.Runs(core.RunQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "runs", len(runs), 300)
		for _, r := range runs {
			if r.State != "done" {
				t.Fatalf("the run for %s is %s", r.Subject, r.State)
			}
		}
		w.stop()
	})
}

// Timers are worked on also while the journal is never empty.
func TestTimersUnderLoad(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(_ otn.Delivery, nth int) error {
			if nth == 1 {
				return deferred(time.Minute, otn.MessageScope)
			}
			return nil
		}
		n := int64(0)
		w.rules = hooked{shopRules{text: "now"}, func(e otn.Event) {
			if e.Subject.ID == "hat" && n < 600 {
				n++
				time.Sleep(time.Second)
				w.observe(otn.Item{ID: "hat", Known: otn.FactPrice, Price: otn.Money{Minor: 10_000 + n, Currency: "USD"}})
			}
		}}
		w.start()
		w.waiting("ann")
		w.grant("bob", "price-drop", "hat")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		w.price("hat", "100.00 USD")
		w.after(2 * time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD")
		w.after(time.Hour)
	})
}
