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

// names is the shape of a mapping whose keys are the merchant's own.
const names = ""

// mapping checks that n is a mapping with the keys of a shape of the language, each once. It returns nil when there is nothing to read.
func (d *decoder) mapping(n *node, what, shape string) *node {
	if n == nil || n.kind == nullNode && !d.is(n, mapNode, what) {
		return nil
	}
	known := fileKeys[shape]
	if n.kind != mapNode {
		d.fault(n.at, codeShape, fmt.Sprintf("%s is a mapping, and here is %s", what, n.kind), outline(known))
		return nil
	}
	seen := map[string]bool{}
	for i, p := range n.pairs {
		switch name := p.key.text; {
		case seen[name]:
			d.fault(p.key.at, codeTwice, fmt.Sprintf("%q stands twice in %s", name, what), "keep one of them")
		case shape != names && !slices.ContainsFunc(known, func(k key) bool { return k.name == name }):
			if d.unknownKey(p, what, shape); i > 0 && n.flow {
				n.pairs[i-1].value.split = p.splits()
			}
		}
		seen[p.key.text] = true
	}
	for _, k := range known {
		if !k.must {
			continue
		}
		if v := n.get(k.name); v == nil || v.kind == nullNode {
			if v == nil {
				d.fault(n.at, codeMissing, fmt.Sprintf("%s has no %q", what, k.name), "")
			} else {
				d.fault(v.at, codeMissing, fmt.Sprintf("%q is empty", k.name), "")
			}
		}
	}
	return n
}

// outline shows a mapping by the keys that it must have, or by its first ones.
func outline(known []key) string {
	var must, may []string
	for _, k := range known {
		if may = append(may, k.name+": …"); k.must {
			must = append(must, k.name+": …")
		}
	}
	if len(must) == 0 && len(may) > 0 {
		must = may[:min(len(may), 2)]
		if known[0].name == "text" { // of a message: one of them
			must = may[:1]
		}
	}
	if len(must) == 0 {
		return ""
	}
	return "write {" + strings.Join(must, ", ") + "}"
}

// splits reports a key that is none, but the rest of a value that YAML cut at a comma.
func (p pair) splits() bool {
	return p.value.kind == nullNode && (strings.ContainsAny(p.key.text, " ()$") || len(p.key.text) > 30)
}

func (d *decoder) unknownKey(p pair, what, shape string) {
	if p.splits() {
		d.fault(p.key.at, codeComma, "YAML split the value before this at a comma", "quote the whole value: '…'")
		return
	}
	var names []string
	for _, k := range fileKeys[shape] {
		names = append(names, k.name)
	}
	hint := didYouMean(p.key.text, names)
	if meant := meantKey(p.key.text, names); meant != "" {
		hint = fmt.Sprintf("did you mean %q?", meant)
	} else if home := homeOf(p.key.text); home != "" && nearest(p.key.text, names) == "" {
		hint = "it belongs into " + home
	}
	d.fault(p.key.at, codeKey, fmt.Sprintf("%s has no key %q", what, p.key.text), hint)
}

// meantKey is the key of this language under another word for it, where it may stand here; "" for none.
func meantKey(name string, names []string) string {
	meant := ""
	switch strings.ToLower(name) {
	case "name":
		meant = "id"
	case "if", "where", "condition":
		meant = "when"
	case "trigger", "event", "events":
		meant = "on"
	case "schedule":
		meant = "cron"
	case "wait":
		meant = "hold"
	case "delay":
		meant = "after"
	case "body", "message":
		meant = "text"
	case "heading", "label":
		meant = "title"
	case "link", "href":
		meant = "url"
	case "picture", "photo":
		meant = "image"
	case "kind":
		meant = "subject"
	case "question", "title":
		meant = "ask"
	case "batch", "waves":
		meant = "release"
	case "quiet_hours":
		meant = "deliver"
	case "throttle", "limit":
		meant = "limits"
	case "tz", "time_zone", "zone":
		meant = "timezone"
	case "items":
		meant = "each"
	case "required":
		meant = "optional"
	}
	if slices.Contains(names, meant) {
		return meant
	}
	return ""
}

// homeOf says where a key belongs that a merchant may look for elsewhere, or "".
func homeOf(name string) string {
	homes := []struct{ shape, words string }{{"release", "release"}, {"deliver", "deliver"}, {"limits", "limits"}, {"pause_above", "limits.pause_above"},
		{"message", "message"}, {"card", "card"}, {"topic", "a topic"}, {"ask", "an ask"}, {"rule", "a rule"}, {"file", "the top of the file"}}
	for _, home := range homes {
		if slices.ContainsFunc(fileKeys[home.shape], func(k key) bool { return k.name == name }) {
			return home.words
		}
	}
	if name == "tests" {
		return "a test file"
	}
	return ""
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
	d.fault(n.at, codeShape, fmt.Sprintf("%s is %s, and here is %s", what, want, n.kind), shapeHint(n, want, what))
	return false
}

// shapeHint says how a value that stands in another shape is written.
func shapeHint(n *node, want nodeKind, what string) string {
	switch {
	case want == listNode && n.kind == mapNode && !n.flow && len(n.pairs) > 0 && (what == "rules" || what == "asks") && n.pairs[0].key.text != "id":
		return fmt.Sprintf("each begins with a dash and its name: - id: %s", n.pairs[0].key.text)
	case want == listNode && n.kind == mapNode && !n.flow && len(n.pairs) > 0:
		return fmt.Sprintf("each begins with a dash: - %s: …", n.pairs[0].key.text)
	case want == listNode && n.kind == mapNode && n.flow:
		return "write [ ] around it: [{…}]"
	case want == scalarNode && strings.HasPrefix(what, "the type of"):
		return "a type is one of " + strings.Join(typeNames(), ", ")
	}
	return ""
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

// pick reads the key of a mapping that takes one of the words of the language; "" where it is left out or at fault.
func (d *decoder) pick(n *node, shape, name string) string {
	v := n.get(name)
	if v == nil || v.kind == nullNode {
		return ""
	}
	for _, k := range fileKeys[shape] {
		if k.name == name {
			return d.choice(v, name, k.words...)
		}
	}
	return ""
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
func (d *decoder) typed(p pair, what, shape string) (otn.Field, bool) {
	f := otn.Field{Name: p.key.text}
	before := len(d.faults)
	defer func() {
		if len(d.faults) > before {
			d.into.suspect[f.Name] = true
		}
	}()
	typeNode := p.value
	if p.value.kind == mapNode {
		if d.mapping(p.value, what, shape) == nil || p.value.get("type") == nil {
			return f, false
		}
		typeNode = p.value.get("type")
	}
	w, ok := d.word(typeNode, "the type of "+what)
	if !ok {
		return f, false
	}
	if f.Type, ok = otn.ParseType(w); !ok {
		hint := didYouMean(w, typeNames())
		if bare, ok := strings.CutSuffix(w, "?"); ok && slices.Contains(typeNames(), bare) && shape == "answer" {
			hint = fmt.Sprintf("an answer that may be left out is {type: %s, optional: true}", bare)
		}
		d.fault(typeNode.at, codeType, fmt.Sprintf("there is no type %q", w), hint)
		return f, false
	}
	if def := p.value.get("default"); def != nil {
		f.Default = d.typedValue(def, f.Type, "the default of "+what)
	}
	f.Optional = d.pick(p.value, "answer", "optional") == "true"
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
