// otn send: a message of the operator's own to those who wait for a topic.

package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

// sending is what the flags of send say.
type sending struct {
	request    core.SendRequest
	text, card string
	at, key    string
	yes        bool
}

func (k *call) send() *cobra.Command {
	var s sending
	cmd := &cobra.Command{
		Use: "send TOPIC", GroupID: "do", Short: "Tell those who wait for a topic, now or later", Args: cobra.ExactArgs(1),
		Long: "Tell those who wait for a topic, now or later. It spends a token of each person it reaches: it shows how many there are\n" +
			"and wants that number typed (--yes in scripts). Texts may hold ${…}, as in a rule.",
		Example: "  otn send price-drop --subject SKU-1 --text '${item.title} is 99 dollars today' --dry-run\n" +
			"  otn send journal --text 'The winter lookbook is out: https://shop.example/lookbook' --at 2026-12-01T10:00\n" +
			"  otn send tickets --all-subjects --card card.yaml --where 'sub.section == \"A\"'",
		RunE: k.does(func(ctx context.Context, args []string) error {
			s.request.Topic = args[0]
			return k.sendTo(ctx, &s)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&s.text, "text", "", "the message as a text")
	f.StringVar(&s.card, "card", "", "the message as a card: a YAML or JSON `file` with title, subtitle, image, url, buttons")
	f.StringVar(&s.request.Subject, "subject", "", "to those who wait for this item or collection")
	f.BoolVar(&s.request.AllSubjects, "all-subjects", false, "to all who wait for the topic, whatever the subject")
	f.StringVar(&s.request.Where, "where", "", "only those for whom this `expression` over sub and item is true")
	f.StringVar(&s.at, "at", "", "when, as `2026-12-01T10:00` in the configuration's zone, or with a zone of its own; left out: now")
	f.BoolVar(&s.request.DryRun, "dry-run", false, "say how many it reaches, and send nothing")
	f.BoolVar(&s.yes, "yes", false, "send without asking")
	f.StringVar(&s.key, "key", "", "idempotency key: the same key again sends nothing more")
	cmd.MarkFlagsMutuallyExclusive("text", "card")
	cmd.MarkFlagsOneRequired("text", "card")
	cmd.MarkFlagsMutuallyExclusive("subject", "all-subjects")
	return cmd
}

func (k *call) sendTo(ctx context.Context, s *sending) error {
	c, err := k.client()
	if err != nil {
		return err
	}
	if err := k.compose(ctx, s); err != nil {
		return err
	}
	dry := s.request
	dry.DryRun = true
	var a api.SendAnswer
	if err := c.Post(ctx, "/v1/sends", "", dry, &a); err != nil {
		return err
	}
	if s.request.DryRun {
		return k.sent(a)
	}
	if !s.yes {
		if err := k.confirm(ctx, a.Reaches, s.request.Topic); err != nil {
			return err
		}
	}
	if s.key == "" {
		s.key = "otn-send-" + strings.ToLower(rand.Text())
	}
	if err := c.Post(ctx, "/v1/sends", s.key, s.request, &a); err != nil {
		return err
	}
	return k.sent(a)
}

// compose makes the message and the moment of what the flags say.
func (k *call) compose(ctx context.Context, s *sending) error {
	s.request.Message.Text = s.text
	if s.card != "" {
		text, err := k.input(ctx, s.card)
		if err != nil {
			return err
		}
		card := &otn.Card{}
		if err := yaml.UnmarshalWithOptions(text, card, yaml.Strict(), yaml.UseJSONUnmarshaler()); err != nil {
			return usage("%s: %s", s.card, yaml.FormatError(err, false, true))
		}
		s.request.Message.Card = card
	}
	if s.at == "" {
		return nil
	}
	at, err := readMoment(s.at, k.config.Zone)
	s.request.At = at
	return err
}

// readMoment reads a time; without a zone of its own it is in zone.
func readMoment(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usage("%q is no time: write 2026-12-01T10:00", text)
}

// confirm wants the number of people typed. Without a terminal nobody can be asked.
func (k *call) confirm(ctx context.Context, reaches int64, topic string) error {
	in, ok := k.stdin.(*os.File)
	if !ok || !isatty.IsTerminal(in.Fd()) {
		return &coded{exitUsage, fmt.Errorf("this would spend the tokens of %d people", reaches), "look with --dry-run, and add --yes to send without being asked"}
	}
	typed, err := k.typed(ctx, in, fmt.Sprintf("This spends a token of %d people who wait for %s. Type %d to send: ", reaches, topic, reaches))
	if err != nil {
		return err
	}
	if typed != number(reaches) {
		return &coded{exitRefused, fmt.Errorf("nothing was sent"), ""}
	}
	return nil
}

// typed asks a question and reads one line of answer.
func (k *call) typed(ctx context.Context, in *os.File, question string) (string, error) {
	_, _ = fmt.Fprint(k.stderr, question)
	line, err := unless(ctx, func() (string, error) {
		line, err := bufio.NewReader(in).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return line, err
	})
	return strings.TrimSpace(line), err
}

func (k *call) sent(a api.SendAnswer) error {
	t := &table{head: []string{"RUN", "REACHES", "DUE", "DUPLICATE"}}
	due := "now"
	if !a.At.IsZero() {
		due = k.moment(a.At)
	}
	if len(a.Runs) == 0 {
		t.add("-", number(a.Reaches), due, yesNo(a.Duplicate))
	}
	for _, run := range a.Runs {
		t.add(run, number(a.Reaches), due, yesNo(a.Duplicate))
	}
	return k.show(a, t)
}
