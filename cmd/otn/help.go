// otn help: of a command, of the exit codes, or of the code of a fault.

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/rules"
)

func (k *call) help() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND | CODE | exit-codes]", GroupID: "set", Short: "Help about a command, or what a fault's code means",
		Example: "  otn help send\n  otn help R202\n  otn help exit-codes",
		RunE: func(cmd *cobra.Command, args []string) error {
			k.started = true
			if len(args) == 1 {
				if code, ok := rules.Codes()[strings.ToUpper(args[0])]; ok {
					_, err := fmt.Fprintf(k.stdout, "%s: %s\n", strings.ToUpper(args[0]), code.Meaning)
					return err
				}
			}
			if len(args) == 1 {
				if text, ok := testWord(args[0]); ok {
					_, err := fmt.Fprintln(k.stdout, text)
					return err
				}
			}
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("no command, code or topic %q", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
