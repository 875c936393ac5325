// The values of expressions. Not known and failed are values too, so that each operator says what becomes of them.

package rules

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// inWords marks an unknown value whose s is a whole reason, rather than the name of the fact.
const inWords = 1

// kind is what a value is.
type kind uint8

const (
	unknown kind = iota // s says which fact: the zero value is the safe one
	failed              // s says why
	boolean
	integer
	decimal
	text
	money // n minor units of s
	moment
	span
	texts  // ref is *[]string
	items  // ref is *[]otn.Item
	object // ref is what the object's fields read
)

var kindNames = [...]string{"nothing", "an error", "bool", "int", "float", "string", "money", "time", "duration", "list of strings", "list of items", "object"}

func (k kind) String() string { return kindNames[k] }

// value is one value, small enough to travel in registers.
type value struct {
	k   kind
	n   int64 // a boolean, an integer, the bits of a decimal, minor units, nanoseconds
	s   string
	ref any
}

// ok reports a value that is known.
func (v value) ok() bool { return v.k > failed }

func (v value) isTrue() bool  { return v.k == boolean && v.n != 0 }
func (v value) isFalse() bool { return v.k == boolean && v.n == 0 }

func boolValue(b bool) value {
	if b {
		return value{k: boolean, n: 1}
	}
	return value{k: boolean}
}
func intValue(n int64) value            { return value{k: integer, n: n} }
func floatValue(f float64) value        { return value{k: decimal, n: int64(math.Float64bits(f))} }
func textValue(s string) value          { return value{k: text, s: s} }
func moneyValue(m otn.Money) value      { return value{k: money, n: m.Minor, s: m.Currency} }
func timeValue(t time.Time) value       { return value{k: moment, n: t.UnixNano()} }
func spanValue(d time.Duration) value   { return value{k: span, n: int64(d)} }
func textsValue(list *[]string) value   { return value{k: texts, ref: list} }
func itemsValue(list *[]otn.Item) value { return value{k: items, ref: list} }
func notKnown(path string) value        { return value{k: unknown, s: path} }
func failure(why string) value          { return value{k: failed, s: why} }

func (v value) float() float64 {
	if v.k == integer {
		return float64(v.n)
	}
	return math.Float64frombits(uint64(v.n))
}
func (v value) money() otn.Money { return otn.Money{Minor: v.n, Currency: v.s} }
func (v value) time() time.Time  { return time.Unix(0, v.n).UTC() }
func (v value) texts() []string  { return *v.ref.(*[]string) }
func (v value) items() []otn.Item {
	return *v.ref.(*[]otn.Item)
}

// valueOf takes over a typed value; none is not known.
func valueOf(v otn.Value, path string) value {
	switch v.Type() {
	case otn.Bool:
		return boolValue(v.Bool())
	case otn.Int:
		return intValue(v.Int())
	case otn.Float:
		return floatValue(v.Float())
	case otn.String:
		return textValue(v.Text())
	case otn.MoneyType:
		return moneyValue(v.Money())
	case otn.Time:
		return timeValue(v.Time())
	}
	return notKnown(path)
}

// kindOf is the kind of a declared type.
func kindOf(t otn.Type) kind {
	return map[otn.Type]kind{otn.Bool: boolean, otn.Int: integer, otn.Float: decimal, otn.String: text, otn.MoneyType: money, otn.Time: moment}[t]
}

// String is the value for an operator's eyes: explain prints it.
func (v value) String() string {
	switch v.k {
	case unknown:
		return "not known: " + v.s
	case failed:
		return "error: " + v.s
	case boolean:
		return strconv.FormatBool(v.n != 0)
	case integer:
		return strconv.FormatInt(v.n, 10)
	case decimal:
		return strconv.FormatFloat(v.float(), 'g', -1, 64)
	case text:
		return strconv.Quote(v.s)
	case money:
		return v.money().String()
	case moment:
		return v.time().Format(time.RFC3339)
	case span:
		return time.Duration(v.n).String()
	case texts:
		return fmt.Sprintf("%d strings", len(v.texts()))
	case items:
		return fmt.Sprintf("%d items", len(v.items()))
	}
	return "…"
}

// because is a verdict's reason in words. A condition that is false carries in s its part that is.
func (v value) because() string {
	switch v.k {
	case boolean:
		if v.n == 0 && v.s != "" {
			return v.s + " is false"
		}
	case unknown:
		if v.n == inWords {
			return v.s
		}
		return v.s + " is not known"
	case failed:
		return v.s
	}
	return ""
}

// verdict reads a condition's value.
func (v value) verdict() otn.Verdict {
	switch {
	case v.isTrue():
		return otn.Yes
	case v.k == boolean:
		return otn.No
	case v.k == unknown:
		return otn.Undecided
	}
	return otn.Failed
}

// both is &&, in whatever order its sides are decided: false wins, then an error, then not known.
func both(a, b value) value {
	switch {
	case a.isTrue():
		return b
	case a.isFalse():
		return a
	case b.isFalse():
		return b
	case a.k == failed:
		return a
	case b.k == failed:
		return b
	case a.k == unknown:
		return a
	}
	return b
}

// either is ||, in whatever order: true wins, then an error, then not known.
func either(a, b value) value {
	switch {
	case a.isTrue():
		return a
	case b.isTrue():
		return b
	case a.k == failed:
		return a
	case b.k == failed:
		return b
	case a.k == unknown:
		return a
	}
	return b
}
