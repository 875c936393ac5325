// The language as JSON Schema, for editors: made from the table that the decoder checks by.

package rules

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// Schema is the JSON Schema (draft 7, which YAML editors know) of a rule file: which keys stand where, what they are for and
// what they take. It knows shapes; what expressions say is left to Check.
func Schema() []byte {
	definitions := map[string]any{}
	for shape := range fileKeys {
		definitions[definition(shape)] = schemaOf(shape)
	}
	maps.Copy(definitions, map[string]any{
		"type": plainly(map[string]any{"enum": typeNames()}, "one of the types of values"),
	})
	root := map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "otn rule file", "$ref": "#/definitions/" + definition("file"), "definitions": definitions,
	}
	text, _ := json.MarshalIndent(root, "", "  ") // maps of texts and lists: it cannot fail
	return append(text, '\n')
}

// definition is the name of a shape in the schema.
func definition(shape string) string { return strings.ReplaceAll(shape, " ", "_") }

func refTo(shape string) map[string]any {
	return map[string]any{"$ref": "#/definitions/" + definition(shape)}
}

// plainly is a schema with what it is for.
func plainly(s map[string]any, says string) map[string]any {
	if says != "" {
		s["description"] = says
	}
	return s
}

// schemaOf describes a mapping.
func schemaOf(shape string) map[string]any {
	properties, must := map[string]any{}, []string{}
	for _, k := range fileKeys[shape] {
		properties[k.name] = plainly(k.schema(), k.says)
		if k.must {
			must = append(must, k.name)
		}
	}
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(must) > 0 {
		out["required"] = must
	}
	switch shape {
	case "message", "message of a channel":
		var forms []any
		for _, form := range []otn.Form{otn.TextForm, otn.CardForm, otn.GalleryForm, otn.ImageForm, otn.TemplateForm} {
			forms = append(forms, map[string]any{"required": []string{string(form)}})
		}
		out["oneOf"] = forms
	case "card", "gallery":
		out["minProperties"] = len(must) + 1
	case "ask": // on a referral the link can name the topic
		out["anyOf"] = []any{map[string]any{"required": []string{"topic"}}, map[string]any{"properties": map[string]any{"on": map[string]any{"const": otn.Referred}}}}
	case "rule":
		out["anyOf"] = []any{map[string]any{"required": []string{"on"}}, map[string]any{"required": []string{"cron"}}, map[string]any{"required": []string{"once"}}}
	}
	return out
}

// anyScalar is any plain value: 5m, 1, true. What it is as a YAML number does not matter.
func anyScalar() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

func pattern(re string) map[string]any { return map[string]any{"type": "string", "pattern": re} }

func listOf(of map[string]any) map[string]any { return map[string]any{"type": "array", "items": of} }

func anyOf(ways ...map[string]any) map[string]any { return map[string]any{"anyOf": ways} }

// schema is what stands behind a key.
func (k key) schema() map[string]any {
	s := k.value()
	if k.off {
		return anyOf(s, map[string]any{"const": off})
	}
	return s
}

func (k key) value() map[string]any {
	switch k.takes {
	case anID:
		return anyOf(pattern(idShape.String()), map[string]any{"type": "integer", "minimum": 0})
	case aSpan:
		return pattern(`^\s*(\d{1,6}[wdhms])+\s*$`)
	case aCount:
		return map[string]any{"type": "integer", "minimum": 1}
	case aChoice:
		return map[string]any{"enum": k.choices()}
	case aTypeChoice:
		return map[string]any{"$ref": "#/definitions/type"}
	case aMapping:
		return refTo(k.shape)
	case someNames:
		return byName(refTo(k.shape), k.shape)
	case typedNames:
		return byName(anyOf(refTo(k.shape), map[string]any{"$ref": "#/definitions/type"}), k.shape)
	case someOf:
		return anyOf(listOf(refTo(k.shape)), map[string]any{"type": "null"})
	case someTexts:
		return listOf(anyScalar())
	case someWords:
		word := anyOf(map[string]any{"enum": slices.DeleteFunc(slices.Clone(k.words), func(w string) bool { return strings.Contains(w, "NAME") })}, pattern(`^trigger\.[a-z][a-z0-9_]*$`))
		return anyOf(word, listOf(word))
	case someRanks:
		return anyOf(map[string]any{"enum": []string{oldest, newest}}, listOf(anyScalar()))
	case someHours:
		return pattern(`^\s*\d{1,2}:\d{2}\s*-\s*\d{1,2}:\d{2}\s*$`)
	case aRate:
		return pattern(`^\s*\d+\s*/\s*(\d{1,6}[wdhms])+\s*$`)
	case aShare:
		return pattern(`^\s*\d+(\.\d+)?\s*%\s*$`)
	case aVersion:
		return map[string]any{"enum": []any{1, "1"}}
	}
	return anyScalar()
}

// choices are the words of a choice, and the values that a YAML editor takes them for.
func (k key) choices() (out []any) {
	for _, w := range k.words {
		out = append(out, w)
		if w == "true" || w == "false" {
			out = append(out, w == "true")
		}
	}
	return out
}

// byName is a mapping whose keys are the merchant's own.
func byName(of map[string]any, shape string) map[string]any {
	out := map[string]any{"type": []string{"object", "null"}, "additionalProperties": of}
	switch shape {
	case "topic":
		out["propertyNames"] = pattern(idShape.String())
	case "param", "attr", "trigger", "field", "answer":
		out["propertyNames"] = pattern(snakeCase.String())
	}
	if shape == "trigger" { // one that carries nothing says nothing
		out["additionalProperties"] = anyOf(of, map[string]any{"type": "null"})
	}
	return out
}
