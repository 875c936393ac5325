// The layers over the file: environment and flags.

package config

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

const prefix = "OTN_"

// merge lays defaults, file, environment and flags over each other.
func (l *loader) merge() map[string]any {
	k := koanf.New(".")
	load := func(p koanf.Provider) {
		if err := k.Load(p, nil); err != nil {
			l.fault(origin{}, err.Error(), "")
		}
	}
	load(confmap.Provider(Defaults(), ""))
	load(confmap.Provider(l.values, ""))
	load(env.Provider(".", env.Opt{Prefix: prefix, EnvironFunc: func() []string { return l.Env }, TransformFunc: l.place}))
	flags := map[string]any{}
	for key, v := range l.Flags {
		flags[key] = v
		l.override(key, origin{text: "--" + strings.ReplaceAll(key, ".", "-")})
	}
	load(confmap.Provider(flags, "."))
	return k.Raw()
}

// place turns a variable into a key and a value: OTN_LISTEN__ADMIN is listen.admin, OTN_DATA_FILE is a file that
// holds data. A variable that is no key of ours (a Kubernetes service called otn makes several) is left alone.
func (l *loader) place(name, text string) (string, any) {
	key, s, ok := l.key(strings.TrimPrefix(name, prefix))
	from := origin{text: name}
	if base, file := strings.CutSuffix(name, "_FILE"); file && (!ok || s.free && l.find(key) == nil) {
		if key, s, ok = l.key(strings.TrimPrefix(base, prefix)); ok {
			value, err := readSecret(text)
			if err != nil {
				l.fault(from, err.Error(), "")
				return "", nil
			}
			text, from.secret = value, true
		}
	}
	if !ok {
		if strings.Contains(name, "__") {
			l.warnings = append(l.warnings, fmt.Sprintf("%s names no key and is ignored", name))
		}
		return "", nil
	}
	from.secret = from.secret || s.free
	if before := l.origins[key].text; strings.HasPrefix(before, prefix) {
		l.fault(from, fmt.Sprintf("%s is set too, and says the same %s", before, key), "unset one of them")
	}
	l.override(key, from)
	return key, l.typed(key, text, s)
}

// override notes that a value came from o, and with it all that was below its key.
func (l *loader) override(key string, o origin) {
	for k := range l.origins {
		if strings.HasPrefix(k, key+".") {
			delete(l.origins, k)
		}
	}
	l.origins[key] = o
}

// key finds the key that a variable's name stands for, its words apart by __.
func (l *loader) key(name string) (string, shape, bool) {
	s, key := layout(), ""
	var at any = l.values
	for word := range strings.SplitSeq(strings.ToLower(name), "__") {
		known, _ := at.(map[string]any)
		next := shape{free: true}
		switch {
		case word == "":
			return "", s, false
		case s.free:
		case s.each != nil:
			next = *s.each
		default:
			inner, ok := s.keys[word]
			if !ok || inner.later {
				return "", s, false
			}
			next = inner
		}
		if s.each != nil || s.free {
			word = written(word, known)
		}
		s, key, at = next, join(key, word), known[word]
	}
	return key, s, s.keys == nil && s.each == nil
}

// written is the name as the file writes it: a variable cannot hold - nor capitals.
func written(word string, known map[string]any) string {
	for name := range known {
		if strings.ReplaceAll(strings.ToLower(name), "-", "_") == word {
			return name
		}
	}
	return word
}

// typed reads a variable's text. A list is split at commas; a plugin's setting has the type that the file gives it,
// or that of a JSON object, array, true or false; any other is a text.
func (l *loader) typed(key, text string, s shape) any {
	if s.list {
		list := []any{}
		for part := range strings.SplitSeq(text, ",") {
			list = append(list, strings.TrimSpace(part))
		}
		return list
	}
	if !s.free {
		return text
	}
	_, number := l.find(key).(json.Number)
	if number || text == "true" || text == "false" || strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		var v any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(&v) == nil && !d.More() {
			return v
		}
	}
	return text
}

// find is the file's own value of a key.
func (l *loader) find(key string) any {
	var at any = l.values
	for word := range strings.SplitSeq(key, ".") {
		m, _ := at.(map[string]any)
		at = m[word]
	}
	return at
}

func environ(list []string) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		if name, v, ok := strings.Cut(kv, "="); ok {
			m[name] = v
		}
	}
	return m
}
