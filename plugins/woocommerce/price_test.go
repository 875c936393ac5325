// Prices and sales: what is paid now, and nothing that was or will be.

package woocommerce_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

var (
	begin = time.Date(2026, 11, 26, 23, 0, 0, 0, time.UTC) // of the fixtures' sale
	end   = time.Date(2026, 11, 30, 22, 59, 59, 0, time.UTC)
)

// No price is a hundred times another because of its unit, and none comes of a text that may be of another unit.
func TestP2Units(t *testing.T) {
	for text, want := range map[string]int64{
		"21.99": 2199, "21.9": 2190, "22": 2200, "21.990": 2199, ".99": 99, "11900": 1190000, "16.806723": 1681, "21.995": 2200, "21.994999": 2199, "0.004": 0,
		"1,099": -1, "21,99": -1, "21.99 EUR": -1, "€21.99": -1, "1e3": -1, "0x10": -1, "1/2": -1, "+5": -1, "21.": -1, ".": -1, "-": -1, "1 099": -1, "99999999999999999999": -1,
	} {
		s := newShop(t, plain)
		s.update(edit(t, fixture(t, base), map[string]string{"price": strconv.Quote(text), "regular_price": `""`}))
		i := s.Item(mug)
		switch {
		case want > 0 && (i.Price != eur(want) || s.note() != ""):
			t.Errorf("%s became %s", text, i.Price)
		case want == 0 && (i.Known.Has(otn.FactPrice) || s.note() != ""):
			t.Errorf("%s became %s", text, i.Price)
		case want < 0 && (i.Known.Has(otn.FactPrice) || s.note() != "price_not_read" || i.Title == ""):
			t.Errorf("%s became %s, note %q", text, i.Price, s.note())
		}
	}
	s := newShop(t, `{"secrets":["`+secret+`"],"currency":"JPY"}`)
	s.update(edit(t, fixture(t, base), map[string]string{"price": `"1099"`}))
	if i := s.Item(mug); i.Price != (otn.Money{Minor: 1099, Currency: "JPY"}) {
		t.Errorf("1099 JPY became %s", i.Price)
	}
}

// A price that cannot be read is not known any more: the old one would be told as that of today.
func TestP17NoPriceOfYesterday(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, base))
	s.update(edit(t, fixture(t, base), stamped(clock, map[string]string{"price": `"cheap"`, "stock_quantity": "3", "stock_status": `"instock"`})))
	if i := s.Item(mug); i.Known.Has(otn.FactPrice) || i.Stock != 3 || !i.IsSellable() {
		t.Errorf("got %+v", i)
	}
}

func TestP4PriceThatIsNothing(t *testing.T) {
	for _, price := range []string{`""`, `null`, `"0.00"`, `"0"`, `"-1.00"`, ``} {
		s := newShop(t, plain)
		s.update(edit(t, fixture(t, base), map[string]string{"price": price}))
		if i, o := s.Item(mug), s.Records[0].Observation; i.Known.Has(otn.FactPrice) || o.Item.Known.Has(otn.FactPrice) || !i.Price.IsZero() {
			t.Errorf("%q became %s", price, i.Price)
		}
		s.update(edit(t, fixture(t, base), stamped(clock.Add(-time.Minute), nil)))
		for _, e := range s.update(edit(t, fixture(t, base), stamped(clock, map[string]string{"price": price}))) {
			t.Errorf("%q after 21.99 made an event: %+v", price, e.Now.Item)
		}
		if i := s.Item(mug); i.Price != eur(2199) {
			t.Errorf("%q after 21.99 became %s", price, i.Price)
		}
	}
}

func TestP13HigherRegularPriceIsNoDrop(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, base))
	events := s.update(edit(t, fixture(t, base), stamped(clock, map[string]string{"regular_price": `"29.99"`})))
	if len(events) != 1 || events[0].Now.Item.Price != events[0].Was.Item.Price || events[0].Now.Item.ListPrice != eur(2999) {
		t.Fatalf("got %+v", events)
	}
	s.update(edit(t, fixture(t, base), stamped(clock.Add(time.Minute), map[string]string{"regular_price": `""`})))
	if i := s.Item(mug); i.Known.Has(otn.FactListPrice) || i.Price != eur(2199) {
		t.Errorf("no regular price any more: %+v", i)
	}
}

// A sale that is set for later, that is over, or that the site says is not on has no price yet, or none any more, even where
// the body carries it already or still. What the shop says of a sale that is on holds: the clocks may differ.
func TestP16AndL17SaleThatIsNotRunning(t *testing.T) {
	for name, c := range map[string]struct {
		at     time.Time
		fields map[string]string
		want   otn.Money
	}{
		"running":                         {begin.Add(time.Hour), nil, eur(1599)},
		"its last second":                 {end, nil, eur(1599)},
		"over, told late":                 {end.Add(time.Second), nil, eur(2199)},
		"over, price not taken back":      {begin.Add(time.Hour), map[string]string{"on_sale": "false"}, eur(2199)},
		"for later, price there already":  {begin.Add(-time.Hour), map[string]string{"on_sale": "false"}, eur(2199)},
		"for later, not told whether on":  {begin.Add(-time.Hour), map[string]string{"on_sale": ""}, eur(2199)},
		"on by the shop's clock":          {begin.Add(-time.Second), nil, eur(1599)},
		"begun, price not taken down yet": {begin.Add(time.Second), map[string]string{"price": `"21.99"`}, eur(2199)},
		"without dates":                   {begin, map[string]string{"date_on_sale_from_gmt": "null", "date_on_sale_to_gmt": "null"}, eur(1599)},
		"another price than the sale's":   {end.Add(time.Hour), map[string]string{"price": `"14.99"`, "on_sale": "false"}, eur(1499)},
	} {
		s := newShop(t, plain)
		s.sendAt(c.at, "product.updated", fixture(t, base))
		s.sendAt(c.at, "product.updated", edit(t, fixture(t, onSale), stamped(c.at, c.fields)))
		if i := s.Item(mug); i.Price != c.want || i.ListPrice != eur(2199) || i.Stock != 4 {
			t.Errorf("%s: %s, list price %s, stock %d", name, i.Price, i.ListPrice, i.Stock)
		}
		if held := s.note() == "sale_not_running"; held != (c.want == eur(2199) && !strings.Contains(name, "not taken down")) {
			t.Errorf("%s: note %q", name, s.note())
		}
	}
}

// L17: a sale begins and ends without a webhook. The rule of the package's documentation tells it on time.
func TestP16SaleBeginsWithoutAWebhook(t *testing.T) {
	set, err := rules.Compile(rules.File{Name: "sale.yaml", Source: []byte(documented(t))})
	if err != nil {
		t.Fatal(err)
	}
	s := newShop(t, plain)
	s.update(fixture(t, scheduled))
	snap, _ := s.Snapshot(otn.Subject{Kind: otn.ItemKind, ID: mug})
	decide := func(at, before time.Time) otn.Verdict {
		e := otn.Event{Kind: otn.CronDue, Rule: "sale-begins", At: at, Subject: otn.Subject{Kind: otn.ItemKind, ID: mug}, Now: snap, Was: snap}
		matches := set.Match(e, func(string) (otn.Last, bool) { return otn.Last{At: before, Now: snap}, true })
		if len(matches) != 1 {
			t.Fatalf("%d matches", len(matches))
		}
		return matches[0].Verdict
	}
	for at, want := range map[time.Time]otn.Verdict{begin.Add(-time.Second): otn.No, begin: otn.Yes, end.Add(-time.Second): otn.Yes, end: otn.No, end.Add(time.Hour): otn.No} {
		if got := decide(at, begin.Add(-time.Minute)); got != want {
			t.Errorf("at %s: %s, want %s", at, got, want)
		}
	}
	if got := decide(begin.Add(time.Hour), begin.Add(time.Minute)); got == otn.Yes {
		t.Error("a sale that goes on begins again")
	}
}

// documented is the rule of the package's documentation, with a topic for it.
func documented(t *testing.T) string {
	source, err := os.ReadFile("woocommerce.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "//\tattrs:\n")
	lines, _, found := strings.Cut(rest, "\n//\n")
	if !found {
		t.Fatal("there is no rule in the documentation")
	}
	return "version: 1\ntopics:\n  price-drop: {use: price_drop, subject: item, ask: \"${item.title} gets cheaper\"}\nattrs:\n" + strings.ReplaceAll(lines, "//\t", "") + "\n"
}

func TestSaleIsForgottenWhenItIsNotSet(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, scheduled))
	i := s.Item(mug)
	price, _ := i.Attr("sale_price")
	from, _ := i.Attr("sale_starts_at")
	to, _ := i.Attr("sale_ends_at")
	if price.Money() != eur(1599) || !from.Time().Equal(begin) || !to.Time().Equal(end) {
		t.Errorf("%v from %v to %v", price, from, to)
	}
	s.update(edit(t, fixture(t, base), stamped(clock, nil)))
	i = s.Item(mug)
	for _, name := range []string{"sale_price", "sale_starts_at", "sale_ends_at"} {
		if v, ok := i.Attr(name); ok {
			t.Errorf("%s is still %v", name, v)
		}
	}
}

// P33: dates of a sale in the shop's own zone.
func TestP33LocalDatesOfASale(t *testing.T) {
	s := newShop(t, plain)
	s.update(edit(t, fixture(t, scheduled), map[string]string{"date_on_sale_from_gmt": "", "date_on_sale_to_gmt": ""}))
	i := s.Item(mug)
	from, _ := i.Attr("sale_starts_at")
	to, _ := i.Attr("sale_ends_at")
	if !from.Time().Equal(begin) || !to.Time().Equal(end) {
		t.Errorf("from %v to %v", from, to)
	}
}

// P17, L14: the price that this shop's visitors pay, where it is entered without tax.
func TestP17PricesWithTax(t *testing.T) {
	s := newShop(t, with(`"tax":{"standard":19,"reduced-rate":7.5}`))
	for name, c := range map[string]struct {
		price, class, status string
		want                 int64
	}{
		"standard":            {"16.806723", "", "taxable", 2000},
		"tax rounded first":   {"0.024", "", "taxable", 2},
		"reduced":             {"10.00", "reduced-rate", "taxable", 1075},
		"not taxed":           {"10.00", "", "none", 1000},
		"only shipping":       {"10.00", "reduced-rate", "shipping", 1000},
		"a class without one": {"10.00", "luxury", "taxable", 0},
	} {
		clock := clock.Add(time.Duration(len(name)) * time.Second)
		s.sendAt(clock, "product.updated", edit(t, fixture(t, base), stamped(clock, map[string]string{"id": strconv.Itoa(len(name)), "price": strconv.Quote(c.price), "regular_price": `""`, "tax_class": strconv.Quote(c.class), "tax_status": strconv.Quote(c.status)})))
		if i := s.Item(strconv.Itoa(len(name))); i.Price.Minor != c.want || (c.want == 0) != (s.note() == "price_not_read") {
			t.Errorf("%s: %s, note %q", name, i.Price, s.note())
		}
	}
}
