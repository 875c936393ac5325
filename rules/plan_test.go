// What a rule says of its runs, from the file to the Plan, and what a Page decides of it.

package rules

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// planned is the one rule of a file with some lines more.
func planned(t *testing.T, when string, lines ...string) otn.Rule {
	t.Helper()
	return mustCompile(t, oneRule(when, lines...)).List()[0]
}

func TestPlansByExample(t *testing.T) {
	for lines, want := range map[string]otn.Plan{
		"":                                      {},
		"hold: 5m":                              {Hold: 5 * time.Minute},
		"hold: 1d12h":                           {Hold: 36 * time.Hour},
		"coalesce: 15m":                         {Coalesce: 15 * time.Minute},
		"while_true: send":                      {WhileTrue: true},
		"order: newest_first":                   {Newest: true},
		"order: oldest_first":                   {},
		`order: ['"a" in sub.tags']`:            {Ranked: true},
		"order: [sub.has.target, newest_first]": {Ranked: true, Newest: true},
		"release: {size: 5, every: 1h}":         {Every: time.Hour},
		"release: {size: item.stock, every: 1h, order: newest_first}":      {Every: time.Hour, Newest: true},
		`deliver: {between: "09:00-21:00"}`:                                {Hours: otn.Hours{From: 540, To: 1260, TZ: "UTC", Subscriber: true}},
		"deliver: {between: 22:30-6:00, tz: Europe/Berlin, outside: skip}": {Hours: otn.Hours{From: 1350, To: 360, TZ: "Europe/Berlin", Skip: true}},
		"deliver: {between: 10:00-24:00, tz: subscriber, outside: wait}":   {Hours: otn.Hours{From: 600, To: 1440, TZ: "UTC", Subscriber: true}},
		"deliver: {between: 00:00-24:00}":                                  {},
		"deliver: {not_after: item.starts_at}":                             {Ends: true},
		"deliver: {spread: 30m}":                                           {Spread: 30 * time.Minute},
		"limits: {per_run: 500}":                                           {Limits: otn.Limits{PerRun: 500}},
		"limits: {per_subscriber: 2/1w}":                                   {Limits: otn.Limits{Messages: 2, Within: 7 * day}},
		"limits: {pause_above: {share: 2.5%}}":                             {Limits: otn.Limits{PauseShare: 0.025}},
		"limits: {pause_above: {at_least: 200}}":                           {Limits: otn.Limits{PauseAtLeast: 200}},
	} {
		if got := planned(t, "item.stock > 0", lines).Plan; got != want {
			t.Errorf("%s: %+v, want %+v", lines, got, want)
		}
	}
}

func TestDefaultsHoldKeyByKey(t *testing.T) {
	const defaults = "defaults:\n  deliver: {between: 09:00-21:00, outside: skip, spread: 1h, not_after: 'at + duration(\"2d\")'}\n" +
		"  limits: {per_run: 9, per_subscriber: 1/24h, pause_above: {share: 25%, at_least: 200}}\n"
	file := func(lines ...string) string {
		return strings.Replace(oneRule("item.stock > 0", lines...), "attrs:", defaults+"attrs:", 1)
	}
	whole := otn.Plan{Ends: true, Spread: time.Hour, Hours: otn.Hours{From: 540, To: 1260, TZ: "UTC", Subscriber: true, Skip: true},
		Limits: otn.Limits{PerRun: 9, Messages: 1, Within: day, PauseShare: 0.25, PauseAtLeast: 200}}
	for name, x := range map[string]struct {
		line   string
		change func(*otn.Plan)
	}{
		"all of them":          {"", func(*otn.Plan) {}},
		"one key of its own":   {"deliver: {spread: 2h}", func(p *otn.Plan) { p.Spread = 2 * time.Hour }},
		"hours of its own":     {"deliver: {between: 10:00-12:00}", func(p *otn.Plan) { p.Hours.From, p.Hours.To = 600, 720 }},
		"a zone of its own":    {"deliver: {tz: Asia/Tokyo}", func(p *otn.Plan) { p.Hours.TZ, p.Hours.Subscriber = "Asia/Tokyo", false }},
		"no hours":             {"deliver: {between: none}", func(p *otn.Plan) { p.Hours = otn.Hours{} }},
		"the whole day":        {"deliver: {between: 00:00-24:00}", func(p *otn.Plan) { p.Hours = otn.Hours{} }},
		"no end":               {"deliver: {not_after: none}", func(p *otn.Plan) { p.Ends = false }},
		"another pause":        {"limits: {pause_above: {at_least: 5}}", func(p *otn.Plan) { p.Limits.PauseShare, p.Limits.PauseAtLeast = 0, 5 }},
		"no pause, more a run": {"limits: {pause_above: none, per_run: 50}", func(p *otn.Plan) { p.Limits.PauseShare, p.Limits.PauseAtLeast, p.Limits.PerRun = 0, 0, 50 }},
		"no limit for people":  {"limits: {per_subscriber: none}", func(p *otn.Plan) { p.Limits.Messages, p.Limits.Within = 0, 0 }},
	} {
		want := whole
		x.change(&want)
		if got := mustCompile(t, file(x.line)).List()[0].Plan; got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	// an operator's send keeps to what protects people, and to no hours
	more, err := mustCompile(t, file()).Once(otn.Send{ID: "s", Topic: "watch", Message: otn.Message{Text: "Now"}})
	if err != nil {
		t.Fatal(err)
	}
	want := otn.Plan{Limits: otn.Limits{Messages: 1, Within: day, PauseShare: 0.25, PauseAtLeast: 200}}
	if got := more.List()[1].Plan; got != want {
		t.Errorf("send: %+v, want %+v", got, want)
	}
	// the defaults of one file are none of another's
	other := strings.NewReplacer("id: r", "id: other", "  watch:", "  look:", "topic: watch", "topic: look", "attrs:\n  section: string\n  weight: {type: int, default: 7}\n", "").Replace(oneRule("item.stock > 0"))
	set, err := Compile(File{"a.yaml", []byte(file())}, File{"b.yaml", []byte(other)})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.List()[1].Plan; got != (otn.Plan{}) {
		t.Errorf("the other file: %+v", got)
	}
}

func TestOrderRanksPeople(t *testing.T) {
	set := mustCompile(t, oneRule("item.stock > 0", `order: ['"vip" in sub.tags', sub.target > item.price, oldest_first]`))
	if !set.List()[0].NeedsPerson {
		t.Error("tags need the person")
	}
	p, err := set.Open(otn.Facts{Rule: "r", At: noon, Now: coat()})
	if err != nil {
		t.Fatal(err)
	}
	vip := func(c *otn.Consent) { c.Tags = []string{"b2b", "vip"} }
	rich := answer("target", otn.MoneyValue(usd(20000)))
	for name, x := range map[string]struct {
		c    *otn.Consent
		want int
	}{"both": {ann(vip, rich), 0}, "tagged, target not known": {ann(vip), 1}, "target": {ann(rich), 2}, "neither": {ann(), 3}, "failed": {ann(answer("target", otn.MoneyValue(otn.Money{Minor: 1, Currency: "EUR"}))), 3}} {
		if got := p.Rank(x.c); got != x.want {
			t.Errorf("%s: rank %d, want %d", name, got, x.want)
		}
	}
}

func TestSizeIsDecidedFromTheFactsOfItsMoment(t *testing.T) {
	set := mustCompile(t, oneRule("item.stock > 0", `release: {size: "max(item.stock * 2, 10)", every: 20m}`, "deliver: {not_after: 'item.starts_at + duration(\"3d\")'}"))
	open := func(s otn.Snapshot) otn.Page {
		p, err := set.Open(otn.Facts{Rule: "r", At: noon, Now: s})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for have, want := range map[int64]int64{4: 10, 60: 120} {
		if n, err := open(coat(stock(have))).Size(); err != nil || n != want {
			t.Errorf("%d in stock: %d, %v, want %d", have, n, err, want)
		}
	}
	if _, err := open(coat(without(otn.FactStock))).Size(); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), "item.stock is not known") {
		t.Errorf("stock not known: %v", err)
	}
	if at, err := open(coat()).Ends(); err != nil || !at.Equal(noon.Add(3*day)) {
		t.Errorf("ends %v, %v", at, err)
	}
	if _, err := open(coat(without(otn.FactStartsAt))).Ends(); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("start not known: %v", err)
	}
	plain, _ := mustCompile(t, oneRule("item.stock > 0")).Open(otn.Facts{Rule: "r", At: noon, Now: coat()})
	if _, err := plain.Size(); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("no size: %v", err)
	}
	if _, err := plain.Ends(); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("no end: %v", err)
	}
	if plain.Rank(ann()) != 0 {
		t.Error("without an order everybody is alike")
	}
}

func TestOnceIsASingleTime(t *testing.T) {
	file := strings.Replace(strings.Replace(oneRule("item.stock > 0", "once: 2026-12-01T10:00", "missed: skip"), "    on: [item.changed]\n", "", 1), "version: 1\n", "version: 1\ntimezone: America/New_York\n", 1)
	set := mustCompile(t, file)
	r := set.List()[0]
	if want := time.Date(2026, 12, 1, 15, 0, 0, 0, time.UTC); !r.Once.Equal(want) || !r.SkipMissed || r.State {
		t.Errorf("%+v", r)
	}
	due := otn.Event{Kind: otn.CronDue, Rule: "r", At: r.Once, Subject: otn.Subject{Kind: otn.ItemKind, ID: "SKU-1"}, Now: coat()}
	if v, why := decide(t, set, "r", due, nil, ann()); v != otn.Yes {
		t.Errorf("due: %v (%s), want yes: there is no decision before it", v, why)
	}
	due.Now = coat(stock(0))
	if v, _ := decide(t, set, "r", due, nil, ann()); v != otn.No {
		t.Errorf("without stock: %v", v)
	}
	also := planned(t, "item.stock > 0", "once: 2026-12-01T10:00:00+01:00")
	if !also.State || also.SkipMissed || !also.Once.Equal(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("with on: %+v", also)
	}
}

func TestLocalTimesThatComeTwiceOrNever(t *testing.T) {
	for written, want := range map[string]string{
		"America/New_York 2026-03-08T02:30":    "2026-03-08T07:00:00Z", // skipped: when clocks are put forward
		"America/New_York 2026-11-01T01:30":    "2026-11-01T05:30:00Z", // twice: the first
		"America/New_York 2026-11-01T02:30":    "2026-11-01T07:30:00Z",
		"Europe/Berlin 2026-03-29 02:59":       "2026-03-29T01:00:00Z",
		"Europe/Berlin 2026-10-25T02:00":       "2026-10-25T00:00:00Z",
		"Australia/Lord_Howe 2026-10-04T02:15": "2026-10-03T15:30:00Z", // half an hour
		"Australia/Lord_Howe 2026-04-05T01:45": "2026-04-04T14:45:00Z",
		"America/Sao_Paulo 2018-11-04T00:30":   "2018-11-04T03:00:00Z", // at midnight
		"UTC 2028-02-29":                       "2028-02-29T00:00:00Z",
	} {
		name, at, _ := strings.Cut(written, " ")
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := parseDate(at, zone)
		if !ok || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v, want %s", written, got.UTC().Format(time.RFC3339), want)
		}
	}
	if _, ok := parseDate("2026-02-29", time.UTC); ok {
		t.Error("a day that does not exist is taken")
	}
}

func TestWhileTrueTellsAGrantAtOnce(t *testing.T) {
	set := mustCompile(t, oneRule("item.stock >= sub.quantity", "while_true: send"))
	p, err := set.Open(otn.Facts{Rule: "r", At: noon, Now: coat(), Was: coat(), Last: otn.Last{At: noon, Now: coat(), Cleared: true}}) // a grant's run
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Select(ann()); v != otn.Yes {
		t.Errorf("%v (%s), want yes", v, p.Because())
	}
	if v := p.Select(ann(answer("quantity", otn.IntValue(9)))); v != otn.No {
		t.Errorf("wants nine: %v", v)
	}
	p, _ = set.Open(otn.Facts{Rule: "r", At: noon, Now: coat(), Was: coat(), Last: otn.Last{At: noon, Now: coat()}})
	if v := p.Select(ann()); v != otn.Holds {
		t.Errorf("at an event: %v, want holds", v)
	}
	cleared := func(string) (otn.Last, bool) { return otn.Last{At: noon, Cleared: true}, true } // rearmed: no facts are kept
	if v, why := decide(t, set, "r", changed(coat(), coat()), cleared, ann()); v != otn.Yes {
		t.Errorf("cleared: %v (%s), want yes", v, why)
	}
	e := changed(otn.Snapshot{}, coat())
	e.First = true
	if m := set.Match(e, nil)[0]; m.Verdict != otn.Holds {
		t.Errorf("first sight: %v, want holds", m.Verdict)
	}
	p, _ = set.Open(otn.Facts{Rule: "r", At: noon, Now: coat(), Was: coat(), First: true})
	if v := p.Select(ann()); v != otn.Holds {
		t.Errorf("a page at first sight: %v, want holds", v)
	}
}
