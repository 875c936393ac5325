// One observation into one row: only what was told, and only where nothing newer was.

package catalog

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// merge applies a clean observation. One without a date is newer than all that its source has told, whatever the clocks say.
func (r *row) merge(o *otn.Observation, now time.Time) {
	asOf := o.AsOf
	if asOf.IsZero() {
		asOf = r.newest(o.Source, now)
	}
	if o.Collection != nil {
		r.mergeCollection(o, asOf)
		return
	}
	r.mergeItem(o, asOf, now)
}

func (r *row) mergeCollection(o *otn.Observation, asOf time.Time) {
	fresh, _ := r.admit(o.Source, asOf, o.Collection.Known|o.Forget, nil)
	told := fresh & o.Collection.Known
	setCollection(r.Collection, o.Collection, told)
	setCollection(r.Collection, &otn.Collection{}, fresh&^told)
	r.Collection.Known = r.Collection.Known&^fresh | told
}

func (r *row) mergeItem(o *otn.Observation, asOf, now time.Time) {
	fresh, names := r.admit(o.Source, asOf, o.Item.Known|o.Forget, attrNames(o.Item.Attrs))
	if fresh.Has(otn.FactStock) && r.dropParts(o.Source, asOf) {
		fresh &^= otn.FactStock // the parts that are left are newer than this
		r.sumParts()
	}
	was, told := r.Item.Price, fresh&o.Item.Known
	setItem(r.Item, o.Item, told)
	setItem(r.Item, &otn.Item{}, fresh&^told)
	r.Item.Known = r.Item.Known&^fresh | told
	r.Item.Attrs = mergeAttrs(r.Item.Attrs, o.Item.Attrs, names)
	if r.takeParts(o, asOf) {
		r.sumParts()
	}
	r.Item.Lows = lows(r.Item.Lows, was, r.Item.Price, now)
}

// fits refuses a row that grows without end: a place or an attr of its own in each observation.
func (r *row) fits() error {
	names := 0
	for _, v := range r.Told {
		names += len(v.Attrs)
	}
	switch {
	case len(r.Parts) > maxList:
		return fmt.Errorf("stock at %d places, at most %d: %w", len(r.Parts), maxList, otn.ErrInvalid)
	case r.Item != nil && len(r.Item.Attrs) > maxList:
		return fmt.Errorf("%d attrs, at most %d: %w", len(r.Item.Attrs), maxList, otn.ErrInvalid)
	case names > maxTold:
		return fmt.Errorf("%d names of attrs, those forgotten and those of each source included, at most %d: %w", names, maxTold, otn.ErrInvalid)
	}
	return nil
}

// changed reports whether a fact differs from what it was.
func (r *row) changed(was *row) bool {
	return !reflect.DeepEqual(r.Item, was.Item) || !reflect.DeepEqual(r.Collection, was.Collection)
}

// noted reports whether the row differs in what makes no event.
func (r *row) noted(was *row) bool {
	return !reflect.DeepEqual(r.Told, was.Told) || !reflect.DeepEqual(r.Parts, was.Parts)
}

func setItem(to, from *otn.Item, f otn.Fact) {
	set(f, otn.FactGroup, &to.Group, from.Group)
	set(f, otn.FactTitle, &to.Title, from.Title)
	set(f, otn.FactVariant, &to.Variant, from.Variant)
	set(f, otn.FactURL, &to.URL, from.URL)
	set(f, otn.FactImage, &to.Image, from.Image)
	set(f, otn.FactPrice, &to.Price, from.Price)
	set(f, otn.FactListPrice, &to.ListPrice, from.ListPrice)
	set(f, otn.FactStock, &to.Stock, from.Stock)
	set(f, otn.FactSellable, &to.Sellable, from.Sellable)
	set(f, otn.FactAvailability, &to.Availability, from.Availability)
	set(f, otn.FactTags, &to.Tags, from.Tags)
	set(f, otn.FactCollections, &to.Collections, from.Collections)
	set(f, otn.FactPublished, &to.Published, from.Published)
	set(f, otn.FactPublishedAt, &to.PublishedAt, from.PublishedAt)
	set(f, otn.FactStartsAt, &to.StartsAt, from.StartsAt)
}

func setCollection(to, from *otn.Collection, f otn.Fact) {
	set(f, otn.FactTitle, &to.Title, from.Title)
	set(f, otn.FactURL, &to.URL, from.URL)
	set(f, otn.FactImage, &to.Image, from.Image)
	set(f, otn.FactItems, &to.Items, from.Items)
	set(f, otn.FactPublished, &to.Published, from.Published)
	set(f, otn.FactPublishedAt, &to.PublishedAt, from.PublishedAt)
	set(f, otn.FactLaunchAt, &to.LaunchAt, from.LaunchAt)
}

func set[T any](facts, f otn.Fact, to *T, from T) {
	if facts.Has(f) {
		*to = from
	}
}

// mergeAttrs replaces the attrs of the names by those told; one told without a value is forgotten. Sorted by name.
func mergeAttrs(have, told []otn.Named, names []string) []otn.Named {
	if len(names) == 0 {
		return have
	}
	var next []otn.Named
	for _, a := range have {
		if !slices.Contains(names, a.Name) {
			next = append(next, a)
		}
	}
	for _, a := range told {
		if slices.Contains(names, a.Name) && a.Value.Type() != otn.NoType {
			next = append(next, a)
		}
	}
	slices.SortFunc(next, func(a, b otn.Named) int { return strings.Compare(a.Name, b.Name) })
	return next
}

func attrNames(attrs []otn.Named) (names []string) {
	for _, a := range attrs {
		names = append(names, a.Name)
	}
	return names
}
