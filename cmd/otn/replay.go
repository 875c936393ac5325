// otn replay and otn diff: other rules over the recorded past, and over those who wait now.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/rules"
)

func (k *call) replay() *cobra.Command {
	var body api.ReplayBody
	var paths []string
	since := "30d"
	cmd := &cobra.Command{
		Use: "replay", GroupID: "look", Short: "What rules would have fired for the recorded events", Args: cobra.NoArgs,
		Long: "What rules would have fired for the events that the daemon has recorded, when, for how many, and why not. Nothing is sent,\n" +
			"and nothing is written. It counts as if no consent had been spent since: people who were told in the meantime are counted\n" +
			"as well, but where a rule looks at their answers, which are gone, they are said to be unjudged. A rule's hold is replayed;\n" +
			"its cron line, waves, hours and limits are not.",
		Example: "  otn replay --since 30d\n  otn replay --since 7d --rules new.yaml --rule price-drop --people 5",
		RunE: k.does(func(ctx context.Context, _ []string) error {
			at, err := pastOf(since, time.Now())
			if err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			body.Since = at
			if body.Files, err = candidate(paths...); err != nil {
				return err
			}
			var out core.Replay
			if err := c.Post(ctx, "/v1/rules/replay", "", body, &out); err != nil {
				return err
			}
			return errors.Join(k.show(out, k.replayTable(&out)), leftOut(out.Partial))
		}),
	}
	cmd.Flags().StringVar(&since, "since", since, "from when on: a `span` as 30d or 12h, or a moment in RFC 3339")
	cmd.Flags().StringSliceVar(&paths, "rules", nil, "rule `files` or folders instead of what the daemon runs")
	cmd.Flags().StringVar(&body.Rule, "rule", "", "this `rule` alone")
	cmd.Flags().IntVar(&body.People, "people", 0, "how many people to name for each firing, up to 1000")
	return cmd
}

func (k *call) diff() *cobra.Command {
	var body api.DiffBody
	cmd := &cobra.Command{
		Use: "diff [OLD] NEW", GroupID: "look", Short: "Who gains and who loses a message by other rules", Args: cobra.RangeArgs(1, 2),
		Long: "Who gains and who loses a message when NEW decides instead of OLD, by rule and subject, of those who wait now and with the\n" +
			"shop as it is now, whatever a rule told before; and which rules and topics come, go, change or are renamed, and what they\n" +
			"remember. OLD and NEW are rule files or folders; without OLD it is what the daemon runs. Nothing is written.",
		Example: "  otn diff new.yaml\n  otn diff rules/ new/ --people 5 -o json",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			if body.New, err = candidate(args[len(args)-1]); err != nil {
				return err
			}
			if body.Old, err = candidate(args[:len(args)-1]...); err != nil {
				return err
			}
			var out core.Diff
			if err := c.Post(ctx, "/v1/rules/diff", "", body, &out); err != nil {
				return err
			}
			return errors.Join(k.show(out, diffTable(&out)), leftOut(out.Partial))
		}),
	}
	cmd.Flags().IntVar(&body.People, "people", 0, "how many people to name for each subject, up to 1000")
	return cmd
}

// leftOut is the exit code of an answer from which something was left out.
func leftOut(why string) error {
	if why == "" {
		return nil
	}
	return &coded{code: exitPartly, err: errors.New(why)}
}

// pastOf reads a moment, or a span before now.
func pastOf(s string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 36_500 {
			return now.Add(-time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usage("--since %q: write a span as 30d or 12h, or a moment as 2026-11-27T09:00:00Z", s)
}

// candidate reads rule files, and those of folders, and finds their faults here, with their lines.
func candidate(paths ...string) ([]api.RuleFile, error) {
	var names []string
	for _, path := range paths {
		about, err := os.Stat(path)
		if err != nil || !about.IsDir() {
			names = append(names, path)
			continue
		}
		found := slices.Concat(inFolder(path, "*.yaml"), inFolder(path, "*.yml"))
		if len(found) == 0 {
			return nil, &coded{exitNotFound, fmt.Errorf("%s: no rule file is in this folder", path), "rule files end in .yaml"}
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		return nil, nil
	}
	files, err := readRules(names)
	if err != nil {
		return nil, err
	}
	if _, err := rules.Compile(files...); err != nil {
		return nil, err
	}
	out := make([]api.RuleFile, len(files))
	for i, f := range files {
		out[i] = api.RuleFile{Name: f.Name, Source: string(f.Source)}
	}
	return out, nil
}

func inFolder(dir, pattern string) []string {
	found, _ := filepath.Glob(filepath.Join(dir, pattern)) // the only error is a malformed pattern
	return slices.DeleteFunc(found, config.IsTest)
}

func (k *call) replayTable(r *core.Replay) *table {
	t := &table{head: []string{"AT", "RULE", "SUBJECT", "CAUSE", "WOULD TELL"}}
	for _, f := range r.Fires {
		t.add(k.moment(f.At), f.Rule, dash(f.Subject), f.Cause, number(f.Told))
		for _, v := range f.Values {
			t.note("    " + v)
		}
		if len(f.People) > 0 {
			t.note("    " + strings.Join(f.People, " "))
		}
	}
	t.note(fmt.Sprintf("%s since %s", count(r.Events, "event", "events"), k.moment(r.From)))
	for _, v := range r.Rules {
		t.note(fmt.Sprintf("%s: asked %s, fired %s, %s", v.Rule, times(v.Decided), times(v.Fired), count(v.Told, "person would have been told", "people would have been told")))
		for _, why := range v.Reasons {
			t.note(strings.TrimSuffix(fmt.Sprintf("    not, %s: %s: %s", times(why.Times), why.Code, why.Because), ": "))
		}
		if v.Unjudged > 0 {
			t.note(fmt.Sprintf("    unjudged, %s: the consent has ended since, and its answers are gone", times(v.Unjudged)))
		}
		if v.Note != "" {
			t.note("    " + v.Note)
		}
	}
	return t
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return number(n) + " times"
}

func diffTable(d *core.Diff) *table {
	t := &table{head: []string{"RULE", "CHANGE", "STATE", "GAINS", "LOSES", "KEEPS", "OTHER WORDS"}}
	for _, r := range d.Rules {
		change := r.Change
		if r.Was != "" {
			change += " from " + r.Was
		}
		t.add(r.Rule, change, r.State, number(r.Gains), number(r.Loses), number(r.Keeps), number(r.Rewords))
		for _, l := range r.Lines {
			t.note(strings.TrimRight(fmt.Sprintf("    %s: +%d %s", dash(l.Subject), l.Gains, strings.Join(l.Gain, " ")), " "))
			t.note(strings.TrimRight(fmt.Sprintf("    %s: -%d %s", dash(l.Subject), l.Loses, strings.Join(l.Lose, " ")), " "))
		}
		if r.Note != "" {
			t.note("    " + r.Note)
		}
	}
	for _, v := range d.Topics {
		t.note(fmt.Sprintf("topic %s: %s, %s", v.Topic, v.Change, count(int(v.Waiting), "consent waits", "consents wait")))
	}
	if len(d.Rules)+len(d.Topics) == 0 {
		t.note("nothing changes for anybody")
	}
	return t
}
