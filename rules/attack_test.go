// Attacks on the daemon through a rule file: each is refused, or stopped by fuel, in bounded time and memory.

package rules

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// within fails when fn takes longer than two seconds, which is generous for a busy machine, or allocates more than 64 MiB.
func within(t *testing.T, fn func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	fn()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	runtime.ReadMemStats(&after)
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 64<<20 {
		t.Errorf("allocated %d MiB", grew>>20)
	}
}

func TestAttacksAreRefused(t *testing.T) {
	sc := oracleScope(t)
	for name, src := range map[string]string{
		"parentheses":       strings.Repeat("(", 600_000),
		"bangs":             strings.Repeat("!", 2_000_000),
		"bangs in limits":   strings.Repeat("!", 4000) + "true",
		"nots":              strings.Repeat("not ", 1000) + "true",
		"minuses":           strings.Repeat("- ", 2000) + "1 > 0",
		"parens in limits":  strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000),
		"arrays":            strings.Repeat("[", 2000),
		"closed first":      strings.Repeat(")", 2000) + strings.Repeat("(", 2000),
		"ternaries":         strings.Repeat("true ? ", 500) + "true",
		"chain":             "item" + strings.Repeat(".attrs", 600) + " == 1",
		"long":              strings.Repeat(" ", maxExpr) + "true",
		"money by fact":     "money(item.title) > item.price",
		"date by fact":      "date(item.title) > at",
		"many parts":        strings.Repeat("true && ", 400) + "true",
		"three loops":       "any(item.tags, any(item.tags, any(item.tags, # == \"x\")))",
		"nested sum":        "sum(item.tags, sum(item.tags, sum(item.tags, len(#)))) > 0",
		"reduce":            `len(reduce(1..24, #acc + #acc, "aaaaaaaa")) > 0`,
		"range":             "count(1..1000000000, true) > 0",
		"repeat":            `len(repeat("x", 1000000000)) > 0`,
		"flatten":           "flatten([item.tags]) == item.tags",
		"power":             "2 ** 1000 > 1",
		"regex":             `item.title matches "(a+)+$"`,
		"env":               "$env.item.stock > 0",
		"env index":         `$env["item"].stock > 0`,
		"method":            "at.Local().Hour() > 1",
		"host call":         "item.price.String() == \"\"",
		"hidden":            "__fuel > 0",
		"nil":               "item.stock > nil",
		"chain optional":    "item?.stock > 1",
		"index":             "item.tags[5] == \"x\"",
		"find":              "find(item.tags, # == \"x\") == \"x\"",
		"first of filter":   "filter(item.tags, # == \"x\")[0] == \"x\"",
		"min of nothing":    "min([]) > 1",
		"sequence":          "true; false",
		"any type":          "item.nothing",
		"now":               "now() > at",
		"bytes":             `b"abc" == b"abc"`,
		"not utf-8":         "item.title == \"\xff\"",
		"nul":               "item.stock > 1\x00",
		"template":          "`" + strings.Repeat("a", 5000) + "`",
		"quotes":            strings.Repeat(`"`, 3999),
		"quote in comment":  "/* ' */" + strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100),
		"index of the loop": "any(item.tags, #index > 1)",
		"number":            strings.Repeat("9", 4000) + " > 1",
		"hex":               "0x" + strings.Repeat("f", 4000) + " > 1",
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func() {
				c, mistakes := compile(src, sc, boolean)
				if c != nil || len(mistakes) == 0 {
					t.Errorf("accepted")
				}
				for _, m := range mistakes {
					if m.code == codeInternal {
						t.Errorf("internal: %+v", m)
					}
					if strings.Contains(m.message, "goroutine") || strings.Contains(m.message, ".go:") || strings.Contains(m.message, "reflect") {
						t.Errorf("a Go text reached the author: %s", m.message)
					}
				}
			})
		})
	}
}

// Brackets in a comment or a text are no nesting.
func TestBracketsThatAreNone(t *testing.T) {
	sc := oracleScope(t)
	many := strings.Repeat("(", 3000)
	for _, src := range []string{"/* " + many + " */ item.sellable", "item.sellable // " + many, `item.title != "` + many + `"`, "item.title != '\\'" + many + "'"} {
		if c, mistakes := compile(src, sc, boolean); c == nil {
			t.Errorf("%.40s: %v", src, mistakes)
		}
	}
}

func TestEndlessTextsAreRefused(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	_, err := set.Once(otn.Send{ID: "x", Topic: "price-drop", Message: otn.Message{Text: strings.Repeat("${item.title}", 10_000)}})
	if faults := Faults(err); len(faults) != 1 || faults[0].Code != codeLength {
		t.Errorf("%.300v", err)
	}
	if len(err.Error()) > 2000 {
		t.Errorf("the fault itself has %d bytes", len(err.Error()))
	}
}

// What is accepted is stopped by fuel, however long the lists of the shop are.
func TestFuelStopsWhatIsAccepted(t *testing.T) {
	sc := oracleScope(t)
	long := coat(func(it *otn.Item) {
		it.Tags = make([]string, 100_000)
		for i := range it.Tags {
			it.Tags[i] = fmt.Sprint("tag", i)
		}
		it.Title = strings.Repeat("word ", 1_000_000)
	})
	f := &frame{at: noon, now: long, was: long, consent: ann(), zones: zones{}}
	for _, src := range []string{
		`any(item.tags, {# == "x"})`,
		`all(item.tags, {# in was.tags})`,
		`count(item.tags, {any(was.tags, {# == "x"})}) > 0`,
		`"x" in item.tags`,
		`len(split(item.title, " ")) > 3`,
		`len(split(item.title, "")) > 3`,
		`upper(item.title) == "X"`,
		`item.title contains "zzz"`,
		`len(filter(item.tags, {# != ""})) > 3`,
		`any(item.tags, {upper(item.title) == #})`,
	} {
		c, mistakes := compile(src, sc, boolean)
		if c == nil {
			t.Fatalf("%s: %v", src, mistakes)
		}
		within(t, func() {
			if v := f.eval(c.run); v.k != failed || v.s != outOfFuel.s {
				t.Errorf("%s: %v, want out of fuel", src, v)
			}
		})
	}
}

// The worst that fuel allows stays far below a heartbeat.
func TestTheWorstAcceptedConditionIsQuick(t *testing.T) {
	sc := oracleScope(t)
	s := coat(func(it *otn.Item) { it.Tags = make([]string, 90) })
	c, mistakes := compile(`none(item.tags, {any(item.tags, {lower(trim(upper(#))) == item.title || # contains "x"})})`, sc, boolean)
	if c == nil {
		t.Fatal(mistakes)
	}
	f := &frame{now: s, was: s, zones: zones{}}
	within(t, func() {
		if v := f.eval(c.run); !v.isTrue() {
			t.Errorf("%v", v)
		}
	})
	if spent := maxFuel - f.fuel; spent < 8000 {
		t.Errorf("only %d steps of fuel were burnt: this is not the worst", spent)
	}
}

func TestStaticCostIsRefused(t *testing.T) {
	sc := oracleScope(t)
	inner := "# in was.tags || # in item.tags || # in was.collections || # in item.collections"
	if c, mistakes := compile("any(item.tags, {any(item.tags, {"+inner+"})})", sc, boolean); c != nil || mistakes[len(mistakes)-1].code != codeCost {
		t.Errorf("%v", mistakes)
	}
	if c, mistakes := compile(`any(item.tags, {any(was.tags, {# == "x"})})`, sc, boolean); c == nil {
		t.Errorf("two loops are refused: %v", mistakes)
	}
}

func TestYAMLAttacksAreRefused(t *testing.T) {
	laughs := "version: 1\na: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 9))
	}
	var deep strings.Builder
	deep.WriteString("version: 1\n")
	for i := 0; deep.Len() < 900_000; i++ {
		deep.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, text := range map[string]string{
		"billion laughs": laughs,
		"deep blocks":    deep.String(),
		"flow lists":     "version: " + strings.Repeat("[", 500_000),
		"flow maps":      "version: " + strings.Repeat("{a: ", 200_000),
		"dashes":         strings.Repeat("- ", 400_000) + "a",
		"questions":      strings.Repeat("? ", 400_000) + "a",
		"large":          "version: 1\n# " + strings.Repeat("x", MaxFile),
		"documents":      strings.Repeat("---\nversion: 1\n", 1000),
		"tag":            "version: !!python/object:os.system 1\n",
		"not utf-8":      "version: 1\n\xff\xfe",
		"nul":            "version: 1\x00\n",
		"bidi":           "version: 1 # \u202e\n",
		"keys":           "version: 1\n" + strings.Repeat("a: 1\n", 1000),
		"many keys":      "version: 1\n" + strings.Repeat("a: 1\n", 200_000),
		"many flow keys": "version: {" + strings.Repeat("a: 1,", 200_000) + "}\n",
		"many mappings":  "version: 1\nrules:\n" + strings.Repeat("- {"+strings.Repeat("a: 1,", 450)+"}\n", 400),
		"long key":       "version: 1\n" + strings.Repeat("a", 1_000_000) + ": 1\n",
		"quote":          "version: '" + strings.Repeat("x\n", 10_000),
		"empty":          "",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			found := Check(File{Name: name, Source: []byte(text)})
			if len(only(found, Fault)) == 0 {
				t.Error("accepted")
			}
			if size := len(Errors(found).Error()); size > 1<<20 {
				t.Errorf("the faults have %d bytes", size)
			}
			if took := time.Since(start); took > time.Minute { // a few seconds; one that grows with the square takes hours
				t.Errorf("took %v", took)
			}
		})
	}
}

// Large and harmless files are read in time that grows with their size.
func TestLargeFilesAreReadInTime(t *testing.T) {
	text := oneRule("item.stock > 0")
	rule := text[strings.Index(text, "  - id: r"):]
	var b strings.Builder
	b.WriteString(text)
	for i := 0; b.Len() < 200_000; i++ {
		b.WriteString(strings.Replace(rule, "id: r", fmt.Sprintf("id: r%d", i), 1))
	}
	start := time.Now()
	set := mustCompile(t, b.String())
	if took := time.Since(start); took > time.Minute { // a few seconds; one that grows with the square takes hours
		t.Errorf("%d rules in %v", len(set.List()), took)
	} else {
		t.Logf("%d rules in %v", len(set.List()), took)
	}
}
