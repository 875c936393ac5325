// From merged values to a Config: every value checked, every fault at the place the value came from.

package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/core/schedule"
)

func (l *loader) build(tree map[string]any) *Config {
	l.whole = len(l.faults) == 0
	listen, _ := tree["listen"].(map[string]any)
	plugins, _ := tree["plugins"].(map[string]any)
	secure, _ := tree["tls"].(map[string]any)
	admin := l.certified("admin", secure["admin"])
	c := &Config{
		File:      l.File,
		Data:      l.folder("data", tree["data"]),
		Plugins:   l.folder("plugins.dir", plugins["dir"]),
		Lock:      l.folder("plugins.lock", plugins["lock"]),
		Hooks:     l.address("listen.hooks", listen["hooks"]),
		HooksTLS:  l.certified("hooks", secure["hooks"]),
		Admin:     l.operators("listen.admin", listen["admin"], admin),
		AdminTLS:  admin,
		Proxies:   l.proxies(tree["trusted_proxies"]),
		PublicURL: l.url("public_url", tree["public_url"]),
		Zone:      l.zone(tree["timezone"]),
		Keep:      l.retention(tree["retention"]),
	}
	l.watching(tree, c)
	if l.Part != Door {
		c.Rules = l.globs(tree["rules"])
	}
	c.Channels = l.instances("channels", tree["channels"], c)
	c.Sources = l.instances("sources", tree["sources"], c)
	for _, s := range c.Sources {
		for _, ch := range c.Channels {
			if s.Name == ch.Name {
				l.wrong("sources."+s.Name+".plugin", fmt.Sprintf("%q is a channel too", s.Name), "an instance's name is its place below /hooks: give one of them another")
			}
		}
	}
	c.Warnings = l.warnings
	return c
}

// watching reads what the daemon tells of itself, and where.
func (l *loader) watching(tree map[string]any, c *Config) {
	log, _ := tree["log"].(map[string]any)
	c.LogFormat, _ = log["format"].(string)
	if !slices.Contains([]string{"auto", "text", "json"}, c.LogFormat) {
		l.wrong("log.format", l.quote("log.format", c.LogFormat)+" is no format", "write text, json, or auto: text on a terminal and JSON elsewhere")
	}
	level, _ := log["level"].(string)
	known := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	var ok bool
	if c.LogLevel, ok = known[strings.ToLower(level)]; !ok {
		l.wrong("log.level", l.quote("log.level", level)+" is no level", "write debug, info, warn or error")
	}
	traces, _ := tree["traces"].(map[string]any)
	if u := l.url("traces.endpoint", traces["endpoint"]); u != nil {
		c.Traces = u.String()
	}
}

// wrong keeps a fault of the value at key, wherever it came from.
func (l *loader) wrong(key, message, hint string) {
	o := l.origin(key)
	l.fault(o, key+": "+message, hint)
}

// quote shows a wrong value, but as it is written when it could be a secret.
func (l *loader) quote(key string, v any) string {
	o := l.origin(key)
	switch {
	case o.written != "":
		return fmt.Sprintf("%q", o.written)
	case o.secret:
		return masked
	}
	return fmt.Sprintf("%q", fmt.Sprint(v))
}

func cutLast(key string) (before, after string, found bool) {
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return "", key, false
	}
	return key[:i], key[i+1:], true
}

// folder makes the path at key: of the file relative to the file, of a variable or flag to the working directory.
func (l *loader) folder(key string, v any) string {
	text, _ := v.(string)
	if text == "" {
		l.wrong(key, "empty", "name a folder")
		return ""
	}
	if o := l.origins[key]; o.line == 0 && o.text != "" {
		return filepath.Clean(text)
	}
	return l.path(text)
}

func (l *loader) address(key string, v any) string {
	text, _ := v.(string)
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		l.wrong(key, l.quote(key, text)+" is no address", `write host:port, as in "127.0.0.1:8080"; port 0 takes any that is free`)
		return ""
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		l.wrong(key, l.quote(key, port)+" is no port", "a port is a number from 0 to 65535")
		return ""
	}
	return text
}

func (l *loader) url(key string, v any) *url.URL {
	text, _ := v.(string)
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		l.wrong(key, "not a web address", `write it with its scheme, as in "https://otn.shop.example"`)
		return nil
	}
	return u
}

func (l *loader) zone(v any) *time.Location {
	text, _ := v.(string)
	zone, err := time.LoadLocation(text)
	if err != nil || text == "Local" {
		l.wrong("timezone", "unknown time zone "+l.quote("timezone", text), `write an IANA name, as in "America/New_York"`)
		return time.UTC
	}
	return zone
}

// IsTest reports whether a file is one of tests: it lies beside the rules and is none.
func IsTest(name string) bool {
	return strings.HasSuffix(name, ".test.yaml") || strings.HasSuffix(name, ".test.yml")
}

// globs are the rule files that the patterns find. A pattern that finds none is a fault.
func (l *loader) globs(v any) []string {
	patterns, _ := v.([]any)
	if len(patterns) == 0 && !l.broken {
		l.wrong("rules", "no rules are named", `write rules: ["rules/*.yaml"]`)
	}
	found := map[string]bool{}
	for i, p := range patterns {
		files, err := filepath.Glob(l.path(fmt.Sprint(p)))
		files = slices.DeleteFunc(files, IsTest)
		if err != nil || len(files) == 0 {
			key := fmt.Sprintf("rules.%d", i)
			l.wrong(key, l.quote(key, p)+" finds no file", "the pattern is relative to the configuration file")
		}
		for _, f := range files {
			found[f] = true
		}
	}
	return sorted(found)
}

func (l *loader) instances(group string, v any, c *Config) []Instance {
	m, _ := v.(map[string]any)
	var list []Instance
	for _, name := range slices.Sorted(maps.Keys(m)) {
		key, sound := group+"."+name, len(l.faults)
		fields, _ := m[name].(map[string]any)
		i := Instance{Name: name, Lock: c.Lock, Rate: l.rate(key+".rate", fields["rate"])}
		i.Plugin, i.Builtin = l.program(key+".plugin", fields["plugin"], c.Plugins)
		i.Settings = l.settings(key+".config", fields["config"])
		i.Inside = l.isolation(key+".isolation", fields["isolation"], i.Builtin)
		i.Env = l.names(key+".env", fields["env"], i.Inside)
		i.Poll = l.cron(key+".poll", fields["poll"])
		if len(l.faults) == sound {
			l.try(i, key)
		}
		list = append(list, i)
	}
	return list
}

// settings are a plugin's own configuration as JSON.
func (l *loader) settings(key string, v any) otn.Secret {
	if v == nil {
		return otn.NewSecret("{}")
	}
	m, ok := v.(map[string]any)
	text, err := json.Marshal(m)
	if !ok || err != nil {
		l.wrong(key, "wants keys with values", "")
	}
	return otn.NewSecret(string(text))
}

// isolation reads whether an instance runs in the daemon's own process: where a crash of it is a crash of the daemon.
func (l *loader) isolation(key string, v any, builtin bool) bool {
	text, _ := v.(string)
	switch {
	case text == "" || text == "process":
		return false
	case text != "none":
		l.wrong(key, l.quote(key, text)+" is no isolation", "write process, or none for a built-in plugin in the daemon's own process")
	case !builtin:
		l.wrong(key, "only a built-in plugin runs without a process of its own", "take the line away")
	}
	return true
}

// names reads the variables that a plugin's process may see. What configures otn is not for plugins: it holds the secrets of all of them.
func (l *loader) names(key string, v any, inside bool) []string {
	list, _ := v.([]any)
	var names []string
	for n, e := range list {
		at, name := fmt.Sprintf("%s.%d", key, n), fmt.Sprint(e)
		switch {
		case !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name):
			l.wrong(at, l.quote(at, name)+" is no name of a variable", "write names alone, as in env: [HTTPS_PROXY]; a value for one plugin stands in its config")
			continue
		case strings.HasPrefix(name, prefix) || strings.HasPrefix(name, "PLUGIN_"):
			l.wrong(at, name+" is one of otn's own variables, which no plugin sees", "write what the plugin is to know into its config")
			continue
		}
		if _, set := l.env[name]; !set && l.Part == Whole {
			l.warnings = append(l.warnings, at+": "+name+" is not set")
		}
		names = append(names, name)
	}
	if inside && len(list) > 0 {
		l.wrong(key, "a plugin without a process of its own sees every variable of the daemon", "take the line away, or isolation: none")
	}
	return names
}

// try lets a plugin look at its settings, when the file could be read whole. A source that is polled needs a line, and no
// other has use for one.
func (l *loader) try(i Instance, key string) {
	if l.Open == nil || l.Part != Whole && l.Part != Offline || !l.whole {
		return
	}
	open := l.Open(i)
	if open.Program != "" {
		l.wrong(key+".plugin", open.Program, "")
	}
	if open.Odd != "" {
		l.warnings = append(l.warnings, key+": "+open.Odd)
	}
	for _, w := range open.Wrong {
		at := key
		if w.Path != "" {
			at += ".config." + strings.NewReplacer("[", ".", "]", "").Replace(w.Path)
		}
		if l.Part == Whole || l.origins[at].written == "" {
			l.wrong(at, w.Message, "")
		}
	}
	switch {
	case len(open.Wrong) > 0 || open.Program != "" || open.Unsure:
	case i.Poll != "" && !open.Polls:
		l.wrong(key+".poll", fmt.Sprintf("plugin %s is not polled", i.Plugin), "take the line away: what it tells comes by webhook")
	case i.Poll == "" && open.Polls && !open.Receives && strings.HasPrefix(key, "sources."):
		l.wrong(key, fmt.Sprintf("plugin %s is polled, and no line says when", i.Plugin), `write poll: "*/15 * * * *"`)
	}
}

// cron is the line on which a source is polled.
func (l *loader) cron(key string, v any) string {
	text, _ := v.(string)
	if text == "" {
		return ""
	}
	if _, err := schedule.Parse(text, time.UTC); err != nil {
		why := strings.TrimSuffix(strings.TrimPrefix(err.Error(), "schedule: "), ": "+otn.ErrInvalid.Error())
		if o := l.origin(key); o.secret {
			why = "no cron line"
		}
		l.wrong(key, why, `write five fields, as in "*/15 * * * *", or @hourly, or @every 10m`)
	}
	return text
}

// program finds a plugin: a built-in name, a path, or a file in the plugins' folder.
func (l *loader) program(key string, v any, dir string) (string, bool) {
	name, _ := v.(string)
	switch {
	case name == "":
		l.wrong(key, "no plugin is named", "name a built-in plugin, a file in plugins.dir, or a path")
		return "", false
	case slices.Contains(l.Builtins, name):
		return name, true
	case strings.ContainsRune(name, filepath.Separator):
		name = l.path(name)
	default:
		name = filepath.Join(dir, name)
	}
	if st, err := os.Stat(name); (err != nil || st.IsDir()) && l.Part == Whole {
		hint := "built in are " + strings.Join(l.Builtins, ", ")
		if near := Nearest(fmt.Sprint(v), l.Builtins); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		l.wrong(key, fmt.Sprintf("no plugin %s: it is not built in, and there is no program of that name in plugins.dir", l.quote(key, v)), hint)
		return "", false
	}
	return name, false
}

// rate reads 40/s, 600/m, 1000/h as messages per second.
func (l *loader) rate(key string, v any) float64 {
	text, _ := v.(string)
	if text == "" {
		return 0
	}
	number, unit, ok := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	if !ok || err != nil || !(n > 0 && n <= 1e9) || seconds == 0 {
		l.wrong(key, l.quote(key, text)+" is no rate", "write messages per second, minute or hour: 40/s, 600/m, 1000/h")
		return 0
	}
	return n / seconds
}
