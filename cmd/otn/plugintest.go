// otn plugins test: the conformance suite, for a plugin in any language.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/plugins/channeltest"
)

// examined is what the suite found.
type examined struct {
	Plugin string               `json:"plugin"`
	Passed bool                 `json:"passed"`
	Checks []channeltest.Result `json:"checks"`
}

func (k *call) pluginTest() *cobra.Command {
	var settings string
	var p channeltest.Program
	show := false
	cmd := &cobra.Command{
		Use: "test PATH [-- ARG…]", Short: "Everything a plugin owes its host, in any language", Args: cobra.MinimumNArgs(1),
		Long: "Launch the program at PATH as otn does, or the built-in plugin of that name, and see whether it keeps what every plugin owes:\n" +
			"handshake, description, configuration, deliveries by the thousand, cancels, large frames, signals, a kill in the middle, its end.\n" +
			"It runs in an empty folder, with the settings of --config or with some made from its schema: give it settings with which it accepts\n" +
			"every message, a fake of its platform for instance. Exit 1 when a check fails.",
		Example: "  otn plugins test ./sms --config test.yaml\n  otn plugins test ./sms --check drains\n  otn plugins test mock\n  otn plugins test /usr/bin/node -- $PWD/sms.js",
		RunE: k.does(func(ctx context.Context, args []string) error {
			if err := k.program(&p, args, settings); err != nil {
				return err
			}
			for _, name := range p.Only {
				if known := channeltest.Checks(); !slices.Contains(known, name) { //nolint:contextcheck // names alone
					return usage("no check %q: there are %s", name, strings.Join(known, ", "))
				}
			}
			dir, err := os.MkdirTemp("", "otn-test-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir) //nolint:errcheck // what the plugin wrote there
			p.WorkDir = dir
			if show {
				p.Log = logger(k.stderr, "auto", slog.LevelDebug)
			}
			return k.conform(ctx, args[0], p)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&settings, "config", "", "its settings, a `file` of YAML or JSON")
	f.StringArrayVar(&p.Only, "check", nil, "make this check alone, by its `name`; may be repeated")
	f.DurationVar(&p.Patience, "patience", 10*time.Second, "how long to wait for what should come at once")
	f.BoolVar(&show, "log", false, "show what the plugin prints")
	return cmd
}

// program fills in what is examined: a built-in plugin or the program at a path, with its arguments.
func (k *call) program(p *channeltest.Program, args []string, settings string) error {
	if _, builtin := builtins()[args[0]]; builtin {
		own, err := ownCommand()
		if err != nil {
			return err
		}
		p.Command = append(append(own, "plugin"), args...)
	} else {
		path, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		p.Command = append([]string{path}, args[1:]...)
	}
	if settings == "" {
		return nil
	}
	text, err := os.ReadFile(settings)
	if err != nil {
		return err
	}
	made, err := yaml.YAMLToJSON(text)
	if err != nil || !json.Valid(made) {
		return &coded{exitConfig, fmt.Errorf("%s: neither YAML nor JSON", settings), "write the settings as they stand under config in otn.yaml"}
	}
	p.Config = made
	return nil
}

func (k *call) conform(ctx context.Context, name string, p channeltest.Program) error {
	found := examined{Plugin: name, Checks: []channeltest.Result{}}
	t := &table{head: []string{"CHECK", "RESULT", "TOOK"}}
	found.Passed = channeltest.Conform(ctx, p, func(r channeltest.Result) {
		found.Checks = append(found.Checks, r)
		result := "ok"
		switch {
		case !r.OK():
			result = "FAILED"
		case r.Skipped != "":
			result = "skipped: " + r.Skipped
		}
		t.add(r.Check, result, r.Took.Round(time.Millisecond).String())
		for _, fault := range r.Faults {
			t.note("    " + fault)
		}
	})
	if err := k.show(found, t); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !found.Passed {
		return said(exitFailed)
	}
	return nil
}
