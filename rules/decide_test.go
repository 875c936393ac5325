// When a rule fires: change and state, first sight, what is not known, what fails.

package rules

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

func quantity(n int64) func(*otn.Consent) { return answer("quantity", otn.IntValue(n)) }

// lastly gives one stored decision to every rule.
func lastly(s otn.Snapshot) func(string) (otn.Last, bool) {
	return func(string) (otn.Last, bool) { return otn.Last{At: noon.Add(-time.Minute), Now: s}, true }
}

func TestConditions(t *testing.T) {
	now, was := coat(), coat(price(usd(12000)), stock(0))
	attrs := func(name string, v otn.Value) otn.Snapshot {
		return coat(func(it *otn.Item) { it.Attrs = []otn.Named{{Name: name, Value: v}} })
	}
	cases := []struct {
		when string
		now  otn.Snapshot
		sub  *otn.Consent
		want otn.Verdict
		why  string
	}{
		{"item.price < was.price && item.stock > 0", now, ann(), otn.Yes, ""},
		{"item.price < was.price && item.stock > 5", now, ann(), otn.No, ""},
		{"item.stock > 0 && was.sellable", coat(without(otn.FactStock)), ann(), otn.Undecided, "item.stock is not known"},
		{"item.has.stock && item.stock > 0 && was.sellable", coat(without(otn.FactStock)), ann(), otn.No, ""},
		{"(item.stock > 0 || item.sellable) && was.sellable", coat(without(otn.FactStock)), ann(), otn.Yes, ""},
		{"item.stock > 0 && !item.sellable && was.sellable", coat(without(otn.FactStock)), ann(), otn.No, ""},
		{"(item.sellable ? true : item.stock > 0) && was.sellable", coat(without(otn.FactStock)), ann(), otn.Yes, ""},
		{"item.sellable && item.published && was.sellable", coat(without(otn.FactSellable|otn.FactPublished), unsellable), ann(), otn.Yes, ""},
		{"item.attrs.section == \"A\" && was.sellable", coat(func(it *otn.Item) { it.Attrs = nil }), ann(), otn.Undecided, "item.attrs.section is not known"},
		{"item.attrs.weight == 7 && was.sellable", coat(func(it *otn.Item) { it.Attrs = nil }), ann(), otn.Yes, ""},
		{"!item.has.weight && was.sellable", coat(func(it *otn.Item) { it.Attrs = nil }), ann(), otn.Yes, ""},
		{"item.price < sub.price_then && was.sellable", now, ann(func(c *otn.Consent) { c.PriceThen = otn.Money{} }), otn.Undecided, "sub.price_then is not known"},
		{"item.price < sub.target && was.sellable", now, ann(), otn.Undecided, "sub.target is not known"},
		{"item.stock >= sub.quantity && was.sellable", now, ann(), otn.Yes, ""},
		{"sub.size == \"M\" && was.sellable", now, ann(), otn.Undecided, "sub.size is not known"},
		{"item.stock >= sub.quantity && was.sellable", now, ann(answer("quantity", otn.StringValue("three"))), otn.Undecided, "sub.quantity was answered with something that is no int"},
		{"!sub.has.quantity && was.sellable", now, ann(answer("quantity", otn.StringValue("three"))), otn.Undecided, "sub.quantity was answered with something that is no int"},
		{"item.price <= sub.target && was.sellable", now, ann(answer("target", otn.MoneyValue(otn.Money{Minor: 9900, Currency: "EUR"}))), otn.Failed, "cannot compare 99.00 USD with 99.00 EUR"},
		{"item.attrs.weight == 8 && was.sellable", attrs("weight", otn.StringValue("8")), ann(), otn.Yes, ""},
		{"item.attrs.section == \"8\" && was.sellable", attrs("section", otn.IntValue(8)), ann(), otn.Yes, ""},
		{"item.attrs.weight == 7 && was.sellable", attrs("weight", otn.StringValue("heavy")), ann(), otn.Undecided, "item.attrs.weight is told as something that is no int"},
		{"!item.has.weight && was.sellable", attrs("weight", otn.StringValue("heavy")), ann(), otn.Undecided, "item.attrs.weight is told as something that is no int"},
		{"item.has.weight && was.sellable", attrs("weight", otn.StringValue("8")), ann(), otn.Yes, ""},
		{"item.price < money(\"99.50 EUR\") && was.sellable", now, ann(), otn.Failed, "cannot compare 99.00 USD with 99.50 EUR"},
		{"10 / (item.stock - 3) > 1 && was.sellable", now, ann(), otn.Failed, "division by zero"},
		{"item.stock * 9223372036854775807 > 0 && was.sellable", now, ann(), otn.Failed, "a number is too large"},
		{"hour(at, sub.tz) == 7 && weekday(at, sub.tz) == \"friday\" && was.sellable", now, ann(), otn.Yes, ""},
		{"at > date(\"2026-11-27T11:59\") && at - date(\"2026-11-27\") == duration(\"12h\") && was.sellable", now, ann(), otn.Yes, ""},
		{"any(item.tags, {# == \"vip\"}) && count(item.tags, {# != \"vip\"}) == 1 && was.sellable", now, ann(), otn.Yes, ""},
		{"sub.expires_at - at == duration(\"364d\") && was.sellable", now, ann(), otn.Yes, ""},
		{"was.first_seen", now, ann(), otn.No, ""},
	}
	for _, c := range cases {
		v, why := decide(t, mustCompile(t, oneRule(c.when)), "r", changed(was, c.now), nil, c.sub)
		if v != c.want || c.why != "" && why != c.why {
			t.Errorf("%s: %v (%s), want %v (%s)", c.when, v, why, c.want, c.why)
		}
	}
}

// Stock 1 → 5 tells the one who wants 3 and not again the one who wanted 1.
func TestStateFiresForEachConsentWhenItBecomesTrue(t *testing.T) {
	set := mustCompile(t, oneRule("item.sellable && item.stock >= sub.quantity"))
	e := changed(coat(stock(1)), rev(coat(stock(5)), 2))
	for wanted, want := range map[int64]otn.Verdict{1: otn.Holds, 3: otn.Yes, 5: otn.Yes, 6: otn.No} {
		if v, why := decide(t, set, "r", e, nil, ann(quantity(wanted))); v != want {
			t.Errorf("wanted %d: %v (%s), want %v", wanted, v, why, want)
		}
	}
}

func TestStateIsComparedWithTheLastDecision(t *testing.T) {
	set := mustCompile(t, oneRule("item.stock >= sub.quantity"))
	e := changed(rev(coat(stock(0)), 5), rev(coat(stock(3)), 6))
	if v, _ := decide(t, set, "r", e, lastly(rev(coat(stock(3)), 5)), ann()); v != otn.Holds {
		t.Errorf("true at the last decision: %v, want holds", v)
	}
	if v, _ := decide(t, set, "r", e, lastly(rev(coat(stock(3)), 4)), ann()); v != otn.Yes {
		t.Errorf("the last decision is older than the facts before the event: %v, want yes", v)
	}
	if v, _ := decide(t, set, "r", e, lastly(rev(coat(stock(0)), 5)), ann()); v != otn.Yes {
		t.Errorf("false at the last decision: %v, want yes", v)
	}
}

// What was undecided or failed before and is true now was not known to be false: it is no news.
func TestUndecidedBeforeIsNoNews(t *testing.T) {
	for _, when := range []string{"item.stock >= sub.quantity", "item.stock > 0"} {
		set := mustCompile(t, oneRule(when))
		e := changed(coat(without(otn.FactStock)), rev(coat(), 2))
		v, why := decide(t, set, "r", e, nil, ann())
		if v != otn.Holds || why != "it may have been true before: item.stock is not known" {
			t.Errorf("%s: %v (%s), want holds", when, v, why)
		}
	}
	set := mustCompile(t, oneRule(`item.price < money("100 USD")`))
	if v, why := decide(t, set, "r", changed(coat(price(otn.Money{Minor: 1, Currency: "EUR"})), rev(coat(), 2)), nil, ann()); v != otn.Holds {
		t.Errorf("failed before: %v (%s), want holds", v, why)
	}
}

func TestFirstSightFiresNothing(t *testing.T) {
	for when, more := range map[string]string{"item.stock > 0": "", "item.stock >= was.stock": "", "": "fire: each"} {
		set := mustCompile(t, oneRule(when, more))
		e := changed(coat(), coat())
		e.First = true
		if m := set.Match(e, nil)[0]; m.Verdict != otn.Holds || m.Because != "first sight: there is nothing to compare with" {
			t.Errorf("%q: %v (%s) at first sight, want holds", when, m.Verdict, m.Because)
		}
		p, _ := set.Open(otn.Facts{Rule: "r", At: e.At, Now: e.Now, Was: e.Was, First: true})
		if v := p.Select(ann()); v != otn.Holds {
			t.Errorf("%q: the page says %v at first sight, want holds", when, v)
		}
		set = mustCompile(t, oneRule(when, more, "first: fire"))
		if v, why := decide(t, set, "r", e, nil, ann()); v != otn.Yes {
			t.Errorf("%q: %v (%s) with first: fire, want yes", when, v, why)
		}
	}
}

func TestFireEachFiresAgainAndAgain(t *testing.T) {
	set := mustCompile(t, oneRule("item.stock > 0", "fire: each"))
	if v, why := decide(t, set, "r", changed(coat(), coat()), lastly(coat()), ann()); v != otn.Yes {
		t.Errorf("%v (%s), want yes", v, why)
	}
}

// A launch time passes without any event: cron decides, the first time only stores.
func TestCronComparesWithItsLastTick(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	launch := func(change ...func(*otn.Collection)) otn.Snapshot {
		c := &otn.Collection{ID: "winter", Known: otn.FactTitle | otn.FactLaunchAt | otn.FactPublished, Title: "Winter", Published: true, LaunchAt: noon}
		for _, f := range change {
			f(c)
		}
		return otn.Snapshot{Rev: 3, At: noon.Add(-time.Hour), Collection: c}
	}
	tick := func(at time.Time) otn.Event {
		return otn.Event{Kind: otn.CronDue, Rule: "launch", At: at, Subject: otn.Subject{Kind: otn.CollectionKind, ID: "winter"}, Now: launch()}
	}
	never := func(string) (otn.Last, bool) { return otn.Last{}, false }
	if v, _ := decide(t, set, "launch", tick(noon.Add(time.Minute)), never, ann()); v != otn.Holds {
		t.Errorf("first decision: %v, want holds", v)
	}
	before := func(string) (otn.Last, bool) { return otn.Last{At: noon.Add(-time.Minute), Now: launch()}, true }
	if v, why := decide(t, set, "launch", tick(noon.Add(time.Minute)), before, ann()); v != otn.Yes {
		t.Errorf("the time passed since: %v (%s), want yes", v, why)
	}
	after := func(string) (otn.Last, bool) { return otn.Last{At: noon, Now: launch()}, true }
	if v, _ := decide(t, set, "launch", tick(noon.Add(time.Minute)), after, ann()); v != otn.Holds {
		t.Errorf("it had passed before: %v, want holds", v)
	}
	if ms := set.Match(otn.Event{Kind: otn.CronDue, Rule: "lauch"}, never); len(ms) != 0 {
		t.Errorf("an unknown rule matched: %v", ms)
	}
}

// A topic without subject has no facts, only a moment: the first tick still fires nothing.
func TestCronWithoutSubject(t *testing.T) {
	set := mustCompile(t, readShop(t)+"  - {id: doors-day, topic: journal, cron: '0 * * * *', when: 'at >= date(\"2026-11-27T07:00\")', message: {text: Today}}\n")
	tick := otn.Event{Kind: otn.CronDue, Rule: "doors-day", At: noon, Subject: otn.Subject{Kind: otn.NoSubject}}
	for name, c := range map[string]struct {
		last func(string) (otn.Last, bool)
		want otn.Verdict
	}{
		"never":  {func(string) (otn.Last, bool) { return otn.Last{}, false }, otn.Holds},
		"before": {func(string) (otn.Last, bool) { return otn.Last{At: noon.Add(-time.Second)}, true }, otn.Yes},
		"since":  {func(string) (otn.Last, bool) { return otn.Last{At: noon}, true }, otn.Holds},
	} {
		if m := set.Match(tick, c.last)[0]; m.Verdict != c.want {
			t.Errorf("%s: %v (%s), want %v", name, m.Verdict, m.Because, c.want)
		}
		if v, why := decide(t, set, "doors-day", tick, c.last, ann()); v != c.want {
			t.Errorf("%s: %v (%s), want %v", name, v, why, c.want)
		}
	}
}

// A consent that was true at the last decision and lost it meanwhile is looked at with the facts now.
func TestPageDecidesWithTheFactsNow(t *testing.T) {
	set := mustCompile(t, oneRule("item.price < was.price"))
	p, err := set.Open(otn.Facts{Rule: "r", At: noon, Now: coat(price(usd(13000))), Was: coat(price(usd(12000)))})
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Select(ann()); v != otn.No || p.Because() != "item.price < was.price is false" {
		t.Errorf("%v (%s), want no", v, p.Because())
	}
	if _, err := set.Open(otn.Facts{Rule: "gone"}); !errors.Is(err, otn.ErrNotFound) {
		t.Errorf("unknown rule: %v", err)
	}
}

func TestTriggerRules(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	typed, err := set.Trigger(otn.Trigger{Name: "new_post", Fields: []otn.Named{{Name: "url", Value: otn.StringValue("https://shop.example/p")}, {Name: "title", Value: otn.StringValue("New")}, {Name: "more", Value: otn.IntValue(1)}}})
	if err != nil || len(typed.Fields) != 2 {
		t.Fatalf("%+v, %v", typed, err)
	}
	e := otn.Event{Kind: otn.Triggered, At: noon, Trigger: &typed, First: true}
	if v, why := decide(t, set, "lookbook", e, nil, ann()); v != otn.Yes {
		t.Errorf("%v (%s)", v, why)
	}
	p, _ := set.Open(otn.Facts{Rule: "lookbook", At: noon, Trigger: &typed})
	if m, err := p.Render(ann(), nil); err != nil || m.Text != "New: https://shop.example/p" {
		t.Errorf("%+v, %v", m, err)
	}
	doors := mustCompile(t, readShop(t)+"  - {id: doors, topic: tickets, on: trigger.doors_open, when: 'item.sellable && trigger.note != \"\"', message: {text: '${trigger.note}'}}\n")
	opened := otn.Event{Kind: otn.Triggered, At: noon, Now: coat(), Trigger: &otn.Trigger{Name: "doors_open", Subject: "SKU-1", Fields: []otn.Named{{Name: "note", Value: otn.StringValue("Gate 3")}}}}
	if v, why := decide(t, doors, "doors", opened, nil, ann()); v != otn.Yes {
		t.Errorf("doors: %v (%s)", v, why)
	}
	for name, bad := range map[string]otn.Trigger{
		"not declared":  {Name: "nothing"},
		"missing field": {Name: "new_post", Fields: []otn.Named{{Name: "url", Value: otn.StringValue("x")}}},
		"no item":       {Name: "doors_open", Fields: []otn.Named{{Name: "note", Value: otn.StringValue("x")}}},
		"item too much": {Name: "new_post", Subject: "1"},
		"of other type": {Name: "new_post", Fields: []otn.Named{{Name: "url", Value: otn.IntValue(1)}}},
	} {
		want := otn.ErrInvalid
		if name == "not declared" {
			want = otn.ErrNotFound
		}
		if _, err := set.Trigger(bad); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestSendIsOneRuleMore(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	send := otn.Send{ID: "vip-night", Topic: "price-drop", Where: `item.price < sub.price_then`, Message: otn.Message{Text: "Tonight: ${item.title}"}}
	more, err := set.Once(send)
	if err != nil {
		t.Fatal(err)
	}
	if more.Version() == set.Version() {
		t.Error("a send has the version of the rules without it")
	}
	again, err := set.Restore(more.Source())
	if err != nil {
		t.Fatal(err)
	}
	if again.Version() != more.Version() {
		t.Error("restored, it has another version")
	}
	e := otn.Event{Kind: otn.SendAsked, Rule: "vip-night", At: noon, Subject: otn.Subject{Kind: otn.ItemKind, ID: "SKU-1"}, Now: coat(), Was: coat()}
	if v, why := decide(t, again, "vip-night", e, nil, ann()); v != otn.Yes {
		t.Errorf("%v (%s)", v, why)
	}
	for _, m := range again.Match(changed(coat(price(usd(12000))), coat()), nil) {
		if m.Rule.ID == "vip-night" {
			t.Error("a send matched an event of an item")
		}
	}
	if ms := again.Match(otn.Event{Kind: otn.SendAsked, Rule: "price-drop", Now: coat()}, nil); len(ms) != 0 {
		t.Error("a rule of the files matched a send")
	}
	if _, err := set.Once(otn.Send{ID: "x", Topic: "nothing"}); !errors.Is(err, otn.ErrUnknownTopic) {
		t.Errorf("unknown topic: %v", err)
	}
	_, err = set.Once(otn.Send{ID: "price-drop", Topic: "price-drop", Where: "item.stokc > 1\n&& was.stock > 1", Message: otn.Message{Card: &otn.Card{Title: "${itm.title}", URL: "ftp://x"}}})
	if faults := Faults(err); len(faults) != 5 {
		t.Errorf("%d faults, want 5:\n%v", len(faults), err)
	} else if !strings.Contains(err.Error(), "  && was.stock > 1\n         ^^^") {
		t.Errorf("the caret is not under was:\n%v", err)
	}
	gallery := otn.Message{Gallery: []otn.Card{{Title: "A ${item.title}", URL: "https://shop.example/a"}, {Title: "B", URL: "https://shop.example/b"}}, QuickReply: &otn.QuickReply{Title: "No"}}
	more, err = set.Once(otn.Send{ID: "two", Topic: "price-drop", Message: gallery})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := more.Open(otn.Facts{Rule: "two", At: noon, Now: coat(), Was: coat()})
	if m, err := p.Render(ann(), nil); err != nil || len(m.Gallery) != 2 || m.Gallery[0].Title != "A Wool coat" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestVersionIsTheTexts(t *testing.T) {
	a := mustCompile(t, readShop(t))
	b, err := Compile(File{"elsewhere/other.yaml", []byte(readShop(t))})
	if err != nil {
		t.Fatal(err)
	}
	if a.Version() != b.Version() || len(a.Version()) != 24 {
		t.Errorf("%s and %s", a.Version(), b.Version())
	}
	c := mustCompile(t, strings.Replace(readShop(t), "default: 3.0", "default: 4.0", 1))
	if c.Version() == a.Version() {
		t.Error("other params, same version")
	}
	if _, err := a.Restore([]byte("{")); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("restore of nothing: %v", err)
	}
}

func TestSeveralFilesAreOneSet(t *testing.T) {
	topics, rules, _ := strings.Cut(readShop(t), "\nrules:")
	files := []File{{"topics.yaml", []byte(topics)}, {"rules.yaml", []byte("version: 1\ntimezone: Europe/Berlin\nrules:" + rules)}}
	set, err := Compile(files...)
	if err != nil {
		t.Fatal(err)
	}
	if r := set.List()[2]; r.TZ != "Europe/Berlin" || r.File != "rules.yaml" || r.ID != "launch" {
		t.Errorf("%+v", r)
	}
	_, err = Compile(append(files, File{"again.yaml", files[1].Source})...)
	if faults := Faults(err); len(faults) != 5 || faults[0].Code != codeDeclared || faults[0].File != "again.yaml" {
		t.Errorf("%v", err)
	}
}

// A date without a zone is read in the zone of the file that writes it.
func TestDatesAreInTheZoneOfTheirFile(t *testing.T) {
	topics, _, _ := strings.Cut(readShop(t), "\nrules:")
	rules := func(zone string) string {
		return "version: 1\ntimezone: " + zone + "\nrules:\n  - {id: r, topic: tickets, on: item.changed, when: 'was.sellable && at == date(\"2026-11-27T13:00\")', message: {text: Hi}}\n"
	}
	for zone, want := range map[string]otn.Verdict{"Europe/Berlin": otn.Yes, "UTC": otn.No} {
		set, err := Compile(File{"topics.yaml", []byte(topics)}, File{"rules.yaml", []byte(rules(zone))})
		if err != nil {
			t.Fatal(err)
		}
		if v, why := decide(t, set, "r", changed(coat(), coat()), nil, ann()); v != want {
			t.Errorf("%s: %v (%s), want %v", zone, v, why, want)
		}
	}
}

// A file that cannot be read hides no fault of the others, and nothing is said of what it may declare.
func TestAnUnreadableFileHidesNothing(t *testing.T) {
	_, rules, _ := strings.Cut(readShop(t), "\nrules:")
	found := Check(
		File{"broken.yaml", []byte("version: 1\nparams: {a: [\n")},
		File{"shop.yaml", []byte(readShop(t) + "  - {id: more, topic: elsewhere, on: item.changed, message: {text: Hi}}\n" +
			"  - {id: less, topic: tickets, on: item.changed, when: params.a > 3 && item.attrs.b == 1 && itm.stock > 1, message: {text: Hi}}\n")},
		File{"rules.yaml", []byte("version: 1\nrules:" + rules)},
	)
	var codes []string
	for _, e := range found {
		codes = append(codes, e.File+" "+e.Code)
	}
	want := "broken.yaml R001, shop.yaml R202, rules.yaml R107, rules.yaml R107, rules.yaml R107, rules.yaml R107, rules.yaml R107"
	if got := strings.Join(codes, ", "); got != want {
		t.Errorf("got  %s\nwant %s\n%v", got, want, Errors(found))
	}
}

func TestAskRendersItsTitle(t *testing.T) {
	set := compileFile(t, "shop.yaml")
	if title, err := set.Ask("price-drop", coat()); err != nil || title != "Wool coat gets cheaper" {
		t.Errorf("%q, %v", title, err)
	}
	if _, err := set.Ask("nothing", coat()); !errors.Is(err, otn.ErrUnknownTopic) {
		t.Errorf("unknown topic: %v", err)
	}
	if _, err := set.Ask("price-drop", coat(without(otn.FactTitle))); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), "item.title is not known") {
		t.Errorf("unknown title: %v", err)
	}
	if _, err := set.Ask("price-drop", coat(func(it *otn.Item) { it.Title = strings.Repeat("x", 66) })); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("too long: %v", err)
	}
}

func TestWholeNumbersAreNumbers(t *testing.T) {
	set := mustCompile(t, strings.Replace(oneRule("item.attrs.weight >= 7.5 && was.sellable"), "weight: {type: int, default: 7}", "weight: {type: float, default: 7.0}", 1))
	heavy := coat(func(it *otn.Item) { it.Attrs = []otn.Named{{Name: "weight", Value: otn.IntValue(8)}} })
	if v, why := decide(t, set, "r", changed(coat(), heavy), nil, ann()); v != otn.Yes {
		t.Errorf("%v (%s)", v, why)
	}
}
