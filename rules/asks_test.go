// Who is asked by themselves, what is said after a consent, and which triggers name a person.

package rules

import (
	"errors"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
)

const askFile = `version: 1
params: {few: {type: int, default: 2}}
triggers:
  lead_form: {subscriber: required, fields: {form: string}}
  visit: {subscriber: optional, subject: item}
  doors: {fields: {note: {type: string, default: ""}}}
topics:
  journal: {use: collection_launch, subject: none, ask: Our next lookbook}
  stock: {use: back_in_stock, subject: item, ask: "${item.title} is back", then: {text: "We tell you once when ${item.title} is back. Yours: ${sub.quantity}"}, answers: {quantity: {type: int, default: 1}}}
asks:
  - {id: window, topic: journal, on: window.opened, after: 23h, when: 'sub.consents < params.few && "staff" not in sub.tags && (!sub.has.tz || hour(at, sub.tz) >= 7)'}
  - {id: link, on: referral}
  - {id: spring, topic: journal, on: referral, when: ref.rest startsWith "spring" && ref.topic == ""}
  - {id: stocked, topic: stock, on: referral, when: item.stock == 0}
  - {id: form, topic: journal, on: trigger.lead_form, after: 1h, when: 'trigger.form == "size" && sub.channel == "shop"'}
  - {id: visit, topic: stock, on: trigger.visit}
`

func TestMayAsk(t *testing.T) {
	set := mustCompile(t, askFile)
	person := func(change ...func(*otn.Person)) otn.Person {
		p := otn.Person{Channel: "shop", TZ: "America/New_York", Locale: "en-US"}
		for _, f := range change {
			f(&p)
		}
		return p
	}
	gone := coat(stock(0))
	for name, x := range map[string]struct {
		f    otn.AskFacts
		want otn.Verdict
		why  string
	}{
		"nobody is waiting":        {otn.AskFacts{Rule: "window", Person: person()}, otn.Yes, ""},
		"has consents enough":      {otn.AskFacts{Rule: "window", Person: person(func(p *otn.Person) { p.Consents = 2 })}, otn.No, "is false"},
		"has a tag":                {otn.AskFacts{Rule: "window", Person: person(func(p *otn.Person) { p.Tags = []string{"staff"} })}, otn.No, "is false"},
		"zone not known":           {otn.AskFacts{Rule: "window", Person: person(func(p *otn.Person) { p.TZ = "" })}, otn.Yes, ""},
		"at night":                 {otn.AskFacts{Rule: "window", Person: person(func(p *otn.Person) { p.TZ = "Pacific/Auckland" })}, otn.No, ""},
		"a link":                   {otn.AskFacts{Rule: "link", Person: person(), Ref: &otn.Ref{Topic: "stock", Subject: "SKU-1"}}, otn.Yes, ""},
		"a link without subject":   {otn.AskFacts{Rule: "link", Person: person(), Ref: &otn.Ref{Topic: "stock"}}, otn.No, "the link names no item"},
		"a link of no topic":       {otn.AskFacts{Rule: "link", Person: person(), Rest: "hello"}, otn.No, "the link names no topic"},
		"a link of another shop":   {otn.AskFacts{Rule: "link", Person: person(), Ref: &otn.Ref{Topic: "shoes"}}, otn.No, `the link names a topic that does not exist: "shoes"`},
		"a link to the journal":    {otn.AskFacts{Rule: "link", Person: person(), Ref: &otn.Ref{Topic: "journal"}}, otn.Yes, ""},
		"the rest of a link":       {otn.AskFacts{Rule: "spring", Person: person(), Rest: "spring-sale"}, otn.Yes, ""},
		"another rest":             {otn.AskFacts{Rule: "spring", Person: person(), Rest: "autumn"}, otn.No, ""},
		"a link about its item":    {otn.AskFacts{Rule: "stocked", Person: person(), Ref: &otn.Ref{Topic: "stock", Subject: "SKU-1"}, Now: gone}, otn.Yes, ""},
		"an item that is there":    {otn.AskFacts{Rule: "stocked", Person: person(), Ref: &otn.Ref{Topic: "stock", Subject: "SKU-1"}, Now: coat()}, otn.No, "item.stock == 0 is false"},
		"an item nobody knows":     {otn.AskFacts{Rule: "stocked", Person: person(), Ref: &otn.Ref{Topic: "stock", Subject: "SKU-9"}}, otn.Undecided, "item.stock is not known"},
		"a link of another topic":  {otn.AskFacts{Rule: "stocked", Person: person(), Ref: &otn.Ref{Topic: "journal"}, Now: gone}, otn.No, "the link is not about topic stock"},
		"a form":                   {otn.AskFacts{Rule: "form", Person: person(), Trigger: &otn.Trigger{Name: "lead_form", Fields: []otn.Named{{Name: "form", Value: otn.StringValue("size")}}}}, otn.Yes, ""},
		"another form":             {otn.AskFacts{Rule: "form", Person: person(), Trigger: &otn.Trigger{Name: "lead_form", Fields: []otn.Named{{Name: "form", Value: otn.StringValue("x")}}}}, otn.No, ""},
		"a visit":                  {otn.AskFacts{Rule: "visit", Person: person(), Trigger: &otn.Trigger{Name: "visit", Subject: "SKU-1"}}, otn.Yes, ""},
		"a visit without its item": {otn.AskFacts{Rule: "visit", Person: person(), Trigger: &otn.Trigger{Name: "visit"}}, otn.No, "the trigger names no item"},
		"no such ask":              {otn.AskFacts{Rule: "gone"}, otn.No, `there is no ask "gone"`},
	} {
		x.f.At = noon
		v, why := set.MayAsk(x.f)
		if v != x.want || !strings.Contains(why, x.why) || v == otn.No && why == "" {
			t.Errorf("%s: %v (%s), want %v (%s)", name, v, why, x.want, x.why)
		}
	}
}

func TestThenIsSaidAfterAConsent(t *testing.T) {
	set := mustCompile(t, askFile)
	c := ann(answer("quantity", otn.IntValue(1200)), func(c *otn.Consent) { c.Topic, c.Locale = "stock", "de-DE" })
	m, ok, err := set.Then(c, coat(), &otn.Capabilities{})
	if err != nil || !ok || m.Text != "We tell you once when Wool coat is back. Yours: 1.200" {
		t.Errorf("%+v, %v, %v", m, ok, err)
	}
	if _, ok, err := set.Then(c, coat(without(otn.FactTitle)), nil); ok || !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("title not known: %v, %v", ok, err)
	}
	if _, ok, err := set.Then(ann(func(c *otn.Consent) { c.Topic = "journal" }), otn.Snapshot{}, nil); ok || err != nil {
		t.Errorf("a topic that says nothing: %v, %v", ok, err)
	}
	if _, _, err := set.Then(ann(func(c *otn.Consent) { c.Topic = "gone" }), otn.Snapshot{}, nil); !errors.Is(err, otn.ErrUnknownTopic) {
		t.Errorf("unknown topic: %v", err)
	}
}

func TestTriggersNamePeople(t *testing.T) {
	set := mustCompile(t, askFile)
	form := []otn.Named{{Name: "form", Value: otn.StringValue("x")}}
	dan := otn.Subscriber{ID: "dan"}
	for name, x := range map[string]struct {
		trigger otn.Trigger
		bad     string
	}{
		"required and named":         {otn.Trigger{Name: "lead_form", Channel: "shop", Subscriber: dan, Fields: form}, ""},
		"required and not named":     {otn.Trigger{Name: "lead_form", Fields: form}, "names no person"},
		"required, no channel":       {otn.Trigger{Name: "lead_form", Subscriber: dan, Fields: form}, "names no person"},
		"optional and named":         {otn.Trigger{Name: "visit", Subject: "1", Channel: "shop", Subscriber: dan}, ""},
		"optional and not named":     {otn.Trigger{Name: "visit", Subject: "1"}, ""},
		"about nobody and not named": {otn.Trigger{Name: "doors"}, ""},
		"about nobody and named":     {otn.Trigger{Name: "doors", Channel: "shop", Subscriber: dan}, "is about no person"},
		"a field that is not there":  {otn.Trigger{Name: "doors", Fields: []otn.Named{{Name: "campaign", Value: otn.StringValue("x")}}}, ""},
		"a field that is misspelt":   {otn.Trigger{Name: "doors", Fields: []otn.Named{{Name: "noet", Value: otn.StringValue("x")}}}, `did you mean "note"?`},
		"near to one that is there":  {otn.Trigger{Name: "doors", Fields: []otn.Named{{Name: "note", Value: otn.StringValue("x")}, {Name: "notes", Value: otn.StringValue("y")}}}, ""},
	} {
		_, err := set.Trigger(x.trigger)
		if (err == nil) != (x.bad == "") || err != nil && (!errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), x.bad)) {
			t.Errorf("%s: %v, want %q", name, err, x.bad)
		}
	}
}
