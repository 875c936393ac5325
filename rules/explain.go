// Explain: a condition with the value of each of its parts, for one consent.
package rules

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// Explain gives the value of each sub-expression for one consent, a line each, parts indented below their whole;
// for a state rule also what the condition was at the last decision.
func (p *page) Explain(c *otn.Consent) []string {
	verdict := p.Select(c)
	why := p.Because()
	lines := []string{strings.TrimSuffix(fmt.Sprintf("%s: %s", verdict, why), ": ")}
	if p.rule.when == nil {
		return append(lines, "when is left out: always true")
	}
	p.now.consent = c
	e := explainer{when: p.rule.when, f: &p.now}
	e.node(p.rule.when.root, 0)
	p.now.consent = nil
	lines = append(lines, e.lines...)
	if p.rule.State && !p.fresh && p.blocked == "" {
		p.rose(c)
		lines = append(lines, fmt.Sprintf("at the last decision, %s: %s", inWords(p.last.at), p.prior))
	}
	return lines
}

type explainer struct {
	when  *compiled
	f     *frame
	lines []string
}

// node writes a line for a part and for the parts below it that were looked at.
func (e *explainer) node(n ast.Node, depth int) value {
	c := checker{src: e.when.src, scope: e.when.scope, params: map[string]bool{}}
	v := e.f.eval(c.node(n).run)
	e.line(n, depth, v.String())
	for i, child := range below(n) {
		if i == 1 && settled(n, e.lines, e.f, e.when) {
			e.line(child, depth+1, "not evaluated")
			continue
		}
		e.node(child, depth+1)
	}
	return v
}

func (e *explainer) line(n ast.Node, depth int, v string) {
	e.lines = append(e.lines, fmt.Sprintf("%s%s = %s", strings.Repeat("  ", depth), n.String(), v))
}

// below are the parts of a node worth a line of their own: no literals, and not what is inside a loop.
func below(n ast.Node) (out []ast.Node) {
	var parts []ast.Node
	switch n := n.(type) {
	case *ast.BinaryNode:
		parts = []ast.Node{n.Left, n.Right}
	case *ast.UnaryNode:
		parts = []ast.Node{n.Node}
	case *ast.ConditionalNode:
		parts = []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.CallNode:
		parts = n.Arguments
	case *ast.BuiltinNode:
		parts = n.Arguments[:1]
	}
	for _, p := range parts {
		switch p.(type) {
		case *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.BoolNode, *ast.ArrayNode:
			continue
		}
		out = append(out, p)
	}
	return out
}

// settled reports that the first side of && or || decides by itself.
func settled(n ast.Node, _ []string, f *frame, when *compiled) bool {
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		return false
	}
	c := checker{src: when.src, scope: when.scope, params: map[string]bool{}}
	switch b.Operator {
	case "&&", "and":
		return f.eval(c.node(b.Left).run).isFalse()
	case "||", "or":
		return f.eval(c.node(b.Left).run).isTrue()
	}
	return false
}
