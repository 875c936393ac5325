// The rule files for the console: read, tried out, and written anew in one step, never over somebody else's change.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core"
	web "github.com/onetimenotify/otn/core/console"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
	"github.com/onetimenotify/otn/rules/ruletest"
)

// testsWithin is how long the tests of a rule file may take for the console.
const testsWithin = 40 * time.Second

// ruleFiles are the rule files that the configuration names.
type ruleFiles struct {
	paths  func() ([]string, error)
	reload func(context.Context) error
	mu     sync.Mutex // one is written at a time
}

var _ web.RuleFiles = (*ruleFiles)(nil)

// Read gives the files as they are on disk.
func (f *ruleFiles) Read() ([]core.RuleFile, error) {
	files, err := f.files()
	list := make([]core.RuleFile, len(files))
	for i, one := range files {
		list[i] = core.RuleFile{Name: one.Name, Source: string(one.Source)}
	}
	return list, err
}

func (f *ruleFiles) files() ([]rules.File, error) {
	paths, err := f.paths()
	if err != nil {
		return nil, err
	}
	return readRules(paths)
}

// Activate writes a file and lets the rules decide that stand in all of them then.
func (f *ruleFiles) Activate(ctx context.Context, name, was, text string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	files, err := f.files()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(files, func(one rules.File) bool { return one.Name == name })
	switch {
	case at < 0:
		return fmt.Errorf("%s is no rule file of this configuration: %w", name, otn.ErrNotFound)
	case string(files[at].Source) != was:
		return fmt.Errorf("%s was changed on disk meanwhile: %w", filepath.Base(name), otn.ErrConflict)
	}
	files[at].Source = []byte(text)
	if _, err := rules.Compile(files...); err != nil {
		return fmt.Errorf("nothing was written: %w: %w", err, otn.ErrInvalid)
	}
	if err := replace(name, []byte(text)); err != nil {
		return err
	}
	if err := f.reload(ctx); err != nil {
		return fmt.Errorf("the old text is back in its place: %w: %w", errors.Join(err, replace(name, []byte(was))), otn.ErrInvalid)
	}
	return nil
}

// Test runs the test files beside a rule file that read it, with text in its place.
func (f *ruleFiles) Test(ctx context.Context, name, text string) (web.Tested, error) {
	ctx, cancel := context.WithTimeout(ctx, testsWithin)
	defer cancel()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(name), "*.test.y*ml"))
	if err != nil {
		return web.Tested{}, err
	}
	var out outcome
	found := false
	for _, test := range names {
		suite, concerned, err := suiteWith(test, name, text)
		if err != nil {
			return web.Tested{}, err
		}
		if !concerned {
			continue
		}
		found = true
		report, err := suite.Run(ctx, ruletest.Options{})
		if err != nil {
			return web.Tested{}, err
		}
		for i := range report.Results {
			out.add(&report.Results[i])
		}
	}
	if !found {
		return out.Tested, fmt.Errorf("no test file reads %s: %w", filepath.Base(name), otn.ErrNotFound)
	}
	return out.Tested, nil
}

// outcome gathers how tests ended.
type outcome struct{ web.Tested }

func (o *outcome) add(r *ruletest.Result) {
	t := web.Test{Name: r.Name, File: r.File, Line: r.Line, Passed: r.Passed}
	for i := range r.Failures {
		t.Failure += r.Failures[i].Text("")
	}
	if r.Passed {
		o.Passed++
	} else {
		o.Failed++
	}
	o.Tests = append(o.Tests, t)
}

// suiteWith loads a test file, with text in the place of a rule file, and reports whether it reads that file at all.
func suiteWith(test, name, text string) (suite *ruletest.Suite, concerned bool, err error) {
	source, err := os.ReadFile(test)
	if err != nil {
		return nil, false, err
	}
	read := ruleReader(filepath.Dir(test))
	suite, faults := ruletest.Load(rules.File{Name: test, Source: source}, func(pattern string) ([]rules.File, error) {
		files, err := read(pattern)
		for i := range files {
			if files[i].Name == name {
				files[i].Source, concerned = []byte(text), true
			}
		}
		return files, err
	})
	if concerned && suite == nil {
		return nil, true, fmt.Errorf("the test file is at fault: %w: %w", rules.Errors(faults), otn.ErrInvalid)
	}
	return suite, concerned, nil
}
