// otn man: the manual pages, for who packages the program.

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (k *call) man() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write a manual page for each command", Hidden: true, Args: cobra.ExactArgs(1),
		Long:    "Write a manual page for each command into a folder, which is made. Their date is SOURCE_DATE_EPOCH where that is set.",
		Example: "  otn man /usr/local/share/man/man1",
		RunE: func(cmd *cobra.Command, args []string) error {
			k.started = true
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // everybody may read a manual
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // it would name the day on which they were made
			if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "otn " + version().Version, Manual: "otn"}, args[0]); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return nil
		},
	}
}
