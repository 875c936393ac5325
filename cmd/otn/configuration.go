// otn config: what the daemon would be started with.

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
)

func (k *call) configuration() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", GroupID: "set", Short: "Show or check the configuration", Example: "  otn config show --origin\n  otn config check",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { k.started = true; return cmd.Help() },
	}
	cmd.AddCommand(k.configShow(), k.configCheck())
	return cmd
}

func (k *call) configShow() *cobra.Command {
	origin := false
	cmd := &cobra.Command{
		Use: "show", Short: "Every value, secrets masked", Example: "  otn config show --origin", Args: cobra.NoArgs,
		RunE: k.does(func(context.Context, []string) error {
			if err := k.load(config.Door); err != nil {
				return err
			}
			t := &table{head: []string{"KEY", "VALUE"}}
			if origin {
				t.head = append(t.head, "ORIGIN")
			}
			list := k.config.Entries()
			for i, e := range list {
				row := []string{e.Key, fmt.Sprint(e.Value)}
				if origin {
					row = append(row, e.Origin)
				} else {
					list[i].Origin = ""
				}
				t.add(row...)
			}
			return k.show(map[string]any{"values": list}, t)
		}),
	}
	cmd.Flags().BoolVar(&origin, "origin", false, "say where each value comes from")
	return cmd
}

func (k *call) configCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Find every fault of the configuration", Example: "  otn config check -c otn.yaml", Args: cobra.NoArgs,
		Long: "Find every fault of the configuration: its keys and values, what it refers to, and the settings of all plugins, which are launched for it.\nIt sends nothing and asks no network. Exit 3 on faults, 7 on warnings only.",
		RunE: k.does(func(ctx context.Context, _ []string) error {
			if err := k.loadWith(config.Whole, k.accepts(ctx)); err != nil {
				return err
			}
			k.say("otn: %s is in order", k.file)
			if len(k.config.Warnings) > 0 {
				return said(exitPartly)
			}
			return nil
		}),
	}
}
