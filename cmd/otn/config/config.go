// The configuration of a daemon: otn.yaml with what the environment and the command line change of it.

// Package config reads otn.yaml. Order: defaults, then the file, then the environment (OTN_LISTEN__ADMIN,
// OTN_DATA_FILE), then flags; a later one wins. All faults are found at once, each with file, line and column.
package config

import (
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// Config is what a daemon is started with. Paths are absolute or relative to the working directory.
type Config struct {
	File      string         // the file it was read from
	Data      string         // the store's folder
	Hooks     string         // address of the public door, host:port
	HooksTLS  Pair           // of the public door; none: it speaks plain HTTP
	Admin     string         // address of the operator's door, host:port, on loopback where it has no TLS
	AdminTLS  Pair           // of the operator's door
	Proxies   []netip.Prefix // whose word about their callers is believed
	PublicURL *url.URL       // how the outside reaches the public door; nil: not told
	Zone      *time.Location // in which the operator reads and writes times
	Keep      core.Retention // how long what has happened is kept
	Rules     []string       // the rule files that the globs found, sorted
	Channels  []Instance     // sorted by name
	Sources   []Instance     // sorted by name
	Plugins   string         // the folder of plugins that are not built in; may not exist
	Lock      string         // the plugins.lock; may not exist
	LogFormat string         // "text", "json", or "auto": text on a terminal and JSON elsewhere
	LogLevel  slog.Level     // what is less is not logged
	Traces    string         // web address of an OpenTelemetry collector; empty: not told
	Warnings  []string       // what is odd but not wrong

	entries []Entry
}

// Instance is one channel or source.
type Instance struct {
	Name     string
	Plugin   string     // the name of a built-in plugin, or the path of a program
	Builtin  bool       // Plugin is a name
	Inside   bool       // it runs in the daemon's own process
	Lock     string     // the plugins.lock that its program is pinned by
	Env      []string   // names of variables of the daemon that its process sees, beside those that every plugin sees
	Rate     float64    // messages per second; 0: what the plugin declares
	Poll     string     // of a source: the cron line on which it is polled, in Zone; empty: it is not
	Settings otn.Secret // the plugin's own configuration as a JSON object, its references resolved
}

// Entry is one value and where it came from, for people: secrets are masked.
type Entry struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin string `json:"origin,omitempty"`
}

// Options say how to read a configuration.
type Options struct {
	File  string            // of YAML
	Env   []string          // NAME=value, as os.Environ gives
	Flags map[string]string // by key ("listen.admin"), only those that were given

	Part Part // how much of it is wanted

	// Open tries an instance's settings. Nil: they are not tried. Of the part Offline, what stands for a reference is empty there, and
	// what Open finds wrong with it does not count.
	Open func(i Instance) Opened
	// Builtins are the names of the built-in plugins.
	Builtins []string
}

// Part is how much of a configuration is wanted.
type Part int

// The parts. The smaller ones read no plugin's settings, and so need no secret.
const (
	Whole   Part = iota // what a daemon needs
	Rules               // the rule files
	Offline             // the rule files, and the plugins' settings without the secrets that they refer to
	Door                // what a client of the operator's door needs
)

// Opened is what came of trying a plugin's settings: what the instance can do, or what is wrong with them, by path.
type Opened struct {
	Polls, Receives bool
	Unsure          bool // what it can do is not known
	Wrong           []Wrong
	Program         string // what is wrong with the plugin itself
	Odd             string // worth a warning
}

// Wrong is a fault in a plugin's settings: the path of the setting as in steps[0].kind, and what is wrong with it.
type Wrong struct{ Path, Message string }

// Load reads a configuration. An error is Faults, in all their number, or of the file system.
func Load(o Options) (*Config, error) {
	source, err := os.ReadFile(o.File)
	if err != nil {
		return nil, err
	}
	l := &loader{Options: o, env: environ(o.Env), origins: map[string]origin{}}
	l.dir = filepath.Dir(o.File)
	l.parse(source)
	if len(l.faults) > 0 && l.values == nil {
		return nil, l.faults
	}
	tree := l.merge()
	c := l.build(tree)
	if len(l.faults) > 0 {
		l.faults.sort()
		return nil, l.faults
	}
	c.entries = l.entries(tree)
	return c, nil
}

// Entries lists every value with its origin, in the order of keys. A secret, and whatever could be one, is masked.
func (c *Config) Entries() []Entry { return c.entries }

// Defaults are the values that hold when nothing else is said.
func Defaults() map[string]any {
	return map[string]any{
		"data":      "data",
		"listen":    map[string]any{"hooks": "127.0.0.1:8080", "admin": "127.0.0.1:8081"},
		"timezone":  "UTC",
		"plugins":   map[string]any{"dir": "plugins", "lock": "plugins.lock"},
		"log":       map[string]any{"format": "auto", "level": "info"},
		"retention": map[string]any{"journal": "30d", "decisions": "90d", "deliveries": "400d"},
	}
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
