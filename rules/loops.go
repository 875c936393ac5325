// Loops over the lists of the shop: any, all, none, one, filter, count and sum, each counted in fuel.

package rules

import (
	"fmt"

	"github.com/expr-lang/expr/ast"

	"github.com/onetimenotify/otn/core/otn"
)

// loop checks a builtin with a predicate.
func (c *checker) loop(n *ast.BuiltinNode) code {
	if !loopNames()[n.Name] {
		return c.noFunction(n, n.Name)
	}
	list := c.node(n.Arguments[0])
	if list.bad {
		return broken
	}
	if list.k != texts && list.k != items {
		return c.wrong(n.Arguments[0], codeArgument, fmt.Sprintf("%s goes through a list, and this is %s", n.Name, article(list.shape)), "")
	}
	if len(n.Arguments) < 2 {
		return c.wrong(n, codeArgument, fmt.Sprintf("%s needs a condition for the elements", n.Name), fmt.Sprintf(`for example %s(item.tags, {# == "vip"})`, n.Name))
	}
	if len(c.loops) == maxLoops {
		return c.wrong(n, codeForbidden, fmt.Sprintf("at most %d loops stand inside each other", maxLoops), "")
	}
	depth := len(c.loops)
	elem := shape{k: text}
	if list.k == items {
		elem = shape{object, list.obj}
	}
	c.loops = append(c.loops, elem)
	body := c.node(predicate(n.Arguments[1]))
	c.loops = c.loops[:depth]
	if body.bad {
		return broken
	}
	out := code{uses: list.uses | body.uses, cost: list.cost + list.size*(1+body.cost), size: list.size}
	if n.Name == "sum" {
		return c.sumOf(n, list, body, out, depth)
	}
	if body.k != boolean {
		return c.wrong(n.Arguments[1], codeArgument, fmt.Sprintf("%s wants a condition, and this is %s", n.Name, article(body.shape)), "")
	}
	switch n.Name {
	case "filter":
		out.shape = list.shape
		out.run = filtering(list, body, depth)
	default:
		out.k = boolean
		if n.Name == "count" {
			out.k = integer
		}
		out.run = counting(n.Name, list, body, depth)
	}
	return out
}

func predicate(n ast.Node) ast.Node {
	if p, ok := n.(*ast.PredicateNode); ok {
		return p.Node
	}
	return n
}

// each runs body for every element and stops early when visit says so. It returns what went wrong, if anything.
func each(f *frame, list value, body func(*frame) value, depth int, visit func(i int, v value) bool) value {
	length := 0
	var strs []string
	var its []otn.Item
	if list.k == texts {
		strs = list.texts()
		length = len(strs)
	} else {
		its = list.items()
		length = len(its)
	}
	for i := range length {
		if !f.burn(1) {
			return outOfFuel
		}
		if list.k == texts {
			f.elem[depth] = textValue(strs[i])
		} else {
			f.elem[depth] = itemAt(its, i)
		}
		if !visit(i, body(f)) {
			break
		}
	}
	return value{k: boolean}
}

// counting runs any, all, none, one and count. What is not known of an element matters only when it could change the answer.
func counting(name string, list, body code, depth int) func(*frame) value {
	return func(f *frame) value {
		l := list.run(f)
		if !l.ok() {
			return l
		}
		hits, misses, open := 0, 0, value{k: boolean}
		end := each(f, l, body.run, depth, func(_ int, v value) bool {
			switch {
			case v.isTrue():
				hits++
			case v.k == boolean:
				misses++
			case open.ok() || open.k == unknown && v.k == failed:
				open = v
			}
			switch name {
			case "any", "none":
				return hits == 0
			case "all":
				return misses == 0
			case "one":
				return hits < 2
			}
			return true
		})
		if end.k == failed {
			return end
		}
		return counted(name, hits, misses, open)
	}
}

func counted(name string, hits, misses int, open value) value {
	switch {
	case name == "any" && hits > 0, name == "none" && hits > 0:
		return boolValue(name == "any")
	case name == "all" && misses > 0, name == "one" && hits > 1:
		return boolValue(false)
	case !open.ok():
		return open
	case name == "count":
		return intValue(int64(hits))
	case name == "one":
		return boolValue(hits == 1)
	}
	return boolValue(name != "any")
}

// filtering keeps the elements for which the condition holds; one that is undecided leaves the whole list not known.
func filtering(list, body code, depth int) func(*frame) value {
	return func(f *frame) value {
		l := list.run(f)
		if !l.ok() {
			return l
		}
		var keep []int
		bad := value{k: boolean}
		end := each(f, l, body.run, depth, func(i int, v value) bool {
			if v.isTrue() {
				keep = append(keep, i)
			}
			if bad = v; !v.ok() {
				return false
			}
			return true
		})
		switch {
		case end.k == failed:
			return end
		case !bad.ok():
			return bad
		}
		return picked(l, keep)
	}
}

func picked(l value, keep []int) value {
	if l.k == texts {
		out, from := make([]string, len(keep)), l.texts()
		for i, k := range keep {
			out[i] = from[k]
		}
		return textsValue(&out)
	}
	out, from := make([]otn.Item, len(keep)), l.items()
	for i, k := range keep {
		out[i] = from[k]
	}
	return itemsValue(&out)
}

// sumOf adds numbers, or money of one currency.
func (c *checker) sumOf(n *ast.BuiltinNode, list, body, out code, depth int) code {
	if !numeric(body.k) && body.k != money {
		return c.wrong(n.Arguments[1], codeArgument, fmt.Sprintf("sum adds numbers or money, and this is %s", article(body.shape)), "")
	}
	out.k = body.k
	out.run = func(f *frame) value {
		l := list.run(f)
		if !l.ok() {
			return l
		}
		total, none := value{k: body.k}, true
		end := each(f, l, body.run, depth, func(_ int, v value) bool {
			if none {
				total, none = v, false
			} else {
				total = arithmetic("+", total, v)
			}
			return total.k != failed
		})
		switch {
		case end.k == failed:
			return end
		case none && body.k == money:
			return failure("there is nothing to add: the list is empty")
		}
		return total
	}
	return out
}

func loopNames() map[string]bool {
	return map[string]bool{"any": true, "all": true, "none": true, "one": true, "filter": true, "count": true, "sum": true}
}
