// The catalog on a real ledger.

package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/catalog"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

var _ catalog.Ledger = (*ledger.Ledger)(nil)

func TestOnALedger(t *testing.T) {
	engine, err := pebble.Open("data", pebble.Options{FS: vfs.NewMem(), Still: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), engine, otn.NewSecret(strings.Repeat("0123456789abcdef", 4)), start)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := catalog.New(l)
	commit := func(minute int, obs ...otn.Observation) error {
		b := &ledger.Batch{}
		if _, err := c.Observe(b, at(minute), obs...); err != nil {
			t.Fatal(err)
		}
		return l.Commit(t.Context(), b)
	}
	coat := priced("SKU-1", "120", at(0))
	coat.Item.Known |= otn.FactGroup | otn.FactCollections
	coat.Item.Group, coat.Item.Collections, coat.Refs = "coats", []string{"winter"}, []string{"inv"}
	winter := otn.Observation{Source: "store", Collection: &otn.Collection{ID: "winter"}}
	gone := otn.Observation{Source: "store", AsOf: at(3), Gone: true, Item: &otn.Item{Known: otn.FactGroup, Group: "coats"}}
	for minute, obs := range [][]otn.Observation{{level("inv", "front", pieces(4), 0)}, {coat, winter}, {priced("SKU-1", "100", at(2))}, {gone}} {
		if err := commit(minute, obs...); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := l.Journal(0, 10)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	drop, err := catalog.Decode(entries[2])
	if err != nil || drop.Was.Item.Price != usd("120") || drop.Now.Item.Price != usd("100") || drop.Now.Item.Stock != 4 || drop.Was.Rev != entries[0].Rev || drop.Now.Rev != entries[2].Rev {
		t.Errorf("%+v, %v", drop, err)
	}
	snap, ok, err := c.Snapshot(drop.Subject)
	if err != nil || !ok || snap.Item.IsSellable() || snap.Rev != entries[3].Rev || !snap.At.Equal(at(3)) {
		t.Errorf("%+v, %v", snap, err)
	}
	if list, err := c.List(otn.CollectionKind, "", 10); err != nil || len(list) != 1 || len(list[0].Collection.Top) != 0 {
		t.Errorf("%+v, %v", list, err) // its only item is gone
	}
	stale := &ledger.Batch{}
	if _, err := c.Observe(stale, at(5), priced("SKU-1", "90", at(5))); err != nil {
		t.Fatal(err)
	}
	if err := commit(6, priced("SKU-1", "80", at(6))); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(t.Context(), stale); !errors.Is(err, otn.ErrConflict) {
		t.Errorf("a batch that read an old revision: %v", err)
	}
}
