// Values as they stand on the wire.

package api

import (
	"encoding/json"
	"reflect"
	"sort"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core/otn"
)

// Text is a text, a number or true and false, kept as the text it was written as: the rules give it its type.
type Text string

// UnmarshalJSON reads a JSON text, number, true or false.
func (t *Text) UnmarshalJSON(b []byte) error {
	if kind := map[byte]string{'{': "object", '[': "array", 'n': "null"}[b[0]]; kind != "" {
		return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeFor[string]()}
	}
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*t = Text(s)
	return nil
}

// Schema says what a Text may be.
func (Text) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString, MaxLength: ptr(4096)}, {Type: huma.TypeNumber}, {Type: huma.TypeBoolean}}}
}

func ptr[T any](v T) *T { return &v }

func named(m map[string]Text) []otn.Named {
	list := make([]otn.Named, 0, len(m))
	for name, v := range m {
		list = append(list, otn.Named{Name: name, Value: otn.StringValue(string(v))})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

func plain(m map[string]Text) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for name, v := range m {
		out[name] = string(v)
	}
	return out
}
