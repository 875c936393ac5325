// What expressions can cost at most: settled when they are checked, and printed for who writes them.

package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// The limits of one expression: how many parts it may have, how many steps of loops one evaluation may take before it is
// stopped, and the bound above which check refuses it.
const (
	MaxParts = maxNodes
	MaxSteps = maxFuel
	MaxBound = maxCost
)

// Cost is what one expression can cost at most.
type Cost struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Col   int    `json:"col"`
	In    string `json:"in"`    // "rule price-drop", "topic journal"
	Key   string `json:"key"`   // when, text, title, …
	Parts int    `json:"parts"` // of MaxParts
	Steps int    `json:"steps"` // at most, when each list of the shop has 256 elements
	// Stops says that Steps is more than MaxSteps: with lists of that length an evaluation ends as an error, and nobody is told.
	Stops bool   `json:"stops"`
	Text  string `json:"text"`
}

// spent is an expression that was compiled, and where it stands.
type spent struct {
	at   place
	what string
	expr *compiled
}

// spend notes an expression that begins off runes into n.
func (s *source) spend(n *node, off int, what string, e *compiled) {
	if e != nil {
		lead := len([]rune(e.src)) - len([]rune(strings.TrimLeft(e.src, " \t\n")))
		s.spent = append(s.spent, spent{s.within(n, off+lead, 1), what, e})
	}
}

// Costs gives the bound of every expression of the files, in their order, and every fault: an expression at fault has no bound.
func Costs(files ...File) ([]Cost, []*Error) {
	set, sources, found := assemble(files)
	var out []Cost
	for _, s := range sources {
		slices.SortStableFunc(s.spent, func(a, b spent) int {
			return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.col, b.at.col))
		})
		anchors := set.declared.anchors(s.name)
		for i, e := range s.spent {
			if i > 0 && s.spent[i-1].at == e.at && s.spent[i-1].expr.src == e.expr.src {
				continue // the file's defaults are compiled for each of its rules
			}
			out = append(out, Cost{
				File: s.name, Line: e.at.line, Col: e.at.col, In: anchors.of(e.at.line), Key: e.what, Parts: parts(e.expr.root),
				Steps: e.expr.cost, Stops: e.expr.cost > maxFuel, Text: oneLine(e.expr.root),
			})
		}
	}
	return out, only(found, Fault)
}

// anchor is the line from which on something is declared.
type anchor struct {
	line int
	name string
}

type anchors []anchor

// anchors are the topics, asks and rules of one file, in its order.
func (in *declared) anchors(file string) (list anchors) {
	for name, at := range in.places {
		what, _, _ := strings.Cut(name, " ")
		line, ok := strings.CutPrefix(at, file+":")
		if n, err := strconv.Atoi(line); ok && err == nil && slices.Contains([]string{"topic", "ask", "rule"}, what) {
			list = append(list, anchor{n, name})
		}
	}
	slices.SortFunc(list, func(a, b anchor) int { return cmp.Compare(a.line, b.line) })
	return list
}

// of is what the line belongs to.
func (list anchors) of(line int) string {
	in := "defaults"
	for _, a := range list {
		if a.line <= line {
			in = a.name
		}
	}
	return in
}

// counter counts the parts of an expression.
type counter int

// Visit counts one.
func (c *counter) Visit(*ast.Node) { *c++ }

func parts(n ast.Node) int {
	var c counter
	ast.Walk(&n, &c)
	return int(c)
}

// String is the bound in words.
func (c Cost) String() string {
	return fmt.Sprintf("%d of %d steps, %d of %d parts", c.Steps, MaxSteps, c.Parts, MaxParts)
}
