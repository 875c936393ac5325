// What a poll has yielded, held back until the poll has ended well: packed, and within bounds.

package core

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// The bounds of one poll.
const (
	maxPolled = 2_000_000 // records
	maxPacked = 64 << 20  // bytes of observations, packed
	maxOthers = 100_000   // records that are no observations
)

// staged holds the records of a poll. Observations are packed: a large feed is some ten bytes an item.
type staged struct {
	records int
	told    int // observations of items
	packed  bytes.Buffer
	zip     *flate.Writer
	json    *json.Encoder
	others  []otn.Record // consents and what else; never packed, because a secret does not go through JSON
	seed    maphash.Seed
	seen    map[uint64]struct{} // the ids of items
	whole   *otn.Whole
}

// kept is one record as it is packed: an observation, or the next of the others.
type kept struct {
	Key         string           `json:"k,omitempty"`
	At          time.Time        `json:"t,omitzero"`
	Observation *otn.Observation `json:"o,omitempty"`
}

func newStaged() *staged {
	s := &staged{seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
	s.zip, _ = flate.NewWriter(&s.packed, flate.BestSpeed) // the level is one that it knows
	s.json = json.NewEncoder(s.zip)
	return s
}

// add holds back one record. Errors: otn.ErrInvalid for too many, and for one behind the end of a full snapshot.
func (s *staged) add(r otn.Record) error {
	s.records++
	switch {
	case s.whole != nil:
		return fmt.Errorf("a record behind the mark of a full snapshot: %w", otn.ErrInvalid)
	case r.Whole != nil:
		w := *r.Whole
		s.whole = &w
		return nil
	case s.records > maxPolled || s.packed.Len() > maxPacked || len(s.others) == maxOthers:
		return fmt.Errorf("too much for one poll, after %d records: %w", s.records-1, otn.ErrInvalid)
	}
	k := kept{Key: r.Key, At: r.At, Observation: r.Observation}
	if r.Observation == nil {
		s.others = append(s.others, r)
	} else if id := itemOf(r); id != "" {
		s.told++
		s.seen[maphash.String(s.seed, id)] = struct{}{}
	}
	if err := s.json.Encode(k); err != nil {
		return fmt.Errorf("record %d: %w: %w", s.records, err, otn.ErrInvalid)
	}
	return nil
}

// itemOf is the item that a record tells of by its id; empty for any other.
func itemOf(r otn.Record) string {
	if r.Observation == nil || r.Observation.Item == nil || r.Observation.Gone {
		return ""
	}
	return r.Observation.Item.ID
}

// end closes the poll, and refuses a full snapshot that is none.
func (s *staged) end() error {
	if w := s.whole; w != nil && (w.Items != s.told || w.Same && s.told > 0) {
		return fmt.Errorf("a full snapshot of %d items came with %d: %w", w.Items, s.told, otn.ErrInvalid)
	}
	return s.zip.Close()
}

func (s *staged) has(id string) bool {
	_, ok := s.seen[maphash.String(s.seed, id)]
	return ok
}

func (s *staged) items() int { return len(s.seen) }

// each yields the records in their order.
func (s *staged) each(yield func(otn.Record) error) error {
	d := json.NewDecoder(flate.NewReader(bytes.NewReader(s.packed.Bytes())))
	others := s.others
	for {
		var k kept
		if err := d.Decode(&k); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("core: a record that was held back: %w", err)
		}
		r := otn.Record{Key: k.Key, At: k.At, Observation: k.Observation}
		if k.Observation == nil {
			r, others = others[0], others[1:]
		}
		if err := yield(r); err != nil {
			return err
		}
	}
}
