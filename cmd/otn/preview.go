// otn preview: the message of a rule as one person would get it.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

func (k *call) preview() *cobra.Command {
	var given givenFacts
	var who, subject string
	var told []string
	cmd := &cobra.Command{
		Use: "preview RULE", GroupID: "look", Short: "The message of a rule as one person would get it", Args: cobra.ExactArgs(1),
		Long: "The message of a rule as one person would get it: in their locale, in the form that their channel carries, with what is\n" +
			"too long for it; and what other channels make of it. Nothing is sent. It asks the running daemon for one person (--sub), or\n" +
			"takes facts that you give (--with, --set), for the channels of the configuration.\n\n" + factsText,
		Example: "  otn preview price-drop --sub shop/222 --subject SKU-1\n  otn preview lookbook --sub 222 --field title=Winter --field url=https://shop.example\n  otn preview price-drop --with facts.yaml -o json",
		RunE: k.does(func(ctx context.Context, args []string) error {
			switch {
			case given.offline() && (who != "" || subject != "" || len(told) > 0):
				return usage("--sub, --subject and --field ask the daemon, --with and --set do not: give one or the other")
			case who == "" && !given.offline():
				return usage("say for whom: --sub CHANNEL/ID asks the daemon; --set item.stock=3 or --with FILE takes facts that you give")
			case who == "":
				return k.previewGiven(args[0], &given)
			}
			fields, err := assignments(told)
			if err != nil {
				return err
			}
			return k.previewLive(ctx, args[0], who, subject, fields)
		}),
	}
	given.flag(cmd)
	cmd.Flags().StringVar(&who, "sub", "", "the person, as `channel/id`, or id alone when there is one channel")
	cmd.Flags().StringVar(&subject, "subject", "", "the item or collection; left out: the one that the person waits for")
	cmd.Flags().StringArrayVar(&told, "field", nil, "with --sub: a field of the trigger as `NAME=VALUE`; left out: those of the last one; may be repeated")
	return cmd
}

func (k *call) previewLive(ctx context.Context, rule, who, subject string, fields map[string]api.Text) error {
	c, err := k.client()
	if err != nil {
		return err
	}
	channel, id := k.person(who)
	var p api.Preview
	if err := c.Post(ctx, "/v1/previews", "", api.LookBody{Rule: rule, Subject: subject, Channel: channel, Recipient: id, Fields: fields}, &p); err != nil {
		return err
	}
	note := ""
	if p.Consent == "" {
		note = "they have no consent that waits for this: made as if they agreed now, without answers"
	}
	return k.showPreview(&p, note)
}

// previewGiven needs no daemon.
func (k *call) previewGiven(rule string, given *givenFacts) error {
	set, err := k.rulesFor(given)
	if err != nil {
		return err
	}
	facts, err := k.facts(given)
	if err != nil {
		return err
	}
	f, c, err := set.Facts(rule, facts)
	if err != nil {
		return absentOr(err)
	}
	p, err := set.Preview(f, c, k.capabilities())
	if errors.Is(err, otn.ErrInvalid) {
		return &coded{exitFailed, err, "give the fact in the facts file, or let the text do without it"}
	}
	if err != nil {
		return err
	}
	out := previewed(p)
	out.Subject = subjectOf(f)
	return k.showPreview(&out, "")
}

// showPreview prints the message as it is read, and then what is to be said of it.
func (k *call) showPreview(p *api.Preview, note string) error {
	t := &table{}
	for _, line := range messageLines(&p.Message) {
		t.note(line)
	}
	t.note("")
	t.note(strings.TrimSuffix(fmt.Sprintf("would they get it now? %s: %s", p.Verdict, p.Because), ": "))
	if note != "" {
		t.note(note)
	}
	for _, text := range p.Texts {
		if text.Length > text.Limit {
			t.note(fmt.Sprintf("cut: %s has %d characters, %d are shown", text.Part, text.Length, text.Limit))
		} else {
			t.note(fmt.Sprintf("%s: %d of %d characters", text.Part, text.Length, text.Limit))
		}
	}
	for _, c := range p.Channels {
		switch {
		case c.Error != "":
			t.note(fmt.Sprintf("%s: not at all: %s", c.Channel, c.Error))
		case c.Falls:
			t.note(fmt.Sprintf("%s: as %s, it carries no %s", c.Channel, c.Form, p.Written))
		default:
			t.note(fmt.Sprintf("%s: as %s", c.Channel, c.Form))
		}
	}
	return k.show(p, t)
}

// messageLines is a message as text.
func messageLines(m *otn.Message) (lines []string) {
	card := func(c otn.Card) {
		lines = append(lines, c.Title)
		for _, part := range []string{c.Subtitle, c.Image, c.URL} {
			if part != "" {
				lines = append(lines, "  "+part)
			}
		}
		for _, b := range c.Buttons {
			lines = append(lines, fmt.Sprintf("  [%s] %s", b.Title, b.URL))
		}
	}
	switch m.Form() {
	case otn.CardForm:
		card(*m.Card)
	case otn.GalleryForm:
		for _, c := range m.Gallery {
			card(c)
		}
	case otn.ImageForm:
		lines = append(lines, m.Image)
	case otn.TemplateForm:
		lines = append(lines, fmt.Sprintf("template %s (%s)", m.Template.Name, m.Template.Language))
		for _, p := range m.Template.Params {
			lines = append(lines, "  "+p)
		}
	default:
		lines = append(lines, strings.Split(m.Text, "\n")...)
	}
	if m.QuickReply != nil {
		lines = append(lines, "("+m.QuickReply.Title+")")
	}
	return lines
}
