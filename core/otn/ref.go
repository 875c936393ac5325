// The text that names a topic and a subject in links and in the payload of an ask: notify.TOPIC.SUBJECT?answers.

package otn

import (
	"crypto/sha256"
	"net/url"
	"sort"
	"strings"
)

// Ref is what a payload or a link's ref says: a topic, a subject and answers as untyped text.
type Ref struct {
	Topic, Subject string
	Answers        map[string]string
}

const refPrefix = "notify."

// ParseRef reads "notify.TOPIC", "notify.TOPIC.SUBJECT" and either with "?name=value&…" behind it.
// Anything else is not ok: the caller keeps such a consent without a topic. Anyone can type a ref: trust nothing in it.
func ParseRef(s string) (Ref, bool) {
	rest, ok := strings.CutPrefix(s, refPrefix)
	if !ok {
		return Ref{}, false
	}
	rest, query, _ := strings.Cut(rest, "?")
	topic, subject, _ := strings.Cut(rest, ".")
	if topic == "" {
		return Ref{}, false
	}
	r := Ref{Topic: topic, Subject: subject}
	if values, err := url.ParseQuery(query); err == nil && len(values) > 0 {
		r.Answers = make(map[string]string, len(values))
		for name, v := range values {
			r.Answers[name] = v[0]
		}
	}
	return r, true
}

// FormatRef writes what ParseRef reads. Topic ids hold no dot and no question mark; subjects hold no question mark.
func FormatRef(r Ref) string {
	var b strings.Builder
	b.WriteString(refPrefix)
	b.WriteString(r.Topic)
	if r.Subject != "" {
		b.WriteByte('.')
		b.WriteString(r.Subject)
	}
	names := make([]string, 0, len(r.Answers))
	for name := range r.Answers {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(url.QueryEscape(name) + "=" + url.QueryEscape(r.Answers[name]))
	}
	return b.String()
}

const (
	shortPrefix = "n_"
	shortSize   = 22
)

// ShortRef is the short form of a ref, for links that carry few letters: "n_" and 22 letters that follow from the text, so
// that the same text has the same one. It says nothing by itself: whoever makes it keeps what it stands for.
func ShortRef(ref string) string {
	sum := sha256.Sum256([]byte("otn ref 1\x00" + ref))
	short := []byte(shortPrefix)
	for _, b := range sum[:shortSize] {
		short = append(short, 'a'+b%26)
	}
	return string(short)
}

// IsShortRef reports whether a text has the form that ShortRef gives.
func IsShortRef(s string) bool {
	letters, ok := strings.CutPrefix(s, shortPrefix)
	return ok && len(letters) == shortSize && strings.Trim(letters, "abcdefghijklmnopqrstuvwxyz") == ""
}
