// The bound of each expression, printed for who writes it.

package rules

import (
	"strings"
	"testing"
)

func TestCosts(t *testing.T) {
	text := `version: 1
params: {a: {type: int, default: 1}}
topics:
  watch:
    then: {text: "Thank you, ${item.title}"}
    use: price_drop
    subject: item
    ask: '${item.title} gets ${upper("cheaper")}'
rules:
  - id: r
    topic: watch
    on: [item.changed]
    release: {size: item.stock * 2, every: 5m}
    order: ['"vip" in sub.tags', newest_first]
    when: |

      any(item.tags, {# == "x"})
        && any(item.tags, {any(was.tags, {# == "y"})})
    message: {text: "${item.title} costs ${item.price}"}
`
	costs, faults := Costs(File{Name: "a.yaml", Source: []byte(text)})
	if len(faults) != 0 {
		t.Fatal(Errors(faults))
	}
	var got []string
	for _, c := range costs {
		got = append(got, c.File+" "+place2(c.Line, c.Col)+" "+c.In+" "+c.Key)
		if c.Stops != (c.Steps > MaxSteps) || c.Parts < 1 || c.Steps < 1 {
			t.Errorf("%+v", c)
		}
	}
	want := []string{
		"a.yaml 5:32 topic watch then", "a.yaml 8:13 topic watch ask", "a.yaml 8:32 topic watch ask", "a.yaml 13:21 rule r size", "a.yaml 14:14 rule r order",
		"a.yaml 17:7 rule r when", "a.yaml 19:24 rule r text", "a.yaml 19:44 rule r text",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	when := costs[5]
	if !when.Stops || when.Parts != 22 || when.Steps < 256*256 {
		t.Errorf("two loops inside each other: %+v", when)
	}
	if costs[3].Steps > 10 || costs[3].Text != "item.stock * 2" {
		t.Errorf("%+v", costs[3])
	}
}

func place2(line, col int) string { return (&Error{File: "", Line: line, Col: col}).Place()[1:] }

// The bound is none that an evaluation passes: fuel that was burnt, over lists of the length that is counted with.
func TestCostIsABound(t *testing.T) {
	sc := oracleScope(t)
	long := coat()
	long.Item.Tags = make([]string, maxList)
	for _, src := range []string{`any(item.tags, {# == "x"})`, `count(item.tags, {any(was.tags, {# == "y"})}) > 0`, `"x" in item.tags`, `len(filter(item.tags, {# != "z"})) > 3`} {
		c, mistakes := compile(src, sc, boolean)
		if c == nil {
			t.Fatal(mistakes)
		}
		f := &frame{at: noon, now: long, was: long, consent: ann(), zones: zones{}}
		f.fuel = 1 << 40
		c.run(f)
		if burnt := 1<<40 - f.fuel; burnt > c.cost {
			t.Errorf("%s: burnt %d, the bound is %d", src, burnt, c.cost)
		}
	}
}

// An expression at fault has no bound, and is reported.
func TestCostsOfFaults(t *testing.T) {
	costs, faults := Costs(File{Name: "a.yaml", Source: []byte(oneRule("itm.stock > 1"))})
	if len(costs) != 0 || len(faults) != 1 {
		t.Errorf("%v, %v", costs, faults)
	}
}
