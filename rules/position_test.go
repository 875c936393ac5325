// Carets: whatever the style of a scalar and whatever its runes, a fault points at the runes it means.

package rules

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// written is a text in one style of YAML, as the value of a key at an indentation.
func written(style, text, indent string) string {
	switch style {
	case "single":
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	case "double":
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "é", `\xe9`, "毛", `\u6bdb`, "😀", `\U0001f600`).Replace(text) + `"`
	case "literal":
		return "|\n" + indent + "  " + strings.ReplaceAll(text, "\n", "\n"+indent+"  ")
	case "stripped":
		return "|-\n" + indent + "    " + strings.ReplaceAll(text, "\n", "\n"+indent+"    ")
	}
	return text
}

func TestFaultsPointAtTheirRunes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		style := rapid.SampledFrom([]string{"plain", "single", "double", "literal", "stripped"}).Draw(t, "style")
		runes := "ab é毛😀.()"
		if style != "plain" {
			runes += `'"\:#,{}`
		}
		part := rapid.StringOfN(rapid.RuneFrom([]rune(runes)), 0, 12, -1)
		text := "x" + part.Draw(t, "before") + "ITM" + part.Draw(t, "behind") + "x"
		if strings.HasPrefix(style, "l") || style == "stripped" {
			text = "first" + part.Draw(t, "line") + "x\n" + text + "\nlast"
		}
		indent := strings.Repeat("  ", rapid.IntRange(0, 3).Draw(t, "indent"))
		key := rapid.SampledFrom([]string{"k", "毛", "'k k'"}).Draw(t, "key")
		file := "# é\n"
		for i := range len(indent) / 2 {
			file += strings.Repeat("  ", i) + fmt.Sprintf("m%d:\n", i)
		}
		file += indent + key + ": " + written(style, text, indent) + "\n" + indent + "z: 1\n"
		s := newSource(File{Name: "f", Source: []byte(file)})
		n := s.parse()
		if n == nil {
			t.Fatalf("not read: %v\n%s", s.faults, file)
		}
		for n.kind == mapNode {
			n = n.pairs[0].value
		}
		if strings.TrimSuffix(n.text, "\n") != text {
			t.Fatalf("%q was read as %q\n%s", text, n.text, file)
		}
		off := len([]rune(text[:strings.Index(text, "ITM")]))
		p := s.within(n, off, 3)
		if p.col == 0 {
			t.Fatalf("the column was not found\n%s", file)
		}
		if got := string([]rune(s.lines[p.line-1])[p.col-1 : p.col-1+p.width]); got != "ITM" {
			t.Fatalf("points at %q, %+v\n%s", got, p, file)
		}
	})
}

func TestCaretsStandUnderWideRunesAndTabs(t *testing.T) {
	for _, c := range []struct {
		source string
		col    int
		width  int
		want   string
	}{
		{"a: itm", 4, 3, "   ^^^"},
		{"毛: itm", 4, 3, "    ^^^"},
		{"\ta\titm", 4, 3, "\t \t^^^"},
		{"e\u0301: itm", 5, 3, "   ^^^"},
		{"a: 毛", 4, 1, "   ^^"},
		{"a", 4, 1, "   ^"},
	} {
		if got := caret(c.source, c.col, c.width); got != c.want {
			t.Errorf("%q: %q, want %q", c.source, got, c.want)
		}
	}
}
