// The words that views use: numbers, moments, states, and where links lead.

package console

import (
	"fmt"
	"html/template"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// vocabulary is what views may call. None of it gives markup.
func (c *console) vocabulary() template.FuncMap {
	return template.FuncMap{
		"asset": func(name string) string { return "/assets/" + name + "?v=" + c.assets[name].version },
		"num":   number, "count": count, "share": share, "tone": tone, "say": say, "short": shortName, "file": filepath.Base, "words": stateWords,
		"clock": func(t time.Time) string { return clock(t, c.Now(), c.Zone) },
		"day":   func(t time.Time) string { return t.In(c.Zone).Format("Monday, January 2") },
		"hour":  func(t time.Time) string { return t.In(c.Zone).Format("15:04") },
		"iso":   func(t time.Time) string { return t.In(c.Zone).Format(time.RFC3339) },
		"ago":   func(t time.Time) string { return ago(t, c.Now()) },
		"zone":  func() string { return c.Zone.String() },
		"person": func(channel, subscriber string) string {
			return "/people/person?p=" + c.people.seal(channel, subscriber)
		},
		"link": link, "minutes": minutes, "span": span, "trim": strings.TrimSpace, "version": func() string { return c.Version },
		"nav": navOf, "bar": barOf, "pair": func(a, b string) pair { return pair{a, b} }, "caret": caret, "act": actWords, "use": useWords, "kind": kindWords,
		"len64": func(v any) int64 { return int64(reflect.ValueOf(v).Len()) }, "int64": func(n int) int64 { return int64(n) }, "text": strconv.Itoa,
		"lines": func(s string) int64 { return int64(strings.Count(s, "\n")) },
		"backward": func(days []core.Day) []core.Day {
			days = slices.Clone(days)
			slices.Reverse(days)
			return days
		},
		"depth": func(n int) int { return min(n, 6) },
		"rule":  ruleName, "capital": capital,
		"percent": func(share float64) string { return fmt.Sprintf("%g %%", share*100) },
		"rate":    func(n float64) string { return fmt.Sprintf("%g", n) },
		"states":  func() []string { return append(openStates(), "done", "cancelled") },
		"outcomes": func() []string {
			return []string{"sent", "refused", "deferred", "invalid", "unknown", "sending"}
		},
		"consentStates": func() []string {
			return []string{"waiting", "claimed", "sent", "refused", "unknown", "expired", "withdrawn"}
		},
	}
}

// navLink is one line of the navigation.
type navLink struct {
	To, Text, Key string
	On            bool
}

func navOf(here, area, to, text, key string) navLink { return navLink{to, text, key, here == area} }

// bar is a share of something, drawn.
type bar struct {
	Share int64
	Tone  string
}

func barOf(part, all int64, tone string) bar { return bar{share(part, all), tone} }

// pair is two texts for a template that takes one value.
type pair struct{ A, B string }

// caret is the line under a faulty one that points at the fault, with the tabs of the line above.
func caret(f core.RuleFault) string {
	if f.Col <= 0 {
		return ""
	}
	line := []rune(f.Source)
	var b strings.Builder
	for _, r := range line[:min(f.Col-1, len(line))] {
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String() + strings.Repeat("^", max(1, f.Width))
}

// actWords is what a button says.
func actWords(act string) string {
	return map[string]string{"approve": "Approve", "pause": "Pause", "resume": "Resume", "cancel": "Cancel the run"}[act]
}

// capital begins a text as a sentence does.
func capital(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	if n == 0 {
		return text
	}
	return string(unicode.ToUpper(r)) + text[n:]
}

// ruleName is a rule as it is told: that of an operator's message has an id that says nothing.
func ruleName(id string) string {
	if strings.HasPrefix(id, "send-") {
		return "operator's message"
	}
	return id
}

// useWords is a topic's use.
func useWords(u otn.Use) string { return strings.ReplaceAll(string(u), "_", " ") }

// kindWords is what a moment of a timeline is about.
func kindWords(kind string) string {
	return map[string]string{
		"consent": "Consent", "decision": "Decided", "delivery": "Message", "ask": "Asked", "reply": "Answered", "tags": "Tags", "window": "Window", "silence": "Silence",
	}[kind]
}

// number is a count with its thousands set apart.
func number(n int64) string {
	text := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, text = "−", text[1:]
	}
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return sign + text
}

// count is a number of things, as in "1 run" and "2 runs".
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// share is n of all in a hundred, at least 1 where there is any.
func share(n, all int64) int64 {
	if n <= 0 || all <= 0 {
		return 0
	}
	return min(100, max(1, n*100/all))
}

// clock is a moment, as short as it is clear.
func clock(t, now time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "–"
	}
	t, now = t.In(zone), now.In(zone)
	switch {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("Jan 2, 15:04")
	}
	return t.Format("Jan 2 2006, 15:04")
}

// ago is how long ago a moment was, or how far ahead it is.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	if d < time.Second {
		return "just now"
	}
	return span(d) + " ago"
}

// span is a duration in its largest unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(1, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// minutes is a minute of the day as 08:30.
func minutes(m int) string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }

// tone is how a state is set off: ok, live, calm, warn, bad, doubt or mute.
func tone(state string) string {
	switch state {
	case "sent", "done", "ready", "yes", "new", "granted", "asked", "said":
		return "ok"
	case "running", "sending", "claimed":
		return "live"
	case "waiting", "holding", "deferred", "starting", "planned", "holds", "tagged":
		return "calm"
	case "paused", "degraded", "changed", "undecided", "renamed":
		return "warn"
	case "refused", "invalid", "failed", "quarantined", "stopped", "gone":
		return "bad"
	case "unknown":
		return "doubt"
	}
	return "mute"
}

// say is a state as it is written on pages.
func say(state string) string {
	switch state {
	case "holds":
		return "no news"
	case "no":
		return "not told"
	case "yes":
		return "meant"
	}
	return state
}

// stateWords tells what a state of a run means.
func stateWords(state string) string {
	return map[string]string{
		"holding": "The condition must stay true for a while before anybody is told.", "waiting": "It goes on by itself.",
		"running": "Messages are going out.", "paused": "It stands still until somebody says go on.", "done": "Everybody whom it meant was told.",
		"cancelled": "It was ended; whoever was not told waits on.",
	}[state]
}

// link is an address with parameters, empty ones left out.
func link(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
