// otn cost: the bound of each expression. otn schema: the language for editors.

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/rules"
)

// costs are the bounds of expressions, with the limits they are measured by.
type costs struct {
	MaxSteps    int          `json:"max_steps"`
	MaxParts    int          `json:"max_parts"`
	Expressions []rules.Cost `json:"expressions"`
}

func (k *call) cost() *cobra.Command {
	return &cobra.Command{
		Use: "cost [FILE…]", GroupID: "look", Short: "What each expression of the rules can cost at most",
		Long: "What each expression of the rules can cost at most: the steps that its loops take when every list of the shop has 256\n" +
			"elements, and how many parts it has. An evaluation that takes more steps than there are ends as an error, and nobody is\n" +
			"told: STOPS says where that can happen. Without files it takes those of the configuration. Exit 3 on faults, 7 where one stops.",
		Example: "  otn cost\n  otn cost rules/shop.yaml -o json",
		RunE: k.does(func(_ context.Context, args []string) error {
			files, err := k.ruleFiles(args)
			if err != nil {
				return err
			}
			list, faults := rules.Costs(files...)
			if len(faults) > 0 {
				return rules.Errors(faults)
			}
			return k.showCosts(list)
		}),
	}
}

func (k *call) showCosts(list []rules.Cost) error {
	out := costs{rules.MaxSteps, rules.MaxParts, list}
	if list == nil {
		out.Expressions = []rules.Cost{}
	}
	t := &table{head: []string{"AT", "IN", "KEY", "STEPS", "PARTS", "STOPS", "EXPRESSION"}}
	stops := 0
	for _, c := range list {
		if c.Stops {
			stops++
		}
		t.add(fmt.Sprintf("%s:%d:%d", c.File, c.Line, c.Col), c.In, c.Key, fmt.Sprintf("%d/%d", c.Steps, rules.MaxSteps), fmt.Sprintf("%d/%d", c.Parts, rules.MaxParts), yesNo(c.Stops), shorten(c.Text, 60))
	}
	if err := k.show(out, t); err != nil {
		return err
	}
	if stops > 0 {
		k.say("otn: %s in the middle where lists are long", count(stops, "expression can be stopped", "expressions can be stopped"))
		return said(exitPartly)
	}
	return nil
}

// shorten cuts a text for a column.
func shorten(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}

func (k *call) schema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", GroupID: "set", Short: "The rule language as JSON Schema, for editors", Args: cobra.NoArgs,
		Long: "The rule language as JSON Schema, for editors that know YAML: they complete keys, say what each is for and mark what does\n" +
			"not fit. A rule file names it in its first line, as the shop of `otn init` does:\n\n  # yaml-language-server: $schema=" + schemaFile,
		Example: "  otn schema > rules/" + schemaFile,
		RunE: k.does(func(context.Context, []string) error {
			_, err := k.stdout.Write(rules.Schema())
			return err
		}),
	}
}

// schemaFile is the name of the schema beside rule files.
const schemaFile = "rules.schema.json"
