// otn check: every fault of the rules, before anything runs.

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/rules"
)

// checked is what check found.
type checked struct {
	Files  int            `json:"files"`
	Faults []*rules.Error `json:"faults"`
}

func (k *call) check() *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE…]", GroupID: "set", Short: "Find every fault of the rules",
		Long:    "Find every fault of the rules, each with its line, a caret and what to write instead. Without files it checks those of\nthe configuration. Exit 3 on faults, 7 on warnings only.",
		Example: "  otn check\n  otn check rules/shop.yaml -o json",
		RunE: k.does(func(_ context.Context, args []string) error {
			if len(args) == 0 {
				if err := k.load(config.Rules); err != nil {
					return err
				}
				args = k.config.Rules
			}
			names, tests := apart(args)
			files, err := readRules(names)
			if err != nil {
				return err
			}
			found := checked{Files: len(files) + len(tests), Faults: rules.Check(files...)}
			more, err := checkTests(tests)
			if err != nil {
				return err
			}
			found.Faults = append(found.Faults, more...)
			if found.Faults == nil {
				found.Faults = []*rules.Error{}
			}
			return k.verdict(found)
		}),
	}
}

// verdict tells what was found: faults are the data of this command.
func (k *call) verdict(found checked) error {
	code := exitDone
	for _, f := range found.Faults {
		if f.Severity == rules.Fault {
			code = exitConfig
		} else if code == exitDone {
			code = exitPartly
		}
	}
	if k.format != asTable {
		if err := k.show(found, nil); err != nil {
			return err
		}
	} else {
		for i, f := range found.Faults {
			if i > 0 {
				k.say("")
			}
			k.say("%s", f)
		}
		if len(found.Faults) == 0 {
			k.say("otn: %s in order", count(found.Files, "rule file is", "rule files are"))
		}
	}
	if code != exitDone {
		return said(code)
	}
	return nil
}

// count says how many, in the right number.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}
