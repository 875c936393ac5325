// The functions of the language, and no others.

package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// function is one overload: what it takes and gives. decimal takes whole numbers too.
type function struct {
	takes []kind
	gives kind
	do    func(f *frame, a, b value) value // b is nothing for one argument
}

// functions are all overloads by name. money, date and duration are not among them: they are literals.
func functions() map[string][]function {
	return map[string][]function{
		"pct_off":   {{[]kind{money, money}, decimal, pctOff}},
		"hour":      {{[]kind{moment, text}, integer, zoned(func(t time.Time) value { return intValue(int64(t.Hour())) })}},
		"weekday":   {{[]kind{moment, text}, text, zoned(func(t time.Time) value { return textValue(strings.ToLower(t.Weekday().String())) })}},
		"date_text": {{[]kind{moment, text}, text, zoned(func(t time.Time) value { return textValue(t.Format(time.DateOnly)) })}},
		"min":       {{[]kind{integer, integer}, integer, least}, {[]kind{decimal, decimal}, decimal, least}, {[]kind{money, money}, money, least}, {[]kind{moment, moment}, moment, least}},
		"max":       {{[]kind{integer, integer}, integer, most}, {[]kind{decimal, decimal}, decimal, most}, {[]kind{money, money}, money, most}, {[]kind{moment, moment}, moment, most}},
		"abs":       {{[]kind{integer}, integer, absolute}, {[]kind{decimal}, decimal, absolute}},
		"round":     {{[]kind{decimal}, integer, rounded}},
		"len": {{[]kind{text}, integer, func(_ *frame, a, _ value) value { return intValue(int64(utf8.RuneCountInString(a.s))) }},
			{[]kind{texts}, integer, func(_ *frame, a, _ value) value { return intValue(int64(len(a.texts()))) }},
			{[]kind{items}, integer, func(_ *frame, a, _ value) value { return intValue(int64(len(a.items()))) }}},
		"upper":     {{[]kind{text}, text, textual(strings.ToUpper)}},
		"lower":     {{[]kind{text}, text, textual(strings.ToLower)}},
		"trim":      {{[]kind{text}, text, textual(strings.TrimSpace)}},
		"split":     {{[]kind{text, text}, texts, split}},
		"hasPrefix": {{[]kind{text, text}, boolean, func(_ *frame, a, b value) value { return boolValue(strings.HasPrefix(a.s, b.s)) }}},
		"hasSuffix": {{[]kind{text, text}, boolean, func(_ *frame, a, b value) value { return boolValue(strings.HasSuffix(a.s, b.s)) }}},
		"take":      {{[]kind{texts, integer}, texts, take}, {[]kind{items, integer}, items, take}},
	}
}

// functionNames are all names that are followed by ( in an expression.
func functionNames() map[string]bool {
	names := loopNames()
	for n := range functions() {
		names[n] = true
	}
	for _, n := range []string{"money", "date", "duration"} {
		names[n] = true
	}
	return names
}

// call checks a function with its arguments.
func (c *checker) call(n *ast.CallNode) code {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		if m, is := n.Callee.(*ast.MemberNode); is {
			return c.member(m) // which says that there are no methods, or no such field
		}
		return c.wrong(n, codeForbidden, "only functions are called", "")
	}
	if !functionNames()[callee.Value] {
		return c.noFunction(n, callee.Value)
	}
	args, bad := make([]code, len(n.Arguments)), false
	for i, a := range n.Arguments {
		args[i] = c.node(a)
		bad = bad || args[i].bad
	}
	if bad {
		return broken
	}
	overloads, ok := functions()[callee.Value]
	if !ok {
		return c.literal(n, callee.Value, args)
	}
	for _, fn := range overloads {
		if fits(fn.takes, args) {
			return c.apply(n, callee.Value, fn, args)
		}
	}
	return c.wrong(n, codeArgument, fmt.Sprintf("%s takes %s", callee.Value, wanted(overloads)), "here it gets "+given(args)+"; for example "+exampleOfFunction(callee.Value))
}

// exampleOfFunction is a use of a function.
func exampleOfFunction(name string) string {
	for _, s := range samples() {
		if s.name == name {
			return s.example
		}
	}
	return name + "(…)"
}

func (c *checker) noFunction(n ast.Node, name string) code {
	var names []string
	for known := range functionNames() {
		names = append(names, known)
	}
	hint := ""
	if near := nearest(name, names); name == "now" {
		hint = "the moment of the decision is at"
	} else if near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return c.wrong(n, codeFunction, fmt.Sprintf("there is no function %q", name), hint)
}

func fits(takes []kind, args []code) bool {
	return slices.EqualFunc(takes, args, func(k kind, a code) bool { return a.k == k || k == decimal && a.k == integer })
}

func wanted(overloads []function) string {
	var ways []string
	for _, fn := range overloads {
		var ks []string
		for _, k := range fn.takes {
			ks = append(ks, article(shape{k: k}))
		}
		ways = append(ways, strings.Join(ks, " and "))
	}
	return strings.Join(ways, ", or ")
}

func given(args []code) string {
	if len(args) == 0 {
		return "nothing"
	}
	var ks []string
	for _, a := range args {
		ks = append(ks, article(a.shape))
	}
	return strings.Join(ks, " and ")
}

// apply makes a call that runs.
func (c *checker) apply(n *ast.CallNode, name string, fn function, args []code) code {
	if slices.Contains([]string{"hour", "weekday", "date_text"}, name) && args[1].fixed {
		if _, ok := (zones{}).find(args[1].now().s); !ok {
			return c.wrong(n.Arguments[1], codeZone, fmt.Sprintf("there is no time zone %s", args[1].now()), "for example America/New_York")
		}
	}
	out := code{shape: shape{k: fn.gives}, cost: 1, fixed: true, size: maxList}
	for _, a := range args {
		out.uses |= a.uses
		out.cost += a.cost
		out.fixed = out.fixed && a.fixed
	}
	if name == "take" {
		out.obj, out.size = args[0].obj, args[0].size
		if count, ok := n.Arguments[1].(*ast.IntegerNode); ok {
			out.size = min(out.size, count.Value)
		}
	}
	if name == "weekday" {
		out.words = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
	}
	if fn.gives == texts {
		out.cost += out.size
	}
	do, first := fn.do, args[0].run
	if len(args) == 1 {
		out.run = func(f *frame) value {
			a := first(f)
			if !a.ok() {
				return a
			}
			return do(f, a, value{})
		}
		return out
	}
	second := args[1].run
	out.run = func(f *frame) value {
		a, b := first(f), second(f)
		if !a.ok() || !b.ok() {
			return firstBad(a, b)
		}
		return do(f, a, b)
	}
	return out
}

// literal is money("99 USD"), date("2026-12-01T10:00:00Z") and duration("3d"): read once, at check.
func (c *checker) literal(n *ast.CallNode, name string, args []code) code {
	example := map[string]string{"money": `money("99 USD")`, "date": `date("2026-12-01") or date("2026-12-01T10:00:00-05:00")`, "duration": `duration("3d"), duration("90m")`}[name]
	if len(args) != 1 || args[0].k != text || !args[0].fixed {
		return c.wrong(n, codeArgument, name+" takes one text that is written out", "for example "+example)
	}
	written := args[0].now().s
	switch name {
	case "money":
		if m, err := otn.ParseMoney(written); err == nil {
			return constant(moneyValue(m))
		}
	case "date":
		if t, ok := parseDate(written, c.scope.zone); ok {
			return constant(timeValue(t))
		}
	case "duration":
		if d, ok := parseSpan(written); ok {
			return constant(spanValue(d))
		}
	}
	return c.wrong(n.Arguments[0], codeLiteral, fmt.Sprintf("%q is no %s", written, map[string]string{"money": "amount of money", "date": "date", "duration": "duration"}[name]), "for example "+example)
}

// pctOff is by how many per cent now is below was; negative when it rose.
func pctOff(_ *frame, was, now value) value {
	switch {
	case was.s != now.s || was.s == "":
		return failure(mixed("compare", was, now))
	case was.n == 0:
		return failure("division by zero: pct_off of a price that was zero")
	}
	return floatValue((float64(was.n) - float64(now.n)) * 100 / float64(was.n))
}

func zoned(read func(time.Time) value) func(f *frame, a, b value) value {
	return func(f *frame, at, name value) value {
		zone, ok := f.zones.find(name.s)
		if !ok {
			return failure(fmt.Sprintf("there is no time zone %q", name.s))
		}
		return read(at.time().In(zone))
	}
}

func least(_ *frame, a, b value) value { return pick(a, b, -1) }
func most(_ *frame, a, b value) value  { return pick(a, b, 1) }

func pick(a, b value, want int) value {
	order, bad := compare(a, b)
	if bad.k == failed {
		return bad
	}
	if order == -want {
		return b
	}
	return a
}

func absolute(_ *frame, a, _ value) value {
	if a.k == decimal {
		return floatValue(math.Abs(a.float()))
	}
	if a.n < 0 {
		return wholeSum("-", 0, a.n)
	}
	return a
}

func rounded(_ *frame, a, _ value) value {
	if a.k == integer {
		return a
	}
	r := math.Round(a.float())
	if math.Abs(r) >= 1<<62 {
		return tooLarge
	}
	return intValue(int64(r))
}

func textual(change func(string) string) func(f *frame, a, b value) value {
	return func(f *frame, a, _ value) value {
		if !f.burn(len(a.s) / 16) {
			return outOfFuel
		}
		return textValue(change(a.s))
	}
}

func split(f *frame, a, b value) value {
	parts := strings.SplitN(a.s, b.s, maxFuel+1)
	if !f.burn(len(parts)) {
		return outOfFuel
	}
	return textsValue(&parts)
}

func take(_ *frame, a, b value) value {
	if b.n < 0 {
		return failure("take needs a number that is not negative")
	}
	if a.k == texts {
		list := a.texts()
		list = list[:min(int64(len(list)), b.n)]
		return textsValue(&list)
	}
	list := a.items()
	list = list[:min(int64(len(list)), b.n)]
	return itemsValue(&list)
}
