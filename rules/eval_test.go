// Expressions by example: every function, every operator, and what becomes of facts that are not known.

package rules

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// exampleFrame has a coat of which everything is known, and a collection: a coat without a stock, a hat, a scarf sold out.
func exampleFrame() *frame {
	now := coat()
	hat, scarf := *coat().Item, *coat(stock(0)).Item
	hat.Title, hat.Price, scarf.Title = "Hat", usd(2500), "Scarf"
	now.Collection = &otn.Collection{ID: "winter", Known: otn.FactTitle, Title: "Winter", Top: []otn.Item{*coat(without(otn.FactStock)).Item, hat, scarf}}
	return &frame{at: noon, now: now, was: coat(price(usd(12000))), consent: ann(func(c *otn.Consent) { c.Tags, c.Waiting = []string{"b2b", "vip"}, 2 }), zones: zones{}}
}

func TestExpressionsByExample(t *testing.T) {
	sc := oracleScope(t)
	for src, want := range map[string]string{
		// functions
		`pct_off(was.price, item.price)`:               "17.5",
		`pct_off(item.price, money("1.00 EUR"))`:       "error: cannot compare 99.00 USD with 1.00 EUR",
		`pct_off(item.price - item.price, item.price)`: "error: division by zero: pct_off of a price that was zero",
		`min(3, 2.5)`:                        "2.5",
		`max(3, 2.5)`:                        "3",
		`min(item.price, money("1.00 EUR"))`: "error: cannot compare 99.00 USD with 1.00 EUR",
		`max(at, item.published_at) == at`:   "true",
		`abs(-2.5)`:                          "2.5",
		`abs(item.stock - 5)`:                "2",
		`abs(-9223372036854775807 - 1)`:      "error: a number is too large",
		`round(2.5)`:                         "3",
		`round(-2.4)`:                        "-2",
		`round(7)`:                           "7",
		`round(1e300)`:                       "error: a number is too large",
		`len("häß")`:                         "3",
		`len(item.tags)`:                     "2",
		`len(collection.top)`:                "3",
		`upper("ab") + lower("x") == ""`:     "refused: R208",
		`lower(trim("  AB "))`:               `"ab"`,
		`hasPrefix(item.title, "Wool")`:      "true",
		`hasSuffix(item.title, "Wool")`:      "false",
		`"b" in split("a,b", ",")`:           "true",
		`len(take(item.tags, 1))`:            "1",
		`len(take(item.tags, 9))`:            "2",
		`len(take(item.tags, 0 - 1))`:        "error: take needs a number that is not negative",
		`hour(at, "America/New_York")`:       "7",
		`weekday(at, "Pacific/Auckland")`:    `"saturday"`,
		`date_text(at, "Asia/Tokyo")`:        `"2026-11-27"`,
		`hour(at, item.title)`:               `error: there is no time zone "Wool coat"`,
		`money("1,099 JPY")`:                 "1099 JPY",
		`date("2026-12-01")`:                 "2026-12-01T00:00:00Z",
		`date("2026-12-01T10:00:00-05:00")`:  "2026-12-01T15:00:00Z",
		`date("1.12.2026")`:                  "refused: R210",
		`duration("1w2d3h")`:                 "219h0m0s",
		`duration("-90m")`:                   "-1h30m0s",
		`duration("")`:                       "refused: R210",
		`duration("5")`:                      "refused: R210",
		`duration("999999w")`:                "refused: R210",
		// arithmetic
		`1 + 2 * 3 - 4 % 3`:                              "6",
		`7 / 2`:                                          "3.5",
		`7 % 0`:                                          "error: division by zero",
		`7 / (item.stock - 3)`:                           "error: division by zero",
		`-7 % -1`:                                        "0",
		`9223372036854775807 + item.stock`:               "error: a number is too large",
		`0 - 9223372036854775807 - item.stock`:           "error: a number is too large",
		`9223372036854775807 * item.stock`:               "error: a number is too large",
		`1e308 * 10.0`:                                   "error: a number is too large",
		`item.price + money("1.00 USD")`:                 "100.00 USD",
		`item.price - was.price`:                         "-21.00 USD",
		`item.price + money("1.00 EUR")`:                 "error: cannot add 99.00 USD with 1.00 EUR",
		`item.price - money("1.00 EUR")`:                 "error: cannot subtract 99.00 USD with 1.00 EUR",
		`money("92233720368547758.07 USD") + item.price`: "error: a number is too large",
		`at + duration("1h") - at`:                       "1h0m0s",
		`duration("1h") + at == at + duration("1h")`:     "true",
		`duration("1h") - duration("30m")`:               "30m0s",
		`item.price * 2`:                                 "refused: R209",
		`5 % 2.5`:                                        "refused: R206",
		`-item.title == ""`:                              "refused: R206",
		`!item.stock`:                                    "refused: R206",
		`+item.stock`:                                    "3",
		// lists
		`item.stock in [1, 3]`:               "true",
		`item.stock not in [1, 3]`:           "false",
		`item.price in [money("99.00 USD")]`: "true",
		`item.price in [money("99.00 EUR")]`: "error: cannot compare 99.00 USD with 99.00 EUR",
		`item.price in [99]`:                 "refused: R209",
		`item.stock in ["a"]`:                "refused: R206",
		`2.5 in [2.5]`:                       "refused: R211",
		`"vip" in [item.title, "vip"]`:       "true",
		`len(["a", item.title])`:             "2",
		`any(["a", item.title], {# == "a"})`: "true",
		`len([1, 2])`:                        "refused: R206",
		// loops: what is not known of an element matters only when it could change the answer
		`any(collection.top, {.stock > 0})`:                 "true",
		`any(collection.top, {.stock > 5})`:                 "not known: #.stock",
		`all(collection.top, {.stock > 0})`:                 "false",
		`all(collection.top, {.stock >= 0})`:                "not known: #.stock",
		`none(collection.top, {.stock > 0})`:                "false",
		`none(collection.top, {.stock > 5})`:                "not known: #.stock",
		`one(collection.top, {.stock >= 0})`:                "false",
		`one(collection.top, {.stock > 0})`:                 "not known: #.stock",
		`one(collection.top, {.title == "Hat"})`:            "true",
		`count(collection.top, {.stock > 0})`:               "not known: #.stock",
		`count(collection.top, {.has.stock && .stock > 0})`: "1",
		`len(filter(collection.top, {.stock > 0}))`:         "not known: #.stock",
		`len(filter(collection.top, {.has.stock}))`:         "2",
		`sum(collection.top, .stock)`:                       "not known: #.stock",
		`sum(filter(collection.top, {.has.stock}), .stock)`: "3",
		`sum(collection.top, .price)`:                       "223.00 USD",
		`sum(take(collection.top, 0), .stock)`:              "0",
		`sum(take(collection.top, 0), .price)`:              "error: there is nothing to add: the list is empty",
		`any(collection.top, {.price > money("1 EUR")})`:    "error: cannot compare 99.00 USD with 1.00 EUR",
		`len(filter(item.tags, {# startsWith "v"}))`:        "1",
		`any(collection.top, {any(.tags, {# == "vip"})})`:   "true",
		// what is not known
		`collection.launch_at < at`:                 "not known: collection.launch_at",
		`collection.has.launch_at`:                  "false",
		`collection.published`:                      "true",
		`sub.target > item.price || item.sellable`:  "true",
		`sub.target > item.price && !item.sellable`: "false",
		`sub.target > item.price || !item.sellable`: "not known: sub.target",
		`sub.has.target ? sub.target : item.price`:  "99.00 USD",
		`sub.target > item.price && 1 / 0 > 1`:      "error: division by zero",
		`1 / 0 > 1 || sub.target > item.price`:      "error: division by zero",
		`sub.low_since`:                             "120.00 USD",
		`sub.locale`:                                `"en-US"`,
		`sub.has.low_since`:                         "true",
		`sub.consents`:                              "2",
		`sub.consents + 1 > 2`:                      "true",
		`"vip" in sub.tags`:                         "true",
		`"staff" in sub.tags`:                       "false",
		`len(sub.tags)`:                             "2",
		`any(sub.tags, {# startsWith "b"})`:         "true",
		`sub.tags == item.tags`:                     "refused: R206",
		`sub.consents == "2"`:                       "refused: R206",
		// comparisons
		`"a" < "b"`:                             "true",
		`item.sellable == true`:                 "true",
		`item.sellable > true`:                  "refused: R206",
		`2.5 < 3`:                               "true",
		`2.5 == 2.5`:                            "refused: R211",
		`item == was`:                           "refused: R206",
		`item.tags == was.tags`:                 "refused: R206",
		`item ? 1 : 2`:                          "refused: R206",
		`item.sellable ? 1 : 2.5`:               "1",
		`if item.sellable { "a" } else { "b" }`: `"a"`,
		`(item.sellable ? item : was).stock`:    "refused: R206",
		`hour(at, "Local")`:                     "refused: R106",
	} {
		c, mistakes := compile(src, sc, unknown)
		got := ""
		if c != nil {
			got = exampleFrame().eval(c.run).String()
		} else {
			got = "refused: " + mistakes[len(mistakes)-1].code
		}
		if got != want {
			t.Errorf("%s gives %s, want %s (%v)", src, got, want, mistakes)
		}
	}
}

// Every function of the language is in the examples above, or among the operators.
func TestEveryFunctionHasAnExample(t *testing.T) {
	text, err := os.ReadFile("eval_test.go")
	if err != nil {
		t.Fatal(err)
	}
	promised := strings.Fields("pct_off money duration date hour weekday date_text min max abs round len any all none one filter count sum take upper lower trim split hasPrefix hasSuffix")
	for _, name := range promised {
		if !functionNames()[name] || !strings.Contains(string(text), "`"+name+"(") && !strings.Contains(string(text), " "+name+"(") && !strings.Contains(string(text), "("+name+"(") {
			t.Errorf("%s is no function, or has no example", name)
		}
	}
	if got := len(functionNames()); got != len(promised) {
		t.Errorf("%d functions, %d are promised", got, len(promised))
	}
	for _, op := range []string{" in ", " contains ", " startsWith ", " endsWith "} {
		if c, m := compile(strings.Replace(`"a"`+op+`"b"`, `in "b"`, `in ["b"]`, 1), oracleScope(t), boolean); c == nil {
			t.Errorf("%s: %v", op, m)
		}
	}
}

func TestLowSinceKnowsNothingWithoutHistory(t *testing.T) {
	sc := oracleScope(t)
	c, _ := compile("sub.low_since", sc, unknown)
	low := func(at time.Duration, minor int64) otn.Low { return otn.Low{At: noon.Add(at), Price: usd(minor)} }
	for name, x := range map[string]struct {
		then otn.Money
		lows []otn.Low
		want string
	}{
		"the price":     {otn.Money{}, nil, "120.00 USD"},
		"price then":    {usd(100), nil, "1.00 USD"},
		"lower since":   {usd(100), []otn.Low{low(-time.Hour, 90)}, "0.90 USD"},
		"higher since":  {usd(100), []otn.Low{low(-time.Hour, 110)}, "1.00 USD"},
		"only since":    {otn.Money{}, []otn.Low{low(-time.Hour, 90)}, "0.90 USD"},
		"before it":     {usd(100), []otn.Low{low(-48*time.Hour, 50)}, "1.00 USD"},
		"of other kind": {usd(100), []otn.Low{{At: noon, Price: otn.Money{Minor: 1, Currency: "EUR"}}}, "error: cannot compare 1.00 USD with 0.01 EUR"},
	} {
		f := exampleFrame()
		f.consent.PriceThen, f.was.Item.Lows = x.then, x.lows
		if got := f.eval(c.run).String(); got != x.want {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
	}
	f := exampleFrame()
	f.consent.PriceThen, f.was = otn.Money{}, coat(without(otn.FactPrice))
	if got := f.eval(c.run).String(); got != "not known: sub.low_since" {
		t.Errorf("no price: %s", got)
	}
}

// The element of an object's conditional is refused rather than read from the wrong side.
func TestObjectsAreNotChosen(t *testing.T) {
	if c, _ := compile("(item.sellable ? was : was).stock > 0", oracleScope(t), boolean); c != nil {
		t.Error("accepted")
	}
}

func TestHintsNameTheWayOut(t *testing.T) {
	sc := oracleScope(t)
	for src, want := range map[string]string{
		"item.price <= 99":             `money("99 USD")`,
		"item.tags contains \"x\"":     `"x" in item.tags`,
		"item.price != nil":            "item.has",
		"now() > at":                   "at",
		"stock > 1":                    "item.stock",
		"item.price * 0.9 > was.price": "pct_off",
		"at.Weekday() == 1":            "weekday(t, zone)",
		"any(item.tags)":               "any(",
	} {
		_, mistakes := compile(src, sc, boolean)
		if len(mistakes) == 0 || !strings.Contains(mistakes[0].hint+mistakes[0].message, want) {
			t.Errorf("%s: %+v, want a hint with %s", src, mistakes, want)
		}
	}
}
