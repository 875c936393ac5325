// otn plugins: what plugins there are, which may run, and whether one would do.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/plugins"
)

func (k *call) plugins() *cobra.Command {
	list := func(ctx context.Context, _ []string) error {
		if err := k.loadIfThere(); err != nil {
			return err
		}
		all := k.candidates()
		t := &table{head: []string{"PLUGIN", "VERSION", "CAN", "USED BY", "LOCK", "FAULT"}}
		for i := range all {
			f := &all[i]
			k.examine(ctx, f)
			t.add(f.Name, dash(f.Version), dash(strings.Join(f.Can, " ")), dash(strings.Join(f.UsedBy, " ")), dash(f.Lock), dash(f.Fault))
		}
		return k.show(map[string]any{"plugins": all}, t)
	}
	cmd := k.noun("plugins", "Plugins: those built in and your own", "  otn plugins\n  otn plugins new sms\n  otn plugins test ./sms\n  otn plugins lock", func(*cobra.Command) {}, list)
	cmd.AddCommand(
		k.pluginInspect(), k.pluginValidate(), k.pluginTest(), k.pluginLock(), k.pluginNew(), k.pluginRelease(),
	)
	return cmd
}

// loadIfThere is load for what can do without a configuration.
func (k *call) loadIfThere() error {
	if _, err := os.Stat(k.file); errors.Is(err, fs.ErrNotExist) && k.file == defaultConfig {
		k.config = &config.Config{Plugins: "plugins", Lock: "plugins.lock"}
		return nil
	}
	return k.load(config.Door)
}

func (k *call) pluginInspect() *cobra.Command {
	return &cobra.Command{
		Use: "inspect NAME", Short: "What a plugin is, can do, and wants to be told", Args: cobra.ExactArgs(1),
		Long:    "What a plugin is, can do, and wants to be told. NAME is an instance, a built-in plugin, a file in plugins.dir, or a path.\nWith -o json its JSON Schema is there whole.",
		Example: "  otn plugins inspect messenger\n  otn plugins inspect ./sms -o json",
		RunE: k.does(func(ctx context.Context, args []string) error {
			if err := k.loadIfThere(); err != nil {
				return err
			}
			f, err := k.pick(args[0])
			if err != nil {
				return err
			}
			if k.examine(ctx, &f); f.Fault != "" {
				return errors.New(f.Fault)
			}
			c := f.about.Capabilities
			t := &table{head: []string{"SETTING", "TYPE", "DEFAULT", "MEANS"}}
			t.note(fmt.Sprintf("%s %s: %s; %d at once", f.about.Name, f.about.Version, strings.Join(f.Can, ", "), max(c.MaxInFlight, 1)))
			settingRows(t, f.about.Schema, "")
			return k.show(map[string]any{"name": f.about.Name, "version": f.about.Version, "path": f.Path, "lock": f.Lock, "capabilities": c, "schema": json.RawMessage(f.about.Schema)}, t)
		}),
	}
}

// settingRows are the settings of a schema, as far as it is a plain one.
func settingRows(t *table, schema []byte, under string) {
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	if json.Unmarshal(schema, &s) != nil {
		return
	}
	for _, name := range sortedKeys(s.Properties) {
		var p struct {
			Type        any             `json:"type"`
			Description string          `json:"description"`
			Default     json.RawMessage `json:"default"`
			Enum        []string        `json:"enum"`
			Items       json.RawMessage `json:"items"`
		}
		if json.Unmarshal(s.Properties[name], &p) != nil {
			continue
		}
		fallback := "-"
		for _, r := range s.Required {
			if r == name {
				fallback = "required"
			}
		}
		if p.Default != nil {
			fallback = string(p.Default)
		}
		means := p.Description
		if len(p.Enum) > 0 {
			means = strings.TrimSpace(means + " One of " + strings.Join(p.Enum, ", ") + ".")
		}
		t.add(under+name, dash(fmt.Sprint(p.Type)), fallback, dash(means))
		settingRows(t, s.Properties[name], under+name+".")
		settingRows(t, p.Items, under+name+"[].")
	}
}

func (k *call) pluginValidate() *cobra.Command {
	deep := false
	cmd := &cobra.Command{
		Use: "validate NAME", Short: "Have a plugin look at an instance's settings", Args: cobra.ExactArgs(1),
		Long: "Have a plugin look at the settings of the instance NAME, in a process of its own: against its schema, then by its own eyes.\n" +
			"With --deep it also asks its platform whether a key is known there, say. Nothing is sent to anybody, and no daemon is needed.\nExit 3 on faults.",
		Example: "  otn plugins validate shop\n  otn plugins validate shop --deep",
		RunE: k.does(func(ctx context.Context, args []string) error {
			nothing := func(config.Instance) config.Opened { return config.Opened{Unsure: true} }
			if err := k.loadWith(config.Whole, nothing); err != nil {
				return err
			}
			for _, i := range k.instances() {
				if i.Name == args[0] {
					return k.validate(ctx, i, deep)
				}
			}
			names := []string{}
			for _, i := range k.instances() {
				names = append(names, i.Name)
			}
			return &coded{exitNotFound, fmt.Errorf("no instance %q in %s", args[0], k.file), near(args[0], names)}
		}),
	}
	cmd.Flags().BoolVar(&deep, "deep", false, "ask the platform too")
	return cmd
}

// validated is what came of looking at an instance's settings.
type validated struct {
	Instance string   `json:"instance"`
	Plugin   string   `json:"plugin"`
	Asked    bool     `json:"asked"` // the platform was asked
	Faults   []string `json:"faults"`
}

func (k *call) validate(ctx context.Context, i config.Instance, deep bool) error {
	own, err := ownCommand()
	if err != nil {
		return err
	}
	spec := specOf(k.config, i, own)
	spec.StartTimeout = lookTime
	p, err := plugins.Look(ctx, spec)
	if err != nil {
		return err
	}
	defer p.Close()
	v := validated{Instance: i.Name, Plugin: i.Plugin, Faults: []string{}}
	v.Asked, err = p.Validate(ctx, deep)
	var ce *plugins.ConfigError
	if err != nil && !errors.As(err, &ce) {
		return err
	}
	t := &table{head: []string{"INSTANCE", "PLUGIN", "FAULT"}}
	if ce != nil {
		for _, d := range ce.Diagnostics {
			v.Faults = append(v.Faults, d.String())
			t.add(i.Name, i.Plugin, d.String())
		}
	}
	if len(v.Faults) > 0 {
		if err := k.show(v, t); err != nil {
			return err
		}
		return said(exitConfig)
	}
	t.add(i.Name, i.Plugin, "-")
	if deep && !v.Asked {
		k.say("otn: plugin %s has no way to ask its platform: its settings are looked at, no more", i.Plugin)
	}
	return k.show(v, t)
}

func (k *call) pluginLock() *cobra.Command {
	return &cobra.Command{
		Use: "lock", Short: "Pin the programs that may run, by their hashes", Args: cobra.NoArgs,
		Long: "Write plugins.lock: the SHA-256 of every program in plugins.dir and of every other that the configuration names, as they are now.\n" +
			"Once it is there a program that it does not name, or that was changed, is not run. It is read by sha256sum -c too.\nRun it after you have put a program there yourself, and keep the file under version control.",
		Example: "  otn plugins lock && git diff plugins.lock",
		RunE: k.does(func(context.Context, []string) error {
			if err := k.load(config.Door); err != nil {
				return err
			}
			var paths []string
			for _, f := range k.candidates() {
				if f.Path != "" {
					paths = append(paths, f.Path)
				}
			}
			changes, err := plugins.WriteLock(k.config.Lock, paths)
			if err != nil {
				return err
			}
			return k.show(lockRows(changes))
		}),
	}
}

// lockRow is one program of a lock, as it was and as it is.
type lockRow struct {
	Program string `json:"program"`
	SHA256  string `json:"sha256,omitempty"`
	Change  string `json:"change"`
}

func lockRows(changes []plugins.Change) (any, *table) {
	rows := []lockRow{}
	t := &table{head: []string{"PROGRAM", "SHA-256", "CHANGE"}}
	for _, c := range changes {
		r := lockRow{c.Program, c.Sum, "same"}
		switch {
		case c.Sum == "":
			r.Change = "gone"
		case c.Before == "":
			r.Change = "new"
		case c.Before != c.Sum:
			r.Change = "changed"
		}
		rows = append(rows, r)
		t.add(r.Program, dash(r.SHA256), r.Change)
	}
	return map[string]any{"programs": rows}, t
}

func (k *call) pluginRelease() *cobra.Command {
	return &cobra.Command{
		Use: "release NAME", Short: "Let a plugin start again, or take its new program", Args: cobra.ExactArgs(1),
		Long: "Let the plugin of the channel or source NAME start again in the running daemon: out of quarantine, or at once where it waits.\n" +
			"One that runs is replaced without a gap by its program as it is on disk now: configured first, then the old one ends what it has.",
		Example: "  otn plugins release shop\n  otn plugins lock && otn plugins release sms",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			var v core.InstanceView
			if err := c.Post(ctx, "/v1/plugins/"+url.PathEscape(args[0])+"/release", "", struct{}{}, &v); err != nil {
				return err
			}
			return k.show(v, k.instanceTable("INSTANCE", []core.InstanceView{v}))
		}),
	}
}
