// otn eval: one expression with given facts.

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/rules"
)

func (k *call) eval() *cobra.Command {
	var given givenFacts
	var as string
	cmd := &cobra.Command{
		Use: "eval EXPR", GroupID: "look", Short: "Evaluate one expression with facts that you give", Args: cobra.ExactArgs(1),
		Long: "Evaluate one expression with facts that you give, and say its value and type; for one that has no value, which part of it\n" +
			"is not known or failed. With --as it sees exactly what a rule's when sees, or the expressions of a topic; without, whatever\n" +
			"the facts tell. Exit 1 when it fails, 3 when it cannot be read, 7 when it is undecided.\n\n" + factsText,
		Example: "  otn eval 'pct_off(was.price, item.price)' --set item.price='99 USD' --set was.price='120 USD'\n  otn eval 'item.stock >= sub.quantity' --as back-in-stock --with facts.yaml",
		RunE: k.does(func(_ context.Context, args []string) error {
			set, err := k.rulesFor(&given)
			if err != nil {
				return err
			}
			facts, err := k.facts(&given)
			if err != nil {
				return err
			}
			a, err := set.Eval(args[0], as, facts)
			if err != nil {
				return absentOr(err)
			}
			return k.evaluated(a)
		}),
	}
	given.flag(cmd)
	cmd.Flags().StringVar(&as, "as", "", "the id of a rule or a topic")
	return cmd
}

// evaluated shows a value, or why there is none.
func (k *call) evaluated(a *rules.Answer) error {
	if k.format != asTable {
		if err := k.show(a, nil); err != nil {
			return err
		}
	} else if a.Verdict == "known" {
		if _, err := fmt.Fprintf(k.stdout, "%s (%s)\n", printable(a.Value), a.Type); err != nil {
			return err
		}
	}
	if a.Verdict == "known" {
		return nil
	}
	k.say("otn: %s: %s\n    %s", a.Verdict, a.Because, strings.ReplaceAll(a.Shown, "\n", "\n    "))
	if a.Hint != "" {
		k.say("    hint: %s", a.Hint)
	}
	if a.Verdict == "undecided" {
		if strings.Contains(a.Part, ".") {
			k.say("    or give it: --set %s=VALUE", a.Part)
		}
		return said(exitPartly)
	}
	return said(exitFailed)
}
