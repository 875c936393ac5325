// Values: typed, never guessed, and the same after a trip through JSON.

package otn

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseValue(t *testing.T) {
	at := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		typ  Type
		text string
		want Value
	}{
		{Bool, "true", BoolValue(true)}, {Bool, " false ", BoolValue(false)}, {Int, "9007199254741001", IntValue(9007199254741001)},
		{Float, "3.5", FloatValue(3.5)}, {String, " as it is ", StringValue(" as it is ")}, {MoneyType, "99 USD", MoneyValue(Money{9900, "USD"})},
		{Time, "2026-11-27T10:00:00+01:00", TimeValue(at)},
	} {
		got, err := ParseValue(c.typ, c.text)
		if err != nil || got != c.want || got.Type() != c.typ {
			t.Errorf("%s %q: %v, %v", c.typ, c.text, got, err)
		}
	}
	for typ, text := range map[Type]string{Bool: "1", Int: "three", Float: "NaN", MoneyType: "99", Time: "tomorrow", NoType: "x"} {
		if got, err := ParseValue(typ, text); !errors.Is(err, ErrValue) || got != (Value{}) {
			t.Errorf("%s %q: %v, %v", typ, text, got, err)
		}
	}
}

func TestValueIsOfOneType(t *testing.T) {
	v := IntValue(7)
	if v.Text() != "" || v.Bool() || v.Float() != 0 || !v.Money().IsZero() || !v.Time().IsZero() || v.Int() != 7 {
		t.Errorf("%v reads as other types", v)
	}
	for typ := Bool; typ <= Time; typ++ {
		if back, ok := ParseType(typ.String()); !ok || back != typ {
			t.Errorf("%s reads as %s", typ, back)
		}
	}
	if _, ok := ParseType("none"); ok {
		t.Error("none is a type")
	}
}

func TestValueReadsWhatItWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(
			rapid.Map(rapid.Bool(), BoolValue), rapid.Map(rapid.Int64(), IntValue), rapid.Map(rapid.Float64(), FloatValue),
			rapid.Map(rapid.String(), StringValue),
			rapid.Custom(func(t *rapid.T) Value { return MoneyValue(anyMoney(t)) }),
			rapid.Map(rapid.Int64Range(-1<<60, 1<<60), func(n int64) Value { return TimeValue(time.Unix(0, n)) }),
			rapid.Just(Value{}),
		).Draw(t, "value")
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var got Value
		if err := json.Unmarshal(b, &got); err != nil || got != v {
			t.Fatalf("%v became %s became %v, %v", v, b, got, err)
		}
	})
}
