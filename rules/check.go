// From an expression's text to something that runs: names, types and cost are settled here, all mistakes at once.

package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// code is a checked part of an expression.
type code struct {
	shape
	run   func(*frame) value
	self  func(*frame) any // of an object: what its fields read from
	uses  uses
	cost  int      // the most steps it can take
	size  int      // of a list: the most elements it can have
	path  string   // of a name: how it is written
	words []string // all that a text can be, where that is known
	fixed bool     // the same for ever: run gives it without facts
	bad   bool     // a mistake was found here; nothing more is said about it
}

const (
	maxList = 256           // elements that a list of the shop is counted with
	maxCost = 100 * maxFuel // what is refused at check; fuel stops the rest
)

var broken = code{bad: true}

// checker walks one expression.
type checker struct {
	src      string
	scope    *scope
	mistakes []mistake
	loops    []shape // elements of the loops around the part that is looked at
	params   map[string]bool
}

// compiled is a whole expression, checked.
type compiled struct {
	code
	src    string
	root   ast.Node
	scope  *scope
	params map[string]bool // that it names
}

// compile checks src, which must give want; nothing (the unknown kind) takes whatever it gives.
func compile(src string, sc *scope, want kind) (*compiled, []mistake) {
	root, m := parseExpr(src)
	if m != nil {
		return nil, []mistake{*m}
	}
	c := &checker{src: src, scope: sc, params: map[string]bool{}}
	out := c.node(root)
	if !out.bad && want != unknown && out.k != want && !(want == decimal && out.k == integer) {
		c.mistakes = append(c.mistakes, mistake{0, 0, codeResult, fmt.Sprintf("this gives %s, wanted is %s", article(out.shape), article(shape{k: want})), resultHint(want, out.k), false})
	}
	if out.cost > maxCost {
		c.mistakes = append(c.mistakes, mistake{0, 0, codeCost, fmt.Sprintf("this can take %d steps, more than %d", out.cost, maxCost), "use fewer loops inside loops", false})
	}
	for _, m := range c.mistakes {
		if !m.warning {
			return nil, c.mistakes
		}
	}
	if out.bad {
		return nil, c.mistakes
	}
	return &compiled{out, src, root, sc, c.params}, c.mistakes
}

// resultHint says how to come to what is wanted.
func resultHint(want, got kind) string {
	switch {
	case want == integer && got == decimal:
		return "round(…) makes a whole number of it"
	case want == moment:
		return `a time is item.starts_at, say, or date("2026-12-31T18:00")`
	}
	return ""
}

// part runs one part of the expression by itself.
func (c *compiled) part(n ast.Node) code {
	return (&checker{src: c.src, scope: c.scope, params: map[string]bool{}}).node(n)
}

// article names a type in a sentence.
func article(t shape) string {
	switch t.k {
	case boolean:
		return "true or false"
	case integer:
		return "a whole number"
	case decimal:
		return "a number"
	case text:
		return "a text"
	case money:
		return "money"
	case moment:
		return "a time"
	case span:
		return "a duration"
	case texts:
		return "a list of texts"
	case items:
		return "a list of items"
	}
	if t.k == object {
		return t.obj.name + ", which has fields,"
	}
	return "nothing"
}

// wrong notes a mistake at a node.
func (c *checker) wrong(n ast.Node, id, message, hint string) code {
	from, to := extent(n)
	c.mistakes = append(c.mistakes, mistake{from, to - from, id, message, hint, false})
	return broken
}

func (c *checker) warn(n ast.Node, id, message, hint string) {
	from, to := extent(n)
	c.mistakes = append(c.mistakes, mistake{from, to - from, id, message, hint, true})
}

// extent is where a node stands in the text: for operators and calls the sign or name alone.
func extent(n ast.Node) (from, to int) {
	l := n.Location()
	return l.From, max(l.To, l.From+1)
}

// constant is a literal.
func constant(v value) code {
	return code{shape: shape{k: v.k}, run: func(*frame) value { return v }, cost: 1, fixed: true}
}

// node checks one part.
func (c *checker) node(n ast.Node) code {
	switch n := n.(type) {
	case *ast.BoolNode:
		return constant(boolValue(n.Value))
	case *ast.IntegerNode:
		return constant(intValue(int64(n.Value)))
	case *ast.FloatNode:
		return constant(floatValue(n.Value))
	case *ast.StringNode:
		return constant(textValue(n.Value))
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.PointerNode:
		return c.pointer(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.BuiltinNode:
		return c.loop(n)
	case *ast.CallNode:
		return c.call(n)
	case *ast.ArrayNode:
		return c.array(n)
	}
	return c.forbidden(n)
}

// forbidden names what rules do without.
func (c *checker) forbidden(n ast.Node) code {
	what, hint := "this construct is not used in rules", ""
	switch n := n.(type) {
	case *ast.NilNode:
		what, hint = "nothing is nil in rules", "ask item.has.stock, say, whether a fact is known"
	case *ast.ChainNode:
		return c.wrong(chained(n.Node), codeForbidden, "?. is not used in rules: nothing is nil", "ask item.has.stock, say, whether a fact is known")
	case *ast.SliceNode:
		what, hint = "lists are not cut by position in rules", "use any, filter, count or take"
	case *ast.VariableDeclaratorNode:
		what, hint = "let is not used in rules", "write the part twice, or use a param"
	case *ast.SequenceNode:
		what, hint = "; is not used in rules", "join conditions with &&"
	case *ast.MapNode, *ast.PairNode:
		what, hint = "mappings are not used in expressions", "a condition inside any(…) needs no braces around a comparison"
	case *ast.PredicateNode:
		what = "a condition in braces stands only inside any, all, none, one, filter, count and sum"
	}
	return c.wrong(n, codeForbidden, what, hint)
}

func chained(n ast.Node) ast.Node {
	if m, ok := n.(*ast.MemberNode); ok {
		return m
	}
	return n
}

// identifier resolves a name at the beginning of a path.
func (c *checker) identifier(n *ast.IdentifierNode) code {
	f, ok := c.scope.roots.by[n.Value]
	if !ok {
		return c.noName(n)
	}
	path := n.Value
	out := code{shape: f.shape, uses: f.uses, cost: 1, size: maxList, path: path, self: f.self}
	if out.run = objectRun; f.k != object {
		out.run = func(fr *frame) value { return f.read(fr, nil, path) }
	}
	return out
}

func (c *checker) noName(n *ast.IdentifierNode) code {
	if why, ok := c.scope.elsewhere[n.Value]; ok {
		return c.wrong(n, codeScope, fmt.Sprintf("%s cannot be used here", n.Value), why)
	}
	switch {
	case n.Value == "$env" || strings.HasPrefix(n.Value, "__"):
		return c.wrong(n, codeForbidden, fmt.Sprintf("%s is not used in rules", n.Value), "")
	case functionNames()[n.Value]:
		return c.wrong(n, codeUnknown, fmt.Sprintf("%s is a function", n.Value), "write "+n.Value+"(…)")
	}
	if slices.Contains([]string{"null", "none", "undefined"}, strings.ToLower(n.Value)) {
		return c.wrong(n, codeForbidden, fmt.Sprintf("there is no %s: nothing is nil in rules", n.Value), "ask item.has.stock, say, whether a fact is known")
	}
	names := c.scope.roots.names()
	if near := nearest(n.Value, names); near != "" {
		return c.wrong(n, codeUnknown, fmt.Sprintf("unknown name %q", n.Value), fmt.Sprintf("did you mean %q?", near))
	}
	for _, root := range names { // "stock" for item.stock
		if obj := c.scope.roots.by[root].obj; obj != nil && c.scope.roots.by[root].k == object {
			if _, ok := obj.by[n.Value]; ok {
				return c.wrong(n, codeUnknown, fmt.Sprintf("unknown name %q", n.Value), fmt.Sprintf("did you mean %q?", root+"."+n.Value))
			}
		}
	}
	return c.wrong(n, codeUnknown, fmt.Sprintf("unknown name %q", n.Value), didYouMean(n.Value, names))
}

// member resolves one step of a path.
func (c *checker) member(n *ast.MemberNode) code {
	if n.Optional {
		return c.wrong(n, codeForbidden, "?. is not used in rules: nothing is nil", "ask item.has.stock, say, whether a fact is known")
	}
	of := c.node(n.Node)
	name, ok := n.Property.(*ast.StringNode)
	switch {
	case of.bad:
		return broken
	case !ok:
		return c.wrong(n, codeForbidden, "elements are not taken by position in rules", "use any, filter, count or take")
	case of.k != object:
		return c.wrong(n, codeField, fmt.Sprintf("%s has no fields, and no methods", article(of.shape)), methodHint(of, name.Value))
	}
	f, ok := of.obj.by[name.Value]
	if !ok {
		return c.noField(n, of, name.Value)
	}
	path := of.path + "." + name.Value
	if of.path == "params" {
		c.params[name.Value] = true
		v := f.read(nil, nil, path)
		out := constant(v)
		out.path = path
		return out
	}
	out := code{shape: f.shape, uses: of.uses | f.uses, cost: of.cost + 1, size: maxList, path: path, self: of.self}
	out.words = f.words
	read, from := f.read, of.self
	switch {
	case f.k == object:
		out.run = objectRun
	case from == nil:
		out.run = func(fr *frame) value { return read(fr, nil, path) }
	default:
		out.run = func(fr *frame) value { return read(fr, from(fr), path) }
	}
	return out
}

func (c *checker) noField(n *ast.MemberNode, of code, name string) code {
	declared := of.obj.name == "params" || of.obj.name == "item.attrs" || strings.HasPrefix(of.obj.name, "trigger.")
	if c.scope.suspect[name] || c.scope.suspect[of.obj.name] || c.scope.partial && declared {
		return broken
	}
	names := of.obj.names()
	if of.obj.name == "sub" && slices.Contains(personNames(), name) {
		return c.wrong(n, codeScope, fmt.Sprintf("sub.%s is not known here", name), "it is known where somebody is asked, and in rules")
	}
	hint := didYouMean(name, names)
	switch {
	case (of.obj.name == "sub" || of.obj.name == "sub.has") && nearest(name, names) == "":
		_, consent := of.obj.by["granted_at"]
		if _, then := of.obj.by["price_then"]; consent || then {
			hint = "declare it under answers of the topic; " + hint
		} else {
			hint = "there is no consent yet; " + hint
		}
	case of.path == "params":
		hint = "declare it under params; " + hint
	case declared && nearest(name, names) == "":
		hint = fmt.Sprintf("declare it under %s, as in %s: {type: string, default: \"\"}; %s", declaredUnder(of.obj.name), name, hint)
	}
	if of.obj.by["attrs"].obj != nil {
		if _, ok := of.obj.by["attrs"].obj.by[name]; ok {
			hint = fmt.Sprintf("did you mean %q?", of.path+".attrs."+name)
		}
	}
	return c.wrong(n, codeField, fmt.Sprintf("%s has no field %q", of.obj.name, name), strings.TrimSuffix(hint, "; "))
}

// declaredUnder is where a field is declared that the shop gives its own names.
func declaredUnder(object string) string {
	if trigger, ok := strings.CutPrefix(object, "trigger."); ok {
		return "fields of trigger " + trigger
	}
	return "attrs"
}

func methodHint(of code, name string) string {
	switch {
	case of.path == "#":
		return `the element itself is #: any(item.tags, {# == "vip"})`
	case of.k == money:
		return "money is compared and printed as a whole: ${item.price}"
	case of.k == text || of.k == texts || of.k == items:
		if functionNames()[name] {
			return name + " is a function: " + exampleOfFunction(name)
		}
		if slices.Contains([]string{"length", "size", "count"}, name) {
			return "how many there are is len(item.tags)"
		}
	case of.k == moment:
		switch strings.ToLower(name) {
		case "hour":
			return "write hour(t, zone)"
		case "weekday", "day":
			return "write weekday(t, zone)"
		}
		return "use hour(t, zone), weekday(t, zone) and date_text(t, zone)"
	}
	return ""
}

// pointer is # inside a loop.
func (c *checker) pointer(n *ast.PointerNode) code {
	switch {
	case len(c.loops) == 0:
		return c.wrong(n, codeForbidden, "# stands only inside any, all, none, one, filter, count and sum", "")
	case n.Name != "":
		return c.wrong(n, codeForbidden, fmt.Sprintf("#%s is not used in rules", n.Name), "# is the element")
	}
	depth := len(c.loops) - 1
	return code{shape: c.loops[depth], uses: usesFacts, cost: 1, size: maxList, path: "#",
		run: func(f *frame) value { return f.elem[depth] }, self: func(f *frame) any { return f.elem[depth].ref }}
}

// array is a list written out: texts, numbers, money or times, for in.
func (c *checker) array(n *ast.ArrayNode) code {
	out := code{shape: shape{k: texts}, cost: 1, size: len(n.Nodes), fixed: true}
	parts := make([]code, len(n.Nodes))
	for i, e := range n.Nodes {
		parts[i] = c.node(e)
		if parts[i].bad {
			return broken
		}
		if parts[i].k != text {
			return c.wrong(e, codeMismatch, "a list that stands by itself holds texts", "lists of other values stand behind in")
		}
		out.cost += parts[i].cost
		out.uses |= parts[i].uses
		out.fixed = out.fixed && parts[i].fixed
	}
	out.run = func(f *frame) value {
		list := make([]string, len(parts))
		for i := range parts {
			v := parts[i].run(f)
			if !v.ok() {
				return v
			}
			list[i] = v.s
		}
		return textsValue(&list)
	}
	return out
}

// conditional is a ? b : c, and if a { b } else { c }.
func (c *checker) conditional(n *ast.ConditionalNode) code {
	cond, yes, no := c.node(n.Cond), c.node(n.Exp1), c.node(n.Exp2)
	switch {
	case cond.bad || yes.bad || no.bad:
		return broken
	case cond.k != boolean:
		return c.wrong(n.Cond, codeMismatch, fmt.Sprintf("before ? stands true or false, not %s", article(cond.shape)), "")
	case yes.k == object || no.k == object:
		return c.wrong(n, codeMismatch, "an object is not chosen, its fields are", "write c ? item.stock : was.stock")
	case yes.k != no.k && !(numeric(yes.k) && numeric(no.k)):
		return c.wrong(n, codeMismatch, fmt.Sprintf("one side gives %s, the other %s", article(yes.shape), article(no.shape)), "")
	}
	out := code{shape: yes.shape, uses: cond.uses | yes.uses | no.uses, cost: cond.cost + max(yes.cost, no.cost), size: max(yes.size, no.size)}
	if no.k == decimal {
		out.k = decimal
	}
	out.fixed = cond.fixed && yes.fixed && no.fixed
	out.run = func(f *frame) value {
		v := cond.run(f)
		switch {
		case !v.ok():
			return v
		case v.isTrue():
			return yes.run(f)
		}
		return no.run(f)
	}
	return out
}

// objectRun stands for an object itself, which has no value: only its fields do.
func objectRun(*frame) value { return value{k: object} }

func numeric(k kind) bool { return k == integer || k == decimal }

// now is the value of a part that is the same for ever.
func (c code) now() value { return c.run(&frame{fuel: maxFuel}) }
