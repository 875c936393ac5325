// What tests have seen of the rules, and which changes of the rules they notice.

package ruletest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/rules"
)

const shortRules = `version: 1
topics:
  drop: {use: price_drop, subject: item, ask: Cheaper, answers: {target: {type: money, optional: true}}}
rules:
  - id: drop
    topic: drop
    on: [item.changed]
    when: |
      item.price < was.price
        && (!sub.has.target || item.price <= sub.target) && item.sellable
    message: {text: "Now ${item.price}"}
  - id: other
    topic: drop
    on: [item.changed]
    when: item.stock > 5
    message: {text: "Many"}
`

func shortSuite(t *testing.T, ruleText, steps string) *Suite {
	t.Helper()
	text := "version: 1\nrules: [r.yaml]\nclock: 2026-11-27T09:00:00Z\ngiven:\n  items: {A: {title: Coat, price: 100 USD}}\n" +
		"  consents: [{sub: ann, topic: drop, subject: A, answers: {target: 90 USD}}]\ntests:\n  - name: a\n    steps:\n" + steps
	read := func(string) ([]rules.File, error) {
		return []rules.File{{Name: "r.yaml", Source: []byte(ruleText)}}, nil
	}
	s, found := Load(rules.File{Name: "a.test.yaml", Source: []byte(text)}, read)
	if s == nil {
		t.Fatal(rules.Errors(found).Error())
	}
	return s
}

func TestCover(t *testing.T) {
	cover := func(steps string) *Cover {
		report, err := shortSuite(t, shortRules, steps).Run(t.Context(), Options{Cover: true})
		if err != nil || !report.Results[0].Passed {
			t.Fatal(err, told(report.Results[0]))
		}
		return report.Cover
	}
	dear := cover("      - observe: {A: {price: 110 USD}}\n      - expect: {sends: []}\n")
	want := []string{
		"r.yaml:9: drop: item.price < was.price  true",
		"r.yaml:10: drop: !sub.has.target || item.price <= sub.target  neither true nor false",
		"r.yaml:10: drop: item.sellable  false",
		"r.yaml:15: other: item.stock > 5  neither true nor false",
		"r.yaml:5: drop  fired", "r.yaml:5: drop  its message written", "r.yaml:12: other  fired", "r.yaml:12: other  its message written",
	}
	if got := dear.Unseen(); !slices.Equal(got, want) {
		t.Errorf("never seen\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	cheap := cover("      - observe: {A: {price: 95 USD, sellable: false}}\n      - expect: {sends: []}\n" +
		"      - observe: {A: {sellable: true, price: 92 USD}}\n      - observe: {A: {price: 80 USD}}\n      - expect: {sends_count: 1}\n")
	want = []string{"r.yaml:15: other: item.stock > 5  neither true nor false", "r.yaml:12: other  fired", "r.yaml:12: other  its message written"}
	both := Together([]*Cover{dear, cheap})
	if got := both[0].Unseen(); !slices.Equal(got, want) || len(both) != 1 {
		t.Errorf("together never seen\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if seen, all := both[0].Count(); seen != 8 || all != 12 || Percent(both) < 66 || Percent(both) > 67 || Percent(nil) != 100 {
		t.Errorf("%d of %d, %f", seen, all, Percent(both))
	}
}

// Every change that survives is one that these steps cannot tell from the rules as they are.
func TestMutate(t *testing.T) {
	one := strings.Split(shortRules, "  - id: other")[0]
	steps := "      - observe: {A: {price: 95 USD}}\n      - expect: {sends: []}\n      - observe: {A: {price: 90 USD}}\n      - expect: {sends_count: 1}\n"
	m, err := Mutate(t.Context(), []*Suite{shortSuite(t, one, steps)})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, s := range m.Survivors {
		left = append(left, s.String())
	}
	want := []string{
		"r.yaml:9: item.price < was.price  →  item.price <= was.price",
		"r.yaml:9: item.price < was.price  →  (left out)",
		"r.yaml:10: item.sellable  →  (left out)",
	}
	if !slices.Equal(left, want) || m.Noticed < 5 || len(m.Explained) != 0 {
		t.Errorf("%d noticed, left\n%s\nwant\n%s", m.Noticed, strings.Join(left, "\n"), strings.Join(want, "\n"))
	}
	explained := strings.Replace(one, "    when: |", "    # otn: equivalent: these steps leave it out\n    when: |", 1)
	if m, err = Mutate(t.Context(), []*Suite{shortSuite(t, explained, steps)}); err != nil || len(m.Survivors) != 0 || len(m.Explained) != 3 || m.Explained[0].Why != "these steps leave it out" {
		t.Errorf("%+v, %v", m, err)
	}
}

// The shop of the examples promises nothing that its tests do not look at.
func TestExampleNoticesEverything(t *testing.T) {
	dir := "../../examples/shop/rules"
	text, err := os.ReadFile(filepath.Join(dir, "shop.test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	suite, found := Load(rules.File{Name: "shop.test.yaml", Source: text}, reader(dir))
	if suite == nil {
		t.Fatal(rules.Errors(found).Error())
	}
	report, err := suite.Run(t.Context(), Options{Cover: true})
	if err != nil || report.Cover.Percent() < 100 {
		t.Errorf("cover %f, %v: %v", report.Cover.Percent(), err, report.Cover.Unseen())
	}
	for _, r := range report.Results {
		if !r.Passed {
			t.Errorf("%s\n%s", r.Name, told(r))
		}
	}
	m, err := Mutate(t.Context(), []*Suite{suite})
	if err != nil || m.Noticed < 25 {
		t.Errorf("%d noticed, %v", m.Noticed, err)
	}
	for _, s := range m.Survivors {
		t.Errorf("unnoticed: %s", s.String())
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	err := WriteJUnit(&b, []Result{
		{File: "a.test.yaml", Line: 3, Name: "good & well", Passed: true, Took: 1500 * time.Microsecond},
		{File: "a.test.yaml", Line: 9, Name: "bad", Failures: []Failure{{Line: 11, What: "sends_count", Expected: "2", Got: "1"}}},
		{File: "b.test.yaml", Line: 1, Name: "broken", Failures: []Failure{{Line: 4, What: "at", Got: "<too late>"}}},
	})
	want := `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="a.test.yaml" tests="2" failures="1" time="0.0015">
    <testcase classname="a.test.yaml" name="good &amp; well" file="a.test.yaml" line="3" time="0.0015"></testcase>
    <testcase classname="a.test.yaml" name="bad" file="a.test.yaml" line="9" time="0">
      <failure message="sends_count: expected 2, got 1">line 11, sends_count&#xA;  expected  2&#xA;  got       1&#xA;</failure>
    </testcase>
  </testsuite>
  <testsuite name="b.test.yaml" tests="1" failures="1" time="0">
    <testcase classname="b.test.yaml" name="broken" file="b.test.yaml" line="1" time="0">
      <failure message="at: &lt;too late&gt;">line 4, at&#xA;  got       &lt;too late&gt;&#xA;</failure>
    </testcase>
  </testsuite>
</testsuites>
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}
