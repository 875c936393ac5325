// otn runs and otn rules: what is being carried out and what decides, and what an operator does to them.

package main

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
)

func (k *call) runs() *cobra.Command {
	var l listing
	var rule, state string
	cmd := k.noun("runs", "Matches being carried out, newest first; before them sends that are not due yet", "  otn runs --rule price-drop\n  otn runs --state paused\n  otn runs show 01k9m3…",
		func(cmd *cobra.Command) {
			l.flag(cmd)
			cmd.Flags().StringVar(&rule, "rule", "", "of this rule")
			cmd.Flags().StringVar(&state, "state", "", "holding, waiting, running, paused, done or cancelled")
		},
		func(ctx context.Context, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			list, err := pages(ctx, k, c, "/v1/runs", query("rule", rule, "state", state), l,
				func(p api.Runs) ([]core.RunView, string) { return p.Runs, p.Next })
			if err != nil {
				return err
			}
			return k.show(api.Runs{Runs: list}, k.runTable(list))
		})
	cmd.AddCommand(k.one("show ID", "One run", "  otn runs show 01k9m3…", func(ctx context.Context, c *api.Client, id string) error {
		var v core.RunView
		if err := c.Get(ctx, "/v1/runs/"+url.PathEscape(id), nil, &v); err != nil {
			return err
		}
		return k.show(v, k.runTable([]core.RunView{v}))
	}))
	for _, act := range []struct{ verb, short string }{
		{"approve", "Let a run make its first send, although it reaches many"},
		{"pause", "Keep a run from sending"},
		{"resume", "Let a paused run go on"},
		{"cancel", "End a run, or a send that is not due yet: who was not told waits on"},
	} {
		cmd.AddCommand(k.one(act.verb+" ID", act.short, "  otn runs "+act.verb+" 01k9m3…", func(ctx context.Context, c *api.Client, id string) error {
			var v core.RunView
			if err := c.Post(ctx, "/v1/runs/"+url.PathEscape(id)+"/"+act.verb, "", struct{}{}, &v); err != nil {
				return err
			}
			return k.show(v, k.runTable([]core.RunView{v}))
		}))
	}
	return cmd
}

func (k *call) runTable(list []core.RunView) *table {
	t := &table{head: []string{"RUN", "STATE", "RULE", "SUBJECT", "CAUSE", "AT", "SEEN", "SELECTED", "SENT", "REFUSED", "DEFERRED", "UNKNOWN", "UNTIL", "WHY"}}
	for _, v := range list {
		t.add(v.ID, v.State, v.Rule, dash(v.Subject), v.Cause, k.moment(v.At), number(v.Seen), number(v.Selected), number(v.Sent), number(v.Refused), number(v.Deferred), number(v.Unknown), k.moment(v.Until), dash(v.Why))
	}
	return t
}

func (k *call) rules() *cobra.Command {
	cmd := k.noun("rules", "The rules that decide now, with how many consents of their topic wait", "  otn rules\n  otn rules reload", func(*cobra.Command) {},
		func(ctx context.Context, _ []string) error {
			var v core.RulesView
			if err := k.read(ctx, "/v1/rules", nil, &v); err != nil {
				return err
			}
			return k.show(v, k.ruleTable(v))
		})
	cmd.AddCommand(&cobra.Command{
		Use: "reload", Short: "Let the daemon read its rule files anew", Args: cobra.NoArgs,
		Long: "Let the daemon read its rule files anew, as SIGHUP does. All or nothing: with any fault the old version goes on, and the faults\n" +
			"are printed. Nothing fires by it; runs under way end with the version that made them.",
		Example: "  otn check && otn rules reload",
		RunE: k.does(func(ctx context.Context, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			var v core.RulesView
			if err := c.Post(ctx, "/v1/rules/reload", "", struct{}{}, &v); err != nil {
				return err
			}
			return k.show(v, k.ruleTable(v))
		}),
	}, k.rearm())
	return cmd
}

func (k *call) rearm() *cobra.Command {
	var subject string
	cmd := &cobra.Command{
		Use: "rearm RULE", Short: "Forget what a rule holds for true", Args: cobra.ExactArgs(1),
		Long: "Forget what a rule holds for true, about one subject or all. At the next event, or at the next moment of its cron line, it\n" +
			"tells everybody who waits and for whom it is true then. A rule about a change remembers nothing, and is refused.",
		Example: "  otn rules rearm back-in-stock --subject SKU-1",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			var a api.Rearmed
			if err := c.Post(ctx, "/v1/rules/"+url.PathEscape(args[0])+"/rearm", "", map[string]string{"subject": subject}, &a); err != nil {
				return err
			}
			t := &table{head: []string{"RULE", "SUBJECTS"}}
			t.add(args[0], number(a.Subjects))
			return k.show(a, t)
		}),
	}
	cmd.Flags().StringVar(&subject, "subject", "", "about this item or collection alone")
	return cmd
}

func (k *call) ruleTable(v core.RulesView) *table {
	t := &table{head: []string{"RULE", "TOPIC", "ABOUT", "WAITING", "FILE", "WHEN"}}
	for _, r := range v.Rules {
		about := "a change"
		if r.State {
			about = "a state"
		}
		t.add(r.ID, r.Topic, about, number(r.Waiting), dash(place(r)), dash(oneLine(r.When)))
	}
	return t
}
