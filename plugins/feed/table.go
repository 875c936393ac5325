// Tables: tab-separated Merchant feeds, and CSV.

package feed

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// row is one line of a table under the names of its header.
type row struct {
	line  int
	names []string
	cells []string
}

func (r *row) get(name string) string {
	if i := slices.Index(r.names, name); i >= 0 && i < len(r.cells) {
		return strings.TrimSpace(strings.ToValidUTF8(r.cells[i], "\uFFFD"))
	}
	return ""
}

// table reads a table and yields its lines. A last line without an end was cut short when it is shorter than the header, or when the
// connection does not tell where a file ends; so was a quote that is never closed. lazy lets quotes stand anywhere.
func (p *page) table(comma rune, lazy bool, name func(string) string, yield func(*row) error) error {
	guard := &pieces{r: p.text()}
	c := csv.NewReader(guard)
	c.Comma, c.LazyQuotes, c.FieldsPerRecord = comma, lazy, -1
	head, err := c.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("an empty file: %w", otn.ErrInvalid)
	}
	if err != nil {
		return tableFault(err)
	}
	names := make([]string, len(head))
	for i, n := range head {
		names[i] = name(strings.TrimSpace(strings.ToValidUTF8(n, "\uFFFD")))
	}
	if !slices.Contains(names, "id") {
		return fmt.Errorf("no table of items: its first line has no column id but %.200q: %w", strings.Join(head, " "), otn.ErrInvalid)
	}
	var held *row // is yielded when it is known not to be the last
	for {
		guard.next()
		cells, err := c.Read()
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return tableFault(err)
		}
		if held != nil {
			if last && guard.last != '\n' && (p.open || len(held.cells) < len(names)) {
				return errCut
			}
			if err := yield(held); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
		line, _ := c.FieldPos(0)
		held = &row{line, names, cells}
		if lazy && slices.ContainsFunc(cells, func(s string) bool { return strings.ContainsRune(s, comma) && strings.ContainsRune(s, '\n') }) {
			return fmt.Errorf("line %d: a quote that is not closed: %w", line, otn.ErrInvalid)
		}
	}
}

func tableFault(err error) error {
	var bad *csv.ParseError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.As(err, &bad) && errors.Is(err, csv.ErrQuote):
		return fmt.Errorf("line %d: a quote that is not closed: %w", bad.StartLine, otn.ErrInvalid)
	case errors.As(err, &bad):
		return fmt.Errorf("line %d: %w: %w", bad.Line, bad.Err, otn.ErrInvalid)
	}
	return err
}

// googleTSV reads a Merchant feed with tabs. Older files write the names of fields with spaces.
func (f *Feed) googleTSV(p *page, t *telling) error {
	return p.table('\t', true, normal, func(r *row) error { return f.product(t, r.get) })
}

// The facts that a column may tell, beside attrs.NAME.
func isFact(name string) bool {
	_, attr := strings.CutPrefix(name, "attrs.")
	return attr || slices.Contains([]string{
		"id", "group", "title", "variant", "url", "image", "price", "list_price", "stock", "sellable", "availability", "tags", "collections",
		"published", "published_at", "starts_at",
	}, name)
}

// csv reads a table whose columns are facts.
func (f *Feed) csv(p *page, t *telling) error {
	comma := rune(f.config.Comma[0])
	if f.config.Comma == "tab" {
		comma = '\t'
	}
	name := func(column string) string {
		for fact, mine := range f.config.Columns {
			if column == mine {
				return fact
			}
		}
		if _, elsewhere := f.config.Columns[column]; elsewhere || !isFact(column) {
			return ""
		}
		return column
	}
	return p.table(comma, false, name, func(r *row) error { return f.line(t, r) })
}

// line tells one line. One that makes no sense tells only that its item is there, and is noted.
func (f *Feed) line(t *telling, r *row) error {
	id := r.get("id")
	o := otn.Observation{Item: &otn.Item{ID: id}}
	if id == "" {
		return t.item(o)
	}
	if len(r.cells) > len(r.names) {
		t.note("cells", "line %d: %d cells under %d names", r.line, len(r.cells), len(r.names))
		return t.item(o)
	}
	text, err := json.Marshal(f.object(t, r))
	read := o
	if err == nil {
		read, err = otn.DecodeObservation(text)
	}
	if err != nil {
		t.note("line", "line %d: %v", r.line, err)
		return t.item(o)
	}
	o = read
	if !o.Item.Known.Has(otn.FactPublished) {
		hook.Tell(&o, otn.FactPublished, &o.Item.Published, true)
	}
	if a := o.Item.Availability; a != "" && !o.Item.Known.Has(otn.FactSellable) {
		hook.Tell(&o, otn.FactSellable, &o.Item.Sellable, a == otn.InStock)
	}
	return t.item(o)
}

// object is a line in otn's own form. An empty cell is not told.
func (f *Feed) object(t *telling, r *row) map[string]any {
	object, attrs := map[string]any{}, map[string]any{}
	for _, name := range r.names {
		cell := r.get(name)
		attr, isAttr := strings.CutPrefix(name, "attrs.")
		switch {
		case name == "" || cell == "":
		case isAttr:
			attrs[attr] = cell
		case name == "price" || name == "list_price":
			if m, ok := f.price(t, r.get("id"), cell); ok {
				object[name] = m.String()
			}
		case name == "tags" || name == "collections":
			object[name] = strings.Split(cell, "|")
		case name == "availability":
			object[name] = normal(cell)
		case name == "stock" || name == "sellable" || name == "published":
			object[name] = bare(cell)
		default:
			object[name] = cell
		}
	}
	if len(attrs) > 0 {
		object["attrs"] = attrs
	}
	return object
}

// bare is a number, true or false where the cell is one, and its text where it is not: the reader says what is wrong with it.
func bare(cell string) any {
	lower := strings.ToLower(cell)
	if json.Valid([]byte(lower)) {
		return json.RawMessage(lower)
	}
	return cell
}
