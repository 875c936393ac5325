// Why somebody was not told: each way has its code, and words that a merchant reads.

package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
)

// lastWhy is the last reason that is known of somebody, by one rule.
func (w *world) lastWhy(sub string) core.Reason {
	w.t.Helper()
	why, err := w.host.Why("shop", sub, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return why.Reasons[len(why.Reasons)-1]
}

func TestWhyNotTold(t *testing.T) {
	hold := strings.Replace(backRule, "when:", "hold: 10m\n    when:", 1)
	for _, c := range []struct {
		name, rules string
		does        func(w *world)
		code, words string
	}{
		{"the condition is false", backRule, func(w *world) {
			w.grant("ann", "back", "coat", quantity(9))
			w.stock("coat", 3)
		}, core.WhenFalse, "item.stock >= sub.quantity"},
		{"a fact is not known", strings.ReplaceAll(backRule, "item.stock >= sub.quantity", "item.price < money(\"100.00 USD\")"), func(w *world) {
			w.grant("ann", "back", "coat")
			w.stock("coat", 3)
		}, core.Undecided, "item.price"},
		{"first sight", backRule, func(w *world) {
			w.grant("ann", "back", "hat")
			w.stock("hat", 3)
		}, core.FirstSight, "first sight"},
		{"it was true before", backRule, func(w *world) {
			w.stock("coat", 3)
			w.grant("ann", "back", "coat")
			w.stock("coat", 4)
		}, core.WasTrue, "it was true before"},
		{"held", hold, func(w *world) {
			w.grant("ann", "back", "coat")
			w.stock("coat", 3)
		}, core.OnHold, "held until"},
		{"it did not stay true", hold, func(w *world) {
			w.grant("ann", "back", "coat")
			w.stock("coat", 3)
			w.after(time.Minute)
			w.stock("coat", 0)
		}, core.WhenFalse, "item.stock >= sub.quantity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			speaking(t, c.rules, func(t *testing.T, w *world, shop *channel) {
				c.does(w)
				w.after(time.Second)
				why := w.lastWhy("ann")
				want(t, "code", why.Code, c.code)
				if said := why.Because + "\n" + strings.Join(why.Values, "\n"); !strings.Contains(said, c.words) {
					t.Errorf("%q does not say %q", said, c.words)
				}
				want(t, "calls", shop.calls(), 0)
			})
		})
	}
}

// Of two consents of one person, one is used, and the other says so.
func TestWhyOtherConsent(t *testing.T) {
	speaking(t, backRule, func(t *testing.T, w *world, shop *channel) {
		w.grantToken("ann", "back", "coat", "first", quantity(1))
		w.after(time.Hour)
		w.grantToken("ann", "back", "coat", "second", quantity(1))
		w.stock("coat", 3)
		w.after(time.Minute)
		want(t, "told", texts(shop), "ann: now 3")
		why, err := w.host.Why("shop", "ann", "back")
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, r := range why.Reasons {
			codes = append(codes, r.Code)
		}
		want(t, "codes", strings.Contains(strings.Join(codes, " "), core.OtherConsent), true)
	})
}
