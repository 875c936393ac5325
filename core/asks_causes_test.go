// Asks on links that are followed and on triggers that name a person.

package core_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

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
