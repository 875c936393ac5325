// The example of the design, word for word: the whole language in one file.

package rules

import (
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

func TestTheWholeLanguageIsInOrder(t *testing.T) {
	set := compileFile(t, "design.yaml")
	if w := set.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %v", Errors(w))
	}
	plans := map[string]otn.Plan{}
	for _, r := range set.List() {
		plans[r.ID] = r.Plan
	}
	for id, want := range map[string]otn.Plan{
		"price-drop":    {},
		"back-in-stock": {Hold: 5 * time.Minute, Every: 20 * time.Minute, Hours: otn.Hours{From: 9 * 60, To: 21 * 60, TZ: "America/New_York", Subscriber: true}},
		"launch":        {Spread: 30 * time.Minute, Ends: true},
		"tickets":       {Limits: otn.Limits{PerRun: 500, PauseShare: 0.25, PauseAtLeast: 200}},
		"lookbook":      {},
	} {
		if plans[id] != want {
			t.Errorf("%s: %+v, want %+v", id, plans[id], want)
		}
	}
	if asks := set.Asks(); len(asks) != 3 || asks[0] != (otn.AskRule{ID: "before-the-window-closes", Topic: "journal", On: otn.WindowOpened, After: 23 * time.Hour, When: "sub.consents == 0", File: "shop.yaml", Line: 25}) {
		t.Errorf("asks: %+v", asks)
	}
	again, err := set.Restore(set.Source())
	if err != nil || again.Version() != set.Version() || len(again.Asks()) != 3 || again.List()[1].Plan != plans["back-in-stock"] {
		t.Errorf("restored: %v", err)
	}
}
