// Each expectation fails when it is not so, and says where and how.

package ruletest

import (
	"regexp"
	"strings"
	"testing"
)

const promise = `version: 1
rules: [shop.rules.yaml]
clock: 2026-11-27T09:00:00-05:00
given:
  items: {SKU-1: {title: Wool coat, price: 120.00 USD, stock: 3, url: "https://shop.example/coat"}}
  consents:
    - {sub: ann, topic: price-drop, subject: SKU-1, answers: {target: 100.00 USD}}
    - {sub: bob, topic: price-drop, subject: SKU-1, answers: {target: 80.00 USD}}
tests:
  - name: one
    steps:
      - observe: {SKU-1: {price: 99.00 USD}}
      - expect: `

// failing runs the promise with one expectation, and returns how it fails; "" when it does not.
func failing(t *testing.T, expect string) string {
	t.Helper()
	report, err := load(t, "one.test.yaml", promise+expect+"\n").Run(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return told(report.Results[0])
}

func TestExpectationsFail(t *testing.T) {
	for expect, want := range map[string]string{
		`{sends: []}`:                                                  `(?s)line 13, sends\n.*expected  nothing more\n.*got       price-drop to ann: Wool coat is now \$99.00`,
		`{sends: [{sub: ann}, {sub: ann}]}`:                            `(?s)line 13, sends\n.*expected  to ann\n.*got       nothing of the kind`,
		`{sends: [{sub: bob}, {sub: ann}]}`:                            `(?s)expected  to bob\n.*got       nothing of the kind\n.*because .*price-drop: no: .*item.price = 99.00 USD.*sub.target = 80.00 USD`,
		`{sends: [{sub: ann, card.title: "Wool coat"}]}`:               `(?s)line 13, sends: to ann: card.title\n.*expected  Wool coat\n.*got       Wool coat is now \$99.00`,
		`{sends: [{sub: ann, text: x}]}`:                               `(?s)sends: to ann: text\n.*expected  x\n.*got       \(none\)`,
		`{sends: [{card: {buttons: [{title: Sell it}]}}]}`:             `(?s)card.buttons.0.title\n.*expected  Sell it\n.*got       Buy it`,
		`{sends_count: 2}`:                                             `(?s)line 13, sends_count\n.*expected  2\n.*got       1 \(price-drop 1\)`,
		`{sends_count: {price-drop: 0, tickets: 1}}`:                   `(?s)sends_count: price-drop\n.*expected  0\n.*got       1\n.*sends_count: tickets\n.*expected  1\n.*got       0`,
		`{skips: [{sub: bob, because: was_true}]}`:                     `(?s)skips: to bob\n.*expected  was_true\n.*got       when_false: .*because`,
		`{skips: [{sub: ann}]}`:                                        `(?s)skips: to ann\n.*expected  skipped\n.*got       sent`,
		`{skips: [{sub: bob, rule: tickets}]}`:                         `(?s)skips: tickets to bob\n.*got       nothing was decided about them`,
		`{consents: {ann: waiting}}`:                                   `(?s)consents: ann/price-drop/SKU-1\n.*expected  waiting\n.*got       sent`,
		`{consents: {bob: sent}}`:                                      `(?s)expected  sent\n.*got       waiting\n.*because .*price-drop: no:`,
		`{runs: []}`:                                                   `(?s)runs\n.*expected  nothing more\n.*got       price-drop: done`,
		`{runs: [{rule: price-drop, sent: 2}]}`:                        `(?s)runs: price-drop: sent\n.*expected  2\n.*got       1`,
		`{runs: [{rule: price-drop}, {rule: tickets}]}`:                `(?s)expected  tickets\n.*got       nothing of the kind`,
		`{asks: [{sub: ann}]}`:                                         `(?s)asks\n.*expected  to ann\n.*got       nothing of the kind`,
		`{replies: [{sub: ann}]}`:                                      `(?s)replies\n.*expected  to ann\n.*got       nothing of the kind`,
		`{provider_calls: 0}`:                                          `(?s)provider_calls\n.*expected  0\n.*got       1`,
		"{sends: [{sub: ann}]}\n      - expect: {sends: [{sub: ann}]}": `(?s)line 14, sends\n.*expected  to ann\n.*got       nothing of the kind`,
		"{sends: [{sub: ann}]}\n      - approve":                       `(?s)line 14, approve\n.*got       no run is paused`,
		"{sends: [{sub: ann}]}\n      - at: 2026-11-27T08:00":          `(?s)line 14, at\n.*got       2026-11-27T08:00:00-05:00 has passed: it is 2026-11-27T09:00:00-05:00`,
	} {
		if got := failing(t, expect); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("expect %s fails as\n%s\nwant %s", expect, got, want)
		}
	}
	for _, right := range []string{
		`{sends: [{sub: ann, rule: price-drop}], sends_count: 1, skips: [{sub: bob, because: when_false}], runs: [{state: done}], asks: [], provider_calls: 1}`,
		"{sends_count: 1}\n      - expect: {sends: [], sends_count: 0, runs: [], provider_calls: 0, consents: {ann: sent}}",
	} {
		if got := failing(t, right); got != "" {
			t.Errorf("expect %s fails as\n%s", right, got)
		}
	}
}

// A reason is spoken of once: the next expect knows only what came since.
func TestReasonsSinceTheLastExpect(t *testing.T) {
	got := failing(t, "{skips: [{sub: bob, because: when_false}]}\n      - after: 1h\n      - expect: {skips: [{sub: bob, because: when_false}]}")
	if !strings.Contains(got, "line 15, skips: to bob") || !strings.Contains(got, "nothing was decided about them") {
		t.Error(got)
	}
}

// What is wanted is paired with what happened so that as many as possible fit, in whatever order they stand.
func TestPairs(t *testing.T) {
	all := []happened{{fields: map[string]string{"sub": "ann", "rule": "a"}}, {fields: map[string]string{"sub": "ann", "rule": "b"}}}
	wants := []want{{fields: []pair{{"sub", "ann"}}}, {fields: []pair{{"sub", "ann"}, {"rule", "a"}}}}
	if of, taken := pairs(wants, all); of[0] != 1 || of[1] != 0 || !taken[0] || !taken[1] {
		t.Errorf("%v %v", of, taken)
	}
}
