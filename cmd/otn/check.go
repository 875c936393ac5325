// otn check: every fault of the rules, before anything runs.

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// asSARIF is the format in which code hosts and editors read faults.
const asSARIF = "sarif"

// checked is what check found.
type checked struct {
	Files  int            `json:"files"`
	Faults []*rules.Error `json:"faults"`
}

func (k *call) check() *cobra.Command {
	strict := false
	cmd := &cobra.Command{
		Use: "check [FILE…]", GroupID: "set", Short: "Find every fault of the rules",
		Long: "Find every fault of the rules, each with its line, a caret and what to write instead. Without files it checks those of\n" +
			"the configuration, says what becomes of their messages in its channels, and holds the settings of its plugins against their\n" +
			"schemas: no secret is read, no network asked. -o sarif writes SARIF 2.1.0 for code hosts and editors. `otn help CODE` explains\n" +
			"a code. Exit 3 on faults, 7 on warnings only.",
		Example: "  otn check\n  otn check rules/shop.yaml -o json\n  otn check --strict -o sarif > check.sarif",
		RunE: k.does(func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				if err := k.loadWith(config.Offline, k.fits(ctx)); err != nil {
					return err
				}
				args = k.config.Rules
			}
			names, tests := apart(args)
			more, err := checkTests(tests)
			if err != nil {
				return err
			}
			var files []rules.File
			if len(names) > 0 || len(tests) == 0 {
				if files, err = k.ruleFiles(names); err != nil {
					return err
				}
			}
			found := checkFiles(files, k.capabilities(), strict)
			found.Files, found.Faults = found.Files+len(tests), append(found.Faults, more...)
			return k.verdict(found)
		}),
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings are errors")
	cmd.Flags().VarP(&choice{value: &k.format, known: []string{asTable, asJSON, asYAML, asSARIF}}, "output", "o", "table, json, yaml or sarif")
	return cmd
}

// checkFiles finds every fault of files; for rules in order also what becomes of their messages in the channels of this shop.
func checkFiles(files []rules.File, channels map[string]*otn.Capabilities, strict bool) checked {
	found := checked{Files: len(files), Faults: rules.Check(files...)}
	if set, err := rules.Compile(files...); err == nil && channels != nil {
		found.Faults = append(found.Faults, set.Through(channels)...)
	}
	if strict {
		found.Faults = rules.Strict(found.Faults)
	}
	if found.Faults == nil {
		found.Faults = []*rules.Error{}
	}
	return found
}

// capabilities are those of the configuration's channels; nil where no configuration was read.
func (k *call) capabilities() map[string]*otn.Capabilities {
	if k.config == nil {
		return nil
	}
	return capabilitiesOf(k.config.Channels)
}

// capabilitiesOf says what channels can do, as far as that is known before they are started; nil for those of which it is not.
func capabilitiesOf(channels []config.Instance) map[string]*otn.Capabilities {
	all := map[string]*otn.Capabilities{}
	for _, i := range channels {
		all[i.Name] = nil
		if p, ok := builtins()[i.Plugin]; ok && i.Builtin {
			if can := p.Describe().Capabilities; len(can.Forms) > 0 {
				all[i.Name] = &can
			}
		}
	}
	return all
}

// code is the exit code of what was found: a note is nothing wrong.
func (c *checked) code() int {
	code := exitDone
	for _, f := range c.Faults {
		switch f.Severity {
		case rules.Fault:
			return exitConfig
		case rules.Warning:
			code = exitPartly
		}
	}
	return code
}

// verdict tells what was found: faults are the data of this command.
func (k *call) verdict(found checked) error {
	switch k.format {
	case asTable:
		for i, f := range found.Faults {
			if i > 0 {
				k.say("")
			}
			k.say("%s", f)
		}
		if found.code() == exitDone {
			k.say("otn: %s in order", count(found.Files, "rule file is", "rule files are"))
		}
	case asSARIF:
		if err := k.write(sarifOf(found.Faults)); err != nil {
			return err
		}
	default:
		if err := k.show(found, nil); err != nil {
			return err
		}
	}
	if code := found.code(); code != exitDone {
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
