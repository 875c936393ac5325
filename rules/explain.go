// Explain: a condition with the value of each of its parts, for one consent.

package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// Explain gives the value of each sub-expression for one consent, a line each, parts indented below their whole;
// for a state rule also what the condition was at the last decision.
func (p *page) Explain(c *otn.Consent) []string {
	verdict := p.Select(c)
	lines := []string{strings.TrimSuffix(fmt.Sprintf("%s: %s", verdict, p.Because()), ": ")}
	if p.rule.when == nil {
		return append(lines, "when is left out: always true")
	}
	p.now.consent = c
	e := explainer{when: p.rule.when, f: &p.now}
	e.explain(p.rule.when.root, 0)
	p.now.consent = nil
	lines = append(lines, e.lines...)
	if p.rule.State && !p.fresh && p.blocked == "" {
		p.rose(c)
		lines = append(lines, fmt.Sprintf("at the last decision, %s: %s", p.last.at.UTC().Format(time.RFC3339), p.prior))
	}
	return lines
}

// explainer writes the lines of one condition.
type explainer struct {
	when  *compiled
	f     *frame
	lines []string
}

// explain writes a line for a part, and below it for its own parts that were looked at.
func (e *explainer) explain(n ast.Node, depth int) {
	e.line(n, depth, e.value(n).String())
	settled := e.settled(n)
	for i, part := range below(n) {
		if i > 0 && settled {
			e.line(part, depth+1, "not evaluated")
			continue
		}
		e.explain(part, depth+1)
	}
}

func (e *explainer) value(n ast.Node) value { return e.f.eval(e.when.part(n).run) }

func (e *explainer) line(n ast.Node, depth int, v string) {
	e.lines = append(e.lines, fmt.Sprintf("%s%s = %s", strings.Repeat("  ", depth), n.String(), v))
}

// settled reports that the left side of && or || decides by itself.
func (e *explainer) settled(n ast.Node) bool {
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		return false
	}
	switch b.Operator {
	case "&&", "and":
		return e.value(b.Left).isFalse()
	case "||", "or":
		return e.value(b.Left).isTrue()
	}
	return false
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
