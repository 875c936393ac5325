// What a shop says of the things it sells: items, collections, and what is known of each fact.

package otn

import "time"

// Fact is one fact of an Item or a Collection. A set of them says what is known.
type Fact uint32

// The facts. Attrs are known one by one: an attr that is not in the list was not told.
const (
	FactGroup Fact = 1 << iota
	FactTitle
	FactVariant
	FactURL
	FactImage
	FactPrice
	FactListPrice
	FactStock
	FactSellable
	FactAvailability
	FactTags
	FactCollections
	FactPublished
	FactPublishedAt
	FactStartsAt
	FactItems    // of a collection
	FactLaunchAt // of a collection
)

// Has reports whether all of f are in the set.
func (k Fact) Has(f Fact) bool { return k&f == f }

// Availability is how an item can be had. Source: Google Merchant product data specification.
type Availability string

// The availabilities.
const (
	InStock    Availability = "in_stock"
	OutOfStock Availability = "out_of_stock"
	Preorder   Availability = "preorder"
	Backorder  Availability = "backorder"
)

// Item is one thing that can be bought: a variant where the shop has variants. A field counts only when Known has its
// fact; Sellable and Published count as true until told otherwise.
type Item struct {
	ID           string       `json:"id"`
	Known        Fact         `json:"known"`
	Group        string       `json:"group,omitempty"`
	Title        string       `json:"title,omitempty"`
	Variant      string       `json:"variant,omitempty"`
	URL          string       `json:"url,omitempty"`
	Image        string       `json:"image,omitempty"`
	Price        Money        `json:"price,omitzero"` // what is paid now
	ListPrice    Money        `json:"list_price,omitzero"`
	Stock        int64        `json:"stock,omitempty"` // pieces
	Sellable     bool         `json:"sellable,omitempty"`
	Availability Availability `json:"availability,omitempty"`
	Tags         []string     `json:"tags,omitempty"`
	Collections  []string     `json:"collections,omitempty"` // ids
	Published    bool         `json:"published,omitempty"`
	PublishedAt  time.Time    `json:"published_at,omitzero"`
	StartsAt     time.Time    `json:"starts_at,omitzero"`
	Attrs        []Named      `json:"attrs,omitempty"`
	Lows         []Low        `json:"lows,omitempty"` // see LowSince
}

// Low is a price and the last moment at which it is known to have held.
type Low struct {
	At    time.Time `json:"at"`
	Price Money     `json:"price"`
}

// LowSince is the lowest price that held from t on, and whether any is known.
// The catalog keeps Lows as a staircase, oldest and lowest first, without the prices that a later one undercut:
// the first entry at or after t is the answer, and after the last one the price now.
func (i *Item) LowSince(t time.Time) (Money, bool) {
	for _, l := range i.Lows {
		if !l.At.Before(t) {
			return l.Price, true
		}
	}
	return i.Price, i.Known.Has(FactPrice)
}

// IsSellable is Sellable, or true when it was not told; an item that is not published cannot be bought, whatever was told.
func (i *Item) IsSellable() bool {
	return i.IsPublished() && (i.Sellable || !i.Known.Has(FactSellable))
}

// IsPublished is Published, or true when it was not told.
func (i *Item) IsPublished() bool { return i.Published || !i.Known.Has(FactPublished) }

// Attr gives an extra fact by name.
func (i *Item) Attr(name string) (Value, bool) {
	for _, a := range i.Attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return Value{}, false
}

// Collection is a named set of items. A field counts only when Known has its fact.
type Collection struct {
	ID          string    `json:"id"`
	Known       Fact      `json:"known"`
	Title       string    `json:"title,omitempty"`
	URL         string    `json:"url,omitempty"`
	Image       string    `json:"image,omitempty"`
	Items       []string  `json:"items,omitempty"` // ids
	Published   bool      `json:"published,omitempty"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	LaunchAt    time.Time `json:"launch_at,omitzero"`
	Top         []Item    `json:"top,omitempty"` // its first items as they are now; filled when a decision is made
}

// IsPublished is Published, or true when it was not told.
func (c *Collection) IsPublished() bool { return c.Published || !c.Known.Has(FactPublished) }

// Snapshot is a subject at one moment. At most one of Item and Collection is set; neither means there is no subject.
type Snapshot struct {
	Rev        uint64      `json:"rev,omitempty"` // the journal sequence of the observation that made it
	At         time.Time   `json:"at,omitzero"`   // when it was recorded
	Item       *Item       `json:"item,omitempty"`
	Collection *Collection `json:"collection,omitempty"`
}

// IsZero reports whether nothing is known: a subject never seen.
func (s Snapshot) IsZero() bool { return s.Item == nil && s.Collection == nil }

// Observation is what a source says of one subject at one moment. Facts that are left out keep their last value.
type Observation struct {
	Source     string      `json:"source,omitempty"` // instance
	AsOf       time.Time   `json:"as_of,omitzero"`   // the source's own time of this version; an older version changes nothing. Zero: as of now
	Item       *Item       `json:"item,omitempty"`   // exactly one of Item and Collection
	Collection *Collection `json:"collection,omitempty"`

	// Forget names facts that the source now says it does not know: a stock that is no longer tracked.
	Forget Fact `json:"forget,omitempty"`
	// Gone says that the subject was removed: it is no longer sellable nor published.
	Gone bool `json:"gone,omitempty"`

	// Refs are other names under which this source speaks of the item (an inventory item's id).
	Refs []string `json:"refs,omitempty"`
	// Ref, with Item.ID empty, addresses the item by one of its Refs. The catalog keeps what it says until the item is known.
	Ref string `json:"ref,omitempty"`
	// Parts is stock by place. The item's stock is the sum of the parts that are known; nil takes a part back.
	Parts map[string]*int64 `json:"parts,omitempty"`
}

// Subject names what the observation is about; the id is empty when it is addressed by Ref.
func (o *Observation) Subject() Subject {
	switch {
	case o.Item != nil:
		return Subject{ItemKind, o.Item.ID}
	case o.Collection != nil:
		return Subject{CollectionKind, o.Collection.ID}
	}
	return Subject{Kind: NoSubject}
}
