// Why somebody was not told: each way has its code, and words that a merchant reads.

package core_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// whyOf is everything that is known of somebody, by one rule or all.
func (w *world) whyOf(sub, rule string) core.Why {
	w.t.Helper()
	why, err := w.host.Why("shop", sub, rule)
	if err != nil {
		w.t.Fatal(err)
	}
	return why
}

// notTold is one way not to be told.
type notTold struct {
	name        string
	rule        string // lines before when of backRule, or a rule of its own
	does        func(w *world, shop *channel)
	code, words string // of the reason that ann is given last, or among others where it is not the last
}

// back is backRule with more lines.
func back(lines string) string {
	return strings.Replace(backRule, "when:", lines+"\n    when:", 1)
}

// restocked lets ann and bob wait, and the coat come back.
func restocked(w *world, _ *channel) {
	w.grant("bob", "back", "coat")
	w.grant("ann", "back", "coat")
	w.stock("coat", 3)
}

func annAlone(w *world, _ *channel) {
	w.grant("ann", "back", "coat")
	w.stock("coat", 3)
}

// acts does something to the one run that there is.
func (w *world) acts(act func(context.Context, string) (core.RunView, error)) {
	w.t.Helper()
	w.after(time.Second)
	if _, err := act(w.t.Context(), w.run().ID); err != nil {
		w.t.Fatal(err)
	}
}

func answers(err error) func(*world, *channel) {
	return func(w *world, shop *channel) {
		shop.answer = func(otn.Delivery, int) error { return err }
		annAlone(w, shop)
	}
}

const byDay = `deliver: {between: "09:00-21:00", tz: UTC, outside: wait}` // a world begins at midnight

// decided are the reasons that lie in a decision: the condition, the facts, the rule's plan.
func decided() []notTold {
	return []notTold{
		{"the condition is false", backRule, func(w *world, _ *channel) {
			w.grant("ann", "back", "coat", quantity(9))
			w.stock("coat", 3)
		}, core.WhenFalse, "item.stock >= sub.quantity"},
		{"a fact is not known", strings.ReplaceAll(backRule, "item.stock >= sub.quantity", `item.price < money("100.00 USD")`), annAlone, core.Undecided, "item.price is not known"},
		{"two currencies", strings.ReplaceAll(backRule, "item.stock >= sub.quantity", `item.price < money("100.00 EUR")`), func(w *world, _ *channel) {
			w.grant("ann", "back", "coat")
			w.price("coat", "99.00 USD")
		}, core.Failed, "EUR"},
		{"a text that cannot be made", strings.Replace(backRule, "now ${item.stock}", "for ${item.price}", 1), annAlone, core.Failed, "item.price is not known"},
		{"first sight", backRule, func(w *world, _ *channel) {
			w.grant("ann", "back", "hat")
			w.stock("hat", 3)
		}, core.FirstSight, "first sight"},
		{"it was true before", backRule, func(w *world, _ *channel) {
			w.stock("coat", 3)
			w.grant("ann", "back", "coat")
			w.stock("coat", 4)
		}, core.WasTrue, "it was true before"},
		{"held", back("hold: 10m"), annAlone, core.OnHold, "held until 2000-01-01T00:10:"},
		{"held by an earlier event", back("hold: 10m"), func(w *world, shop *channel) {
			annAlone(w, shop)
			w.after(time.Minute)
			w.stock("coat", 0)
			w.stock("coat", 1)
			w.after(time.Second)
			w.stock("coat", 2)
		}, core.OnHold, "held"},
		{"it did not stay true", back("hold: 10m"), func(w *world, shop *channel) {
			annAlone(w, shop)
			w.after(time.Minute)
			w.stock("coat", 0)
		}, core.HoldBroken, "did not stay true"},
		{"gathered", back("coalesce: 15m"), annAlone, core.Gathering, "gathers what each person is told of until 2000-01-01T00:15:"},
		{"a wave", back(`release: {size: "1", every: 20m}`), restocked, core.NextWave, "the next wave begins at 2000-01-01T00:20:"},
		{"the hours", back(byDay), annAlone, core.QuietHours, "its turn comes at 2000-01-01T09:00:00Z"},
		{"the hours are skipped", back(strings.Replace(byDay, "wait", "skip", 1)), func(w *world, shop *channel) {
			annAlone(w, shop)
			w.after(12 * time.Hour) // it is day, and no news
		}, core.QuietHours, "waits for another event"},
		{"spread", back("deliver: {spread: 1h}"), annAlone, core.Spread, "spread over 1h0m0s: its turn comes at"},
		{"the limit of a run", back("limits: {per_run: 1}"), restocked, core.Limit, "its limit of 1 people is reached"},
		{"the limit of a person", back("limits: {per_subscriber: 1/24h}"), func(w *world, shop *channel) {
			w.grantToken("ann", "back", "coat", "before")
			w.stock("coat", 1)
			w.after(time.Minute)
			w.stock("coat", 0)
			shop.sent = nil
			annAlone(w, shop)
		}, core.Limit, "left alone until 2000-01-02T00:00:00Z"},
		{"the end", back(`deliver: {not_after: 'date("1999-12-31")'}`), annAlone, core.NotAfter, "nothing is sent after 1999-12-31T00:00:00Z"},
		{"approval", back("limits: {pause_above: {share: 25%, at_least: 1}}"), restocked, core.Paused, "it would reach at least 2 of the 2 people"},
		{"no longer true", back(byDay), func(w *world, shop *channel) {
			annAlone(w, shop)
			w.after(time.Hour)
			w.stock("coat", 0)
			w.after(24 * time.Hour)
		}, core.NoLongerTrue, "no longer true when its turn came"},
	}
}

// befallen are the reasons that lie in what was done: by an operator, a person, a channel.
func befallen() []notTold {
	return []notTold{
		{"an operator paused it", back(byDay), func(w *world, shop *channel) {
			annAlone(w, shop)
			w.acts(w.host.PauseRun)
		}, core.Paused, "paused by an operator"},
		{"an operator cancelled it", back(byDay), func(w *world, shop *channel) {
			annAlone(w, shop)
			w.acts(w.host.CancelRun)
		}, core.Cancelled, "cancelled by an operator"},
		{"an operator withdrew it", backRule, func(w *world, _ *channel) {
			w.grant("ann", "back", "coat")
			w.withdraws("ann")
			w.stock("coat", 3)
		}, core.Withdrawn, "the consent was withdrawn"},
		{"it was withdrawn before its turn", back(byDay), func(w *world, shop *channel) {
			annAlone(w, shop)
			w.after(time.Minute)
			w.withdraws("ann")
		}, core.Withdrawn, "forgotten at its end: the consent was withdrawn"},
		{"a stop", backRule, func(w *world, shop *channel) {
			w.grant("ann", "back", "coat")
			call(w.t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "stop ann")
			w.stock("coat", 3)
		}, core.Stopped, "they wanted to hear no more"},
		{"it expired", backRule, func(w *world, shop *channel) {
			w.give(otn.Consent{Token: otn.NewToken("page", "short"), Channel: "shop", Subscriber: otn.Subscriber{ID: "ann"}, Topic: "back", Subject: "coat", ExpiresAt: time.Now().Add(time.Hour)})
			w.after(2 * time.Hour)
			w.stock("coat", 3)
		}, core.Expired, "the consent has expired"},
		{"another account", backRule, func(w *world, shop *channel) {
			w.grant("ann", "back", "coat")
			shop.account = "another"
			w.stock("coat", 3)
		}, core.OtherAccount, "another account of this channel"},
		{"another account, in a run that goes on", back(strings.Replace(byDay, "tz: UTC", "tz: subscriber", 1)), func(w *world, shop *channel) {
			w.in("Australia/Lord_Howe", "ann", "back") // it is eleven there
			w.in("UTC", "bob", "back")
			shop.account = "another"
			w.stock("coat", 3)
		}, core.OtherAccount, "another account of this channel"},
		{"no topic", backRule, func(w *world, shop *channel) {
			call(w.t, w.host.Hooks(), "POST", "/hooks/shop", "s3cret", "t1 ann unheard-of coat")
		}, core.NoTopic, "no topic that the rules declare"},
		{"too late", backRule, func(w *world, shop *channel) {
			granted := time.Now()
			w.grant("bob", "back", "coat", quantity(9))
			w.after(time.Minute)
			w.stock("coat", 3)
			w.after(time.Minute)
			w.give(otn.Consent{Token: otn.NewToken("page", "late"), Channel: "shop", Subscriber: otn.Subscriber{ID: "ann"}, Topic: "back", Subject: "coat",
				GrantedAt: granted, Answers: []otn.Named{quantity(1)}})
		}, core.TooLate, "the consent came after the event"},
		{"the trigger names somebody else", newsRule, func(w *world, shop *channel) {
			w.grant("ann", "news", "")
			w.grant("bob", "news", "")
			if _, err := w.host.Trigger(w.t.Context(), otn.Trigger{Name: "lead", Channel: "shop", Subscriber: otn.Subscriber{ID: "bob"}}); err != nil {
				w.t.Fatal(err)
			}
		}, core.OtherPerson, "the trigger named somebody else"},
		{"left alone", backRule, answers(deferred(48*time.Hour, otn.SubscriberScope)), "deferred", "put off, nothing left"},
		{"invalid", backRule, answers(invalid()), "invalid", "the message or the configuration is at fault"},
		{"refused", backRule, answers(&otn.SendError{Outcome: otn.Refused, Code: "gone"}), "refused", "the platform refused for good"},
		{"unknown", backRule, answers(errors.New("the line went dead")), "unknown", "nobody can tell whether it arrived"},
		{"the channel rests", backRule, func(w *world, shop *channel) {
			shop.answer = func(otn.Delivery, int) error { return deferred(48*time.Hour, otn.ChannelScope) }
			restocked(w, shop)
		}, core.Turn, "its turn has not come yet"},
		{"the channel wants them left alone", backRule + dropRule, func(w *world, shop *channel) {
			shop.answer = func(otn.Delivery, int) error { return deferred(48*time.Hour, otn.SubscriberScope) }
			annAlone(w, shop)
			w.after(time.Minute)
			w.price("coat", "99.00 USD")
			w.grant("ann", "price-drop", "coat")
			w.price("coat", "89.00 USD")
		}, core.LeftAlone, "left alone until 2000-01-03T00:00:0"},
	}
}

// once are the reasons of somebody who was told, but not by this.
func once() []notTold {
	return []notTold{
		{"another consent", backRule, func(w *world, shop *channel) {
			w.grantToken("ann", "back", "coat", "first")
			w.after(time.Hour)
			annAlone(w, shop)
		}, core.OtherConsent, "one message per person and run"},
		{"another run", backRule + strings.Replace(backRule, "id: back", "id: again", 1), annAlone, core.OtherRun, "used by another run"},
		{"gathered by another run", strings.Replace(back("coalesce: 1m"), `{text: "now ${item.stock}"}`, `{card: {title: "now ${item.stock}", subtitle: "of them"}}`, 1), func(w *world, shop *channel) {
			shop.can.Forms = []otn.Form{otn.TextForm, otn.CardForm, otn.GalleryForm}
			w.stock("hat", 0)
			w.grant("ann", "back", "coat")
			w.grant("ann", "back", "hat")
			w.stock("coat", 3)
			w.stock("hat", 3)
			w.after(time.Hour)
		}, core.OtherConsent, "which gathered what there was; this consent waits on"},
	}
}

const dropRule = `
  - id: drop
    topic: price-drop
    on: [item.changed]
    when: item.price < was.price
    message: {text: "cheaper"}
`

const newsRule = `
  - id: news
    topic: news
    on: [trigger.lead]
    message: {text: "news"}
`

func TestWhyNotTold(t *testing.T) {
	for _, c := range slices.Concat(decided(), befallen()) {
		t.Run(c.name, func(t *testing.T) {
			explained(t, c, func(shop *channel) {
				for _, s := range shop.accepted() {
					want(t, "told", s.Subscriber.ID, "bob")
				}
			})
		})
	}
}

// Who was told is told why not again by the same: of two consents one is used, and of two runs.
func TestWhyNotToldTwice(t *testing.T) {
	for _, c := range once() {
		t.Run(c.name, func(t *testing.T) {
			explained(t, c, func(shop *channel) { want(t, "told", whom(shop), "ann") })
		})
	}
}

// explained plays a case, and looks before and after a restart.
func explained(t *testing.T, c notTold, told func(*channel)) {
	t.Helper()
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		w.chans["shop"] = &both{channel: shop}
		w.rules = written(t, c.rule)
		w.start()
		w.stock("coat", 0)
		c.does(w, shop)
		w.after(time.Second)
		w.shows("ann", c)
		told(shop)
		w.restart()
		w.after(time.Second)
		w.shows("ann", c)
	})
}

// While a message is on its way, that is what is known of it.
func TestWhySending(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		hang := make(chan struct{})
		shop := w.fake("shop")
		shop.answer = func(otn.Delivery, int) error { <-hang; return nil }
		w.rules = written(t, backRule)
		w.start()
		w.stock("coat", 0)
		annAlone(w, shop)
		w.after(time.Second)
		w.shows("ann", notTold{code: "sending", words: "on its way"})
		close(hang)
		w.after(time.Second)
		w.shows("ann", notTold{code: "sent", words: "the platform accepted the message"})
	})
}

// Every reason that there is has a case, and every case a reason that is explained.
func TestWhyKnowsEveryReason(t *testing.T) {
	shown := map[string]bool{"sending": true} // TestWhySending
	for _, c := range slices.Concat(decided(), befallen(), once()) {
		shown[c.code] = true
		if core.Reasons()[c.code] == "" {
			t.Errorf("%s: %s means nothing", c.name, c.code)
		}
	}
	for code := range core.Reasons() {
		if !shown[code] {
			t.Errorf("nothing shows %s", code)
		}
	}
}

// What expired says so last and when it did, and nothing of what was decided about its line afterwards; however much that
// is, what was decided before is still told.
func TestWhyOfTheDistantPast(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"expired":   func(w *world) { w.after(48 * time.Hour) },
		"withdrawn": func(w *world) { w.after(59*time.Minute - 2*time.Second); w.withdraws("ann"); w.after(time.Second) },
		"not swept": func(w *world) { w.after(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				shop := w.fake("shop")
				w.rules = written(t, backRule)
				w.start()
				w.stock("coat", 0)
				w.after(time.Second)
				w.give(otn.Consent{Token: otn.NewToken("page", "short"), Channel: "shop", Subscriber: otn.Subscriber{ID: "ann"}, Topic: "back", Subject: "coat",
					ExpiresAt: time.Now().Add(time.Hour), Answers: []otn.Named{quantity(900)}})
				expires := time.Now().Add(time.Hour)
				w.grant("bob", "back", "coat", quantity(900))
				w.after(time.Minute)
				w.stock("coat", 5)
				end(w)
				for n := range int64(300) {
					w.stock("coat", 6+n)
				}
				w.after(time.Second)
				reasons := w.whyOf("ann", "").Reasons
				want(t, "reasons", len(reasons), 3)
				last := reasons[len(reasons)-1]
				want(t, "when", last.At.Sub(expires).Abs() < 3*time.Second, true)
				want(t, "verdict", last.Verdict, map[string]string{"expired": "expired", "withdrawn": "withdrawn", "not swept": "expired"}[name])
				before := map[bool]string{true: core.WhenFalse, false: name}[name == "not swept"] // what was asked for is known as long as its row is there
				want(t, "before", reasons[1].Code, before)
				want(t, "calls", shop.calls(), 0)
			})
		})
	}
}

// withdraws takes back somebody's first consent.
func (w *world) withdraws(sub string) {
	w.t.Helper()
	if _, err := w.host.Withdraw(w.t.Context(), w.whyOf(sub, "").Consents[0].ID); err != nil {
		w.t.Fatal(err)
	}
}

// shows checks that a reason has its code and its words.
func (w *world) shows(sub string, c notTold) {
	w.t.Helper()
	var all []string
	for _, r := range w.whyOf(sub, "").Reasons {
		said := r.Because + "\n" + strings.Join(r.Values, "\n")
		if r.Code == c.code && strings.Contains(said, c.words) {
			return
		}
		all = append(all, r.Code+": "+said)
	}
	w.t.Errorf("none is %s and says %q:\n%s", c.code, c.words, strings.Join(all, "\n"))
}
