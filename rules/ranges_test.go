// Ranges pass over nobody whom a rule would say anything but No to, and over everybody else where that can be known.

package rules

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/onetimenotify/otn/core/otn"
)

const rangeRules = `
version: 1
attrs: {weight: {type: int, default: 7}, ratio: float, section: string}
topics:
  watch:
    use: price_drop
    subject: item
    ask: Watch it
    answers:
      target: {type: money, optional: true}
      floor: {type: money, default: 50.00 USD}
      quantity: {type: int, default: 1}
      size: {type: string, optional: true}
      share: {type: float, default: 0.5}
      since: {type: time, optional: true}
      any_size: {type: bool, default: false}
rules:
  - id: r
    topic: watch
    on: [item.changed]
    message: {text: Hello}
    when: |
      `

func rangeSet(t testing.TB, when string) *Set {
	t.Helper()
	return mustCompile(t, rangeRules+when+"\n")
}

// drawAnswers draws what one person gave: right, wrong, of another currency, or nothing.
func drawAnswers(t *rapid.T) (out []otn.Named) {
	small := rapid.Int64Range(-3, 8)
	values := map[string]otn.Value{
		"target":   otn.MoneyValue(otn.Money{Minor: small.Draw(t, "target") * 1000, Currency: rapid.SampledFrom([]string{"USD", "USD", "USD", "EUR"}).Draw(t, "currency")}),
		"floor":    otn.MoneyValue(usd(small.Draw(t, "floor") * 1000)),
		"quantity": otn.IntValue(rapid.SampledFrom([]int64{-3, 0, 1, 2, 3, 4, 7, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64}).Draw(t, "quantity")),
		"size":     otn.StringValue(rapid.SampledFrom([]string{"", "A", "M", "vip", "M\x00", strings.Repeat("x", 60)}).Draw(t, "size")),
		"share":    otn.FloatValue(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 0.5, 2.5, 3, 7, -1, 1 << 53, math.NaN()}).Draw(t, "share")),
		"since":    otn.TimeValue(noon.Add(time.Duration(small.Draw(t, "since")) * time.Hour)),
		"any_size": otn.BoolValue(rapid.Bool().Draw(t, "any_size")),
	}
	for _, name := range []string{"any_size", "floor", "quantity", "share", "since", "size", "target"} {
		switch rapid.IntRange(0, 9).Draw(t, "how") {
		case 0, 1:
		case 2:
			out = append(out, otn.Named{Name: name, Value: rapid.SampledFrom([]otn.Value{otn.StringValue("much"), otn.IntValue(2), {}, otn.FloatValue(2)}).Draw(t, "wrong")})
		default:
			out = append(out, otn.Named{Name: name, Value: values[name]})
		}
	}
	return out
}

// condition draws a condition that may narrow.
func condition(g *grammar, depth int) string {
	shared := map[string][]string{
		"target": {"item.price", "was.price", `money("30.00 USD")`, "(item.price - was.price)"}, "floor": {"item.price", `money("3.00 EUR")`},
		"quantity": {"item.stock", "3", "0", "(item.stock / 2)", "2.5", "item.attrs.weight", "(item.stock * 2.0)", "9007199254740993.0"},
		"size":     {"item.variant", `"M"`, `"vip"`, "item.attrs.section"}, "share": {"item.stock", "0.5", "item.attrs.ratio", "pct_off(was.price, item.price)"},
		"since": {"at", "item.starts_at", "(at + duration(\"2h\"))"},
	}
	leaf := func() string {
		name := g.one("target", "target", "floor", "quantity", "size", "share", "since", "any_size")
		answer, other := "sub."+name, shared[name]
		switch {
		case name == "any_size":
			return g.one("sub.any_size", "!sub.any_size", "sub.any_size == item.sellable", "true == sub.any_size")
		case g.one("", "", "", "", "has") == "has":
			return g.one("", "!") + "sub.has." + name
		case name == "size" && g.one("", "", "in") == "in":
			return "sub.size in " + g.one("item.tags", `["", item.variant]`, `["A", "M"]`, "[item.attrs.section, sub.locale]")
		case (name == "target" || name == "quantity") && g.one("", "", "in") == "in":
			return answer + " in [" + strings.NewReplacer("(item.stock / 2)", "2", "2.5", "2", "(item.stock * 2.0)", "4", "9007199254740993.0", "9").Replace(g.one(other...)+", "+g.one(other...)) + "]"
		case g.one("", "turned") == "turned":
			return g.one(other...) + " " + g.one("<", "<=", ">", ">=") + " " + answer
		}
		op := g.one("<", "<=", ">", ">=", "==")
		if name == "share" || name == "quantity" {
			op = strings.Replace(op, "==", "<=", 1)
		}
		return answer + " " + op + " " + g.one(other...)
	}
	if depth == 0 {
		return leaf()
	}
	more := func() string { return condition(g, depth-1) }
	switch g.one("leaf", "and", "or", "has", "shared", "other") {
	case "and":
		return "(" + more() + g.one(" && ", " and ") + more() + ")"
	case "or":
		return "(" + more() + g.one(" || ", " or ") + more() + ")"
	case "has":
		name := g.one("target", "quantity", "since")
		return fmt.Sprintf("(!sub.has.%s || %s %s sub.%s)", name, g.one(shared[name]...), g.one("<", "<=", ">", ">="), name)
	case "shared":
		return "(" + g.one("item.sellable", "item.stock > 2", "was.price < item.price") + g.one(" || ", " && ") + more() + ")"
	case "other":
		return g.one("sub.price_then > item.price", "sub.granted_at < at", "!("+leaf()+")", "sub.target != item.price", "(item.sellable ? "+leaf()+" : "+leaf()+")", "sub.target < sub.floor")
	}
	return leaf()
}

// outside is what AnswerRange says of who is certainly not meant.
func outside(in otn.AnswerRange, c *otn.Consent) bool {
	v, given := c.Answer(in.Answer)
	switch {
	case !given:
		return !in.Absent
	case v.Type() != in.Type || in.Currency != "" && v.Money().Currency != in.Currency || v.Type() == otn.Float && math.IsNaN(v.Float()):
		return false
	}
	return !slices.ContainsFunc(in.Spans, func(s otn.Span) bool {
		return (s.Low == (otn.Value{}) || orderOf(v, s.Low) >= 0) && (s.High == (otn.Value{}) || orderOf(v, s.High) <= 0)
	})
}

func TestRangesPassOverNobodyWhoMatters(t *testing.T) {
	passed, looked, yes := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		g := &grammar{t: t, depth: 2}
		when := condition(g, 3)
		set, err := Compile(File{Name: "r.yaml", Source: []byte(rangeRules + when + "\n")})
		if err != nil {
			t.Skipf("%s: %v", when, err)
		}
		now, was := drawItem(t, "now "), drawItem(t, "was ")
		now.Known &= otn.Fact(rapid.Uint32().Draw(t, "known")) | otn.Fact(rapid.Uint32().Draw(t, "known too"))
		now.Price.Minor, was.Price.Minor = now.Price.Minor/3000*1000, was.Price.Minor/3000*1000
		if rapid.IntRange(0, 9).Draw(t, "euro") == 0 {
			now.Price.Currency = "EUR"
		}
		if rapid.Bool().Draw(t, "ratio") {
			now.Attrs = append(now.Attrs, otn.Named{Name: "ratio", Value: otn.FloatValue(2.5)}, otn.Named{Name: "section", Value: otn.StringValue("A")})
		}
		p, err := set.Open(otn.Facts{Rule: "r", At: noon, Now: otn.Snapshot{Item: now}, Was: otn.Snapshot{Item: was}, Last: otn.Last{At: noon, Now: otn.Snapshot{Item: was}}})
		if err != nil {
			t.Fatal(err)
		}
		ranges := p.Ranges()
		for _, in := range ranges {
			if !slices.Contains(set.List()[0].Compares, in.Answer) {
				t.Fatalf("%s: a range over %s, which the rule is not said to compare", when, in.Answer)
			}
		}
		for range 12 {
			c := &otn.Consent{Locale: "A", GrantedAt: noon.Add(-time.Hour), PriceThen: usd(rapid.Int64Range(0, 4).Draw(t, "then") * 1000), Answers: drawAnswers(t)}
			v := p.Select(c)
			if v == otn.Yes {
				yes++
			}
			for _, in := range ranges {
				looked++
				if outside(in, c) {
					passed++
					if v != otn.No {
						t.Fatalf("%s\n%+v\npasses over %+v, who is %s: %s", when, in, c.Answers, v, p.Because())
					}
				}
			}
		}
	})
	if !testing.Short() && (passed < 100 || looked < 2*passed || yes < 10) {
		t.Errorf("%d looked at, %d passed over, %d meant: too few to tell anything", looked, passed, yes)
	}
}

func TestRanges(t *testing.T) {
	m := func(minor int64) otn.Value { return otn.MoneyValue(usd(minor)) }
	n, s, f := otn.IntValue, otn.StringValue, otn.FloatValue
	between := func(low, high otn.Value) []otn.Span { return []otn.Span{{Low: low, High: high}} }
	var none otn.Value
	dollars := func(absent bool, spans ...otn.Span) otn.AnswerRange {
		return otn.AnswerRange{Answer: "target", Type: otn.MoneyType, Currency: "USD", Spans: spans, Absent: absent}
	}
	quantity := func(absent bool, spans []otn.Span) otn.AnswerRange {
		return otn.AnswerRange{Answer: "quantity", Type: otn.Int, Spans: spans, Absent: absent}
	}
	size := func(absent bool, spans ...otn.Span) otn.AnswerRange {
		return otn.AnswerRange{Answer: "size", Type: otn.String, Spans: spans, Absent: absent}
	}
	for when, want := range map[string][]otn.AnswerRange{
		"item.price < was.price && (!sub.has.target || item.price <= sub.target)": {dollars(true, otn.Span{Low: m(9900)})},
		"item.price <= sub.target":                       {dollars(true, otn.Span{Low: m(9900)})}, // without it: undecided, which is counted
		"sub.has.target && item.price < sub.target":      {dollars(false, otn.Span{Low: m(9901)})},
		"sub.has.target and sub.target == was.price":     {dollars(false, otn.Span{Low: m(12000), High: m(12000)})},
		"sub.target > was.price and sub.has.target":      {dollars(false, otn.Span{Low: m(12001)})},
		"!sub.has.target":                                {{Answer: "target", Type: otn.MoneyType, Absent: true}},
		"sub.quantity <= item.stock":                     {quantity(true, between(none, n(3)))},
		"sub.quantity > item.stock":                      {quantity(false, between(n(4), none))},
		"sub.quantity < item.stock / 2 + 1.0":            {quantity(true, between(none, n(2)))},
		"sub.quantity > 2.0 && sub.quantity < 2.5":       {quantity(false, nil)},
		"item.stock > sub.quantity && sub.quantity >= 2": {quantity(false, between(n(2), n(2)))},
		"sub.quantity in [item.stock, 1]":                {quantity(true, []otn.Span{{Low: n(3), High: n(3)}, {Low: n(1), High: n(1)}})},
		`sub.has.size && sub.size in ["", item.variant]`: {size(false, otn.Span{Low: s(""), High: s("")}, otn.Span{Low: s("M"), High: s("M")})},
		"sub.size in item.tags":                          {size(true, otn.Span{Low: s("vip"), High: s("vip")}, otn.Span{Low: s("wool"), High: s("wool")})},
		`"L" < sub.size`:                                 {size(true, otn.Span{Low: s("L\x00")})},
		"sub.share < 2":                                  {{Answer: "share", Type: otn.Float, Spans: between(none, f(math.Nextafter(2, 0))), Absent: true}},
		"sub.since <= at && sub.any_size": {
			{Answer: "any_size", Type: otn.Bool, Spans: between(otn.BoolValue(true), otn.BoolValue(true))},
			{Answer: "since", Type: otn.Time, Spans: between(none, otn.TimeValue(noon)), Absent: true}},
		"item.stock > 5 || sub.quantity == 2":                               {quantity(false, between(n(2), n(2)))},
		"sub.quantity == 2 || item.stock > 1":                               nil, // true for everybody now
		"sub.quantity == 2 || sub.target > item.price":                      nil,
		"sub.quantity == 2 || sub.quantity >= item.stock":                   {quantity(false, []otn.Span{{Low: n(2), High: n(2)}, {Low: n(3)}})},
		"item.attrs.ratio < sub.share":                                      nil, // not known
		"sub.target < sub.floor":                                            nil,
		"sub.target != item.price":                                          nil,
		`sub.target in [item.price, money("1 EUR")]`:                        nil,
		"!(sub.quantity > 2)":                                               nil,
		"sub.price_then > item.price":                                       nil,
		"(item.price <= sub.target || !sub.has.target) && sub.quantity < 1": {quantity(false, between(none, n(0))), dollars(true, otn.Span{Low: m(9900)})},
	} {
		p, err := rangeSet(t, when).Open(otn.Facts{Rule: "r", At: noon, Now: coat(), Was: coat(price(usd(12000)))})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Ranges(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n%+v\nwant\n%+v", when, got, want)
		}
	}
}

// A condition that can run out of fuel narrows nothing: it would fail for those whom a range calls not meant.
func TestCostlyConditionsAreNotNarrowed(t *testing.T) {
	set := rangeSet(t, "any(item.tags, {any(item.tags, {# == sub.size})}) && item.price <= sub.target")
	if r := set.List()[0]; len(r.Compares) > 0 {
		t.Errorf("narrowed by %v", r.Compares)
	}
}

func TestPlan(t *testing.T) {
	set := rangeSet(t, "item.price < was.price\n        && (!sub.has.target || item.price <= sub.target) && sub.tz == \"UTC\"")
	lines, err := set.Plan("r")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"about a change: it fires at each event for which it is true",
		"once for an event: item.price < was.price",
		"for each consent: not sub.has.target || item.price <= sub.target",
		`for each consent: sub.tz == "UTC"`,
		"through an index by sub.target, so that others are not looked at: not sub.has.target || item.price <= sub.target",
	}
	for i := range lines {
		lines[i] = strings.Replace(lines[i], "!sub", "not sub", 1)
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
	if _, err := set.Plan("other"); err == nil {
		t.Error("a rule that is not there has a plan")
	}
}
