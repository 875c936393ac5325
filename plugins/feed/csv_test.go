// What a table means.

package feed_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
)

const table = `"format":"csv"`

func TestCSV(t *testing.T) {
	s := serving(t, table+`,"currency":"USD","columns":{"title":"Name","stock":"qty","attrs.colour":"Colour"}`, "\ufeffid,Name,price,list_price,qty,availability,tags,Colour,note,url\r\n"+
		"SKU-1,\"Coat, waxed\",99.00,\"1,120.00 USD\",3,in stock,winter|new,navy,secret,https://shop.example/1\r\n"+
		"SKU-2,Hat,,,,OUT OF STOCK,,,,\r\n")
	s.first()
	i := s.item("SKU-1")
	colour, _ := i.Attr("colour")
	if i.Title != "Coat, waxed" || i.Price != usd(9900) || i.ListPrice != usd(112000) || i.Stock != 3 || i.Availability != otn.InStock || !i.Sellable || !i.Published ||
		!reflect.DeepEqual(i.Tags, []string{"new", "winter"}) || colour.Text() != "navy" || i.URL != "https://shop.example/1" {
		t.Errorf("got %+v", i)
	}
	if i := s.item("SKU-2"); i.Known.Has(otn.FactPrice) || i.Known.Has(otn.FactStock) || i.Sellable || i.Availability != otn.OutOfStock {
		t.Errorf("empty cells: %+v", i)
	}
	if s.whole() != (otn.Whole{Items: 2}) {
		t.Errorf("whole %+v", s.whole())
	}
}

// A number that is none is an error that is shown, and not 0; the item is as it was.
func TestP38_ThreeIsNoNumber(t *testing.T) {
	s := serving(t, table, "id,stock,sellable\na,3,true\nb,2,TRUE\n")
	s.first()
	for _, line := range []string{"a,three,true", "a,3.5,true", "a,,maybe", "a,3,\"tru\"", "a,0x3,true", "a,3 pieces,true"} {
		s.serve("id,stock,sellable\n" + line + "\nb,2,TRUE\n")
		if events := s.poll(); len(events) > 0 || s.item("a").Stock != 3 || s.notes() != "line" || s.whole().Items != 2 {
			t.Errorf("%s: %d events, stock %d, notes %q", line, len(events), s.item("a").Stock, s.notes())
		}
	}
	s.serve("id,price\na,$119.00\nb,119.00 USD\n")
	if events := s.poll(); len(events) != 1 || s.item("a").Known.Has(otn.FactPrice) || s.notes() != "price" {
		t.Errorf("$119.00: %d events, notes %q", len(events), s.notes())
	}
}

func TestOddTables(t *testing.T) {
	for comma, sep := range map[string]string{";": ";", "|": "|", "tab": "\t"} {
		s := serving(t, table+`,"comma":"`+comma+`"`, strings.Join([]string{"id", "title"}, sep)+"\n"+strings.Join([]string{"a", "Coat"}, sep)+"\n")
		s.first()
		if s.item("a").Title != "Coat" {
			t.Errorf("separated by %s: %+v", comma, s.item("a"))
		}
	}
	s := serving(t, table, "id,title\na,Coat,more\n\nb,\"x\ny\"\nc")
	if err := s.try(); err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("a last line that is cut: %v", err)
	}
	s.serve("id,title\na,Coat,more\n\nb,\"x\ny\"\nc\n")
	s.first()
	if s.notes() != "cells" || s.whole().Items != 3 || s.item("b").Title != "x\ny" {
		t.Errorf("notes %q, %d items", s.notes(), s.whole().Items)
	}
	s.serve("id,title\n")
	if s.poll(); s.whole().Items != 0 {
		t.Error("a table without lines")
	}
}
