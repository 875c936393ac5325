// The commands that do: trigger, ask, why.

package main

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (k *call) trigger() *cobra.Command {
	var body api.TriggerBody
	var key string
	cmd := &cobra.Command{
		Use: "trigger NAME [FIELD=VALUE…]", GroupID: "do", Short: "Submit an external trigger", Args: cobra.MinimumNArgs(1),
		Example: "  otn trigger new_post title='The winter lookbook' url=https://shop.example/lookbook\n  otn trigger doors_open --subject SKU-1 note='gate B'",
		RunE: k.does(func(ctx context.Context, args []string) error {
			fields, err := assignments(args[1:])
			if err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			body.Fields = fields
			var a api.TriggerAnswer
			if err := c.Post(ctx, "/v1/triggers/"+url.PathEscape(args[0]), key, body, &a); err != nil {
				return err
			}
			t := &table{head: []string{"TRIGGER", "DUPLICATE"}}
			t.add(dash(a.ID), yesNo(a.Duplicate))
			return k.show(a, t)
		}),
	}
	cmd.Flags().StringVar(&body.Subject, "subject", "", "the id of the item it names")
	cmd.Flags().StringVar(&body.Channel, "channel", "", "with --recipient: the person it names")
	cmd.Flags().StringVar(&body.Recipient, "recipient", "", "with --channel: the person it names")
	cmd.Flags().StringVar(&key, "key", "", "idempotency key: the same key again changes nothing")
	return cmd
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// assignments reads NAME=VALUE arguments.
func assignments(args []string) (map[string]api.Text, error) {
	m := map[string]api.Text{}
	for _, arg := range args {
		name, v, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usage("%q is no FIELD=VALUE", arg)
		}
		if _, twice := m[name]; twice {
			return nil, usage("%s is given twice", name)
		}
		m[name] = api.Text(v)
	}
	return m, nil
}

func (k *call) ask() *cobra.Command {
	var body api.AskBody
	var given []string
	cmd := &cobra.Command{
		Use: "ask CHANNEL RECIPIENT TOPIC", GroupID: "do", Short: "Request consent from one person", Args: cobra.ExactArgs(3),
		Example: "  otn ask shop 222 price-drop --subject SKU-1",
		RunE: k.does(func(ctx context.Context, args []string) error {
			fields, err := assignments(given)
			if err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			body.Channel, body.Recipient, body.Topic, body.Answers = args[0], args[1], args[2], fields
			var a api.AskAnswer
			if err := c.Post(ctx, "/v1/asks", "", body, &a); err != nil {
				return err
			}
			t := &table{head: []string{"ASKED", "TOPIC", "PROVIDER ID"}}
			t.add(args[0]+"/"+args[1], args[2], dash(a.ProviderID))
			return k.show(a, t)
		}),
	}
	cmd.Flags().StringVar(&body.Subject, "subject", "", "about this item or collection")
	cmd.Flags().StringVar(&body.Title, "title", "", "what the person reads, at most 65 characters; left out: the topic's own")
	cmd.Flags().StringArrayVar(&given, "answer", nil, "`NAME=VALUE` that the consent will carry; may be repeated")
	return cmd
}

func (k *call) why() *cobra.Command {
	return &cobra.Command{
		Use: "why SUBSCRIBER [RULE]", GroupID: "look", Short: "Why a person got a message, or did not", Args: cobra.RangeArgs(1, 2),
		Long:    "Why a person got a message, or did not. SUBSCRIBER is channel/id, or the id alone when there is one channel.",
		Example: "  otn why 222\n  otn why shop/222 price-drop",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			channel, id := k.person(args[0])
			rule := ""
			if len(args) > 1 {
				rule = args[1]
			}
			var w core.Why
			if err := c.Get(ctx, "/v1/decisions", query("channel", channel, "subscriber", id, "rule", rule), &w); err != nil {
				return err
			}
			return k.show(w, k.whyTable(w))
		}),
	}
}

func (k *call) whyTable(w core.Why) *table {
	t := &table{head: []string{"AT", "TOPIC", "SUBJECT", "RULE", "VERDICT", "BECAUSE"}}
	for _, r := range w.Reasons {
		t.add(k.moment(r.At), dash(r.Topic), dash(r.Subject), dash(r.Rule), r.Verdict, dash(core.InZone(r.Because, k.moment)))
		for _, v := range r.Values {
			if v != r.Verdict+": "+r.Because { // said in the row
				t.note("    " + core.InZone(v, k.moment))
			}
		}
	}
	return t
}
