// What holds for any observations, in any order.

package catalog_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"pgregory.net/rapid"
)

// anyObservation is about one item, by its id or by its ref.
func anyObservation(t *rapid.T, minute int) otn.Observation {
	i := &otn.Item{ID: "SKU-1", Known: otn.Fact(rapid.Uint32().Draw(t, "known")) & (otn.FactTitle | otn.FactPrice | otn.FactStock | otn.FactSellable | otn.FactTags)}
	o := otn.Observation{Source: "store", AsOf: at(minute), Item: i, Refs: []string{"inv"}}
	i.Title = rapid.SampledFrom([]string{"", "Coat", "Hat"}).Draw(t, "title")
	i.Price = otn.Money{Minor: rapid.Int64Range(-1, 3).Draw(t, "price"), Currency: rapid.SampledFrom([]string{"USD", "EUR"}).Draw(t, "currency")}
	i.Stock = rapid.Int64Range(-2, 3).Draw(t, "stock")
	i.Sellable = rapid.Bool().Draw(t, "sellable")
	i.Tags = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3).Draw(t, "tags")
	o.Gone = rapid.IntRange(0, 9).Draw(t, "gone") == 0
	if rapid.Bool().Draw(t, "forget") {
		o.Forget = otn.FactStock &^ i.Known
	}
	for _, name := range []string{"x", "y"} {
		switch rapid.IntRange(0, 3).Draw(t, name) {
		case 0:
			i.Attrs = append(i.Attrs, otn.Named{Name: name})
		case 1:
			i.Attrs = append(i.Attrs, otn.Named{Name: name, Value: otn.IntValue(int64(minute))})
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "parts") == 0 {
		o.Parts = map[string]*int64{rapid.SampledFrom([]string{"p", "q"}).Draw(t, "place"): rapid.SampledFrom([]*int64{nil, pieces(0), pieces(int64(minute))}).Draw(t, "pieces")}
	}
	if rapid.IntRange(0, 3).Draw(t, "by ref") == 0 {
		i.ID, o.Ref, o.Refs = "", "inv", nil
	}
	return o
}

// P19: whatever the order in which versions arrive, and however they are cut into batches, the same is known in the end.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var obs []otn.Observation
		for n := range rapid.IntRange(1, 7).Draw(rt, "observations") {
			obs = append(obs, anyObservation(rt, n))
		}
		obs = append(obs, otn.Observation{Source: "store", AsOf: at(-1), Item: &otn.Item{ID: "SKU-1"}, Refs: []string{"inv"}})
		know := func(order []otn.Observation, batch int) otn.Item {
			s := newShelf(t)
			for len(order) > 0 {
				n := min(batch, len(order))
				s.observe(at(100), order[:n]...)
				order = order[n:]
			}
			i := s.item("SKU-1")
			i.Lows = nil // a history of what was recorded, in the order in which it was
			return i
		}
		want := know(obs, 1)
		got := know(rapid.Permutation(obs).Draw(rt, "order"), rapid.IntRange(1, 4).Draw(rt, "batch"))
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

// Every change is one event, whose was is what the event before it left: nothing falls between two events.
func TestEventsAreAChain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newShelf(t)
		var last *otn.Snapshot
		for n := range rapid.IntRange(1, 10).Draw(rt, "batches") {
			for _, e := range s.observe(at(n), anyObservation(rt, n), anyObservation(rt, n)) {
				switch {
				case last == nil && !e.First, last != nil && e.First:
					rt.Fatalf("first is %v", e.First)
				case last != nil && !reflect.DeepEqual(e.Was.Item, last.Item):
					rt.Fatalf("was %+v\nleft %+v", e.Was.Item, last.Item)
				case !e.First && reflect.DeepEqual(e.Was.Item, e.Now.Item):
					rt.Fatalf("nothing changed: %+v", e.Now.Item)
				}
				last = &e.Now
			}
		}
		if last == nil {
			return
		}
		if now := s.item("SKU-1"); !reflect.DeepEqual(now, *last.Item) {
			rt.Fatalf("the catalog has %+v\nthe journal ends with %+v", now, last.Item)
		}
	})
}

// A document comes back from JSON as it was, so that the next observation is compared with what was meant.
func TestDocumentsComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newShelf(t)
		o := anyObservation(rt, 0)
		o.Item.ID, o.Ref = fmt.Sprint(rapid.Uint64().Draw(rt, "id")), ""
		o.Item.Known |= otn.FactTitle | otn.FactPublishedAt
		o.Item.Title = rapid.String().Draw(rt, "title")
		o.Item.PublishedAt = time.Unix(rapid.Int64Range(0, 1<<33).Draw(rt, "s"), rapid.Int64Range(0, 999999999).Draw(rt, "ns"))
		o.Item.Attrs = []otn.Named{{Name: "f", Value: otn.FloatValue(rapid.Float64().Draw(rt, "f"))}, {Name: "n", Value: otn.IntValue(rapid.Int64().Draw(rt, "n"))},
			{Name: "s", Value: otn.StringValue(rapid.String().Draw(rt, "s"))}}
		e := s.observe(at(0), o)[0]
		for _, a := range o.Item.Attrs {
			if got, _ := e.Now.Item.Attr(a.Name); got != a.Value {
				rt.Fatalf("attr %s: %v became %v", a.Name, a.Value, got)
			}
		}
		if e.Now.Item.ID != o.Item.ID || !e.Now.Item.PublishedAt.Equal(o.Item.PublishedAt) {
			rt.Fatalf("%+v became %+v", o.Item, e.Now.Item)
		}
		if events := s.observe(at(1), o); len(events) != 0 {
			was, _ := json.Marshal(events[0].Was)
			now, _ := json.Marshal(events[0].Now)
			rt.Fatalf("the same again made an event:\n%s\n%s", was, now)
		}
	})
}

// LowSince is the lowest price that held from a moment on; it may be lower than that when the staircase is full, never higher.
func TestStaircase(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newShelf(t)
		type told struct {
			minute int
			minor  int64
		}
		var history []told
		var full bool
		long := rapid.SampledFrom([]int{1, 2, 5, 20, 80}).Draw(rt, "observations")
		high := rapid.SampledFrom([]int64{4, 40, 4000}).Draw(rt, "range")
		rising := rapid.Bool().Draw(rt, "rising")
		for n := range long {
			minor := rapid.Int64Range(1, high).Draw(rt, "price")
			if rising {
				minor += int64(n) * 30
			}
			history = append(history, told{2 * n, minor})
			for _, e := range s.observe(at(2*n), otn.Observation{Source: "store", Item: &otn.Item{ID: "SKU-1", Known: otn.FactPrice, Price: otn.Money{Minor: minor, Currency: "USD"}}}) {
				full = full || len(e.Now.Item.Lows) == 64
			}
		}
		i := s.item("SKU-1")
		if len(i.Lows) > 64 {
			rt.Fatalf("%d steps", len(i.Lows))
		}
		for since := -1; since <= 2*long; since++ {
			want := int64(1 << 62)
			for n, h := range history {
				if n == len(history)-1 || history[n+1].minute >= since { // it held until the next one came
					want = min(want, h.minor)
				}
			}
			got, ok := i.LowSince(at(since))
			if !ok || got.Minor > want || got.Minor < want && !full {
				rt.Fatalf("since %d: got %s, want %d", since, got, want)
			}
		}
	})
}
