// YAML as rules see it: mappings, lists and scalars that keep their text, their style and their place.

package rules

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	mapNode
	listNode
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "a plain value", "a mapping", "a list"}[k]
}

type style uint8

const (
	plain   style = iota // one line
	single               // '…'
	double               // "…"
	literal              // |
	folded               // >, and any other style over several lines
)

// node is one value of a file.
type node struct {
	kind  nodeKind
	at    place
	style style
	text  string // of a scalar: as written, never as a YAML number
	pairs []pair
	items []*node
	cut   place // a comment behind a plain scalar on its line: where it begins
	flow  bool  // written in { } or [ ]
	split bool  // YAML cut it at a comma, which was said: its text is not all of it
}

// pair is one key of a mapping with its value.
type pair struct{ key, value *node }

// get finds the value of a key.
func (n *node) get(key string) *node {
	for _, p := range n.pairs {
		if p.key.text == key {
			return p.value
		}
	}
	return nil
}

// tree turns what the YAML parser found into nodes. at stands in where a value has no token of its own.
func tree(n ast.Node, at place) *node {
	switch n := n.(type) {
	case *ast.MappingNode:
		out := &node{kind: mapNode, at: tokenPlace(n.GetToken(), at), flow: n.IsFlowStyle}
		for _, v := range n.Values {
			out.pairs = append(out.pairs, pairOf(v))
		}
		if len(out.pairs) > 0 && !out.flow {
			out.at = out.pairs[0].key.at
		}
		return out
	case *ast.MappingValueNode:
		p := pairOf(n)
		return &node{kind: mapNode, at: p.key.at, pairs: []pair{p}}
	case *ast.SequenceNode:
		out := &node{kind: listNode, at: tokenPlace(n.GetToken(), at), flow: n.IsFlowStyle}
		for _, v := range n.Values {
			out.items = append(out.items, tree(v, out.at))
		}
		return out
	case *ast.LiteralNode:
		return scalar(n.GetToken(), blockText(n), at)
	case nil:
		return &node{at: at}
	}
	if tk := n.GetToken(); tk != nil && n.Type() != ast.NullType {
		return scalar(tk, tk.Value, at)
	}
	return &node{at: at}
}

func pairOf(v *ast.MappingValueNode) pair {
	key := &node{}
	if v.Key != nil && v.Key.GetToken() != nil {
		key = scalar(v.Key.GetToken(), v.Key.GetToken().Value, place{})
	}
	return pair{key, tree(v.Value, key.at)}
}

func blockText(n *ast.LiteralNode) string {
	if n.Value == nil {
		return ""
	}
	return n.Value.Value
}

func scalar(tk *token.Token, text string, at place) *node {
	n := &node{kind: scalarNode, at: tokenPlace(tk, at), text: text}
	switch tk.Type {
	case token.SingleQuoteType:
		n.style = single
	case token.DoubleQuoteType:
		n.style = double
	case token.LiteralType:
		n.style = literal
	case token.FoldedType:
		n.style = folded
	}
	if n.style != literal && strings.Contains(strings.TrimSpace(tk.Origin), "\n") {
		n.style = folded
	}
	n.at.width = max(utf8.RuneCountInString(text), 1)
	if n.style == single || n.style == double {
		n.at.width += 2
	}
	if next := tk.Next; n.style == plain && next != nil && next.Type == token.CommentType && next.Position.Line == tk.Position.Line {
		n.cut = tokenPlace(next, at)
	}
	return n
}

func tokenPlace(tk *token.Token, or place) place {
	if tk == nil || tk.Position == nil || tk.Position.Line < 1 {
		return or
	}
	return place{tk.Position.Line, max(tk.Position.Column, 1), 1}
}
