// Lanes under trouble: faulty runs, rests, blocks, late timers and channels that are no more.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

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
