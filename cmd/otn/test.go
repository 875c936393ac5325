// otn test: the rules, tried out against a whole Host before anybody is told anything.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/rules"
	"github.com/onetimenotify/otn/rules/ruletest"
)

// trial is one run of otn test.
type trial struct {
	only     string
	cover    bool
	minCover float64
	mutate   bool
	junit    string
}

// tested is what it prints for machines.
type tested struct {
	Passed   int                `json:"passed"`
	Failed   int                `json:"failed"`
	Results  []ruletest.Result  `json:"results"`
	Cover    []*ruletest.Cover  `json:"cover,omitempty"`
	Mutation *ruletest.Mutation `json:"mutation,omitempty"`
}

func (k *call) test() *cobra.Command {
	var t trial
	cmd := &cobra.Command{
		Use: "test [FILE|DIR…]", GroupID: "set", Short: "Try the rules out, on a virtual clock",
		Long: "Run rule test files: each test against a whole Host with its store in memory and a platform that is a mock. Only the\n" +
			"clock is virtual, so that a year takes seconds. A folder stands for its *.test.yaml; without any, those beside the rule\n" +
			"files of the configuration are run. Exit 1 when a test fails, less is covered than wanted, or a change goes unnoticed;\n" +
			"3 when a file is at fault.\n\n" +
			"With --mutate the rules are changed in one place at a time, and every change that no test notices is listed. A change\n" +
			"that none can notice is explained in the rule file, on its line or above its key:  # otn: equivalent: why",
		Example: "  otn test\n  otn test rules/shop.test.yaml --run 'target'\n  otn test --cover --min-cover 90\n  otn test --mutate",
		RunE:    k.does(func(ctx context.Context, args []string) error { return k.runTests(ctx, t, args) }),
	}
	f := cmd.Flags()
	f.StringVar(&t.only, "run", "", "only tests whose name matches this `regexp`")
	f.BoolVar(&t.cover, "cover", false, "show what of the rules no test has seen")
	f.Float64Var(&t.minCover, "min-cover", 0, "fail when less than so many `percent` of the rules were seen")
	f.BoolVar(&t.mutate, "mutate", false, "list changes of the rules that no test notices")
	f.StringVar(&t.junit, "junit", "", "also write the results as JUnit XML into this `file`")
	return cmd
}

// runTests loads all files before it runs any.
func (k *call) runTests(ctx context.Context, t trial, args []string) error {
	var only *regexp.Regexp
	if t.only != "" {
		var err error
		if only, err = regexp.Compile(t.only); err != nil {
			return usage("--run: %w", err)
		}
	}
	suites, err := k.suites(args)
	if err != nil {
		return err
	}
	out := tested{Results: []ruletest.Result{}}
	for _, s := range suites {
		report, err := s.Run(ctx, ruletest.Options{Only: only, Cover: t.cover || t.minCover > 0})
		if err != nil {
			return err
		}
		out.Results = append(out.Results, report.Results...)
		if report.Cover != nil {
			out.Cover = append(out.Cover, report.Cover)
		}
	}
	for _, r := range out.Results {
		if r.Passed {
			out.Passed++
		} else {
			out.Failed++
		}
	}
	if len(out.Results) == 0 {
		return &coded{exitNotFound, fmt.Errorf("no test is called so: %s", t.only), ""}
	}
	if t.mutate && out.Failed == 0 {
		m, err := ruletest.Mutate(ctx, suites)
		if err != nil {
			return err
		}
		out.Mutation = &m
	}
	out.Cover = ruletest.Together(out.Cover)
	if t.junit != "" {
		if err := writeJUnit(t.junit, out.Results); err != nil {
			return err
		}
	}
	return k.testVerdict(t, &out)
}

func writeJUnit(name string, results []ruletest.Result) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(ruletest.WriteJUnit(f, results), f.Close())
}

// suites loads the test files that are named, or those beside the rules.
func (k *call) suites(args []string) ([]*ruletest.Suite, error) {
	names, err := k.testFiles(args)
	if err != nil {
		return nil, err
	}
	var suites []*ruletest.Suite
	var bad []*rules.Error
	for _, name := range names {
		suite, found, err := loadTests(name)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !slices.ContainsFunc(bad, func(have *rules.Error) bool { return *have == *f }) {
				bad = append(bad, f)
			}
		}
		if suite != nil {
			suites = append(suites, suite)
		}
	}
	if len(suites) < len(names) {
		return nil, rules.Errors(bad)
	}
	return suites, nil
}

// loadTests reads one test file and its rules.
func loadTests(name string) (*ruletest.Suite, []*rules.Error, error) {
	source, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &coded{exitNotFound, fmt.Errorf("%s: no such file", name), "a test file is called NAME.test.yaml; `otn init` writes one"}
	}
	if err != nil {
		return nil, nil, err
	}
	suite, found := ruletest.Load(rules.File{Name: name, Source: source}, ruleReader(filepath.Dir(name)))
	return suite, found, nil
}

// ruleReader finds rule files below a folder.
func ruleReader(dir string) ruletest.Reader {
	return func(pattern string) ([]rules.File, error) {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, fmt.Errorf("%q is no pattern", pattern)
		}
		names = slices.DeleteFunc(names, config.IsTest)
		if len(names) == 0 {
			return nil, fmt.Errorf("%q finds no rule file", pattern)
		}
		return readRules(names)
	}
}

// testFiles are the files that are meant by arguments; without any, those beside the rule files of the configuration.
func (k *call) testFiles(args []string) (names []string, err error) {
	if len(args) == 0 {
		if err := k.load(config.Rules); err != nil {
			return nil, err
		}
		for _, rule := range k.config.Rules {
			if dir := filepath.Dir(rule); !slices.Contains(args, dir) {
				args = append(args, dir)
			}
		}
	}
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			names = append(names, arg) // a file that is not there is told when it is read
			continue
		}
		found, err := filepath.Glob(filepath.Join(arg, "*.test.y*ml"))
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, &coded{exitNotFound, fmt.Errorf("there are no test files in %s", strings.Join(args, ", ")), "a test file is called NAME.test.yaml; `otn init` writes one"}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// testVerdict tells how the tests ended.
func (k *call) testVerdict(t trial, out *tested) error {
	if k.format != asTable {
		if err := k.show(out, nil); err != nil {
			return err
		}
	} else {
		k.tellTests(t, out)
	}
	percent := ruletest.Percent(out.Cover)
	switch {
	case out.Failed > 0:
		k.say("otn: %d of %s failed", out.Failed, count(len(out.Results), "test", "tests"))
		return said(exitFailed)
	case percent < t.minCover:
		k.say("otn: %.1f %% of the rules were seen, wanted are %g %%", percent, t.minCover)
		return said(exitFailed)
	case out.Mutation != nil && len(out.Mutation.Survivors) > 0:
		k.say("otn: no test notices %s\n     let a test happen where it matters, at a boundary say; `otn test --help` tells how to explain one that nobody can notice",
			count(len(out.Mutation.Survivors), "change of the rules", "changes of the rules"))
		return said(exitFailed)
	}
	k.say("otn: %s passed", count(out.Passed, "test", "tests"))
	return nil
}

// tellTests prints a line for each test, and what else was asked for.
func (k *call) tellTests(t trial, out *tested) {
	for i := range out.Results {
		r := &out.Results[i]
		mark := "ok  "
		if !r.Passed {
			mark = "FAIL"
		}
		k.print("%s  %s:%d  %s", mark, r.File, r.Line, printable(r.Name))
		for j := range r.Failures {
			k.print("%s", strings.TrimRight(r.Failures[j].Text("      "), "\n"))
		}
	}
	if t.cover {
		k.tellCover(out.Cover)
	}
	if m := out.Mutation; m != nil {
		for i := range m.Survivors {
			k.print("LEFT  %s", m.Survivors[i].String())
		}
		for i := range m.Explained {
			k.print("fine  %s  (%s)", m.Explained[i].String(), m.Explained[i].Why)
		}
		k.print("mutate  %s noticed, %d not, %d explained", count(m.Noticed, "change", "changes"), len(m.Survivors), len(m.Explained))
	}
}

// tellCover lists what no test has seen.
func (k *call) tellCover(list []*ruletest.Cover) {
	for _, c := range list {
		for _, line := range c.Unseen() {
			k.print("never  %s", line)
		}
	}
	seen, all := 0, 0
	for _, c := range list {
		s, a := c.Count()
		seen, all = seen+s, all+a
	}
	k.print("cover  %.1f %%, %d of %d", ruletest.Percent(list), seen, all)
}

// print writes one line of data.
func (c *call) print(format string, args ...any) { _, _ = fmt.Fprintf(c.stdout, format+"\n", args...) }

// apart tells rule files and test files apart.
func apart(names []string) (ruleFiles, testFiles []string) {
	for _, name := range names {
		if config.IsTest(name) {
			testFiles = append(testFiles, name)
		} else {
			ruleFiles = append(ruleFiles, name)
		}
	}
	return ruleFiles, testFiles
}

// checkTests finds every fault of test files, and of the rules that they name.
func checkTests(names []string) (found []*rules.Error, err error) {
	for _, name := range names {
		_, faults, err := loadTests(name)
		if err != nil {
			return nil, err
		}
		found = append(found, faults...)
	}
	return found, nil
}

// testWord is what a code of a test file's faults means, or a reason why somebody was not told.
func testWord(word string) (string, bool) {
	if meaning, ok := ruletest.Codes()[strings.ToUpper(word)]; ok {
		return strings.ToUpper(word) + ": " + meaning, true
	}
	meaning, ok := core.Reasons()[strings.ToLower(word)]
	return "because " + strings.ToLower(word) + ": " + meaning, ok
}
