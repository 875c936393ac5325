// The operators: what each joins, and what becomes of facts that are not known.

package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// unary is !, not, - and +.
func (c *checker) unary(n *ast.UnaryNode) code {
	x := c.node(n.Node)
	if x.bad {
		return broken
	}
	out := x
	out.cost, out.path, out.obj = x.cost+1, "", nil
	switch n.Operator {
	case "!", "not":
		if x.k != boolean {
			return c.wrong(n, codeMismatch, fmt.Sprintf("%s turns true and false round, not %s", n.Operator, article(x.shape)), "")
		}
		out.run = func(f *frame) value {
			v := x.run(f)
			if v.k == boolean {
				v.n ^= 1
			}
			return v
		}
	case "-", "+":
		if !numeric(x.k) {
			return c.wrong(n, codeMismatch, fmt.Sprintf("%s stands before a number, not %s", n.Operator, article(x.shape)), "")
		}
		if n.Operator == "-" {
			out.run = func(f *frame) value { return arithmetic("-", intValue(0), x.run(f)) }
		}
	default:
		return c.wrong(n, codeForbidden, fmt.Sprintf("%s is not used in rules", n.Operator), "")
	}
	return out
}

// binary is any operator between two sides.
func (c *checker) binary(n *ast.BinaryNode) code {
	if n.Operator == "in" {
		if list, ok := n.Right.(*ast.ArrayNode); ok {
			return c.inList(n, list)
		}
	}
	if hint, no := map[string]string{
		"..": "", "**": "", "^": "", "|": "", "??": "nothing is nil in rules: ask item.has.stock, say",
		"matches": "use contains, startsWith or endsWith",
	}[n.Operator]; no {
		return c.wrong(n, codeForbidden, fmt.Sprintf("%s is not used in rules", n.Operator), hint)
	}
	a, b := c.node(n.Left), c.node(n.Right)
	if a.bad || b.bad {
		return broken
	}
	out := code{uses: a.uses | b.uses, cost: a.cost + b.cost + 1, fixed: a.fixed && b.fixed}
	if n.Left.String() == n.Right.String() {
		c.warn(n, codeSame, "both sides are the same", "")
	}
	switch n.Operator {
	case "&&", "and", "||", "or":
		return c.logic(n, a, b, out)
	case "==", "!=", "<", "<=", ">", ">=":
		return c.comparison(n, a, b, out)
	case "+", "-", "*", "/", "%":
		return c.sum(n, a, b, out)
	case "in":
		return c.in(n, a, b, out)
	case "contains", "startsWith", "endsWith":
		return c.textual(n, a, b, out)
	}
	return c.wrong(n, codeForbidden, fmt.Sprintf("%s is not used in rules", n.Operator), "")
}

// mismatchHint says what to write where a number stands in quotes, a text is put together, or a fact is compared with its words.
func mismatchHint(n *ast.BinaryNode, a, b code) string {
	for _, side := range []struct {
		c, other code
		n        ast.Node
	}{{a, b, n.Left}, {b, a, n.Right}} {
		s, ok := side.n.(*ast.StringNode)
		if !ok {
			continue
		}
		if _, err := strconv.ParseFloat(s.Value, 64); err == nil && numeric(side.other.k) {
			return fmt.Sprintf("write %s without quotes", s.Value)
		}
		if m, err := otn.ParseMoney(s.Value); err == nil && side.other.k == money {
			return fmt.Sprintf("write money(%q)", m.String())
		}
		if t, ok := parseDate(s.Value, time.UTC); ok && side.other.k == moment && !t.IsZero() {
			return fmt.Sprintf("write date(%q)", s.Value)
		}
		if d, ok := parseSpan(s.Value); ok && side.other.k == span && d != 0 {
			return fmt.Sprintf("write duration(%q)", s.Value)
		}
	}
	if a.k == moment && numeric(b.k) || numeric(a.k) && b.k == moment {
		return `a day is written date("2026-12-01"), with an hour date("2026-12-01T10:00")`
	}
	if n.Operator == "+" && (a.k == text || b.k == text) {
		return "texts are not added: a message writes its parts one after the other, ${…} and ${…}"
	}
	if len(a.words) > 0 || len(b.words) > 0 {
		return `it is a text: one of "` + strings.Join(append(append([]string(nil), a.words...), b.words...), `", "`) + `"`
	}
	return ""
}

func (c *checker) mismatch(n *ast.BinaryNode, a, b code) code {
	return c.wrong(n, codeMismatch, fmt.Sprintf("%s cannot stand between %s and %s", n.Operator, article(a.shape), article(b.shape)), mismatchHint(n, a, b))
}

func (c *checker) logic(n *ast.BinaryNode, a, b, out code) code {
	for i, side := range []ast.Node{n.Left, n.Right} {
		if x := []code{a, b}[i]; x.k != boolean {
			c.wrong(side, codeMismatch, fmt.Sprintf("%s joins conditions, and this is %s", n.Operator, article(x.shape)), "")
			out.bad = true
		}
	}
	if out.bad {
		return broken
	}
	out.k = boolean
	left, right := a.run, b.run
	if n.Operator == "&&" || n.Operator == "and" {
		out.run = func(f *frame) value {
			v := left(f)
			if v.isFalse() {
				return v
			}
			if v.k == boolean {
				return right(f)
			}
			return both(v, right(f))
		}
		return out
	}
	out.run = func(f *frame) value {
		v := left(f)
		if v.isTrue() {
			return v
		}
		if v.k == boolean {
			return right(f)
		}
		return either(v, right(f))
	}
	return out
}

// comparison is == != < <= > >=.
func (c *checker) comparison(n *ast.BinaryNode, a, b, out code) code {
	equality := n.Operator == "==" || n.Operator == "!="
	switch {
	case a.k == money && numeric(b.k) || numeric(a.k) && b.k == money:
		return c.wrong(n, codeMoney, "money is compared with a bare number", bareNumber(n))
	case equality && (a.k == decimal && numeric(b.k) || numeric(a.k) && b.k == decimal):
		return c.wrong(n, codeFloat, "numbers with decimals are hardly ever exactly equal", "compare with >= and <=")
	case numeric(a.k) && numeric(b.k):
	case a.k != b.k || a.k >= texts:
		return c.mismatch(n, a, b)
	case a.k == boolean && !equality:
		return c.mismatch(n, a, b)
	}
	if c.noSuchWord(n.Right, a, b) || c.noSuchWord(n.Left, b, a) {
		return broken
	}
	out.k = boolean
	out.run = comparer(n.Operator, a, b)
	return out
}

// noSuchWord refuses a comparison with a text that the other side can never be.
func (c *checker) noSuchWord(n ast.Node, a, b code) bool {
	if a.words == nil || !b.fixed || slices.Contains(a.words, b.now().s) {
		return false
	}
	c.wrong(n, codeChoice, fmt.Sprintf("this is never %s", b.now()), didYouMean(b.now().s, a.words))
	return true
}

func bareNumber(n *ast.BinaryNode) string {
	for _, side := range []ast.Node{n.Left, n.Right} {
		switch side.(type) {
		case *ast.IntegerNode, *ast.FloatNode:
			return fmt.Sprintf(`write money("%s USD"), with the currency of the shop`, side.String())
		}
	}
	return `money holds its currency: money("99 USD")`
}

// comparer runs one comparison; whole numbers and money, the most common, go straight.
func comparer(op string, a, b code) func(*frame) value {
	left, right, accept := a.run, b.run, accepts(op)
	if a.k == integer && b.k == integer {
		return func(f *frame) value {
			x, y := left(f), right(f)
			if x.k != integer || y.k != integer {
				return firstBad(x, y)
			}
			return boolValue(accept(compareInts(x.n, y.n)))
		}
	}
	if a.k == money {
		return func(f *frame) value {
			x, y := left(f), right(f)
			switch {
			case x.k != money || y.k != money:
				return firstBad(x, y)
			case x.s != y.s || x.s == "":
				return failure(mixed("compare", x, y))
			}
			return boolValue(accept(compareInts(x.n, y.n)))
		}
	}
	return func(f *frame) value {
		x, y := left(f), right(f)
		if !x.ok() || !y.ok() {
			return firstBad(x, y)
		}
		order, v := compare(x, y)
		if v.k == failed {
			return v
		}
		return boolValue(accept(order))
	}
}

func accepts(op string) func(int) bool {
	switch op {
	case "==":
		return func(o int) bool { return o == 0 }
	case "!=":
		return func(o int) bool { return o != 0 }
	case "<":
		return func(o int) bool { return o < 0 }
	case "<=":
		return func(o int) bool { return o <= 0 }
	case ">":
		return func(o int) bool { return o > 0 }
	}
	return func(o int) bool { return o >= 0 }
}

// firstBad is what two sides give when not both are known: an error before what is not known.
func firstBad(x, y value) value {
	if x.k == failed || y.ok() {
		return x
	}
	if y.k == failed || x.ok() {
		return y
	}
	return x
}

func compareInts(x, y int64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// compare orders two known values of one type, or numbers of both.
func compare(x, y value) (int, value) {
	switch x.k {
	case money:
		if x.s != y.s || x.s == "" {
			return 0, failure(mixed("compare", x, y))
		}
	case text:
		return strings.Compare(x.s, y.s), value{}
	case integer, decimal:
		if x.k != y.k || x.k == decimal {
			a, b := x.float(), y.float()
			switch {
			case a < b:
				return -1, value{}
			case a > b:
				return 1, value{}
			}
			return 0, value{}
		}
	}
	return compareInts(x.n, y.n), value{}
}

func mixed(verb string, x, y value) string {
	return fmt.Sprintf("cannot %s %s with %s", verb, x.money(), y.money())
}

// in looks for a text in a list of the shop.
func (c *checker) in(n *ast.BinaryNode, a, b, out code) code {
	if b.k != texts || a.k != text {
		if a.k == text && b.k == text {
			return c.wrong(n, codeMismatch, "in looks into a list, and this is a text", fmt.Sprintf("write %s contains %s", n.Right, n.Left))
		}
		return c.wrong(n, codeMismatch, fmt.Sprintf("in looks for a text in a list of texts, not for %s in %s", article(a.shape), article(b.shape)), "")
	}
	out.k, out.cost = boolean, out.cost+b.size
	left, right := a.run, b.run
	out.run = func(f *frame) value {
		x, list := left(f), right(f)
		if !x.ok() || !list.ok() {
			return firstBad(x, list)
		}
		all := list.texts()
		if !f.burn(len(all)) {
			return outOfFuel
		}
		for _, s := range all {
			if s == x.s {
				return boolValue(true)
			}
		}
		return boolValue(false)
	}
	return out
}

// inList is in with a list written out: true as soon as one element is equal, whatever is not known of the others.
func (c *checker) inList(n *ast.BinaryNode, list *ast.ArrayNode) code {
	a := c.node(n.Left)
	out := code{shape: shape{k: boolean}, uses: a.uses, cost: a.cost + 1, fixed: a.fixed, bad: a.bad}
	parts := make([]func(*frame) value, len(list.Nodes))
	for i, e := range list.Nodes {
		p := c.node(e)
		switch {
		case p.bad || a.bad:
			out.bad = true
			continue
		case a.k == money && numeric(p.k):
			return c.wrong(e, codeMoney, "money is compared with a bare number", `write money("99 USD")`)
		case a.k != p.k || a.k >= texts:
			return c.wrong(e, codeMismatch, fmt.Sprintf("this is %s, and in looks for %s", article(p.shape), article(a.shape)), "")
		case a.k == decimal:
			return c.wrong(n, codeFloat, "numbers with decimals are hardly ever exactly equal", "compare with >= and <=")
		case c.noSuchWord(e, a, p):
			out.bad = true
			continue
		}
		parts[i] = p.run
		out.uses |= p.uses
		out.cost += p.cost
		out.fixed = out.fixed && p.fixed
	}
	if out.bad {
		return broken
	}
	left := a.run
	out.run = func(f *frame) value {
		x, found := left(f), boolValue(false)
		if !x.ok() {
			return x
		}
		for _, part := range parts {
			v := part(f)
			if v.ok() {
				order, wrong := compare(x, v)
				if v = boolValue(order == 0); wrong.k == failed {
					v = wrong
				}
			}
			if found = either(found, v); found.isTrue() {
				return found
			}
		}
		return found
	}
	return out
}

// textual is contains, startsWith and endsWith.
func (c *checker) textual(n *ast.BinaryNode, a, b, out code) code {
	if a.k == texts && b.k == text && n.Operator == "contains" {
		return c.wrong(n, codeMismatch, "contains looks into a text, and this is a list", fmt.Sprintf("write %s in %s", n.Right, n.Left))
	}
	if a.k != text || b.k != text {
		return c.mismatch(n, a, b)
	}
	test := map[string]func(string, string) bool{"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix}[n.Operator]
	out.k = boolean
	left, right := a.run, b.run
	out.run = func(f *frame) value {
		x, y := left(f), right(f)
		if !x.ok() || !y.ok() {
			return firstBad(x, y)
		}
		if !f.burn(len(x.s) / 64) {
			return outOfFuel
		}
		return boolValue(test(x.s, y.s))
	}
	return out
}

// itemAt gives an element of a list to a loop.
func itemAt(list []otn.Item, i int) value { return value{k: object, ref: &list[i]} }
