// Gathering: what one person would be told of by several runs goes into one gallery, for one token.

package core_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// gathering is a world whose rule price-drop gathers for a quarter of an hour, and whose channel carries galleries.
func gathering(t *testing.T, test func(t *testing.T, w *fragile, shop *channel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := breakable(t)
		rules := plans("price-drop", otn.Plan{Coalesce: 15 * time.Minute})
		rules.card = true
		w.rules = rules
		shop := w.gallery()
		w.start()
		test(t, w, shop)
		if w.stop != nil {
			w.stop()
		}
	})
}

func (w *fragile) gallery() *channel {
	shop := w.fake("shop")
	shop.can.MaxInFlight = 1
	shop.can.Forms = []otn.Form{otn.TextForm, otn.CardForm, otn.GalleryForm}
	return shop
}

// wants lets a person wait for cheaper things, each of which costs 120 now.
func (w *world) wants(sub string, things ...string) {
	w.t.Helper()
	for _, thing := range things {
		w.price(thing, "120.00 USD")
		w.grant(sub, "price-drop", thing)
	}
}

// titles are what a message shows.
func titles(m otn.Message) string {
	var list []string
	for _, c := range m.Gallery {
		list = append(list, c.Title)
	}
	if m.Card != nil {
		list = append(list, m.Card.Title)
	}
	return strings.Join(list, ", ")
}

func TestOneGalleryForAPerson(t *testing.T) {
	gathering(t, func(t *testing.T, w *fragile, shop *channel) {
		w.wants("ann", "coat", "hat", "scarf")
		w.wants("bob", "hat")
		w.price("coat", "99.00 USD")
		w.after(5 * time.Minute)
		w.price("hat", "89.00 USD")
		w.after(time.Second)
		want(t, "states", w.states(), "waiting waiting")
		says(t, "why", w.because("bob"), "gathers")
		w.after(10*time.Minute - 2*time.Second)
		want(t, "told before", shop.calls(), 0)
		w.after(time.Second)
		want(t, "told", whom(shop), "ann")
		want(t, "of", titles(shop.sent[0].Message), "coat 99.00 USD, hat 89.00 USD")
		want(t, "token", shop.sent[0].Token.Reveal(), "token-ann-price-drop-coat")
		w.restart()
		w.after(5 * time.Minute)
		want(t, "told in the end", whom(shop), "ann bob")
		want(t, "bob's is no gallery", titles(shop.sent[1].Message), "hat 89.00 USD")
		want(t, "states", w.states(), "done done")
		says(t, "why of the hat", w.why("ann", "hat"), "told of it in the message", "waits on")
		w.after(time.Hour)
		w.price("hat", "79.00 USD") // her consent to the hat is whole
		w.after(time.Hour)
		want(t, "told by the next event", whom(shop), "ann bob ann")
		want(t, "of", titles(shop.sent[2].Message), "hat 79.00 USD")
	})
}

// why is the last reason about one subject.
func (w *world) why(sub, subject string) string {
	w.t.Helper()
	why, err := w.host.Why("shop", sub, "")
	if err != nil {
		w.t.Fatal(err)
	}
	last := ""
	for _, r := range why.Reasons {
		if r.Subject == subject {
			last = r.Because
		}
	}
	return last
}

// What is not true any more, is not meant, or does not fit is not gathered.
func TestWhatIsNotGathered(t *testing.T) {
	gathering(t, func(t *testing.T, w *fragile, shop *channel) {
		w.wants("ann", "coat", "hat", "scarf")
		w.grantToken("ann", "price-drop", "hat", "second", target("1.00 USD"))
		for i := range 12 {
			w.wants("ann", fmt.Sprint("thing", i))
		}
		for _, thing := range []string{"coat", "hat", "scarf"} {
			w.price(thing, "99.00 USD")
		}
		for i := range 12 {
			w.price(fmt.Sprint("thing", i), "99.00 USD")
		}
		w.after(14 * time.Minute)
		w.price("scarf", "150.00 USD")
		w.after(time.Minute)
		first := shop.sent[0].Message
		want(t, "cards", len(first.Gallery), otn.MaxCards)
		if strings.Contains(titles(first), "scarf") {
			t.Error("gathered what is not true any more: ", titles(first))
		}
		want(t, "messages", shop.calls(), 2)
		want(t, "the rest", len(shop.sent[1].Message.Gallery), 14-otn.MaxCards)
	})
}

// A channel that carries no gallery tells each by itself.
func TestNoGalleryWhereThereIsNone(t *testing.T) {
	gathering(t, func(t *testing.T, w *fragile, shop *channel) {
		shop.can.Forms = []otn.Form{otn.CardForm}
		w.wants("ann", "coat", "hat")
		w.price("coat", "99.00 USD")
		w.price("hat", "99.00 USD")
		w.after(time.Hour)
		want(t, "told", whom(shop), "ann ann")
	})
}

// A death in the middle of a gallery never tells twice what it told.
func TestDeathInAGallery(t *testing.T) {
	for _, cut := range []bool{false, true} {
		gathering(t, func(t *testing.T, w *fragile, shop *channel) {
			shop.answer = func(otn.Delivery, int) error { w.die(cut); return nil }
			w.wants("ann", "coat", "hat")
			w.price("coat", "99.00 USD")
			w.after(time.Minute)
			w.price("hat", "89.00 USD")
			w.after(14 * time.Minute)
			want(t, "told", whom(shop), "ann")
			shop = w.gallery()
			w.rise()
			w.after(24 * time.Hour)
			want(t, "told by the living", whom(shop), "")
			says(t, "why of the hat", w.why("ann", "hat"), "told of it in the message")
		})
	}
}

// Where nothing was handed over before the death, the living tell all of it.
func TestDeathBeforeAGallery(t *testing.T) {
	gathering(t, func(t *testing.T, w *fragile, shop *channel) {
		shop.answer = func(d otn.Delivery, _ int) error {
			if d.Subscriber.ID == "bob" {
				w.die(false) // ann is claimed, and untouched
			}
			return nil
		}
		w.wants("bob", "coat")
		w.wants("ann", "coat", "hat")
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		w.price("hat", "89.00 USD")
		w.after(15 * time.Minute)
		shop = w.gallery()
		w.rise()
		w.after(time.Hour)
		want(t, "told by the living", whom(shop), "ann")
		want(t, "of", len(shop.sent[0].Message.Gallery), 2)
	})
}

// A doubt is sent again with the identical gallery, or not at all.
func TestDoubtfulGallery(t *testing.T) {
	for _, gone := range []bool{false, true} {
		gathering(t, func(t *testing.T, w *fragile, shop *channel) {
			shop.can.SingleUseToken = true
			shop.answer = func(_ otn.Delivery, nth int) error {
				if nth == 1 {
					return errors.New("the line went dead")
				}
				return nil
			}
			w.wants("ann", "coat", "hat")
			w.price("coat", "99.00 USD")
			w.after(time.Second)
			w.price("hat", "89.00 USD")
			w.after(15*time.Minute - time.Second)
			want(t, "calls", shop.calls(), 1)
			w.price("hat", "69.00 USD")
			if gone {
				w.withdraw("ann", "hat")
			}
			w.after(10 * time.Minute)
			if gone {
				want(t, "calls", shop.calls(), 1)
				return
			}
			want(t, "calls", shop.calls(), 2)
			want(t, "again", titles(shop.sent[1].Message), titles(shop.sent[0].Message))
		})
	}
}

// withdraw ends a consent as the person's stop does: through the channel.
func (w *fragile) withdraw(sub, subject string) {
	w.t.Helper()
	w.stop()
	l := w.ledger()
	if err := errors.Join(l.Withdraw(w.t.Context(), otn.NewToken("page", "token-"+sub+"-price-drop-"+subject).ID(), time.Now()), l.Close()); err != nil {
		w.t.Fatal(err)
	}
	w.start()
}

// A message that was put off with others' news in it, and goes out without, told nobody of them: not by its words, not in
// the books, and not when it is sent once more.
func TestGalleryThatShrank(t *testing.T) {
	for name, lost := range map[string]bool{"accepted": false, "in doubt": true} {
		t.Run(name, func(t *testing.T) {
			gathering(t, func(t *testing.T, w *fragile, shop *channel) {
				shop.can.SingleUseToken = true
				shop.answer = func(_ otn.Delivery, nth int) error {
					switch {
					case nth == 1:
						return deferred(time.Minute, otn.MessageScope)
					case nth == 2 && lost:
						return errors.New("the line went dead")
					}
					return nil
				}
				w.wants("ann", "coat", "hat")
				w.price("coat", "99.00 USD")
				w.after(5 * time.Minute)
				w.price("hat", "89.00 USD")
				w.after(10*time.Minute + time.Second)
				want(t, "put off", titles(shop.sent[0].Message), "coat 99.00 USD, hat 89.00 USD")
				w.price("hat", "130.00 USD")
				w.after(time.Minute + 10*time.Second)
				want(t, "without the hat", titles(shop.sent[1].Message), "coat 99.00 USD")
				w.price("hat", "89.00 USD")
				w.after(time.Minute)
				if lost {
					want(t, "once more", titles(shop.sent[2].Message), "coat 99.00 USD")
				}
				w.after(3 * time.Minute)
				hat := shop.sent[len(shop.sent)-1]
				want(t, "of the hat", hat.Token.Reveal(), "token-ann-price-drop-hat")
			})
		})
	}
}

// A doubt is sent again in the form of its first attempt, also through a newer version of its channel that carries more; one
// that carries less does not send it.
func TestDoubtKeepsItsForm(t *testing.T) {
	cards := []otn.Form{otn.TextForm, otn.CardForm}
	for name, c := range map[string]struct {
		before, after []otn.Form
		calls         int
	}{
		"more": {[]otn.Form{otn.TextForm}, cards, 2},
		"less": {cards, []otn.Form{otn.TextForm}, 1},
		"same": {cards, cards, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.rules = ofForm{shopRules{text: "now"}}
				shop := w.fake("shop")
				shop.can.SingleUseToken, shop.can.Forms = true, c.before
				shop.answer = func(_ otn.Delivery, nth int) error {
					if nth == 1 {
						return errors.New("the line went dead")
					}
					return nil
				}
				w.start()
				w.waiting("ann")
				w.price("coat", "99.00 USD")
				w.after(time.Second)
				shop.can.Forms = c.after
				w.restart()
				w.after(24 * time.Hour)
				want(t, "calls", shop.calls(), c.calls)
				for _, s := range shop.sent {
					want(t, "a card", s.Message.Card != nil, shop.sent[0].Message.Card != nil)
				}
			})
		})
	}
}

// ofForm are rules whose messages are cards where the channel carries them.
type ofForm struct{ shopRules }

func (r ofForm) Restore(source []byte) (otn.Rules, error) {
	rules, err := r.shopRules.Restore(source)
	return ofForm{rules.(shopRules)}, err
}

func (r ofForm) Open(f otn.Facts) (otn.Page, error) {
	page, err := r.shopRules.Open(f)
	return formed{page}, err
}

type formed struct{ otn.Page }

func (p formed) Render(c *otn.Consent, can *otn.Capabilities) (otn.Message, error) {
	m, err := p.Page.Render(c, can)
	if can.Carries(otn.CardForm) {
		m = otn.Message{Card: &otn.Card{Title: m.Text}}
	}
	return m, err
}
