// What a shop's webhooks mean: one row of the pitfalls after the other.

package woocommerce_test

import (
	"slices"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// restored is how old a restored product may be to count as of its arrival.
const restored = time.Hour

func TestProductBecomesAnItem(t *testing.T) {
	s := newShop(t, plain)
	if events := s.update(fixture(t, base)); len(events) != 1 || !events[0].First {
		t.Fatalf("P4: %d events", len(events))
	}
	i := s.Item(mug)
	if i.Title != "Enamel Mug" || i.URL != "https://shop.example/product/enamel-mug/" || i.Group != "" || !i.Known.Has(otn.FactGroup|otn.FactImage) || i.Image != "" {
		t.Errorf("got %+v", i)
	}
	if i.Price != eur(2199) || i.ListPrice != eur(2199) || i.Stock != 0 || !i.Known.Has(otn.FactStock) || i.IsSellable() || i.Availability != otn.OutOfStock || !i.IsPublished() {
		t.Errorf("got %+v", i)
	}
	if sku, _ := i.Attr("sku"); sku.Text() != "HP-100" || !slices.Equal(i.Collections, []string{"9"}) || i.Known.Has(otn.FactTags) || i.Known.Has(otn.FactVariant) {
		t.Errorf("got %+v", i)
	}
	if o := s.Records[0].Observation; !o.AsOf.Equal(time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)) {
		t.Errorf("as of %s", o.AsOf)
	}
}

// The six bodies in the order in which the shop made them, and once more in the wrong order.
func TestSequenceOfUpdates(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, base))
	for _, e := range s.update(fixture(t, scheduled)) {
		if e.Now.Item.Price != e.Was.Item.Price || e.Now.Item.ListPrice != eur(2199) {
			t.Errorf("P16: a sale for later made a drop to %s", e.Now.Item.Price)
		}
	}
	events := s.update(fixture(t, backorder))
	if len(events) != 1 || events[0].Now.Item.Stock != -2 || events[0].Now.Item.Availability != otn.Backorder || events[0].Now.Item.IsSellable() {
		t.Fatalf("on backorder: %+v", events)
	}
	friday := time.Date(2026, 11, 27, 11, 0, 5, 0, time.UTC)
	events = s.sendAt(friday, "product.updated", fixture(t, onSale))
	if len(events) != 1 || events[0].Was.Item.Price != eur(2199) || events[0].Now.Item.Price != eur(1599) || events[0].Now.Item.ListPrice != eur(2199) {
		t.Fatalf("the sale: %+v", events)
	}
	if i := events[0].Now.Item; !i.IsSellable() || i.Stock != 4 || i.Availability != otn.InStock {
		t.Errorf("in stock: %+v", i)
	}
	for _, file := range []string{onSale, base, backorder, scheduled} {
		if late := s.sendAt(friday, "product.updated", fixture(t, file)); len(late) != 0 {
			t.Errorf("P19: %s came late and made %d events", file, len(late))
		}
	}
}

func TestP1IdsKeepEveryDigit(t *testing.T) {
	s := newShop(t, plain)
	s.update(edit(t, fixture(t, variation), map[string]string{"id": "9007199254741001", "parent_id": "9007199254740993", "categories": `[{"id":9007199254741003,"name":"Kitchen"}]`}))
	if i := s.Item("9007199254741001"); i.Group != "9007199254740993" || i.Collections[0] != "9007199254741003" {
		t.Errorf("got %+v", i)
	}
	s.update(edit(t, fixture(t, parent), map[string]string{"id": "9007199254740993", "variations": "[9007199254741001]", "status": `"draft"`}))
	if s.Item("9007199254741001").IsPublished() {
		t.Error("the product's variation was not found")
	}
}

// P5, L15: saving again, and the same webhook again, change nothing.
func TestP5RepeatedWebhooks(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, base))
	in := map[string]string{"stock_quantity": "4", "stock_status": `"instock"`}
	at := clock.Add(-time.Minute)
	if events := s.update(edit(t, fixture(t, base), stamped(at, in))); len(events) != 1 || !events[0].Now.Item.IsSellable() || events[0].Was.Item.IsSellable() {
		t.Fatalf("back in stock: %+v", events)
	}
	for n := range 3 {
		if again := s.update(edit(t, fixture(t, base), stamped(at.Add(time.Duration(n)*time.Second), in))); len(again) != 0 {
			t.Errorf("saved again: %d events", len(again))
		}
	}
}

// Null adds nothing and is not zero; what a product says of a variation is kept until the variation is known.
func TestP8StockThatIsNotCounted(t *testing.T) {
	for name, fields := range map[string]map[string]string{
		"not managed":            {"manage_stock": "false", "stock_quantity": "null", "stock_status": `"instock"`},
		"not managed, old count": {"manage_stock": "false", "stock_quantity": "7", "stock_status": `"instock"`},
		"null":                   {"stock_quantity": "null", "stock_status": `"instock"`},
	} {
		s := newShop(t, plain)
		s.update(edit(t, fixture(t, onSale), stamped(clock.Add(-time.Hour), nil)))
		s.update(edit(t, fixture(t, onSale), stamped(clock, fields)))
		if i := s.Item(mug); i.Known.Has(otn.FactStock) || !i.IsSellable() || i.Availability != otn.InStock {
			t.Errorf("%s: %+v", name, i)
		}
	}
	for quantity, want := range map[string]int64{"2.5": 2, "-0.5": -1, "3": 3, "3.0": 3} {
		s := newShop(t, plain)
		s.update(edit(t, fixture(t, base), map[string]string{"stock_quantity": quantity, "manage_stock": `"parent"`}))
		if i := s.Item(mug); i.Stock != want || !i.Known.Has(otn.FactStock) {
			t.Errorf("%s became %d", quantity, i.Stock)
		}
	}
	s := newShop(t, plain)
	s.update(edit(t, fixture(t, onSale), stamped(clock.Add(-time.Hour), nil)))
	s.update(edit(t, fixture(t, onSale), stamped(clock, map[string]string{"stock_quantity": "", "manage_stock": "", "stock_status": "", "purchasable": ""})))
	if i := s.Item(mug); i.Stock != 4 || !i.IsSellable() || i.Availability != otn.InStock {
		t.Errorf("what was left out was changed: %+v", i)
	}
}

func TestP9BackorderIsAChoice(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, backorder))
	if i := s.Item(mug); i.IsSellable() || i.Availability != otn.Backorder || i.Stock != -2 {
		t.Errorf("by default: %+v", i)
	}
	s = newShop(t, with(`"backorders":true`))
	s.update(fixture(t, backorder))
	if i := s.Item(mug); !i.IsSellable() || i.Availability != otn.Backorder || i.Stock != -2 {
		t.Errorf("chosen: %+v", i)
	}
	// "In stock" with no piece left is a backorder, whatever it is called.
	s = newShop(t, plain)
	s.update(edit(t, fixture(t, backorder), map[string]string{"stock_status": `"instock"`, "backordered": "false"}))
	if i := s.Item(mug); i.IsSellable() || i.Availability != otn.Backorder {
		t.Errorf("called in stock: %+v", i)
	}
}

func TestP10WhatCannotBeBought(t *testing.T) {
	for name, c := range map[string]struct {
		fields    map[string]string
		published bool
	}{
		"draft":           {map[string]string{"status": `"draft"`}, false},
		"pending":         {map[string]string{"status": `"pending"`}, false},
		"private":         {map[string]string{"status": `"private"`}, false},
		"published later": {map[string]string{"status": `"future"`}, false},
		"trash":           {map[string]string{"status": `"trash"`}, false},
		"hidden":          {map[string]string{"catalog_visibility": `"hidden"`}, false},
		"not purchasable": {map[string]string{"purchasable": "false"}, true},
		"sold out":        {map[string]string{"stock_status": `"outofstock"`}, true},
		"unheard of":      {map[string]string{"stock_status": `"discontinued"`}, true},
	} {
		s := newShop(t, plain)
		s.update(edit(t, fixture(t, onSale), stamped(clock.Add(-time.Hour), nil)))
		if i := s.Item(mug); !i.IsSellable() {
			t.Fatalf("to begin with: %+v", i)
		}
		s.update(edit(t, fixture(t, onSale), stamped(clock, c.fields)))
		if i := s.Item(mug); i.IsSellable() || i.Sellable || i.IsPublished() != c.published {
			t.Errorf("%s: %+v", name, i)
		}
	}
	for _, visibility := range []string{"visible", "catalog", "search"} {
		s := newShop(t, plain)
		s.update(edit(t, fixture(t, onSale), map[string]string{"catalog_visibility": `"` + visibility + `"`}))
		if i := s.Item(mug); !i.IsSellable() || !i.IsPublished() {
			t.Errorf("%s: %+v", visibility, i)
		}
	}
}

// L16: a product with variations is no item, and has no price to drop; a variation dressed as a product is one.
func TestL16ParentAndVariation(t *testing.T) {
	s := newShop(t, plain)
	if events := s.update(fixture(t, parent)); len(events) != 0 || known(t, s, tee) || known(t, s, teeS) {
		t.Fatalf("the product alone: %d events", len(events))
	}
	if events := s.update(fixture(t, variation)); len(events) != 1 || !events[0].First {
		t.Fatalf("the variation: %+v", events)
	}
	i := s.Item(teeS)
	if i.Group != tee || i.Title != "Harbor Tee - S" || i.Known&(otn.FactVariant|otn.FactImage) != 0 || i.Price != eur(2400) || i.Stock != 2 || !i.IsSellable() || !i.IsPublished() || !i.Known.Has(otn.FactPublished) {
		t.Errorf("got %+v", i)
	}
	if !slices.Equal(i.Collections, []string{"9"}) {
		t.Errorf("collections %q", i.Collections)
	}
	s.update(edit(t, fixture(t, variation), stamped(clock, map[string]string{"attributes": `[{"id":1,"name":"Size","option":"S"}]`, "name": `"Harbor &amp; Pine Tee - S"`})))
	if i := s.Item(teeS); i.Title != "Harbor & Pine Tee" || i.Variant != "S" {
		t.Errorf("title %q, variant %q", i.Title, i.Variant)
	}
}

// P10: stock of a variation is none while its product is not out, in whatever order the two are told; and it is stock again
// when the product is.
func TestP10VariationOfADraft(t *testing.T) {
	minute := func(n int) time.Time { return clock.Add(time.Duration(n-60) * time.Minute) }
	draft := func(n int, status string) []byte {
		return edit(t, fixture(t, parent), stamped(minute(n), map[string]string{"status": `"` + status + `"`}))
	}
	size := func(n, stock int) []byte {
		return edit(t, fixture(t, variation), stamped(minute(n), map[string]string{"stock_quantity": string(rune('0' + stock))}))
	}
	for name, bodies := range map[string][][]byte{
		"the product first":         {draft(1, "draft"), size(2, 3)},
		"the product last":          {size(2, 3), draft(1, "draft")},
		"the variation is newer":    {draft(1, "draft"), size(2, 0), size(3, 3)},
		"hidden, told by itself":    {edit(t, size(2, 3), map[string]string{"catalog_visibility": `"hidden"`})},
		"disabled":                  {draft(1, "publish"), edit(t, size(2, 3), map[string]string{"status": `"private"`})},
		"published before, not now": {draft(1, "publish"), draft(3, "private"), size(2, 3)},
	} {
		s := newShop(t, plain)
		for _, body := range bodies {
			s.update(body)
		}
		if i := s.Item(teeS); i.IsSellable() || i.Stock != 3 {
			t.Errorf("%s: %+v", name, i)
		}
	}
	s := newShop(t, plain)
	s.update(draft(1, "draft"))
	s.update(size(2, 3))
	if events := s.update(draft(4, "publish")); len(events) != 1 || events[0].Was.Item.IsSellable() || !events[0].Now.Item.IsSellable() {
		t.Errorf("published again: %+v", events)
	}
}

// P11: a variation that is not in the list of its product is not gone; tags and collections come from the product.
func TestP11VariationNotInTheList(t *testing.T) {
	s := newShop(t, plain)
	s.update(edit(t, fixture(t, variation), map[string]string{"tags": "[]", "categories": "[]"}))
	if events := s.update(edit(t, fixture(t, parent), stamped(clock, map[string]string{"variations": "[802]"}))); len(events) != 0 || !s.Item(teeS).IsSellable() {
		t.Errorf("%d events, %+v", len(events), s.Item(teeS))
	}
	s.update(edit(t, fixture(t, parent), stamped(clock, map[string]string{"tags": `[{"id":4,"name":"Salt &amp; Pine","slug":"salt-pine"}]`})))
	s.update(edit(t, fixture(t, variation), stamped(clock.Add(time.Second), map[string]string{"tags": "[]", "categories": "[]"})))
	if i := s.Item(teeS); !slices.Equal(i.Tags, []string{"Salt & Pine"}) || !slices.Equal(i.Collections, []string{"9"}) {
		t.Errorf("tags %q, collections %q", i.Tags, i.Collections)
	}
}

// A simple product that is given variations is no item any more.
func TestProductGetsVariations(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, base))
	s.update(edit(t, fixture(t, parent), stamped(clock, map[string]string{"id": mug})))
	if i := s.Item(mug); i.IsPublished() || i.IsSellable() {
		t.Errorf("got %+v", i)
	}
}

// P21: a restock is told when the product is created anew, changed and changed once more: one event.
func TestP21OneChangeThroughThreeTopics(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, base))
	seen := 0
	for n, topic := range []string{"product.updated", "product.created", "product.restored"} {
		seen += len(s.send(topic, edit(t, fixture(t, base), stamped(clock.Add(time.Duration(n-5)*time.Second), map[string]string{"stock_quantity": "3", "stock_status": `"instock"`}))))
	}
	if i := s.Item(mug); seen != 1 || i.Stock != 3 || !i.IsSellable() {
		t.Errorf("%d events, stock %d", seen, i.Stock)
	}
}

func TestP33LocalDatesAreNotUTC(t *testing.T) {
	local := map[string]string{"date_modified_gmt": "", "date_modified": `"2026-07-01T12:00:00"`}
	for config, want := range map[string]time.Time{
		plain: time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC), // summer time
		`{"secrets":["` + secret + `"],"currency":"EUR"}`: {},
	} {
		s := newShop(t, config)
		s.update(edit(t, fixture(t, base), local))
		if o := s.Records[0].Observation; !o.AsOf.Equal(want) {
			t.Errorf("%s: as of %s, want %s", config, o.AsOf, want)
		}
	}
	for date, want := range map[string]time.Time{
		`"2026-07-01T10:00:00Z"`: time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC), `"2026-07-01T12:00:00+02:00"`: time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC),
		`null`: {}, `"-0001-11-30T00:00:00"`: {}, `"0000-00-00T00:00:00"`: {}, `"0000-12-30T00:00:00"`: {}, `"0001-01-01T00:00:00"`: {}, `"soon"`: {},
	} {
		s := newShop(t, plain)
		s.update(edit(t, fixture(t, base), map[string]string{"date_modified_gmt": date}))
		if o := s.Records[0].Observation; o == nil || !o.AsOf.Equal(want) {
			t.Errorf("%s: %+v", date, s.Records[0])
		}
	}
}

func TestItemsByTheirSKU(t *testing.T) {
	s := newShop(t, with(`"id":"sku"`))
	s.update(edit(t, fixture(t, base), map[string]string{"sku": `""`}))
	if len(s.Records) != 1 || s.note() != "no_sku" {
		t.Errorf("without SKU: %+v", s.Records)
	}
	s.update(fixture(t, onSale))
	s.update(fixture(t, variation))
	s.update(edit(t, fixture(t, parent), stamped(clock, map[string]string{"status": `"draft"`})))
	if s.Item("HP-TEE-S").IsPublished() || !s.Item("HP-100").IsPublished() {
		t.Error("a product does not find its variations by their ids")
	}
	s.send("product.deleted", fixture(t, "product_deleted.json"))
	if i := s.Item("HP-100"); i.IsPublished() || i.IsSellable() {
		t.Errorf("deleted: %+v", i)
	}
}

func TestProductIsDeletedAndRestored(t *testing.T) {
	s := newShop(t, plain)
	if events := s.send("product.deleted", fixture(t, "product_deleted.json")); len(events) != 0 || known(t, s, mug) {
		t.Fatal("a delete of what was never known made an item")
	}
	s = newShop(t, plain)
	s.update(edit(t, fixture(t, onSale), stamped(clock.Add(-time.Hour), nil)))
	if events := s.send("product.deleted", fixture(t, "product_deleted.json")); len(events) != 1 || events[0].Now.Item.IsSellable() || events[0].Now.Item.IsPublished() {
		t.Fatalf("deleted: %+v", events)
	}
	if late := s.update(edit(t, fixture(t, onSale), stamped(clock.Add(-time.Minute), nil))); len(late) != 0 {
		t.Errorf("P19: a change before the delete made %d events", len(late))
	}
	// Restored before the delete was delivered: both were made in the minute before.
	back := s.sendAt(clock.Add(time.Second), "product.restored", edit(t, fixture(t, onSale), stamped(clock.Add(-30*time.Second), nil)))
	if len(back) != 1 || !back[0].Now.Item.IsSellable() || !back[0].Now.Item.IsPublished() {
		t.Errorf("restored: %+v", back)
	}
}

// A delete of a product takes its variations with it, one of a variation that one alone.
func TestVariationsAreDeleted(t *testing.T) {
	two := map[string]string{"id": "802", "sku": `"HP-TEE-M"`}
	s := newShop(t, plain)
	s.update(fixture(t, variation))
	s.update(edit(t, fixture(t, variation), two))
	if s.send("product.deleted", []byte(`{"id":801}`)); s.Item("801").IsSellable() || !s.Item("802").IsSellable() {
		t.Errorf("the variation: %+v, %+v", s.Item("801"), s.Item("802"))
	}
	s.send("product.deleted", []byte(`{"id":799}`))
	if i := s.Item("802"); i.IsSellable() || i.IsPublished() {
		t.Errorf("the product: %+v", i)
	}
	later := clock.Add(time.Minute)
	s.sendAt(later, "product.restored", edit(t, fixture(t, parent), stamped(later, nil)))
	if s.Item("801").IsSellable() || !s.Item("802").IsSellable() {
		t.Errorf("the product is back: %+v, %+v", s.Item("801"), s.Item("802"))
	}
	s.sendAt(later, "product.restored", edit(t, fixture(t, variation), stamped(later, nil)))
	if !s.Item("801").IsSellable() {
		t.Errorf("the variation is back: %+v", s.Item("801"))
	}
}

func TestPictures(t *testing.T) {
	s := newShop(t, plain)
	s.update(edit(t, fixture(t, base), map[string]string{"images": `[{"id":1,"src":"https://shop.example/a.jpg"},{"id":2,"src":"https://shop.example/b.jpg"}]`}))
	if i := s.Item(mug); i.Image != "https://shop.example/a.jpg" {
		t.Errorf("image %q", i.Image)
	}
}
