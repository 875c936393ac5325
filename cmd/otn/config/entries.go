// What may be shown of a configuration: every value with its origin, no secret among them.

package config

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

const masked = "[redacted]"

func (l *loader) entries(tree map[string]any) []Entry {
	var list []Entry
	l.walk(tree, "", &list)
	return list
}

// walk lists the leaves below v in the order of keys. A list of texts is a leaf.
func (l *loader) walk(v any, key string, list *[]Entry) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range sorted(v) {
			l.walk(v[name], join(key, name), list)
		}
		return
	case []any:
		if settings(key) {
			for i, e := range v {
				l.walk(e, fmt.Sprintf("%s.%d", key, i), list)
			}
			return
		}
	}
	o := l.origin(key)
	*list = append(*list, Entry{Key: key, Value: l.show(key, v, o), Origin: o.text})
}

// origin is where the value at key came from: its own place, or that of what holds it.
func (l *loader) origin(key string) origin {
	for k, more := key, true; more; k, _, more = cutLast(k) {
		if o, ok := l.origins[k]; ok {
			return o
		}
	}
	return origin{text: "default"}
}

// show masks what is secret or could be: a reference stands as it is written, a variable's text in a plugin's
// settings is hidden, and so is a setting whose name says so.
func (l *loader) show(key string, v any, o origin) any {
	switch {
	case o.written != "":
		return o.written
	case o.secret || settings(key) && telling(key):
		return masked
	}
	if n, ok := v.(json.Number); ok {
		return n
	}
	if text, ok := v.(string); ok {
		return hideUser(text)
	}
	return v
}

func settings(key string) bool {
	parts := strings.SplitN(key, ".", 4)
	return len(parts) > 2 && (parts[0] == "channels" || parts[0] == "sources") && parts[2] == "config"
}

// telling reports whether a setting's name says that it is secret. Any part of the name counts.
func telling(key string) bool {
	_, rest, _ := strings.Cut(key, ".config.")
	return regexp.MustCompile(`(?i)token|secret|passw|key|auth|credential|verify|signature|cookie`).MatchString(rest)
}

// hideUser takes a password out of a web address.
func hideUser(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	u.User = url.User("redacted")
	return u.String()
}
