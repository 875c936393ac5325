// Rules changed in one place: what a good test notices.

package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// Mutant is a set of rules that differs in one place from the one it was made of.
type Mutant struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Rule  string `json:"rule,omitempty"` // empty for a param
	Was   string `json:"was"`
	Now   string `json:"now"`
	Why   string `json:"why,omitempty"` // the file says that no test can notice it, and why
	Files []File `json:"-"`             // with the change in them
}

// Mutants are the changes of one place each that still compile: comparisons turned round or moved by their boundary, joins
// exchanged, constants changed, conjuncts left out; in conditions and the other expressions of a rule, in durations and
// numbers of how it is carried out, and in the defaults of params. Errors: Errors, for files that do not compile.
func Mutants(files ...File) ([]Mutant, error) {
	if _, err := Compile(files...); err != nil {
		return nil, err
	}
	var list []Mutant
	for i := range files {
		m := &mutator{files: files, at: i, source: newSource(files[i])}
		root := m.parse()
		if root == nil {
			continue
		}
		m.file(root)
		list = append(list, m.list...)
	}
	return list, nil
}

// mutator changes one file.
type mutator struct {
	*source
	files []File
	at    int
	rule  string
	key   place  // of the value that is changed: an explanation may stand above it
	name  string // how that value is spoken of, where it is no expression
	list  []Mutant
}

func (m *mutator) file(root *node) {
	if params := root.get("params"); params != nil {
		for _, p := range params.pairs {
			m.key, m.name = p.key.at, "params."+p.key.text+" "
			m.literal(p.value.get("default"), p.value.get("type"))
		}
	}
	for _, r := range ruleNodes(root) {
		m.rule = r.get("id").text
		m.values(r, "")
	}
}

// The values of a rule that are changed, by their path: expressions, durations and numbers.
func mutable(path string) (kind string) {
	return map[string]string{
		"when": "expr", "release.size": "expr", "deliver.not_after": "expr",
		"hold": "duration", "coalesce": "duration", "release.every": "duration", "deliver.spread": "duration",
		"limits.per_run": "number", "limits.pause_above.at_least": "number",
	}[path]
}

// values walks the values of a rule.
func (m *mutator) values(n *node, path string) {
	for _, p := range n.pairs {
		below := path + p.key.text
		m.key, m.name = p.key.at, below+" "
		switch mutable(below) {
		case "expr":
			m.expression(p.value)
		case "duration":
			if _, ok := parseSpan(p.value.text); ok {
				m.add(p.value, p.value.at.line, m.name+p.value.text, longer(p.value.text), m.name+longer(p.value.text))
			}
		case "number":
			m.number(p.value, p.value.text)
		case "":
			if p.value.kind == mapNode && p.key.text != "message" {
				m.values(p.value, below+".")
			}
		}
	}
}

// longer is a duration of twice its length and a second.
func longer(text string) string {
	d, _ := parseSpan(text)
	return strconv.FormatInt(int64((2*d).Seconds())+1, 10) + "s"
}

// literal changes the default of a param.
func (m *mutator) literal(n, kind *node) {
	if n == nil || kind == nil {
		return
	}
	switch kind.text {
	case "bool":
		now := map[string]string{"true": "false", "false": "true"}[n.text]
		m.add(n, n.at.line, m.name+n.text, now, m.name+now)
	case "string":
		m.add(n, n.at.line, m.name+strconv.Quote(n.text), n.text+"~", m.name+strconv.Quote(n.text+"~"))
	default:
		m.number(n, n.text)
	}
}

// number changes a number, and the number in an amount of money.
func (m *mutator) number(n *node, text string) {
	for _, now := range otherNumbers(text) {
		m.add(n, n.at.line, m.name+text, now, m.name+now)
	}
}

// otherNumbers are one more and one less than a number; of an amount of money likewise.
func otherNumbers(text string) (list []string) {
	amount, unit, _ := strings.Cut(text, " ")
	if unit != "" {
		unit = " " + unit
	}
	if n, err := strconv.ParseInt(amount, 10, 64); err == nil {
		return []string{strconv.FormatInt(n+1, 10) + unit, strconv.FormatInt(n-1, 10) + unit}
	}
	if f, err := strconv.ParseFloat(amount, 64); err == nil {
		digits := len(amount) - strings.IndexByte(amount, '.') - 1
		for _, d := range []float64{1, -1} {
			list = append(list, strconv.FormatFloat(f+d, 'f', digits, 64)+unit)
		}
	}
	return list
}

// expression changes every part of an expression by itself.
func (m *mutator) expression(n *node) {
	if n.kind != scalarNode {
		return
	}
	count := 0
	if root, wrong := parseExpr(n.text); wrong == nil {
		walk(&root, func(*ast.Node) { count++ })
	}
	for i := range count {
		for v := 0; ; v++ {
			root, _ := parseExpr(n.text) // a tree of its own for each change
			part, about := nth(&root, i)
			was, off := oneLine(*about), leftmost(*part)
			if !change(part, v) {
				break
			}
			m.add(n, m.source.within(n, off, 1).line, was, root.String(), oneLine(*about))
		}
	}
	m.drop(n)
}

// drop leaves out each conjunct.
func (m *mutator) drop(n *node) {
	root, wrong := parseExpr(n.text)
	if wrong != nil {
		return
	}
	parts := conjuncts(root)
	for i, p := range parts {
		var rest []string
		for j, other := range parts {
			if i != j {
				rest = append(rest, "("+other.String()+")")
			}
		}
		if len(rest) > 0 {
			m.add(n, m.source.within(n, leftmost(p), 1).line, oneLine(p), strings.Join(rest, " && "), "(left out)")
		}
	}
}

// walk visits a node and all below it, parents first.
func walk(n *ast.Node, visit func(*ast.Node)) {
	visit(n)
	for _, part := range inside(*n) {
		walk(part, visit)
	}
}

// inside are the places of a node's parts.
func inside(n ast.Node) (list []*ast.Node) {
	several := func(nodes []ast.Node) {
		for i := range nodes {
			list = append(list, &nodes[i])
		}
	}
	switch n := n.(type) {
	case *ast.BinaryNode:
		list = []*ast.Node{&n.Left, &n.Right}
	case *ast.UnaryNode:
		list = []*ast.Node{&n.Node}
	case *ast.ConditionalNode:
		list = []*ast.Node{&n.Cond, &n.Exp1, &n.Exp2}
	case *ast.CallNode:
		several(n.Arguments)
	case *ast.BuiltinNode:
		several(n.Arguments)
	case *ast.PredicateNode:
		list = []*ast.Node{&n.Node}
	case *ast.ArrayNode:
		several(n.Nodes)
	}
	return list
}

// nth finds the i-th node, and what of the expression is worth showing with it: of a constant the comparison around it.
func nth(root *ast.Node, i int) (found, about *ast.Node) {
	k := 0
	around := root
	walk(root, func(n *ast.Node) {
		if b, ok := (*n).(*ast.BinaryNode); ok && found == nil {
			if _, joins := map[string]bool{"&&": true, "and": true, "||": true, "or": true}[b.Operator]; !joins {
				around = n
			}
		}
		if k == i {
			found, about = n, n
			switch (*n).(type) {
			case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode:
				about = around
			}
		}
		k++
	})
	return found, about
}

// swaps are the operators that stand in for another, in order.
func swaps(op string) []string {
	return map[string][]string{
		"<": {"<=", ">="}, "<=": {"<", ">"}, ">": {">=", "<="}, ">=": {">", "<"}, "==": {"!="}, "!=": {"=="},
		"&&": {"||"}, "and": {"or"}, "||": {"&&"}, "or": {"and"}, "+": {"-"}, "-": {"+"}, "*": {"/"}, "/": {"*"},
		"contains": {"startsWith"}, "startsWith": {"contains"}, "endsWith": {"contains"},
	}[op]
}

// change makes the v-th change of a node in place; false behind the last.
func change(n *ast.Node, v int) bool {
	switch x := (*n).(type) {
	case *ast.BinaryNode:
		if to := swaps(x.Operator); v < len(to) {
			x.Operator = to[v]
			return true
		}
	case *ast.UnaryNode:
		if v == 0 && (x.Operator == "!" || x.Operator == "not") {
			*n = x.Node
			return true
		}
	case *ast.BoolNode:
		x.Value = !x.Value
		return v == 0
	case *ast.IntegerNode:
		x.Value += 1 - 2*v
		return v < 2
	case *ast.FloatNode:
		x.Value += float64(1 - 2*v)
		return v < 2
	case *ast.StringNode:
		return otherText(x, v)
	}
	return false
}

// otherText changes a text: an amount of money or a duration into another, anything else by a letter.
func otherText(x *ast.StringNode, v int) bool {
	if _, err := otn.ParseMoney(x.Value); err == nil {
		other := otherNumbers(x.Value)
		if v < len(other) {
			x.Value = other[v]
			return true
		}
		return false
	}
	if _, ok := parseSpan(x.Value); ok {
		x.Value = longer(x.Value)
		return v == 0
	}
	x.Value += "~"
	return v == 0
}

// add keeps a change when the rules compile with it and it is one.
func (m *mutator) add(n *node, line int, was, text, now string) {
	if text == "" || text == n.text {
		return
	}
	changed, ok := m.replaced(n, text)
	if !ok {
		return
	}
	files := append([]File(nil), m.files...)
	files[m.at].Source = changed
	if _, err := Compile(files...); err != nil {
		return
	}
	m.list = append(m.list, Mutant{File: m.source.name, Line: line, Rule: m.rule, Was: was, Now: now, Why: m.explained(line, now), Files: files})
}

// replaced is the file with another text for a value.
func (m *mutator) replaced(n *node, text string) ([]byte, bool) {
	var quoted bytes.Buffer
	e := json.NewEncoder(&quoted) // YAML reads in double quotes what JSON writes
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return nil, false
	}
	lines := append([]string(nil), m.lines...)
	first, last := n.at.line-1, n.at.line-1
	head := []rune(lines[first])
	if n.at.col > len(head) {
		return nil, false
	}
	tail := ""
	switch n.style {
	case literal:
		for last+1 < len(lines) && (strings.TrimSpace(lines[last+1]) == "" || indent(lines[last+1]) > indent(lines[first])) {
			last++
		}
	case plain, single, double:
		end := m.end(n)
		if end < 0 {
			return nil, false
		}
		tail = string(head[end:])
	default:
		return nil, false
	}
	line := string(head[:n.at.col-1]) + strings.TrimSpace(quoted.String()) + tail
	out := append(append(append([]string(nil), lines[:first]...), line), lines[last+1:]...)
	return []byte(strings.Join(out, "\n")), true
}

// end is behind the last rune of a value of one line, -1 where it is not as the file shows it.
func (m *mutator) end(n *node) int {
	if n.style == plain {
		if strings.HasPrefix(m.from(n.at.line, n.at.col), n.text) {
			return n.at.col - 1 + utf8.RuneCountInString(n.text)
		}
		return -1
	}
	raw := []rune(m.from(n.at.line, n.at.col))
	i := 1
	for _, r := range n.text {
		size := quotedRune(raw, i, r)
		if size == 0 {
			return -1
		}
		i += size
	}
	if i >= len(raw) || raw[i] != raw[0] {
		return -1
	}
	return n.at.col + i
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// explained finds an explanation that no test can notice a change: "otn: equivalent: why" in a comment on the line of the
// change, or on comment lines above the key of the value. One that quotes a text in `…` is about changes to that text alone.
func (m *mutator) explained(line int, now string) string {
	notes := []string{m.line(line)}
	for l := m.key.line - 1; l >= 1 && strings.HasPrefix(strings.TrimSpace(m.line(l)), "#"); l-- {
		notes = append(notes, m.line(l))
	}
	for _, note := range notes {
		_, why, ok := strings.Cut(note, "otn: equivalent")
		why = strings.TrimSpace(strings.TrimLeft(why, ":, "))
		if !ok || why == "" {
			continue
		}
		if _, rest, quoted := strings.Cut(why, "`"); quoted {
			about, more, _ := strings.Cut(rest, "`")
			if about != now {
				continue
			}
			why = strings.TrimSpace(strings.TrimLeft(more, ":, "))
		}
		return why
	}
	return ""
}

// String is the change in one line.
func (m *Mutant) String() string {
	return fmt.Sprintf("%s:%d: %s  →  %s", m.File, m.Line, m.Was, m.Now)
}
