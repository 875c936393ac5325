// The sources: how they stand, and a poll now.

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
)

func (k *call) sources() *cobra.Command {
	cmd := k.noun("sources", "Sources as they stand", "  otn sources\n  otn sources poll feed", func(*cobra.Command) {}, func(ctx context.Context, _ []string) error {
		var page api.Sources
		if err := k.read(ctx, "/v1/sources", nil, &page); err != nil {
			return err
		}
		return k.show(page, k.sourceTable(page.Sources))
	})
	cmd.AddCommand(k.pollNow())
	return cmd
}

func (k *call) sourceTable(list []core.InstanceView) *table {
	t := &table{head: []string{"SOURCE", "STATE", "PLUGIN", "VERSION", "POLLED", "NEXT", "ITEMS", "CHANGED", "LAST ERROR"}}
	for _, v := range list {
		row := []string{v.Name, v.State, v.Plugin, dash(v.Version), "-", "-", "-", "-", dash(v.LastError)}
		if p := v.Poll; p != nil {
			row[4], row[5], row[6], row[7] = k.moment(p.Began), k.moment(p.Next), number(p.Items), number(p.Changed)
			if p.Polling {
				row[5] = "now"
			}
		}
		t.add(row...)
		if p := v.Poll; p != nil && p.Notes > 0 {
			t.note(fmt.Sprintf("    %s that could not be used; the first: %s", count(p.Notes, "thing", "things"), p.Note))
		}
		k.hears(t, &v)
	}
	return t
}

// hears adds below an instance how it listens.
func (k *call) hears(t *table, v *core.InstanceView) {
	switch l := v.Listen; {
	case l == nil:
	case l.Listening:
		t.note(fmt.Sprintf("    listens since %s: %s heard, the last at %s", k.moment(l.Since), count(l.Records, "record", "records"), k.moment(l.Heard)))
	default:
		t.note(fmt.Sprintf("    does not listen, tries again at %s: %s", k.moment(l.Next), l.Error))
	}
}

// glance is how often a poll is looked at that somebody waits for.
const glance = 100 * time.Millisecond

func (k *call) pollNow() *cobra.Command {
	accept, wait := false, time.Minute
	cmd := &cobra.Command{
		Use: "poll NAME", Short: "Poll a source now", Args: cobra.ExactArgs(1),
		Long: "Poll a source now, and wait for what comes of it. A full snapshot in which many items are missing is refused whole;\n" +
			"--accept takes it as it is, this once: the shop did take them away.",
		Example: "  otn sources poll feed\n  otn sources poll feed --accept",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			var asked core.PollView
			if err := c.Post(ctx, "/v1/sources/"+url.PathEscape(args[0])+"/poll", "", map[string]bool{"accept": accept}, &asked); err != nil {
				return err
			}
			v, done, err := polledSince(ctx, c, args[0], asked.Next, wait)
			if err != nil {
				return err
			}
			if err := k.show(v, k.sourceTable([]core.InstanceView{v})); err != nil {
				return err
			}
			switch {
			case !done:
				return &coded{exitPartly, errors.New("the poll is not at its end yet"), "`otn sources` shows what comes of it"}
			case v.Poll.Refused:
				return said(exitRefused)
			case v.Poll.Failures > 0:
				return said(exitFailed)
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&accept, "accept", false, "take a snapshot that shrank sharply")
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to wait for the end of the poll; 0 does not wait")
	return cmd
}

// polledSince is a source when a poll that began at a moment, or later, has ended; not done when that takes too long.
func polledSince(ctx context.Context, c *api.Client, name string, since time.Time, wait time.Duration) (v core.InstanceView, done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience+wait)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for end := time.Now().Add(wait); ; {
		var page api.Sources
		if err := c.Get(ctx, "/v1/sources", nil, &page); err != nil {
			return v, false, err
		}
		for _, s := range page.Sources {
			if s.Name == name && s.Poll != nil {
				v = s
			}
		}
		if done = v.Poll != nil && !v.Poll.Began.Before(since); done || time.Now().After(end) {
			return v, done, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return v, false, ctx.Err()
		}
	}
}
