// Asks that happen by themselves: when, for whom, how often, and what why says of them.

package core_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// asking are rules with asks: may says no with a reason, or "" for yes.
type asking struct {
	shopRules
	asks []otn.AskRule
	may  func(otn.AskFacts) string
	then map[string]string // by topic
}

func (r asking) Asks() []otn.AskRule { return r.asks }

func (r asking) MayAsk(f otn.AskFacts) (otn.Verdict, string) {
	if r.may == nil {
		return otn.Yes, ""
	}
	if because := r.may(f); because != "" {
		return otn.No, because
	}
	return otn.Yes, ""
}

// Trigger knows lead, which names a person, beside what the shop's rules know.
func (r asking) Trigger(t otn.Trigger) (otn.Trigger, error) {
	if t.Name != "lead" {
		return r.shopRules.Trigger(t)
	}
	if t.Subscriber.ID == "" {
		return t, fmt.Errorf("trigger lead names no person: %w", otn.ErrInvalid)
	}
	return t, nil
}

func (r asking) Then(c *otn.Consent, _ otn.Snapshot, _ *otn.Capabilities) (otn.Message, bool, error) {
	text, ok := r.then[c.Topic]
	return otn.Message{Text: text}, ok, nil
}

// asks23 asks for news 23 hours after a window opened.
var asks23 = []otn.AskRule{{ID: "late-ask", Topic: "news", On: otn.WindowOpened, After: 23 * time.Hour}}

// askWorld is a world whose rules ask.
func askWorld(w *world, r asking) *bot {
	r.text = "now"
	w.rules = r
	return botWorld(w)
}

func openingAt(id string, at time.Time) otn.Record {
	r := opening(id)
	r.At, r.Window.Until = at, at.Add(otn.WindowLength)
	return r
}

func came(id, ref string) otn.Record {
	return otn.Record{Referral: &otn.Referral{Subscriber: who(id), Ref: ref}}
}

// whys is what why says of a person's asks, and of what was said to them: verdict and reason of each.
func (w *world) whys(sub string) string {
	w.t.Helper()
	why, err := w.host.Why("shop", sub, "")
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, r := range why.Reasons {
		if r.Verdict != "granted" {
			lines = append(lines, strings.TrimSpace(r.Rule+" "+r.Verdict)+": "+r.Because)
		}
	}
	return strings.Join(lines, "; ")
}

func has(t *testing.T, what, got, part string) {
	t.Helper()
	if !strings.Contains(got, part) {
		t.Errorf("%s: %q, want %q in it", what, got, part)
	}
}

const newsAsk = ` news| "tell me: news" notify.news`

// The last hour of a window is the moment: at it, neither before nor twice, whatever restarts in between.
func TestAskBeforeTheWindowCloses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: asks23})
		b.says(t, w, opening("ann"))
		has(t, "why, before", w.whys("ann"), "late-ask planned: on window.opened")
		w.after(12 * time.Hour)
		w.restart()
		w.after(11*time.Hour - time.Second)
		want(t, "asked before its time", b.asked(), "")
		w.after(2 * time.Second)
		want(t, "asked", b.asked(), "ann"+newsAsk)
		want(t, "why", w.whys("ann"), `late-ask asked: "tell me: news"`)
		w.restart()
		w.after(48 * time.Hour)
		want(t, "asks", b.times(), 1)
	})
}

// Somebody who writes again has a new window: the one ask moves with it. What comes late and is older moves nothing.
func TestALaterWindowMovesTheAsk(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: asks23})
		began := time.Now()
		b.says(t, w, opening("ann"))
		w.after(10 * time.Hour)
		b.says(t, w, opening("ann"), opening("ann"))
		b.says(t, w, openingAt("ann", began.Add(5*time.Hour)))
		w.after(22 * time.Hour)
		want(t, "asked at the first window's hour, or before", b.asked(), "")
		w.restart()
		w.after(65 * time.Minute)
		want(t, "asked", b.asked(), "ann"+newsAsk)
		w.after(48 * time.Hour)
		want(t, "asks", b.times(), 1)
		b.says(t, w, opening("ann")) // a new window, days later
		w.after(24 * time.Hour)
		want(t, "asks, with a new window", b.times(), 2)
	})
}

// A window that closes before the moment: nobody is asked, and why says so. So it is when the daemon was away that long.
func TestNobodyIsAskedOutsideTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: []otn.AskRule{{ID: "too-late", Topic: "news", On: otn.WindowOpened, After: 24*time.Hour - time.Minute}, asks23[0]}})
		b.says(t, w, opening("ann"))
		w.after(time.Hour)
		w.stop()
		time.Sleep(48 * time.Hour)
		w.start()
		w.after(time.Hour)
		want(t, "asked", b.asked(), "")
		for _, rule := range []string{"too-late", "late-ask"} {
			has(t, "why", w.whys("ann"), rule+" not asked: the window in which they may be asked has closed")
		}
		b.says(t, w, openingAt("bob", time.Now().Add(-23*time.Hour-30*time.Minute))) // told late: there is half an hour left
		w.after(time.Second)
		want(t, "asked in the half hour that was left", b.asked(), "bob"+newsAsk)
	})
}

// It is decided when it is due: with the tags, the consents and the wishes of then.
func TestAskIsDecidedWhenItIsDue(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var seen []otn.AskFacts
		r := asking{asks: asks23}
		r.may = func(f otn.AskFacts) string {
			mu.Lock()
			seen = append(seen, f)
			mu.Unlock()
			if slices.Contains(f.Person.Tags, "staff") {
				return "sub.tags has staff"
			}
			return ""
		}
		b := askWorld(w, r)
		for _, sub := range []string{"ann", "bob", "cat", "dan", "eve", "fay"} {
			b.says(t, w, opening(sub))
		}
		w.after(22 * time.Hour)
		w.grant("bob", "news", "")
		w.grant("ann", "price-drop", "coat")
		if _, err := w.host.Ask(t.Context(), core.AskRequest{Channel: "shop", Recipient: "cat", Topic: "news"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.host.Tag(t.Context(), "shop", "dan", core.TagChange{Add: []string{"staff"}}); err != nil {
			t.Fatal(err)
		}
		b.says(t, w, otn.Record{Stop: &otn.Stop{Subscriber: who("eve")}}, otn.Record{Stop: &otn.Stop{Subscriber: who("fay")}})
		b.says(t, w, otn.Record{Stop: &otn.Stop{Subscriber: who("fay"), Resume: true}})
		w.after(2 * time.Hour)
		got := strings.Split(b.asked(), "\n")
		slices.Sort(got)
		want(t, "asked", strings.Join(got, "; "), "ann"+newsAsk+"; cat"+newsAsk+"; fay"+newsAsk)
		has(t, "bob", w.whys("bob"), "late-ask not asked: they wait for it already")
		has(t, "cat", w.whys("cat"), "late-ask not asked: they were asked for it in the last 24 hours")
		has(t, "dan", w.whys("dan"), "late-ask not asked: sub.tags has staff")
		has(t, "eve", w.whys("eve"), "late-ask not asked: they want to hear no more")
		for _, f := range seen {
			if f.Rule != "late-ask" || f.Person.Channel != "shop" || len(f.Person.Tags) == 0 && f.Person.Consents > 1 {
				t.Errorf("decided from %+v", f)
			}
		}
		if _, err := w.host.Ask(t.Context(), core.AskRequest{Channel: "shop", Recipient: "eve", Topic: "back", Subject: "coat"}); !errors.Is(err, otn.ErrRefused) {
			t.Errorf("an operator asks who wants to hear no more: %v", err)
		}
	})
}

// A condition that is not decided, and one that is an error, ask nobody.
func TestUndecidedAsksNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened}}}
		b := askWorld(w, r)
		if err := w.host.Reload(t.Context(), undecided{r}); err != nil {
			t.Fatal(err)
		}
		b.says(t, w, opening("ann"))
		w.after(time.Hour)
		want(t, "asked", b.asked(), "")
		want(t, "why", w.whys("ann"), "a not asked: undecided: item.stock is not known")
	})
}

type undecided struct{ asking }

func (undecided) MayAsk(otn.AskFacts) (otn.Verdict, string) {
	return otn.Undecided, "item.stock is not known"
}

// A link names topic and subject, and its answers come back with the consent. The rules say when, and of what: a link that
// they do not speak of leads nowhere; one that names nothing leads to an ask's own topic.
func TestAskOnReferral(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var seen []otn.AskFacts
		r := asking{asks: []otn.AskRule{{ID: "link", On: otn.Referred, Topic: "back", After: time.Hour}, {ID: "any", On: otn.Referred, Topic: "news"}}}
		r.may = func(f otn.AskFacts) string {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, f)
			return ""
		}
		b := askWorld(w, r)
		b.says(t, w, opening("ann"), came("ann", "notify.back.coat?quantity=2"), came("ann", "notify.back.hat"), came("ann", "notify.back.coat?quantity=2"))
		b.says(t, w, opening("bob"), came("bob", "notify.price-drop.coat"))
		b.says(t, w, opening("cat"), came("cat", "spring sale"))
		w.after(time.Second)
		got := strings.Split(b.asked(), "\n")
		slices.Sort(got)
		want(t, "asked at once", strings.Join(got, "; "), "cat"+newsAsk)
		w.after(time.Hour)
		got = strings.Split(b.asked(), "\n")
		slices.Sort(got)
		want(t, "asked", strings.Join(got[:2], "; "), `ann back|coat "tell me: back" notify.back.coat?quantity=2; ann back|hat "tell me: back" notify.back.hat`)
		want(t, "asks", b.times(), 3)
		for _, f := range seen {
			switch f.Rule {
			case "any":
				want(t, "rest", f.Rest, "spring sale")
				want(t, "ref", f.Ref.Topic, "")
			case "link":
				want(t, "ref", f.Ref.Topic, "back")
				if f.Ref.Subject == "coat" {
					want(t, "rest", f.Rest, "quantity=2")
				}
			}
		}
		b.says(t, w, came("ann", "notify.back.coat"))
		w.after(2 * time.Hour)
		want(t, "asks, when they came again", b.times(), 3)
		has(t, "why", w.whys("ann"), "link not asked: they were asked for it in the last 24 hours")
	})
}

// A link followed again moves the ask; what is told late and was earlier does not.
func TestALaterReferralMovesTheAsk(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: []otn.AskRule{{ID: "link", On: otn.Referred, After: time.Hour}}})
		b.says(t, w, opening("ann"), came("ann", "notify.news"))
		w.after(30 * time.Minute)
		b.says(t, w, came("ann", "notify.news"))
		late := came("ann", "notify.news")
		late.At = time.Now().Add(-45 * time.Minute)
		b.says(t, w, late)
		w.after(59 * time.Minute)
		want(t, "asks before an hour has passed since the last", b.times(), 0)
		w.after(2 * time.Minute)
		want(t, "asks", b.times(), 1)
	})
}

// Whoever comes through a link before any window is open is asked when it opens, within a day.
func TestAskOnReferralWaitsForTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: []otn.AskRule{{ID: "link", On: otn.Referred}}})
		b.says(t, w, came("ann", "notify.news"), came("bob", "notify.news"))
		w.after(2 * time.Hour)
		want(t, "asked without a window", b.asked(), "")
		w.restart()
		b.says(t, w, opening("ann"))
		w.after(time.Second)
		want(t, "asked when it opened", b.asked(), "ann"+newsAsk)
		w.after(23 * time.Hour)
		b.says(t, w, opening("bob"))
		w.after(time.Hour)
		want(t, "asks", b.times(), 1)
		has(t, "why", w.whys("bob"), "link not asked: no window was open")
	})
}

// A trigger that names a person: they are asked after it, and rules that are on it tell that person alone.
func TestAskAfterAForm(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var trigger *otn.Trigger
		r := asking{asks: []otn.AskRule{{ID: "after-a-form", Topic: "news", On: "trigger.lead", After: 23 * time.Hour}}}
		r.may = func(f otn.AskFacts) string { trigger = f.Trigger; return "" }
		b := askWorld(w, r)
		lead := func(sub, key string) error {
			_, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "lead", Channel: "shop", Subscriber: who(sub), Key: key,
				Fields: []otn.Named{{Name: "form", Value: otn.StringValue("size")}}})
			return err
		}
		b.says(t, w, opening("ann"), opening("bob"))
		for _, key := range []string{"1", "1"} {
			if err := lead("ann", key); err != nil {
				t.Fatal(err)
			}
		}
		if err := lead("", ""); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("a lead of nobody: %v", err)
		}
		w.restart()
		w.after(22 * time.Hour)
		want(t, "asked before its time", b.asked(), "")
		w.after(65 * time.Minute)
		want(t, "asked", b.asked(), "ann"+newsAsk)
		if trigger == nil || trigger.Name != "lead" || len(trigger.Fields) != 1 || trigger.Fields[0].Value.Text() != "size" || trigger.Subscriber.ID != "" {
			t.Errorf("decided from the trigger %+v", trigger)
		}
	})
}

func TestATriggerForOnePersonTellsThatPerson(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.grant("ann", "news", "")
		w.grant("bob", "news", "")
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post", Channel: "shop", Subscriber: who("bob")}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		want(t, "told", texts(shop), "bob: now news")
	})
}

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

// Who changes their mind while an ask waits for its turn is not asked.
func TestFactsCountUntilTheTurnComes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.rates = map[string]float64{"shop": 1.0 / 60}
		b := askWorld(w, asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened, After: time.Hour}}})
		for i := range 6 {
			b.says(t, w, opening(fmt.Sprint("p", i)))
		}
		w.after(time.Hour + 90*time.Second)
		before := b.times()
		for i := range 6 {
			b.says(t, w, otn.Record{Stop: &otn.Stop{Subscriber: who(fmt.Sprint("p", i))}})
		}
		w.after(time.Hour)
		want(t, "asked before they stopped", before, 2)
		want(t, "asked in all", b.times(), 2)
	})
}

// What is planned for somebody does not show on disk who it is.
func TestNothingPersonalLiesOpen(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: []otn.AskRule{asks23[0], {ID: "link", On: otn.Referred, After: time.Hour}, {ID: "form", Topic: "news", On: "trigger.lead", After: time.Hour}}, then: map[string]string{"news": "Soon."}})
		const canary = "subscriber-canary"
		agreed := given(canary, "token-canary")
		agreed.Key = ""
		b.says(t, w, opening(canary), came(canary, "notify.back.coat"), agreed, otn.Record{Stop: &otn.Stop{Subscriber: who(canary), Topic: "late"}})
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "lead", Channel: "shop", Subscriber: who(canary)}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.host.Tag(t.Context(), "shop", canary, core.TagChange{Add: []string{"vip"}}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		w.stop()
		l := w.ledger()
		docs, err := l.Docs("", "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		timers, err := l.Due(time.Now().Add(1000*time.Hour), 1000)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "timers, that of the cron line among them", len(timers), 4)
		for _, d := range docs {
			if strings.Contains(d.Key+string(d.Value), "canary") {
				t.Errorf("%s: %s", d.Key, d.Value)
			}
		}
		for _, timer := range timers {
			if strings.Contains(timer.ID+string(timer.Body), "canary") {
				t.Errorf("%s: %s", timer.ID, timer.Body)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
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

// An edit keeps the moment that was promised; an ask that is gone, or is on something else, asks nobody; a renamed one is new.
func TestReloadKeepsWhatWasPromised(t *testing.T) {
	for _, c := range []struct {
		name string
		now  []otn.AskRule
		at   time.Duration // asked then; 0: never
		why  string
	}{
		{"edited", []otn.AskRule{{ID: "late-ask", Topic: "news", On: otn.WindowOpened, After: 2 * time.Hour}}, 23 * time.Hour, "asked"},
		{"another topic", []otn.AskRule{{ID: "late-ask", Topic: "late", On: otn.WindowOpened, After: 23 * time.Hour}}, 0, "topic late wants a subject"},
		{"gone", nil, 0, "the rules do not ask this any more"},
		{"on something else", []otn.AskRule{{ID: "late-ask", Topic: "news", On: "trigger.lead"}}, 0, "the rules do not ask this any more"},
		{"of a topic that is gone", []otn.AskRule{{ID: "late-ask", Topic: "gone", On: otn.WindowOpened}}, 0, "the rules do not declare the topic gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				b := askWorld(w, asking{asks: asks23})
				b.says(t, w, opening("ann"))
				w.after(time.Hour)
				if err := w.host.Reload(t.Context(), asking{shopRules: shopRules{text: "then"}, asks: c.now}); err != nil {
					t.Fatal(err)
				}
				if c.at > 0 {
					w.after(c.at - time.Hour - time.Second)
					want(t, "asks before the moment", b.times(), 0)
				}
				w.after(24 * time.Hour)
				want(t, "asked", b.times() == 1, c.at > 0)
				has(t, "why", w.whys("ann"), c.why)
			})
		})
	}
}

// Two hands on the same ask: a bot's and the rules' are one request.
func TestOneRequestForATopicAndAWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened}, {ID: "b", Topic: "news", On: otn.WindowOpened}, {ID: "c", Topic: "news", On: otn.Referred}}})
		var all []string
		for i := range 40 { // their hands meet somewhere between the decision and the disk
			p := fmt.Sprint("p", i)
			all = append(all, p+newsAsk)
			b.says(t, w, opening(p), wish(p, "", "notify.news"), came(p, "notify.news"))
		}
		w.after(time.Hour)
		asked := strings.Split(b.asked(), "\n")
		slices.Sort(asked)
		slices.Sort(all)
		want(t, "asked", strings.Join(asked, "\n"), strings.Join(all, "\n"))
	})
}

// A Host that nobody runs says so, rather than keep its callers for ever.
func TestAHostThatNobodyRunsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := core.New(core.Config{Dir: t.TempDir(), Rules: shopRules{}})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = h.Observe(t.Context(), otn.Observation{Item: &otn.Item{ID: "coat"}})
		if !errors.Is(err, otn.ErrUnavailable) || !strings.Contains(err.Error(), "call Run") {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
