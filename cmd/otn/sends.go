// otn sends: the operator's sends that are not due yet.

package main

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

func (k *call) sends() *cobra.Command {
	cmd := k.noun("sends", "Sends that are not due yet: look, edit, cancel", "  otn sends\n  otn sends edit send-01k9m3… --at 2026-12-01T12:00\n  otn sends cancel send-01k9m3…", func(*cobra.Command) {},
		func(ctx context.Context, _ []string) error {
			var page api.Sends
			if err := k.read(ctx, "/v1/sends", nil, &page); err != nil {
				return err
			}
			return k.show(page, k.sendTable(page.Sends, false))
		})
	cmd.AddCommand(k.one("show ID", "One send, with how many it would reach now", "  otn sends show send-01k9m3…", func(ctx context.Context, c *api.Client, id string) error {
		var v core.SendView
		if err := c.Get(ctx, "/v1/sends/"+url.PathEscape(id), nil, &v); err != nil {
			return err
		}
		return k.show(v, k.sendTable([]core.SendView{v}, true))
	}), k.one("cancel ID", "Cancel a send: nobody is told by it", "  otn sends cancel send-01k9m3…", func(ctx context.Context, c *api.Client, id string) error {
		var v core.RunView
		if err := c.Delete(ctx, "/v1/sends/"+url.PathEscape(id), &v); err != nil {
			return err
		}
		return k.show(v, k.runTable([]core.RunView{v}))
	}), k.editSend())
	return cmd
}

func (k *call) editSend() *cobra.Command {
	var s sending
	cmd := &cobra.Command{
		Use: "edit ID", Short: "Change what is sent, to whom of those who wait, or when", Args: cobra.ExactArgs(1),
		Long:    "Change what is sent, to whom of those who wait, or when; what is not named stays as it is. ID is that of the send or of its run.",
		Example: "  otn sends edit send-01k9m3… --at 2026-12-01T12:00\n  otn sends edit send-01k9m3… --text 'A day later: https://shop.example/lookbook' --where ''",
	}
	f := cmd.Flags()
	f.StringVar(&s.text, "text", "", "the message as a text")
	f.StringVar(&s.card, "card", "", "the message as a card: a YAML or JSON `file` with title, subtitle, image, url, buttons")
	f.StringVar(&s.request.Where, "where", "", "only those for whom this `expression` is true; empty: everybody")
	f.StringVar(&s.at, "at", "", "when, as `2026-12-01T10:00` in the configuration's zone, or with a zone of its own")
	cmd.MarkFlagsMutuallyExclusive("text", "card")
	cmd.MarkFlagsOneRequired("text", "card", "where", "at")
	cmd.RunE = k.does(func(ctx context.Context, args []string) error {
		c, err := k.client()
		if err != nil {
			return err
		}
		if err := k.compose(ctx, &s); err != nil {
			return err
		}
		edit := api.SendEdit{At: s.request.At}
		if f.Changed("text") || f.Changed("card") {
			edit.Message = &otn.Message{Text: s.request.Message.Text, Card: s.request.Message.Card}
		}
		if f.Changed("where") {
			edit.Where = &s.request.Where
		}
		var v core.SendView
		if err := c.Patch(ctx, "/v1/sends/"+url.PathEscape(args[0]), edit, &v); err != nil {
			return err
		}
		return k.show(v, k.sendTable([]core.SendView{v}, true))
	})
	return cmd
}

// sendTable shows sends; reach is known of one that was asked for by itself.
func (k *call) sendTable(list []core.SendView, reach bool) *table {
	t := &table{head: []string{"SEND", "TOPIC", "SUBJECT", "DUE", "WHERE", "MESSAGE", "RUN"}}
	if reach {
		t.head = append(t.head, "REACHES")
	}
	for _, v := range list {
		subject := dash(v.Subject)
		if v.AllSubjects {
			subject = "all"
		}
		text := v.Message.Text
		if v.Message.Card != nil {
			text = v.Message.Card.Title
		}
		row := []string{v.ID, v.Topic, subject, k.moment(v.At), dash(oneLine(v.Where)), dash(oneLine(text)), v.Run}
		if reach {
			row = append(row, number(v.Reaches))
		}
		t.add(row...)
	}
	return t
}
