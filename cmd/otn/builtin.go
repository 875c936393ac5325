// The built-in plugins: a table, and the hidden command that runs one in a process of its own.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/events"
	"github.com/onetimenotify/otn/plugins/feed"
	"github.com/onetimenotify/otn/plugins/messenger"
	"github.com/onetimenotify/otn/plugins/mock"
	"github.com/onetimenotify/otn/plugins/shopify"
	"github.com/onetimenotify/otn/plugins/webhook"
	"github.com/onetimenotify/otn/plugins/woocommerce"
)

func builtins() map[string]channel.Program {
	return map[string]channel.Program{
		"events":      events.Plugin,
		"feed":        feed.Plugin,
		"messenger":   messenger.Plugin,
		"mock":        mock.Plugin,
		"shopify":     shopify.Plugin,
		"webhook":     webhook.Plugin,
		"woocommerce": woocommerce.Plugin,
	}
}

// openBuiltin tries a built-in plugin's settings in this process, and says what it can do or what is wrong with them. It says nothing
// of other plugins: a daemon starts whatever is wrong with them.
func openBuiltin(i config.Instance) config.Opened {
	if !i.Builtin {
		return config.Opened{Unsure: true}
	}
	ctx := context.Background()
	open, err := builtins()[i.Plugin].Open(ctx, []byte(i.Settings.Reveal()), channel.Setup{Instance: i.Name})
	if err == nil {
		defer open.Close() //nolint:errcheck // it was only tried
		var about otn.Description
		if about, err = open.Describe(ctx); err == nil {
			return config.Opened{Polls: about.Capabilities.Polls, Receives: about.Capabilities.Receives}
		}
	}
	var ce *channel.ConfigError
	if !errors.As(err, &ce) {
		return config.Opened{Wrong: []config.Wrong{{Message: err.Error()}}}
	}
	return config.Opened{Wrong: wrongs(ce.Diagnostics)}
}

func wrongs(all []plugins.Diagnostic) []config.Wrong {
	list := make([]config.Wrong, len(all))
	for i, d := range all {
		list[i] = config.Wrong{Path: d.Path, Message: d.Message}
	}
	return list
}

// plugin is how a daemon starts its built-in plugins: the same program with other arguments.
func (k *call) plugin() *cobra.Command {
	return &cobra.Command{
		Use: "plugin NAME", Short: "Be a built-in plugin; otn serve starts it", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, ok := builtins()[args[0]]
			if !ok {
				return fmt.Errorf("no built-in plugin %q: there are %s", args[0], strings.Join(sortedKeys(builtins()), ", "))
			}
			k.started = true
			channel.Serve(p)
			return nil
		},
	}
}
