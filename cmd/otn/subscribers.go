// otn subscribers: one person, whole, and the operator's tags of them.

package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
)

func (k *call) subscribers() *cobra.Command {
	cmd := &cobra.Command{
		Use: "subscribers", GroupID: "look", Short: "One person: everything that is known of them, their tags, export and erase", Args: cobra.NoArgs,
		Example: "  otn subscribers show shop/222\n  otn subscribers tag shop 222 +vip -old",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(k.showSubscriber(), k.tagSubscriber(), k.exportSubscriber(), k.eraseSubscriber())
	return cmd
}

func subscriberPath(channel, id string) string {
	return "/v1/subscribers/" + url.PathEscape(channel) + "/" + url.PathEscape(id)
}

func (k *call) showSubscriber() *cobra.Command {
	return &cobra.Command{
		Use: "show SUBSCRIBER", Short: "Everything that is known of a person", Args: cobra.RangeArgs(1, 2),
		Long:    "Everything that is known of a person: window, tags, and what happened in the order in which it did. SUBSCRIBER is channel/id,\nthe id alone when there is one channel, or channel and id apart.",
		Example: "  otn subscribers show shop/222\n  otn subscribers show shop 222 -o json",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			channel, id := k.person(args[0])
			if len(args) > 1 {
				channel, id = args[0], args[1]
			}
			if channel == "" && len(k.config.Channels) == 1 {
				channel = k.config.Channels[0].Name
			}
			if channel == "" {
				return usage("there are several channels: name the one that knows %s, as in CHANNEL/%s", id, id)
			}
			var v core.SubscriberView
			if err := c.Get(ctx, subscriberPath(channel, id), nil, &v); err != nil {
				return err
			}
			return k.show(v, k.subscriberTable(&v))
		}),
	}
}

// subscriberTable is the timeline, with what stands above it as notes.
func (k *call) subscriberTable(v *core.SubscriberView) *table {
	t := &table{head: []string{"AT", "KIND", "TOPIC", "SUBJECT", "RULE", "WHAT"}}
	for _, m := range v.Timeline {
		t.add(k.moment(m.At), m.Kind, dash(m.Topic), dash(m.Subject), dash(m.Rule), m.What)
	}
	t.note("subscriber " + v.Channel + "/" + v.Subscriber)
	t.note("tags       " + dash(strings.Join(v.Tags, " ")))
	if w := v.Window; w != nil {
		state := "closed since "
		if w.Open {
			state = "open until "
		}
		t.note("window     " + state + k.moment(w.Until))
	}
	if len(v.Silent) > 0 {
		t.note("silent     " + strings.Join(v.Silent, " "))
	}
	return t
}

func (k *call) tagSubscriber() *cobra.Command {
	cmd := &cobra.Command{
		Use: "tag CHANNEL ID [+TAG|-TAG]…", Short: "Add and take away a person's tags", Args: cobra.MinimumNArgs(2),
		Long: "Add and take away a person's tags, which conditions read as sub.tags: +TAG adds one, -TAG takes it away. Without any it shows\n" +
			"them. Flags stand before CHANNEL. The person need not be known yet.",
		Example: "  otn subscribers tag shop 222 +vip -old\n  otn subscribers tag -o json shop 222",
		RunE: k.does(func(ctx context.Context, args []string) error {
			change, err := tagChange(args[2:])
			if err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			var a api.TagAnswer
			if err := c.Put(ctx, subscriberPath(args[0], args[1])+"/tags", change, &a); err != nil {
				return err
			}
			t := &table{head: []string{"SUBSCRIBER", "TAGS"}}
			t.add(args[0]+"/"+args[1], dash(strings.Join(a.Tags, " ")))
			return k.show(a, t)
		}),
	}
	cmd.Flags().SetInterspersed(false) // -TAG is no flag
	return cmd
}

// tagChange reads +TAG and -TAG.
func tagChange(args []string) (api.TagBody, error) {
	var b api.TagBody
	for _, arg := range args {
		switch {
		case strings.HasPrefix(arg, "+") && len(arg) > 1:
			b.Add = append(b.Add, arg[1:])
		case strings.HasPrefix(arg, "-") && len(arg) > 1:
			b.Remove = append(b.Remove, arg[1:])
		default:
			return b, usage("%q: want +TAG to add a tag or -TAG to take one away", arg)
		}
	}
	return b, nil
}

func (k *call) exportSubscriber() *cobra.Command {
	return &cobra.Command{
		Use: "export CHANNEL ID", Short: "A person's whole record as JSON", Args: cobra.ExactArgs(2),
		Long:    "A person's whole record as JSON, for the person: consents, messages, asks, decisions, window, tags. Tokens are not in it.",
		Example: "  otn subscribers export shop 222 > person-222.json",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			var v core.SubscriberView
			if err := c.Get(ctx, subscriberPath(args[0], args[1]), nil, &v); err != nil {
				return err
			}
			k.format = asJSON
			return k.show(v, nil)
		}),
	}
}

func (k *call) eraseSubscriber() *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use: "erase CHANNEL ID", Short: "Erase everything that is kept of a person", Args: cobra.ExactArgs(2),
		Long: "Erase everything that is kept of a person, down to the bytes on disk: consents, messages, decisions, window, tags. A message\n" +
			"that is on its way is answered first, and what is left then is erased by itself. Their tokens are never taken in again.\n\n" +
			"Backups that were made before hold the person still, and so does a folder store.replaced-… that a restore set aside: delete\n" +
			"them when their time has come. A restore of such a backup erases the person again, as long as the folder witness is there.",
		Example: "  otn subscribers erase shop 222\n  otn subscribers erase shop 222 --yes",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			if err := k.mayErase(ctx, yes, args[0], args[1]); err != nil {
				return err
			}
			c.HTTP.Timeout = erasePatience
			var done core.Erased
			if err := c.Delete(ctx, subscriberPath(args[0], args[1]), &done); err != nil {
				return err
			}
			if !done.Done {
				k.say("otn: a message is on its way to them: what is left is erased when it is answered")
			}
			t := &table{head: []string{"SUBSCRIBER", "CONSENTS ERASED", "HELD"}}
			t.add(args[0]+"/"+args[1], number(done.Consents), number(done.Held))
			return k.show(done, t)
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// erasePatience is how long an erase may take: tables of the store are written anew.
const erasePatience = 10 * time.Minute

// mayErase wants the person's id typed. Without a terminal nobody can be asked.
func (k *call) mayErase(ctx context.Context, yes bool, channel, id string) error {
	if yes {
		return nil
	}
	in, ok := k.stdin.(*os.File)
	if !ok || !isatty.IsTerminal(in.Fd()) {
		return &coded{exitUsage, fmt.Errorf("this erases everything that is kept of %s/%s", channel, id), "add --yes to do it without being asked"}
	}
	typed, err := k.typed(ctx, in, fmt.Sprintf("This erases everything that is kept of %s/%s, for good. Type %s to go on: ", channel, id, id))
	if err == nil && typed != id {
		err = &coded{exitRefused, fmt.Errorf("nothing was erased"), ""}
	}
	return err
}
