// Records about people: consents, open windows, proof of a message, and the wish to hear no more.

package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// consent prepares a grant: its topic is one that the rules declare or none, its answers are typed, and what the item cost is noted.
func (w *writer) consent(c otn.Consent, at time.Time, key string) error {
	if c.Token.IsZero() && !c.Mint {
		return otn.ErrNoToken
	}
	if c.Subscriber.ID == "" || len(c.Subscriber.ID) > MaxSubscriber {
		return fmt.Errorf("a subscriber's id has 1 to %d bytes: %w", MaxSubscriber, otn.ErrInvalid)
	}
	c.Channel = w.instance
	if c.GrantedAt.IsZero() {
		c.GrantedAt = at
	}
	if c.GrantedAt.IsZero() || c.GrantedAt.After(w.now) {
		c.GrantedAt = w.now
	}
	if err := w.spelled(&c); err != nil {
		return err
	}
	if c.Mint {
		if known, err := w.mint(&c, key); known || err != nil {
			return err
		}
	}
	topic, ok := w.in.Rules().Topic(c.Topic)
	if !ok || (topic.Subject == otn.NoSubject) != (c.Subject == "") {
		w.in.Log.Warn("a consent names no known topic and is kept without", "instance", w.instance, "topic", clip(c.Topic), "consent", c.Token.ID())
		c.Topic, c.Subject = "", ""
	}
	c.Answers = typed(topic, c.Answers)
	if topic.Subject == otn.ItemKind && c.Subject != "" && c.PriceThen.IsZero() {
		price, err := w.priceNow(c.Subject)
		if err != nil {
			return err
		}
		c.PriceThen = price
	}
	w.batch.Grants = append(w.batch.Grants, &ledger.Grant{Consent: c})
	if err := w.heed(&c); err != nil {
		return err
	}
	return w.then(&c)
}

// priceNow is what an item costs now, no amount when it is not known. It is read once a call.
func (w *writer) priceNow(item string) (otn.Money, error) {
	if price, ok := w.prices[item]; ok {
		return price, nil
	}
	snap, known, err := w.in.Catalog.Snapshot(otn.Subject{Kind: otn.ItemKind, ID: item})
	if err != nil {
		return otn.Money{}, err
	}
	var price otn.Money
	if known && snap.Item.Known.Has(otn.FactPrice) {
		price = snap.Item.Price
	}
	w.prices[item] = price
	return price, nil
}

// MaxSubscriber is the longest id of a subscriber, in bytes.
const MaxSubscriber = 128

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 64)], "") }

// typed gives each answer the type that its topic declares. One that does not parse, or is not declared, stays a text:
// nothing is guessed, and a rule that needs it is undecided.
func typed(t otn.Topic, answers []otn.Named) []otn.Named {
	out := make([]otn.Named, 0, len(answers))
	for _, a := range answers {
		if f, ok := t.Answer(a.Name); ok && a.Value.Type() == otn.String {
			if v, err := otn.ParseValue(f.Type, a.Value.Text()); err == nil {
				a.Value = v
			}
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b otn.Named) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Open is a subscriber's window as it is kept.
type Open struct {
	Until time.Time `json:"until"`
	Cause string    `json:"cause"`
}

// WindowKey is the document of a person's window.
func WindowKey(p otn.PersonID) string { return windowPrefix + p.String() }

const windowPrefix = "window/"

// window keeps the later end: an older event that comes late closes nothing.
func (w *writer) window(win otn.Window, at time.Time) error {
	person := w.in.Ledger.Person(w.instance, win.Subscriber.ID)
	key := WindowKey(person)
	doc, ok, err := w.in.Ledger.Doc(key)
	if err != nil {
		return err
	}
	if here, mine := w.docs[key]; mine {
		doc, ok = *here, true
	}
	if ok {
		var have Open
		if err := json.Unmarshal(doc.Value, &have); err == nil && !win.Until.After(have.Until) {
			return nil
		}
	}
	w.put(&ledger.Doc{Key: key, Value: encode(Open{win.Until, win.Cause}), Rev: doc.Rev})
	if err := w.planOpened(win.Subscriber, w.moment(at)); err != nil {
		return err
	}
	return w.opened(person)
}

// stop ends the consents of somebody who wants no more: those that wait, and those whose message is on its way or in doubt
// should they come back.
func (w *writer) stop(s otn.Stop, at time.Time) error {
	if err := w.silent(s, at); err != nil || s.Resume {
		return err // consents that ended are asked for again
	}
	person := w.in.Ledger.Person(w.instance, s.Subscriber.ID)
	consents, err := w.in.Ledger.Of(person)
	if err != nil {
		return err
	}
	w.batch.People = append(w.batch.People, ledger.GiverOf(person, consents))
	for _, c := range consents {
		living := c.State == ledger.Waiting || c.State == ledger.Claimed || c.State == ledger.Doubtful
		if living && (s.Topic == "" || s.Topic == c.Topic) {
			w.withdraw(c.ID)
		}
	}
	for _, g := range w.batch.Grants { // told before it in the same call
		if c := &g.Consent; c.Subscriber.ID == s.Subscriber.ID && (s.Topic == "" || s.Topic == c.Topic) {
			w.withdraw(c.Token.ID())
		}
	}
	return nil
}

// withdraw has a consent end as soon as it can, once the batch is on disk.
func (w *writer) withdraw(id otn.TokenID) {
	w.put(w.in.Path.StopDoc(id, w.now))
	w.batch.Withdrawn = append(w.batch.Withdrawn, id)
	w.stops = append(w.stops, id)
}

// heed lets a consent end at once that was given before its person wanted to hear no more, and is told only now.
func (w *writer) heed(c *otn.Consent) error {
	doc, ok, err := w.doc(SilenceKey(w.in.Ledger.Person(w.instance, c.Subscriber.ID)))
	if err != nil {
		return err
	}
	if ok {
		since, err := readSilence(doc)
		if err != nil {
			return err
		}
		if c.GrantedAt.Before(latest(since[""], since[c.Topic])) {
			w.withdraw(c.Token.ID())
		}
	}
	if _, mine := w.docs[doc.Key]; !mine {
		doc.Expect = ledger.Still
		w.put(&doc)
	}
	return nil
}

// echo remembers a proof that a delivery left, so that it counts even where it comes before the answer of the send. The word
// of another channel proves nothing.
func (w *writer) echo(e otn.Echo) error {
	d, ok, err := w.in.Ledger.Delivery(e.Delivery)
	if err != nil || !ok || d.Channel != w.instance {
		return err
	}
	if e.Kind == otn.FailedLater {
		w.failedLater(e, &d)
	}
	if !d.Open && (d.Outcome == otn.Sent || d.Outcome == otn.Refused) {
		return nil
	}
	w.put(&ledger.Doc{Key: ledger.EchoKey(e.Delivery), Value: encode(e.ProviderID), Expect: ledger.Any})
	w.batch.Proofs = append(w.batch.Proofs, &ledger.Proof{Delivery: e.Delivery, At: w.now, Code: string(e.Kind), ProviderID: e.ProviderID})
	return nil
}

// LateStory is the kind of the decisions that tell of a message which its platform accepted and then could not deliver.
const LateStory = "late"

// failedLater keeps for why that a message which was accepted did not arrive. Its token is spent all the same: it was used.
func (w *writer) failedLater(e otn.Echo, d *ledger.Delivery) {
	because := "the platform accepted it and could not deliver it"
	if e.ProviderID != "" {
		because += ": " + clip(e.ProviderID)
	}
	w.in.Log.Warn("a message was accepted and then not delivered", "instance", w.instance, "delivery", e.Delivery)
	w.batch.Decisions = append(w.batch.Decisions, ledger.Decision{
		Line: d.Line, Person: e.Delivery.Person(), At: w.now, Verdict: otn.No, Because: because, Facts: encode(map[string]string{"kind": LateStory}),
	})
}

// end does what follows from a batch that is on disk: an echo that ended a delivery is counted, consents that a stop ends are
// withdrawn. Of these, what a crash leaves undone the next start does, from the documents of the batch.
func (w *writer) end(ctx context.Context) error {
	for _, p := range w.batch.Proofs {
		if err := w.in.Path.Proven(ctx, p); err != nil {
			return err
		}
	}
	for _, id := range w.stops {
		if err := w.in.Path.Stop(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// encode writes one of this package's own types, all of which JSON can hold.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("intake: %T does not encode: %v", v, err))
	}
	return b
}

// PrefixesOf are the beginnings of the keys under which documents of a person are: asks that were made, that are planned or
// wait, and what was said after consents.
func PrefixesOf(p otn.PersonID) []string {
	id := p.String() + "/"
	return []string{AskedPrefix + id, "planned/" + id, laterPrefix + id, ThenPrefix + id}
}
