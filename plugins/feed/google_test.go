// What a Merchant feed means.

package feed_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

func TestGoogleXML(t *testing.T) {
	s := serving(t, googleFeed, fixture(t, "google.xml"))
	s.first()
	if w := s.whole(); w != (otn.Whole{Items: 3}) || s.notes() != "" {
		t.Errorf("whole %+v, notes %q", w, s.notes())
	}
	i := s.item("DJ-S")
	if i.Group != "dock-jacket" || i.Title != "Dock Jacket S" || i.URL != "https://shop.example/products/dock-jacket?variant=S" || i.Availability != otn.InStock || !i.Sellable || !i.Published {
		t.Errorf("got %+v", i)
	}
	if i.Price != usd(11900) || i.ListPrice != usd(14900) {
		t.Errorf("in the sale it costs %s, list %s", i.Price, i.ListPrice)
	}
	if i := s.item("DJ-M"); i.Price != usd(14900) || i.Availability != otn.OutOfStock || i.Sellable || !i.Known.Has(otn.FactSellable) {
		t.Errorf("sold out: %+v", i)
	}
	mug := s.item("MUG")
	if mug.Price != (otn.Money{Minor: 1099, Currency: "JPY"}) || mug.Availability != otn.Preorder || mug.Group != "" || !mug.StartsAt.Equal(time.Date(2026, 12, 25, 21, 0, 0, 0, time.UTC)) {
		t.Errorf("preorder: %+v", mug)
	}
}

// The header of an older file writes the names with spaces.
func TestGoogleTSV(t *testing.T) {
	s := serving(t, googleFeed, fixture(t, "google.tsv"))
	s.first()
	if w := s.whole(); w != (otn.Whole{Items: 2}) {
		t.Errorf("whole %+v", w)
	}
	if i := s.item("DJ-S"); i.Price != usd(11900) || i.ListPrice != usd(14900) || i.Group != "dock-jacket" || !i.Sellable {
		t.Errorf("got %+v", i)
	}
	if i := s.item("DJ-M"); i.Price != usd(14900) || i.Availability != otn.OutOfStock || i.Sellable {
		t.Errorf("got %+v", i)
	}
}

// The same shop told as XML and as TSV is the same shop.
func TestBothFormsSayTheSame(t *testing.T) {
	s := serving(t, googleFeed, fixture(t, "google.tsv"))
	s.first()
	s.serve(strings.ReplaceAll(strings.ReplaceAll(fixture(t, "google.xml"), "?variant=S", ""), "?variant=M", ""))
	for _, e := range s.poll() {
		if e.Subject.ID != "MUG" {
			t.Errorf("%s changed: %+v", e.Subject.ID, e.Now.Item)
		}
	}
}

// gitem is a feed with one item.
func gitem(fields string) string {
	return `<rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>X</g:id>` + fields + `</item></channel></rss>`
}

func TestP2_UnitsAreKnownOrRefused(t *testing.T) {
	for text, want := range map[string]string{
		"149.00 USD": "149.00 USD", "USD 149": "149.00 USD", " 149.00\u00a0USD ": "149.00 USD", "1,099 JPY": "1099 JPY", "1,234,567.89 USD": "1234567.89 USD",
		"1.234 KWD": "1.234 KWD", "1099.00 JPY": "1099 JPY", "149.000 USD": "", "1.099 JPY": "", "1.000 JPY": "", "149,00 EUR": "", "1.099,00 EUR": "",
		"$149.00": "", "149.00": "", "-5.00 USD": "", "0.00 USD": "", "149.00 XYZ": "", "1e3 USD": "", "149.00 USD USD": "",
	} {
		s := serving(t, googleFeed, gitem("<g:price>"+text+"</g:price>"))
		s.first()
		if i := s.item("X"); i.Price.String() != want {
			t.Errorf("%q is %q, want %q", text, i.Price, want)
		}
	}
}

func TestP3_L14_CurrenciesDoNotMix(t *testing.T) {
	s := serving(t, googleFeed, gitem("<g:price>149.00 USD</g:price><g:sale_price>119.00 EUR</g:sale_price>"))
	s.first()
	if i := s.item("X"); i.Known.Has(otn.FactPrice) || i.ListPrice != usd(14900) || s.notes() != "price" {
		t.Errorf("two currencies: %+v, %s", i, s.notes())
	}
	s = serving(t, googleFeed+`,"currency":"eur"`, gitem("<g:price>149.00</g:price>"))
	s.first()
	if i := s.item("X"); i.Price != (otn.Money{Minor: 14900, Currency: "EUR"}) {
		t.Errorf("a price in the feed's own currency: %+v", i)
	}
}

// A price that is nothing is not known: it keeps its last value, and no drop comes of it.
func TestP4_P17_NoPriceIsNoDrop(t *testing.T) {
	s := serving(t, googleFeed, gitem("<g:price>149.00 USD</g:price>"))
	s.first()
	for _, none := range []string{"", "<g:price/>", "<g:price>0.00 USD</g:price>", "<g:price>0</g:price>", "<g:price>free</g:price>"} {
		s.serve(gitem(none))
		if events := s.poll(); len(events) > 0 || s.item("X").Price != usd(14900) {
			t.Errorf("%q makes %d events, and the price is %s", none, len(events), s.item("X").Price)
		}
	}
	s.serve(gitem("<g:price>149.00 USD</g:price>"))
	if events := s.poll(); len(events) > 0 {
		t.Error("a price that comes back as it was is news")
	}
}

// Preorder and backorder cannot be bought now; a rule that thinks otherwise reads item.availability.
func TestP9_PreorderIsNoStock(t *testing.T) {
	for text, want := range map[string]otn.Availability{
		"in_stock": otn.InStock, "in stock": otn.InStock, "In Stock": otn.InStock, "out_of_stock": otn.OutOfStock, "out of stock": otn.OutOfStock,
		"preorder": otn.Preorder, "backorder": otn.Backorder, "soon": "", "": "",
	} {
		s := serving(t, googleFeed, gitem("<g:availability>"+text+"</g:availability>"))
		s.first()
		i := s.item("X")
		if i.Availability != want || i.Sellable != (want == otn.InStock) || i.Known.Has(otn.FactSellable) != (want != "") {
			t.Errorf("%q: %+v", text, i)
		}
		if unknown := text == "soon"; unknown != (s.notes() == "availability") {
			t.Errorf("%q: notes %q", text, s.notes())
		}
	}
}

const november = "<g:price>149.00 USD</g:price><g:sale_price>119.00 USD</g:sale_price><g:sale_price_effective_date>%s</g:sale_price_effective_date>"

func TestSaleRanges(t *testing.T) {
	for span, on := range map[string]bool{
		"2026-11-21T13:00-0500/2026-11-30T23:59-0500": true, "2026-11-21T13:00-05:00 / 2026-11-30T23:59-05:00": true,
		"2026-11-22T11:00:00Z/2026-11-22T12:00:00Z": true, "2026-11-22T10:00Z/2026-11-22T11:00Z": true, "2026-11-22/2026-11-22": true, "2026-11-22T11:00/2026-11-23T00:00": true,
		"2026-11-22T11:01Z/2026-11-30T00:00Z": false, "2026-11-01/2026-11-21": false, "2026-11-22T12:00+0100/2026-11-22T12:30+0100": true,
		"2026-11-22T06:00-0500/2026-11-22T06:30-0500": true, "2026-11-22T06:01-0500/2026-11-23T06:30-0500": false,
		"from monday": true, "2026-11-30/2026-11-01": true, strings.Repeat("2026-11-23/", 20): true, // no range is as good as none
	} {
		s := serving(t, googleFeed, gitem(fmt.Sprintf(november, span)))
		s.first()
		want := usd(14900)
		if on {
			want = usd(11900)
		}
		if got := s.item("X").Price; got != want {
			t.Errorf("%s: %s", span, got)
		}
	}
}

// A sale begins and ends by itself, though the file is the same and the server says so.
func TestP16_L17_SaleBeginsAndEndsInAFileThatDoesNotChange(t *testing.T) {
	s := tagged(t, googleFeed, gitem(fmt.Sprintf(november, "2026-11-23T00:00Z/2026-11-24T00:00Z")))
	s.first()
	if got := s.item("X").Price; got != usd(14900) {
		t.Fatalf("before the sale: %s", got)
	}
	if s.poll(); !s.whole().Same {
		t.Error("the file is read again before it has to be")
	}
	s.time = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	if events := s.poll(); len(events) != 1 || events[0].Now.Item.Price != usd(11900) || events[0].Was.Item.Price != usd(14900) {
		t.Errorf("at its beginning: %+v", events)
	}
	if s.poll(); !s.whole().Same {
		t.Error("the file is read again in the middle")
	}
	s.time = time.Date(2026, 11, 24, 0, 0, 1, 0, time.UTC)
	if events := s.poll(); len(events) != 1 || events[0].Now.Item.Price != usd(14900) {
		t.Errorf("at its end: %+v", events)
	}
	if s.poll(); !s.whole().Same {
		t.Error("the file is read again after the end")
	}
}

// A sale price that cannot be read for once leaves the price as it was: it would rise, and fall again.
func TestUnreadableSaleIsNoRise(t *testing.T) {
	s := serving(t, googleFeed, gitem("<g:price>149.00 USD</g:price><g:sale_price>119.00 USD</g:sale_price>"))
	s.first()
	s.serve(gitem("<g:price>149.00 USD</g:price><g:sale_price>119.000 USD</g:sale_price>"))
	if events := s.poll(); len(events) > 0 || s.item("X").Price != usd(11900) {
		t.Errorf("%d events, the price is %s", len(events), s.item("X").Price)
	}
}

// A poll that repeats itself changes nothing.
func TestP21_L15_TheSameAgainIsNoNews(t *testing.T) {
	for _, c := range []struct{ config, file string }{
		{googleFeed, "google.xml"}, {googleFeed, "google.tsv"}, {shopifyFeed + `,"url":"/products.json"`, "shopify_products.json"}, {shopifyFeed, "shopify_product_js_cents.json"},
	} {
		s := serving(t, c.config, fixture(t, c.file))
		s.first()
		s.time = s.time.Add(time.Hour)
		if events := s.poll(); len(events) > 0 {
			t.Errorf("%s: %d events", c.file, len(events))
		}
	}
}

// One bad entry does not stop the others, and does not make its item go away. That an item comes twice is noted; the first counts.
func TestL6_OneBadEntryDoesNotStopTheOthers(t *testing.T) {
	s := serving(t, googleFeed, strings.Replace(fixture(t, "google.xml"), "149.00 USD", "149 dollars", 1))
	s.first()
	if w := s.whole(); w.Items != 3 || s.notes() != "price" || s.item("DJ-S").Price != usd(11900) || s.item("DJ-M").Price != usd(14900) {
		t.Errorf("whole %+v, notes %q", w, s.notes())
	}
	entry := "<item><g:id>X</g:id><g:price>%s</g:price></item>"
	s = serving(t, googleFeed, `<rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:title>nameless</g:title></item>`+
		fmt.Sprintf(entry+entry, "149.00 USD", "99.00 USD")+`</channel></rss>`)
	s.first()
	if w := s.whole(); w.Items != 1 || s.notes() != "no_id id_twice" || s.item("X").Price != usd(14900) {
		t.Errorf("whole %+v, notes %q, price %s", w, s.notes(), s.item("X").Price)
	}
}

// What could not be used is said where somebody looks, and not a thousand times.
func TestL23_WhatWasNotUsedIsOnRecord(t *testing.T) {
	var b strings.Builder
	b.WriteString("id\tprice\n")
	for n := range 1000 {
		price := "free"
		if n%2 == 0 {
			price = "1.00 USD"
		}
		fmt.Fprintf(&b, "item-%d\t%s\n", n, price)
	}
	s := serving(t, googleFeed, b.String())
	s.first()
	var last string
	for _, r := range s.records {
		if r.Note != nil {
			last = r.Note.Text
		}
	}
	if n := strings.Count(s.notes(), "price"); n != 20 || last != "and 480 more like these" || s.whole().Items != 1000 {
		t.Errorf("%d notes, the last: %q", n, last)
	}
}

// A file of which hardly anything can be read is none: the settings are wrong, or it is no feed.
func TestWhatIsNoFeed(t *testing.T) {
	for name, c := range map[string]struct{ config, body, why string }{
		"a page":                   {googleFeed, "<!doctype html><html><body><p>Maintenance</p></body></html>", "root is <html>"},
		"a page, for a table":      {`"format":"csv"`, "<!doctype html>\n<html>", "no column id"},
		"nothing":                  {googleFeed, "", "an empty file"},
		"text":                     {googleFeed, "Maintenance", "no column id"},
		"no names":                 {googleFeed, `<rss><channel><item><title>a</title></item><item><title>b</title></item></channel></rss>`, "2 of 2 entries name no item"},
		"no currency":              {googleFeed, "id\tprice\na\t1.00\nb\t2.00\nc\t3.00\n", "none of 3 prices"},
		"a bomb of tags":           {googleFeed, "<rss>" + strings.Repeat("<a>", 100_000), "nest deeper"},
		"inside an item":           {googleFeed, "<rss><item>" + strings.Repeat("<a>", 100_000), "nest deeper"},
		"own entities":             {googleFeed, `<!DOCTYPE rss [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rss><channel><item><title>&b;</title></item></channel></rss>`, "entity"},
		"a long text":              {googleFeed, "<rss><channel><item><title>" + strings.Repeat("x", 5<<20), "larger than 4 MiB"},
		"a long tag":               {googleFeed, "<rss " + strings.Repeat("x='y' ", 1<<20), "larger than 4 MiB"},
		"a long cell":              {googleFeed, "id\ttitle\na\t" + strings.Repeat("x", 5<<20), "larger than 4 MiB"},
		"an open quote":            {googleFeed, "id\ttitle\na\t\"half\nb\tc\n", "not closed"},
		"an open quote in a table": {`"format":"csv"`, "id,title\na,\"half\nb,c\n", "not closed"},
		"no JSON":                  {shopifyFeed, "<html>", "not JSON"},
		"other JSON":               {shopifyFeed, `{"items":[]}`, "no products"},
		"a list":                   {shopifyFeed, `[1,2]`, "is no"},
		"rss of nothing":           {rssFeed, "<html></html>", "root is <html>"},
	} {
		s := serving(t, c.config, c.body)
		err := s.try()
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", name, err)
		}
		for _, r := range s.records {
			if r.Whole != nil {
				t.Errorf("%s is whole", name)
			}
		}
	}
}

// Atom as well as RSS; Google's own fields before those of the format; fields in no namespace; further fields as attrs.
func TestFormsOfXML(t *testing.T) {
	s := serving(t, googleFeed+`,"attrs":["brand","Custom Label 0"]`, `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><id>tag:shop</id>
<entry><id>tag:1</id><g:id>X</g:id><title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">A <b>coat</b></div></title><link rel="self" href="https://shop.example/self"/><link href="https://shop.example/x"/>
<g:price>5.00 USD</g:price><g:brand>Harbor &amp; Pine</g:brand><g:custom_label_0>new</g:custom_label_0><g:shipping><g:price>9.00 USD</g:price></g:shipping></entry></feed>`)
	s.first()
	i := s.item("X")
	brand, _ := i.Attr("brand")
	label, _ := i.Attr("Custom Label 0")
	if i.Title != "A coat" || i.URL != "https://shop.example/x" || i.Price != usd(500) || brand.Text() != "Harbor & Pine" || label.Text() != "new" {
		t.Errorf("Atom: %+v", i)
	}
	s = serving(t, googleFeed, `<rss><channel><item><id>X</id><title>plain</title><g:title>Google's &eacute;</g:title><price>5.00 USD</price></item></channel></rss>`)
	s.first()
	if i := s.item("X"); i.Title != "Google's é" || i.Price != usd(500) {
		t.Errorf("without a namespace: %+v", i)
	}
}
