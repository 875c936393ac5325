// The catalog's door: observe, and read what is known now.

// Package catalog is what the shop last said of each item and collection. It turns observations into events, which hold
// the subject as it is and as it was.
//
// A fact that an observation leaves out keeps its last value. Versions are ordered for each source and fact: what a source
// said as of later is never replaced by what it said as of earlier, in whatever order the two arrive; at the same moment the
// one that arrives last wins. Between two sources the one recorded last wins.
package catalog

import (
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Ledger is what the catalog reads. *ledger.Ledger has it; what is written goes into a ledger.Batch.
type Ledger interface {
	// Doc gives one document.
	Doc(key string) (ledger.Doc, bool, error)
	// Docs gives documents whose key has the prefix, in the order of keys, from the first one behind the key after.
	Docs(prefix, after string, limit int) ([]ledger.Doc, error)
}

// Catalog keeps items and collections as documents of a ledger. It holds nothing itself: all its methods may be called
// from many goroutines.
type Catalog struct{ ledger Ledger }

// New gives the catalog that lives in l.
func New(l Ledger) *Catalog { return &Catalog{l} }

// Observe adds to b what the observations change: the documents, each with the revision it was read at, and an event for
// each observation that changed a fact or is the first of its subject. It counts those observations. Nothing is added when
// an error is returned; otherwise it may be called again on the same batch and goes on from there.
//
// A newer version that changes no fact is noted without an event, so that an older one which comes late is still known to
// be older; an observation without AsOf that changes nothing writes nothing.
//
// Errors: otn.ErrInvalid for an observation that makes no sense. When the batch is refused with otn.ErrConflict, make a
// new one and observe again.
func (c *Catalog) Observe(b *ledger.Batch, now time.Time, obs ...otn.Observation) (changed int, err error) {
	d := newDraft(c.ledger, b, now.UTC().Round(0))
	for i := range obs {
		news, err := d.observe(&obs[i])
		if err != nil {
			s := obs[i].Subject()
			return 0, fmt.Errorf("catalog: observe %s %q: %w", s.Kind, clip(s.ID), err)
		}
		if news {
			changed++
		}
	}
	d.finish()
	return changed, nil
}

// Snapshot gives a subject as it is now. A collection comes with its first published items in Top.
func (c *Catalog) Snapshot(s otn.Subject) (otn.Snapshot, bool, error) {
	if s.Kind != otn.ItemKind && s.Kind != otn.CollectionKind {
		return otn.Snapshot{}, false, nil
	}
	doc, ok, err := c.ledger.Doc(subjectKey(s))
	if err != nil || !ok {
		return otn.Snapshot{}, false, wrap("read", s, err)
	}
	snap, err := c.open(doc)
	return snap, err == nil, wrap("read", s, err)
}

// List gives subjects of a kind as they are now, in the order of their ids, from the first one behind the id after.
// A collection comes with its first published items in Top.
func (c *Catalog) List(kind otn.Kind, after string, limit int) ([]otn.Snapshot, error) {
	if kind != otn.ItemKind && kind != otn.CollectionKind || limit <= 0 {
		return nil, nil
	}
	prefix, from := subjectKey(otn.Subject{Kind: kind}), ""
	if after != "" {
		from = prefix + after
	}
	docs, err := c.ledger.Docs(prefix, from, limit)
	if err != nil {
		return nil, wrap("list", otn.Subject{Kind: kind}, err)
	}
	list := make([]otn.Snapshot, 0, len(docs))
	for _, doc := range docs {
		snap, err := c.open(doc)
		if err != nil {
			return nil, wrap("list", otn.Subject{Kind: kind}, err)
		}
		list = append(list, snap)
	}
	return list, nil
}

// ToldAt is the latest moment as of which a source has told of a subject, zero when it never has.
func (c *Catalog) ToldAt(source string, s otn.Subject) (time.Time, error) {
	doc, ok, err := c.ledger.Doc(subjectKey(s))
	if err != nil || !ok {
		return time.Time{}, wrap("read", s, err)
	}
	r, err := decodeRow(doc.Value)
	if err != nil {
		return time.Time{}, wrap("read", s, err)
	}
	return r.newest(source, time.Time{}), nil
}

func (c *Catalog) open(doc ledger.Doc) (otn.Snapshot, error) {
	r, err := decodeRow(doc.Value)
	if err != nil {
		return otn.Snapshot{}, err
	}
	snap := r.snapshot(doc.Rev)
	if snap.Collection != nil {
		snap.Collection.Top, err = c.top(snap.Collection)
	}
	return snap, err
}

func wrap(verb string, s otn.Subject, err error) error {
	if err == nil {
		return nil
	}
	if s.ID == "" {
		return fmt.Errorf("catalog: %s %ss: %w", verb, s.Kind, err)
	}
	return fmt.Errorf("catalog: %s %s %q: %w", verb, s.Kind, clip(s.ID), err)
}

// clip keeps an error readable when what it names is not.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
