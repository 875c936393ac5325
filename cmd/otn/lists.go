// The commands that look: topics, consents, runs, deliveries, channels, sources.

package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
)

// noun makes a command that lists when it stands alone, and as "list".
func (k *call) noun(name, short, example string, flags func(*cobra.Command), list func(ctx context.Context, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: name, GroupID: "look", Short: short, Example: example, Args: cobra.NoArgs, RunE: k.does(list)}
	sub := &cobra.Command{Use: "list", Short: short, Example: example, Args: cobra.NoArgs, RunE: k.does(list)}
	flags(cmd)
	flags(sub)
	cmd.AddCommand(sub)
	return cmd
}

func (k *call) topics() *cobra.Command {
	return k.noun("topics", "What people can ask for, and how many consents stand where", "  otn topics", func(*cobra.Command) {},
		func(ctx context.Context, _ []string) error {
			var page api.Topics
			if err := k.read(ctx, "/v1/topics", nil, &page); err != nil {
				return err
			}
			t := &table{head: []string{"TOPIC", "WAITING", "CLAIMED", "SENT", "REFUSED", "UNKNOWN", "EXPIRED", "NEXT EXPIRY"}}
			for _, v := range page.Topics {
				name := v.ID
				if v.Undeclared {
					name += " (not in the rules)"
				}
				t.add(dash(name), number(v.Waiting), number(v.Claimed), number(v.Sent), number(v.Refused), number(v.Unknown), number(v.Expired), k.moment(v.NextExpiry))
			}
			return k.show(page, t)
		})
}

// read gets one answer of the door.
func (k *call) read(ctx context.Context, path string, q url.Values, out any) error {
	c, err := k.client()
	if err != nil {
		return err
	}
	return c.Get(ctx, path, q, out)
}

func (k *call) consents() *cobra.Command {
	var l listing
	var topic, subject, state, who string
	cmd := k.noun("consents", "Who agreed to be told about what; a token is never shown", "  otn consents --topic price-drop --state waiting\n  otn consents --subscriber shop/222",
		func(cmd *cobra.Command) {
			l.flag(cmd)
			cmd.Flags().StringVar(&topic, "topic", "", "of this topic")
			cmd.Flags().StringVar(&subject, "subject", "", "about this item or collection")
			cmd.Flags().StringVar(&state, "state", "", "waiting, claimed, sent, refused, unknown, expired or withdrawn")
			cmd.Flags().StringVar(&who, "subscriber", "", "of this person, as `channel/id` or id")
		},
		func(ctx context.Context, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			channel, id := k.person(who)
			list, err := pages(ctx, k, c, "/v1/consents", query("topic", topic, "subject", subject, "state", state, "channel", channel, "subscriber", id), l,
				func(p api.Consents) ([]core.ConsentView, string) { return p.Consents, p.Next })
			if err != nil {
				return err
			}
			return k.show(api.Consents{Consents: list}, k.consentTable(list))
		})
	cmd.AddCommand(k.one("show ID", "One consent", "  otn consents show 06g4k2x0e9tq5y7n1b3r", func(ctx context.Context, c *api.Client, id string) error {
		var v core.ConsentView
		if err := c.Get(ctx, "/v1/consents/"+url.PathEscape(id), nil, &v); err != nil {
			return err
		}
		return k.show(v, k.consentTable([]core.ConsentView{v}))
	}), k.one("withdraw ID", "Withdraw one consent: nobody is told by it any more", "  otn consents withdraw 06g4k2x0e9tq5y7n1b3r", func(ctx context.Context, c *api.Client, id string) error {
		var v core.ConsentView
		if err := c.Delete(ctx, "/v1/consents/"+url.PathEscape(id), &v); err != nil {
			return err
		}
		if v.State != "withdrawn" {
			k.say("otn: its message is on its way, or in doubt: it is withdrawn should it wait again")
		}
		return k.show(v, k.consentTable([]core.ConsentView{v}))
	}), k.importConsents(), k.exportConsents())
	return cmd
}

// one makes a command about one thing by its id.
func (k *call) one(use, short, example string, f func(ctx context.Context, c *api.Client, id string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Example: example, Args: cobra.ExactArgs(1), RunE: k.does(func(ctx context.Context, args []string) error {
		c, err := k.client()
		if err != nil {
			return err
		}
		return f(ctx, c, args[0])
	})}
}

func (k *call) consentTable(list []core.ConsentView) *table {
	t := &table{head: []string{"CONSENT", "STATE", "SUBSCRIBER", "TOPIC", "SUBJECT", "ANSWERS", "GRANTED", "EXPIRES"}}
	for _, v := range list {
		t.add(v.ID, v.State, v.Channel+"/"+dash(v.Subscriber), dash(v.Topic), dash(v.Subject), dash(answers(v.Answers)), k.moment(v.GrantedAt), k.moment(v.ExpiresAt))
	}
	return t
}

func answers(m map[string]string) string {
	parts := make([]string, 0, len(m))
	for _, name := range sortedKeys(m) {
		parts = append(parts, name+"="+m[name])
	}
	return strings.Join(parts, " ")
}

// person takes channel/id apart. An id alone has no channel: the daemon knows it when there is only one.
func (k *call) person(who string) (channel, id string) {
	before, after, found := strings.Cut(who, "/")
	if !found {
		return "", who
	}
	for _, c := range k.config.Channels {
		if c.Name == before {
			return before, after
		}
	}
	if len(k.config.Channels) == 1 { // an id may hold a slash
		return "", who
	}
	return before, after
}

func (k *call) deliveries() *cobra.Command {
	var l listing
	var run, who, outcome string
	cmd := k.noun("deliveries", "Messages to people and how they ended; those in doubt first", "  otn deliveries\n  otn deliveries --outcome unknown --limit 0\n  otn deliveries resolve 01k9m3… sent",
		func(cmd *cobra.Command) {
			l.flag(cmd)
			cmd.Flags().StringVar(&run, "run", "", "of this run")
			cmd.Flags().StringVar(&who, "subscriber", "", "to this person, as `channel/id` or id")
			cmd.Flags().StringVar(&outcome, "outcome", "", "sent, refused, deferred, invalid, unknown or sending")
		},
		func(ctx context.Context, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			channel, id := k.person(who)
			list, err := k.delivered(ctx, c, query("run", run, "channel", channel, "subscriber", id, "outcome", outcome), l)
			if err != nil {
				return err
			}
			return k.show(api.Deliveries{Deliveries: list}, k.deliveryTable(list))
		})
	cmd.AddCommand(k.one("show ID", "One delivery", "  otn deliveries show 01k9m3…", func(ctx context.Context, c *api.Client, id string) error {
		var v core.DeliveryView
		if err := c.Get(ctx, "/v1/deliveries/"+url.PathEscape(id), nil, &v); err != nil {
			return err
		}
		return k.show(v, k.deliveryTable([]core.DeliveryView{v}))
	}), k.resolve())
	return cmd
}

// delivered lists deliveries. Asked for nothing in particular, it begins with all that are in doubt.
func (k *call) delivered(ctx context.Context, c *api.Client, q url.Values, l listing) ([]core.DeliveryView, error) {
	open := func(p api.Deliveries) ([]core.DeliveryView, string) { return p.Deliveries, p.Next }
	if len(q) > 0 {
		return pages(ctx, k, c, "/v1/deliveries", q, l, open)
	}
	doubts, err := pages(ctx, k, c, "/v1/deliveries", query("outcome", "unknown"), listing{}, open)
	if err != nil || l.limit > 0 && len(doubts) >= l.limit {
		return doubts, err
	}
	latest, err := pages(ctx, k, c, "/v1/deliveries", q, l, open)
	for _, v := range latest {
		if v.Outcome != "unknown" {
			doubts = append(doubts, v)
		}
	}
	return doubts, err
}

func (k *call) resolve() *cobra.Command {
	return &cobra.Command{
		Use: "resolve ID sent|lost", Short: "Say what became of a delivery whose outcome is unknown",
		Long:    "Say what became of a delivery whose outcome is unknown: sent when the\nmessage did arrive: its token is spent; lost when it certainly did not: the consent waits again at its place.",
		Example: "  otn deliveries resolve 01k9m3… sent", Args: cobra.ExactArgs(2),
		RunE: k.does(func(ctx context.Context, args []string) error {
			if args[1] != "sent" && args[1] != "lost" {
				return usage("%q is neither sent nor lost", args[1])
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			var v core.DeliveryView
			body := map[string]string{"outcome": args[1]}
			if err := c.Post(ctx, "/v1/deliveries/"+url.PathEscape(args[0])+"/resolve", "", body, &v); err != nil {
				return err
			}
			return k.show(v, k.deliveryTable([]core.DeliveryView{v}))
		}),
	}
}

func (k *call) deliveryTable(list []core.DeliveryView) *table {
	t := &table{head: []string{"DELIVERY", "OUTCOME", "RULE", "SUBSCRIBER", "SUBJECT", "ATTEMPTS", "AT", "CODE", "DETAIL"}}
	for _, v := range list {
		outcome := v.Outcome
		if v.Probably {
			outcome += " (probably delivered)"
		}
		t.add(v.ID, outcome, v.Rule, v.Channel+"/"+dash(v.Subscriber), dash(v.Subject), number(v.Attempts), k.moment(v.At), dash(v.Code), dash(v.Detail))
	}
	return t
}

func (k *call) instanceTable(what string, list []core.InstanceView) *table {
	t := &table{head: []string{what, "STATE", "PLUGIN", "VERSION", "ACCOUNT", "RATE", "LAST ERROR"}}
	for _, v := range list {
		rate := "-"
		if v.Rate > 0 {
			rate = fmt.Sprintf("%g/s", v.Rate)
		}
		t.add(v.Name, v.State, v.Plugin, dash(v.Version), dash(v.Account), rate, dash(v.LastError))
		k.hears(t, &v)
	}
	return t
}
