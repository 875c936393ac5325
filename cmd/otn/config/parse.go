// The file: YAML to values, each with its place, and every key that does not exist refused.

package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile is how large a configuration may be: 1 MiB.
const maxFile = 1 << 20

// maxDepth is how deep a plugin's settings may nest.
const maxDepth = 32

// shape says what may stand at a key.
type shape struct {
	keys  map[string]shape // a mapping of these keys
	each  *shape           // a mapping of names to this
	list  bool             // a list of texts
	free  bool             // anything: a plugin's own settings
	later bool             // a key of a later version
}

// layout is the whole file.
func layout() shape {
	text := shape{}
	channel := shape{keys: map[string]shape{"plugin": text, "rate": text, "isolation": text, "env": {list: true}, "config": {free: true}}}
	source := shape{keys: map[string]shape{"plugin": text, "isolation": text, "env": {list: true}, "config": {free: true}, "poll": text}}
	pair := shape{keys: map[string]shape{"cert": text, "key": text}}
	return shape{keys: map[string]shape{
		"data":       text,
		"listen":     {keys: map[string]shape{"hooks": text, "admin": text}},
		"tls":        {keys: map[string]shape{"hooks": pair, "admin": pair}},
		"public_url": text,
		"timezone":   text,
		"retention":  {keys: map[string]shape{"journal": text, "decisions": text, "deliveries": text}},
		"rules":      {list: true},

		"trusted_proxies": {list: true},
		"channels":        {each: &channel},
		"sources":         {each: &source},
		"plugins":         {keys: map[string]shape{"dir": text, "lock": text}},
		"log":             {keys: map[string]shape{"format": text, "level": text}},
		"traces":          {keys: map[string]shape{"endpoint": text}},
	}}
}

// validName reports whether an instance may be called so: it stands in URLs, in variables and in logs.
func validName(name string) bool {
	return len(name) <= 64 && regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`).MatchString(name)
}

// loader gathers the layers and the faults of one Load.
type loader struct {
	Options
	dir      string
	env      map[string]string
	lines    []string
	values   map[string]any
	origins  map[string]origin // by dotted key
	faults   Faults
	broken   bool // the list of rules is no list
	whole    bool // nothing was wrong before the values were looked at
	warnings []string
}

// origin is where a value came from.
type origin struct {
	text      string // "otn.yaml:3:7", "OTN_DATA", "--data", "default"
	line, col int
	secret    bool   // it came out of a reference or a variable's file
	written   string // as it stands in the file, where it holds references
}

// parse reads the file into values. After a fault of syntax values stays nil.
func (l *loader) parse(source []byte) {
	switch {
	case len(source) > maxFile:
		l.fault(origin{}, "larger than 1 MiB", "")
		return
	case !utf8.Valid(source):
		l.fault(origin{}, "not UTF-8", "save the file as UTF-8")
		return
	}
	l.lines = strings.Split(strings.ReplaceAll(string(source), "\r\n", "\n"), "\n")
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		l.syntax(err)
		return
	}
	if len(file.Docs) > 1 {
		l.fault(l.at(file.Docs[1].Body), "a second document", "otn.yaml is one document: take the line --- away")
		return
	}
	l.values = map[string]any{}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return
	}
	if m, ok := l.value(file.Docs[0].Body, layout(), "").(map[string]any); ok {
		l.values = m
	}
}

func (l *loader) syntax(err error) {
	var se *yaml.SyntaxError
	var de *yaml.DuplicateKeyError
	switch {
	case errors.As(err, &se):
		l.fault(place(se.Token), se.Message, "")
	case errors.As(err, &de):
		l.fault(place(de.Token), de.Message, "")
	default:
		l.fault(origin{}, err.Error(), "")
	}
}

// value reads a node that should have shape s. A fault gives nil.
func (l *loader) value(n ast.Node, s shape, key string) any {
	switch {
	case s.later:
		l.fault(l.at(n), fmt.Sprintf("%s is not supported by this version", key), "take it away")
		return nil
	case s.free:
		return l.free(n, key, 0)
	case s.list:
		return l.texts(n, key)
	case s.keys == nil && s.each == nil:
		return l.text(n, key)
	}
	pairs, ok := l.pairs(n, key)
	if !ok {
		return nil
	}
	m := map[string]any{}
	for _, p := range pairs {
		if v := l.pair(p, s, key); v != nil {
			m[p.Key.GetToken().Value] = v
		}
	}
	return m
}

// pair reads one key of a mapping with its value.
func (l *loader) pair(p *ast.MappingValueNode, s shape, key string) any {
	name := p.Key.GetToken().Value
	inner, ok := s.keys[name]
	if s.each != nil {
		inner, ok = *s.each, true
		if !validName(name) {
			l.fault(l.at(p.Key), fmt.Sprintf("%q cannot name an instance", name), "use the letters a-z, digits, - and _, at most 64")
			return nil
		}
	}
	if !ok {
		l.fault(l.at(p.Key), fmt.Sprintf("unknown key %q%s", name, under(key)), suggest(name, sorted(s.keys)))
		return nil
	}
	if _, null := p.Value.(*ast.NullNode); null {
		return nil
	}
	if s.each != nil {
		l.origins[join(key, name)] = l.at(p.Key)
	}
	return l.value(p.Value, inner, join(key, name))
}

// pairs are the entries of a mapping.
func (l *loader) pairs(n ast.Node, key string) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	case *ast.NullNode:
		return nil, true
	}
	what := key
	if what == "" {
		what = "the file"
	}
	l.fault(l.at(n), fmt.Sprintf("%s wants keys with values, as in `key: value`", what), "")
	return nil, false
}

// text reads a scalar as it is written: 40/s, 111 and true are texts.
func (l *loader) text(n ast.Node, key string) any {
	switch n := n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return l.resolve(n.GetToken().Value, l.at(n), key)
	case *ast.LiteralNode:
		return l.resolve(n.Value.Value, l.at(n), key)
	}
	l.fault(l.at(n), fmt.Sprintf("%s wants a text", key), "")
	return nil
}

func (l *loader) texts(n ast.Node, key string) any {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		l.broken = true
		l.fault(l.at(n), fmt.Sprintf("%s wants a list", key), fmt.Sprintf("write %s: [%s]", key, n.GetToken().Value))
		return nil
	}
	l.origins[key] = l.at(n)
	out := []any{}
	for i, v := range list.Values {
		if t := l.text(v, fmt.Sprintf("%s.%d", key, i)); t != nil {
			out = append(out, t)
		}
	}
	return out
}

// free reads a plugin's settings: YAML's own types, every text with its references resolved.
func (l *loader) free(n ast.Node, key string, depth int) any {
	if depth > maxDepth {
		l.fault(l.at(n), fmt.Sprintf("%s nests deeper than %d", key, maxDepth), "")
		return nil
	}
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		pairs, _ := l.pairs(n, key)
		m := map[string]any{}
		for _, p := range pairs {
			name := p.Key.GetToken().Value
			l.origins[join(key, name)] = l.at(p.Key) // of a list or a mapping; a scalar's is its own
			m[name] = l.free(p.Value, join(key, name), depth+1)
		}
		return m
	case *ast.SequenceNode:
		list := make([]any, len(n.Values))
		for i, v := range n.Values {
			list[i] = l.free(v, fmt.Sprintf("%s.%d", key, i), depth+1)
		}
		return list
	}
	return l.scalar(n, key)
}

func (l *loader) scalar(n ast.Node, key string) any {
	switch n := n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return l.text(n, key)
	case *ast.IntegerNode:
		l.origins[key] = l.at(n)
		return json.Number(fmt.Sprint(n.Value)) // 0x10 and 1_000 become plain digits
	case *ast.FloatNode:
		l.origins[key] = l.at(n)
		return n.Value
	case *ast.BoolNode:
		l.origins[key] = l.at(n)
		return n.Value
	case *ast.NullNode:
		return nil
	}
	l.fault(l.at(n), "anchors, aliases and tags are not read here", "write the value itself")
	return nil
}

// at is the place of a node: of a mapping its first key.
func (l *loader) at(n ast.Node) origin {
	switch v := n.(type) {
	case nil:
		return origin{}
	case *ast.MappingNode:
		if len(v.Values) > 0 && !v.IsFlowStyle {
			return l.at(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return l.at(v.Key)
	}
	o := place(n.GetToken())
	o.text = fmt.Sprintf("%s:%d:%d", l.File, o.line, o.col)
	return o
}

func place(t *token.Token) origin {
	if t == nil || t.Position == nil {
		return origin{}
	}
	return origin{line: t.Position.Line, col: t.Position.Column}
}

// fault keeps a fault at its place: a line of the file, or a variable or flag.
func (l *loader) fault(o origin, message, hint string) {
	f := Fault{File: l.File, Line: o.line, Col: o.col, Message: message, Hint: hint}
	if o.line == 0 && o.text != "" {
		f.File = o.text
	}
	if o.line > 0 && o.line <= len(l.lines) {
		f.Source = l.lines[o.line-1]
	}
	l.faults = append(l.faults, f)
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func under(key string) string {
	if key == "" {
		return ""
	}
	return " under " + key
}

func suggest(name string, known []string) string {
	if near := Nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "known here: " + strings.Join(known, ", ")
}
