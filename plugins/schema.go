// A configuration against its plugin's JSON Schema: every fault with its path, and no value quoted, since it may be a secret.

package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/onetimenotify/otn/core/otn"
)

// Check finds what of a configuration in JSON does not fit a plugin's JSON Schema (2020-12 unless it names another draft). An empty
// schema fits everything. Errors: otn.ErrInvalid for a schema that is none, or that refers to anything outside itself.
func Check(schema, config []byte) ([]Diagnostic, error) {
	if len(bytes.TrimSpace(schema)) == 0 {
		return nil, nil
	}
	doc, compiled, err := compile(schema)
	if err != nil {
		return nil, fmt.Errorf("the plugin's schema: %w: %w", err, otn.ErrInvalid)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		return []Diagnostic{{Message: "not JSON"}}, nil
	}
	var ve *jsonschema.ValidationError
	if !errors.As(compiled.Validate(value), &ve) {
		return nil, nil
	}
	w := faults{schema: doc}
	w.walk(ve)
	slices.SortStableFunc(w.found, func(a, b Diagnostic) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(w.found), nil
}

// nothingElse is the loader of schemas: a schema stands by itself.
type nothingElse struct{}

func (nothingElse) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %s, and must stand by itself", url)
}

func compile(schema []byte) (any, *jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, nil, errors.New("it is no JSON")
	}
	const name = "otn:config"
	c := jsonschema.NewCompiler()
	c.UseLoader(nothingElse{})
	if err := c.AddResource(name, doc); err != nil {
		return nil, nil, err
	}
	compiled, err := c.Compile(name)
	return doc, compiled, err
}

// faults gathers what is wrong, from the tree that the library makes of it.
type faults struct {
	schema any
	found  []Diagnostic
}

func (w *faults) add(at []string, format string, args ...any) {
	w.found = append(w.found, Diagnostic{Path: path(at), Message: fmt.Sprintf(format, args...)})
}

// path writes a place as in steps[0].kind.
func path(at []string) string {
	var b strings.Builder
	for _, word := range at {
		if _, err := strconv.Atoi(word); err == nil && b.Len() > 0 {
			b.WriteString("[" + word + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(word)
	}
	return b.String()
}

func (w *faults) walk(e *jsonschema.ValidationError) {
	at := e.InstanceLocation
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not, *kind.Contains:
		w.add(at, "fits none of the forms that the plugin allows here")
		return
	case *kind.Type:
		w.add(at, "want %s, got %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.Required:
		for _, name := range k.Missing {
			w.add(append(slices.Clone(at), name), "is required")
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			w.add(append(slices.Clone(at), name), "unknown key%s", w.known(at))
		}
	default:
		if len(e.Causes) == 0 {
			w.add(at, "%s", words(e.ErrorKind))
		}
	}
	for _, cause := range e.Causes {
		w.walk(cause)
	}
}

// words says what a keyword asks for. What was found is never in it.
func words(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Enum:
		return "want one of " + listed(k.Want)
	case *kind.Const:
		return fmt.Sprintf("want %v", k.Want)
	case *kind.Pattern:
		return "want a text like " + k.Want
	case *kind.Format:
		return "want a text of the format " + k.Want
	case *kind.MinLength:
		return fmt.Sprintf("want at least %d characters, got %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("want at most %d characters, got %d", k.Want, k.Got)
	case *kind.MinItems:
		return fmt.Sprintf("want at least %d, got %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("want at most %d, got %d", k.Want, k.Got)
	case *kind.Minimum:
		return "want at least " + k.Want.RatString()
	case *kind.Maximum:
		return "want at most " + k.Want.RatString()
	case *kind.ExclusiveMinimum:
		return "want more than " + k.Want.RatString()
	case *kind.ExclusiveMaximum:
		return "want less than " + k.Want.RatString()
	case *kind.FalseSchema:
		return "is not allowed here"
	}
	return "does not fit the plugin's schema (" + strings.Join(k.KeywordPath(), "/") + ")"
}

func listed(all []any) string {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}

// maxKnown is how many keys a fault lists.
const maxKnown = 12

// known lists the keys that the schema has at a place, where that can be seen without following references.
func (w *faults) known(at []string) string {
	node, _ := w.schema.(map[string]any)
	for _, word := range at {
		inner, _ := node["properties"].(map[string]any)
		next, ok := inner[word]
		if !ok {
			next = node["items"]
		}
		node, _ = next.(map[string]any)
	}
	inner, _ := node["properties"].(map[string]any)
	if len(inner) == 0 || len(inner) > maxKnown {
		return ""
	}
	return ", known here: " + strings.Join(slices.Sorted(maps.Keys(inner)), ", ")
}
