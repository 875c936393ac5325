// What a shop's webhooks mean: one row of the pitfalls after the other.

package shopify_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

func TestProductBecomesItems(t *testing.T) {
	s := newShop(t, plain)
	if events := s.send("products/update", fixture(t, "products_update.1_base")); len(events) != 2 || !events[0].First {
		t.Fatalf("%d events", len(events))
	}
	i := s.Item(medium)
	if i.Group != "9007199254740993" || i.Title != "Dock Jacket" || i.Variant != "M" || i.Price != usd(14900) || i.Known.Has(otn.FactListPrice) {
		t.Errorf("got %+v", i)
	}
	if i.URL != "https://harbor-pine.myshopify.com/products/dock-jacket?variant="+medium || i.Image != "" || !i.Known.Has(otn.FactImage) {
		t.Errorf("url %q, image %q", i.URL, i.Image)
	}
	if i.Stock != 12 || !i.IsSellable() || !i.IsPublished() || i.Availability != otn.InStock || !i.PublishedAt.Equal(time.Date(2026, 9, 1, 13, 5, 0, 0, time.UTC)) {
		t.Errorf("got %+v", i)
	}
	sku, _ := i.Attr("sku")
	vendor, _ := i.Attr("vendor")
	if sku.Text() != "DJ-M" || vendor.Text() != "Harbor & Pine" || len(i.Tags) != 2 || i.Tags[0] != "waxed" {
		t.Errorf("sku %v, vendor %v, tags %q", sku, vendor, i.Tags)
	}
	if i := s.Item(small); i.IsSellable() || i.Availability != otn.OutOfStock {
		t.Errorf("sold out: %+v", i)
	}
}

func TestP1IdsKeepEveryDigit(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.1_base"))
	for n, want := range []string{small, medium} {
		if got := s.Records[n].Observation.Item.ID; got != want {
			t.Errorf("%s became %s", want, got)
		}
	}
}

// The sequence of the fixtures: a drop, a drop that is none, a version that comes late, a draft.
func TestSequenceOfUpdates(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.1_base"))
	events := s.send("products/update", fixture(t, "products_update.2_price_drop"))
	if len(events) != 2 || events[0].Was.Item.Price != usd(14900) || events[0].Now.Item.Price != usd(11900) || events[0].Now.Item.ListPrice != usd(14900) {
		t.Fatalf("the drop: %+v", events)
	}
	if again := s.send("products/update", fixture(t, "products_update.2_price_drop")); len(again) != 0 {
		t.Errorf("P21: the same webhook again made %d events", len(again))
	}
	if late := s.send("products/update", fixture(t, "products_update.4_stale_out_of_order")); len(late) != 0 {
		t.Errorf("P19: an older version made %d events", len(late))
	}
	for _, e := range s.send("products/update", fixture(t, "products_update.3_fake_drop_compare_at_only")) {
		if c, err := e.Now.Item.Price.Compare(e.Was.Item.Price); err != nil || c < 0 {
			t.Errorf("P13: a higher compared price became a drop to %s", e.Now.Item.Price)
		}
		if e.Now.Item.ListPrice != usd(18900) {
			t.Errorf("list price %s", e.Now.Item.ListPrice)
		}
	}
	events = s.send("products/update", fixture(t, "products_update.5_draft_not_buyable"))
	if len(events) != 1 || events[0].Subject.ID != small {
		t.Fatalf("the draft: %d events", len(events))
	}
	if i := s.Item(small); i.IsSellable() || i.IsPublished() || i.Known.Has(otn.FactPublishedAt) {
		t.Errorf("P10: a draft with 40 pieces can be bought: %+v", i)
	}
	if i := s.Item(medium); !i.IsSellable() || i.Stock != 12 {
		t.Errorf("P11: a variant that is not in the body was changed: %+v", i)
	}
}

// P13, for the fixture as it stands after the base: only the compared price is raised.
func TestP13HigherComparedPriceIsNoDrop(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.1_base"))
	for _, e := range s.send("products/update", fixture(t, "products_update.3_fake_drop_compare_at_only")) {
		if e.Now.Item.Price != e.Was.Item.Price {
			t.Errorf("from %s to %s", e.Was.Item.Price, e.Now.Item.Price)
		}
	}
}

// P2: a price is a decimal text in the shop's currency. A number, which could be hundredths, and any other unit are refused, never guessed.
func TestP2_UnitsAreKnownOrRefused(t *testing.T) {
	base := fixture(t, "products_update.1_base")
	for price, want := range map[string]otn.Money{`"119.00"`: usd(11900), `"119"`: usd(11900), `"119.5"`: usd(11950), `11900`: {}, `119.00`: {}, `"$119.00"`: {}, `"119.00 EUR"`: {}, `"119,00"`: {}, `"1.19e2"`: {}} {
		s := newShop(t, plain)
		s.send("products/update", base)
		s.send("products/update", bytes.Replace(bytes.ReplaceAll(base, []byte(`"price":"149.00"`), []byte(`"price":`+price)), []byte(`"updated_at":"2026-11`), []byte(`"updated_at":"2027-11`), -1))
		got := s.Item(small).Price
		if want == (otn.Money{}) {
			want = usd(14900)
		}
		if got != want {
			t.Errorf("%s became %s, want %s", price, got, want)
		}
	}
}

// P5, L15: saving again, and the same webhook again, change nothing.
func TestP5_L15_RepeatedWebhooks(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.2_price_drop"))
	again := bytes.ReplaceAll(fixture(t, "products_update.2_price_drop"), []byte("2026-11-21T08:00:00-05:00"), []byte("2026-11-21T09:00:00-05:00"))
	for name, body := range map[string][]byte{"the same": fixture(t, "products_update.2_price_drop"), "saved again": again, "saved again, twice told": again} {
		if events := s.send("products/update", body); len(events) != 0 {
			t.Errorf("%s: %d events", name, len(events))
		}
	}
	if events := s.send("variants/in_stock", fixture(t, "variants_in_stock")); len(events) != 1 {
		t.Errorf("the restock: %d events", len(events))
	}
	if events := s.send("variants/in_stock", fixture(t, "variants_in_stock")); len(events) != 0 {
		t.Errorf("the restock, told twice: %d events", len(events))
	}
}

// P11: a variant that is not in the body, which carries a hundred at most, is not gone.
func TestP11_AVariantNotInTheBodyIsNotGone(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.1_base"))
	if events := s.send("products/update", []byte(`{"id":9007199254740993,"title":"Dock Jacket","status":"active","published_at":"2026-09-01T13:05:00Z","updated_at":"2026-11-22T12:00:00Z","variants":[],
		"variant_gids":[{"admin_graphql_api_id":"gid://shopify/ProductVariant/`+medium+`"}]}`)); len(events) != 0 {
		t.Errorf("%d events", len(events))
	}
	if i := s.Item(medium); i.Stock != 12 || !i.IsSellable() || i.Price != usd(14900) {
		t.Errorf("got %+v", i)
	}
}

// P19: an older version that arrives later changes nothing.
func TestP19_AnOlderVersionChangesNothing(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.2_price_drop"))
	before := s.Item(small)
	for _, late := range []string{"products_update.1_base", "products_update.4_stale_out_of_order"} {
		if events := s.send("products/update", fixture(t, late)); len(events) != 0 {
			t.Errorf("%s: %d events", late, len(events))
		}
	}
	if now := s.Item(small); now.Price != before.Price || now.Stock != before.Stock || now.ListPrice != before.ListPrice {
		t.Errorf("got %+v, want %+v", now, before)
	}
}

// L18: an order changes stock and says nothing of what; a level of stock names no variant. Each finds its item, and only it.
func TestL18_MissingLinksAreFound(t *testing.T) {
	s := newShop(t, plain[:len(plain)-1]+`,"locations":["24826418"]}`)
	s.send("products/update", fixture(t, "products_update.2_price_drop"))
	events := s.send("inventory_levels/update", fixture(t, "inventory_levels_update.loc24826418"))
	if len(events) != 1 || events[0].Subject.ID != small || events[0].Now.Item.Stock != 2 {
		t.Errorf("the level: %+v", events)
	}
	s = newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.1_base"))
	sold := bytes.ReplaceAll(bytes.Replace(fixture(t, "products_update.1_base"), []byte(`"inventory_quantity":12`), []byte(`"inventory_quantity":11`), 1), []byte(`"updated_at":"2026-11`), []byte(`"updated_at":"2027-11`))
	if events := s.send("products/update", sold); len(events) != 1 || events[0].Subject.ID != medium || events[0].Was.Item.Stock != 12 || events[0].Now.Item.Stock != 11 {
		t.Errorf("the order: %+v", events)
	}
}

func TestP10NotYetPublished(t *testing.T) {
	s := newShop(t, plain)
	later := bytes.ReplaceAll(fixture(t, "products_update.2_price_drop"), []byte(`"published_at":"2026-09-01T09:05:00-04:00"`), []byte(`"published_at":"2026-11-22T14:30:01Z"`))
	s.send("products/update", later)
	if i := s.Item(medium); i.IsSellable() || i.IsPublished() || !i.Known.Has(otn.FactPublishedAt) {
		t.Errorf("published in a second: %+v", i)
	}
}

func TestP10HiddenWhateverIsPublished(t *testing.T) {
	for _, state := range []string{"draft", "archived", "unlisted"} {
		s := newShop(t, plain)
		s.send("products/update", bytes.Replace(fixture(t, "products_update.1_base"), []byte(`"status":"active"`), []byte(`"status":"`+state+`"`), 1))
		if i := s.Item(medium); i.IsSellable() || i.IsPublished() {
			t.Errorf("%s: %+v", state, i)
		}
	}
}

func TestP4PriceThatIsNothing(t *testing.T) {
	for _, price := range []string{`""`, `null`, `"0.00"`, `"0"`, `"-1.00"`} {
		s := newShop(t, plain)
		s.send("products/update", bytes.ReplaceAll(fixture(t, "products_update.1_base"), []byte(`"149.00"`), []byte(price)))
		if i := s.Item(medium); i.Known.Has(otn.FactPrice) || !i.Price.IsZero() {
			t.Errorf("%s became %s", price, i.Price)
		}
		s.send("products/update", fixture(t, "products_update.2_price_drop"))
		s.send("products/update", bytes.ReplaceAll(fixture(t, "products_update.3_fake_drop_compare_at_only"), []byte(`"149.00"`), []byte(price)))
		if i := s.Item(medium); i.Price != usd(11900) || i.ListPrice != usd(18900) {
			t.Errorf("%s after 119.00 became %s, list price %s", price, i.Price, i.ListPrice)
		}
	}
}

func TestP9OversellIsAChoice(t *testing.T) {
	body := bytes.ReplaceAll(fixture(t, "products_update.1_base"), []byte(`"inventory_policy":"deny"`), []byte(`"inventory_policy":"continue"`))
	s := newShop(t, plain)
	s.send("products/update", body)
	if i := s.Item(small); i.IsSellable() || i.Availability != otn.Backorder {
		t.Errorf("by default: %+v", i)
	}
	s = newShop(t, plain[:len(plain)-1]+`,"oversell":true}`)
	s.send("products/update", body)
	if i := s.Item(small); !i.IsSellable() || i.Availability != otn.Backorder || i.Stock != 0 {
		t.Errorf("chosen: %+v", i)
	}
}

func TestP34TagsInBothForms(t *testing.T) {
	for _, form := range []string{`"waxed, winter"`, `["waxed","winter"]`} {
		s := newShop(t, plain)
		s.send("products/update", bytes.ReplaceAll(fixture(t, "products_update.1_base"), []byte(`"waxed, winter"`), []byte(form)))
		if tags := s.Item(small).Tags; len(tags) != 2 || tags[0] != "waxed" || tags[1] != "winter" {
			t.Errorf("%s became %q", form, tags)
		}
	}
}

func TestEdgesOfStock(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.2_price_drop"))
	in := s.send("variants/in_stock", fixture(t, "variants_in_stock"))
	if len(in) != 1 || in[0].Was.Item.Stock != 0 || in[0].Now.Item.Stock != 3 || in[0].Was.Item.IsSellable() || !in[0].Now.Item.IsSellable() {
		t.Fatalf("in stock: %+v", in)
	}
	if i := s.Item(small); i.Title != "Dock Jacket" || i.URL == "" {
		t.Errorf("the edge took away what it did not tell: %+v", i)
	}
	out := s.send("variants/out_of_stock", fixture(t, "variants_out_of_stock"))
	if len(out) != 1 || out[0].Now.Item.Stock != 0 || out[0].Now.Item.IsSellable() {
		t.Fatalf("out of stock: %+v", out)
	}
	if late := s.send("variants/in_stock", fixture(t, "variants_in_stock")); len(late) != 0 {
		t.Error("P19: stock that was gone came back")
	}
}

// P21: a restock is told by the edge, by the product and by the product once more: one event.
func TestP21OneChangeThroughThreeTopics(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.2_price_drop"))
	product := bytes.Replace(fixture(t, "products_update.2_price_drop"), []byte(`"inventory_quantity":0`), []byte(`"inventory_quantity":3`), 1)
	seen := 0
	for n, updated := range []string{"2026-11-22T06:00:00-05:00", "2026-11-22T06:00:01-05:00", "2026-11-22T06:00:02-05:00"} {
		topic, body := "products/update", bytes.ReplaceAll(product, []byte("2026-11-21T08:00:00-05:00"), []byte(updated))
		if n == 0 {
			topic, body = "variants/in_stock", fixture(t, "variants_in_stock")
		}
		seen += len(s.send(topic, body))
	}
	if i := s.Item(small); seen != 1 || i.Stock != 3 || !i.IsSellable() {
		t.Errorf("%d events, stock %d", seen, i.Stock)
	}
}

// P8: two of three locations count; one of them is not tracked; the levels come before and after the product.
func TestP8StockByLocation(t *testing.T) {
	s := newShop(t, plain[:len(plain)-1]+`,"locations":["24826418","24826420"]}`)
	if events := s.send("inventory_levels/update", fixture(t, "inventory_levels_update.loc24826418")); len(events) != 0 {
		t.Fatal("a level of an unknown variant made an event")
	}
	events := s.send("products/update", fixture(t, "products_update.2_price_drop"))
	if len(events) != 2 || !events[0].First {
		t.Fatalf("%d events", len(events))
	}
	if n, known := pieces(s.Item(small)); n != 2 || !known {
		t.Errorf("stock %d, %v: want what was told before the variant was known", n, known)
	}
	if n, known := pieces(s.Item(medium)); known {
		t.Errorf("stock %d: the product's total was taken though locations are named", n)
	}
	s.send("inventory_levels/update", fixture(t, "inventory_levels_update.loc24826419"))
	if len(s.Records) != 1 || s.Records[0].Note == nil {
		t.Error("a location that does not count was told")
	}
	s.send("inventory_levels/update", fixture(t, "inventory_levels_update.loc24826420"))
	if n, known := pieces(s.Item(small)); n != 2 || !known {
		t.Errorf("stock %d, %v: null adds nothing and is not zero", n, known)
	}
	if events := s.send("variants/in_stock", fixture(t, "variants_in_stock")); len(events) == 1 && events[0].Now.Item.Stock != 2 {
		t.Errorf("stock %d by the total of an edge", events[0].Now.Item.Stock)
	}
}

func TestItemsByTheirSKU(t *testing.T) {
	s := newShop(t, plain[:len(plain)-1]+`,"id":"sku","url":"https://shop.example/p/{handle}/{sku}"}`)
	s.send("products/update", bytes.Replace(fixture(t, "products_update.1_base"), []byte(`"sku":"DJ-S"`), []byte(`"sku":null`), 1))
	if len(s.Records) != 2 || s.Records[0].Note == nil || s.Records[0].Note.Code != "no_sku" {
		t.Errorf("a variant without SKU: %+v", s.Records[0])
	}
	if i := s.Item("DJ-M"); i.URL != "https://shop.example/p/dock-jacket/DJ-M" {
		t.Errorf("url %q", i.URL)
	}
}

func TestProductIsDeleted(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", fixture(t, "products_update.1_base"))
	events := s.send("products/delete", []byte(`{"id":9007199254740993}`))
	if len(events) != 2 {
		t.Fatalf("%d events: want one for each variant", len(events))
	}
	for _, id := range []string{small, medium} {
		if i := s.Item(id); i.IsSellable() || i.IsPublished() {
			t.Errorf("%s: %+v", id, i)
		}
	}
}

func TestPictures(t *testing.T) {
	body := []byte(`{"id":1,"handle":"h","image":{"id":7,"src":"https://cdn/p.jpg"},"images":[{"id":7,"src":"https://cdn/p.jpg"},{"id":8,"src":"https://cdn/v.jpg"}],
		"variants":[{"id":2,"product_id":1,"title":"Default Title","image_id":8},{"id":3,"product_id":1,"image_id":null}]}`)
	s := newShop(t, `{"secrets":["`+secret+`"],"currency":"USD"}`)
	s.send("products/create", body)
	if i := s.Item("2"); i.Image != "https://cdn/v.jpg" || i.Variant != "" || i.Known.Has(otn.FactURL) {
		t.Errorf("got %+v", i)
	}
	if i := s.Item("3"); i.Image != "https://cdn/p.jpg" || i.Known.Has(otn.FactVariant) || i.Known.Has(otn.FactSellable) || i.Known.Has(otn.FactStock) {
		t.Errorf("got %+v", i)
	}
}

// P23: created while unpublished; launched when published_at is set.
func TestP23CollectionIsLaunched(t *testing.T) {
	s := newShop(t, plain)
	events := s.send("collections/create", fixture(t, "collections_create.unpublished"))
	if len(events) != 1 || !events[0].First || events[0].Now.Collection.IsPublished() || events[0].Now.Collection.Known.Has(otn.FactLaunchAt) {
		t.Fatalf("created: %+v", events)
	}
	events = s.send("collections/update", fixture(t, "collections_update.published"))
	if len(events) != 1 || events[0].Was.Collection.IsPublished() || !events[0].Now.Collection.IsPublished() {
		t.Fatalf("published: %+v", events)
	}
	c := events[0].Now.Collection
	if c.ID != winter || c.Title != "Winter '26" || c.URL != "https://harbor-pine.myshopify.com/collections/winter-26" || c.LaunchAt.After(clock) || c.LaunchAt.IsZero() {
		t.Errorf("got %+v", c)
	}
	s.send("collections/delete", []byte(`{"id":`+winter+`}`))
	if snap, _ := s.Snapshot(events[0].Subject); snap.Collection.IsPublished() {
		t.Error("a deleted collection is published")
	}
}

// The moment that Shopify's header tells stands in for a body without one, and never lies in the future.
func TestVersionOfABodyWithoutOne(t *testing.T) {
	s := newShop(t, plain)
	body := []byte(`{"id":1,"variants":[{"id":2,"product_id":1,"price":"5.00"}]}`)
	for triggered, want := range map[string]time.Time{"2026-11-22T14:00:00.5Z": clock.Add(-30*time.Minute + 500*time.Millisecond), "2099-01-01T00:00:00Z": {}, "": {}} {
		r := signed("products/update", body)
		r.Header.Set("X-Shopify-Triggered-At", triggered)
		_, records, err := s.Source.Receive(t.Context(), r)
		if err != nil || !records[0].Observation.AsOf.Equal(want) {
			t.Errorf("%q: %v, %v", triggered, records[0].Observation.AsOf, err)
		}
	}
}
