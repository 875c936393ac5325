// Files beside the rules, in the same plain YAML: read as strictly, with faults that look the same.

package rules

import (
	"fmt"
	"slices"
	"time"
)

// Document is a file that is read as rule files are: no value is taken for another, and every one has its place.
type Document struct{ d decoder }

// ReadDocument reads a file. The zero Node, and a fault noted, when there is nothing to go on with.
func ReadDocument(f File) (*Document, Node) {
	doc := &Document{decoder{source: newSource(f)}}
	if root := doc.d.parse(); root != nil {
		return doc, Node{root, doc}
	}
	return doc, Node{}
}

// Faults are those noted so far, in the order of the file.
func (doc *Document) Faults() []*Error { return inOrder(append([]*Error(nil), doc.d.faults...), nil) }

// Node is one value of a Document. The zero Node is none: a key that is not there.
type Node struct {
	n  *node
	in *Document
}

// Pair is one key of a mapping with its value.
type Pair struct{ Key, Value Node }

// There reports whether there is a value, and not nothing behind a key.
func (n Node) There() bool { return n.n != nil && n.n.kind != nullNode }

// The kinds of a Node.
func (n Node) IsMapping() bool { return n.n != nil && n.n.kind == mapNode }
func (n Node) IsList() bool    { return n.n != nil && n.n.kind == listNode }
func (n Node) IsPlain() bool   { return n.n != nil && n.n.kind == scalarNode }

// Text is a plain value as written, never as a YAML number; "" for anything else.
func (n Node) Text() string {
	if !n.IsPlain() {
		return ""
	}
	return n.n.text
}

// Line is where the value begins, from 1; 0 for none.
func (n Node) Line() int {
	if n.n == nil {
		return 0
	}
	return n.n.at.line
}

// Get finds the value of a key; the zero Node where there is none.
func (n Node) Get(key string) Node {
	if n.n == nil {
		return Node{}
	}
	if v := n.n.get(key); v != nil {
		return Node{v, n.in}
	}
	return Node{}
}

// Pairs are the keys of a mapping, in the order of the file.
func (n Node) Pairs() []Pair {
	if n.n == nil {
		return nil
	}
	out := make([]Pair, len(n.n.pairs))
	for i, p := range n.n.pairs {
		out[i] = Pair{Node{p.key, n.in}, Node{p.value, n.in}}
	}
	return out
}

// Items are the elements of a list.
func (n Node) Items() []Node {
	if n.n == nil {
		return nil
	}
	out := make([]Node, len(n.n.items))
	for i, item := range n.n.items {
		out[i] = Node{item, n.in}
	}
	return out
}

// Fault notes a fault of the value. code is one of the caller's own.
func (n Node) Fault(code, message, hint string) { n.in.d.fault(n.n.at, code, message, hint) }

// Mapping checks that the value is a mapping with known keys, each once, and with those that must be there. Without any
// key named it may hold all. what names the value in a fault.
func (n Node) Mapping(what string, must, may []string) bool {
	if n.n == nil || !n.in.d.is(n.n, mapNode, what) {
		return false
	}
	known := append(append([]string(nil), must...), may...)
	seen := map[string]bool{}
	for _, p := range n.n.pairs {
		switch name := p.key.text; {
		case seen[name]:
			n.in.d.fault(p.key.at, codeTwice, fmt.Sprintf("%q stands twice in %s", name, what), "keep one of them")
		case len(known) > 0 && !slices.Contains(known, name):
			n.in.d.fault(p.key.at, codeKey, fmt.Sprintf("%s has no key %q", what, name), didYouMean(name, known))
		}
		seen[p.key.text] = true
	}
	for _, name := range must {
		switch v := n.n.get(name); {
		case v == nil:
			n.in.d.fault(n.n.at, codeMissing, fmt.Sprintf("%s has no %q", what, name), "")
		case v.kind == nullNode:
			n.in.d.fault(v.at, codeMissing, fmt.Sprintf("%q is empty", name), "")
		}
	}
	return true
}

// List checks that the value is a list.
func (n Node) List(what string) bool { return n.n != nil && n.in.d.is(n.n, listNode, what) }

// Word reads a plain value; not ok, and a fault noted, where it is none.
func (n Node) Word(what string) (string, bool) {
	if n.n == nil {
		return "", false
	}
	return n.in.d.word(n.n, what)
}

// Choice reads one of several words; "", and a fault noted, for any other.
func (n Node) Choice(what string, from ...string) string {
	if n.n == nil {
		return ""
	}
	return n.in.d.choice(n.n, what, from...)
}

// DidYouMean is a hint with the name that is nearest to got, or with all of them when they are few.
func DidYouMean(got string, names []string) string { return didYouMean(got, names) }

// Duration reads a plain value such as 5m, 23h, 3d or 1w; not ok, and a fault noted, for anything else.
func (n Node) Duration(what string) (time.Duration, bool) {
	w, ok := n.Word(what)
	if !ok {
		return 0, false
	}
	d, ok := parseSpan(w)
	if !ok || d < 0 {
		n.Fault(codeLiteral, fmt.Sprintf("%s is no duration: %q", what, w), "for example 90s, 5m, 23h, 3d or 1w")
		return 0, false
	}
	return d, true
}
