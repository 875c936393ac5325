// The map from a body's fields to facts: what is checked when the source starts.

package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// field is one line of the map.
type field struct {
	to       string // the fact, attrs.NAME, or a trigger's field
	from     string
	convert  string // the type; empty: the value as it is
	currency string // of money and minor: a code, or the field that names it
}

// convertible are the types of a map.
func convertible() []string {
	return []string{"bool", "int", "float", "string", "money", "minor", "time", "list"}
}

// readMap reads the lines of a map and gives every fault. Whether a fact exists is asked of otn's own reader.
func readMap(kind string, lines map[string]json.RawMessage) (fields []field, faults []error) {
	for to, line := range lines {
		f, err := readField("map."+to, line)
		f.to = to
		if err == nil {
			err = checkFact(kind, f)
		}
		if err != nil {
			faults = append(faults, err)
		}
		fields = append(fields, f)
	}
	if len(lines) > 0 && kind != "trigger" && lines["id"] == nil && lines["ref"] == nil {
		faults = append(faults, channel.Fault("map.id", "is missing: which field names the %s?", kind))
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.to, b.to) })
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return fields, faults
}

func readField(path string, line json.RawMessage) (f field, err error) {
	if json.Unmarshal(line, &f.from) == nil {
		if f.from == "" {
			return f, channel.Fault(path, "names no field")
		}
		return f, nil
	}
	var long struct {
		From     string `json:"from"`
		Type     string `json:"type"`
		Currency string `json:"currency"`
	}
	if err := strict(line, &long); err != nil {
		return f, channel.Fault(path, `want a field's name, or {from, type, currency}: %v`, err)
	}
	f = field{from: long.From, convert: long.Type, currency: long.Currency}
	priced := f.convert == "money" || f.convert == "minor"
	switch {
	case f.from == "":
		return f, channel.Fault(path+".from", "names no field")
	case f.convert != "" && !slices.Contains(convertible(), f.convert):
		return f, channel.Fault(path+".type", "%q: want one of %s", f.convert, strings.Join(convertible(), ", "))
	case priced && f.currency == "":
		return f, channel.Fault(path+".currency", "is missing: an amount alone is no price. Name a currency, or the field that does")
	case !priced && f.currency != "":
		return f, channel.Fault(path+".currency", "is for the types money and minor")
	}
	return f, nil
}

// checkFact reports a fact that the kind does not have.
func checkFact(kind string, f field) error {
	if f.convert == "list" && (kind == "trigger" || strings.HasPrefix(f.to, "attrs.")) {
		return channel.Fault("map."+f.to+".type", "a list is no value of an attr or of a trigger's field")
	}
	if kind == "trigger" {
		return nil
	}
	if name, ok := strings.CutPrefix(f.to, "attrs."); ok && kind == "item" {
		if name == "" {
			return channel.Fault("map."+f.to, "names no attr")
		}
		return nil
	}
	if f.to == "attrs" || f.to == "kind" || f.to == "parts" {
		return channel.Fault("map."+f.to, "cannot be told by one field; an attr is attrs.NAME")
	}
	probe, err := json.Marshal(map[string]any{"kind": kind, "id": "x", f.to: nil})
	if err != nil {
		return channel.Fault("map."+f.to, "is no name")
	}
	if f.to == "id" {
		return nil
	}
	if _, err := otn.DecodeObservation(probe); err != nil {
		return channel.Fault("map."+f.to, "%v", err)
	}
	return nil
}

// isCurrency reports whether a map's currency is a code rather than a field's name.
func isCurrency(s string) bool {
	_, ok := otn.Exponent(s)
	return ok
}

// strict decodes one JSON object without unknown fields and without anything behind it.
func strict(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if d.More() {
		return errors.New("more than one JSON object")
	}
	return nil
}
