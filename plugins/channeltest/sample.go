// A configuration made from a schema: the defaults, the first of what is allowed, and something for what is required.

package channeltest

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
)

// schema is as much of a JSON Schema as it takes to make a value that mostly fits.
type schema struct {
	Type       any                `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	MinItems   int                `json:"minItems"`
	MinLength  int                `json:"minLength"`
	Minimum    float64            `json:"minimum"`
	Default    json.RawMessage    `json:"default"`
	Const      json.RawMessage    `json:"const"`
	Enum       []json.RawMessage  `json:"enum"`
	Examples   []json.RawMessage  `json:"examples"`
}

// Sample makes a configuration that fits a simple schema: every required key, and no other. Errors: encoding/json's.
func Sample(text []byte) (json.RawMessage, error) {
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	return json.Marshal(s.value("config"))
}

func (s *schema) value(name string) any {
	switch {
	case s == nil:
		return name
	case s.Const != nil:
		return s.Const
	case s.Default != nil:
		return s.Default
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	typ := s.Type
	if list, ok := typ.([]any); ok && len(list) > 0 {
		typ = list[0]
	}
	switch typ {
	case "boolean":
		return false
	case "integer", "number":
		return math.Ceil(s.Minimum)
	case "null":
		return nil
	case "array":
		list := make([]any, s.MinItems)
		for i := range list {
			list[i] = s.Items.value(name)
		}
		return list
	case "string":
		return name + strings.Repeat("x", max(0, s.MinLength-len(name)))
	}
	return s.object()
}

func (s *schema) object() map[string]any {
	m := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if slices.Contains(s.Required, name) {
			m[name] = s.Properties[name].value(name)
		}
	}
	return m
}
