// Asks and their channel: what it puts off, loses, and wants left alone, at its pace.

package core_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// What the channel puts off is tried again inside the window, and only there.
func TestAskIsPutOffInsideTheWindow(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []error
		after   time.Duration // of the second try
		asks    int
		why     string
	}{
		{"this one", []error{deferred(0, otn.MessageScope), deferred(0, otn.MessageScope)}, time.Minute, 3, `a asked: "tell me: news"`},
		{"the channel, as long as it says", []error{deferred(3*time.Hour, otn.ChannelScope)}, 3 * time.Hour, 2, `a asked: "tell me: news"`},
		{"the configuration, which somebody puts right", []error{&otn.SendError{Outcome: otn.Invalid, Scope: otn.ChannelScope, Code: "190"}}, time.Minute, 2, `a asked: "tell me: news"`},
		{"the person", []error{deferred(0, otn.SubscriberScope)}, 6 * time.Hour, 2, `a asked: "tell me: news"`},
		{"behind the window", []error{deferred(24*time.Hour, otn.SubscriberScope)}, 0, 1, "a not asked: it certainly did not arrive: deferred [later]"},
		{"never", []error{&otn.SendError{Outcome: otn.Refused, Code: "gone"}}, 0, 1, "a not asked: it certainly did not arrive: refused [gone]"},
		{"at fault", []error{invalid()}, 0, 1, "a not asked: it certainly did not arrive: invalid [template]"},
		{"the platform's window is closed", []error{&otn.SendError{Outcome: otn.Deferred, Scope: otn.SubscriberScope, Code: "10", Err: otn.ErrOutsideWindow}}, 0, 1,
			"a not asked: the platform says that the window has closed: deferred [10]"},
		{"the platform knows of an ask", []error{&otn.SendError{Outcome: otn.Deferred, Scope: otn.SubscriberScope, Code: "613", Err: otn.ErrAlreadyAsked}}, 0, 1,
			"a not asked: the platform says that they were asked already: deferred [613]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				b := askWorld(w, asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened}}})
				b.answer = func(n int) error {
					if n <= len(c.answers) {
						return c.answers[n-1]
					}
					return nil
				}
				b.says(t, w, opening("ann"))
				w.after(time.Second)
				want(t, "tries at once", b.times(), 1)
				if c.after > 0 {
					w.after(c.after - 3*time.Second)
					want(t, "tries before the wait is over", b.times(), 1)
					w.restart()
					w.after(5 * time.Second)
					want(t, "tries after it", b.times(), 2)
				}
				w.after(48 * time.Hour)
				want(t, "tries", b.times(), c.asks)
				has(t, "why", w.whys("ann"), c.why)
			})
		})
	}
}

// An ask whose answer is lost is never made again in that window, nor is one in whose middle the channel panicked.
func TestALostAskIsNotMadeTwice(t *testing.T) {
	for name, answer := range map[string]func(int) error{
		"lost":  func(int) error { return errors.New("the line went dead") },
		"panic": func(int) error { panic("no idea") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				b := askWorld(w, asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened}}})
				b.answer = answer
				b.says(t, w, opening("ann"))
				w.after(time.Hour)
				b.says(t, w, opening("ann"))
				w.restart()
				w.after(22 * time.Hour)
				want(t, "asks", b.times(), 1)
				has(t, "why", w.whys("ann"), "a unknown: nobody can tell whether it arrived")
			})
		})
	}
}

// A channel that takes no asks for now is not asked through for anybody, and a channel that is blocked for as long as it is.
func TestAChannelThatRestsIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened}}})
		b.answer = func(n int) error {
			if n == 1 {
				return deferred(2*time.Hour, otn.ChannelScope)
			}
			return nil
		}
		b.says(t, w, opening("ann"))
		w.after(time.Second)
		b.says(t, w, opening("bob"), opening("cat"))
		w.after(time.Hour)
		want(t, "tries while it rests", b.times(), 1)
		w.after(61 * time.Minute)
		want(t, "tries after it", b.times(), 4)
		b.says(t, w, otn.Record{Notice: &otn.ChannelNotice{Level: otn.Blocked, Reason: "too many reports"}})
		b.says(t, w, opening("dan"), opening("eve"))
		w.after(20 * time.Hour)
		want(t, "tries while it is blocked", b.times(), 4)
		has(t, "why", w.whys("dan"), "a planned: on window.opened; decided then: the channel rests: blocked by the platform: too many reports")
		b.says(t, w, otn.Record{Notice: &otn.ChannelNotice{Level: otn.Unblocked}})
		w.after(16 * time.Minute)
		want(t, "tries after it", b.times(), 6)
	})
}

// One person's trouble is theirs: who is to be left alone is, and what they do meanwhile does not change that.
func TestAPersonWhoIsLeftAloneStaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened}}})
		b.answer = func(n int) error {
			if n == 1 {
				return deferred(5*time.Hour, otn.SubscriberScope)
			}
			return nil
		}
		b.says(t, w, opening("ann"))
		w.after(time.Hour)
		b.says(t, w, opening("ann"), opening("bob"))
		w.after(time.Second)
		want(t, "asks", b.times(), 2)
		w.after(4 * time.Hour)
		want(t, "asks, five hours later", b.times(), 3)
	})
}

// A channel that stays blocked: at the end of the window it is over, and why says what it waited for.
func TestAChannelThatStaysBlocked(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened}}})
		b.says(t, w, otn.Record{Notice: &otn.ChannelNotice{Level: otn.Blocked, Reason: "too many reports"}}, opening("ann"))
		w.after(25 * time.Hour)
		want(t, "why", w.whys("ann"), "a not asked: the window in which they may be asked has closed, after it was put off: the channel rests: blocked by the platform: too many reports")
		b.says(t, w, otn.Record{Notice: &otn.ChannelNotice{Level: otn.Unblocked}})
		w.after(time.Hour)
		want(t, "asks", b.times(), 0)
	})
}

// Asks and messages leave at one pace together: the channel's.
func TestAsksKeepThePaceOfTheChannel(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rates = map[string]float64{"shop": 2}
		r := asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened, After: time.Hour}}}
		r.text = "now"
		w.rules = r
		var mu sync.Mutex
		var left []time.Time
		leaves := func() error {
			mu.Lock()
			defer mu.Unlock()
			left = append(left, time.Now())
			return nil
		}
		b := &bot{channel: w.fake("shop")}
		b.channel.answer = func(otn.Delivery, int) error { return leaves() }
		b.answer = func(int) error { return leaves() }
		w.chans["shop"] = b
		w.start()
		w.price("coat", "120.00 USD")
		for i := range 10 {
			w.grant(fmt.Sprint("p", i), "price-drop", "coat")
			b.says(t, w, opening(fmt.Sprint("q", i)))
		}
		w.after(time.Hour - time.Millisecond)
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		want(t, "asks", b.times(), 10)
		want(t, "left", len(left), 20)
		for i := 1; i < len(left); i++ {
			if gap := left[i].Sub(left[i-1]); gap < 499*time.Millisecond {
				t.Errorf("the %d-th left %s after the one before", i, gap)
			}
		}
	})
}

// A channel that hangs keeps only its own people waiting.
func TestAHangingChannelHoldsUpNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened, After: time.Hour}}}
		r.text = "now"
		w.rules = r
		slow, shop := &bot{channel: w.fake("slow")}, &bot{channel: w.fake("shop")}
		slow.answer = func(int) error {
			slow.mu.Unlock()
			time.Sleep(20 * time.Minute)
			slow.mu.Lock()
			return nil
		}
		w.chans["slow"], w.chans["shop"] = slow, shop
		w.start()
		for i := range 40 {
			slow.records = []otn.Record{opening(fmt.Sprint("p", i))}
			want(t, "answer", call(t, w.host.Hooks(), "POST", "/hooks/slow", "", ""), 200)
		}
		shop.says(t, w, opening("ann"))
		w.after(time.Hour + time.Second)
		want(t, "asked", shop.asked(), "ann"+newsAsk)
		want(t, "at once through the one that hangs", slow.times(), 8)
		w.after(4 * time.Hour)
		want(t, "in the end", slow.times(), 40)
	})
}
