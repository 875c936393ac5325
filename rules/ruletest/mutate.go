// Whether the tests notice: the rules are changed in one place, and a test that still passes has not looked there.

package ruletest

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// Mutation is what became of changed rules.
type Mutation struct {
	Noticed   int            `json:"noticed"`
	Survivors []rules.Mutant `json:"survivors"` // that no test notices
	Explained []rules.Mutant `json:"explained"` // nor these, and the rule file says why none can
}

// Mutate changes the rule files of the suites, one place at a time, and runs the tests of each file until one notices.
// The tests must pass as the rules are. Errors: ctx's.
func Mutate(ctx context.Context, suites []*Suite) (Mutation, error) {
	out := Mutation{Survivors: []rules.Mutant{}, Explained: []rules.Mutant{}}
	all := mutants(suites)
	noticed := make([]bool, len(all))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	var failed error
	for i := range all {
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			yes, err := notices(ctx, suites, &all[i])
			mu.Lock()
			defer mu.Unlock()
			noticed[i] = yes
			if err != nil && failed == nil {
				failed = err
			}
			return nil
		})
	}
	_ = group.Wait() // none of them returns an error
	for i, m := range all {
		switch {
		case noticed[i]:
			out.Noticed++
		case m.Why != "":
			out.Explained = append(out.Explained, m)
		default:
			out.Survivors = append(out.Survivors, m)
		}
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return out, failed
}

// mutants are those of every rule file that a suite is about, each file once.
func mutants(suites []*Suite) (all []rules.Mutant) {
	done := map[string]bool{}
	for _, s := range suites {
		list, err := rules.Mutants(s.Rules...)
		if err != nil {
			continue // a Suite has rules that compile
		}
		for _, m := range list {
			if !done[m.File] {
				all = append(all, m)
			}
		}
		for _, f := range s.Rules {
			done[f.Name] = true
		}
	}
	return all
}

// notices reports whether a test fails with the change.
func notices(ctx context.Context, suites []*Suite, m *rules.Mutant) (bool, error) {
	at := slices.IndexFunc(m.Files, func(f rules.File) bool { return f.Name == m.File })
	for _, s := range suites {
		files := slices.Clone(s.Rules)
		i := slices.IndexFunc(files, func(f rules.File) bool { return f.Name == m.File })
		if i < 0 {
			continue
		}
		files[i] = m.Files[at]
		set, err := rules.Compile(files...)
		if err != nil {
			return true, nil // beside other files it does not even load
		}
		for _, t := range s.tests {
			if len(t.run(ctx, set, func(r otn.Rules) otn.Rules { return r })) > 0 {
				return ctx.Err() == nil, ctx.Err()
			}
		}
	}
	return false, ctx.Err()
}
