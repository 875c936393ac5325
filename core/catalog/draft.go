// A batch in the making: documents are read once, changed in memory, and written together.

package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// draft holds what a call of Observe has read and wants to write.
type draft struct {
	ledger Ledger
	batch  *ledger.Batch
	now    time.Time
	held   map[string]*held
	dirty  []*held // in the order in which they were first changed
	events []*ledger.Entry
}

// held is one document of a draft.
type held struct {
	ledger.Doc
	placed *ledger.Doc // where it stands in the batch already
	dirty  bool
}

func newDraft(l Ledger, b *ledger.Batch, now time.Time) *draft {
	return &draft{ledger: l, batch: b, now: now, held: make(map[string]*held)}
}

// known gives a document that this draft has read already, or that the batch holds.
func (d *draft) known(key string) (*held, bool) {
	if h, ok := d.held[key]; ok {
		return h, true
	}
	for _, doc := range slices.Backward(d.batch.Docs) {
		if doc.Key == key {
			h := &held{Doc: *doc, placed: doc}
			d.held[key] = h
			return h, true
		}
	}
	return nil, false
}

// load gives a document, one without a value when there is none.
func (d *draft) load(key string) (*held, error) {
	if h, ok := d.known(key); ok {
		return h, nil
	}
	doc, ok, err := d.ledger.Doc(key)
	if err != nil {
		return nil, err
	}
	if !ok {
		doc = ledger.Doc{}
	}
	h := &held{Doc: ledger.Doc{Key: key, Value: doc.Value, Rev: doc.Rev}}
	d.held[key] = h
	return h, nil
}

func (d *draft) put(h *held, value any) (err error) {
	if h.Value, err = json.Marshal(value); err != nil {
		return fmt.Errorf("document: %w: %w", otn.ErrInvalid, err)
	}
	d.touch(h)
	return nil
}

func (d *draft) touch(h *held) {
	if !h.dirty {
		h.dirty = true
		d.dirty = append(d.dirty, h)
	}
}

// finish gives the batch what was changed.
func (d *draft) finish() {
	for _, h := range d.dirty {
		if h.placed != nil {
			h.placed.Value = h.Value
			continue
		}
		doc := h.Doc
		d.batch.Docs = append(d.batch.Docs, &doc)
	}
	d.batch.Events = append(d.batch.Events, d.events...)
}

// observe works one observation into the draft and reports whether it made an event.
func (d *draft) observe(o *otn.Observation) (news bool, err error) {
	c, err := clean(o, d.now)
	if err != nil {
		return false, err
	}
	subjects, err := d.resolve(&c)
	if err != nil {
		return false, err
	}
	told := []otn.Observation{c}
	if len(c.Refs) > 0 && c.Subject().ID != "" {
		pending, err := d.declare(&c)
		if err != nil {
			return false, err
		}
		told = append(pending, c)
	}
	for _, s := range subjects {
		event, err := d.step(s, told)
		if err != nil {
			return false, err
		}
		news = news || event
	}
	return news, nil
}

// step applies observations to one subject as one change. Without a fact that differs there is no event, and the document
// is written only when it notes a version that its source gave a date.
func (d *draft) step(s otn.Subject, told []otn.Observation) (event bool, err error) {
	h, err := d.load(subjectKey(s))
	if err != nil {
		return false, err
	}
	was, first := newRow(s), h.Value == nil
	if !first {
		if was, err = decodeRow(h.Value); err != nil {
			return false, err
		}
	}
	now := was.clone()
	for i := range told {
		now.merge(&told[i], d.now)
	}
	if err := now.fits(); err != nil {
		return false, err
	}
	if !first && !now.changed(was) {
		if dated(told) && now.noted(was) {
			return false, d.put(h, now)
		}
		return false, nil
	}
	return true, d.record(s, h, now, was, first)
}

func dated(told []otn.Observation) bool {
	return slices.ContainsFunc(told, func(o otn.Observation) bool { return !o.AsOf.IsZero() })
}

// record puts a changed row and its event into the draft.
func (d *draft) record(s otn.Subject, h *held, now, was *row, first bool) error {
	var before *otn.Snapshot
	if !first {
		snap := was.snapshot(h.Rev)
		if h.dirty || h.placed != nil {
			snap.Rev = 0 // the revision that this batch will have
		}
		before = &snap
	}
	now.At = d.now
	d.index(now, was)
	if err := d.put(h, now); err != nil {
		return err
	}
	e, err := entry(s, now, before, d.now)
	if err != nil {
		return fmt.Errorf("event: %w: %w", otn.ErrInvalid, err)
	}
	d.events = append(d.events, e)
	return nil
}

// keys lists the keys with a prefix, those of the draft included.
func (d *draft) keys(prefix string) ([]string, error) {
	var keys []string
	for after := ""; ; {
		docs, err := d.ledger.Docs(prefix, after, maxList)
		if err != nil {
			return nil, err
		}
		for _, doc := range docs {
			keys = append(keys, doc.Key)
		}
		if len(docs) < maxList {
			break
		}
		after = docs[len(docs)-1].Key
	}
	for _, doc := range d.batch.Docs {
		if strings.HasPrefix(doc.Key, prefix) {
			d.known(doc.Key)
		}
	}
	for key, h := range d.held {
		if strings.HasPrefix(key, prefix) {
			keys = slices.DeleteFunc(keys, func(k string) bool { return k == key })
			if h.Value != nil {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys, nil
}
