// Platforms that know no tokens: SMS, e-mail, web push. The door mints one, and each is spent once.

package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// yes is a word that somebody wrote, which names nothing.
func yes(id, key string) otn.Record {
	s := who(id)
	s.Address = otn.NewSecret("https://push.example/" + id)
	return otn.Record{Key: key, Consent: &otn.Consent{Token: otn.NewToken("page", ""), Subscriber: s, Mint: true}}
}

// waits are the topics and subjects of the consents of the shop, by state.
func (w *world) stands() string {
	w.t.Helper()
	list, _, err := w.host.Consents(core.ConsentQuery{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, c := range list {
		lines = append(lines, c.State+" "+c.Topic+"/"+c.Subject)
	}
	return strings.Join(lines, ", ")
}

// A yes answers what was asked last, is kept once however often it is said, and buys one message; after that it can be said again.
func TestAMintedConsentAnswersTheLastAsk(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		w.stock("coat", 0)
		b.says(t, w, opening("ann"), wish("ann", "", "notify.news"))
		w.after(time.Second)
		b.says(t, w, wish("ann", "", "notify.back.coat"))
		w.after(time.Second)
		b.says(t, w, yes("ann", "sms-1"), yes("ann", "sms-2"))
		b.says(t, w, yes("ann", "sms-1"))
		b.says(t, w, yes("ann", "sms-3"))
		want(t, "consents", w.stands(), "waiting back/coat")
		w.stock("coat", 5)
		w.after(time.Minute)
		sent := b.accepted()
		if len(sent) != 1 || sent[0].Token.IsZero() || sent[0].Token.Account() != "page" || sent[0].Subscriber.Address.Reveal() != "https://push.example/ann" {
			t.Fatalf("sent %+v", sent)
		}
		// Weeks later the platform repeats the first yes: it was kept, and it was told.
		w.after(20 * 24 * time.Hour)
		b.says(t, w, yes("ann", "sms-1"))
		w.stock("coat", 0)
		w.stock("coat", 5)
		w.after(time.Minute)
		want(t, "sent after the same yes again", len(b.accepted()), 1)
		// A new ask, and a new yes: a consent of its own.
		b.says(t, w, opening("ann"), wish("ann", "", "notify.back.coat"))
		w.after(time.Second)
		b.says(t, w, yes("ann", "sms-4"))
		w.stock("coat", 0)
		w.stock("coat", 5)
		w.after(time.Minute)
		if sent := b.accepted(); len(sent) != 2 || sent[0].Token.ID() == sent[1].Token.ID() {
			t.Errorf("sent after a new yes: %d", len(sent))
		}
	})
}

// What a record names itself counts, also as a ref that a button or a link carried.
func TestAMintedConsentThatSaysWhatItIsAbout(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		named, linked := yes("ann", "form-1"), yes("bob", "button-1")
		named.Consent.Topic, named.Consent.Subject = "back", "coat"
		linked.Consent.Ref = "notify.back.hat?quantity=2"
		b.says(t, w, named, linked)
		want(t, "consents", w.stands(), "waiting back/coat, waiting back/hat")
		// Told, and weeks later the platform repeats the same event: it is the same consent, which is spent.
		w.stock("coat", 0)
		w.stock("coat", 5)
		w.after(20 * 24 * time.Hour)
		b.says(t, w, named)
		w.stock("coat", 0)
		w.stock("coat", 5)
		w.after(time.Minute)
		want(t, "sent", len(b.accepted()), 1)
	})
}

// Nothing is lost that cannot be placed, and nothing is minted that nobody said so of.
func TestWhatIsNotMinted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		tokenless, keyless := yes("ann", "a"), yes("bob", "")
		tokenless.Consent.Mint = false
		b.says(t, w, tokenless, keyless)
		want(t, "consents", w.stands(), "")
		b.says(t, w, opening("cat"), wish("cat", "", "notify.news"))
		w.after(8 * 24 * time.Hour)
		b.says(t, w, yes("cat", "late")) // the ask is too long ago for a word to mean it
		want(t, "consents", w.stands(), "waiting /")
	})
}

// A message that its platform took and could not deliver: the token is spent, and why says what became of it.
func TestFailedAfterAcceptance(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		w.stock("coat", 0)
		w.grant("ann", "back", "coat")
		w.stock("coat", 5)
		w.after(time.Minute)
		want(t, "sent", len(b.accepted()), 1)
		failed := otn.Record{Key: "status-1", Echo: &otn.Echo{Kind: otn.FailedLater, Delivery: b.accepted()[0].ID, ProviderID: "SM1"}}
		b.says(t, w, failed)
		b.says(t, w, failed)
		why, err := w.host.Why("shop", "ann", "")
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, r := range why.Reasons {
			if r.Verdict == "not delivered" {
				told = append(told, r.Because)
			}
		}
		want(t, "why", strings.Join(told, "; "), "the platform accepted it and could not deliver it: SM1")
		want(t, "consents", w.stands(), "sent back/coat")
	})
}
