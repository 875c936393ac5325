// The channels: how they stand, and what their platforms think of them.

package main

import (
	"context"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core/api"
)

func (k *call) channels() *cobra.Command {
	list := func(ctx context.Context, _ []string) error {
		var page api.Channels
		if err := k.read(ctx, "/v1/channels", nil, &page); err != nil {
			return err
		}
		return k.show(page, k.instanceTable("CHANNEL", page.Channels))
	}
	cmd := k.noun("channels", "Channels as they stand", "  otn channels\n  otn channels test shop", func(*cobra.Command) {}, list)
	cmd.AddCommand(k.channelTest())
	return cmd
}

func (k *call) channelTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Ask the platform whether a channel's configuration is good", Args: cobra.ExactArgs(1),
		Long:    "Ask the platform, through the plugin that runs in the daemon, whether a channel's configuration is good. Nothing is sent to anybody.\nExit 3 on faults.",
		Example: "  otn channels test shop",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			var v api.TestAnswer
			if err := c.Post(ctx, "/v1/channels/"+url.PathEscape(args[0])+"/test", "", struct{}{}, &v); err != nil {
				return err
			}
			t := &table{head: []string{"CHANNEL", "STATE", "ASKED", "WRONG"}}
			t.add(v.Channel, v.State, yesNo(v.Asked), dash(strings.Join(v.Wrong, "; ")))
			if err := k.show(v, t); err != nil {
				return err
			}
			switch {
			case len(v.Wrong) > 0:
				return said(exitConfig)
			case !v.Asked:
				k.say("otn: the plugin has no way to ask its platform; it runs, and that is all that is known")
			}
			return nil
		}),
	}
}
