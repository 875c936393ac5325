// Format: a rule file laid out in the one way, with every word, comment and blank line that it had.

package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Format lays a rule file out: two spaces of indentation, lists indented below their key, one space behind : and , inside
// brackets, at most one blank line, no trailing space, \n at every end. Comments, the order of keys and the line breaks of
// lists and texts stay. Expressions that YAML could cut or split, and texts with ${…}, are quoted. The text of every value
// is the same before and after: a file of which that cannot be shown is refused.
//
// Errors: Errors, when the file cannot be read as YAML, or YAML has already cut, split or folded one of its expressions.
func Format(f File) ([]byte, error) {
	s := newSource(f)
	root := s.parse()
	if root == nil || !s.decoder().is(root, mapNode, "a rule file") {
		return nil, Errors(s.faults)
	}
	l := &layout{lines: s.lines, quoted: map[spot]string{}}
	s.quotes(root, "file", key{takes: aMapping}, false, l.quoted)
	if bad := only(s.faults, Fault); len(bad) > 0 {
		return nil, Errors(inOrder(bad, []File{f}))
	}
	text := l.text()
	for _, at := range l.odd {
		s.fault(at, codeShape, "a block text with a number or a + behind its sign is not laid out", "write | or |-, or quote the text")
	}
	if len(l.odd) > 0 {
		return nil, Errors(s.faults)
	}
	again := newSource(File{Name: s.name, Source: []byte(text)})
	after := again.parse()
	if after == nil { // what was read only because the file ends in the middle of a line
		return nil, Errors(again.faults)
	}
	at, what := s.changes(root, after, text)
	if once := (&layout{lines: again.lines}).text(); what == "" && once != text {
		what = "laid out twice it is another"
	}
	if what != "" {
		s.fault(at, codeInternal, "this file would not say the same when it is laid out: "+what, "it was left as it is; please report it with the file")
		return nil, Errors(s.faults)
	}
	return []byte(text), nil
}

// spot is a scalar on a line. Its column would say it better, and the YAML parser does not always know it.
type spot struct {
	line int // from 1
	text string
}

// quotes notes every plain scalar that is to stand in quotes, and every value that YAML changed before anybody could read
// it. shape is that of the mapping n is, and as the key it stands under.
func (s *source) quotes(n *node, shape string, as key, flow bool, into map[spot]string) {
	switch n.kind {
	case mapNode:
		for _, p := range n.pairs {
			inner := knownKey(shape, p.key.text)
			if as.takes == someNames || as.takes == typedNames { // the key is a name
				s.quotes(p.value, as.shape, key{takes: aMapping}, flow || n.flow, into)
				continue
			}
			s.quotes(p.value, inner.shape, inner, flow || n.flow, into)
		}
	case listNode:
		for _, item := range n.items {
			if as.takes == someOf {
				as = key{takes: aMapping}
			}
			s.quotes(item, shape, as, flow || n.flow, into)
		}
	case scalarNode:
		text := strings.Contains(n.text, "${")
		if !text && !as.isExpression(n.text) || !s.whole(n, cmp.Or(as.name, "the value")) || n.style != plain {
			return
		}
		if text || mustQuote(n.text, flow) {
			into[spot{n.at.line, n.text}] = quote(n.text, text)
		}
	}
}

// knownKey is a key of a shape of the language; the zero key where there is none.
func knownKey(shape, name string) key {
	for _, k := range fileKeys[shape] {
		if k.name == name {
			return k
		}
	}
	return key{}
}

// isExpression reports that text stands behind the key as one expression.
func (k key) isExpression(text string) bool {
	switch k.takes {
	case aCondition, aSize, aMoment, aList:
		return !k.off || text != off
	case someRanks:
		return text != oldest && text != newest
	}
	return false
}

// mustQuote reports an expression that reads as it is meant and would not after a small change: a # behind a space, a comma
// inside brackets, a : or a sign in front.
func mustQuote(text string, flow bool) bool {
	if flow {
		return strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune("._ ", r) && (r >= 0x80 || !wordByte(byte(r))) })
	}
	return strings.ContainsAny(text, "#:") || strings.ContainsAny(text[:1], "!&*-?|>@%,[{`")
}

// quote writes a scalar in quotes: a text in double ones where it needs no escape, everything else in single ones.
func quote(text string, double bool) string {
	if double && !strings.ContainsAny(text, `"\`) {
		return `"` + text + `"`
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// changes says where and how the text that was laid out differs from what was read, "" when it does not.
func (s *source) changes(before, after *node, text string) (place, string) {
	if n := differs(before, after); n != nil {
		return n.at, "a value came out different"
	}
	if !slices.Equal(comments(s.text), comments(text)) {
		return place{}, "a comment was lost"
	}
	return place{}, ""
}

// differs finds the first value of a that is not the same in b, nil when all are.
func differs(a, b *node) *node {
	if a.kind != b.kind || a.text != b.text || len(a.pairs) != len(b.pairs) || len(a.items) != len(b.items) {
		return a
	}
	if (a.cut.line > 0) != (b.cut.line > 0) || (a.style == folded) != (b.style == folded) {
		return a
	}
	for i := range a.pairs {
		if a.pairs[i].key.text != b.pairs[i].key.text {
			return a.pairs[i].key
		}
		if d := differs(a.pairs[i].value, b.pairs[i].value); d != nil {
			return d
		}
	}
	for i := range a.items {
		if d := differs(a.items[i], b.items[i]); d != nil {
			return d
		}
	}
	return nil
}

// comments lists the comments of a text.
func comments(text string) (list []string) {
	for _, tk := range lexer.Tokenize(text) {
		if tk.Type == token.CommentType {
			list = append(list, strings.TrimSpace(tk.Value))
		}
	}
	return list
}
