// One poll on its way to the host: each item once, what could not be used, and in the end that this was all.

package feed

import (
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// The bounds of what is noted of one poll: how many notes, and how long.
const (
	maxNotes = 20
	maxNote  = 300
)

// telling is one poll.
type telling struct {
	yield func(otn.Record) error
	now   time.Time // when the fetch began
	again time.Time // the next moment at which the same file says something else; zero: none

	seed   maphash.Seed
	seen   map[uint64]struct{} // items told
	items  int
	noted  []otn.Record
	unsaid int // notes beyond maxNotes

	entries, nameless int // entries read, and those that name no item
	prices, unread    int // prices read, and those that are none
}

// item tells one observation. An id that comes twice in one file is told once: two versions at one moment would take turns
// for ever.
func (t *telling) item(o otn.Observation) error {
	t.entries++
	id := strings.TrimSpace(o.Item.ID)
	if id == "" {
		t.nameless++
		t.note("no_id", "entry %d names no item", t.entries)
		return nil
	}
	if t.seed == (maphash.Seed{}) {
		t.seed = maphash.MakeSeed()
	}
	hash := maphash.String(t.seed, id)
	if _, twice := t.seen[hash]; twice {
		t.note("id_twice", "%s comes more than once: the first one counts", id)
		return nil
	}
	t.seen[hash] = struct{}{}
	t.items++
	return t.yield(otn.Record{At: o.AsOf, Observation: &o})
}

// note says that something could not be used.
func (t *telling) note(code, format string, args ...any) {
	if len(t.noted) == maxNotes {
		t.unsaid++
		return
	}
	text := fmt.Sprintf(format, args...)
	if len(text) > maxNote {
		text = text[:maxNote] + "…"
	}
	t.noted = append(t.noted, otn.Record{Note: &otn.Note{Code: code, Text: strings.ToValidUTF8(text, "\uFFFD")}})
}

// notes yields them.
func (t *telling) notes() error {
	if t.unsaid > 0 {
		t.noted = append(t.noted, otn.Record{Note: &otn.Note{Code: "more", Text: fmt.Sprintf("and %d more like these", t.unsaid)}})
	}
	for _, r := range t.noted {
		if err := t.yield(r); err != nil {
			return err
		}
	}
	return nil
}

// whole ends a full snapshot. One that could hardly be read is none: it says more of our settings than of the shop.
func (t *telling) whole() error {
	switch {
	case 2*t.nameless > t.entries:
		return fmt.Errorf("%d of %d entries name no item: %s", t.nameless, t.entries, t.first("no_id"))
	case t.prices >= 3 && t.unread == t.prices:
		return fmt.Errorf("none of %d prices can be read: %s", t.prices, t.first("price"))
	}
	if err := t.notes(); err != nil {
		return err
	}
	return t.yield(otn.Record{Whole: &otn.Whole{Items: t.items}})
}

// same ends a poll that found the file as it was.
func (t *telling) same() error { return t.yield(otn.Record{Whole: &otn.Whole{Same: true}}) }

// first is the first note with a code.
func (t *telling) first(code string) string {
	for _, r := range t.noted {
		if r.Note.Code == code {
			return r.Note.Text
		}
	}
	return ""
}

// until remembers the next moment at which the same file says something else.
func (t *telling) until(at time.Time) {
	if at.After(t.now) && (t.again.IsZero() || at.Before(t.again)) {
		t.again = at
	}
}
