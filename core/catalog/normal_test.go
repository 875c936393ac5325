// Observations that make no sense, and those that are only untidy.

package catalog_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

func TestObservationsThatMakeNoSense(t *testing.T) {
	long := strings.Repeat("x", 5000)
	many := make([]string, 257)
	attr := func(v otn.Value) *otn.Item { return &otn.Item{ID: "a", Attrs: []otn.Named{{Name: "n", Value: v}}} }
	for name, o := range map[string]otn.Observation{
		"nothing":             {},
		"both":                {Item: &otn.Item{ID: "a"}, Collection: &otn.Collection{ID: "a"}},
		"no id":               {Item: &otn.Item{ID: " "}},
		"collection no id":    {Collection: &otn.Collection{}},
		"id and ref":          {Item: &otn.Item{ID: "a"}, Ref: "b"},
		"control in id":       {Item: &otn.Item{ID: "a\x00b"}},
		"long id":             {Item: &otn.Item{ID: long[:257]}},
		"long title":          {Item: &otn.Item{ID: "a", Known: otn.FactTitle, Title: long}},
		"long collection url": {Collection: &otn.Collection{ID: "a", Known: otn.FactURL, URL: long}},
		"many tags":           {Item: &otn.Item{ID: "a", Known: otn.FactTags, Tags: many}},
		"many items":          {Collection: &otn.Collection{ID: "a", Known: otn.FactItems, Items: many}},
		"currency":            {Item: &otn.Item{ID: "a", Known: otn.FactPrice, Price: otn.Money{Minor: 1, Currency: "XXX"}}},
		"availability":        {Item: &otn.Item{ID: "a", Known: otn.FactAvailability, Availability: "soon"}},
		"foreign fact":        {Item: &otn.Item{ID: "a", Known: otn.FactLaunchAt}},
		"foreign forget":      {Collection: &otn.Collection{ID: "a"}, Forget: otn.FactStock},
		"told and forgotten":  {Item: &otn.Item{ID: "a", Known: otn.FactStock}, Forget: otn.FactStock},
		"year":                {Item: &otn.Item{ID: "a", Known: otn.FactStartsAt, StartsAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		"not a number":        {Item: attr(otn.FloatValue(math.NaN()))},
		"no amount":           {Item: attr(otn.MoneyValue(otn.Money{}))},
		"long attr":           {Item: attr(otn.StringValue(long))},
		"attr twice":          {Item: &otn.Item{ID: "a", Attrs: []otn.Named{{Name: "n"}, {Name: "n"}}}},
		"attr without name":   {Item: &otn.Item{ID: "a", Attrs: []otn.Named{{}}}},
		"refs of collection":  {Collection: &otn.Collection{ID: "a"}, Refs: []string{"x"}},
	} {
		b := &ledger.Batch{}
		n, err := newShelf(t).catalog.Observe(b, start, o)
		if !errors.Is(err, otn.ErrInvalid) || n != 0 || len(b.Docs) != 0 {
			t.Errorf("%s: %v, %d documents", name, err, len(b.Docs))
		} else if len(err.Error()) > 300 {
			t.Errorf("%s: the error is %d bytes long", name, len(err.Error()))
		}
	}
}

func TestUntidyObservations(t *testing.T) {
	s := newShelf(t)
	s.observe(at(0), otn.Observation{Source: "store", Item: &otn.Item{
		ID: " SKU-1 ", Known: otn.FactTitle | otn.FactTags | otn.FactStock | otn.FactStartsAt, Title: "Co\xffat ", Tags: []string{" b", "a", "b", ""},
		Stock: math.MaxInt64, Price: usd("5"), Variant: strings.Repeat("x", 9999), // not told
	}})
	i := s.item("SKU-1")
	if i.Title != "Co\uFFFDat" || len(i.Tags) != 2 || i.Tags[0] != "a" || i.Stock != 1<<50 || i.Variant != "" || i.Known != otn.FactTitle|otn.FactTags|otn.FactStock {
		t.Errorf("got %+v", i)
	}
	s.observe(at(1), stocked("SKU-1", -2, at(1))) // backorder: two are owed
	if i := s.item("SKU-1"); i.Stock != -2 {
		t.Errorf("stock %d", i.Stock)
	}
}
