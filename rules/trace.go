// What a condition comes to, conjunct by conjunct: which of them a test has seen true, and which false.

package rules

import (
	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// Conjunct is one side of a top-level && of a rule's when.
type Conjunct struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Rule string `json:"rule"`
	Text string `json:"text"` // in one line
}

// Conjuncts lists those of all rules, in the order of the files. A rule without a when has none.
func (s *Set) Conjuncts() (list []Conjunct) {
	for _, f := range s.origin.Files {
		src := newSource(f)
		root := src.parse()
		if root == nil {
			continue
		}
		for _, r := range ruleNodes(root) {
			when := r.get("when")
			if when == nil {
				continue
			}
			tree, wrong := parseExpr(when.text)
			if wrong != nil {
				continue
			}
			for _, n := range conjuncts(tree) {
				list = append(list, Conjunct{f.Name, src.within(when, leftmost(n), 1).line, r.get("id").text, oneLine(n)})
			}
		}
	}
	return list
}

// ruleNodes are the mappings of a file's rules that have an id.
func ruleNodes(root *node) (list []*node) {
	rules := root.get("rules")
	if rules == nil {
		return nil
	}
	for _, r := range rules.items {
		if r.get("id") != nil {
			list = append(list, r)
		}
	}
	return list
}

// leftmost is where a part of an expression begins, in runes of its text.
func leftmost(n ast.Node) int {
	from, _ := extent(n)
	for _, part := range below(n) {
		from = min(from, leftmost(part))
	}
	if m, ok := n.(*ast.MemberNode); ok {
		from = min(from, leftmost(m.Node))
	}
	return from
}

// Tracer tells what each conjunct of one rule comes to. It belongs to one goroutine.
type Tracer struct {
	rule  *rule
	parts []code
	frame frame
}

// Tracer makes one; nil for a rule that is not there or has no when.
func (s *Set) Tracer(id string) *Tracer {
	r, ok := s.byID[id]
	if !ok || r.when == nil {
		return nil
	}
	t := &Tracer{rule: r, frame: frame{zones: zones{}}}
	for _, n := range conjuncts(r.when.root) {
		t.parts = append(t.parts, r.when.part(n))
	}
	return t
}

// See gives the verdict of each conjunct, in the order of Conjuncts, with the facts and a consent. Without a consent those
// that look at one are Holds: nobody asked.
func (t *Tracer) See(f otn.Facts, c *otn.Consent) []otn.Verdict {
	fr := &t.frame
	fr.at, fr.now, fr.was, fr.firstSeen, fr.trigger, fr.consent = f.At, f.Now, f.Was, f.First, f.Trigger, c
	out := make([]otn.Verdict, len(t.parts))
	for i, p := range t.parts {
		if out[i] = otn.Holds; c != nil || p.uses&usesSub == 0 {
			out[i] = fr.eval(p.run).verdict()
		}
	}
	return out
}

// Attrs lists the typed extra fields of this shop's items, as the files declare them.
func (s *Set) Attrs() []otn.Field { return append([]otn.Field(nil), s.declared.attrs...) }

// Triggers lists the names of the triggers that the files declare.
func (s *Set) Triggers() []string {
	names := make([]string, len(s.triggers))
	for i, t := range s.triggers {
		names[i] = t.name
	}
	return names
}
