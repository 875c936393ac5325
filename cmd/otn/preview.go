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
	"github.com/onetimenotify/otn/rules"
)

func (k *call) preview() *cobra.Command {
	return k.forOne(&cobra.Command{
		Use: "preview RULE", GroupID: "look", Short: "The message of a rule as one person would get it",
		Long: "The message of a rule as one person would get it: in their locale, in the form that their channel carries, with what is\n" +
			"too long for it; and what other channels make of it. Nothing is sent. It asks the running daemon for one person (--sub), or\n" +
			"takes facts that you give (--with, --set), for the channels of the configuration.\n\n" + factsText,
		Example: "  otn preview price-drop --sub shop/222 --subject SKU-1\n  otn preview lookbook --sub 222 --field title=Winter --field url=https://shop.example\n  otn preview price-drop --with facts.yaml -o json",
	}, onePerson{live: k.previewLive, given: k.previewGiven})
}

func (k *call) previewLive(ctx context.Context, c *api.Client, b api.LookBody) error {
	var p api.Preview
	if err := c.Post(ctx, "/v1/previews", "", b, &p); err != nil {
		return err
	}
	note := ""
	if p.Consent == "" {
		note = "they have no consent that waits for this: made as if they agreed now, without answers"
	}
	return k.showPreview(&p, note)
}

func (k *call) previewGiven(set *rules.Set, f otn.Facts, c *otn.Consent) error {
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
