// Finding subjects by other names: a source's refs, the group, and the members of a collection.

package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

const (
	maxTop     = otn.MaxCards // items of a collection that a gallery can show
	maxLooked  = 4 * maxTop   // items that are looked at to find them
	maxPending = maxList      // observations kept under a ref that is not known yet
)

// resolve gives the subjects that an observation is about. Under a ref that is not known the observation is kept, and
// there is none; a group means each of its items.
func (d *draft) resolve(o *otn.Observation) ([]otn.Subject, error) {
	switch s := o.Subject(); {
	case s.ID != "":
		return []otn.Subject{s}, nil
	case o.Ref != "":
		return d.byRef(o)
	}
	prefix := groupPrefix(o.Item.Group)
	keys, err := d.keys(prefix)
	if err != nil {
		return nil, err
	}
	subjects := make([]otn.Subject, len(keys))
	for i, key := range keys {
		subjects[i] = otn.Subject{Kind: otn.ItemKind, ID: strings.TrimPrefix(key, prefix)}
	}
	return subjects, nil
}

func (d *draft) byRef(o *otn.Observation) ([]otn.Subject, error) {
	h, r, err := d.loadRef(o.Source, o.Ref)
	if err != nil {
		return nil, err
	}
	if r.Item != "" {
		return []otn.Subject{{Kind: otn.ItemKind, ID: r.Item}}, nil
	}
	if o.AsOf.IsZero() {
		o.AsOf = d.now
	}
	r.Pending = keep(r.Pending, *o)
	return nil, d.put(h, r)
}

// declare notes the refs of an observation's item, and gives what was said under them before the item was known.
func (d *draft) declare(o *otn.Observation) (pending []otn.Observation, err error) {
	for _, name := range o.Refs {
		h, r, err := d.loadRef(o.Source, name)
		if err != nil {
			return nil, err
		}
		if r.Item == o.Item.ID {
			continue
		}
		pending = append(pending, r.Pending...)
		r.Item, r.Pending = o.Item.ID, nil
		if err := d.put(h, r); err != nil {
			return nil, err
		}
	}
	return pending, nil
}

func (d *draft) loadRef(source, name string) (*held, *ref, error) {
	h, err := d.load(refKey(source, name))
	if err != nil {
		return nil, nil, err
	}
	r := &ref{V: rowSchema}
	if h.Value == nil {
		return h, r, nil
	}
	if err := json.Unmarshal(h.Value, r); err != nil || r.V != rowSchema {
		return nil, nil, fmt.Errorf("document of ref %q: %w", clip(name), otn.ErrStore)
	}
	return h, r, nil
}

// keep adds an observation to those that wait. Of two that tell the same things the one as of later is enough.
func keep(pending []otn.Observation, o otn.Observation) []otn.Observation {
	for i := range pending {
		if sameTold(&pending[i], &o) {
			if !pending[i].AsOf.After(o.AsOf) {
				pending[i] = o
			}
			return pending
		}
	}
	pending = append(pending, o)
	return pending[max(0, len(pending)-maxPending):]
}

func sameTold(a, b *otn.Observation) bool {
	if a.Item.Known|a.Forget != b.Item.Known|b.Forget || len(a.Parts) != len(b.Parts) {
		return false
	}
	for place := range a.Parts {
		if _, ok := b.Parts[place]; !ok {
			return false
		}
	}
	return slices.Equal(union(attrNames(a.Item.Attrs), nil), union(attrNames(b.Item.Attrs), nil))
}

// index keeps the lists by which items are found: those of a group, and those that name a collection.
func (d *draft) index(now, was *row) {
	if now.Item == nil {
		return
	}
	before, after := lists(was.Item), lists(now.Item)
	for _, key := range without(before, after) {
		d.mark(key, nil)
	}
	for _, key := range without(after, before) {
		d.mark(key, []byte("1"))
	}
}

func lists(i *otn.Item) (keys []string) {
	if i.Group != "" {
		keys = append(keys, groupPrefix(i.Group)+i.ID)
	}
	for _, c := range i.Collections {
		keys = append(keys, memberPrefix(c)+i.ID)
	}
	return keys
}

// mark writes or deletes an entry of a list. The item's own document guards it against another's change.
func (d *draft) mark(key string, value []byte) {
	h, ok := d.known(key)
	if !ok {
		h = &held{Doc: ledger.Doc{Key: key, Expect: ledger.Any}}
		d.held[key] = h
	}
	h.Value = value
	d.touch(h)
}

// top gives the first published items of a collection as they are now: of those it lists, or else of those that name it.
func (c *Catalog) top(n *otn.Collection) ([]otn.Item, error) {
	ids := n.Items
	if !n.Known.Has(otn.FactItems) {
		prefix := memberPrefix(n.ID)
		docs, err := c.ledger.Docs(prefix, "", maxLooked)
		if err != nil {
			return nil, err
		}
		for _, doc := range docs {
			ids = append(ids, strings.TrimPrefix(doc.Key, prefix))
		}
	}
	var top []otn.Item
	for _, id := range ids[:min(len(ids), maxLooked)] {
		doc, ok, err := c.ledger.Doc(subjectKey(otn.Subject{Kind: otn.ItemKind, ID: id}))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		r, err := decodeRow(doc.Value)
		if err != nil {
			return nil, err
		}
		if r.Item == nil || !r.Item.IsPublished() {
			continue
		}
		r.Item.Lows = nil
		if top = append(top, *r.Item); len(top) == maxTop {
			break
		}
	}
	return top, nil
}
