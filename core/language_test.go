// Runs of rules as merchants write them: the semantics that must be exact, with the language itself.

package core_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

const topicsOfAShop = `version: 1
timezone: UTC
triggers:
  post: {fields: {}}
  lead: {subscriber: required, fields: {}}
topics:
  back: {use: back_in_stock, subject: item, ask: back, answers: {quantity: {type: int, default: 1}}}
  price-drop: {use: price_drop, subject: item, ask: cheaper}
  news: {use: collection_launch, subject: none, ask: news}
rules:
`

// written compiles rules of a shop.
func written(t *testing.T, text string) *rules.Set {
	t.Helper()
	set, err := rules.Compile(rules.File{Name: "shop.yaml", Source: []byte(topicsOfAShop + text)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// speaking is a world with written rules.
func speaking(t *testing.T, text string, test func(t *testing.T, w *world, shop *channel)) {
	t.Helper()
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		w.rules = written(t, text)
		w.start()
		w.stock("coat", 0)
		test(t, w, shop)
	})
}

const backRule = `
  - id: back
    topic: back
    on: [item.changed]
    when: item.stock >= sub.quantity
    message: {text: "now ${item.stock}"}
`

// A state is one for each consent: 0, 1, 5 tells who wants one and then who wants three, nobody twice.
func TestLevelIsPerConsent(t *testing.T) {
	speaking(t, backRule, func(t *testing.T, w *world, shop *channel) {
		w.grant("one", "back", "coat", quantity(1))
		w.grant("three", "back", "coat", quantity(3))
		w.stock("coat", 1)
		w.after(time.Second)
		want(t, "told", texts(shop), "one: now 1")
		w.grantToken("one", "back", "coat", "again", quantity(1)) // it holds already
		w.stock("coat", 5)
		w.after(time.Second)
		want(t, "told", texts(shop), "one: now 1; three: now 5")
		w.restart()
		w.price("coat", "99.00 USD")
		w.after(time.Hour)
		want(t, "calls", shop.calls(), 2)
	})
}

// An edit keeps what a rule knows, a new name forgets, rearm clears; by none of them anything is told at once.
func TestEditRenameRearm(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(*testing.T, *world)
		want string // told by an update that changes nothing of the condition
	}{
		"nothing": {func(*testing.T, *world) {}, ""},
		"an edit": {func(t *testing.T, w *world) {
			w.reload(written(t, strings.Replace(backRule, "now", "edited", 1)))
		}, ""},
		"a looser condition": {func(t *testing.T, w *world) {
			w.reload(written(t, strings.Replace(backRule, "item.stock >=", "item.stock + 10 >=", 1)))
		}, ""},
		"a new name": {func(t *testing.T, w *world) {
			w.reload(written(t, strings.Replace(backRule, "id: back", "id: another", 1)))
		}, ""},
		"another rule beside it": {func(t *testing.T, w *world) {
			w.reload(written(t, backRule+strings.Replace(backRule, "id: back", "id: another", 1)))
		}, ""},
		"rearm": {func(t *testing.T, w *world) {
			n, err := w.host.RearmRule(t.Context(), "back", "")
			if err != nil || n != 1 {
				t.Error(n, err)
			}
		}, "late: now 3"},
		"rearm of another subject": {func(t *testing.T, w *world) {
			n, err := w.host.RearmRule(t.Context(), "back", "hat")
			if err != nil || n != 0 {
				t.Error(n, err)
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			speaking(t, backRule, func(t *testing.T, w *world, shop *channel) {
				w.grant("ann", "back", "coat")
				w.stock("coat", 3)
				w.after(time.Second)
				w.grant("late", "back", "coat")
				w.after(time.Second)
				c.act(t, w)
				w.after(time.Hour)
				want(t, "told at once", texts(shop), "ann: now 3")
				w.restart()
				w.price("coat", "99.00 USD")
				w.after(time.Hour)
				want(t, "told by the update", strings.TrimPrefix(strings.TrimPrefix(texts(shop), "ann: now 3"), "; "), c.want)
				w.price("coat", "98.00 USD")
				w.after(time.Hour)
				want(t, "told in the end", strings.TrimPrefix(strings.TrimPrefix(texts(shop), "ann: now 3"), "; "), c.want)
			})
		})
	}
}

func TestRearmIsRefused(t *testing.T) {
	speaking(t, backRule+"\n  - {id: fall, topic: price-drop, on: [item.changed], when: item.price < was.price, message: {text: x}}\n", func(t *testing.T, w *world, _ *channel) {
		if _, err := w.host.RearmRule(t.Context(), "fall", ""); !errors.Is(err, otn.ErrRefused) {
			t.Error(err)
		}
		if _, err := w.host.RearmRule(t.Context(), "nothing", ""); !errors.Is(err, otn.ErrNotFound) {
			t.Error(err)
		}
	})
}

const tickRule = `
  - id: tick
    topic: back
    cron: "0 * * * *"
    when: item.stock >= sub.quantity
    message: {text: "now ${item.stock}"}
`

// A rule with moments of its own starts from the facts at its reload, and a name that was away does not remember.
func TestNewClockedRuleStartsFromNow(t *testing.T) {
	for name, c := range map[string]struct {
		before, after, back string
		want                string
	}{
		"new, and it rises before its first moment":  {"", tickRule, "", "ann: now 3"},
		"renamed, and it rises":                      {tickRule, strings.Replace(tickRule, "id: tick", "id: tock", 1), "", "ann: now 3"},
		"renamed and back while nothing is in stock": {tickRule, strings.Replace(tickRule, "id: tick", "id: tock", 1), tickRule, "ann: now 3"},
	} {
		t.Run(name, func(t *testing.T) {
			speaking(t, c.before+fallback(c.before), func(t *testing.T, w *world, shop *channel) {
				w.grant("ann", "back", "coat")
				w.after(90 * time.Minute)
				w.reload(written(t, c.after))
				w.after(time.Minute)
				if c.back != "" {
					w.reload(written(t, c.back))
				}
				w.after(time.Minute)
				w.stock("coat", 3)
				w.after(time.Minute)
				want(t, "told before its moment", texts(shop), "")
				w.after(time.Hour)
				want(t, "told", texts(shop), c.want)
			})
		})
	}
	// true before the reload and after: no news, under any name
	speaking(t, fallback(""), func(t *testing.T, w *world, shop *channel) {
		w.grant("ann", "back", "coat")
		w.stock("coat", 3)
		w.reload(written(t, tickRule))
		w.after(3 * time.Hour)
		w.reload(written(t, strings.Replace(tickRule, "id: tick", "id: tock", 1)))
		w.restart()
		w.after(3 * time.Hour)
		w.reload(written(t, tickRule))
		w.after(3 * time.Hour)
		want(t, "told", texts(shop), "")
	})
}

// A rule that was away starts from the facts at its return, whatever it knew before it went.
func TestRuleThatWasAway(t *testing.T) {
	speaking(t, tickRule, func(t *testing.T, w *world, shop *channel) {
		w.grant("ann", "back", "coat")
		w.after(90 * time.Minute)
		w.reload(written(t, fallback("")))
		w.stock("coat", 3)
		w.restart()
		w.after(time.Hour)
		w.reload(written(t, tickRule))
		w.after(3 * time.Hour)
		want(t, "told of what was there at its return", texts(shop), "")
		w.stock("coat", 0)
		w.after(time.Hour)
		w.stock("coat", 2)
		w.after(time.Hour)
		want(t, "told of the next rise", texts(shop), "ann: now 2")
	})
}

// fallback is a rule for nobody, where a version needs one.
func fallback(other string) string {
	if other != "" {
		return ""
	}
	return "  - {id: none, topic: news, on: [trigger.post], message: {text: x}}\n"
}

// A consent that is given while the condition holds is told at once where the rule says so, by a run for it alone.
func TestWhileTrueTellsTheGrant(t *testing.T) {
	for _, more := range []string{"", "\n    hold: 5m"} {
		speaking(t, strings.Replace(backRule, "topic: back", "topic: back\n    while_true: send"+more, 1), func(t *testing.T, w *world, shop *channel) {
			w.grant("early", "back", "coat")
			w.after(time.Second)
			want(t, "told while nothing is there", texts(shop), "")
			w.stock("coat", 2)
			w.after(time.Minute)
			w.grant("late", "back", "coat")
			w.grant("much", "back", "coat", quantity(5))
			w.after(time.Second)
			if more == "" {
				want(t, "told", texts(shop), "early: now 2; late: now 2")
			}
			w.restart()
			w.after(time.Hour)
			want(t, "told", texts(shop), "early: now 2; late: now 2")
			w.stock("coat", 7)
			w.after(time.Hour)
			want(t, "told", texts(shop), "early: now 2; late: now 2; much: now 7")
			want(t, "calls", shop.calls(), 3)
		})
	}
}

// What a rule says of a person beside the consent is known to it: tags, and how many consents wait.
func TestRulesKnowThePerson(t *testing.T) {
	speaking(t, `
  - id: back
    topic: back
    on: [item.changed]
    when: item.stock > 0 && !("staff" in sub.tags) && sub.consents < 3
    order: ['"vip" in sub.tags', oldest_first]
    message: {text: "you wait for ${sub.consents}"}
`, func(t *testing.T, w *world, shop *channel) {
		for _, name := range []string{"ann", "bob", "vip", "staff", "greedy"} {
			w.grant(name, "back", "coat")
		}
		w.grant("greedy", "news", "")
		w.grant("greedy", "price-drop", "coat")
		w.grant("bob", "news", "")
		w.stop()
		l := w.ledger()
		tags := func(name, list string) *ledger.Doc {
			return &ledger.Doc{Key: dispatch.TagsKey(l.Person("shop", name)), Value: []byte(list), Expect: ledger.Any}
		}
		if err := errors.Join(l.Commit(t.Context(), &ledger.Batch{Docs: []*ledger.Doc{tags("vip", `["vip"]`), tags("staff", `["other","staff"]`)}}), l.Close()); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.stock("coat", 3)
		w.after(time.Minute)
		want(t, "told", texts(shop), "vip: you wait for 1; ann: you wait for 1; bob: you wait for 2")
		says(t, "why", strings.Join(w.values("staff"), "\n"), `"staff" in sub.tags = true`)
		says(t, "why", strings.Join(w.values("greedy"), "\n"), "sub.consents = 3")
		a, err := w.host.Send(t.Context(), core.SendRequest{Topic: "back", Subject: "coat", Where: `"staff" in sub.tags`, Message: otn.Message{Text: "hello"}})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "a send reaches", a.Reaches, 1)
		w.after(time.Minute)
		want(t, "told by it", shop.accepted()[3].Subscriber.ID, "staff")
	})
}

// values are the parts of the last decision about somebody.
func (w *world) values(sub string) []string {
	w.t.Helper()
	why, err := w.host.Why("shop", sub, "")
	if err != nil {
		w.t.Fatal(err)
	}
	for i := len(why.Reasons) - 1; i >= 0; i-- {
		if len(why.Reasons[i].Values) > 0 {
			return why.Reasons[i].Values
		}
	}
	return nil
}

// A run goes on by the rule that made it, whatever becomes of that meanwhile; the next run is by the rule as it is then.
func TestARunEndsByItsOwnRule(t *testing.T) {
	inWaves := back(`release: {size: "1", every: 20m}`)
	for name, edited := range map[string]string{
		"edited":  strings.NewReplacer("now", "then", `size: "1"`, `size: "9"`).Replace(inWaves),
		"deleted": dropRule,
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", restarts ", restarts), func(t *testing.T) {
				speaking(t, inWaves, func(t *testing.T, w *world, shop *channel) {
					w.grant("ann", "back", "coat")
					w.grant("bob", "back", "coat")
					w.stock("coat", 3)
					w.after(time.Second)
					version := w.run().Version
					w.rules = written(t, edited)
					if restarts {
						w.restart()
					} else if err := w.host.Reload(t.Context(), w.rules); err != nil {
						t.Fatal(err)
					}
					w.after(20 * time.Minute)
					want(t, "told", texts(shop), "ann: now 3; bob: now 3")
					want(t, "version", w.run().Version, version)
					w.grant("cat", "back", "coat")
					w.stock("coat", 0)
					w.stock("coat", 5)
					w.after(time.Second)
					want(t, "told by the next run", whom(shop), map[string]string{"edited": "ann bob cat", "deleted": "ann bob"}[name])
				})
			})
		}
	}
}

// What the shop says of something else between the decision and the send changes nothing; what it says of the price does.
func TestUpdatesBetweenDecisionAndSend(t *testing.T) {
	for name, c := range map[string]struct {
		says func(w *world)
		told string
	}{
		"nothing":         {func(*world) {}, "ann"},
		"another title":   {func(w *world) { w.observe(otn.Item{ID: "coat", Known: otn.FactTitle, Title: "Wool coat"}) }, "ann"},
		"another item":    {func(w *world) { w.price("hat", "9.00 USD") }, "ann"},
		"still cheaper":   {func(w *world) { w.price("coat", "80.00 USD") }, "ann"},
		"as dear as then": {func(w *world) { w.price("coat", "120.00 USD") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			speaking(t, strings.Replace(dropRule, "when:", byDay+"\n    when:", 1), func(t *testing.T, w *world, shop *channel) {
				w.price("coat", "120.00 USD")
				w.grant("ann", "price-drop", "coat")
				w.price("coat", "99.00 USD") // at night
				w.after(time.Hour)
				c.says(w)
				w.after(time.Hour)
				w.restart()
				w.after(24 * time.Hour)
				want(t, "told", whom(shop), c.told)
			})
		})
	}
}

// What has expired is neither told nor counted as waiting, and before it does an operator sees when.
func TestP26_ExpiredIsNotWaiting(t *testing.T) {
	speaking(t, backRule, func(t *testing.T, w *world, shop *channel) {
		ends := time.Now().Add(50 * time.Hour)
		w.give(otn.Consent{Token: otn.NewToken("page", "short"), Channel: "shop", Subscriber: otn.Subscriber{ID: "ann"}, Topic: "back", Subject: "coat", ExpiresAt: ends})
		w.grant("bob", "back", "coat")
		topic := func() core.TopicView {
			list, err := w.host.Topics()
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range list {
				if v.ID == "back" {
					return v
				}
			}
			return core.TopicView{}
		}
		before := topic()
		want(t, "waiting", before.Waiting, 2)
		want(t, "the day on which the next expires", before.NextExpiry.Equal(ends.Truncate(24*time.Hour)), true)
		w.after(50 * time.Hour)
		w.stock("coat", 3)
		w.after(6 * time.Hour)
		want(t, "told", whom(shop), "bob")
		after := topic()
		want(t, "waiting", after.Waiting, 0)
		want(t, "expired", after.Expired, 1)
	})
}

// A whole rule of the language: held, in waves of the stock, at the shop's hours, gone through in the order that it says.
func TestAWholeRule(t *testing.T) {
	speaking(t, `
  - id: back
    topic: back
    on: [item.changed]
    when: item.sellable && item.stock >= sub.quantity
    hold: 5m
    release: {size: "max(item.stock * 2, 4)", every: 20m, order: newest_first}
    deliver: {between: "09:00-21:00", tz: America/New_York, outside: wait, not_after: 'date("2000-01-02")', spread: 1m}
    message: {text: "now ${item.stock}"}
`, func(t *testing.T, w *world, shop *channel) {
		w.crowd(30, "back")
		w.after(3 * time.Hour) // ten at night in New York
		for _, n := range []int64{0, 3, 0, 3, 0} {
			w.stock("coat", n)
			w.after(time.Minute)
		}
		w.stock("coat", 6)
		w.until(time.Date(2000, 1, 1, 13, 59, 59, 0, time.UTC))
		want(t, "told before nine in New York", shop.calls(), 0)
		want(t, "state", w.run().State, "waiting")
		w.after(20 * time.Minute)
		want(t, "the first wave", shop.calls(), 12)
		want(t, "the newest are told", strings.Contains(whom(shop), "p29"), true)
		w.stock("coat", 1)
		w.after(19 * time.Minute)
		want(t, "the second wave, of what is left", shop.calls(), 16)
		w.after(24 * time.Hour)
		want(t, "everybody", shop.calls() <= 30, true)
		want(t, "told", fmt.Sprint(len(shop.accepted())), fmt.Sprint(30))
	})
}
