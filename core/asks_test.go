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
		if _, err := w.host.Ask(t.Context(), core.AskRequest{Channel: "shop", Recipient: "eve", Topic: "back", Subject: "coat"}); !errors.Is(err, otn.ErrRefused) || strings.Contains(err.Error(), "eve") {
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
		want(t, "timers, those of the cron line and of what is too old among them", len(timers), 5)
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
