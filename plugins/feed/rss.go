// RSS and Atom: each new entry is a trigger, and the first fetch only learns what is there.

package feed

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// The bounds of what is read and remembered of a feed of news.
const (
	maxEntries = 1000 // the first ones, which are the newest
	maxSeen    = 4000 // entries that are remembered, also when the feed no longer has them
	hashSize   = 8
)

// news is one entry.
type news struct {
	id     string
	hash   [hashSize]byte
	fields map[string]string
}

// rss yields what is new since the cursor, the oldest first, and gives what is known from now on.
func (f *Feed) rss(p *page, t *telling, at cursor) (seen []byte, err error) {
	all, err := f.news(p, t)
	if err != nil {
		return nil, err
	}
	seen = slices.Clone(at.Seen)
	for _, n := range slices.Backward(all) {
		known := remembers(at.Seen, n.hash)
		if !known && at.Key != "" {
			if err := t.yield(f.trigger(n)); err != nil {
				return nil, err
			}
		}
		if known { // what the feed still has is remembered longest
			seen = forget(seen, n.hash)
		}
		seen = append(seen, n.hash[:]...)
	}
	return seen[max(0, len(seen)-maxSeen*hashSize):], nil
}

// news reads the entries, each once: by its guid or Atom id, or else by its link. An entry that changes keeps its name.
func (f *Feed) news(p *page, t *telling) (all []news, err error) {
	have := map[[hashSize]byte]bool{}
	err = p.entries(wanted, func(fields map[string]string) error {
		id := cmp.Or(fields["guid"], fields["id"], fields["link"])
		if id == "" {
			t.note("no_id", "an entry has neither a guid nor a link: %.60q", fields["title"])
			return nil
		}
		sum := sha256.Sum256([]byte(id))
		n := news{id: id, hash: [hashSize]byte(sum[:]), fields: fields}
		if len(all) < maxEntries && !have[n.hash] {
			have[n.hash] = true
			all = append(all, n)
		}
		return nil
	})
	return all, err
}

// wanted names the fields of an entry that are read.
func wanted(tag xml.StartElement) string {
	switch name := tag.Name.Local; {
	case tag.Name.Space != "" && tag.Name.Space != atomNS && tag.Name.Space != "http://purl.org/rss/1.0/":
	case name == "link" && !isAlternate(tag):
	case slices.Contains([]string{"guid", "id", "title", "link", "pubDate", "published", "updated"}, name):
		return name
	}
	return ""
}

func (f *Feed) trigger(n news) otn.Record {
	text := func(name, value string) otn.Named { return otn.Named{Name: name, Value: otn.StringValue(value)} }
	fields := []otn.Named{text("id", n.id), text("title", n.fields["title"]), text("link", n.fields["link"])}
	at, ok := published(cmp.Or(n.fields["pubDate"], n.fields["published"], n.fields["updated"]))
	if ok {
		fields = append(fields, otn.Named{Name: "published", Value: otn.TimeValue(at)})
	}
	return otn.Record{
		Key: f.key + "/" + hex.EncodeToString(n.hash[:]), At: at,
		Trigger: &otn.Trigger{Name: f.config.Trigger, Fields: fields},
	}
}

// published reads the date of an entry, which is often written by hand.
func published(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.RFC1123, time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700"} {
		if at, err := time.Parse(layout, strings.TrimSpace(s)); err == nil && at.Year() > 0 {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// at is where a hash stands in a list of them, or -1.
func at(list []byte, hash [hashSize]byte) int {
	for i := 0; i < len(list); i += hashSize {
		if bytes.Equal(list[i:i+hashSize], hash[:]) {
			return i
		}
	}
	return -1
}

func remembers(list []byte, hash [hashSize]byte) bool { return at(list, hash) >= 0 }

func forget(list []byte, hash [hashSize]byte) []byte {
	if i := at(list, hash); i >= 0 {
		return slices.Delete(list, i, i+hashSize)
	}
	return list
}
