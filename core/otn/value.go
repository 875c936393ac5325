// Typed values: the answers of a consent, the attrs of an item, the fields of a trigger.

package otn

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Type is the type of a Value. The zero Type is none.
type Type uint8

// The types, as a rule file writes them: bool, int, float, string, money, time.
const (
	NoType Type = iota
	Bool
	Int
	Float
	String
	MoneyType
	Time
)

var typeNames = [...]string{"none", "bool", "int", "float", "string", "money", "time"}

// String is the name a rule file uses.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type(%d)", t)
}

// ParseType reads what String wrote; "none" and unknown names are not ok.
func ParseType(s string) (Type, bool) {
	for i, n := range typeNames[1:] {
		if n == s {
			return Type(i + 1), true
		}
	}
	return NoType, false
}

// Value is one typed value. The zero Value is none. Values compare with ==.
type Value struct {
	typ Type
	n   int64
	s   string
}

// The makers of values. A time keeps its instant to the nanosecond and comes back in UTC.
func BoolValue(b bool) Value {
	v := Value{typ: Bool}
	if b {
		v.n = 1
	}
	return v
}
func IntValue(n int64) Value      { return Value{typ: Int, n: n} }
func FloatValue(f float64) Value  { return Value{typ: Float, n: int64(math.Float64bits(f))} }
func StringValue(s string) Value  { return Value{typ: String, s: s} }
func MoneyValue(m Money) Value    { return Value{typ: MoneyType, n: m.Minor, s: m.Currency} }
func TimeValue(t time.Time) Value { return Value{typ: Time, n: t.UnixNano()} }

// Type is the value's type, NoType for the zero Value.
func (v Value) Type() Type { return v.typ }

// The readers of values. Each gives the zero of its type when the value has another type.
func (v Value) Bool() bool     { return v.typ == Bool && v.n != 0 }
func (v Value) Int() int64     { return v.number(Int) }
func (v Value) Float() float64 { return math.Float64frombits(uint64(v.number(Float))) }
func (v Value) Text() string {
	if v.typ != String {
		return ""
	}
	return v.s
}
func (v Value) Money() Money {
	if v.typ != MoneyType {
		return Money{}
	}
	return Money{v.n, v.s}
}
func (v Value) Time() time.Time {
	if v.typ != Time {
		return time.Time{}
	}
	return time.Unix(0, v.n).UTC()
}

func (v Value) number(t Type) int64 {
	if v.typ != t {
		return 0
	}
	return v.n
}

// String is the text that ParseValue reads back.
func (v Value) String() string {
	switch v.typ {
	case Bool:
		return strconv.FormatBool(v.n != 0)
	case Int:
		return strconv.FormatInt(v.n, 10)
	case Float:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case String:
		return v.s
	case MoneyType:
		return v.Money().String()
	case Time:
		return v.Time().Format(time.RFC3339Nano)
	}
	return ""
}

// ErrValue marks a text that is not of the wanted type.
var ErrValue = errors.New("value has the wrong type")

// ParseValue reads text as a value of type t: true or false; digits; 3.5; any text; 99.00 USD; RFC 3339.
// A text that does not fit is ErrValue, never a zero.
func ParseValue(t Type, text string) (Value, error) {
	trimmed := strings.TrimSpace(text)
	bad := func() (Value, error) {
		return Value{}, fmt.Errorf("%q is no %s: %w", text, t, ErrValue)
	}
	switch t {
	case Bool:
		if trimmed != "true" && trimmed != "false" {
			return bad()
		}
		return BoolValue(trimmed == "true"), nil
	case Int:
		n, err := strconv.ParseInt(trimmed, 10, 64)
		if err != nil {
			return bad()
		}
		return IntValue(n), nil
	case Float:
		f, err := strconv.ParseFloat(trimmed, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return bad()
		}
		return FloatValue(f), nil
	case String:
		return StringValue(text), nil
	case MoneyType:
		m, err := ParseMoney(trimmed)
		if err != nil {
			return bad()
		}
		return MoneyValue(m), nil
	case Time:
		at, err := time.Parse(time.RFC3339Nano, trimmed)
		if err != nil {
			return bad()
		}
		return TimeValue(at), nil
	}
	return bad()
}

// MarshalText gives "type:text", which keeps the type through JSON.
func (v Value) MarshalText() ([]byte, error) {
	if v.typ == NoType {
		return nil, nil
	}
	return []byte(v.typ.String() + ":" + v.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (v *Value) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*v = Value{}
		return nil
	}
	name, text, _ := strings.Cut(string(b), ":")
	t, ok := ParseType(name)
	if !ok {
		return fmt.Errorf("%q: %w", name, ErrValue)
	}
	parsed, err := ParseValue(t, text)
	*v = parsed
	return err
}

// Field declares a typed value: an answer of a topic, an attr of the shop, a field of a trigger.
type Field struct {
	Name     string
	Type     Type
	Optional bool  // an answer that may be left out: a rule asks has.NAME first
	Default  Value // what stands in when it is left out; none for an optional answer
}

// Named is one value under its name.
type Named struct {
	Name  string
	Value Value
}
