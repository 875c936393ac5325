// A body read by the map: values found, converted as the map says, and told in otn's own form.
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

// mapped reads a body by the map.
func (e *Events) mapped(ev event) (otn.Record, error) {
	if len(ev.body) == 0 || ev.body[0] != '{' || !json.Valid(ev.body) {
		return otn.Record{}, errors.New("no JSON object")
	}
	if e.config.Kind == "trigger" {
		t, err := e.mappedTrigger(ev)
		return otn.Record{Trigger: &t}, err
	}
	form := map[string]any{"kind": e.config.Kind}
	attrs := map[string]any{}
	for _, f := range e.fields {
		value, told := ev.find(f.from)
		if !told {
			continue
		}
		name, isAttr := strings.CutPrefix(f.to, "attrs.")
		v, err := ev.convert(f, value)
		switch {
		case errors.Is(err, errEmpty):
			continue
		case err != nil:
			return otn.Record{}, fmt.Errorf("%s from %q: %w", f.to, f.from, err)
		}
		if isAttr {
			attrs[name] = typed(f.convert, v)
			continue
		}
		form[f.to] = v
	}
	if len(attrs) > 0 {
		form["attrs"] = attrs
	}
	text, err := json.Marshal(form)
	if err != nil {
		return otn.Record{}, errors.New("cannot be written as JSON")
	}
	o, err := otn.DecodeObservation(text)
	return otn.Record{Observation: &o}, err
}

// mappedTrigger reads the trigger's fields. subject, channel and recipient are its own; the others are as declared.
func (e *Events) mappedTrigger(ev event) (otn.Trigger, error) {
	t := otn.Trigger{Name: e.config.Name}
	for _, f := range e.fields {
		value, told := ev.find(f.from)
		if !told {
			continue
		}
		v, err := ev.convert(f, value)
		if errors.Is(err, errEmpty) {
			continue
		}
		if err != nil {
			return t, fmt.Errorf("%s from %q: %w", f.to, f.from, err)
		}
		s, scalar := scalarText(v)
		switch {
		case v == nil:
		case !scalar:
			return t, fmt.Errorf("%s from %q: want one value", f.to, f.from)
		case f.to == "subject":
			t.Subject = s
		case f.to == "channel":
			t.Channel = s
		case f.to == "recipient":
			t.Subscriber.ID = s
		default:
			value, err := triggerValue(f.convert, s)
			if err != nil {
				return t, fmt.Errorf("%s from %q: %w", f.to, f.from, err)
			}
			t.Fields = append(t.Fields, otn.Named{Name: f.to, Value: value})
		}
	}
	return t, nil
}

func triggerValue(convert, s string) (otn.Value, error) {
	if convert == "minor" {
		convert = "money"
	}
	if t, ok := otn.ParseType(convert); ok {
		return otn.ParseValue(t, s)
	}
	return otn.StringValue(s), nil
}

// find gives the value at a path. @name is an attribute of the CloudEvent.
func (ev *event) find(path string) (json.RawMessage, bool) {
	if name, ok := strings.CutPrefix(path, "@"); ok {
		s, told := ev.about[name]
		if !told {
			return nil, false
		}
		quoted, err := json.Marshal(s)
		return quoted, err == nil
	}
	return dig(ev.body, path)
}

// dig follows a path into objects and lists. A name that holds a dot is found before the dot is taken for a step.
func dig(value json.RawMessage, path string) (json.RawMessage, bool) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil && list != nil {
		first, rest, deeper := strings.Cut(path, ".")
		n, err := strconv.Atoi(first)
		if err != nil || n < 0 || n >= len(list) {
			return nil, false
		}
		if !deeper {
			return list[n], true
		}
		return dig(list[n], rest)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return nil, false
	}
	if v, told := object[path]; told {
		return v, true
	}
	for at := 0; ; {
		dot := strings.IndexByte(path[at:], '.')
		if dot < 0 {
			return nil, false
		}
		if v, told := object[path[:at+dot]]; told {
			return dig(v, path[at+dot+1:])
		}
		at += dot + 1
	}
}

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
