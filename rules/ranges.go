// Which consents a condition can be true for at all, by one answer: what lets a look over a line pass over the others.

package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// narrower finds, with the facts of a frame, a range outside of which a part of a condition is certainly false.
type narrower struct {
	answer string
	src    string // the part, as written
	at     func(f *frame) (otn.AnswerRange, bool)
}

// narrowing takes a condition apart.
type narrowing struct {
	when    *compiled
	answers map[string]otn.Field
}

// narrow derives the narrowers of a condition, one for an answer. A condition that could run out of fuel has none: with
// less of it done, it would fail where now it is false.
func (r *rule) narrow(t *topicDecl) {
	if !r.NeedsSub || r.when.cost > maxFuel {
		return
	}
	w := narrowing{r.when, map[string]otn.Field{}}
	for _, a := range t.Answers {
		w.answers[a.Name] = a
	}
	r.narrowers = w.node(r.when.root)
	for _, n := range r.narrowers {
		r.Compares = append(r.Compares, n.answer)
	}
}

// node derives from a part that is a condition.
func (w *narrowing) node(n ast.Node) []*narrower {
	switch n := n.(type) {
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&", "and":
			return w.and(w.node(n.Left), w.node(n.Right))
		case "||", "or":
			return w.or(n)
		case "in":
			return w.list(n)
		}
		return w.comparison(n)
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			return w.word(n, n.Node, false)
		}
	case *ast.MemberNode:
		return w.word(n, n, true)
	}
	return nil
}

// shared is a part that is the same for everybody.
func (w *narrowing) shared(n ast.Node) (code, bool) {
	c := w.when.part(n)
	return c, c.uses&usesSub == 0
}

// answerOf finds the answer that a path names: sub.NAME, or sub.has.NAME.
func (w *narrowing) answerOf(n ast.Node) (a otn.Field, has, ok bool) {
	m, _ := n.(*ast.MemberNode)
	if m == nil {
		return a, false, false
	}
	name, _ := m.Property.(*ast.StringNode)
	of := m.Node
	if inner, isMember := of.(*ast.MemberNode); isMember {
		if p, isName := inner.Property.(*ast.StringNode); !isName || p.Value != "has" {
			return a, false, false
		}
		has, of = true, inner.Node
	}
	if root, isName := of.(*ast.IdentifierNode); !isName || root.Value != "sub" || name == nil {
		return a, false, false
	}
	a, ok = w.answers[name.Value]
	return a, has, ok
}

// leaf is a part that looks at one answer and at nothing else of the consent. Who did not give the answer is inside unless
// the part is false for them.
func (w *narrowing) leaf(n ast.Node, a otn.Field, spans func(f *frame) ([]otn.Span, string, bool)) []*narrower {
	run := w.when.part(n).run
	nobody := &otn.Consent{}
	return []*narrower{{a.Name, spaced(n), func(f *frame) (otn.AnswerRange, bool) {
		list, currency, ok := spans(f)
		if !ok {
			return otn.AnswerRange{}, false
		}
		before := f.consent
		f.consent = nobody
		absent := !f.eval(run).isFalse()
		f.consent = before
		return otn.AnswerRange{Answer: a.Name, Type: a.Type, Currency: currency, Spans: list, Absent: absent}, true
	}}}
}

func spaced(n ast.Node) string { return cut(strings.Join(strings.Fields(n.String()), " "), 120) }

// word is sub.has.NAME, or an answer that is true or false by itself.
func (w *narrowing) word(whole, path ast.Node, want bool) []*narrower {
	a, has, ok := w.answerOf(path)
	if !ok || !has && a.Type != otn.Bool {
		return nil
	}
	var list []otn.Span
	switch {
	case !has:
		list = []otn.Span{{Low: otn.BoolValue(want), High: otn.BoolValue(want)}}
	case want:
		list = []otn.Span{{}}
	}
	return w.leaf(whole, a, func(*frame) ([]otn.Span, string, bool) { return list, "", true })
}

// comparison is an answer compared with something shared, either way round.
func (w *narrowing) comparison(n *ast.BinaryNode) []*narrower {
	op, other := n.Operator, n.Right
	a, has, ok := w.answerOf(n.Left)
	if !ok {
		a, has, ok = w.answerOf(n.Right)
		op, other = turned[op], n.Left
	}
	if _, known := turned[op]; !ok || has || !known {
		return nil
	}
	c, same := w.shared(other)
	if !same {
		return nil
	}
	return w.leaf(n, a, func(f *frame) ([]otn.Span, string, bool) {
		v := f.eval(c.run)
		if !v.ok() {
			return nil, "", false
		}
		return spansOf(a.Type, op, v)
	})
}

// turned is each comparison that narrows, with its sides changed.
var turned = map[string]string{"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// list is an answer in a list of what is shared.
func (w *narrowing) list(n *ast.BinaryNode) []*narrower {
	a, has, ok := w.answerOf(n.Left)
	if !ok || has {
		return nil
	}
	values, same := w.elements(n.Right)
	if !same {
		return nil
	}
	return w.leaf(n, a, func(f *frame) (all []otn.Span, currency string, ok bool) {
		list, ok := values(f)
		for _, v := range list {
			some, of, known := spansOf(a.Type, "==", v)
			if !known || currency != "" && of != currency {
				return nil, "", false
			}
			all, currency = append(all, some...), of
		}
		return all, currency, ok
	})
}

// elements reads a list of what is shared: written out, or of the shop. Not ok with an element that is not known.
func (w *narrowing) elements(n ast.Node) (read func(*frame) ([]value, bool), same bool) {
	if list, ok := n.(*ast.ArrayNode); ok {
		var parts []code
		for _, e := range list.Nodes {
			c, same := w.shared(e)
			if !same {
				return nil, false
			}
			parts = append(parts, c)
		}
		return func(f *frame) (out []value, ok bool) {
			for _, c := range parts {
				v := f.eval(c.run)
				if !v.ok() {
					return nil, false
				}
				out = append(out, v)
			}
			return out, true
		}, true
	}
	c, same := w.shared(n)
	return func(f *frame) (out []value, ok bool) {
		v := f.eval(c.run)
		if v.k != texts {
			return nil, false
		}
		for _, s := range v.texts() {
			out = append(out, textValue(s))
		}
		return out, true
	}, same
}

// or is inside where either side is.
func (w *narrowing) or(n *ast.BinaryNode) (out []*narrower) {
	for _, sides := range [][2]ast.Node{{n.Left, n.Right}, {n.Right, n.Left}} {
		if c, same := w.shared(sides[0]); same {
			for _, each := range w.node(sides[1]) {
				out = append(out, &narrower{each.answer, spaced(n), func(f *frame) (otn.AnswerRange, bool) {
					if !f.eval(c.run).isFalse() {
						return otn.AnswerRange{}, false
					}
					return each.at(f)
				}})
			}
			return out
		}
	}
	right := w.node(n.Right)
	for _, a := range w.node(n.Left) {
		if i := slices.IndexFunc(right, func(b *narrower) bool { return b.answer == a.answer }); i >= 0 {
			b := right[i]
			out = append(out, &narrower{a.answer, spaced(n), func(f *frame) (otn.AnswerRange, bool) { return joined(f, a, b, united) }})
		}
	}
	return out
}

// and is inside where both sides are; a side that narrows nothing leaves it to the other.
func (w *narrowing) and(left, right []*narrower) []*narrower {
	out := slices.Clone(left)
	for _, b := range right {
		i := slices.IndexFunc(out, func(a *narrower) bool { return a.answer == b.answer })
		if i < 0 {
			out = append(out, b)
			continue
		}
		a := out[i]
		out[i] = &narrower{a.answer, a.src + " && " + b.src, func(f *frame) (otn.AnswerRange, bool) {
			if in, ok := joined(f, a, b, common); ok {
				return in, true
			}
			if in, ok := a.at(f); ok {
				return in, true
			}
			return b.at(f)
		}}
	}
	return out
}

// joined joins two ranges of one answer. Not ok when one of them narrows nothing, or they are of two currencies.
func joined(f *frame, a, b *narrower, join func(x, y otn.AnswerRange) otn.AnswerRange) (otn.AnswerRange, bool) {
	x, ok := a.at(f)
	y, also := b.at(f)
	if !ok || !also || x.Currency != "" && y.Currency != "" && x.Currency != y.Currency {
		return otn.AnswerRange{}, false
	}
	out := join(x, y)
	out.Currency = x.Currency + y.Currency
	if x.Currency == y.Currency {
		out.Currency = x.Currency
	}
	return out, true
}

func united(x, y otn.AnswerRange) otn.AnswerRange {
	x.Spans, x.Absent = slices.Concat(x.Spans, y.Spans), x.Absent || y.Absent
	return x
}

func common(x, y otn.AnswerRange) otn.AnswerRange {
	var both []otn.Span
	for _, a := range x.Spans {
		for _, b := range y.Spans {
			if s := (otn.Span{Low: later(a.Low, b.Low, 1), High: later(a.High, b.High, -1)}); !crossed(s) {
				both = append(both, s)
			}
		}
	}
	x.Spans, x.Absent = both, x.Absent && y.Absent
	return x
}

// later is the border that leaves less: with sign 1 the higher, with -1 the lower one.
func later(a, b otn.Value, sign int) otn.Value {
	switch {
	case a == (otn.Value{}):
		return b
	case b == (otn.Value{}) || sign*orderOf(a, b) >= 0:
		return a
	}
	return b
}

func crossed(s otn.Span) bool {
	return s.Low != (otn.Value{}) && s.High != (otn.Value{}) && orderOf(s.Low, s.High) > 0
}

func orderOf(a, b otn.Value) int {
	order, _ := compare(valueOf(a, ""), valueOf(b, ""))
	return order
}

// spansOf is what an answer has to be so that a comparison with v is not false. Not ok where that cannot be said.
func spansOf(t otn.Type, op string, v value) (list []otn.Span, currency string, ok bool) {
	low, high, exact, ok := equals(t, v)
	if !ok {
		return nil, "", false
	}
	if v.k == money {
		currency = v.s
	}
	if exact && op == ">" {
		low, ok = step(low, 1)
	}
	if exact && op == "<" {
		high, ok = step(high, -1)
	}
	s := otn.Span{Low: answerValue(low), High: answerValue(high)}
	switch op {
	case "<", "<=":
		s.Low = otn.Value{}
	case ">", ">=":
		s.High = otn.Value{}
	}
	if !ok || crossed(s) {
		return nil, currency, true
	}
	return []otn.Span{s}, currency, true
}

// equals are the borders of the answers of a type that equal v. A number between two whole ones lies between them: it is
// not exact.
func equals(t otn.Type, v value) (low, high value, exact, ok bool) {
	switch {
	case t == otn.Int && v.k == decimal:
		f := v.float()
		low, high = intValue(int64(math.Ceil(f))), intValue(int64(math.Floor(f)))
		return low, high, low.n == high.n, math.Abs(f) < 1<<52 // larger whole numbers are not exact in decimals
	case t == otn.Float && v.k == integer:
		v = floatValue(v.float())
	}
	return v, v, true, v.k == kindOf(t) && (v.k != money || v.s != "")
}

// step is the next value, or the one before; not ok where there is none. No text comes right before another: it stays.
func step(v value, by int64) (value, bool) {
	switch {
	case v.k == decimal:
		return floatValue(math.Nextafter(v.float(), math.Inf(int(by)))), true
	case v.k == text && by > 0:
		v.s += "\x00"
	case v.k == text:
	case by > 0 && v.n == math.MaxInt64 || by < 0 && v.n == math.MinInt64:
		return v, false
	default:
		v.n += by
	}
	return v, true
}

// answerValue is a value as a consent holds it.
func answerValue(v value) otn.Value {
	switch v.k {
	case boolean:
		return otn.BoolValue(v.isTrue())
	case integer:
		return otn.IntValue(v.n)
	case decimal:
		return otn.FloatValue(v.float())
	case text:
		return otn.StringValue(v.s)
	case money:
		return otn.MoneyValue(v.money())
	case moment:
		return otn.TimeValue(v.time())
	}
	return otn.Value{}
}

// Ranges narrow whom Select can mean, the most promising first.
func (p *page) Ranges() []otn.AnswerRange {
	var out []otn.AnswerRange
	for _, n := range p.rule.narrowers {
		if in, ok := n.at(&p.now); ok && !everybody(in) {
			out = append(out, in)
		}
	}
	slices.SortStableFunc(out, func(a, b otn.AnswerRange) int { return reach(a) - reach(b) })
	return out
}

func everybody(in otn.AnswerRange) bool {
	return in.Absent && slices.Contains(in.Spans, otn.Span{})
}

// reach guesses how much of a line is inside: single values, then what has two borders, then one, then whoever gave the answer.
func reach(in otn.AnswerRange) (w int) {
	for _, s := range in.Spans {
		switch {
		case s.Low == otn.Value{} && s.High == otn.Value{}:
			w = max(w, 6)
		case s.Low == otn.Value{} || s.High == otn.Value{}:
			w = max(w, 4)
		case s.Low != s.High:
			w = max(w, 2)
		}
	}
	if in.Absent {
		w++
	}
	return w
}

// Plan says in words how a rule is decided: what once for an event, what for each consent, and by which answers those who
// are certainly not meant are passed over. Errors: ErrNotFound.
func (s *Set) Plan(rule string) ([]string, error) {
	r, ok := s.byID[rule]
	if !ok {
		return nil, fmt.Errorf("rules: rule %q: %w", rule, otn.ErrNotFound)
	}
	about := "about a change: it fires at each event for which it is true"
	if r.State {
		about = "about a state: it fires for each consent when it becomes true"
	}
	if r.when == nil {
		return []string{about, "always true: there is no when"}, nil
	}
	lines := []string{about}
	for _, n := range conjuncts(r.when.root) {
		word := "for each consent: "
		if r.when.part(n).uses&usesSub == 0 {
			word = "once for an event: "
		}
		lines = append(lines, word+spaced(n))
	}
	for _, n := range r.narrowers {
		lines = append(lines, fmt.Sprintf("through an index by sub.%s, so that others are not looked at: %s", n.answer, n.src))
	}
	return lines, nil
}
