// Observations as JSON, the form in which the outside tells them: fields left out are not known, null forgets.

package otn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"
)

// DecodeObservation reads one observation in otn's own form:
//
//	{"kind":"item","id":"SKU-1","title":"Wool coat","price":"99.00 USD","stock":3,"sellable":true,"url":"…"}
//
// kind is item when it is left out. A field left out is not told, and so is an empty price; null forgets what was known. Text may also be a whole
// number, which keeps every digit. Attrs are texts, whole numbers, numbers, true or false; {"money":"5.00 USD"} and
// {"time":"2026-12-01T10:00:00Z"} give the other types. Source is not in the form: whoever takes the observation knows it.
//
// Errors: ErrInvalid, naming every field at fault and for an unknown one the nearest.
func DecodeObservation(text []byte) (Observation, error) {
	raw, err := objectOf(text)
	if err != nil {
		return Observation{}, fmt.Errorf("observation: %w: %w", err, ErrInvalid)
	}
	d := observationReader{fields: raw}
	o := d.read()
	if len(d.faults) > 0 {
		return Observation{}, fmt.Errorf("observation: %s: %w", strings.Join(d.faults, "; "), ErrInvalid)
	}
	return o, nil
}

// wireFact is one fact of a subject: its name, and a pointer to the field that holds it.
type wireFact struct {
	name string
	fact Fact
	to   any
}

func (o *Observation) wireFacts() []wireFact {
	if c := o.Collection; c != nil {
		return []wireFact{
			{"title", FactTitle, &c.Title}, {"url", FactURL, &c.URL}, {"image", FactImage, &c.Image}, {"items", FactItems, &c.Items},
			{"published", FactPublished, &c.Published}, {"published_at", FactPublishedAt, &c.PublishedAt}, {"launch_at", FactLaunchAt, &c.LaunchAt},
		}
	}
	i := o.Item
	return []wireFact{
		{"group", FactGroup, &i.Group}, {"title", FactTitle, &i.Title}, {"variant", FactVariant, &i.Variant}, {"url", FactURL, &i.URL},
		{"image", FactImage, &i.Image}, {"price", FactPrice, &i.Price}, {"list_price", FactListPrice, &i.ListPrice}, {"stock", FactStock, &i.Stock},
		{"sellable", FactSellable, &i.Sellable}, {"availability", FactAvailability, &i.Availability}, {"tags", FactTags, &i.Tags},
		{"collections", FactCollections, &i.Collections}, {"published", FactPublished, &i.Published},
		{"published_at", FactPublishedAt, &i.PublishedAt}, {"starts_at", FactStartsAt, &i.StartsAt},
	}
}

// objectOf takes one JSON object apart, and nothing behind it.
func objectOf(text []byte) (map[string]json.RawMessage, error) {
	var raw map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&raw); err != nil || raw == nil {
		return nil, fmt.Errorf("not a JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON object")
	}
	return raw, nil
}

type observationReader struct {
	fields map[string]json.RawMessage
	faults []string
}

func (d *observationReader) fault(name, format string, args ...any) {
	d.faults = append(d.faults, name+": "+fmt.Sprintf(format, args...))
}

func (d *observationReader) read() (o Observation) {
	kind := string(ItemKind)
	d.take("kind", &kind)
	var id string
	d.take("id", &id)
	var known *Fact
	switch Kind(kind) {
	case ItemKind:
		o.Item = &Item{ID: id}
		known = &o.Item.Known
		d.take("ref", &o.Ref)
		d.take("refs", &o.Refs)
		d.take("parts", &o.Parts)
		d.take("attrs", &o.Item.Attrs)
	case CollectionKind:
		o.Collection = &Collection{ID: id}
		known = &o.Collection.Known
	default:
		d.fault("kind", "%q: want item or collection", shorten(kind))
		return o
	}
	d.take("as_of", &o.AsOf)
	d.take("gone", &o.Gone)
	d.facts(&o, known)
	if id == "" && o.Ref == "" && (o.Item == nil || o.Item.Group == "") {
		d.fault("id", "is missing")
	}
	return o
}

func (d *observationReader) facts(o *Observation, known *Fact) {
	facts := o.wireFacts()
	for _, f := range facts {
		switch text, told := d.fields[f.name]; {
		case !told:
		case isNull(text):
			o.Forget |= f.fact
		default:
			d.value(f.name, text, f.to)
			if m, ok := f.to.(*Money); !ok || !m.IsZero() {
				*known |= f.fact
			}
		}
		delete(d.fields, f.name)
	}
	d.unknown(o, facts)
}

func (d *observationReader) unknown(o *Observation, facts []wireFact) {
	names := []string{"kind", "id", "as_of", "gone"}
	if o.Item != nil {
		names = append(names, "attrs", "ref", "refs", "parts")
	}
	for _, f := range facts {
		names = append(names, f.name)
	}
	left := make([]string, 0, len(d.fields))
	for name := range d.fields {
		left = append(left, name)
	}
	sort.Strings(left)
	for _, name := range left {
		hint := ""
		if near := nearest(name, names); near != "" {
			hint = fmt.Sprintf(", did you mean %q?", near)
		}
		d.fault(fmt.Sprintf("%q", shorten(name)), "unknown field of %s%s", article(o.Subject().Kind), hint)
	}
}

// take reads a field that is no fact. Null is as good as left out.
func (d *observationReader) take(name string, to any) {
	if text, told := d.fields[name]; told && !isNull(text) {
		d.value(name, text, to)
	}
	delete(d.fields, name)
}

func (d *observationReader) value(name string, text json.RawMessage, to any) {
	if err := readJSON(text, to); err != nil {
		d.fault(name, "%v", err)
	}
}

// readJSON reads one value into a field. Its errors say what was wanted and quote what was found.
func readJSON(text json.RawMessage, to any) error {
	want := ""
	switch to := to.(type) {
	case *string:
		return readText(text, to)
	case *[]string:
		return readTexts(text, to)
	case *Money:
		return readMoney(text, to)
	case *Availability:
		return readAvailability(text, to)
	case *[]Named:
		return readAttrs(text, to)
	case *map[string]*int64:
		want = "whole numbers by place"
	case *int64:
		want = "a whole number"
	case *bool:
		want = "true or false"
	case *time.Time:
		want = "a time as in \"2026-12-01T10:00:00Z\""
	}
	if json.Unmarshal(text, to) != nil {
		return fmt.Errorf("%s: want %s", shorten(string(text)), want)
	}
	return nil
}

func readText(text json.RawMessage, to *string) error {
	if isWhole(text) {
		*to = string(text)
		return nil
	}
	if json.Unmarshal(text, to) != nil {
		return fmt.Errorf("%s: want text", shorten(string(text)))
	}
	return nil
}

func readTexts(text json.RawMessage, to *[]string) error {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		return fmt.Errorf("%s: want a list of texts", shorten(string(text)))
	}
	*to = make([]string, len(list))
	for n, e := range list {
		if err := readText(e, &(*to)[n]); err != nil || isNull(e) {
			return fmt.Errorf("%s: want text", shorten(string(e)))
		}
	}
	return nil
}

func readMoney(text json.RawMessage, to *Money) error {
	var s string
	if json.Unmarshal(text, &s) != nil {
		return fmt.Errorf("%s: want an amount and a currency in one text, as in \"99.00 USD\"", shorten(string(text)))
	}
	if s = strings.TrimSpace(s); s == "" {
		return nil // as good as left out
	}
	m, err := ParseMoney(s)
	*to = m
	return err
}

func readAvailability(text json.RawMessage, to *Availability) error {
	var s string
	_ = json.Unmarshal(text, &s)
	switch *to = Availability(s); *to {
	case InStock, OutOfStock, Preorder, Backorder:
		return nil
	}
	return fmt.Errorf("%s: want in_stock, out_of_stock, preorder or backorder", shorten(string(text)))
}

func readAttrs(text json.RawMessage, to *[]Named) error {
	raw, err := objectOf(text)
	if err != nil {
		return fmt.Errorf("%s: want values by name", shorten(string(text)))
	}
	for name, v := range raw {
		value, err := readAttr(v)
		if err != nil {
			return fmt.Errorf("%q: %w", shorten(name), err)
		}
		*to = append(*to, Named{name, value})
	}
	sort.Slice(*to, func(a, b int) bool { return (*to)[a].Name < (*to)[b].Name })
	return nil
}

func readAttr(text json.RawMessage) (Value, error) {
	switch text[0] {
	case 'n':
		return Value{}, nil
	case 't', 'f':
		return BoolValue(text[0] == 't'), nil
	case '"':
		var s string
		err := json.Unmarshal(text, &s)
		return StringValue(s), err
	case '{':
		var typed map[string]string
		if json.Unmarshal(text, &typed) == nil && len(typed) == 1 {
			for name, s := range typed {
				if t, ok := ParseType(name); ok {
					return ParseValue(t, s)
				}
			}
		}
		return Value{}, fmt.Errorf("%s: want one type with its text, as in {\"money\":\"5.00 USD\"}", shorten(string(text)))
	case '[':
		return Value{}, fmt.Errorf("%s: want one value", shorten(string(text)))
	}
	if isWhole(text) {
		return ParseValue(Int, string(text))
	}
	return ParseValue(Float, string(text))
}

func isNull(text json.RawMessage) bool { return string(text) == "null" }

// isWhole reports whether a JSON value is a number without fraction and exponent.
func isWhole(text json.RawMessage) bool {
	return digits(strings.TrimPrefix(string(text), "-"))
}

func article(k Kind) string {
	if k == ItemKind {
		return "an item"
	}
	return "a " + string(k)
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// nearest gives the name that was probably meant, "" when none is near.
func nearest(name string, names []string) string {
	best, at := "", 3
	for _, n := range names {
		if d := letters(n, name); d < min(at, len(n)) {
			best, at = n, d
		}
	}
	return best
}

// letters is how many letters must be added, left out or changed to get from a to b.
func letters(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
