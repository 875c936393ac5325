// Asks and what is said after a consent, as a merchant writes them: the language on a whole Host.

package core_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

const askRules = `
version: 1
triggers:
  lead_form: {subscriber: required, fields: {form: string}}
  post: {fields: {title: string}}
topics:
  back-in-stock:
    use: back_in_stock
    subject: item
    ask: "${item.title} is back"
    answers: {quantity: {type: int, default: 1}}
    then: {text: "We will tell you once about ${item.title}."}
  journal: {use: collection_launch, subject: none, ask: "Our next lookbook"}
asks:
  - id: before-the-window-closes
    topic: journal
    on: window.opened
    after: 23h
    when: sub.consents == 0 && !("staff" in sub.tags)
  - id: from-a-link
    on: referral
    when: ref.topic != "journal"
  - id: after-a-form
    on: trigger.lead_form
    topic: journal
    after: 2h
    when: trigger.form == "size"
rules:
  - id: lookbook
    topic: journal
    on: [trigger.post]
    message: {text: "${trigger.title}"}
  - id: hello
    topic: journal
    on: [trigger.lead_form]
    message: {text: "Thank you."}
  - id: back
    topic: back-in-stock
    on: [item.changed]
    when: item.sellable && item.stock >= sub.quantity
    message: {text: "${item.title} is back"}
`

func ruleWorld(t *testing.T, w *world) *bot {
	t.Helper()
	set, err := rules.Compile(rules.File{Name: "asks.yaml", Source: []byte(askRules)})
	if err != nil {
		t.Fatal(err)
	}
	w.rules = set
	b := botWorld(w)
	b.can.Replies = true
	w.observe(otn.Item{ID: "coat", Title: "Wool coat", Known: otn.FactTitle | otn.FactStock, Stock: 0})
	return b
}

func sortedLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

// The seed's triggered message: who has no consent yet is asked in the last hour of their window.
func TestRulesAskBeforeTheWindowCloses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := ruleWorld(t, w)
		b.says(t, w, opening("ann"), opening("bob"), opening("cat"), opening("dan"))
		w.after(20 * time.Hour)
		w.restart()
		if _, err := w.host.Tag(t.Context(), "shop", "bob", core.TagChange{Add: []string{"staff"}}); err != nil {
			t.Fatal(err)
		}
		w.grant("cat", "back-in-stock", "coat")
		b.says(t, w, otn.Record{Stop: &otn.Stop{Subscriber: who("dan")}})
		w.after(4 * time.Hour)
		want(t, "asked", b.asked(), `ann journal| "Our next lookbook" notify.journal`)
		has(t, "bob", w.whys("bob"), "before-the-window-closes not asked: ")
		has(t, "cat", w.whys("cat"), "before-the-window-closes not asked: ")
		has(t, "dan", w.whys("dan"), "before-the-window-closes not asked: they want to hear no more")
	})
}

// A link beside the item: topic, subject and answers are the link's, the title the topic's; the tap is answered at once.
func TestRulesAskFromALink(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := ruleWorld(t, w)
		b.says(t, w, opening("ann"), came("ann", "notify.back-in-stock.coat?quantity=2"))
		b.says(t, w, opening("bob"), came("bob", "notify.journal"))
		b.says(t, w, opening("cat"), came("cat", "notify.back-in-stock.hat"))
		b.says(t, w, opening("dan"), came("dan", "hello"))
		w.after(time.Second)
		want(t, "asked", sortedLines(b.asked()), `ann back-in-stock|coat "Wool coat is back" notify.back-in-stock.coat?quantity=2`)
		has(t, "bob", w.whys("bob"), `from-a-link not asked: `)
		has(t, "cat, of whose item nothing is known", w.whys("cat"), "from-a-link not asked: ")
		has(t, "cat, of whose item nothing is known", w.whys("cat"), "title")
		b.says(t, w, otn.Record{Key: "t1", Consent: &otn.Consent{Token: otn.NewToken("page", "t1"), Subscriber: who("ann"), Topic: "back-in-stock", Subject: "coat",
			Answers: []otn.Named{{Name: "quantity", Value: otn.StringValue("2")}}}})
		w.after(time.Second)
		want(t, "said", b.said(), "ann: We will tell you once about Wool coat.")
		w.stock("coat", 1)
		w.stock("coat", 2)
		w.after(time.Second)
		want(t, "told, the reply among it", texts(b.channel), "ann: We will tell you once about Wool coat.; ann: Wool coat is back")
	})
}

// The seed's sequence after a form; and a rule on a trigger that names a person tells that person alone.
func TestRulesAskAfterAForm(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := ruleWorld(t, w)
		form := func(sub, form string) error {
			_, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "lead_form", Channel: "shop", Subscriber: who(sub), Fields: []otn.Named{{Name: "form", Value: otn.StringValue(form)}}})
			return err
		}
		b.says(t, w, opening("ann"), opening("bob"))
		for sub, name := range map[string]string{"ann": "size", "bob": "colour"} {
			if err := form(sub, name); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "lead_form", Fields: []otn.Named{{Name: "form", Value: otn.StringValue("size")}}}); !errors.Is(err, otn.ErrInvalid) || strings.Count(err.Error(), ": ") > 3 || strings.Contains(err.Error(), "intake") {
			t.Errorf("a form of nobody: %v", err)
		}
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post", Channel: "shop", Subscriber: who("ann"), Fields: []otn.Named{{Name: "title", Value: otn.StringValue("x")}}}); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("somebody in a trigger about nobody: %v", err)
		}
		w.after(3 * time.Hour)
		want(t, "asked", b.asked(), `ann journal| "Our next lookbook" notify.journal`)
		has(t, "bob", w.whys("bob"), "after-a-form not asked: ")
		w.grant("cat", "journal", "")
		w.grant("dan", "journal", "")
		if err := form("dan", "size"); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		want(t, "told", texts(b.channel), "dan: Thank you.")
		w.after(2 * time.Hour)
		has(t, "dan, whose window never opened", w.whys("dan"), "after-a-form not asked: no window was open")
	})
}
