// Money: units, currencies, and what is refused rather than guessed.

package otn

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestParseMoney(t *testing.T) {
	for text, want := range map[string]Money{
		"99.00 USD": {9900, "USD"}, "USD 99": {9900, "USD"}, "usd 99.5": {9950, "USD"}, "1,099 JPY": {1099, "JPY"},
		"1,234,567.89 EUR": {123456789, "EUR"}, "-5 USD": {-500, "USD"}, "0.00 USD": {0, "USD"}, "1.250 KWD": {1250, "KWD"},
		"1.5000 CLF": {15000, "CLF"}, "99.000 USD": {9900, "USD"}, " 7  CHF ": {700, "CHF"},
	} {
		got, err := ParseMoney(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestP2UnknownUnitsAreRefused(t *testing.T) {
	for text, want := range map[string]error{
		"": ErrAmount, "99": ErrAmount, "99,00 EUR": ErrAmount, "1,09 JPY": ErrAmount, ",100 USD": ErrAmount, "99.001 USD": ErrAmount, "1.5 JPY": ErrAmount,
		"$99.00": ErrAmount, "99.00 XXX": ErrCurrency, "99.00 us": ErrCurrency, "nine USD": ErrAmount, "9e3 USD": ErrAmount, "+9 USD": ErrAmount,
		"1. USD": ErrAmount, ".5 USD": ErrAmount, "--5 USD": ErrAmount, "99999999999999999999 USD": ErrOverflow, "92233720368547758.08 USD": ErrOverflow, "NaN USD": ErrCurrency,
	} {
		if got, err := ParseMoney(text); !errors.Is(err, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestP3TwoCurrenciesAreNeverCompared(t *testing.T) {
	usd, eur := Money{9900, "USD"}, Money{9900, "EUR"}
	for _, o := range []Money{eur, {}} {
		if _, err := usd.Compare(o); !errors.Is(err, ErrMixed) {
			t.Errorf("compared with %v: %v", o, err)
		}
		if _, err := usd.Add(o); !errors.Is(err, ErrMixed) {
			t.Errorf("added to %v: %v", o, err)
		}
		if _, err := usd.Sub(o); !errors.Is(err, ErrMixed) {
			t.Errorf("taken from %v: %v", o, err)
		}
	}
	if _, err := (Money{}).Compare(Money{}); !errors.Is(err, ErrMixed) {
		t.Error("nothing was compared with nothing")
	}
}

func TestMoneyOverflows(t *testing.T) {
	most, least := Money{math.MaxInt64, "USD"}, Money{math.MinInt64, "USD"}
	for what, err := range map[string]error{
		"max + 1": second(most.Add(Money{1, "USD"})), "min - 1": second(least.Sub(Money{1, "USD"})), "0 - min": second(Money{0, "USD"}.Sub(least)),
	} {
		if !errors.Is(err, ErrOverflow) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := least.Amount(); got != "-92233720368547758.08" {
		t.Error(got)
	}
}

func second(_ Money, err error) error { return err }

func anyMoney(t *rapid.T) Money {
	return Money{rapid.Int64().Draw(t, "minor"), rapid.SampledFrom([]string{"USD", "JPY", "KWD", "CLF", "EUR"}).Draw(t, "currency")}
}

func TestMoneyReadsWhatItWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMoney(t)
		got, err := ParseMoney(m.String())
		if err != nil || got != m {
			t.Fatalf("%+v became %q became %+v, %v", m, m, got, err)
		}
	})
}

// What Add and Compare say agrees with arithmetic, or is an error.
func TestMoneyArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyMoney(t), anyMoney(t)
		b.Currency = a.Currency
		sum, err := a.Add(b)
		exact := a.Minor + b.Minor
		if overflows := (exact > a.Minor) != (b.Minor > 0) && b.Minor != 0; overflows != (err != nil) || err == nil && sum.Minor != exact {
			t.Fatalf("%v + %v = %v, %v", a, b, sum, err)
		}
		c, err := a.Compare(b)
		if err != nil || (c < 0) != (a.Minor < b.Minor) || (c > 0) != (a.Minor > b.Minor) {
			t.Fatalf("%v against %v: %d, %v", a, b, c, err)
		}
	})
}

func FuzzParseMoney(f *testing.F) {
	for _, s := range []string{"99.00 USD", "1,099 JPY", "-1 KWD", "1.", ",", "9 9 9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMoney(s)
		if err != nil {
			return
		}
		if again, err := ParseMoney(m.String()); err != nil || again != m {
			t.Errorf("%q is %v, which reads as %v, %v", s, m, again, err)
		}
	})
}
