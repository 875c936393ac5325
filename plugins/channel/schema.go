// The shape of a configuration, read from a struct's fields and tags: what the JSON Schema says and what is checked are one.

package channel

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// shape is one value of a configuration.
type shape struct {
	typ      string // of JSON Schema; "" for anything
	goType   reflect.Type
	text     bool // a string that goType's UnmarshalText reads
	secret   bool
	doc      string
	fallback json.RawMessage // stands in when it is left out
	enum     []string
	required bool // of its object
	fields   []field
	elem     *shape // of an array, or of an object with any keys
}

type field struct {
	name string
	*shape
}

func (s *shape) field(name string) *shape {
	for _, f := range s.fields {
		if f.name == name {
			return f.shape
		}
	}
	return nil
}

// shapeOf reads a type. A type that JSON cannot carry has the shape of anything.
func shapeOf(t reflect.Type) *shape {
	if t.Kind() == reflect.Pointer {
		return shapeOf(t.Elem())
	}
	s := &shape{goType: t}
	switch {
	case t == reflect.TypeFor[otn.Secret]():
		s.typ, s.secret = "string", true
	case t == reflect.TypeFor[json.RawMessage]():
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		s.typ, s.text = "string", true
	default:
		s.fromKind(t)
	}
	return s
}

func (s *shape) fromKind(t reflect.Type) {
	switch t.Kind() {
	case reflect.Bool:
		s.typ = "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.typ = "integer"
	case reflect.Float32, reflect.Float64:
		s.typ = "number"
	case reflect.String:
		s.typ = "string"
	case reflect.Slice, reflect.Array:
		s.typ, s.elem = "array", shapeOf(t.Elem())
	case reflect.Map:
		s.typ, s.elem = "object", shapeOf(t.Elem())
	case reflect.Struct:
		s.typ, s.fields = "object", fieldsOf(t)
	default:
	}
}

// fieldsOf lists a struct's fields as encoding/json sees them; embedded structs without a name lend theirs.
func fieldsOf(t reflect.Type) (all []field) {
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if len(f.Index) > 1 && !promoted(t, f.Index) || !f.IsExported() || name == "-" || f.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		s := shapeOf(f.Type)
		s.doc = f.Tag.Get("doc")
		if e := f.Tag.Get("enum"); e != "" {
			s.enum = strings.Split(e, ",")
		}
		if d, ok := f.Tag.Lookup("default"); ok {
			s.fallback = s.literal(d)
		}
		s.required = s.fallback == nil && !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero")
		all = append(all, field{name, s})
	}
	return all
}

// promoted reports whether the path to a field leads through unnamed embedded structs alone.
func promoted(t reflect.Type, index []int) bool {
	for n := 1; n < len(index); n++ {
		if t.FieldByIndex(index[:n]).Tag.Get("json") != "" {
			return false
		}
	}
	return true
}

// literal reads a default tag: JSON where the shape is no string, else the text itself.
func (s *shape) literal(tag string) json.RawMessage {
	if s.typ != "string" {
		return json.RawMessage(tag)
	}
	quoted, err := json.Marshal(tag)
	if err != nil {
		return nil
	}
	return quoted
}

// node is a JSON Schema, as much of it as a configuration needs.
type node struct {
	Schema      string           `json:"$schema,omitempty"`
	Type        string           `json:"type,omitempty"`
	Description string           `json:"description,omitempty"`
	Default     json.RawMessage  `json:"default,omitempty"`
	Enum        []string         `json:"enum,omitempty"`
	WriteOnly   bool             `json:"writeOnly,omitempty"`
	Properties  map[string]*node `json:"properties,omitempty"`
	Required    []string         `json:"required,omitempty"`
	Additional  any              `json:"additionalProperties,omitempty"`
	Items       *node            `json:"items,omitempty"`
}

func (s *shape) node() *node {
	n := &node{Type: s.typ, Description: s.doc, Default: s.fallback, Enum: s.enum, WriteOnly: s.secret}
	switch {
	case s.typ == "array":
		n.Items = s.elem.node()
	case s.elem != nil:
		n.Additional = s.elem.node()
	case s.typ == "object":
		n.Properties, n.Additional = map[string]*node{}, false
		for _, f := range s.fields {
			n.Properties[f.name] = f.node()
			if f.required {
				n.Required = append(n.Required, f.name)
			}
		}
	}
	return n
}

// schemaOf writes the JSON Schema (2020-12) of a configuration.
func schemaOf[C any]() []byte {
	n := shapeOf(reflect.TypeFor[C]()).node()
	n.Schema = "https://json-schema.org/draft/2020-12/schema"
	out, err := json.Marshal(n)
	if err != nil {
		return nil
	}
	return out
}
