// What the tests share: the shop of testdata, items, consents and short ways to ask.

package rules

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// compileFile compiles a file of testdata without faults and warnings.
func compileFile(t testing.TB, name string) *Set {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return mustCompile(t, string(text))
}

func mustCompile(t testing.TB, text string) *Set {
	t.Helper()
	set, err := Compile(File{Name: "shop.yaml", Source: []byte(text)})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return set
}

// oneRule is a file with one topic about items and one rule of it.
func oneRule(when string, more ...string) string {
	text := "version: 1\nattrs:\n  section: string\n  weight: {type: int, default: 7}\ntopics:\n  watch:\n    use: price_drop\n    subject: item\n    ask: Watch it\n    answers:\n" +
		"      target: {type: money, optional: true}\n      quantity: {type: int, default: 1}\n      size: string\n" +
		"rules:\n  - id: r\n    topic: watch\n    on: [item.changed]\n    message: {text: Hello}\n"
	if when != "" {
		text += "    when: |\n      " + strings.ReplaceAll(when, "\n", "\n      ") + "\n"
	}
	for _, line := range more {
		text += "    " + line + "\n"
	}
	return text
}

func usd(minor int64) otn.Money { return otn.Money{Minor: minor, Currency: "USD"} }

// coat is an item with everything known.
func coat(change ...func(*otn.Item)) otn.Snapshot {
	it := &otn.Item{
		ID: "SKU-1", Known: otn.FactItems - 1, Group: "G", Title: "Wool coat", Variant: "M", URL: "https://shop.example/coat", Image: "https://shop.example/coat.jpg",
		Price: usd(9900), ListPrice: usd(12000), Stock: 3, Sellable: true, Availability: otn.InStock, Tags: []string{"vip", "wool"}, Collections: []string{"winter"},
		Published: true, PublishedAt: noon.Add(-time.Hour), StartsAt: noon,
		Attrs: []otn.Named{{Name: "section", Value: otn.StringValue("A")}},
	}
	for _, c := range change {
		c(it)
	}
	return otn.Snapshot{Rev: 1, At: noon, Item: it}
}

func price(m otn.Money) func(*otn.Item) { return func(it *otn.Item) { it.Price = m } }
func stock(n int64) func(*otn.Item)     { return func(it *otn.Item) { it.Stock = n } }
func without(f otn.Fact) func(*otn.Item) {
	return func(it *otn.Item) { it.Known &^= f }
}

func rev(s otn.Snapshot, n uint64) otn.Snapshot { s.Rev = n; return s }

// changed is an event of an item.
func changed(was, now otn.Snapshot) otn.Event {
	return otn.Event{Seq: 9, Kind: otn.ItemChanged, At: noon, Subject: otn.Subject{Kind: otn.ItemKind, ID: now.Item.ID}, Now: now, Was: was}
}

// ann consented at 120 USD and wants it below 100.
func ann(change ...func(*otn.Consent)) *otn.Consent {
	c := &otn.Consent{Channel: "mock", Topic: "price-drop", Subject: "SKU-1", GrantedAt: noon.Add(-24 * time.Hour), PriceThen: usd(12000), TZ: "America/New_York", Locale: "en-US"}
	for _, f := range change {
		f(c)
	}
	return c
}

func answer(name string, v otn.Value) func(*otn.Consent) {
	return func(c *otn.Consent) { c.Answers = append(c.Answers, otn.Named{Name: name, Value: v}) }
}

// decide matches an event with one rule of the set and, when that is worth it, selects one consent.
func decide(t testing.TB, s otn.Rules, ruleID string, e otn.Event, last func(string) (otn.Last, bool), c *otn.Consent) (otn.Verdict, string) {
	t.Helper()
	for _, m := range s.Match(e, last) {
		if m.Rule.ID != ruleID {
			continue
		}
		if m.Verdict != otn.Yes {
			return m.Verdict, m.Because
		}
		p, err := s.Open(otn.Facts{Rule: ruleID, At: e.At, Now: e.Now, Was: e.Was, First: e.First, Last: m.Last, Trigger: e.Trigger})
		if err != nil {
			t.Fatal(err)
		}
		v := p.Select(c)
		return v, p.Because()
	}
	t.Fatalf("no match for %s", ruleID)
	return 0, ""
}

func readShop(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func unsellable(it *otn.Item) { it.Sellable = false }
