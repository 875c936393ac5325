// Rules tried out over the recorded past, and over those who wait: what comes of it, and that nothing is written.

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
	"github.com/onetimenotify/otn/rules"
)

// replayed is the firings of a replay in short: subject, how many, who.
func (w *world) replayed(q core.ReplayRequest) (core.Replay, string) {
	w.t.Helper()
	q.People = 10
	r, err := w.host.Replay(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	var list []string
	if len(r.Fires) == 0 {
		r.Fires = []core.Fired{{}} // its fields are looked at all the same
		return r, ""
	}
	for _, f := range r.Fires {
		list = append(list, fmt.Sprintf("%s %s %d [%s]", f.Rule, f.Subject, f.Told, strings.Join(f.People, " ")))
	}
	return r, strings.Join(list, "; ")
}

// reasons are the counted reasons of one rule.
func reasons(r core.Replay, rule string) string {
	var list []string
	for _, of := range r.Rules {
		for _, why := range of.Reasons {
			if of.Rule == rule {
				list = append(list, fmt.Sprintf("%s %d", why.Code, why.Times))
			}
		}
	}
	return strings.Join(list, "; ")
}

const bigBack = `
  - id: back
    topic: back
    on: [item.changed]
    when: item.stock >= sub.quantity && item.stock >= 3
    message: {text: "now ${item.stock}"}
`

// What nobody was told of, another rule would have told; each consent once, by its answers; nothing is sent and written.
func TestReplayThroughOtherRules(t *testing.T) {
	speaking(t, strings.ReplaceAll(backRule, "item.stock >= sub.quantity", "item.stock >= 100 && item.stock >= sub.quantity"), func(t *testing.T, w *world, shop *channel) {
		w.grant("one", "back", "coat", quantity(1))
		w.grant("five", "back", "coat", quantity(5))
		w.after(time.Hour)
		w.stock("coat", 2)
		w.after(time.Hour)
		middle := time.Now()
		w.stock("coat", 4)
		w.after(time.Hour)
		w.grant("late", "back", "coat", quantity(1))
		w.stock("coat", 0)
		w.after(time.Hour)
		w.stock("coat", 6)
		w.after(time.Second)
		before, err := w.host.ListRules()
		if err != nil {
			t.Fatal(err)
		}
		_, told := w.replayed(core.ReplayRequest{})
		want(t, "by its own rules", told, "")
		r, told := w.replayed(core.ReplayRequest{Rules: written(t, backRule)})
		want(t, "all", told, "back coat 1 [shop/one]; back coat 2 [shop/five shop/late]")
		want(t, "at", r.Fires[0].At.Before(middle), true)
		want(t, "values", strings.Contains(strings.Join(r.Fires[0].Values, "\n"), "sub.quantity"), true)
		want(t, "decided", r.Rules[0].Decided, 4)
		want(t, "counted", r.Rules[0].Told, 3)
		_, told = w.replayed(core.ReplayRequest{Rules: written(t, bigBack)})
		want(t, "of three at least", told, "back coat 1 [shop/one]; back coat 2 [shop/five shop/late]")
		_, told = w.replayed(core.ReplayRequest{Rules: written(t, backRule), Since: middle})
		want(t, "since", told, "back coat 3 [shop/one shop/five shop/late]") // as if one had not been told before
		after, err := w.host.ListRules()
		if err != nil {
			t.Fatal(err)
		}
		want(t, "rules that decide", after.Version, before.Version)
		runs, _, err := w.host.Runs(core.RunQuery{})
		if err != nil || len(runs) != 0 || shop.calls() != 0 {
			t.Errorf("%d runs, %d calls, %v", len(runs), shop.calls(), err)
		}
	})
}

// A replay of the rules that decided tells of whom they told, and of those whose answers are gone that they are unjudged.
func TestReplayOfWhatHappened(t *testing.T) {
	speaking(t, backRule+`
  - id: drop
    topic: price-drop
    on: [item.changed]
    when: item.price < was.price
    message: {text: "cheaper"}
`, func(t *testing.T, w *world, shop *channel) {
		w.price("coat", "120.00 USD")
		w.grant("ann", "price-drop", "coat")
		w.grant("bob", "back", "coat", quantity(1))
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		w.stock("coat", 3)
		w.after(time.Second)
		want(t, "told", texts(shop), "ann: cheaper; bob: now 3")
		w.price("coat", "98.00 USD")
		r, told := w.replayed(core.ReplayRequest{})
		want(t, "replayed", told, "drop coat 1 []") // once: their consent is spent within the replay as well
		want(t, "unjudged", r.Rules[0].Unjudged > 0, true)
		_, told = w.replayed(core.ReplayRequest{Rule: "back"})
		want(t, "one rule", told, "")
		if _, err := w.host.Replay(t.Context(), core.ReplayRequest{Rule: "nothing"}); !errors.Is(err, otn.ErrNotFound) {
			t.Errorf("a rule that is not there: %v", err)
		}
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.host.Replay(stopped, core.ReplayRequest{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// Whom a replay counts: each person once, by the consent that expires first; nobody whose consent had expired by then, who took
// it back, or whom the trigger did not name.
func TestReplayOfEachPerson(t *testing.T) {
	speaking(t, newsRule+backRule, func(t *testing.T, w *world, _ *channel) {
		w.rules = written(t, newsRule) // so that nobody is told
		if err := w.host.Reload(t.Context(), w.rules); err != nil {
			t.Fatal(err)
		}
		w.grantToken("ann", "back", "coat", "first")
		w.grantToken("ann", "back", "coat", "second")
		w.give(otn.Consent{Token: otn.NewToken("page", "short"), Channel: "shop", Subscriber: otn.Subscriber{ID: "eve"}, Topic: "back", Subject: "coat", ExpiresAt: time.Now().Add(time.Hour)})
		w.grant("bob", "back", "coat")
		w.withdraws("bob")
		w.after(2 * time.Hour)
		w.stock("coat", 3)
		w.after(time.Second)
		r, told := w.replayed(core.ReplayRequest{Rules: written(t, backRule)})
		want(t, "told", told, "back coat 1 [shop/ann]")
		want(t, "people", r.Rules[0].Told, 1)
		want(t, "who took it back is not even unjudged", r.Rules[0].Unjudged, 0)

		w.grant("cat", "news", "")
		w.grant("dan", "news", "")
		w.rules = written(t, dropRule)
		if err := w.host.Reload(t.Context(), written(t, dropRule)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "lead", Channel: "shop", Subscriber: otn.Subscriber{ID: "dan"}}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		_, told = w.replayed(core.ReplayRequest{Rules: written(t, newsRule)})
		want(t, "named by the trigger", told, "news  1 [shop/dan]")
	})
}

// Neither a replay nor a diff writes anything down.
func TestReplayAndDiffWriteNothing(t *testing.T) {
	speaking(t, backRule, func(t *testing.T, w *world, _ *channel) {
		w.grant("ann", "back", "coat", quantity(9))
		w.stock("coat", 3)
		w.after(time.Second)
		before := w.host.Written()
		w.replayed(core.ReplayRequest{Rules: written(t, strings.ReplaceAll(backRule, ">=", "<="))})
		if _, err := w.host.Diff(t.Context(), core.DiffRequest{New: written(t, dropRule)}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		want(t, "written", w.host.Written(), before)
	})
}

// A hold is replayed: what flaps is no news, what stays is told when the hold is over.
func TestReplayHolds(t *testing.T) {
	held := strings.Replace(backRule, "when:", "hold: 10m\n    when:", 1)
	speaking(t, strings.ReplaceAll(backRule, "item.stock >= sub", "item.stock >= 100 && item.stock >= sub"), func(t *testing.T, w *world, _ *channel) {
		w.grant("one", "back", "coat", quantity(1))
		for range 2 {
			w.stock("coat", 3)
			w.after(time.Minute)
			w.stock("coat", 0)
			w.after(time.Minute)
		}
		r, told := w.replayed(core.ReplayRequest{Rules: written(t, held)})
		want(t, "flapping", told, "")
		want(t, "because", strings.Contains(reasons(r, "back"), "hold_broken 2"), true)
		w.stock("coat", 3)
		began := time.Now()
		w.after(5 * time.Minute)
		r, told = w.replayed(core.ReplayRequest{Rules: written(t, held)})
		want(t, "not yet", told, "")
		want(t, "because", strings.Contains(reasons(r, "back"), "held 1"), true)
		w.after(6 * time.Minute)
		r, told = w.replayed(core.ReplayRequest{Rules: written(t, held)})
		want(t, "stayed", told, "back coat 1 [shop/one]")
		want(t, "at", r.Fires[0].At.Sub(began).Round(time.Second), 10*time.Minute)
	})
}

// By other rules somebody gains and somebody loses; a new name forgets; nothing is written.
func TestDiff(t *testing.T) {
	speaking(t, backRule, func(t *testing.T, w *world, shop *channel) {
		w.grant("one", "back", "coat", quantity(1))
		w.grant("nine", "back", "coat", quantity(9))
		w.grant("many", "back", "coat", quantity(50))
		w.after(time.Second)
		d := func(old, text string) core.Diff {
			q := core.DiffRequest{New: written(t, text), People: 5}
			if old != "" {
				q.Old = written(t, old)
			}
			d, err := w.host.Diff(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		want(t, "the same", len(d("", backRule).Rules), 0)
		anybody := strings.ReplaceAll(backRule, "item.stock >= sub.quantity", "sub.quantity < 10")
		few := strings.ReplaceAll(backRule, "item.stock >= sub.quantity", "sub.quantity > 5")
		got := firstOf(d("", anybody))
		want(t, "gains", spaced(got.Change, got.State, got.Gains, got.Loses, got.Keeps, got.Lines[0].Gain), "changed kept 2 0 0 [shop/one shop/nine]")
		got = firstOf(d(anybody, few))
		want(t, "both", spaced(got.Gains, got.Loses, got.Keeps, got.Lines[0].Gain, got.Lines[0].Lose), "1 1 1 [shop/many] [shop/one]")
		got = firstOf(d(anybody, strings.ReplaceAll(anybody, "now ${item.stock}", "other")))
		want(t, "reworded", spaced(got.Change, got.Gains, got.Loses, got.Keeps, got.Rewords), "same 0 0 2 2")
		got = firstOf(d(anybody, strings.ReplaceAll(anybody, "id: back", "id: again")))
		want(t, "renamed", spaced(got.Rule, got.Change, got.Was, got.State, got.Gains, got.Keeps), "again renamed back forgotten 0 2")
		all := append(d(anybody, strings.ReplaceAll(few, "id: back", "id: again")).Rules, make([]core.RuleDiff, 2)...)
		want(t, "new", spaced(all[0].Rule, all[0].Change, all[0].State, all[0].Gains), "again new starts 2")
		want(t, "gone", spaced(all[1].Rule, all[1].Change, all[1].State, all[1].Loses), "back gone forgotten 2")
		if _, err := w.host.Diff(t.Context(), core.DiffRequest{}); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("no rules: %v", err)
		}
		want(t, "calls", shop.calls(), 0)
	})
}

// A person counts once, whatever they wait with; a rule about a change is decided by the last one; topics that change are told.
func TestDiffOfPeopleChangesAndTopics(t *testing.T) {
	speaking(t, backRule+dropRule, func(t *testing.T, w *world, _ *channel) {
		w.price("coat", "120.00 USD")
		w.grantToken("ann", "price-drop", "coat", "first")
		w.grantToken("ann", "price-drop", "coat", "second")
		w.grant("bob", "price-drop", "coat")
		w.price("coat", "150.00 USD") // tells nobody, and is the last change
		w.after(time.Second)
		rises := strings.Replace(dropRule, "item.price < was.price", "item.price > was.price", 1)
		d, err := w.host.Diff(t.Context(), core.DiffRequest{New: written(t, backRule+rises), People: 5})
		if err != nil {
			t.Fatal(err)
		}
		got := firstOf(d)
		want(t, "rules that change", len(d.Rules), 1)
		want(t, "who gains by the last change", spaced(got.Rule, got.Change, got.Gains, got.Loses, got.Lines[0].Gain), "drop changed 2 0 [shop/ann shop/bob]")
		want(t, "topics", len(d.Topics), 0)

		other, err := rules.Compile(rules.File{Name: "shop.yaml", Source: []byte(strings.NewReplacer("news: {", "letters: {", "ask: cheaper", "ask: less dear").Replace(topicsOfAShop) + backRule + dropRule)})
		if err != nil {
			t.Fatal(err)
		}
		if d, err = w.host.Diff(t.Context(), core.DiffRequest{New: other}); err != nil {
			t.Fatal(err)
		}
		want(t, "topics that change", spaced(d.Topics), "[{price-drop changed 3} {letters new 0} {news gone 0}]")
	})
}

// firstOf is the first rule that changes, with a line: empty ones where there is none.
func firstOf(d core.Diff) core.RuleDiff {
	rule := append(d.Rules, core.RuleDiff{})[0]
	rule.Lines = append(rule.Lines, core.LineDiff{})
	return rule
}

func spaced(v ...any) string { return strings.TrimSpace(fmt.Sprintln(v...)) }
