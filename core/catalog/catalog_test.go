// What an observation changes, and what it does not.

package catalog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

func TestFirstSight(t *testing.T) {
	s := newShelf(t)
	events := s.observe(at(0), priced("SKU-1", "120", at(0)))
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if !e.First || e.Kind != otn.ItemChanged || e.Seq != 1 || e.Cause != "e1" || !e.At.Equal(at(0)) || e.Now.Rev != 1 {
		t.Errorf("got %+v", e)
	}
	if e.Subject != (otn.Subject{Kind: otn.ItemKind, ID: "SKU-1"}) || !reflect.DeepEqual(e.Now, e.Was) {
		t.Errorf("was is %+v, now is %+v", e.Was, e.Now)
	}
}

func TestLeftOutKeepsItsValue(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), priced("SKU-1", "120", at(0)))
	e := s.observe(at(1), stocked("SKU-1", 3, at(1)))[0]
	if e.First || e.Was.Item.Known.Has(otn.FactStock) || e.Was.Item.Price != usd("120") {
		t.Errorf("was %+v", e.Was.Item)
	}
	if e.Now.Item.Price != usd("120") || e.Now.Item.Stock != 3 || !e.Now.Item.Known.Has(otn.FactStock|otn.FactPrice) {
		t.Errorf("now %+v", e.Now.Item)
	}
	if e.Was.Rev != 1 || e.Now.Rev != 2 {
		t.Errorf("revisions %d, %d", e.Was.Rev, e.Now.Rev)
	}
}

func TestSameAgainWritesNothing(t *testing.T) {
	s := newShelf(t)
	o := priced("SKU-1", "120", at(0))
	o.Item.Known |= otn.FactTags | otn.FactPublishedAt
	o.Item.Tags, o.Item.PublishedAt = []string{"b", "a", "b"}, at(-10).In(time.FixedZone("x", 3600))
	o.Item.Attrs = []otn.Named{{Name: "size", Value: otn.StringValue("S")}}
	o.Refs, o.Parts = []string{"inv-1"}, map[string]*int64{"front": pieces(2), "back": nil}
	undated := o
	undated.AsOf = time.Time{}
	s.observe(at(0), o)
	for name, again := range map[string]otn.Observation{"the same version": o, "no version": undated} {
		b := &ledger.Batch{}
		changed, err := s.catalog.Observe(b, at(5), again)
		if err != nil || changed != 0 || len(b.Docs) != 0 || len(b.Events) != 0 {
			t.Errorf("%s: changed %d, %d documents, %d events, %v", name, changed, len(b.Docs), len(b.Events), err)
		}
	}
}

func TestP19OlderVersionChangesNothing(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), priced("SKU-1", "149", at(0)))
	s.observe(at(10), priced("SKU-1", "149", at(10))) // the same price, but newer: the drop of minute 5 is over
	if events := s.observe(at(11), priced("SKU-1", "119", at(5))); len(events) != 0 {
		t.Errorf("a price that was over made an event: %+v", events[0].Now.Item)
	}
	if got := s.item("SKU-1").Price; got != usd("149") {
		t.Errorf("price %s", got)
	}
}

func TestP19OrderIsKeptForEachFact(t *testing.T) {
	s := newShelf(t)
	s.observe(at(2), stocked("SKU-1", 3, at(2)))
	late := priced("SKU-1", "120", at(1))
	late.Item.Known |= otn.FactStock
	late.Item.Stock = 9
	s.observe(at(3), late)
	if i := s.item("SKU-1"); i.Stock != 3 || i.Price != usd("120") {
		t.Errorf("stock %d, price %s: the older version may tell only what no newer one did", i.Stock, i.Price)
	}
}

func TestOtherSourceRecordedLastWins(t *testing.T) {
	s := newShelf(t)
	s.observe(at(10), priced("SKU-1", "149", at(10)))
	other := priced("SKU-1", "139", at(1))
	other.Source = "feed"
	s.observe(at(11), other)
	if got := s.item("SKU-1").Price; got != usd("139") {
		t.Errorf("price %s", got)
	}
}

func TestVersionFromTheFutureShutsNothingOut(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), priced("SKU-1", "149", at(60*24*365*50)))
	s.observe(at(1), priced("SKU-1", "119", at(1)))
	if got := s.item("SKU-1").Price; got != usd("119") {
		t.Errorf("price %s", got)
	}
}

// Two clocks differ: what a source tells without a date comes after what it dated, though that lies ahead of otn's clock.
func TestObservationWithoutADateIsTheNewest(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), priced("SKU-1", "149", at(5)))
	s.observe(at(1), otn.Observation{Source: "store", Gone: true, Item: &otn.Item{ID: "SKU-1", Known: otn.FactPrice, Price: usd("99")}})
	if i := s.item("SKU-1"); i.IsSellable() || i.Price != usd("99") {
		t.Errorf("got %+v", i)
	}
	s.observe(at(2), otn.Observation{Source: "store", Item: &otn.Item{ID: "SKU-1"}, Parts: map[string]*int64{"front": pieces(2)}})
	s.observe(at(1), otn.Observation{Source: "store", Item: &otn.Item{ID: "SKU-1"}, Parts: map[string]*int64{"front": pieces(3)}})
	if i := s.item("SKU-1"); i.Stock != 3 {
		t.Errorf("stock %d", i.Stock)
	}
}

func TestChainInOneBatch(t *testing.T) {
	s := newShelf(t)
	b := &ledger.Batch{}
	for _, obs := range [][]otn.Observation{{priced("SKU-1", "120", at(0)), priced("SKU-1", "110", at(1))}, {priced("SKU-1", "100", at(2))}} {
		if _, err := s.catalog.Observe(b, at(3), obs...); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.Docs) != 1 || len(b.Events) != 3 {
		t.Fatalf("%d documents, %d events", len(b.Docs), len(b.Events))
	}
	if err := s.commit(b); err != nil {
		t.Fatal(err)
	}
	s.journal = nil
	for i, e := range s.observe(at(4), priced("SKU-1", "90", at(3)), priced("SKU-1", "80", at(4))) {
		want := [][2]uint64{{1, 4}, {4, 4}}[i]
		if e.Was.Rev != want[0] || e.Now.Rev != want[1] {
			t.Errorf("event %d: revisions %d, %d, want %v", i, e.Was.Rev, e.Now.Rev, want)
		}
		if e.Was.Item.Price.Minor-e.Now.Item.Price.Minor != 1000 {
			t.Errorf("event %d: from %s to %s", i, e.Was.Item.Price, e.Now.Item.Price)
		}
	}
}

func TestConflictIsSeen(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), priced("SKU-1", "120", at(0)))
	one, two := &ledger.Batch{}, &ledger.Batch{}
	for price, b := range map[string]*ledger.Batch{"110": one, "100": two} {
		if _, err := s.catalog.Observe(b, at(1), priced("SKU-1", price, at(1))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.commit(one); err != nil {
		t.Fatal(err)
	}
	if err := s.commit(two); !errors.Is(err, otn.ErrConflict) {
		t.Errorf("two batches read the same revision and both were taken: %v", err)
	}
}

func TestErrorLeavesTheBatchAlone(t *testing.T) {
	s := newShelf(t)
	b := &ledger.Batch{}
	_, err := s.catalog.Observe(b, at(0), priced("SKU-1", "120", at(0)), otn.Observation{Item: &otn.Item{}})
	if !errors.Is(err, otn.ErrInvalid) || len(b.Docs)+len(b.Events) != 0 {
		t.Errorf("%v, %d documents", err, len(b.Docs))
	}
}

func TestP4PriceThatIsNothing(t *testing.T) {
	for _, m := range []otn.Money{{}, {Currency: "USD"}, {Minor: -5, Currency: "USD"}, {Minor: 0, Currency: "???"}} {
		s := newShelf(t)
		o := otn.Observation{Source: "store", AsOf: at(1), Item: &otn.Item{ID: "SKU-1", Known: otn.FactPrice | otn.FactListPrice, Price: m, ListPrice: m}}
		s.observe(at(1), o)
		if i := s.item("SKU-1"); i.Known != 0 || !i.Price.IsZero() || len(i.Lows) != 0 {
			t.Errorf("%+v became known: %+v", m, i)
		}
		full := priced("SKU-1", "120", at(2))
		full.Item.Known |= otn.FactListPrice
		full.Item.ListPrice = usd("149")
		s.observe(at(2), full)
		o.AsOf = at(3)
		s.observe(at(3), o)
		if i := s.item("SKU-1"); i.Price != usd("120") || i.Known.Has(otn.FactListPrice) || !i.ListPrice.IsZero() {
			t.Errorf("%+v after 120: %+v", m, i)
		}
		if events := s.observe(at(4), priced("SKU-1", "120", at(4))); len(events) != 0 {
			t.Errorf("the price that came back made an event: from %s to %s", events[0].Was.Item.Price, events[0].Now.Item.Price)
		}
	}
}

func TestForget(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), stocked("SKU-1", 3, at(0)))
	e := s.observe(at(1), otn.Observation{Source: "store", AsOf: at(1), Item: &otn.Item{ID: "SKU-1"}, Forget: otn.FactStock})[0]
	if e.Now.Item.Known.Has(otn.FactStock) || e.Now.Item.Stock != 0 || !e.Was.Item.Known.Has(otn.FactStock) {
		t.Errorf("now %+v", e.Now.Item)
	}
	if events := s.observe(at(2), stocked("SKU-1", 5, at(0))); len(events) != 0 {
		t.Error("an older stock came back after it was forgotten")
	}
}

func TestGone(t *testing.T) {
	s := newShelf(t)
	o := priced("SKU-1", "120", at(0))
	o.Item.Known |= otn.FactSellable
	o.Item.Sellable = true
	s.observe(at(0), o)
	gone := otn.Observation{Source: "store", AsOf: at(1), Gone: true, Item: &otn.Item{ID: "SKU-1", Known: otn.FactSellable, Sellable: true}}
	e := s.observe(at(1), gone)[0]
	if e.Now.Item.IsSellable() || e.Now.Item.IsPublished() || e.Now.Item.Price != usd("120") {
		t.Errorf("now %+v", e.Now.Item)
	}
	s.observe(at(2), o)
	if i := s.item("SKU-1"); i.IsSellable() {
		t.Error("an older version made a removed item sellable")
	}
	s.observe(at(3), otn.Observation{Source: "store", AsOf: at(3), Gone: true, Collection: &otn.Collection{ID: "winter"}})
	if snap, _, _ := s.catalog.Snapshot(otn.Subject{Kind: otn.CollectionKind, ID: "winter"}); snap.Collection.IsPublished() {
		t.Error("a removed collection is published")
	}
}

func TestCurrencyChangeIsAnEvent(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), priced("SKU-1", "120", at(0)))
	euro := otn.Observation{Source: "store", AsOf: at(1), Item: &otn.Item{ID: "SKU-1", Known: otn.FactPrice, Price: otn.Money{Minor: 12900, Currency: "EUR"}}}
	e := s.observe(at(1), euro)[0]
	if e.Was.Item.Price != usd("120") || e.Now.Item.Price.Currency != "EUR" || len(e.Now.Item.Lows) != 1 {
		t.Errorf("now %+v", e.Now.Item)
	}
}

func TestP1IdsKeepEveryDigit(t *testing.T) {
	s := newShelf(t)
	o := priced("9007199254741001", "149", at(0))
	o.Item.Known |= otn.FactGroup
	o.Item.Group = "9007199254740993"
	o.Item.Attrs = []otn.Named{{Name: "serial", Value: otn.IntValue(9007199254740993)}}
	o.Refs = []string{"9007199254740995"}
	s.observe(at(0), o)
	s.observe(at(1), otn.Observation{Source: "store", AsOf: at(1), Ref: "9007199254740995", Parts: map[string]*int64{"9007199254740997": pieces(4)}})
	i := s.item("9007199254741001")
	serial, _ := i.Attr("serial")
	if i.ID != "9007199254741001" || i.Group != "9007199254740993" || serial.Int() != 9007199254740993 || i.Stock != 4 {
		t.Errorf("got %+v", i)
	}
}

func TestListPages(t *testing.T) {
	s := newShelf(t)
	var want []string
	for n := range 7 {
		id := fmt.Sprintf("SKU/%d", n)
		want = append(want, id)
		s.observe(at(n), priced(id, "10", at(n)))
	}
	s.observe(at(9), otn.Observation{Collection: &otn.Collection{ID: "SKU"}})
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		list, err := s.catalog.List(otn.ItemKind, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, snap := range list {
			got = append(got, snap.Item.ID)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestUnknownSubject(t *testing.T) {
	s := newShelf(t)
	for _, subject := range []otn.Subject{{}, {Kind: otn.NoSubject}, {Kind: otn.ItemKind, ID: "x"}, {Kind: "ref", ID: "store/x"}} {
		if snap, ok, err := s.catalog.Snapshot(subject); ok || err != nil || !snap.IsZero() {
			t.Errorf("%v: %v, %v", subject, ok, err)
		}
	}
}

// The journal's body is an otn.Event in JSON, without what the journal itself tells.
func TestEntryReadsAsAnEvent(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), priced("SKU-1", "120", at(0)))
	want := s.observe(at(1), priced("SKU-1", "100", at(1)))[0]
	var got otn.Event
	if err := json.Unmarshal(s.journal[1].Body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Subject != want.Subject || !reflect.DeepEqual(got.Was, want.Was) || got.Now.Item.Price != usd("100") {
		t.Errorf("got %+v", got)
	}
}

// As the door does it: observation after observation, each into the same batch.
func BenchmarkObserveThousand(b *testing.B) {
	s := newShelf(b)
	for n := 0; b.Loop(); n++ {
		batch := &ledger.Batch{}
		for i := range 1000 {
			o := stocked(fmt.Sprintf("SKU-%04d", i), int64(n), at(n))
			o.Item.Known |= otn.FactGroup
			o.Item.Group = "coats"
			o.Refs = []string{fmt.Sprint("inv-", i)}
			if _, err := s.catalog.Observe(batch, at(n), o); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.commit(batch); err != nil {
			b.Fatal(err)
		}
		s.journal = s.journal[:0]
	}
}

func BenchmarkObserve(b *testing.B) {
	s := newShelf(b)
	for n := 0; b.Loop(); n++ {
		batch := &ledger.Batch{}
		if _, err := s.catalog.Observe(batch, at(n), stocked("SKU-1", int64(n), at(n))); err != nil {
			b.Fatal(err)
		}
		if err := s.commit(batch); err != nil {
			b.Fatal(err)
		}
		s.journal = s.journal[:0]
	}
}
