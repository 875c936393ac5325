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
				id := strings.ToUpper(args[0])
				if code, ok := rules.Codes()[id]; ok {
					_, err := fmt.Fprint(k.stdout, codeText(id, code))
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

// codeText explains a code: what it means, a few lines that have the fault and what is said of them, and the same without it.
func codeText(id string, code rules.Code) string {
	text := fmt.Sprintf("%s: %s\n", id, code.Meaning)
	if code.Wrong == "" {
		return text
	}
	text += "\nWrong:\n" + indented(code.Wrong)
	for _, f := range rules.Check(rules.Example(code.Wrong)) {
		if f.Code == id {
			text += "\n  " + f.Message + "\n"
			if f.Hint != "" {
				text += "  hint: " + f.Hint + "\n"
			}
			break
		}
	}
	return text + "\nRight:\n" + indented(code.Right)
}

func indented(lines string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(lines, "\n"), "\n", "\n    ") + "\n"
}
