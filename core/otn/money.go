// Money: integer minor units and a currency with its ISO 4217 exponent. Two currencies are never compared.

package otn

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Money is an amount in minor units (cents, say) of one currency, an upper-case ISO 4217 code.
// The zero Money is no amount at all; 0.00 USD is Money{0, "USD"}.
type Money struct {
	Minor    int64
	Currency string
}

// The errors of money. All are found with errors.Is.
var (
	ErrCurrency = errors.New("unknown currency")
	ErrAmount   = errors.New("not an amount of money")
	ErrMixed    = errors.New("two currencies cannot be compared")
	ErrOverflow = errors.New("amount out of range")
)

// Exponent is the number of decimals of an ISO 4217 currency, and whether the code is known.
func Exponent(currency string) (int, bool) {
	if e, ok := exponents[currency]; ok {
		return e, true
	}
	return 2, len(currency) == 3 && strings.Contains(twoDecimals, currency)
}

// ParseMoney reads an amount with its currency, before or behind it: "99.00 USD", "USD 99", "1,099 JPY".
func ParseMoney(s string) (Money, error) {
	f := strings.Fields(s)
	if len(f) != 2 {
		return Money{}, fmt.Errorf("%q: %w: want an amount and a currency, as in %q", s, ErrAmount, "99.00 USD")
	}
	if isCode(f[0]) {
		f[0], f[1] = f[1], f[0]
	}
	return ParseAmount(f[0], f[1])
}

// ParseAmount reads an amount in major units ("119.00", "1,099", "-5") of a currency named apart.
// A comma separates groups of three digits and nothing else; more decimals than the currency has are refused.
func ParseAmount(amount, currency string) (Money, error) {
	currency = strings.ToUpper(currency)
	exp, ok := Exponent(currency)
	if !ok {
		return Money{}, fmt.Errorf("%q: %w", currency, ErrCurrency)
	}
	minor, err := parseMinor(amount, exp)
	if err != nil {
		return Money{}, fmt.Errorf("%q %s: %w", amount, currency, err)
	}
	return Money{minor, currency}, nil
}

func parseMinor(s string, exp int) (int64, error) {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, frac, dotted := strings.Cut(s, ".")
	whole, ok := ungroup(whole)
	if !ok || !digits(whole) || dotted && !digits(frac) {
		return 0, ErrAmount
	}
	if len(frac) > exp {
		if strings.Trim(frac[exp:], "0") != "" {
			return 0, fmt.Errorf("%w: at most %d decimals", ErrAmount, exp)
		}
		frac = frac[:exp]
	}
	minor, err := strconv.ParseInt(sign+whole+frac+strings.Repeat("0", exp-len(frac)), 10, 64)
	if err != nil {
		return 0, ErrOverflow
	}
	return minor, nil
}

// ungroup takes the commas out of "1,234,567" and refuses any other use of them.
func ungroup(s string) (string, bool) {
	parts := strings.Split(s, ",")
	for i, p := range parts {
		if i > 0 && len(p) != 3 || i == 0 && len(parts) > 1 && (len(p) == 0 || len(p) > 3) {
			return "", false
		}
	}
	return strings.Join(parts, ""), true
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func isCode(s string) bool {
	return len(s) == 3 && strings.Trim(strings.ToUpper(s), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// IsZero reports whether there is no amount: not 0.00 USD, but nothing.
func (m Money) IsZero() bool { return m == Money{} }

// Amount is the number alone, with the currency's decimals: "99.00".
func (m Money) Amount() string {
	exp, _ := Exponent(m.Currency)
	abs, sign := uint64(m.Minor), ""
	if m.Minor < 0 {
		abs, sign = -abs, "-"
	}
	s := strconv.FormatUint(abs, 10)
	if exp == 0 {
		return sign + s
	}
	if len(s) <= exp {
		s = strings.Repeat("0", exp+1-len(s)) + s
	}
	return sign + s[:len(s)-exp] + "." + s[len(s)-exp:]
}

// String is what ParseMoney reads: "99.00 USD", and "" for no amount.
func (m Money) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Amount() + " " + m.Currency
}

// MarshalText gives String.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText wrote; an empty text is no amount.
func (m *Money) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*m = Money{}
		return nil
	}
	*m, err = ParseMoney(string(b))
	return err
}

// Compare is -1, 0 or 1. Two currencies, or no amount on a side, are ErrMixed and never an order.
func (m Money) Compare(o Money) (int, error) {
	if err := m.same("compare", o); err != nil {
		return 0, err
	}
	switch {
	case m.Minor < o.Minor:
		return -1, nil
	case m.Minor > o.Minor:
		return 1, nil
	}
	return 0, nil
}

// Add is m + o. Errors: ErrMixed, ErrOverflow.
func (m Money) Add(o Money) (Money, error) {
	if err := m.same("add", o); err != nil {
		return Money{}, err
	}
	sum := m.Minor + o.Minor
	if (sum > m.Minor) != (o.Minor > 0) && o.Minor != 0 {
		return Money{}, ErrOverflow
	}
	return Money{sum, m.Currency}, nil
}

// Sub is m - o. Errors: ErrMixed, ErrOverflow.
func (m Money) Sub(o Money) (Money, error) {
	if o.Minor == math.MinInt64 {
		return Money{}, ErrOverflow
	}
	return m.Add(Money{-o.Minor, o.Currency})
}

func (m Money) same(verb string, o Money) error {
	if m.Currency != o.Currency || m.Currency == "" {
		return fmt.Errorf("cannot %s %s with %s: %w", verb, m.orNothing(), o.orNothing(), ErrMixed)
	}
	return nil
}

func (m Money) orNothing() string {
	if m.Currency == "" {
		return "no amount"
	}
	return m.String()
}

// Source: ISO 4217 list one, minor units. Two decimals are the rule; the exceptions are listed by themselves.
var exponents = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
	"UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
	"CLF": 4, "UYW": 4,
}

const twoDecimals = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD " +
	"CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD " +
	"HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU " +
	"MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK " +
	"SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG " +
	"YER ZAR ZMW ZWG"
