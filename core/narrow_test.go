// The plan of a rule changes what a look costs, never whom it finds nor in which order: the same shop twice, with its
// indexes and without.

package core_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// endToEnd are rules that no index helps: their pages narrow nothing.
type endToEnd struct{ otn.Rules }

func (r endToEnd) List() []otn.Rule {
	list := r.Rules.List()
	for i := range list {
		list[i].Compares = nil
	}
	return list
}

func (r endToEnd) Restore(source []byte) (otn.Rules, error) {
	inner, err := r.Rules.Restore(source)
	return endToEnd{inner}, err
}

func (r endToEnd) Open(f otn.Facts) (otn.Page, error) {
	p, err := r.Rules.Open(f)
	return wholeLine{p}, err
}

type wholeLine struct{ otn.Page }

func (wholeLine) Ranges() []otn.AnswerRange { return nil }

const narrowShop = `
version: 1
topics:
  watch:
    use: price_drop
    subject: item
    ask: Watch it
    answers: {target: {type: money, optional: true}, quantity: {type: int, default: 1}, size: {type: string, optional: true}}
rules:
  - id: r
    topic: watch
    on: [item.changed]
    message: {text: Hello}
    when: |
      %s
    %s
`

// story is what a shop did and what came of it: everybody who was told, in order, and the counts of each run.
type story struct {
	told []string
	runs []core.RunView
	seen int64
}

// history lets a shop have a random history of grants, prices and restarts.
func history(t *testing.T, set otn.Rules, seed uint64, narrow bool) (s story) {
	bubble(t, func(t *testing.T, w *world) {
		rng := rand.New(rand.NewPCG(seed, 9))
		shop := w.fake("shop")
		shop.can.MaxInFlight = 1
		rate := []float64{0, 3}[rng.IntN(2)]
		w.rates = map[string]float64{"shop": rate}
		w.rules = endToEnd{set}
		if narrow && rng.IntN(3) > 0 {
			w.rules = set
		}
		rng = rand.New(rand.NewPCG(seed, 10))
		w.start()
		for step := range 14 {
			switch rng.IntN(7) {
			case 0, 1, 2:
				w.crowdOf(rng, step)
			case 3:
				w.stock("coat", rng.Int64N(5))
			case 4:
				w.restart()
			case 5:
				if narrow {
					synctest.Wait()
					if err := w.host.Reload(t.Context(), set); err != nil {
						t.Fatal(err)
					}
				}
			default:
				w.price("coat", fmt.Sprintf("%d.00 USD", 3+rng.IntN(6)))
			}
			w.after(1300*time.Millisecond + time.Duration(rng.IntN(3))*7*time.Minute)
		}
		w.price("coat", "2.00 USD")
		w.after(1300 * time.Millisecond)
		w.stock("coat", 9)
		w.after(5 * time.Hour)
		for _, m := range shop.accepted() {
			s.told = append(s.told, m.Subscriber.ID)
		}
		list, _, err := w.host.Runs(core.RunQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			s.seen += r.Seen
			r.Seen, r.Version = 0, ""
			s.runs = append(s.runs, r)
		}
	})
	return s
}

// crowdOf lets thirty people wait, some with answers.
func (w *world) crowdOf(rng *rand.Rand, step int) {
	w.t.Helper()
	var page []otn.Consent
	for i := range 30 {
		name := fmt.Sprintf("p%d-%d", step, i)
		if rng.IntN(8) == 0 {
			name = fmt.Sprint("friend", rng.IntN(4))
		}
		c := otn.Consent{Token: otn.NewToken("page", fmt.Sprint(step, "-", i)), Channel: "shop", Subscriber: otn.Subscriber{ID: name}, Topic: "watch", Subject: "coat"}
		give := func(name string, v otn.Value) {
			if rng.IntN(4) > 0 {
				c.Answers = append(c.Answers, otn.Named{Name: name, Value: v})
			}
		}
		give("quantity", otn.IntValue(rng.Int64N(6)))
		give("size", otn.StringValue([]string{"", "M", "L"}[rng.IntN(3)]))
		give("target", otn.MoneyValue(otn.Money{Minor: rng.Int64N(20) * 100, Currency: []string{"USD", "USD", "USD", "EUR"}[rng.IntN(4)]}))
		page = append(page, c)
	}
	if _, err := w.host.Grant(w.t.Context(), page...); err != nil {
		w.t.Fatal(err)
	}
}

func TestIndexesChangeNothingButTheCost(t *testing.T) {
	whens := []string{
		"item.price < was.price && (!sub.has.target || item.price <= sub.target)",
		"sub.has.target && item.price <= sub.target && item.stock >= sub.quantity",
		`sub.size in ["M", item.variant] && item.stock > 0`,
		"item.stock >= sub.quantity && sub.quantity > 2",
		`sub.has.size && sub.size == "L" && sub.target >= item.price`,
	}
	plans := []string{"", "hold: 10m", `release: {size: "item.stock * 2", every: 20m}`, "order: newest_first", `order: ['sub.size == "M"', oldest_first]`, "limits: {per_run: 5, pause_above: {share: 95%, at_least: 40}}", "fire: each"}
	rounds := 5
	if testing.Short() {
		rounds = 1
	}
	var narrow, wide int64
	told := 0
	for seed := range uint64(rounds * len(plans)) {
		when, plan := whens[seed%uint64(len(whens))], plans[seed%uint64(len(plans))]
		set, err := rules.Compile(rules.File{Name: "shop.yaml", Source: fmt.Appendf(nil, narrowShop, when, plan)})
		if err != nil {
			t.Fatal(err)
		}
		with, without := history(t, set, seed, true), history(t, set, seed, false)
		if !reflect.DeepEqual(with.told, without.told) {
			t.Fatalf("%s, %s, seed %d: told\n%s\nwithout indexes\n%s", when, plan, seed, strings.Join(with.told, " "), strings.Join(without.told, " "))
		}
		if !reflect.DeepEqual(with.runs, without.runs) {
			t.Fatalf("%s, %s, seed %d: runs\n%+v\nwithout indexes\n%+v", when, plan, seed, with.runs, without.runs)
		}
		narrow, wide, told = narrow+with.seen, wide+without.seen, told+len(with.told)
	}
	t.Logf("%d were told, %d looked at with indexes, %d without", told, narrow, wide)
	if narrow*10 > wide*9 || told == 0 {
		t.Errorf("%d looked at with indexes, %d without", narrow, wide)
	}
}

// counted counts how often rules are asked.
type counted struct {
	otn.Rules
	lists, matches *int
}

func (c counted) List() []otn.Rule { *c.lists++; return c.Rules.List() }

func (c counted) Match(e otn.Event, last func(string) (otn.Last, bool)) []otn.Match {
	*c.matches++
	return c.Rules.Match(e, last)
}

// However many rules there are, an event asks only those that somebody waits for, one by one.
func TestEventsAskOnlyRulesThatSomebodyWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		var lists, matches int
		w.rules = counted{shopRules{text: "now"}, &lists, &matches}
		w.start()
		w.price("coat", "120.00 USD")
		w.price("hat", "20.00 USD")
		w.grant("ann", "price-drop", "hat")
		w.grant("bob", "news", "")
		w.after(time.Minute)
		lists, matches = 0, 0
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		want(t, "asked about a coat that nobody waits for", matches, 0)
		w.price("hat", "19.00 USD")
		w.after(time.Minute)
		want(t, "asked about the hat", matches, 1)
		want(t, "told", shop.calls(), 1)
		w.price("hat", "18.00 USD")
		w.after(time.Minute)
		want(t, "asked when ann has been told", matches, 1)
		want(t, "all rules were gone through", lists, 0)
	})
}
