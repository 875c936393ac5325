// What a poll remembers for the next one.

package feed

import (
	"encoding/json"
	"net/http"
	"time"
)

// cursor is where the last poll ended. One that was made under another configuration, or by another version, means nothing.
type cursor struct {
	Key      string    `json:"k"`
	ETag     string    `json:"e,omitempty"`
	Modified string    `json:"m,omitempty"`
	Again    time.Time `json:"a,omitzero"`  // from then on the same file says something else: a sale begins or ends
	Seen     []byte    `json:"s,omitempty"` // of rss: the entries that are known, as hashes, the oldest first
}

// maxValidator is the longest validator that is kept, in bytes.
const maxValidator = 1 << 10

func (f *Feed) readCursor(text string) cursor {
	var c cursor
	if json.Unmarshal([]byte(text), &c) != nil || c.Key != f.key || len(c.Seen)%hashSize != 0 {
		return cursor{}
	}
	return c
}

func (c cursor) String() string {
	text, err := json.Marshal(c)
	if err != nil {
		return "" // texts, a time and bytes do encode; the beginning is always right
	}
	return string(text)
}

// validators ask the server whether anything changed, unless the file is due to be read again anyway.
func (f *Feed) validators(now time.Time, c cursor) http.Header {
	h := http.Header{}
	if !c.Again.IsZero() && !now.Before(c.Again) {
		return h
	}
	if c.ETag != "" {
		h.Set("If-None-Match", c.ETag)
	}
	if c.Modified != "" {
		h.Set("If-Modified-Since", c.Modified)
	}
	return h
}
