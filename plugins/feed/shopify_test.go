// What a storefront's own JSON means.

package feed_test

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

const products = shopifyFeed + `,"url":"/products.json"`

func TestShopifyProducts(t *testing.T) {
	s := serving(t, products, fixture(t, "shopify_products.json"))
	s.first()
	if w := s.whole(); w != (otn.Whole{Items: 1}) || s.notes() != "" {
		t.Errorf("whole %+v, notes %q", w, s.notes())
	}
	i := s.item("9007199254741001")
	if i.Group != "9007199254740993" || i.Title != "Dock Jacket" || i.Variant != "S" || i.Price != usd(11900) || i.ListPrice != usd(14900) || !i.Sellable || !i.Published || i.Known.Has(otn.FactStock) {
		t.Errorf("got %+v", i)
	}
	if i.URL != s.server.URL+"/products/dock-jacket?variant=9007199254741001" || !i.PublishedAt.Equal(time.Date(2026, 9, 1, 13, 5, 0, 0, time.UTC)) {
		t.Errorf("url %q, published %s", i.URL, i.PublishedAt)
	}
	if o := s.records[0].Observation; !o.AsOf.Equal(clock) {
		t.Errorf("as of %s", o.AsOf)
	}
}

// Cents, and the same item as the one of products.json.
func TestShopifyProductInCents(t *testing.T) {
	s := serving(t, shopifyFeed, fixture(t, "shopify_product_js_cents.json"))
	s.first()
	if i := s.item("9007199254741001"); i.Price != usd(11900) || i.ListPrice != usd(14900) || i.Title != "Dock Jacket" || !i.Sellable {
		t.Errorf("got %+v", i)
	}
}

func TestP1_IdsKeepEveryDigit(t *testing.T) {
	for _, file := range []string{"shopify_products.json", "shopify_product_js_cents.json"} {
		s := serving(t, products, fixture(t, file))
		s.first()
		if o := s.records[0].Observation.Item; o.ID != "9007199254741001" || o.Group != "9007199254740993" {
			t.Errorf("%s: %s of %s", file, o.ID, o.Group)
		}
	}
}

// A price has the unit of its form, and one that is written in the way of the other form is of no unit at all.
func TestP2_CentsAndTextsAreNotConfused(t *testing.T) {
	const bare, one, many = `{"id":1,"variants":[{"id":7,"price":%s}]}`, `{"product":{"id":1,"variants":[{"id":7,"price":%s}]}}`, `{"products":[{"id":1,"variants":[{"id":7,"price":%s}]}]}`
	for _, c := range []struct{ form, price, currency, want string }{
		{bare, `11900`, "USD", "119.00 USD"}, {bare, `5`, "USD", "0.05 USD"}, {bare, `100000`, "JPY", "1000 JPY"}, {bare, `1234`, "KWD", "12.340 KWD"},
		{bare, `"119.00"`, "USD", ""}, {bare, `"11900"`, "USD", ""}, {bare, `119.00`, "USD", ""}, {bare, `null`, "USD", ""}, {bare, `-5`, "USD", ""}, {bare, `100050`, "JPY", ""},
		{many, `"119.00"`, "USD", "119.00 USD"}, {many, `"1000"`, "JPY", "1000 JPY"}, {one, `"119.00"`, "USD", "119.00 USD"},
		{many, `11900`, "USD", ""}, {many, `119.00`, "USD", ""}, {many, `"11.900"`, "USD", ""}, {many, `""`, "USD", ""}, {many, `"0.00"`, "USD", ""}, {one, `11900`, "USD", ""},
		{many, `{"amount":"1"}`, "USD", ""},
	} {
		s := serving(t, `"format":"shopify","currency":"`+c.currency+`"`, fmt.Sprintf(c.form, c.price))
		s.first()
		if got := s.item("7").Price.String(); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.price, c.currency, got, c.want)
		}
	}
}

func TestP10_WhatIsNotPublishedCannotBeBought(t *testing.T) {
	for at, out := range map[string]bool{`"2026-09-01T09:05:00-04:00"`: true, `null`: false, `"2026-12-01T00:00:00Z"`: false, `"soon"`: false} {
		s := serving(t, products, `{"products":[{"id":1,"published_at":`+at+`,"variants":[{"id":7,"available":true}]}]}`)
		s.first()
		if i := s.item("7"); i.Published != out || i.Sellable != out {
			t.Errorf("%s: %+v", at, i)
		}
	}
}

// A variant that is missing is told to nobody as gone: the host counts in how many snapshots it is.
func TestP11_AMissingVariantIsNotTakenAway(t *testing.T) {
	two := `{"products":[{"id":1,"variants":[{"id":7,"available":true},{"id":8,"available":true}]}]}`
	s := serving(t, products, two)
	s.first()
	s.serve(`{"products":[{"id":1,"variants":[{"id":7,"available":true}]}]}`)
	if events := s.poll(); len(events) > 0 || !s.item("8").Sellable || s.whole().Items != 1 {
		t.Errorf("%d events, %+v", len(events), s.item("8"))
	}
}

func TestP13_AHigherListPriceIsNoDrop(t *testing.T) {
	s := serving(t, products, fixture(t, "shopify_products.json"))
	s.first()
	s.serve(strings.Replace(fixture(t, "shopify_products.json"), `"compare_at_price":"149.00"`, `"compare_at_price":"199.00"`, 1))
	events := s.poll()
	if len(events) != 1 || events[0].Now.Item.Price != events[0].Was.Item.Price || events[0].Now.Item.ListPrice != usd(19900) {
		t.Errorf("got %+v", events)
	}
	s.serve(strings.Replace(fixture(t, "shopify_products.json"), `"compare_at_price":"149.00"`, `"compare_at_price":null`, 1))
	if s.poll(); s.item("9007199254741001").Known.Has(otn.FactListPrice) {
		t.Error("a list price that is null stays")
	}
}

// An older page out of a cache changes nothing, and the newer one after it is no news.
func TestP19_AnOlderPageChangesNothing(t *testing.T) {
	now := fixture(t, "shopify_products.json")
	older := strings.ReplaceAll(strings.ReplaceAll(now, "2026-11-22T06:00", "2026-11-22T05:00"), `"119.00"`, `"149.00"`)
	s := serving(t, products, now)
	s.first()
	for _, body := range []string{older, now} {
		s.serve(body)
		if events := s.poll(); len(events) > 0 || s.item("9007199254741001").Price != usd(11900) {
			t.Errorf("%d events, it costs %s", len(events), s.item("9007199254741001").Price)
		}
	}
}

func TestP34_TagsOfBothForms(t *testing.T) {
	for _, tags := range []string{`["waxed","winter"]`, `"waxed, winter"`} {
		s := serving(t, products, `{"products":[{"id":1,"tags":`+tags+`,"variants":[{"id":7}]}]}`)
		s.first()
		if got := s.item("7").Tags; !reflect.DeepEqual(got, []string{"waxed", "winter"}) {
			t.Errorf("%s: %q", tags, got)
		}
	}
}

// stocked serves n products, in pages of as many as are asked for.
func stocked(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var page, limit int
		_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		_, _ = io.WriteString(w, `{"products":[`)
		for i := (page - 1) * limit; i < min(n, page*limit); i++ {
			if i > (page-1)*limit {
				_, _ = io.WriteString(w, ",")
			}
			_, _ = fmt.Fprintf(w, `{"id":%d,"variants":[{"id":%d,"price":"1.00"}]}`, 1000+i, 5000+i)
		}
		_, _ = io.WriteString(w, `]}`)
	}
}

// Page after page until one is empty; a page that fails fails the poll; a server that knows no pages is read once.
func TestPages(t *testing.T) {
	s := answering(t, products, stocked(620))
	s.first()
	if s.whole().Items != 620 || len(s.asked) != 4 || s.asked[0].URL.RawQuery != "limit=250&page=1" {
		t.Errorf("%d items in %d pages, the first is %s", s.whole().Items, len(s.asked), s.asked[0].URL)
	}
	s = answering(t, shopifyFeed+`,"url":"/collections/coats/products.json?limit=10&country=CA"`, stocked(25))
	s.first()
	if s.whole().Items != 25 || s.asked[2].URL.String() != "/collections/coats/products.json?country=CA&limit=10&page=3" {
		t.Errorf("%d items, the third page is %s", s.whole().Items, s.asked[2].URL)
	}
	s.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page") == "2" {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		stocked(25)(w, r)
	})
	if err := s.try(); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a page that fails: %v", err)
	}
	s = serving(t, products, fixture(t, "shopify_products.json"))
	s.first()
	if len(s.asked) != 2 {
		t.Errorf("%d pages of a server that knows none", len(s.asked))
	}
	s = answering(t, products+`,"max_size":20000`, stocked(5000))
	if err := s.try(); err == nil || !strings.Contains(err.Error(), "max_size") {
		t.Errorf("the size of all pages: %v", err)
	}
}

func TestItemsByTheirSKU(t *testing.T) {
	s := serving(t, products+`,"id":"sku"`, `{"products":[{"id":1,"variants":[{"id":7,"sku":"DJ-S"},{"id":8,"sku":"DJ-M"},{"id":9,"sku":null}]}]}`)
	s.first()
	if s.item("DJ-S").Group != "1" || s.whole().Items != 2 || s.notes() != "no_id" {
		t.Errorf("%d items, notes %q", s.whole().Items, s.notes())
	}
}
