// The example shop, from event to message.

package rules

import (
	"testing"

	"github.com/onetimenotify/otn/core/otn"
)

func TestShopCompilesWithoutWarnings(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	if w := set.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %v", Errors(w))
	}
	if got := len(set.List()); got != 5 {
		t.Errorf("%d rules, want 5", got)
	}
	states := map[string]bool{"price-drop": false, "back-in-stock": true, "launch": true, "tickets": true, "lookbook": false}
	for _, r := range set.List() {
		if r.State != states[r.ID] {
			t.Errorf("%s: state %v, want %v", r.ID, r.State, states[r.ID])
		}
	}
}

func TestPriceDropTellsAnn(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	e := changed(coat(price(usd(12000))), coat(price(usd(9900))))
	if v, why := decide(t, set, "price-drop", e, nil, ann(answer("target", otn.MoneyValue(usd(10000))))); v != otn.Yes {
		t.Errorf("ann: %v, %s", v, why)
	}
	if v, _ := decide(t, set, "price-drop", e, nil, ann(answer("target", otn.MoneyValue(usd(8000))))); v != otn.No {
		t.Errorf("bob: %v, want no", v)
	}
	if v, _ := decide(t, set, "price-drop", e, nil, ann()); v != otn.Yes {
		t.Errorf("without a target: %v, want yes", v)
	}
	p, err := set.Open(otn.Facts{Rule: "price-drop", At: e.At, Now: e.Now, Was: e.Was})
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Render(ann(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.Card.Title != "Wool coat is now $99.00" || m.Card.Subtitle != "It was $120.00 when you asked" {
		t.Errorf("card: %+v", m.Card)
	}
	for _, line := range p.Explain(ann()) {
		t.Log(line)
	}
}
