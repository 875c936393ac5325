// What the shell proposes: topics, rules, channels and sources, as the configuration beside the caller names them.

package main

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
)

// proposals gives the words for one argument. No daemon is asked and no secret is needed.
type proposals func(k *call) []string

// complete gives the commands their proposals: for each argument in turn, nil where there are none.
func (k *call) complete(root *cobra.Command) {
	for path, args := range map[string][]proposals{
		"send":               {topicsHere},
		"link":               {channelsHere, topicsHere},
		"ask":                {channelsHere, nil, topicsHere},
		"why":                {nil, rulesHere},
		"explain":            {rulesHere},
		"preview":            {rulesHere},
		"rules rearm":        {rulesHere},
		"channels test":      {channelsHere},
		"sources poll":       {sourcesHere},
		"plugins validate":   {instancesHere},
		"plugins release":    {instancesHere},
		"subscribers tag":    {channelsHere},
		"subscribers export": {channelsHere},
		"subscribers erase":  {channelsHere},
		"deliveries resolve": {nil, words("sent", "lost")},
	} {
		if cmd, rest, err := root.Find(strings.Fields(path)); err == nil && len(rest) == 0 {
			cmd.ValidArgsFunction = k.proposes(args)
		}
	}
	k.completeFlags(root)
}

// completeFlags gives flags that name something of the configuration their proposals, in whatever command they stand.
func (k *call) completeFlags(cmd *cobra.Command) {
	for flag, from := range map[string]proposals{"topic": topicsHere, "rule": rulesHere, "channel": channelsHere, "log-format": words("auto", "text", "json"), "log-level": words("debug", "info", "warn", "error")} {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return from(k.quiet()), cobra.ShellCompDirectiveNoFileComp
			}) // fails for a flag that has one already
		}
	}
	for _, sub := range cmd.Commands() {
		k.completeFlags(sub)
	}
}

func (k *call) proposes(args []proposals) cobra.CompletionFunc {
	return func(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(given) >= len(args) || args[len(given)] == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return args[len(given)](k.quiet()), cobra.ShellCompDirectiveNoFileComp
	}
}

// quiet is the same call with nobody to hear its words: a shell that completes shows them in the middle of a line.
func (k *call) quiet() *call {
	q := *k
	q.stderr = io.Discard
	return &q
}

func words(list ...string) proposals { return func(*call) []string { return list } }

func topicsHere(k *call) (list []string) {
	if k.load(config.Rules) != nil {
		return nil
	}
	set, err := k.compile()
	if err != nil {
		return nil
	}
	for _, t := range set.Topics() {
		list = append(list, t.ID)
	}
	return list
}

func rulesHere(k *call) (list []string) {
	if k.load(config.Rules) != nil {
		return nil
	}
	set, err := k.compile()
	if err != nil {
		return nil
	}
	for _, r := range set.List() {
		list = append(list, r.ID)
	}
	return list
}

func channelsHere(k *call) []string {
	if k.load(config.Door) != nil {
		return nil
	}
	return namesOf(k.config.Channels)
}

func sourcesHere(k *call) []string {
	if k.load(config.Door) != nil {
		return nil
	}
	return namesOf(k.config.Sources)
}

func instancesHere(k *call) []string { return slices.Concat(channelsHere(k), sourcesHere(k)) }

func namesOf(list []config.Instance) []string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return names
}
