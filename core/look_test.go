// What the Host gathers for previews and explanations: the consent a run would take, the facts now, and what was before.

package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

func (w *world) look(q core.LookRequest) core.Look {
	w.t.Helper()
	l, err := w.host.Look(context.Background(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func TestLookAtSomebodyWhoWaits(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop").can.Forms = []otn.Form{otn.CardForm}
		w.start()
		w.price("coat", "120.00 USD")
		w.after(time.Second)
		w.grantToken("bob", "price-drop", "coat", "one", target("80.00 USD"))
		w.after(time.Hour)
		w.grantToken("bob", "price-drop", "coat", "two", target("70.00 USD"))
		w.grant("bob", "news", "")
		q := core.LookRequest{Rule: "price-drop", Channel: "shop", Recipient: "bob"}
		l := w.look(q)
		want(t, "holds", l.Holds, true)
		want(t, "subject", l.Consent.Subject, "coat")
		want(t, "token", l.Consent.Token.ID(), otn.NewToken("page", "one").ID()) // the one that ends first
		want(t, "waiting", l.Consent.Waiting, 3)
		want(t, "was", l.Facts.Was.Item.Price.String(), "120.00 USD")
		want(t, "last", l.Last == nil, true)
		want(t, "forms", l.Channels["shop"].Carries(otn.CardForm), true)

		w.price("coat", "99.00 USD")
		w.after(time.Second)
		l = w.look(q)
		want(t, "now", l.Facts.Now.Item.Price.String(), "99.00 USD")
		want(t, "was", l.Facts.Was.Item.Price.String(), "120.00 USD")
		want(t, "verdict", l.Last.Verdict, "no")
		want(t, "because", l.Last.Because, "not as cheap as 80.00 USD")

		// Nobody waits for the cap any more when its price changes once more: what was decided before is not before this.
		w.price("cap", "40.00 USD")
		w.after(time.Second)
		w.grant("ann", "price-drop", "cap")
		w.price("cap", "9.00 USD")
		w.after(time.Second)
		w.price("cap", "8.00 USD")
		w.after(time.Second)
		l = w.look(core.LookRequest{Rule: "price-drop", Channel: "shop", Recipient: "eve", Subject: "cap"})
		want(t, "was of the cap", l.Facts.Was.Item.Price.String(), "8.00 USD")

		// A change that the rule did not have to look at is no longer "before": nobody waits for the hat.
		w.price("hat", "20.00 USD")
		w.price("hat", "10.00 USD")
		w.after(time.Second)
		l = w.look(core.LookRequest{Rule: "price-drop", Channel: "shop", Recipient: "eve", Subject: "hat"})
		want(t, "was of the hat", l.Facts.Was.Item.Price.String(), "10.00 USD")
	})
}

// Looking writes nothing: the ledger's head is where it was.
func TestP27_LookChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.stock("coat", 0)
		w.grant("ann", "back", "coat")
		w.look(core.LookRequest{Rule: "back", Channel: "shop", Recipient: "ann"})
		w.stock("coat", 3)
		w.after(time.Second)
		want(t, "told", texts(shop), "ann: now back ")
		l := w.look(core.LookRequest{Rule: "back", Channel: "shop", Recipient: "ann", Subject: "coat"})
		want(t, "holds after it was spent", l.Holds, false)
		want(t, "last", l.Facts.Last.Now.Item.Stock, 3)
		runs, _, err := w.host.Runs(core.RunQuery{})
		if err != nil || len(runs) != 1 {
			t.Errorf("%d runs, %v", len(runs), err)
		}
	})
}

// Somebody without a consent is looked at as if they agreed now.
func TestLookAtAnybody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.start()
		w.price("coat", "120.00 USD")
		l := w.look(core.LookRequest{Rule: "price-drop", Channel: "shop", Recipient: "eve", Subject: "coat"})
		want(t, "holds", l.Holds, false)
		want(t, "price then", l.Consent.PriceThen.String(), "120.00 USD")
		l = w.look(core.LookRequest{Rule: "news", Channel: "shop", Recipient: "eve", Fields: map[string]string{"title": "Winter"}})
		want(t, "fields", l.Facts.Trigger.Fields[0].Value.Text(), "Winter")
		for _, c := range []struct {
			q    core.LookRequest
			want error
		}{
			{core.LookRequest{Rule: "nothing", Channel: "shop", Recipient: "eve"}, otn.ErrNotFound},
			{core.LookRequest{Rule: "price-drop", Channel: "nowhere", Recipient: "eve", Subject: "coat"}, otn.ErrNotFound},
			{core.LookRequest{Rule: "price-drop", Channel: "shop", Recipient: "eve", Subject: "hat"}, otn.ErrNotFound},
			{core.LookRequest{Rule: "price-drop", Channel: "shop", Recipient: "eve"}, otn.ErrInvalid},
			{core.LookRequest{Rule: "price-drop", Channel: "shop", Recipient: "eve", Subject: "coat", Fields: map[string]string{"a": "b"}}, otn.ErrInvalid},
		} {
			if _, err := w.host.Look(context.Background(), c.q); !errors.Is(err, c.want) {
				t.Errorf("%+v: %v, want %v", c.q, err, c.want)
			}
		}
	})
}
