// The formatter: one way to lay a file out, twice is once, and nothing of what the file says changes.

package rules

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// corpus is every rule file there is, right and wrong.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"testdata/*.yaml", "testdata/*/*.yaml", "../examples/*/rules/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if files[name], err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files
}

// failer is a test, drawn or not.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// said is all that Check says of a file, without the places.
func said(source []byte) string {
	var b strings.Builder
	for _, e := range Check(File{Name: "x.yaml", Source: source}) {
		fmt.Fprintf(&b, "%s %s %s %s\n", e.Severity, e.Code, e.Message, e.Hint)
	}
	return b.String()
}

// formats checks all that holds of a file that Format takes, and returns whether it does.
func formats(t failer, source []byte) bool {
	t.Helper()
	once, err := Format(File{Name: "x.yaml", Source: source})
	if err != nil {
		return false
	}
	twice, err := Format(File{Name: "x.yaml", Source: once})
	if err != nil {
		t.Fatalf("laid out once it is refused: %v\n%s", err, once)
	}
	if !bytes.Equal(once, twice) {
		t.Fatalf("not the same twice:\n%s\nthen:\n%s", once, twice)
	}
	if before, after := said(source), said(once); !sameFaults(before, after) {
		t.Fatalf("check says something else:\n%s\nbefore:\n%s\n%s\n%s", after, before, source, once)
	}
	return true
}

// sameFaults compares what check says; where nothing is wrong the compiled sets are compared elsewhere.
func sameFaults(a, b string) bool { return sorted(a) == sorted(b) }

func TestFormatKeepsTheCorpus(t *testing.T) {
	taken := 0
	for name, source := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			if formats(t, source) {
				taken++
			} else if bad := said(source); bad == "" {
				t.Error("a right file is refused")
			}
		})
	}
	if taken < 60 {
		t.Errorf("only %d files were laid out", taken)
	}
}

// A file without faults gives a set that is the same in everything but the places.
func TestFormatKeepsTheCompiledSet(t *testing.T) {
	compared := 0
	for name, source := range corpus(t) {
		before, err := Compile(File{Name: name, Source: source})
		if err != nil {
			continue
		}
		text, err := Format(File{Name: name, Source: source})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		after, err := Compile(File{Name: name, Source: text})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if a, b := contents(before), contents(after); a != b {
			t.Errorf("%s:\n%s\nwant:\n%s", name, b, a)
		}
		compared++
	}
	if compared < 3 {
		t.Errorf("only %d files were compared", compared)
	}
}

// contents is a set in words, without the places.
func contents(s *Set) string {
	var b strings.Builder
	for _, t := range s.Topics() {
		fmt.Fprintf(&b, "%+v\n", t)
	}
	for _, r := range s.rules {
		l := r.Rule
		l.Line = 0
		fmt.Fprintf(&b, "%+v %q\n", l, r.letter.words())
	}
	return b.String()
}

// words are the texts of a letter as written.
func (l *letter) words() (out []string) {
	for _, t := range []*template{l.text, l.image, l.reply, l.payload} {
		if t != nil {
			out = append(out, t.at.text)
		}
	}
	for _, c := range append([]*cardText{l.card, l.gallery}, l.cards...) {
		if c == nil {
			continue
		}
		for _, t := range []*template{c.title, c.subtitle, c.image, c.url} {
			if t != nil {
				out = append(out, t.at.text)
			}
		}
	}
	if l.each != nil {
		out = append(out, l.each.src)
	}
	return out
}

func sorted(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestFormatGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/format/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Format(File{Name: filepath.Base(name), Source: source})
		if err != nil {
			got = []byte(err.Error() + "\n")
		}
		golden := strings.TrimSuffix(name, ".yaml") + ".out"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// What the comparison before and after sees: everything that a file says.
func TestFormatSeesEveryChange(t *testing.T) {
	const base = "a: 1\nb: [x, y]\nc: z # why\nd: 'e'\n"
	for _, other := range []string{
		"a: 2\nb: [x, y]\nc: z # why\nd: 'e'\n", "b: [x, y]\na: 1\nc: z # why\nd: 'e'\n", "a: 1\nb: [y, x]\nc: z # why\nd: 'e'\n", "a: 1\nb: [x]\nc: z # why\nd: 'e'\n",
		"a: 1\nb: {x: y}\nc: z # why\nd: 'e'\n", "a: 1\nb: [x, y]\nc: z\nd: 'e'\n", "a: 1\nb: [x, y]\nc: z # because\nd: 'e'\n", "a: 1\nb: [x, y]\nc: 'z' # why\nd: 'e'\n",
		"a: 1\nb: [x, y]\nc: z # why\nd:\n", "a: 1\nb: [x, y]\nc: z # why\nd: >\n  e\n", "a: 1\nb: [x, y]\nc: z # why\nd: 'e'\nf: 1\n",
	} {
		s, o := newSource(File{Name: "a", Source: []byte(base)}), newSource(File{Name: "b", Source: []byte(other)})
		if _, what := s.changes(s.parse(), o.parse(), o.text); what == "" {
			t.Errorf("not seen:\n%s", other)
		}
	}
	s, o := newSource(File{Name: "a", Source: []byte(base)}), newSource(File{Name: "b", Source: []byte("a:   1\nb: [x,y]\n\nc: z   # why\nd: \"e\"\n")})
	if _, what := s.changes(s.parse(), o.parse(), o.text); what != "" {
		t.Errorf("the same is taken for another: %s", what)
	}
}

// Files drawn at random, in any style that YAML allows for the same values.
func TestFormatGenerated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := drawFile(t)
		if !formats(t, []byte(source)) {
			t.Fatalf("refused:\n%s\n%s", said([]byte(source)), source)
		}
	})
}

// FuzzFormat lays out anything: it is refused, or stays what it was.
func FuzzFormat(f *testing.F) {
	for _, source := range corpus(f) {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source []byte) { formats(t, source) })
}

// drawn is a file that is being drawn.
type drawn struct {
	*rapid.T
	lines []string
}

// drawFile writes some rules in a style drawn line by line.
func drawFile(t *rapid.T) string {
	d := &drawn{T: t}
	d.remarks(0)
	d.line("version: 1")
	d.line("params: {a: {type: int, default: 1}}")
	d.mapping(0, "topics", func(at int) {
		d.mapping(at, "watch", func(at int) {
			d.scalar(at, "use", "price_drop")
			d.scalar(at, "subject", "item")
			d.scalar(at, "ask", "${item.title} now")
			d.either(func() {
				d.line(pad(at) + d.of("answers: {quantity: {type: int, default: 1}}", "answers: { quantity : {type: int,", "answers:  {quantity: {type: int,"))
			}, nil)
			if last := d.lines[len(d.lines)-1]; strings.HasSuffix(last, "int,") {
				d.remarks(at + 3)
				d.line(pad(at+d.to(1, 9)) + "default: 1}" + d.of("}", " }", "  } # done"))
			}
		})
	})
	lists := d.to(0, 3)
	d.line("rules:")
	for i := range d.to(1, 3) {
		d.remarks(lists)
		d.rule(lists, i)
	}
	d.remarks(d.to(0, 8))
	return strings.Join(d.lines, d.of("\n", "\r\n")) + d.of("", "\n", "\n\n")
}

func (d *drawn) rule(dash, n int) {
	gap := d.to(1, 3)
	first := len(d.lines)
	at := dash + 1 + gap
	d.line(pad(at) + fmt.Sprintf("id: r%d", n))
	d.lines[first] = pad(dash) + "-" + d.lines[first][dash+1:]
	d.scalar(at, "topic", "watch")
	switch d.to(0, 2) {
	case 0:
		d.line(pad(at) + d.of("on: [item.changed]", "on: item.changed", "on: [ item.changed ]  # often"))
	case 1:
		d.line(pad(at) + "on:")
		d.line(pad(at+d.to(0, 4)) + "-  item.changed")
	default:
		d.line(pad(at) + "on: [")
		d.line(pad(at+d.to(1, 7)) + "item.changed")
		d.line(pad(at+1) + "]")
	}
	d.either(func() {
		d.scalar(at, "when", d.of("item.stock > 0", "item.title == \"a: b\"", "item.title != 'x #1'", `any(item.tags, {# == "vip"})`, "!item.sellable || item.stock in [1, 2]", "item.stock * 2 > params.a"))
	}, func() { d.block(at, "when", "item.stock > 1", "  && item.sellable // really", "", "&& item.has.price") })
	d.mapping(at, "message", func(at int) {
		d.either(func() { d.block(at, "text", "Hello ${item.title}", "", " # no comment") },
			func() {
				d.scalar(at, "text", d.of("Hello ${item.title}", "It's {here}: now", "a # b", "1.50", "a \\ \"b\""))
			})
		d.either(func() { d.mapping(at, "quick_reply", func(at int) { d.scalar(at, "title", "Not now") }) }, nil)
	})
}

// to draws a number.
func (d *drawn) to(from, to int) int { return rapid.IntRange(from, to).Draw(d.T, "n") }

func (d *drawn) of(list ...string) string { return rapid.SampledFrom(list).Draw(d.T, "of") }

func (d *drawn) either(a, b func()) {
	if d.to(0, 1) == 0 {
		a()
	} else if b != nil {
		b()
	}
}

func pad(n int) string { return strings.Repeat(" ", n) }

func (d *drawn) line(s string) { d.lines = append(d.lines, s) }

// remarks are blank lines and comments of some indentation.
func (d *drawn) remarks(near int) {
	for range d.to(0, 2) {
		d.line(d.of("", "   ", pad(near)+"# here", pad(d.to(0, 12))+"# somewhere", "#"))
	}
}

func (d *drawn) mapping(at int, key string, inner func(at int)) {
	d.line(pad(at) + key + ":" + d.of("", "  ", " # opens"))
	in := at + d.to(1, 5)
	if at == 0 || d.to(0, 1) == 0 {
		d.remarks(in)
	}
	inner(in)
	d.remarks(in)
}

// scalar writes a value on one line in one of the styles that can hold it.
func (d *drawn) scalar(at int, key, value string) {
	single := "'" + strings.ReplaceAll(value, "'", "''") + "'"
	double := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	behind := d.of("", " ", "   # why", " # x")
	ways := []string{single, double}
	if !strings.ContainsAny(value, "#{:!\"'\\") && behind == "" || value == "Hello ${item.title}" && behind == " " {
		ways = append(ways, value)
	}
	d.line(pad(at) + key + d.of(": ", ":  ", " : ") + d.of(ways...) + behind)
}

// block writes a block text.
func (d *drawn) block(at int, key string, lines ...string) {
	in := d.to(1, 6)
	head := d.of("|", "|-", "| # a block")
	d.line(pad(at) + key + ": " + head)
	for _, l := range lines {
		if l != "" {
			l = pad(at+in) + l
		}
		d.line(l)
	}
	for range d.to(0, 2) {
		d.line("")
	}
}
