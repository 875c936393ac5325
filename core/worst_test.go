// What somebody does to a run, a person or a consent at the worst moment: while a page is on its way, between two writes.

package core_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// spy is an engine that lets a test do something right after a row was read, or right before one is written; each once.
type spy struct {
	ledger.Engine
	mu     sync.Mutex
	reads  *moment
	writes *moment
	purges int
}

// moment is when something is done: at the n-th call about a key that begins so.
type moment struct {
	key []byte
	nth int
	do  func()
}

// on is the engine with the spy before it.
func (s *spy) on(e ledger.Engine) ledger.Engine {
	if s == nil {
		return e
	}
	s.Engine = e
	return s
}

// afterRead has something done when a key was read for the n-th time from now. It must be one that is not read inside a write.
func (s *spy) afterRead(space byte, key string, nth int, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = &moment{append([]byte{space}, key...), nth, do}
}

// beforeWrite has something done before the next write that changes a key.
func (s *spy) beforeWrite(space byte, key string, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = &moment{append([]byte{space}, key...), 1, do}
}

func (s *spy) Get(keys [][]byte, yield func(int, []byte)) error {
	err := s.Engine.Get(keys, yield)
	for _, k := range keys {
		s.see(&s.reads, k)
	}
	return err
}

func (s *spy) Write(w ledger.Write) error {
	for _, c := range w.Changes {
		s.see(&s.writes, c.Key)
	}
	return s.Engine.Write(w)
}

func (s *spy) Purge(ctx context.Context, ranges []ledger.Range) error {
	s.mu.Lock()
	s.purges++
	s.mu.Unlock()
	return s.Engine.Purge(ctx, ranges)
}

func (s *spy) see(at **moment, key []byte) {
	s.mu.Lock()
	m := *at
	if m == nil || !bytes.HasPrefix(key, m.key) {
		s.mu.Unlock()
		return
	}
	if m.nth--; m.nth > 0 {
		s.mu.Unlock()
		return
	}
	*at = nil
	s.mu.Unlock()
	m.do()
}

// aside begins something beside the one who writes, and gives it time to come as far as it can.
func aside(do func()) (ended <-chan struct{}) {
	end := make(chan struct{})
	go func() { defer close(end); do() }()
	for range 10_000 {
		runtime.Gosched()
	}
	return end
}

func stopping(sub, topic string) otn.Record {
	return otn.Record{Stop: &otn.Stop{Subscriber: who(sub), Topic: topic}}
}

// A run that is cancelled while a page is on its way stays cancelled, whatever is answered then, and ends nothing else.
func TestCancelledBeforeTheFaultIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.answer = func(d otn.Delivery, _ int) error {
			if d.Subscriber.ID != "ann" {
				return nil
			}
			time.Sleep(10 * time.Second)
			return &otn.SendError{Outcome: otn.Invalid, Scope: otn.ChannelScope, Code: "permission"}
		}
		w.start()
		w.waiting("ann")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		if _, err := w.host.CancelRun(t.Context(), w.run().ID); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		want(t, "state", w.run().State, "cancelled")
		w.grant("bob", "news", "")
		w.post("bob")
		w.after(time.Minute)
		want(t, "told by the next run", texts(shop), "bob: now news")
	})
}

// A run that is paused, or cancelled, in the moment in which it ends is stopped: its retries wait for an operator.
func TestStoppedWhenItEnds(t *testing.T) {
	for name, stop := range map[string]func(*core.Host, string) error{
		"paused":    func(h *core.Host, id string) error { _, err := h.PauseRun(t.Context(), id); return err },
		"cancelled": func(h *core.Host, id string) error { _, err := h.CancelRun(t.Context(), id); return err },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.spy = &spy{}
				shop := w.fake("shop")
				shop.answer = func(_ otn.Delivery, nth int) error {
					if nth == 1 {
						return deferred(time.Minute, otn.MessageScope)
					}
					return nil
				}
				w.start()
				w.waiting("ann")
				var ended <-chan struct{}
				w.spy.beforeWrite('l', "", func() { // the page's claim, or its end
					run := w.run().ID
					w.spy.beforeWrite('b', "open/"+run, func() {
						ended = aside(func() {
							if err := stop(w.host, run); err != nil && !errors.Is(err, otn.ErrRefused) {
								t.Error(err)
							}
						})
					})
				})
				w.price("coat", "99.00 USD")
				w.after(time.Second)
				<-ended
				state := w.run().State
				w.after(time.Hour)
				if state == name {
					want(t, "told after it was "+name, shop.calls(), 1)
				}
				want(t, "state", w.run().State, state)
				w.restart()
				w.after(time.Hour)
				if state == name {
					want(t, "told after a restart", shop.calls(), 1)
				}
			})
		})
	}
}

// Nobody is asked, and nothing is said to anybody, who wanted to hear no more a moment before.
func TestStopBeforeAnAskIsMade(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.spy = &spy{}
		b := botWorld(w)
		b.says(t, w, opening("ann"))
		w.spy.afterRead('b', "ask/", 2, func() { b.says(t, w, stopping("ann", "")) })
		_, err := w.host.Ask(t.Context(), core.AskRequest{Channel: "shop", Recipient: "ann", Topic: "news"})
		if !errors.Is(err, otn.ErrRefused) {
			t.Errorf("asked after a stop: %v", err)
		}
		want(t, "asked", b.times(), 0)
	})
	bubble(t, func(t *testing.T, w *world) {
		w.spy = &spy{}
		b := thenWorld(w)
		b.says(t, w, opening("ann"))
		w.spy.afterRead('b', "silent/", 4, func() { b.says(t, w, stopping("ann", "")) }) // the door reads and expects it, then it is looked at twice
		b.says(t, w, given("ann", "one"))
		w.after(time.Minute)
		want(t, "said", b.said(), "")
	})
}

// Somebody is erased while something is being said to them: nothing of it is kept, and everything else goes on.
func TestErasedWhileBeingSpokenTo(t *testing.T) {
	for _, answer := range []error{nil, deferred(time.Minute, otn.MessageScope)} {
		bubble(t, func(t *testing.T, w *world) {
			b := thenWorld(w)
			b.channel.answer = func(otn.Delivery, int) error { time.Sleep(10 * time.Second); return answer }
			b.says(t, w, opening(victim), given(victim, "one"))
			w.after(time.Second)
			if _, err := w.host.Erase(t.Context(), "shop", victim); err != nil {
				t.Fatal(err)
			}
			w.after(time.Hour)
			want(t, "said", b.calls(), 1)
			w.isGone()
			w.grant("bob", "news", "")
		})
	}
}

// A doubt of a run that is paused is not sent again before the run goes on, and of one that is cancelled never.
func TestDoubtOfAStoppedRun(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			shop := w.fake("shop")
			shop.can.SingleUseToken = true
			shop.answer = func(_ otn.Delivery, nth int) error {
				if nth == 1 {
					return errors.New("the line went dead")
				}
				return nil
			}
			shop.can.Rate = 0.1
			w.start()
			stop := func(act func(id string) error) {
				t.Helper()
				w.after(time.Second)
				if err := act(w.run().ID); err != nil {
					t.Error(err)
				}
				if restarted {
					w.restart()
				}
				w.after(24 * time.Hour)
			}
			w.waiting("ann", "bob")
			w.price("coat", "99.00 USD")
			stop(func(id string) error { _, err := w.host.PauseRun(t.Context(), id); return err })
			paused := w.run()
			want(t, "state", paused.State, "paused")
			want(t, "calls while paused", shop.calls(), 1)
			if _, err := w.host.ResumeRun(t.Context(), paused.ID); err != nil {
				t.Error(err)
			}
			w.after(24 * time.Hour)
			want(t, "told when it goes on", len(shop.accepted()), 2)

			w.grant("cat", "price-drop", "coat")
			w.grant("dan", "price-drop", "coat")
			w.price("coat", "89.00 USD")
			stop(func(id string) error { _, err := w.host.CancelRun(t.Context(), id); return err })
			want(t, "state", w.run().State, "cancelled")
			w.restart()
			w.after(24 * time.Hour)
			want(t, "told by a cancelled run", len(shop.accepted()), 2)
			want(t, "consents", w.stands(), "sent price-drop/coat, sent price-drop/coat, unknown price-drop/coat, waiting price-drop/coat")
		})
	}
}

// Who wants no more while their message waits for its place in the channel's pace gets none, first or again.
func TestStopBeforeTheTurnComes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.SingleUseToken = true
		shop.can.Rate = 0.01
		shop.answer = func(d otn.Delivery, nth int) error {
			if d.Subscriber.ID == "cat" && nth == 1 {
				return errors.New("the line went dead")
			}
			return nil
		}
		b := &bot{channel: shop}
		w.chans["shop"] = b
		w.start()
		w.waiting("ann", "bob")
		w.price("coat", "99.00 USD")
		w.after(10 * time.Second)
		want(t, "told at first", texts(shop), "ann: now price-drop 99.00 USD")
		b.says(t, w, stopping("bob", ""))
		w.after(10 * time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD")
		want(t, "consents", w.stands(), "sent price-drop/coat, withdrawn price-drop/coat")

		w.waiting("cat", "dan")
		w.price("coat", "98.00 USD")
		w.after(70 * time.Second) // the doubt is to be sent again, behind dan
		want(t, "calls", shop.calls(), 2)
		b.says(t, w, stopping("cat", ""))
		w.after(24 * time.Hour)
		want(t, "told in the end", texts(shop), "ann: now price-drop 99.00 USD; dan: now price-drop 98.00 USD")
	})
}

// A stop counts for what was agreed to before it, in whatever order the two are told, and not for what comes after.
func TestStopAndConsentInOneBreath(t *testing.T) {
	told := func(t *testing.T, w *world, b *bot, wanted string) {
		t.Helper()
		w.post("ann")
		w.after(time.Minute)
		want(t, "told", whom(b.channel), wanted)
	}
	t.Run("in one call", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			b := botWorld(w)
			b.says(t, w, given("ann", "one"), stopping("ann", ""))
			told(t, w, b, "")
			b.says(t, w, stopping("ann", ""), given("ann", "two"))
			told(t, w, b, "ann")
		})
	})
	t.Run("between two writes", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			w.spy = &spy{}
			b := botWorld(w)
			w.spy.afterRead('j', "", 1, func() { w.grant("ann", "news", "") })
			b.says(t, w, stopping("ann", ""))
			told(t, w, b, "")
		})
	})
	t.Run("told late", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			b := botWorld(w)
			late := given("ann", "one")
			late.At = time.Now()
			w.after(time.Minute)
			b.says(t, w, stopping("ann", "news"))
			w.after(time.Minute)
			b.says(t, w, late)
			want(t, "consents", w.stands(), "withdrawn news/")
			told(t, w, b, "")
			b.says(t, w, given("ann", "two"))
			told(t, w, b, "ann")
		})
	})
}

// Who says yes twice at once is told once.
func TestTwoYesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.spy = &spy{}
		b := botWorld(w)
		w.stock("coat", 0)
		b.says(t, w, opening("ann"), wish("ann", "", "notify.back.coat"))
		w.after(time.Second)
		w.spy.afterRead('j', "", 1, func() { b.says(t, w, yes("ann", "sms-2")) })
		b.says(t, w, yes("ann", "sms-1"))
		want(t, "consents", w.stands(), "waiting back/coat")
	})
}

// The proof that a message left counts whatever was believed of it before: that it was put off, that it was lost. It is not
// sent again, by no run. Only the channel of the message can prove it.
func TestProofOfWhatWasNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		early  bool // the proof comes before the answer
		lost   bool // an operator says so before the proof comes
	}{
		"put off":               {answer: deferred(time.Minute, otn.MessageScope)},
		"put off, proven first": {answer: deferred(time.Minute, otn.MessageScope), early: true},
		"called lost":           {answer: errors.New("the line went dead"), lost: true},
		"not valid":             {answer: invalid()},
		"the channel rests":     {answer: deferred(time.Minute, otn.ChannelScope)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				w.chans["shop"], w.chans["other"] = &both{channel: shop}, &both{channel: w.fake("other")}
				hear := func(from string, id otn.DeliveryID) {
					call(t, w.host.Hooks(), "POST", "/hooks/"+from, "s3cret", "echo "+id.String())
				}
				shop.answer = func(d otn.Delivery, nth int) error {
					if nth == 1 && c.early {
						hear("shop", d.ID)
					}
					return c.answer
				}
				w.start()
				w.waiting()
				ann := w.grant("ann", "price-drop", "coat")
				w.price("coat", "99.00 USD")
				w.after(time.Second)
				id := shop.sent[0].ID
				if c.lost {
					if _, err := w.host.Resolve(t.Context(), id.String(), false); err != nil {
						t.Fatal(err)
					}
				}
				if !c.early {
					before := w.state(ann.ID)
					hear("other", id)
					want(t, "after the word of another channel", w.state(ann.ID), before)
					hear("shop", id)
				}
				want(t, "proven", w.state(ann.ID), "sent")
				w.restart()
				hear("shop", id)
				w.after(time.Hour)
				w.price("coat", "90.00 USD")
				w.after(time.Hour)
				want(t, "calls", shop.calls(), 1)
				want(t, "sent", w.run().Sent, 1)
				d, err := w.host.DeliveryByID(id.String())
				if err != nil {
					t.Fatal(err)
				}
				want(t, "delivery", d.Outcome, "sent")
			})
		})
	}
}

// What is written down of a person after their documents were listed, and before they are erased, goes with the rest.
func TestErasedWhileBeingAsked(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.spy = &spy{}
		b := askWorld(w, asking{asks: asks23})
		b.says(t, w, opening(victim))
		w.spy.afterRead('j', "", 3, func() {
			if _, err := w.host.Ask(t.Context(), core.AskRequest{Channel: "shop", Recipient: victim, Topic: "news"}); err != nil {
				t.Error(err)
			}
		})
		if _, err := w.host.Erase(t.Context(), "shop", victim); err != nil {
			t.Fatal(err)
		}
		want(t, "asked", b.times(), 1)
		w.isGone()
		docs, _ := w.left()
		if strings.Contains(docs, "ask/") || strings.Contains(docs, "planned/") {
			t.Errorf("left:\n%s", docs)
		}
	})
}

// Two words of the platform about a channel in one call are both heeded, the later one last, and nothing beside them is lost.
func TestTwoNoticesInOneCall(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		notice := func(level otn.NoticeLevel) otn.Record {
			return otn.Record{Notice: &otn.ChannelNotice{Level: level, Reason: "too many reports"}}
		}
		b.says(t, w, notice(otn.Unblocked), notice(otn.Blocked), given("ann", "one"))
		w.restart()
		w.post("ann")
		w.after(time.Minute)
		want(t, "told while blocked", whom(b.channel), "")
		b.says(t, w, notice(otn.Blocked), notice(otn.Unblocked))
		w.after(time.Minute)
		want(t, "told", whom(b.channel), "ann")
	})
}

// A channel that is blocked by its platform in the moment in which it asks for a rest stays blocked, also over a restart.
func TestBlockedWhileItAsksForARest(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.spy = &spy{}
		b := botWorld(w)
		answer := make(chan struct{})
		b.channel.answer = func(_ otn.Delivery, nth int) error {
			if nth > 1 {
				return nil
			}
			<-answer
			return deferred(time.Hour, otn.ChannelScope)
		}
		w.waiting("ann")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		w.spy.beforeWrite('b', "pause/", func() { <-aside(func() { close(answer) }) })
		b.says(t, w, otn.Record{Notice: &otn.ChannelNotice{Level: otn.Blocked, Reason: "too many reports"}})
		w.after(time.Minute)
		w.restart()
		w.after(24 * time.Hour)
		want(t, "calls while blocked", b.calls(), 1)
	})
}
