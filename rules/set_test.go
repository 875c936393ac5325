// A Set under many goroutines, and every input there is.

package rules

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

func TestManyGoroutinesShareASet(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	e := changed(coat(price(usd(12000)), stock(0)), rev(coat(), 2))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				for _, m := range set.Match(e, nil) {
					p, err := set.Open(otn.Facts{Rule: m.Rule.ID, At: noon, Now: e.Now, Was: e.Was, Last: m.Last})
					if err != nil {
						t.Error(err)
						return
					}
					if p.Select(ann()) != otn.Yes {
						t.Errorf("%s: %s", m.Rule.ID, p.Because())
					}
					if _, err := p.Render(ann(), nil); err != nil {
						t.Error(err)
					}
					p.Explain(ann())
				}
			}
		})
	}
	wg.Wait()
}

func TestSetGivesNothingAwayToChange(t *testing.T) {
	source := []byte(readShop(t))
	set, err := Compile(File{"shop.yaml", source})
	if err != nil {
		t.Fatal(err)
	}
	clear(source)
	if _, err := set.Restore(set.Source()); err != nil {
		t.Error("the Set kept the caller's bytes")
	}
	set.Topics()[0].ID = "changed"
	set.List()[0].ID = "changed"
	if set.Topics()[0].ID != "price-drop" || set.List()[0].ID != "price-drop" {
		t.Error("the Set gave its own slices away")
	}
}

func TestExplainShowsEveryPart(t *testing.T) {
	set := mustCompile(t, oneRule("item.stock > 0 && item.price <= sub.target && (item.sellable || item.stock > 5)"))
	p, _ := set.Open(otn.Facts{Rule: "r", At: noon, Now: coat(), Was: coat(), Last: otn.Last{At: noon, Now: coat(stock(0))}})
	got := strings.Join(p.Explain(ann()), "\n")
	for _, want := range []string{"undecided: sub.target is not known", "item.stock = 3", "sub.target = not known: sub.target", "item.stock > 5 = not evaluated"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if got := p.Explain(ann(answer("target", otn.MoneyValue(usd(10000))))); !slices.Contains(got, "at the last decision, 2026-11-27T12:00:00Z: false") {
		t.Errorf("%q", got)
	}
}

func TestEveryCodeHasAMeaning(t *testing.T) {
	codes := Codes()
	if len(codes) < 70 {
		t.Errorf("%d codes", len(codes))
	}
	seen := map[string]string{}
	for code, c := range codes {
		if len(code) != 4 || c.Meaning == "" || seen[c.Meaning] != "" {
			t.Errorf("%s: %q", code, c.Meaning)
		}
		seen[c.Meaning] = code
	}
}

// The example of each code has its fault, the other way to say it none at all.
func TestCodesByExample(t *testing.T) {
	unshown := []string{codeTooLarge, codeEncoding, codeFallback, codeNoChannel, codeInternal}
	for code, c := range Codes() {
		if c.Wrong == "" || c.Right == "" {
			if !slices.Contains(unshown, code) {
				t.Errorf("%s has no example", code)
			}
			continue
		}
		wrong, right := Example(c.Wrong), Example(c.Right)
		found := Check(wrong)
		if !slices.ContainsFunc(found, func(e *Error) bool { return e.Code == code }) {
			t.Errorf("%s: the wrong example has %v\n%s", code, Errors(found), wrong.Source)
		}
		if found := Check(right); len(found) > 0 {
			t.Errorf("%s: the right example has %v\n%s", code, Errors(found), right.Source)
		}
	}
}

func TestCronShapes(t *testing.T) {
	for _, line := range []string{"*/5 * * * *", "0 9 * * 1-5", "0,30 8-18/2 1 JAN SUN", "@every 5m", "30 2 * * mon,wed"} {
		if why := cronFault(line); why != "" {
			t.Errorf("%s: %s", line, why)
		}
	}
	for _, line := range []string{"", "* * * *", "* * * * * *", "*/70 * * * *", "*/0 * * * *", "60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * * 7", "1,,2 * * * *", "5-1 * * * *", "TZ=UTC 0 9 * * *",
		"TZ=", "CRON_TZ=UTC", "@every 10s", "@every -1m", "@every", "@daily", "a * * * *", "+1 * * * *"} {
		if cronFault(line) == "" {
			t.Errorf("%q is taken", line)
		}
	}
}

// Whatever the file, Compile ends, does not panic, and every fault points into the file.
func FuzzCompile(f *testing.F) {
	f.Add(readShop(f))
	f.Add(oneRule("item.stock > 0 && any(item.tags, {# == \"x\"})"))
	f.Add("version: 1\nrules:\n  - {id: a, when: 'x', message: {text: \"${\"}}\n")
	for _, name := range []string{"design.yaml", "wrong/plan-defaults.yaml", "wrong/plan-limits.yaml", "wrong/plan-order-type.yaml", "wrong/ask-when.yaml", "wrong/message-for.yaml"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a: >\n b\n c\nd: \"x\\u0041\\\n y\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Count(text, "\n") + 1
		file := File{Name: "f", Source: []byte(text)}
		found := Check(file)
		if set, err := Compile(file); (err == nil) != (len(only(found, Fault)) == 0) {
			t.Errorf("Check and Compile disagree: %v", err)
		} else if err == nil {
			decidesWhatever(t, set)
		}
		for _, e := range found {
			if e.Line < 0 || e.Line > lines+1 || e.Col < 0 || e.Error() == "" {
				t.Errorf("%+v", e)
			}
			if e.Code == codeInternal {
				t.Errorf("internal: %v", e)
			}
		}
	})
}

// decidesWhatever asks everything of every rule and ask of a set, of a shop of which nothing is known and one of which all is.
func decidesWhatever(t *testing.T, set *Set) {
	all := coat()
	all.Collection = &otn.Collection{ID: "c", Known: 1<<31 - 1, Top: []otn.Item{*all.Item}}
	for _, now := range []otn.Snapshot{{}, all} {
		for _, r := range set.List() {
			p, err := set.Open(otn.Facts{Rule: r.ID, At: noon, Now: now, Was: now})
			if err != nil {
				t.Fatal(err)
			}
			p.Select(ann())
			if rank := p.Rank(ann()); rank < 0 || rank >= 1<<maxRanks {
				t.Errorf("%s: rank %d", r.ID, rank)
			}
			_, sizeless := p.Size()
			if endless, err := p.Ends(); err != nil && !endless.IsZero() || sizeless == nil && r.Plan.Every == 0 {
				t.Errorf("%s: ends %v, %v, size %v", r.ID, endless, err, sizeless)
			}
			if m, err := p.Render(ann(), nil); err == nil && m.Form() == "" {
				t.Errorf("%s: an empty message", r.ID)
			}
		}
		for _, a := range set.Asks() {
			if v, why := set.MayAsk(otn.AskFacts{Rule: a.ID, At: noon, Now: now}); v != otn.Yes && why == "" {
				t.Errorf("%s: %v without a reason", a.ID, v)
			}
		}
		for _, topic := range set.Topics() {
			_, _, _ = set.Then(&otn.Consent{Topic: topic.ID}, now, nil)
		}
	}
}

// Whatever the expression, the checker ends, and what it takes runs.
func FuzzExpression(f *testing.F) {
	for _, src := range []string{"item.stock > 1", `any(item.tags, {# == "x"})`, "!(-1 > 0) ? item.sellable : was.sellable", `money("1 USD") < item.price`, "take(collection.top, 3)", `"vip" in sub.tags && sub.consents < 3`, `item.starts_at + duration("3d")`, "max(item.stock * 2, 10)", "((", `"\u00"`, "1 .. 2"} {
		f.Add(src)
	}
	sc := oracleScope(f)
	s := coat()
	s.Collection = &otn.Collection{ID: "c", Known: 1<<31 - 1, Top: []otn.Item{*s.Item}}
	f.Fuzz(func(t *testing.T, src string) {
		c, mistakes := compile(src, sc, unknown)
		for _, m := range mistakes {
			if m.code == codeInternal || m.off < 0 || m.message == "" {
				t.Errorf("%+v", m)
			}
		}
		if c == nil {
			return
		}
		fr := &frame{at: noon, now: s, was: s, consent: ann(), zones: zones{}}
		v := fr.eval(c.run)
		if again := fr.eval(c.run); fmt.Sprint(again) != fmt.Sprint(v) {
			t.Errorf("%s gave %v, then %v", src, v, again)
		}
		if v.ok() && v.k != c.k && !(numeric(v.k) && numeric(c.k)) {
			t.Errorf("%s gave %v, checked as %v", src, v.k, c.k)
		}
	})
}

// Whatever the text, its pieces put together are the text again.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"${a}", "$${", "${ {} }", `${"}"}`, "${", "${'\\'}'}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pieces, wrong := splitTemplate(s)
		if wrong != nil {
			return
		}
		masked := (&template{at: &node{text: s}}).masked()
		if want := utf8.RuneCountInString(s); utf8.RuneCountInString(masked) != want || strings.Contains(masked, "${") && !strings.Contains(s, "$${") {
			t.Errorf("%q is masked as %q", s, masked)
		}
		src := newSource(File{Name: "f"})
		src.lintBraces(&template{at: &node{text: s}})
		src.lintAsk(&template{at: &node{text: s}})
		var b strings.Builder
		for _, p := range pieces {
			if p.expr {
				b.WriteString("${" + p.text + "}")
			} else {
				b.WriteString(strings.ReplaceAll(p.text, "${", "$${"))
			}
		}
		if got := b.String(); got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}
