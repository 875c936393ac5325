// Plugins that are looked at: what each is, and what it thinks of its settings, without a daemon.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
)

// lookTime is how long a plugin may take to say what it is.
const lookTime = 10 * time.Second

// found is a plugin that there is, with the instances that use it.
type found struct {
	Name    string   `json:"name"`
	Path    string   `json:"path,omitempty"` // empty: built in
	Version string   `json:"version,omitempty"`
	Can     []string `json:"can"`
	UsedBy  []string `json:"used_by"`
	Lock    string   `json:"lock,omitempty"` // locked, changed, not locked
	Fault   string   `json:"fault,omitempty"`

	about otn.Description
}

// candidates are all plugins: those built in, those in plugins.dir, and those that an instance names by a path.
func (k *call) candidates() []found {
	var list []found
	at := map[string]int{}
	add := func(f found) {
		key := f.Path
		if key == "" {
			key = f.Name
		}
		if _, known := at[key]; !known {
			at[key] = len(list)
			list = append(list, f)
		}
	}
	for _, name := range sortedKeys(builtins()) {
		add(found{Name: name, UsedBy: []string{}})
	}
	for _, path := range programsIn(k.config.Plugins) {
		add(found{Name: filepath.Base(path), Path: path, UsedBy: []string{}})
	}
	for _, i := range k.instances() {
		if !i.Builtin {
			add(found{Name: filepath.Base(i.Plugin), Path: i.Plugin, UsedBy: []string{}})
		}
		f := &list[at[i.Plugin]]
		f.UsedBy = append(f.UsedBy, i.Name)
	}
	return list
}

func (k *call) instances() []config.Instance {
	return slices.Concat(k.config.Channels, k.config.Sources)
}

// programsIn lists the files of a folder that can be executed. A folder that is not there has none.
func programsIn(dir string) (list []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			list = append(list, path)
		}
	}
	return list
}

// pick finds the plugin of a name: of an instance, built in, in plugins.dir, or a path.
func (k *call) pick(name string) (found, error) {
	list := k.candidates()
	for _, f := range list {
		if f.Name == name || f.Path == name || slices.Contains(f.UsedBy, name) {
			return f, nil
		}
	}
	if strings.ContainsRune(name, filepath.Separator) {
		return found{Name: filepath.Base(name), Path: name, UsedBy: []string{}}, nil
	}
	names := make([]string, len(list))
	for i, f := range list {
		names[i] = f.Name
	}
	return found{}, &coded{exitNotFound, fmt.Errorf("no plugin %q: it is not built in, not in %s, and no instance is called so", name, k.config.Plugins), near(name, names)}
}

func near(name string, known []string) string {
	if n := config.Nearest(name, known); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "there are " + strings.Join(known, ", ")
}

// examine has a plugin say what it is, and looks up what the lock says of it.
func (k *call) examine(ctx context.Context, f *found) {
	f.Can = []string{}
	if f.Path == "" {
		f.about = builtins()[f.Name].Describe()
	} else {
		f.Lock = k.locked(f.Path)
		p, err := plugins.Look(ctx, plugins.Spec{Name: f.Name, Plugin: f.Name, Command: []string{f.Path}, Lock: k.config.Lock, StartTimeout: lookTime})
		if err == nil {
			f.about, err = p.Describe(ctx)
			p.Close()
		}
		if err != nil {
			f.Fault = err.Error()
			return
		}
	}
	f.Version = f.about.Version
	f.Can = abilities(&f.about.Capabilities)
}

// locked says what the lock says of a program.
func (k *call) locked(path string) string {
	l, err := plugins.ReadLock(k.config.Lock)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "not locked"
	case err != nil:
		return "unreadable lock"
	}
	ok, err := l.Holds(path)
	switch {
	case err != nil || l.Sum(path) == "":
		return "not locked"
	case !ok:
		return "changed"
	}
	return "locked"
}

func abilities(c *otn.Capabilities) []string {
	can := []string{}
	for _, a := range []struct {
		is   bool
		word string
	}{{c.Sends, "sends"}, {c.Receives, "receives"}, {c.Polls, "polls"}, {c.Listens, "listens"}, {c.Lookups, "looks up"}, {c.Asks, "asks"}, {c.Links, "links"}, {c.Replies, "replies"}} {
		if a.is {
			can = append(can, a.word)
		}
	}
	return can
}

// fits looks at settings against the plugin's schema alone: no secret is needed, and no plugin configured.
func (k *call) fits(ctx context.Context) func(config.Instance) config.Opened {
	return func(i config.Instance) config.Opened {
		schema, err := k.schemaOf(ctx, i)
		if err != nil {
			return config.Opened{Unsure: true, Odd: "its settings are not checked: " + err.Error()}
		}
		list, err := plugins.Check(schema, []byte(i.Settings.Reveal()))
		if err != nil {
			return config.Opened{Unsure: true, Program: err.Error()}
		}
		return config.Opened{Unsure: true, Wrong: wrongs(list)}
	}
}

func (k *call) schemaOf(ctx context.Context, i config.Instance) ([]byte, error) {
	if i.Builtin {
		return builtins()[i.Plugin].Describe().Schema, nil
	}
	p, err := plugins.Look(ctx, plugins.Spec{Name: i.Name, Plugin: i.Plugin, Command: []string{i.Plugin}, Lock: i.Lock, StartTimeout: lookTime})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	about, err := p.Describe(ctx)
	return about.Schema, err
}

// accepts has every plugin look at its settings: those built in in this process, the others in one of their own. No network is asked.
func (k *call) accepts(ctx context.Context) func(config.Instance) config.Opened {
	return func(i config.Instance) config.Opened {
		if i.Builtin {
			return openBuiltin(i) //nolint:contextcheck // a built-in plugin opens at once and asks no network
		}
		p, err := plugins.Look(ctx, plugins.Spec{
			Name: i.Name, Plugin: i.Plugin, Command: []string{i.Plugin}, Lock: i.Lock, Config: []byte(i.Settings.Reveal()), StartTimeout: lookTime,
		})
		if err != nil {
			return config.Opened{Program: err.Error()}
		}
		defer p.Close()
		_, err = p.Validate(ctx, false)
		var ce *plugins.ConfigError
		switch {
		case errors.As(err, &ce):
			return config.Opened{Wrong: wrongs(ce.Diagnostics)}
		case err != nil:
			return config.Opened{Program: err.Error()}
		}
		return config.Opened{Unsure: true}
	}
}
