// What the Host tells its Meter: every step of the path, each with where it came from, and how it stands.

package core_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// steps keeps what it is told.
type steps struct {
	mu  sync.Mutex
	all []otn.Step
}

// Step implements otn.Meter.
func (s *steps) Step(one otn.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, one)
}

// of are the steps of a kind, and of a cause where write is not 0.
func (s *steps) of(kind otn.StepKind, write uint64) (list []otn.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if one.Kind == kind && (write == 0 || one.Write == write) {
			list = append(list, one)
		}
	}
	return list
}

// From the webhook to the settlement every step says to which cause it belongs.
func TestStepsFollowAWebhook(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		seen := &steps{}
		w.meter = seen
		shop := w.fake("shop")
		shop.answer = func(d otn.Delivery, _ int) error {
			time.Sleep(30 * time.Millisecond)
			if d.Subscriber.ID == "bob" {
				return &otn.SendError{Outcome: otn.Refused, Code: "gone"}
			}
			return nil
		}
		w.chans["shop"] = &both{channel: shop}
		w.start()
		door := w.host.Hooks()
		for _, body := range []string{"price 120.00 USD", "t1 ann price-drop coat\nt2 bob price-drop coat\nt3 cat price-drop dress", "price 99.00 USD"} {
			if got := call(t, door, http.MethodPost, "/hooks/shop", "s3cret", body); got != http.StatusAccepted {
				t.Fatalf("%s: %d", body, got)
			}
		}
		call(t, door, http.MethodPost, "/hooks/shop", "wrong", "price 1.00 USD")
		w.after(time.Minute)

		hooks := seen.of(otn.HookStep, 0)
		want(t, "webhooks", len(hooks), 4)
		want(t, "the last is refused", hooks[3].Status, http.StatusUnauthorized)
		cause := hooks[2].Write
		if cause == 0 || cause == hooks[0].Write {
			t.Fatalf("the writes of the webhooks are %d and %d", hooks[0].Write, cause)
		}
		for kind, n := range map[otn.StepKind]int{
			otn.HookStep: 1, otn.TakeStep: 1, otn.MatchStep: 1, otn.ClaimStep: 1, otn.SendStep: 2, otn.SettleStep: 1, otn.RunStep: 1,
		} {
			want(t, kind.String()+" steps of the price", len(seen.of(kind, cause)), n)
		}
		if t.Failed() {
			return
		}
		want(t, "taken in a webhook", seen.of(otn.TakeStep, cause)[0].Hooked, true)
		run := seen.of(otn.RunStep, cause)[0]
		match := seen.of(otn.MatchStep, cause)[0]
		want(t, "runs of the match", match.N, 1)
		want(t, "event of the run", run.Event, match.Event)
		want(t, "rule", run.Rule, "price-drop")
		var got []string
		for _, s := range seen.of(otn.SendStep, cause) {
			want(t, "run of the send", s.Run, run.Run)
			want(t, "page of the send", s.Page, seen.of(otn.ClaimStep, cause)[0].Page)
			want(t, "took", s.Took, 30*time.Millisecond)
			got = append(got, s.Outcome.String())
		}
		slices.Sort(got)
		want(t, "outcomes", got[0]+" "+got[1], "refused sent")
		want(t, "members of the claim", seen.of(otn.ClaimStep, cause)[0].N, 2)
	})
}

// An ask, a doubt that is sent again and a trigger are told as well.
func TestStepsOfAsksAndDoubts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		seen := &steps{}
		w.meter = seen
		shop := w.fake("shop")
		shop.can.SingleUseToken = true
		shop.answer = func(_ otn.Delivery, n int) error {
			if n == 1 {
				return errors.New("the line went dead")
			}
			return nil
		}
		w.chans["shop"] = &both{channel: shop}
		w.start()
		call(t, w.host.Hooks(), http.MethodPost, "/hooks/shop", "s3cret", "window ann")
		if _, err := w.host.Ask(context.Background(), core.AskRequest{Channel: "shop", Recipient: "ann", Topic: "news"}); err != nil {
			t.Fatal(err)
		}
		w.grant("bob", "news", "")
		if _, err := w.host.Trigger(context.Background(), otn.Trigger{Name: "post"}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Hour)
		asks, sends := seen.of(otn.AskStep, 0), seen.of(otn.SendStep, 0)
		want(t, "asks", len(asks), 1)
		want(t, "of the channel", asks[0].Instance, "shop")
		want(t, "ended", asks[0].Outcome, otn.Sent)
		want(t, "sends", len(sends), 2)
		if t.Failed() {
			return
		}
		want(t, "first", sends[0].Outcome, otn.Unknown)
		want(t, "again", sends[1].Outcome, otn.Sent)
		want(t, "run", sends[1].Run, sends[0].Run)
	})
}

// How far behind the Host is can be seen: work that a channel does not get done, doubts, consents that will expire.
func TestStanding(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(otn.Delivery, int) error { return deferred(2*time.Hour, otn.ChannelScope) }
		w.start()
		w.price("coat", "120.00 USD")
		w.grant("ann", "price-drop", "coat")
		w.after(time.Minute)
		still := standing(t, w)
		want(t, "behind", still.Behind, 0)
		want(t, "late", still.Late["shop"], 0)
		want(t, "paused", still.Paused["shop"], false)
		want(t, "expiring", still.Expiring["price-drop"], 0)

		w.price("coat", "99.00 USD")
		w.after(time.Hour)
		stuck := standing(t, w)
		want(t, "late after an hour", stuck.Late["shop"], time.Hour)
		want(t, "paused", stuck.Paused["shop"], true)

		w.after(340 * 24 * time.Hour)
		want(t, "expiring", standing(t, w).Expiring["price-drop"], 1)
	})
}

// A message that hangs keeps its channel late until it is answered.
func TestStandingOfAHangingMessage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		hold := make(chan struct{})
		shop.answer = func(otn.Delivery, int) error { <-hold; return nil }
		w.start()
		w.grant("ann", "news", "")
		if _, err := w.host.Trigger(context.Background(), otn.Trigger{Name: "post"}); err != nil {
			t.Fatal(err)
		}
		w.after(10 * time.Second)
		want(t, "late while a message hangs", standing(t, w).Late["shop"], 10*time.Second)
		close(hold)
		w.after(time.Second)
		want(t, "late", standing(t, w).Late["shop"], 0)
	})
}

// stuck are rules that do not come to an end about a trigger until they are let.
type stuck struct {
	shopRules
	hold chan struct{}
}

func (r stuck) Match(e otn.Event, last func(string) (otn.Last, bool)) []otn.Match {
	if e.Kind == otn.Triggered {
		<-r.hold
	}
	return r.shopRules.Match(e, last)
}

// What is not decided, and what is due and not done, is counted with its age.
func TestStandingBehind(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		hold := make(chan struct{})
		w.rules = stuck{shopRules{text: "now"}, hold}
		w.start()
		w.price("coat", "120.00 USD")
		w.grant("ann", "late", "coat") // its cron line comes at 9
		w.grant("bob", "news", "")
		w.after(time.Minute)
		for range 2 {
			if _, err := w.host.Trigger(context.Background(), otn.Trigger{Name: "post"}); err != nil {
				t.Fatal(err)
			}
		}
		w.after(10 * time.Hour)
		s := standing(t, w)
		want(t, "behind", s.Behind, 2)
		want(t, "behind since", s.BehindSince, 10*time.Hour)
		want(t, "due", s.Due, 1)
		want(t, "due since", s.DueSince, time.Hour+time.Minute)
		close(hold)
		w.after(time.Second)
		s = standing(t, w)
		want(t, "behind", s.Behind, 0)
		want(t, "due", s.Due, 0)
	})
}

func standing(t *testing.T, w *world) core.Standing {
	t.Helper()
	s, err := w.host.Standing()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
