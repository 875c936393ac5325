// One value of a body, converted as the map says. Nothing is guessed: what does not fit is an error with the value in it.

package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// errEmpty is a text that is empty where something else is wanted: as good as left out.
var errEmpty = errors.New("empty")

// convert gives a value in otn's own form: as it is without a type, else as the type says. Null is nil.
func (ev *event) convert(f field, value json.RawMessage) (any, error) {
	if string(value) == "null" {
		return nil, nil
	}
	if f.convert == "" {
		return value, nil
	}
	var s text
	if f.convert == "list" {
		return listOf(value)
	}
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, fmt.Errorf("%.60s: want one value", value)
	}
	word := strings.TrimSpace(string(s))
	if f.convert == "string" {
		return string(s), nil
	}
	if word == "" {
		return nil, errEmpty
	}
	switch f.convert {
	case "bool":
		return boolOf(word)
	case "money", "minor":
		return ev.moneyOf(f, word)
	}
	t, _ := otn.ParseType(f.convert)
	v, err := otn.ParseValue(t, word)
	if err != nil {
		return nil, fmt.Errorf("%.60q is no %s", word, f.convert)
	}
	if t == otn.Time {
		return v.String(), nil
	}
	return json.Number(v.String()), nil
}

func boolOf(word string) (any, error) {
	switch strings.ToLower(word) {
	case "true", "yes", "1":
		return true, nil
	case "false", "no", "0":
		return false, nil
	}
	return nil, fmt.Errorf("%.60q is no bool: want true or false, yes or no, 1 or 0", word)
}

func listOf(value json.RawMessage) (any, error) {
	var list []text
	if json.Unmarshal(value, &list) == nil {
		return list, nil
	}
	var s text
	if json.Unmarshal(value, &s) != nil {
		return nil, fmt.Errorf("%.60s: want a list, or a text with commas", value)
	}
	list = []text{}
	for _, part := range strings.Split(string(s), ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, text(part))
		}
	}
	return list, nil
}

// moneyOf reads an amount in the currency that the map names. A sign of another currency beside the amount is an error:
// the unit is never guessed.
func (ev *event) moneyOf(f field, word string) (any, error) {
	currency := f.currency
	if !isCurrency(currency) {
		value, told := ev.find(currency)
		var s text
		if !told || json.Unmarshal(value, &s) != nil || s == "" {
			return nil, fmt.Errorf("no currency in %q", currency)
		}
		currency = strings.ToUpper(strings.TrimSpace(string(s)))
	}
	if !isCurrency(currency) {
		return nil, fmt.Errorf("%.10q: %w", currency, otn.ErrCurrency)
	}
	amount, err := unsigned(word, currency)
	if err != nil {
		return nil, err
	}
	if f.convert == "minor" {
		n, err := strconv.ParseInt(amount, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%.60q is no whole number of minor units", word)
		}
		return otn.Money{Minor: n, Currency: currency}.String(), nil
	}
	m, err := otn.ParseAmount(amount, currency)
	return m.String(), err
}

// signs are the signs of currencies, and the currencies that are written with each.
func signs() map[string][]string {
	return map[string][]string{
		"$": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP", "BRL"},
		"€": {"EUR"}, "£": {"GBP", "EGP", "GIP", "FKP", "SHP"}, "¥": {"JPY", "CNY"}, "₹": {"INR"}, "₩": {"KRW"},
		"₺": {"TRY"}, "₽": {"RUB"}, "₴": {"UAH"}, "₫": {"VND"}, "₱": {"PHP"}, "₪": {"ILS"}, "฿": {"THB"}, "₦": {"NGN"},
	}
}

// unsigned takes the currency's own sign or code off an amount: "$119.00", "119.00 €", "USD 119".
func unsigned(word, currency string) (string, error) {
	word = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(word, currency), currency))
	for sign, currencies := range signs() {
		if !strings.Contains(word, sign) {
			continue
		}
		if !slices.Contains(currencies, currency) {
			return "", fmt.Errorf("%.60q is not in %.10s", word, currency)
		}
		word = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(word, sign), sign))
	}
	return word, nil
}

// typed marks a converted attr with its type, where JSON alone does not tell it.
func typed(convert string, v any) any {
	s, ok := scalarText(v)
	if convert == "minor" {
		convert = "money"
	}
	if _, known := otn.ParseType(convert); !ok || !known || v == nil {
		return v
	}
	return map[string]string{convert: s}
}

// scalarText gives a converted value as text; a list is none.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case json.RawMessage:
		var s text
		err := json.Unmarshal(v, &s)
		return string(s), err == nil
	}
	return "", false
}
