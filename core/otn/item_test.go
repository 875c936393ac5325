// What is read from an item's history.

package otn

import (
	"testing"
	"time"
)

func TestLowSince(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC) }
	usd := func(n int64) Money { return Money{n * 100, "USD"} }
	// 90 until the 3rd, 110 until the 7th, 120 from then on.
	i := Item{Known: FactPrice, Price: usd(120), Lows: []Low{{at(3), usd(90)}, {at(7), usd(110)}, {at(7), usd(120)}}}
	for day, want := range map[int]Money{1: usd(90), 3: usd(90), 4: usd(110), 7: usd(110), 8: usd(120)} {
		if got, ok := i.LowSince(at(day)); !ok || got != want {
			t.Errorf("since the %d.: %s, want %s", day, got, want)
		}
	}
	i.Known, i.Price = 0, Money{}
	if got, ok := i.LowSince(at(8)); ok || !got.IsZero() {
		t.Errorf("no price is known now, and the lowest since is %s", got)
	}
}

// Stock on something hidden is no stock: who tells that it can be bought and who tells that it is out may be two bodies.
func TestP10OnlyWhatIsPublishedIsSellable(t *testing.T) {
	both := FactSellable | FactPublished
	for name, c := range map[string]struct {
		item Item
		want bool
	}{
		"nothing told":               {Item{}, true},
		"sellable, published":        {Item{Known: both, Sellable: true, Published: true}, true},
		"sellable, hidden":           {Item{Known: both, Sellable: true}, false},
		"not told, hidden":           {Item{Known: FactPublished}, false},
		"sold out, published":        {Item{Known: both, Published: true}, false},
		"sellable, not told whether": {Item{Known: FactSellable, Sellable: true}, true},
	} {
		if got := c.item.IsSellable(); got != c.want {
			t.Errorf("%s: sellable %v", name, got)
		}
	}
}
