// The meaning of conditions, held against three judges: expr's own machine, every way to fill in what is not known, and the whole against its halves.

package rules

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/types"
	"pgregory.net/rapid"

	"github.com/onetimenotify/otn/core/otn"
)

// grammar draws conditions that the checker takes.
type grammar struct {
	t     *rapid.T
	depth int
	elem  bool // inside a loop over texts
}

func (g *grammar) pick(label string, ways ...func() string) string {
	if g.depth <= 0 {
		return ways[0]()
	}
	g.depth--
	defer func() { g.depth++ }()
	return ways[rapid.IntRange(0, len(ways)-1).Draw(g.t, label)]()
}

func (g *grammar) one(of ...string) string { return rapid.SampledFrom(of).Draw(g.t, "one") }

func (g *grammar) boolean() string {
	two := func(op string) func() string {
		return func() string { return "(" + g.boolean() + " " + op + " " + g.boolean() + ")" }
	}
	return g.pick("bool",
		func() string {
			return g.one("item.sellable", "item.has.stock", "was.has.price", "sub.has.target", "true", "false")
		},
		func() string { return g.integer() + g.one(" < ", " <= ", " > ", " >= ", " == ", " != ") + g.integer() },
		func() string { return g.float() + g.one(" < ", " <= ", " > ", " >= ") + g.float() },
		func() string { return g.money() + g.one(" < ", " <= ", " > ", " >= ", " == ", " != ") + g.money() },
		func() string {
			return g.text() + g.one(" == ", " != ", " contains ", " startsWith ", " endsWith ") + g.text()
		},
		func() string { return g.text() + " in " + g.texts() },
		func() string { return g.text() + " in [" + g.text() + ", " + g.text() + "]" },
		func() string { return "(" + g.integer() + " not in [" + g.integer() + ", 3])" },
		func() string {
			return g.one("at", "item.starts_at", "item.starts_at + duration(\"1h\")") + g.one(" < ", " >= ", " == ") + g.one("at", "item.published_at")
		},
		func() string { return "!(" + g.boolean() + ")" },
		two("&&"), two("||"), two("and"), two("or"),
		func() string { return "(" + g.boolean() + " ? " + g.boolean() + " : " + g.boolean() + ")" },
		func() string { return g.loop(g.one("any", "all", "none", "one")) },
		func() string {
			return g.one("any", "all", "none", "one") + "(collection.top, {.stock > " + g.integer() + " || .price < item.price})"
		},
	)
}

func (g *grammar) loop(name string) string {
	list, before := g.texts(), g.elem
	g.elem = true
	defer func() { g.elem = before }()
	return name + "(" + list + ", {" + g.boolean() + "})"
}

func (g *grammar) integer() string {
	return g.pick("int",
		func() string {
			return g.one("item.stock", "was.stock", "sub.quantity", "0", "3", "-2", "item.attrs.weight")
		},
		func() string { return "(" + g.integer() + g.one(" + ", " - ", " * ") + g.integer() + ")" },
		func() string { return "(" + g.integer() + " % 3)" },
		func() string { return "len(" + g.text() + ")" },
		func() string { return "len(" + g.texts() + ")" },
		func() string { return g.loop("count") },
		func() string { return g.one("min", "max") + "(" + g.integer() + ", " + g.integer() + ")" },
		func() string { return "abs(" + g.integer() + ")" },
		func() string { return "sum(collection.top, .stock)" },
	)
}

func (g *grammar) float() string {
	return g.pick("float",
		func() string { return g.one("params.min_drop", "2.5", "0.0", "12.25") },
		func() string { return "pct_off(" + g.money() + ", " + g.money() + ")" },
		func() string { return "(" + g.integer() + " / " + g.integer() + ")" },
		func() string { return "(" + g.float() + g.one(" + ", " - ", " * ") + g.float() + ")" },
	)
}

func (g *grammar) money() string {
	return g.pick("money",
		func() string {
			return g.one("item.price", "was.price", "sub.target", "sub.price_then", `money("80.00 USD")`)
		},
		func() string { return "(" + g.money() + g.one(" + ", " - ") + g.money() + ")" },
	)
}

func (g *grammar) text() string {
	names := []string{"item.title", "was.variant", "sub.size", `"vip"`, `""`, `"M"`}
	if g.elem {
		names = append(names, "#", "#", "#")
	}
	return g.pick("text",
		func() string { return g.one(names...) },
		func() string { return g.one("upper", "lower", "trim") + "(" + g.text() + ")" },
	)
}

func (g *grammar) texts() string {
	return g.pick("texts",
		func() string { return g.one("item.tags", "was.tags", `split(item.title, " ")`) },
		func() string { return "take(" + g.one("item.tags", "was.collections") + ", 1)" },
	)
}

// oracleScope knows an item, what it was, a collection and a consent.
func oracleScope(t testing.TB) *scope {
	set := mustCompile(t, strings.Replace(oneRule("params.min_drop >= 1.0"), "attrs:", "params:\n  min_drop: {type: float, default: 3.5}\nattrs:", 1))
	sc := set.scopes.rule(set.declared.topics[0], time.UTC, nil, true, "")
	set.scopes.subject(sc, otn.CollectionKind)
	return sc
}

func drawItem(t *rapid.T, name string) *otn.Item {
	word := rapid.SampledFrom([]string{"vip", "M", "Wool coat", "", "wool vip", "é"})
	return &otn.Item{
		ID: "1", Known: otn.FactItems - 1, Title: word.Draw(t, name+"title"), Variant: word.Draw(t, name+"variant"),
		Price: usd(rapid.Int64Range(0, 12000).Draw(t, name+"price")), Stock: rapid.Int64Range(-1, 5).Draw(t, name+"stock"),
		Sellable: rapid.Bool().Draw(t, name+"sellable"), Tags: rapid.SliceOfN(word, 0, 3).Draw(t, name+"tags"), Collections: rapid.SliceOfN(word, 0, 2).Draw(t, name+"collections"),
		PublishedAt: noon, StartsAt: noon.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, name+"starts")) * time.Hour),
		Attrs: []otn.Named{{Name: "weight", Value: otn.IntValue(rapid.Int64Range(0, 3).Draw(t, name+"weight"))}},
	}
}

func drawConsent(t *rapid.T) *otn.Consent {
	return &otn.Consent{GrantedAt: noon.Add(-time.Hour), PriceThen: usd(rapid.Int64Range(0, 12000).Draw(t, "then")), Answers: []otn.Named{
		{Name: "quantity", Value: otn.IntValue(rapid.Int64Range(0, 4).Draw(t, "quantity"))},
		{Name: "size", Value: otn.StringValue(rapid.SampledFrom([]string{"M", "", "vip"}).Draw(t, "size"))},
		{Name: "target", Value: otn.MoneyValue(usd(rapid.Int64Range(0, 12000).Draw(t, "target")))},
	}}
}

func drawFrame(t *rapid.T) *frame {
	now, was := drawItem(t, "now "), drawItem(t, "was ")
	top := &otn.Collection{ID: "c", Known: math.MaxUint32, Top: []otn.Item{*drawItem(t, "top1 "), *drawItem(t, "top2 ")}}
	return &frame{at: noon, now: otn.Snapshot{Item: now, Collection: top}, was: otn.Snapshot{Item: was}, consent: drawConsent(t), zones: zones{}}
}

// cash is money as the judge knows it.
type cash struct {
	Minor    int64
	Currency string
}

// judge evaluates with expr's own checker and machine.
func judge(src string, f *frame) (any, error) {
	item := types.Map{"title": types.String, "variant": types.String, "price": types.TypeOf(cash{}), "stock": types.Int, "sellable": types.Bool,
		"tags": types.TypeOf([]string{}), "collections": types.TypeOf([]string{}), "published_at": types.TypeOf(time.Time{}), "starts_at": types.TypeOf(time.Time{}),
		"attrs": types.Map{"weight": types.Int}, "has": types.Map{"stock": types.Bool, "price": types.Bool}}
	env := types.Map{"item": item, "was": item, "collection": types.Map{"top": types.Array(item)}, "at": types.TypeOf(time.Time{}), "params": types.Map{"min_drop": types.Float64},
		"sub": types.Map{"quantity": types.Int, "size": types.String, "target": types.TypeOf(cash{}), "price_then": types.TypeOf(cash{}), "has": types.Map{"target": types.Bool}}}
	opts := []expr.Option{expr.Env(env), expr.AsBool(),
		expr.Function("pct_off", func(p ...any) (any, error) {
			a, b := p[0].(cash), p[1].(cash)
			if a.Minor == 0 {
				return nil, fmt.Errorf("division by zero")
			}
			return float64(a.Minor-b.Minor) * 100 / float64(a.Minor), nil
		}, new(func(cash, cash) float64)),
		expr.Function("money", func(p ...any) (any, error) {
			m, err := otn.ParseMoney(p[0].(string))
			return cash(m), err
		}, new(func(string) cash)),
		expr.Function("divide", func(p ...any) (any, error) {
			if asFloat(p[1]) == 0 {
				return nil, fmt.Errorf("division by zero")
			}
			return asFloat(p[0]) / asFloat(p[1]), nil
		}, new(func(int, int) float64)), expr.Operator("/", "divide"),
	}
	for op, test := range map[string]func(a, b int64) any{
		"<": func(a, b int64) any { return a < b }, "<=": func(a, b int64) any { return a <= b }, ">": func(a, b int64) any { return a > b },
		">=": func(a, b int64) any { return a >= b }, "==": func(a, b int64) any { return a == b }, "!=": func(a, b int64) any { return a != b },
		"+": func(a, b int64) any { return cash{a + b, "USD"} }, "-": func(a, b int64) any { return cash{a - b, "USD"} },
	} {
		name := fmt.Sprintf("cash_%x", op)
		var like any = new(func(cash, cash) bool)
		if op == "+" || op == "-" {
			like = new(func(cash, cash) cash)
		}
		opts = append(opts, expr.Function(name, func(p ...any) (any, error) { return test(p[0].(cash).Minor, p[1].(cash).Minor), nil }, like), expr.Operator(op, name))
	}
	program, err := expr.Compile(src, opts...)
	if err != nil {
		return nil, fmt.Errorf("does not compile: %w", err)
	}
	return expr.Run(program, judged(f))
}

func asFloat(v any) float64 {
	if n, ok := v.(int); ok {
		return float64(n)
	}
	return v.(float64)
}

func judged(f *frame) map[string]any {
	item := func(it *otn.Item) map[string]any {
		w, _ := it.Attr("weight")
		return map[string]any{"title": it.Title, "variant": it.Variant, "price": cash(it.Price), "stock": int(it.Stock), "sellable": it.IsSellable(), "tags": it.Tags, "collections": it.Collections,
			"published_at": it.PublishedAt, "starts_at": it.StartsAt, "attrs": map[string]any{"weight": int(w.Int())}, "has": map[string]any{"stock": true, "price": true}}
	}
	var top []any
	for i := range f.now.Collection.Top {
		top = append(top, item(&f.now.Collection.Top[i]))
	}
	quantity, _ := f.consent.Answer("quantity")
	size, _ := f.consent.Answer("size")
	target, _ := f.consent.Answer("target")
	return map[string]any{"item": item(f.now.Item), "was": item(f.was.Item), "collection": map[string]any{"top": top}, "at": f.at, "params": map[string]any{"min_drop": 3.5},
		"sub": map[string]any{"quantity": int(quantity.Int()), "size": size.Text(), "target": cash(target.Money()), "price_then": cash(f.consent.PriceThen), "has": map[string]any{"target": true}}}
}

// With every fact known a condition means exactly what expr's own machine says.
func TestConditionsMeanWhatExprSays(t *testing.T) {
	sc := oracleScope(t)
	decided := 0
	rapid.Check(t, func(t *rapid.T) {
		src := (&grammar{t: t, depth: 5}).boolean()
		c, mistakes := compile(src, sc, boolean)
		if c == nil {
			t.Skipf("%s: %v", src, mistakes)
		}
		f := drawFrame(t)
		got := f.eval(c.run)
		want, err := judge(src, f)
		if err != nil && strings.HasPrefix(err.Error(), "does not compile") {
			t.Fatalf("%s: %v", src, err)
		}
		if err != nil || !got.ok() {
			// an error of one side may be cut off by what is false or true of the other: then there is nothing to compare
			if err == nil && got.k == unknown {
				t.Fatalf("%s: %s, with every fact known", src, got.because())
			}
			return
		}
		decided++
		if got.isTrue() != want.(bool) {
			t.Fatalf("%s = %v, expr says %v", src, got, want)
		}
	})
	if !testing.Short() && decided < 20 { // a short run draws few
		t.Errorf("only %d conditions were compared", decided)
	}
}

// A condition that is decided though facts are missing stays so however they turn out.
func TestUndecidedIsSound(t *testing.T) {
	sc := oracleScope(t)
	decided, open := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		src := (&grammar{t: t, depth: 4}).boolean()
		src = strings.NewReplacer("item.has.stock", "item.sellable", "was.has.price", "was.sellable", "sub.has.target", "item.published").Replace(src)
		c, _ := compile(src, sc, boolean)
		if c == nil {
			t.Skip(src)
		}
		f := drawFrame(t)
		full := f.eval(c.run)
		for _, it := range []*otn.Item{f.now.Item, f.was.Item, &f.now.Collection.Top[0]} {
			it.Known &= otn.Fact(rapid.Uint32().Draw(t, "known")) | otn.FactSellable | otn.FactPublished
		}
		if rapid.Bool().Draw(t, "no then") {
			f.consent.PriceThen = otn.Money{}
		}
		part := f.eval(c.run)
		if !part.ok() || full.k == failed {
			open++
			return
		}
		decided++
		if part != full {
			t.Fatalf("%s: %v with facts missing, %v with them", src, part, full)
		}
	})
	if !testing.Short() && (decided < 20 || open < 5) { // a short run draws few
		t.Errorf("%d decided, %d open", decided, open)
	}
}

// The plan changes the cost, never the answer: both halves together are the whole.
func TestHalvesAreTheWhole(t *testing.T) {
	sc := oracleScope(t)
	rapid.Check(t, func(t *rapid.T) {
		g := &grammar{t: t, depth: 3}
		src := g.boolean() + " && " + g.boolean() + " && " + g.boolean()
		c, _ := compile(src, sc, boolean)
		if c == nil {
			t.Skip(src)
		}
		f := drawFrame(t)
		f.now.Item.Known = otn.Fact(rapid.Uint32().Draw(t, "known"))
		f.was.Item.Known = otn.Fact(rapid.Uint32().Draw(t, "known before"))
		once, personal := halves(c)
		whole, parts := f.eval(c.run), both(once.eval(f), personal.eval(f))
		if whole.k != parts.k || whole.k == boolean && whole.n != parts.n {
			t.Fatalf("%s = %v, its halves %v", src, whole, parts)
		}
	})
}
