// What is on disk: a document for each subject, and small ones that find subjects by another name.

package catalog

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// rowSchema is the version of the stored form.
const rowSchema = 1

// row is the document of one subject.
type row struct {
	V          int             `json:"v"`
	At         time.Time       `json:"at"` // when a fact last changed
	Item       *otn.Item       `json:"item,omitempty"`
	Collection *otn.Collection `json:"collection,omitempty"`
	Told       []version       `json:"told,omitempty"`
	Parts      []part          `json:"parts,omitempty"`
}

// version is what one source last told as of one moment. A fact of a source is in one version at most.
type version struct {
	Source string    `json:"source,omitempty"`
	AsOf   time.Time `json:"as_of"`
	Facts  otn.Fact  `json:"facts,omitempty"`
	Attrs  []string  `json:"attrs,omitempty"`
}

// part is the stock at one place, as one source told it. Without Stock it was taken back.
type part struct {
	Source string    `json:"source,omitempty"`
	Place  string    `json:"place"`
	AsOf   time.Time `json:"as_of"`
	Stock  *int64    `json:"stock,omitempty"`
}

// ref is the document of one other name: the item it means, or what was said under it while that was not known.
type ref struct {
	V       int               `json:"v"`
	Item    string            `json:"item,omitempty"`
	Pending []otn.Observation `json:"pending,omitempty"`
}

func decodeRow(value []byte) (*row, error) {
	r := new(row)
	if err := json.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("document: %w: %w", otn.ErrStore, err)
	}
	if r.V != rowSchema || (r.Item == nil) == (r.Collection == nil) {
		return nil, fmt.Errorf("document of schema %d: %w", r.V, otn.ErrStore)
	}
	return r, nil
}

func newRow(s otn.Subject) *row {
	if s.Kind == otn.CollectionKind {
		return &row{V: rowSchema, Collection: &otn.Collection{ID: s.ID}}
	}
	return &row{V: rowSchema, Item: &otn.Item{ID: s.ID}}
}

// clone is a row that can be changed while the old one is kept. Slices are shared: a change replaces them.
func (r *row) clone() *row {
	c := *r
	if r.Item != nil {
		item := *r.Item
		c.Item = &item
	}
	if r.Collection != nil {
		collection := *r.Collection
		c.Collection = &collection
	}
	return &c
}

func (r *row) snapshot(rev uint64) otn.Snapshot {
	return otn.Snapshot{Rev: rev, At: r.At, Item: r.Item, Collection: r.Collection}
}

// The keys. Ids stand at the end as they are; what stands before them is escaped, so that no two keys can be confused.
func subjectKey(s otn.Subject) string { return "catalog/" + string(s.Kind) + "/" + s.ID }
func refKey(source, name string) string {
	return "catalog/ref/" + url.PathEscape(source) + "/" + name
}
func groupPrefix(group string) string { return "catalog/group/" + url.PathEscape(group) + "/" }
func memberPrefix(collection string) string {
	return "catalog/member/" + url.PathEscape(collection) + "/"
}
