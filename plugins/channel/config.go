// From JSON to an author's configuration: every fault found, each with its path, and no secret quoted.

package channel

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
)

// decode checks a configuration against C's shape, fills in what was left out and reads it.
func decode[C any](config []byte) (c C, err error) {
	if len(bytes.TrimSpace(config)) == 0 {
		config = []byte("{}")
	}
	var raw any
	d := json.NewDecoder(bytes.NewReader(config))
	d.UseNumber()
	if d.Decode(&raw) != nil || d.More() {
		return c, Fault("", "not a JSON object")
	}
	check := checker{}
	check.value(shapeOf(reflect.TypeFor[C]()), raw, "")
	if len(check.faults) > 0 {
		return c, &ConfigError{Diagnostics: check.faults}
	}
	whole, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(whole, &c)
	}
	if err != nil {
		return c, Fault("", "does not fit the plugin's configuration: %s", typeOnly(err))
	}
	return c, nil
}

// typeOnly keeps what json says of a mismatch without the value it found.
func typeOnly(err error) string {
	if te := (*json.UnmarshalTypeError)(nil); errors.As(err, &te) {
		return fmt.Sprintf("%s wants a %s", te.Field, te.Type)
	}
	return "a value is out of range or malformed"
}

// checker walks a value beside its shape, collects the faults and fills in the defaults.
type checker struct{ faults []Diagnostic }

func (c *checker) fault(path, format string, args ...any) {
	c.faults = append(c.faults, Diagnostic{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) value(s *shape, v any, path string) {
	if s.typ == "" {
		return
	}
	if got := jsonType(v); got != s.typ && (got != "integer" || s.typ != "number") {
		c.fault(path, "want %s, got %s", article(s.typ), article(got))
		return
	}
	switch v := v.(type) {
	case string:
		c.text(s, v, path)
	case []any:
		for i, e := range v {
			c.value(s.elem, e, fmt.Sprintf("%s[%d]", path, i))
		}
	case map[string]any:
		c.object(s, v, path)
	}
}

func (c *checker) text(s *shape, v, path string) {
	if s.enum != nil && !slices.Contains(s.enum, v) {
		c.fault(path, "want one of %s", strings.Join(s.enum, ", "))
		return
	}
	if s.text {
		if err := reflect.New(s.goType).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(v)); err != nil {
			c.fault(path, "%s", err)
		}
	}
	if s.secret && s.required && v == "" {
		c.fault(path, "is empty")
	}
}

func (c *checker) object(s *shape, v map[string]any, path string) {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		switch known := s.field(name); {
		case known != nil:
			c.value(known, v[name], join(path, name))
		case s.elem != nil:
			c.value(s.elem, v[name], join(path, name))
		default:
			c.fault(join(path, name), "unknown key%s", s.nearest(name))
		}
	}
	for _, f := range s.fields {
		if _, given := v[f.name]; given {
			continue
		}
		if f.required {
			c.fault(join(path, f.name), "is required")
		} else if f.fallback != nil {
			v[f.name] = f.fallback
		}
	}
}

// nearest suggests the field that a key was probably meant to be.
func (s *shape) nearest(key string) string {
	best, at := "", 3
	for _, f := range s.fields {
		if d := distance(f.name, key); d < at {
			best, at = f.name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// distance is how many letters must be added, left out or changed to get from a to b.
func distance(a, b string) int {
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

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func jsonType(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func article(typ string) string {
	switch typ {
	case "null":
		return typ
	case "integer", "array", "object":
		return "an " + typ
	}
	return "a " + typ
}
