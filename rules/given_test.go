// Facts that somebody gives, and an expression evaluated from them.

package rules

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

const shopFacts = `at: 2026-11-27T09:00:00-05:00
item: {id: SKU-1, title: Wool coat, variant: 38, price: 99.00 USD, stock: 3, sellable: true, tags: [vip, wool], attrs: {section: A}}
was: {price: 120.00 USD, stock: null}
last: {at: 2026-11-26T09:00:00-05:00, stock: 0}
sub:
  id: ann
  channel: shop
  tz: America/New_York
  locale: en-US
  price_then: 120.00 USD
  granted_at: 2026-11-20T09:00:00Z
  answers: {target: 100.00 USD}
`

func factsOf(t testing.TB, text string, settings ...string) *Given {
	t.Helper()
	f := File{Name: "facts.yaml", Source: []byte(text)}
	if text == "" {
		f = File{}
	}
	g, err := ReadGiven(f, noon, settings...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestEval(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	for _, c := range []struct{ src, where, typ, value, because string }{
		{"item.price < was.price", "price-drop", "bool", "true", ""},
		{"item.price <= sub.target", "price-drop", "bool", "true", ""},
		{"item.price", "price-drop", "money", "99.00 USD", ""},
		{"item.tags", "price-drop", "list of strings", `["vip", "wool"]`, ""},
		{"item.variant", "price-drop", "string", `"38"`, ""},
		{"item.attrs.section == \"A\"", "", "bool", "true", ""},
		{"pct_off(sub.price_then, item.price)", "price-drop", "float", "17.5", ""},
		{"was.stock > 0", "price-drop", "bool", "", "was.stock is not known"},
		{"item.starts_at > at", "tickets", "bool", "", "item.starts_at is not known"},
		{"hour(at, sub.tz)", "price-drop", "int", "9", ""},
		{"at - sub.granted_at", "", "duration", "173h0m0s", ""},
		{"sub.target", "", "money", "100.00 USD", ""},
		{"params.min_drop", "", "float", "3", ""},
		{"item.stock / (item.stock - 3) > 0", "price-drop", "bool", "", "division by zero"},
		{`item.price > money("1 EUR")`, "", "bool", "", "cannot compare 99.00 USD with 1.00 EUR"},
	} {
		got, err := set.Eval(c.src, c.where, factsOf(t, shopFacts))
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		if got.Type != c.typ || got.Value != c.value || !strings.HasPrefix(got.Because, c.because) || (c.because == "") != (got.Verdict == "known") {
			t.Errorf("%s: %+v", c.src, got)
		}
	}
}

// What has no value is shown at its own place, not at that of the whole.
func TestEvalPointsAtThePart(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	got, err := set.Eval("item.sellable && (item.stock > 1\n  && was.stock > 0)", "price-drop", factsOf(t, shopFacts))
	if err != nil {
		t.Fatal(err)
	}
	want := "  && was.stock > 0)\n     ^^^^^^^^^"
	if got.Part != "was.stock" || got.Line != 2 || got.Col != 6 || !strings.HasPrefix(got.Shown, want) || got.Hint != "was.has.stock says whether it is known" {
		t.Errorf("%+v\n%s", got, got.Shown)
	}
}

func TestEvalFaults(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	_, err := set.Eval("itm.price < 3 && item.price < 99", "price-drop", factsOf(t, shopFacts))
	if n := len(Faults(err)); n != 2 {
		t.Errorf("%d faults: %v", n, err)
	}
	if _, err := set.Eval("true", "prize-drop", factsOf(t, "")); !errors.Is(err, otn.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := set.Eval("item", "", factsOf(t, shopFacts)); len(Faults(err)) != 1 {
		t.Errorf("an object: %v", err)
	}
	if _, err := set.Eval("true", "price-drop", factsOf(t, "", "sub.answers.targte=1 USD")); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), `did you mean "target"?`) {
		t.Errorf("an answer that is not declared: %v", err)
	}
}

// An answer is named in an expression as sub.target, and given below answers.
func TestGivenAnswerHint(t *testing.T) {
	_, err := ReadGiven(File{}, time.Now(), "sub.target=1 USD")
	list := Faults(err)
	if len(list) != 1 || list[0].Hint != "an answer is given below answers: sub.answers.target" {
		t.Errorf("%v", err)
	}
}

// Settings stand over the file, one by one.
func TestGivenSettings(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	g := factsOf(t, shopFacts, "item.price=130 USD", "item.tags=a, b", "item.attrs.section=B", "sub.answers.target=200.00 USD", "first_seen=true")
	for src, want := range map[string]string{
		"item.price": "130.00 USD", "was.price": "120.00 USD", "item.tags": `["a", "b"]`, "item.attrs.section": `"B"`, "sub.target": "200.00 USD",
		"was.first_seen": "true", "item.stock": "3",
	} {
		got, err := set.Eval(src, "price-drop", g)
		if err != nil || got.Value != want {
			t.Errorf("%s: %+v, %v, want %s", src, got, err, want)
		}
	}
}

// A subject that was is the one that is, but for what is told of it.
func TestGivenBefore(t *testing.T) {
	g := factsOf(t, shopFacts)
	if g.Was.Item.Title != "Wool coat" || g.Was.Item.Price != usd(12000) || g.Was.Item.Known.Has(otn.FactStock) || g.Last.Now.Item.Stock != 0 || g.Last.At.IsZero() {
		t.Errorf("was %+v, last %+v", g.Was.Item, g.Last)
	}
	if g := factsOf(t, "item: {stock: 1}"); !g.Last.Now.IsZero() {
		t.Errorf("a last decision that nobody told: %+v", g.Last)
	}
}

func TestGivenFaults(t *testing.T) {
	for text, want := range map[string]string{
		"itm: {}":                            `facts.yaml:1:1: a facts file has no key "itm" [R008]`,
		"item: {pirce: 1 USD}":               `facts.yaml:1:8: "pirce": unknown field of an item, did you mean "price"?`,
		"item: {stock: many}":                `facts.yaml:1:15: stock: "many": want a whole number`,
		"item: {price: 99}":                  `facts.yaml:1:15: price: `,
		"sub: {tz: Mars}":                    `facts.yaml:1:11: there is no time zone "Mars"`,
		"at: tomorrow":                       `facts.yaml:1:5: at is no time: "tomorrow"`,
		"sub: {answers: [1]}":                `facts.yaml:1:16: answers is a mapping, and here is a list`,
		"item: {id: a}\ncollection: {id: b}": `facts.yaml:2:13: the facts are about an item and about a collection`,
		"collection: {top: [{stok: 1}]}":     `facts.yaml:1:21: "stok": unknown field of an item`,
	} {
		_, err := ReadGiven(File{Name: "facts.yaml", Source: []byte(text)}, noon)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, err := ReadGiven(File{}, noon, "item.stock"); err == nil || !strings.Contains(err.Error(), "--set:1:1: ") {
		t.Errorf("%v", err)
	}
	if _, err := ReadGiven(File{}, noon, "item.stock=x"); err == nil || !strings.Contains(err.Error(), "--set:1:12: ") {
		t.Errorf("%v", err)
	}
}
