// From nodes to declarations: which keys may stand where, and what their values are.

package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// decoder reads one file into what all files declare together.
type decoder struct {
	*source
	into *declared
}

// keys lists what a mapping may hold; later are keys of the language that this version does not know.
type keys struct{ may, must, later []string }

// mapping checks that n is a mapping with known keys, each once. It returns nil when there is nothing to read.
func (d *decoder) mapping(n *node, what string, k keys) *node {
	if n == nil || !d.is(n, mapNode, what) {
		return nil
	}
	seen := map[string]bool{}
	for _, p := range n.pairs {
		key := p.key.text
		switch {
		case seen[key]:
			d.fault(p.key.at, codeTwice, fmt.Sprintf("%q stands twice in %s", key, what), "keep one of them")
		case slices.Contains(k.later, key):
			d.fault(p.key.at, codeKey, fmt.Sprintf("%q is not supported by this version", key), "")
		case len(k.may)+len(k.must) > 0 && !slices.Contains(k.may, key) && !slices.Contains(k.must, key):
			d.unknownKey(p, what, append(append([]string(nil), k.must...), k.may...))
		}
		seen[key] = true
	}
	for _, key := range k.must {
		if v := n.get(key); v == nil || v.kind == nullNode {
			if v == nil {
				d.fault(n.at, codeMissing, fmt.Sprintf("%s has no %q", what, key), "")
			} else {
				d.fault(v.at, codeMissing, fmt.Sprintf("%q is empty", key), "")
			}
		}
	}
	return n
}

func (d *decoder) unknownKey(p pair, what string, names []string) {
	if p.value.kind == nullNode && (strings.ContainsAny(p.key.text, " ()$") || len(p.key.text) > 30) {
		d.fault(p.key.at, codeComma, "YAML split the value before this at a comma", "quote the whole value: '…'")
		return
	}
	d.fault(p.key.at, codeKey, fmt.Sprintf("%s has no key %q", what, p.key.text), didYouMean(p.key.text, names))
}

// is checks the kind of a node.
func (d *decoder) is(n *node, want nodeKind, what string) bool {
	if n.kind == want {
		return true
	}
	if n.kind == nullNode {
		d.fault(n.at, codeMissing, fmt.Sprintf("%s is empty", what), "")
		return false
	}
	d.fault(n.at, codeShape, fmt.Sprintf("%s is %s, and here is %s", what, want, n.kind), "")
	return false
}

// word reads a plain value. ok is false, and a fault noted, when there is none.
func (d *decoder) word(n *node, what string) (string, bool) {
	if n == nil || !d.is(n, scalarNode, what) {
		return "", false
	}
	return n.text, true
}

// choice reads one of several words.
func (d *decoder) choice(n *node, what string, from ...string) string {
	w, ok := d.word(n, what)
	if ok && !slices.Contains(from, w) {
		d.fault(n.at, codeChoice, fmt.Sprintf("%s cannot be %q", what, w), didYouMean(w, from))
		return ""
	}
	return w
}

// truth reads true or false.
func (d *decoder) truth(n *node, what string) bool {
	return n != nil && d.choice(n, what, "true", "false") == "true"
}

var (
	snakeCase = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	idShape   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
)

// reserved are words that the expression syntax needs for itself.
func reserved() []string {
	return []string{"in", "not", "and", "or", "let", "if", "else", "matches", "contains", "true", "false", "nil"}
}

// name checks a snake_case name that must not hide a built-in one.
func (d *decoder) name(n *node, what string, builtin map[string]field) bool {
	switch {
	case !snakeCase.MatchString(n.text):
		d.fault(n.at, codeName, fmt.Sprintf("%q is no name for %s", n.text, what), "names are snake_case: a small letter, then small letters, digits and _")
		return false
	case slices.Contains(reserved(), n.text):
		d.fault(n.at, codeReserved, fmt.Sprintf("%q is a word of the expression syntax", n.text), "choose another name")
		return false
	}
	if _, ok := builtin[n.text]; ok || n.text == "has" {
		d.fault(n.at, codeReserved, fmt.Sprintf("%q is a built-in name", n.text), "choose another name")
		return false
	}
	return true
}

// id checks the id of a topic or a rule.
func (d *decoder) id(n *node, what string) bool {
	if n.kind != scalarNode || !idShape.MatchString(n.text) {
		d.fault(n.at, codeName, fmt.Sprintf("%q is no id for %s", n.text, what), "ids are letters, digits, - and _, at most 64")
		return false
	}
	return true
}

// typed reads the declaration of a typed value: a type alone, or a mapping with type and more.
func (d *decoder) typed(p pair, what string, k keys) (otn.Field, bool) {
	f := otn.Field{Name: p.key.text}
	before := len(d.faults)
	defer func() {
		if len(d.faults) > before {
			d.into.suspect[f.Name] = true
		}
	}()
	typeNode := p.value
	if p.value.kind == mapNode {
		if d.mapping(p.value, what, k) == nil || p.value.get("type") == nil {
			return f, false
		}
		typeNode = p.value.get("type")
	}
	w, ok := d.word(typeNode, "the type of "+what)
	if !ok {
		return f, false
	}
	types := []string{"bool", "int", "float", "string", "money", "time"}
	if f.Type, ok = otn.ParseType(w); !ok {
		d.fault(typeNode.at, codeType, fmt.Sprintf("there is no type %q", w), didYouMean(w, types))
		return f, false
	}
	if def := p.value.get("default"); def != nil {
		f.Default = d.typedValue(def, f.Type, "the default of "+what)
	}
	f.Optional = d.truth(p.value.get("optional"), "optional")
	if f.Optional && f.Default.Type() != otn.NoType {
		d.fault(p.value.get("optional").at, codeDefault, fmt.Sprintf("%s is optional and has a default", what), "keep one of them: sub.has."+f.Name+" tells whether an optional answer was given")
	}
	return f, true
}

// typedValue reads a plain value of a type, from its text as written.
func (d *decoder) typedValue(n *node, t otn.Type, what string) otn.Value {
	w, ok := d.word(n, what)
	if !ok {
		return otn.Value{}
	}
	v, err := otn.ParseValue(t, w)
	if err != nil {
		d.fault(n.at, codeDefault, fmt.Sprintf("%s is no %s: %q", what, t, w), exampleOf(t))
		return otn.Value{}
	}
	return v
}

func exampleOf(t otn.Type) string {
	return map[otn.Type]string{
		otn.Bool: "write true or false", otn.Int: "write a whole number, as in 3", otn.Float: "write a number, as in 2.5",
		otn.MoneyType: "write an amount and a currency, as in 99.00 USD", otn.Time: "write a moment, as in 2026-12-01T10:00:00Z",
	}[t]
}
