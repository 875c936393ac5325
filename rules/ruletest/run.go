// Package ruletest runs rule test files: each test against a whole Host, with its ledger in memory and a platform that is
// a mock. Only the clock is virtual, so that a year takes seconds and nothing sleeps.
package ruletest

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/onetimenotify/otn/core/otn"
)

// Failure is one difference between what was expected and what happened.
type Failure struct {
	Line     int      `json:"line"`
	What     string   `json:"what"`
	Expected string   `json:"expected,omitempty"`
	Got      string   `json:"got,omitempty"`
	Why      []string `json:"why,omitempty"` // what was decided, with the values of the rule's when
}

// Result is how one test ended.
type Result struct {
	File     string        `json:"file"`
	Line     int           `json:"line"`
	Name     string        `json:"name"`
	Passed   bool          `json:"passed"`
	Took     time.Duration `json:"took_ns"`
	Failures []Failure     `json:"failures,omitempty"`
}

// Options choose what is run.
type Options struct {
	Only  *regexp.Regexp // names of tests; nil: all
	Cover bool           // note what the rules were seen to do
}

// Report is how the tests of a file ended.
type Report struct {
	Results []Result `json:"results"`
	Cover   *Cover   `json:"cover,omitempty"`
}

// Run runs the tests of the file, several at once. Errors: ctx's.
func (s *Suite) Run(ctx context.Context, o Options) (Report, error) {
	var tests []*test
	for _, t := range s.tests {
		if o.Only == nil || o.Only.MatchString(t.name) {
			tests = append(tests, t)
		}
	}
	report := Report{Results: make([]Result, len(tests))}
	watch := func(r otn.Rules) otn.Rules { return r }
	if o.Cover {
		report.Cover = newCover(s.set)
		watch = report.Cover.watch
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, t := range tests {
		group.Go(func() error {
			report.Results[i] = s.run(ctx, t, s.set, watch)
			return nil
		})
	}
	_ = group.Wait() // none of them returns an error
	return report, ctx.Err()
}

// run runs one test by given rules.
func (s *Suite) run(ctx context.Context, t *test, r otn.Rules, watch func(otn.Rules) otn.Rules) Result {
	began := time.Now()
	failures := t.run(ctx, r, watch)
	return Result{File: s.File, Line: t.line, Name: t.name, Passed: len(failures) == 0, Took: time.Since(began), Failures: failures}
}

// run goes through the steps, up to the first expect that fails.
func (t *test) run(ctx context.Context, r otn.Rules, watch func(otn.Rules) otn.Rules) (failures []Failure) {
	line, what := t.line, "given"
	broken := func(err error) []Failure {
		return append(failures, Failure{Line: line, What: what, Got: plain(err)})
	}
	w, err := newWorld(ctx, t, r, watch)
	if w == nil {
		return broken(err)
	}
	defer func() {
		if err := w.end(); err != nil && len(failures) == 0 {
			failures = broken(err)
		}
	}()
	if err == nil {
		err = w.begin(ctx)
	}
	if err != nil {
		return broken(err)
	}
	for _, s := range t.steps {
		line, what = s.line, s.what
		err := s.do(ctx, w)
		if err == nil {
			err = w.settle(ctx)
		}
		if err != nil {
			return broken(err)
		}
		if len(w.failures) > 0 {
			return w.failures
		}
	}
	return nil
}

// begin makes true what is given.
func (w *world) begin(ctx context.Context) error {
	if err := w.observe(ctx, w.test.given.subjects...); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	if err := w.grant(ctx, w.test.given.consents...); err != nil {
		return err
	}
	return w.settle(ctx)
}

// plain is an error without the rooms it went through.
func plain(err error) string {
	text := err.Error()
	for _, room := range []string{"core: ", "dispatch: ", "intake: api: ", "intake: ", "rules: "} {
		text = strings.TrimPrefix(text, room)
	}
	return text
}

// Text is the failure for people, its lines indented by so much.
func (f *Failure) Text(indent string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%sline %d, %s\n", indent, f.Line, f.What)
	if f.Expected != "" {
		fmt.Fprintf(&b, "%s  expected  %s\n", indent, lines(f.Expected, indent+"            "))
	}
	fmt.Fprintf(&b, "%s  got       %s\n", indent, lines(f.Got, indent+"            "))
	for i, line := range f.Why {
		lead := "            "
		if i == 0 {
			lead = "  because   "
		}
		fmt.Fprintf(&b, "%s%s%s\n", indent, lead, line)
	}
	return b.String()
}

// lines indents all lines of a text but the first.
func lines(text, indent string) string { return strings.ReplaceAll(text, "\n", "\n"+indent) }
