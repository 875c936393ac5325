// Stock by place, other names, groups and the items of a collection.

package catalog_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

func level(ref, place string, n *int64, minute int) otn.Observation {
	return otn.Observation{Source: "store", AsOf: at(minute), Ref: ref, Item: &otn.Item{}, Parts: map[string]*int64{place: n}}
}

func withRefs(o otn.Observation, refs ...string) otn.Observation {
	o.Refs = refs
	return o
}

func TestP8StockIsTheSumOfKnownPlaces(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), withRefs(priced("SKU-1", "120", at(0)), "inv"))
	steps := []struct {
		place string
		n     *int64
		want  int64
		known bool
	}{
		{"front", nil, 0, false},
		{"front", pieces(2), 2, true},
		{"back", pieces(5), 7, true},
		{"depot", nil, 7, true},
		{"back", pieces(-2), 0, true},
		{"front", nil, -2, true},
		{"back", nil, 0, false},
	}
	for n, step := range steps {
		s.observe(at(n+1), level("inv", step.place, step.n, n+1))
		if i := s.item("SKU-1"); i.Stock != step.want || i.Known.Has(otn.FactStock) != step.known {
			t.Errorf("step %d: stock %d, known %v", n, i.Stock, i.Known.Has(otn.FactStock))
		}
	}
	s.observe(at(20), level("inv", "back", pieces(9), 2))
	if i := s.item("SKU-1"); i.Known.Has(otn.FactStock) {
		t.Errorf("an older count came back: %d", i.Stock)
	}
}

func TestWholeStockReplacesOlderParts(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), withRefs(priced("SKU-1", "120", at(0)), "inv"))
	s.observe(at(1), level("inv", "front", pieces(2), 1), level("inv", "back", pieces(5), 3))
	s.observe(at(4), stocked("SKU-1", 40, at(2)))
	if i := s.item("SKU-1"); i.Stock != 5 {
		t.Errorf("stock %d: the count of minute 3 is newer than the whole of minute 2", i.Stock)
	}
	s.observe(at(5), stocked("SKU-1", 40, at(5)))
	if i := s.item("SKU-1"); i.Stock != 40 {
		t.Errorf("stock %d", i.Stock)
	}
}

func TestPlacesAreBounded(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), withRefs(priced("SKU-1", "120", at(0)), "inv"))
	for n := range 256 {
		s.observe(at(1), level("inv", fmt.Sprint("place ", n), pieces(1), 1))
	}
	b := &ledger.Batch{}
	_, err := s.catalog.Observe(b, at(2), level("inv", "one more", pieces(1), 2))
	if !errors.Is(err, otn.ErrInvalid) || len(b.Docs) != 0 || s.item("SKU-1").Stock != 256 {
		t.Errorf("%v, %d documents, stock %d", err, len(b.Docs), s.item("SKU-1").Stock)
	}
}

func TestAttrsAreBounded(t *testing.T) {
	s := newShelf(t)
	attrs := func(n int, v otn.Value) otn.Observation {
		i := &otn.Item{ID: "SKU-1"}
		for m := range 64 {
			i.Attrs = append(i.Attrs, otn.Named{Name: fmt.Sprint(n, "-", m), Value: v})
		}
		return otn.Observation{Source: "store", AsOf: at(n), Item: i}
	}
	for _, c := range []struct {
		value otn.Value
		fit   int // observations
	}{{otn.IntValue(1), 4}, {otn.Value{}, 16}} {
		for n := range c.fit {
			s.observe(at(n), attrs(n, c.value))
		}
		if _, err := s.catalog.Observe(&ledger.Batch{}, at(c.fit), attrs(c.fit, c.value)); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("%d observations with 64 attrs of their own: %v", c.fit+1, err)
		}
	}
}

func TestP8UnknownRefIsKeptUntilItsItemIsKnown(t *testing.T) {
	s := newShelf(t)
	for n := range 3 {
		if events := s.observe(at(n), level("inv", "front", pieces(int64(n)), n), level("inv", "back", pieces(5), n)); len(events) != 0 {
			t.Fatal("an item that nobody knows made an event")
		}
	}
	s.observe(at(4), level("inv", "back", pieces(99), 1)) // late
	events := s.observe(at(5), withRefs(priced("SKU-1", "120", at(5)), "inv"))
	if len(events) != 1 || !events[0].First || events[0].Now.Item.Stock != 7 {
		t.Fatalf("want one first sight with all that is known, got %+v", events)
	}
	if e := s.observe(at(6), level("inv", "front", pieces(0), 6))[0]; e.Was.Item.Stock != 7 || e.Now.Item.Stock != 5 {
		t.Errorf("from %d to %d", e.Was.Item.Stock, e.Now.Item.Stock)
	}
}

func TestRefsBelongToTheirSourceAndMove(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), withRefs(priced("OLD", "120", at(0)), "inv"))
	foreign := level("inv", "front", pieces(9), 1)
	foreign.Source = "feed"
	if events := s.observe(at(1), foreign); len(events) != 0 {
		t.Error("another source's ref found the item")
	}
	s.observe(at(2), withRefs(priced("NEW", "120", at(2)), "inv"))
	s.observe(at(3), level("inv", "front", pieces(4), 3))
	if s.item("OLD").Known.Has(otn.FactStock) || s.item("NEW").Stock != 4 {
		t.Errorf("old %+v, new %+v", s.item("OLD"), s.item("NEW"))
	}
}

func TestGroupIsGoneWithAllItsItems(t *testing.T) {
	s := newShelf(t)
	of := func(id, group string) otn.Observation {
		o := priced(id, "120", at(0))
		o.Item.Known |= otn.FactGroup
		o.Item.Group = group
		return o
	}
	for n := range 300 {
		s.observe(at(0), of(fmt.Sprintf("S-%03d", n), "coat/1"))
	}
	s.observe(at(0), of("M", "coat"), of("MOVED", "coat/1"))
	moved := of("MOVED", "coat")
	moved.AsOf = at(1)
	b := &ledger.Batch{}
	gone := otn.Observation{Source: "store", AsOf: at(2), Gone: true, Item: &otn.Item{Known: otn.FactGroup, Group: "coat/1"}}
	changed, err := s.catalog.Observe(b, at(2), moved, of("LAST", "coat/1"), gone)
	if err != nil || changed != 3 || s.commit(b) != nil {
		t.Fatalf("changed %d, %v", changed, err)
	}
	for id, want := range map[string]bool{"S-000": false, "S-299": false, "LAST": false, "M": true, "MOVED": true} {
		if i := s.item(id); i.IsSellable() != want {
			t.Errorf("%s: sellable %v", id, i.IsSellable())
		}
	}
	gone.Item.Group, gone.AsOf = "coat", at(3)
	if events := s.observe(at(3), gone); len(events) != 2 {
		t.Errorf("the group coat has two items, and %d went with it", len(events))
	}
}

func TestCollectionShowsItsFirstItems(t *testing.T) {
	s := newShelf(t)
	winter := otn.Subject{Kind: otn.CollectionKind, ID: "winter/26"}
	for n := range 12 {
		o := priced(fmt.Sprintf("SKU-%02d", n), "120", at(0))
		o.Item.Known |= otn.FactCollections | otn.FactPublished
		o.Item.Collections, o.Item.Published = []string{"winter/26", "coats"}, n != 3
		s.observe(at(0), o)
	}
	left := otn.Observation{Source: "store", AsOf: at(1), Item: &otn.Item{ID: "SKU-00", Known: otn.FactCollections, Collections: []string{"coats"}}}
	s.observe(at(1), left, otn.Observation{Source: "store", AsOf: at(1), Collection: &otn.Collection{ID: "winter/26"}})
	snap, ok, err := s.catalog.Snapshot(winter)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got := ids(snap.Collection.Top); got != "SKU-01 SKU-02 SKU-04 SKU-05 SKU-06 SKU-07 SKU-08 SKU-09 SKU-10 SKU-11 " {
		t.Errorf("top %s", got)
	}
	s.observe(at(2), otn.Observation{Source: "store", AsOf: at(2), Collection: &otn.Collection{
		ID: "winter/26", Known: otn.FactItems, Items: []string{"SKU-09", "nobody", "SKU-00"}}})
	list, err := s.catalog.List(otn.CollectionKind, "", 10)
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	if got := ids(list[0].Collection.Top); got != "SKU-09 SKU-00 " {
		t.Errorf("top %s", got)
	}
}

func ids(items []otn.Item) (s string) {
	for _, i := range items {
		s += i.ID + " "
	}
	return s
}
