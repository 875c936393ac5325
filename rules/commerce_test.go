// What shops get wrong, as the rules must decide it. The numbers are those of the list of pitfalls.

package rules

import (
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

func TestP1IdsAreText(t *testing.T) {
	set := mustCompile(t, strings.Replace(oneRule(`item.id == "9007199254741001" && "9007199254741001" in item.collections && was.id == item.id`), "text: Hello", `text: "${item.id}"`, 1))
	big := coat(func(it *otn.Item) { it.ID = "9007199254741001"; it.Collections = []string{"9007199254741001"} })
	if v, why := decide(t, set, "r", changed(big, big), nil, ann()); v != otn.Yes {
		t.Errorf("%v (%s)", v, why)
	}
	p, _ := set.Open(otn.Facts{Rule: "r", At: noon, Now: big, Was: big})
	if m, err := p.Render(ann(), nil); err != nil || m.Text != "9007199254741001" {
		t.Errorf("%+v, %v", m, err)
	}
	// an answer's default keeps its zeros: the scalar's text counts, never a YAML number
	set = mustCompile(t, strings.Replace(oneRule(`sub.size == "0123" && was.sellable`), "size: string", "size: {type: string, default: 0123}", 1))
	if v, why := decide(t, set, "r", changed(coat(), coat()), nil, ann()); v != otn.Yes {
		t.Errorf("default 0123: %v (%s)", v, why)
	}
}

func TestP3CurrenciesAreNeverCompared(t *testing.T) {
	set := mustCompile(t, oneRule("item.price < was.price"))
	v, why := decide(t, set, "r", changed(coat(price(otn.Money{Minor: 20000, Currency: "EUR"})), coat()), nil, ann())
	if v != otn.Failed || why != "cannot compare 99.00 USD with 200.00 EUR" {
		t.Errorf("%v (%s)", v, why)
	}
	set = mustCompile(t, oneRule("item.price != was.price"))
	if v, _ := decide(t, set, "r", changed(coat(price(otn.Money{Minor: 20000, Currency: "EUR"})), coat()), nil, ann()); v != otn.Failed {
		t.Errorf("!=: %v", v)
	}
}

func TestP4NoPriceIsNoDrop(t *testing.T) {
	set := mustCompile(t, oneRule("item.price < was.price"))
	for name, e := range map[string]otn.Event{
		"now unknown":    changed(coat(), coat(without(otn.FactPrice), price(otn.Money{}))),
		"before unknown": changed(coat(without(otn.FactPrice), price(otn.Money{})), coat()),
	} {
		if v, why := decide(t, set, "r", e, nil, ann()); v != otn.Undecided || !strings.HasSuffix(why, "price is not known") {
			t.Errorf("%s: %v (%s)", name, v, why)
		}
	}
	first := changed(coat(), coat())
	first.First = true
	if v, _ := decide(t, set, "r", first, nil, ann()); v == otn.Yes {
		t.Error("the first observation fired")
	}
}

func TestP5BackInStockFiresOnTheCrossing(t *testing.T) {
	set := mustCompile(t, oneRule("item.stock >= 3"))
	steps := []struct {
		from, to int64
		want     otn.Verdict
	}{{0, 2, otn.No}, {2, 3, otn.Yes}, {3, 3, otn.Holds}, {3, 9, otn.Holds}, {9, 2, otn.No}, {2, 4, otn.Yes}}
	for i, s := range steps {
		e := changed(rev(coat(stock(s.from)), uint64(i+1)), rev(coat(stock(s.to)), uint64(i+2)))
		if v, why := decide(t, set, "r", e, lastly(e.Was), ann()); v != s.want {
			t.Errorf("step %d, %d to %d: %v (%s), want %v", i, s.from, s.to, v, why, s.want)
		}
	}
}

func TestP9PreorderCountsOnlyWhereTheRuleSaysSo(t *testing.T) {
	preorder := coat(func(it *otn.Item) { it.Availability = otn.Preorder })
	strict := mustCompile(t, oneRule(`item.availability == "in_stock" && was.sellable`))
	open := mustCompile(t, oneRule(`item.availability in ["in_stock", "preorder"] && was.sellable`))
	if v, _ := decide(t, strict, "r", changed(coat(), preorder), nil, ann()); v != otn.No {
		t.Errorf("strict: %v", v)
	}
	if v, _ := decide(t, open, "r", changed(coat(), preorder), nil, ann()); v != otn.Yes {
		t.Errorf("open: %v", v)
	}
}

func TestP10HiddenStockFiresNothing(t *testing.T) {
	set := mustCompile(t, oneRule("item.sellable && item.published && item.stock > 0"))
	for name, now := range map[string]otn.Snapshot{
		"not purchasable": coat(unsellable),
		"unpublished":     coat(func(it *otn.Item) { it.Published = false }),
	} {
		if v, _ := decide(t, set, "r", changed(coat(stock(0)), rev(now, 2)), nil, ann()); v != otn.No {
			t.Errorf("%s: %v", name, v)
		}
	}
}

func TestP13TheRuleNamesItsBasis(t *testing.T) {
	lows := func(it *otn.Item) { it.Lows = []otn.Low{{At: noon.Add(-time.Hour), Price: usd(9500)}} }
	was := coat(price(usd(12000)), lows)
	for when, want := range map[string]otn.Verdict{
		"item.price < was.price":                          otn.Yes, // last
		"item.price < sub.price_then && was.sellable":     otn.Yes, // at consent
		"item.price < sub.low_since && was.sellable":      otn.No,  // lowest since consent
		"item.price <= sub.target && was.sellable":        otn.No,  // the person's own
		"item.list_price > was.list_price && was.stock>0": otn.No,
	} {
		set := mustCompile(t, oneRule(when))
		if v, why := decide(t, set, "r", changed(was, coat(lows)), nil, ann(answer("target", otn.MoneyValue(usd(9000))))); v != want {
			t.Errorf("%s: %v (%s), want %v", when, v, why, want)
		}
	}
	// a higher compare-at price with an unchanged price is no drop
	raised := coat(func(it *otn.Item) { it.ListPrice = usd(20000) })
	if v, _ := decide(t, mustCompile(t, oneRule("item.price < was.price")), "r", changed(coat(), raised), nil, ann()); v != otn.No {
		t.Errorf("compare-at: %v", v)
	}
}

func TestP14SixSmallDropsAddUp(t *testing.T) {
	byConsent := mustCompile(t, oneRule("item.price < was.price && pct_off(sub.price_then, item.price) >= 5"))
	byLast := mustCompile(t, oneRule("item.price < was.price && pct_off(was.price, item.price) >= 5"))
	then := ann(func(c *otn.Consent) { c.PriceThen = usd(10000) })
	fired := 0
	for p := int64(10000); p > 9400; p -= 100 {
		e := changed(coat(price(usd(p))), coat(price(usd(p-100))))
		if v, _ := decide(t, byConsent, "r", e, nil, then); v == otn.Yes {
			if fired++; p-100 > 9500 {
				t.Errorf("fired at %d", p-100)
			}
		}
		if v, _ := decide(t, byLast, "r", e, nil, then); v == otn.Yes {
			t.Errorf("a drop of one per cent fired by last at %d", p-100)
		}
	}
	if fired != 2 { // at 95.00, the boundary is inclusive, and at 94.00
		t.Errorf("fired %d times, want 2", fired)
	}
}
