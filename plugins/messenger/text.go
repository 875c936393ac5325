// Texts and moments as webhooks write them: ids as numbers, times as text, in seconds or in milliseconds.

package messenger

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// text reads a JSON string as it is, a number as its digits, null as nothing, and anything else as its own JSON.
type text string

// UnmarshalJSON never fails, so that one odd field does not hide an event.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case string(b) == "null":
		*t = ""
	case plain(b):
		*t = text(b[1 : len(b)-1])
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	default:
		*t = text(b)
	}
	return nil
}

// plain reports whether a JSON value is a string that reads as it is written; most are.
func plain(b []byte) bool {
	return len(b) >= 2 && b[0] == '"' && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b)
}

// moment reads a Unix time in milliseconds or, below 10^12, in seconds. What cannot be read, or is nobody's time, is the zero time.
type moment struct{ time.Time }

const (
	firstMillis = 1e12
	lastMillis  = 1e14 // the year 5138
	lastSeconds = 1e11
)

// UnmarshalJSON never fails.
func (m *moment) UnmarshalJSON(b []byte) error {
	m.Time = time.Time{}
	n, ok := number(b)
	switch {
	case !ok || n <= 0 || n >= lastMillis:
	case n >= firstMillis:
		m.Time = time.UnixMilli(n).UTC()
	case n >= lastSeconds: // neither
	default:
		m.Time = time.Unix(n, 0).UTC()
	}
	return nil
}

// blank reports whether there is nothing to read.
func (t text) blank() bool { return strings.TrimSpace(string(t)) == "" }
