// Observations written as JSON.

package otn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// EncodeObservation writes what DecodeObservation reads. Errors: ErrInvalid for a value that the form cannot hold.
func EncodeObservation(o Observation) ([]byte, error) {
	w := observationWriter{first: true}
	w.buf.WriteByte('{')
	w.write(&o)
	w.buf.WriteByte('}')
	if w.err != nil {
		return nil, fmt.Errorf("observation: %w: %w", w.err, ErrInvalid)
	}
	return w.buf.Bytes(), nil
}

type observationWriter struct {
	buf   bytes.Buffer
	first bool
	err   error
}

func (w *observationWriter) write(o *Observation) {
	s := o.Subject()
	if o.Item == nil && o.Collection == nil {
		o.Item = &Item{}
		s.Kind = ItemKind
	}
	w.field("kind", string(s.Kind), true)
	w.field("id", s.ID, s.ID != "")
	known := known(o)
	for _, f := range o.wireFacts() {
		switch {
		case known.Has(f.fact):
			w.fact(f)
		case o.Forget.Has(f.fact):
			w.field(f.name, nil, true)
		}
	}
	if o.Item != nil && len(o.Item.Attrs) > 0 {
		w.field("attrs", attrsOf(o.Item.Attrs), true)
	}
	w.field("as_of", o.AsOf, !o.AsOf.IsZero())
	w.field("gone", true, o.Gone)
	w.field("ref", o.Ref, o.Ref != "")
	w.field("refs", o.Refs, len(o.Refs) > 0)
	w.field("parts", o.Parts, len(o.Parts) > 0)
}

func known(o *Observation) Fact {
	if o.Collection != nil {
		return o.Collection.Known
	}
	return o.Item.Known
}

// fact writes a known fact. A price without an amount is left out; no time and no availability are written as not known.
func (w *observationWriter) fact(f wireFact) {
	empty := false
	switch to := f.to.(type) {
	case *[]string:
		f.to = append([]string{}, *to...)
	case *Money:
		if to.IsZero() {
			return
		}
	case *time.Time:
		empty = to.IsZero()
	case *Availability:
		empty = *to == ""
	}
	if empty {
		f.to = nil
	}
	w.field(f.name, f.to, true)
}

func (w *observationWriter) field(name string, value any, told bool) {
	if !told || w.err != nil {
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		w.err = fmt.Errorf("%s: %w", name, err)
		return
	}
	if !w.first {
		w.buf.WriteByte(',')
	}
	w.first = false
	fmt.Fprintf(&w.buf, "%q:%s", name, text)
}

func attrsOf(attrs []Named) map[string]any {
	m := make(map[string]any, len(attrs))
	for _, a := range attrs {
		switch v := a.Value; v.Type() {
		case NoType:
			m[a.Name] = nil
		case Bool:
			m[a.Name] = v.Bool()
		case Int:
			m[a.Name] = v.Int()
		case String:
			m[a.Name] = v.Text()
		default:
			m[a.Name] = map[string]string{v.Type().String(): v.String()}
		}
	}
	return m
}
