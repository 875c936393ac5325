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
	e := p.explain(c)
	lines := []string{strings.TrimSuffix(fmt.Sprintf("%s: %s", e.Verdict, e.Because), ": ")}
	if p.rule.when == nil {
		return append(lines, "when is left out: always true")
	}
	for _, part := range e.Parts {
		lines = append(lines, part.String())
	}
	if e.Before != nil {
		lines = append(lines, fmt.Sprintf("at the last decision, %s: %s", e.Before.At.UTC().Format(time.RFC3339), e.Before.Value))
	}
	return lines
}

// Part is a part of a condition and what it is worth.
type Part struct {
	Depth     int    `json:"depth"` // below the whole
	Text      string `json:"text"`
	Value     string `json:"value"`
	Evaluated bool   `json:"evaluated"` // false: the parts before it decide
}

// String is the part with its value, indented by its depth.
func (p Part) String() string {
	return fmt.Sprintf("%s%s = %s", strings.Repeat("  ", p.Depth), p.Text, p.Value)
}

// Before is a state rule's condition at its last decision.
type Before struct {
	At    time.Time `json:"at"`
	Value string    `json:"value"`
	Parts []Part    `json:"parts"`
}

// decision is what a rule gives for one consent, and why.
type decision struct {
	Verdict string  `json:"verdict"` // yes no undecided failed holds
	Because string  `json:"because,omitempty"`
	Parts   []Part  `json:"parts"` // of the condition, each whole before its parts
	Before  *Before `json:"before,omitempty"`
}

func (p *page) explain(c *otn.Consent) decision {
	d := decision{Verdict: p.Select(c).String(), Because: p.Because(), Parts: []Part{}}
	if p.rule.when == nil {
		return d
	}
	d.Parts = partsOf(p.rule.when, &p.now, c)
	if p.rule.State && !p.fresh && p.blocked == "" {
		p.rose(c)
		d.Before = &Before{At: p.last.at, Value: p.prior.String(), Parts: partsOf(p.rule.when, &p.last, c)}
	}
	return d
}

func partsOf(when *compiled, f *frame, c *otn.Consent) []Part {
	f.consent = c
	e := explainer{when: when, f: f}
	e.explain(when.root, 0)
	f.consent = nil
	return e.parts
}

// explainer gathers the parts of one condition.
type explainer struct {
	when  *compiled
	f     *frame
	parts []Part
}

// explain notes a part, and below it its own parts that were looked at.
func (e *explainer) explain(n ast.Node, depth int) {
	e.part(n, depth, e.value(n).String(), true)
	settled := e.settled(n)
	for i, part := range below(n) {
		if i > 0 && settled {
			e.part(part, depth+1, "not evaluated", false)
			continue
		}
		e.explain(part, depth+1)
	}
}

func (e *explainer) value(n ast.Node) value { return e.f.eval(e.when.part(n).run) }

func (e *explainer) part(n ast.Node, depth int, v string, evaluated bool) {
	e.parts = append(e.parts, Part{depth, n.String(), v, evaluated})
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
