// Events in the journal: what changed, as it is and as it was.

package catalog

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// body is the journal's form of an Event. What the journal itself tells (sequence, revision, moment, kind) is not in it;
// a revision left out is the one of the batch that wrote the entry.
type body struct {
	Subject subject       `json:"subject"`
	Now     otn.Snapshot  `json:"now"`
	Was     *otn.Snapshot `json:"was,omitempty"` // at first sight left out
	First   bool          `json:"first,omitempty"`
}

type subject struct {
	Kind otn.Kind `json:"kind"`
	ID   string   `json:"id"`
}

// entry makes the journal's row of a change. was is nil at first sight.
func entry(s otn.Subject, now *row, was *otn.Snapshot, at time.Time) (*ledger.Entry, error) {
	kind := otn.ItemChanged
	if s.Kind == otn.CollectionKind {
		kind = otn.CollectionChanged
	}
	b, err := json.Marshal(body{subject{s.Kind, s.ID}, now.snapshot(0), was, was == nil})
	return &ledger.Entry{At: at, Kind: string(kind), Body: b}, err
}

// Decode reads an event that Observe wrote from its entry in the journal. Errors: otn.ErrInvalid for an entry of another kind.
func Decode(e ledger.Entry) (otn.Event, error) {
	kind := otn.EventKind(e.Kind)
	if kind != otn.ItemChanged && kind != otn.CollectionChanged {
		return otn.Event{}, fmt.Errorf("catalog: entry %d is a %q: %w", e.Seq, e.Kind, otn.ErrInvalid)
	}
	var b body
	if err := json.Unmarshal(e.Body, &b); err != nil {
		return otn.Event{}, fmt.Errorf("catalog: entry %d: %w: %w", e.Seq, otn.ErrStore, err)
	}
	b.Now.Rev = e.Rev
	was := b.Now
	if b.Was != nil {
		was = *b.Was
	}
	if was.Rev == 0 {
		was.Rev = e.Rev
	}
	return otn.Event{
		Seq: e.Seq, Kind: kind, At: e.At, Subject: otn.Subject(b.Subject),
		Now: b.Now, Was: was, First: b.First, Cause: "e" + strconv.FormatUint(e.Seq, 10),
	}, nil
}

// Event is Decode, with what a decision sees beyond the journal: a collection comes with its first published items in Top,
// as they are now. Errors: those of Decode and of Snapshot.
func (c *Catalog) Event(e ledger.Entry) (otn.Event, error) {
	event, err := Decode(e)
	if err != nil {
		return otn.Event{}, err
	}
	for _, n := range []*otn.Collection{event.Now.Collection, event.Was.Collection} {
		if n == nil {
			continue
		}
		if n.Top, err = c.top(n); err != nil {
			return otn.Event{}, wrap("read", event.Subject, err)
		}
	}
	return event, nil
}
