// otn link: the link that leads somebody to the request for consent.

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
)

func (k *call) link() *cobra.Command {
	var body api.LinkBody
	var given []string
	cmd := &cobra.Command{
		Use: "link CHANNEL TOPIC", GroupID: "do", Short: "Make a link that leads to the request for consent", Args: cobra.ExactArgs(2),
		Long: "Make a link that leads to the request for consent. Put it beside the item in the shop: whoever follows it is asked.\n" +
			"Links are made in the short form where the long one does not fit the platform's; what a short one stands for is kept.",
		Example: "  otn link shop price-drop --subject SKU-1\n  otn link shop price-drop --subject SKU-1 --answer target='99.00 USD'\n  otn link shop journal --short",
		RunE: k.does(func(ctx context.Context, args []string) error {
			fields, err := assignments(given)
			if err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			body.Channel, body.Topic, body.Answers = args[0], args[1], fields
			var v core.LinkView
			if err := c.Post(ctx, "/v1/links", "", body, &v); err != nil {
				return err
			}
			t := &table{head: []string{"LINK", "MEANS"}}
			t.add(v.URL, v.Means)
			return k.show(v, t)
		}),
	}
	cmd.Flags().StringVar(&body.Subject, "subject", "", "to be told about this item or collection")
	cmd.Flags().StringArrayVar(&given, "answer", nil, "`NAME=VALUE` that the consent carries; may be repeated")
	cmd.Flags().BoolVar(&body.Short, "short", false, "the short form also where the long one would do")
	return cmd
}
