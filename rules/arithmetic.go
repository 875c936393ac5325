// Arithmetic that is never wrong: no overflow, no infinity, no two currencies.

package rules

import (
	"fmt"
	"math"
	"time"

	"github.com/expr-lang/expr/ast"
)

// sum is + - * / %.
func (c *checker) sum(n *ast.BinaryNode, a, b, out code) code {
	op := n.Operator
	switch {
	case numeric(a.k) && numeric(b.k):
		out.k = integer
		if op == "/" || a.k == decimal || b.k == decimal {
			out.k = decimal
		}
		if op == "%" && out.k == decimal {
			return c.wrong(n, codeMismatch, "% divides whole numbers", "")
		}
	case a.k == b.k && (a.k == money || a.k == span) && (op == "+" || op == "-"):
		out.k = a.k
	case a.k == moment && b.k == moment && op == "-":
		out.k = span
	case a.k == moment && b.k == span && (op == "+" || op == "-"):
		out.k = moment
	case a.k == span && b.k == moment && op == "+":
		out.k = moment
	case a.k == money && numeric(b.k) || numeric(a.k) && b.k == money:
		return c.wrong(n, codeMoney, "money is not multiplied or divided, nor joined with a bare number", "a drop in per cent is pct_off(was.price, item.price)")
	case a.k == text && b.k == text && op == "+":
		return c.wrong(n, codeForbidden, "texts are not joined with +", "write both into the text: ${…}${…}")
	case (a.k == moment || a.k == span) && b.k == text:
		return c.wrong(n, codeMismatch, fmt.Sprintf("%s cannot stand between %s and %s", op, article(a.shape), article(b.shape)), `a length of time is duration("3d")`)
	default:
		return c.mismatch(n, a, b)
	}
	left, right := a.run, b.run
	out.run = func(f *frame) value {
		x, y := left(f), right(f)
		if !x.ok() || !y.ok() {
			return firstBad(x, y)
		}
		return arithmetic(op, x, y)
	}
	return out
}

var tooLarge = value{k: failed, s: "a number is too large"}

// arithmetic joins two known values whose types the checker let through; anything not known comes back as it is.
func arithmetic(op string, x, y value) value {
	switch {
	case !x.ok() || !y.ok():
		return firstBad(x, y)
	case x.k == money:
		return moneySum(op, x, y)
	case x.k == moment || x.k == span:
		return timeSum(op, x, y)
	case op == "/":
		if y.float() == 0 {
			return failure("division by zero")
		}
		return finite(x.float() / y.float())
	case x.k == integer && y.k == integer:
		return wholeSum(op, x.n, y.n)
	}
	switch a, b := x.float(), y.float(); op {
	case "+":
		return finite(a + b)
	case "-":
		return finite(a - b)
	default:
		return finite(a * b)
	}
}

func finite(f float64) value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return tooLarge
	}
	return floatValue(f)
}

// wholeSum never wraps around.
func wholeSum(op string, a, b int64) value {
	switch op {
	case "+":
		if sum := a + b; (sum > a) == (b > 0) || b == 0 {
			return intValue(sum)
		}
	case "-":
		if diff := a - b; (diff < a) == (b > 0) || b == 0 {
			return intValue(diff)
		}
	case "*":
		if a == 0 || b == 0 {
			return intValue(0)
		}
		product := a * b
		if product/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64) {
			return intValue(product)
		}
	case "%":
		if b == 0 {
			return failure("division by zero")
		}
		if b == -1 {
			return intValue(0)
		}
		return intValue(a % b)
	}
	return tooLarge
}

func moneySum(op string, x, y value) value {
	if x.s != y.s || x.s == "" {
		verb := map[string]string{"+": "add", "-": "subtract"}[op]
		return failure(mixed(verb, x, y))
	}
	sum, err := x.money().Add(y.money())
	if op == "-" {
		sum, err = x.money().Sub(y.money())
	}
	if err != nil {
		return tooLarge
	}
	return moneyValue(sum)
}

func timeSum(op string, x, y value) value {
	v := wholeSum(op, x.n, y.n)
	switch {
	case v.k == failed:
		return v
	case x.k == moment && y.k == moment, x.k == span && y.k == span:
		return spanValue(time.Duration(v.n))
	}
	return value{k: moment, n: v.n}
}
