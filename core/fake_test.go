// A small rule set in Go, and a channel with a script: what the Host is tested with.

package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// shopRules are rules written in Go: price-drop is a change, back a state, look a trigger, tick a cron line.
type shopRules struct {
	text string // of the message; part of the version
	send *otn.Send
}

func (r shopRules) Version() string {
	return fmt.Sprintf("v-%s-%v", r.text, r.send != nil && r.send.ID != "") + r.sendID()
}

func (r shopRules) sendID() string {
	if r.send == nil {
		return ""
	}
	return r.send.ID + r.send.Message.Text
}

type shopSource struct {
	Text string
	Send *otn.Send
}

func (r shopRules) Source() []byte {
	b, err := json.Marshal(shopSource{r.text, r.send})
	if err != nil {
		panic(err)
	}
	return b
}

func (shopRules) Restore(source []byte) (otn.Rules, error) {
	var s shopSource
	err := json.Unmarshal(source, &s)
	return shopRules{s.Text, s.Send}, err
}

var shopTopics = []otn.Topic{
	{ID: "price-drop", Use: otn.PriceDrop, Subject: otn.ItemKind, Ask: "cheaper", Answers: []otn.Field{{Name: "target", Type: otn.MoneyType, Optional: true}}},
	{ID: "back", Use: otn.BackInStock, Subject: otn.ItemKind, Ask: "back", Answers: []otn.Field{{Name: "quantity", Type: otn.Int, Default: otn.IntValue(1)}}},
	{ID: "news", Use: otn.CollectionLaunch, Subject: otn.NoSubject, Ask: "news"},
	{ID: "late", Use: otn.BackInStock, Subject: otn.ItemKind, Ask: "late"},
}

func (shopRules) Topics() []otn.Topic { return shopTopics }

func (shopRules) Topic(id string) (otn.Topic, bool) {
	for _, t := range shopTopics {
		if t.ID == id {
			return t, true
		}
	}
	return otn.Topic{}, false
}

func (r shopRules) List() []otn.Rule {
	list := []otn.Rule{
		{ID: "price-drop", Topic: "price-drop", Kind: otn.ItemKind, On: []string{"item.changed"}},
		{ID: "back", Topic: "back", Kind: otn.ItemKind, On: []string{"item.changed"}, State: true, NeedsSub: true},
		{ID: "news", Topic: "news", Kind: otn.NoSubject, On: []string{"trigger.post"}},
		{ID: "late", Topic: "late", Kind: otn.ItemKind, Cron: "0 9 * * *", TZ: "UTC", State: true},
	}
	if r.send != nil {
		topic, _ := r.Topic(r.send.Topic)
		list = append(list, otn.Rule{ID: r.send.ID, Topic: r.send.Topic, Kind: topic.Subject})
	}
	return list
}

func (shopRules) Trigger(t otn.Trigger) (otn.Trigger, error) {
	if t.Name != "post" {
		return t, fmt.Errorf("trigger %s: %w", t.Name, otn.ErrNotFound)
	}
	return t, nil
}

func (r shopRules) Once(s otn.Send) (otn.Rules, error) {
	if s.Message.Text == "" {
		return nil, otn.ErrInvalid
	}
	return shopRules{r.text, &s}, nil
}

func (shopRules) Ask(topic string, _ otn.Snapshot) (string, error) { return "tell me: " + topic, nil }

func (r shopRules) Match(e otn.Event, last func(string) (otn.Last, bool)) []otn.Match {
	var out []otn.Match
	for _, rule := range r.List() {
		if e.Rule != "" && e.Rule != rule.ID || e.Rule == "" && !on(rule, e) {
			continue
		}
		out = append(out, r.match(rule, e, last))
	}
	return out
}

func on(rule otn.Rule, e otn.Event) bool {
	kind := string(e.Kind)
	if e.Trigger != nil {
		kind = "trigger." + e.Trigger.Name
	}
	return strings.Contains(strings.Join(rule.On, " "), kind)
}

func (r shopRules) match(rule otn.Rule, e otn.Event, last func(string) (otn.Last, bool)) otn.Match {
	m := otn.Match{Rule: rule}
	switch rule.ID {
	case "price-drop":
		if e.First || e.Now.Item == nil || e.Now.Item.Price.Minor >= e.Was.Item.Price.Minor {
			m.Because = "the price did not fall"
			return m
		}
	case "back", "late":
		before, ok := last(rule.ID)
		if !ok || e.Kind != otn.CronDue && before.Now.Rev < e.Was.Rev {
			before = otn.Last{Now: e.Was, At: e.Was.At}
		}
		if e.First || !ok && e.Kind == otn.CronDue || e.Now.Item == nil || e.Now.Item.Stock == 0 {
			m.Verdict, m.Because = otn.Holds, "nothing new"
			return m
		}
		m.Last = before
	}
	m.Verdict = otn.Yes
	return m
}

func (r shopRules) Open(f otn.Facts) (otn.Page, error) { return &shopPage{r, f, ""}, nil }

type shopPage struct {
	rules   shopRules
	facts   otn.Facts
	because string
}

func (p *shopPage) Select(c *otn.Consent) otn.Verdict {
	p.because = ""
	item := p.facts.Now.Item
	switch p.facts.Rule {
	case "price-drop":
		if item.Price.Minor >= p.facts.Was.Item.Price.Minor {
			return p.no("the price is up again")
		}
		if target, ok := c.Answer("target"); ok {
			if target.Type() != otn.MoneyType {
				p.because = "sub.target is not known"
				return otn.Undecided
			}
			if item.Price.Minor > target.Money().Minor {
				return p.no("not as cheap as " + target.Money().String())
			}
		}
	case "back":
		want := int64(1)
		if q, ok := c.Answer("quantity"); ok {
			want = q.Int()
		}
		before := int64(0)
		if p.facts.Last.Now.Item != nil {
			before = p.facts.Last.Now.Item.Stock
		}
		if item.Stock < want {
			return p.no("not enough")
		}
		if before >= want {
			return otn.Holds
		}
	case "late":
		if p.facts.Last.Now.Item != nil && p.facts.Last.Now.Item.Stock > 0 {
			return otn.Holds
		}
	}
	return otn.Yes
}

func (p *shopPage) no(because string) otn.Verdict {
	p.because = because
	return otn.No
}

func (p *shopPage) Because() string { return p.because }

func (p *shopPage) Render(c *otn.Consent, _ *otn.Capabilities) (otn.Message, error) {
	if p.rules.send != nil && p.facts.Rule == p.rules.send.ID {
		return p.rules.send.Message, nil
	}
	text := p.rules.text + " " + p.facts.Rule
	if p.facts.Now.Item != nil {
		text += " " + p.facts.Now.Item.Price.String()
	}
	return otn.Message{Text: text}, nil
}

func (p *shopPage) Explain(c *otn.Consent) []string {
	p.Select(c)
	return []string{p.because}
}

// channel is a channel whose answers a test writes.
type channel struct {
	can     otn.Capabilities
	account string
	answer  func(d otn.Delivery, nth int) error // nth send of this token, from 1

	mu   sync.Mutex
	sent []sent
	nth  map[otn.TokenID]int
}

type sent struct {
	otn.Delivery
	at  time.Time
	err error
}

func (c *channel) Describe(context.Context) (otn.Description, error) {
	return otn.Description{Name: "fake", Account: c.account, Capabilities: c.can}, nil
}

func (c *channel) Send(_ context.Context, d otn.Delivery) (otn.Receipt, error) {
	c.mu.Lock()
	if c.nth == nil {
		c.nth = map[otn.TokenID]int{}
	}
	c.nth[d.Token.ID()]++
	nth := c.nth[d.Token.ID()]
	c.mu.Unlock()
	var err error
	if c.answer != nil {
		err = c.answer(d, nth)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, sent{d, time.Now(), err})
	return otn.Receipt{ProviderID: "m-" + d.ID.String()}, err
}

// accepted are the deliveries that the channel took.
func (c *channel) accepted() []sent {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []sent
	for _, s := range c.sent {
		if s.err == nil {
			list = append(list, s)
		}
	}
	return list
}

func (c *channel) calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sent)
}

func deferred(after time.Duration, scope otn.Scope) error {
	return &otn.SendError{Outcome: otn.Deferred, After: after, Scope: scope, Code: "later"}
}

func invalid() error { return &otn.SendError{Outcome: otn.Invalid, Code: "template"} }

// waiting lets one person for each name wait for the coat, which costs 120.
func (w *world) waiting(names ...string) {
	w.t.Helper()
	w.price("coat", "120.00 USD")
	for _, n := range names {
		w.grant(n, "price-drop", "coat")
	}
}

func (w *world) give(c otn.Consent) core.Granted {
	w.t.Helper()
	g, err := w.host.Grant(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return g[0]
}

func (w *world) because(sub string) string {
	w.t.Helper()
	why, err := w.host.Why("shop", sub, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return why.Reasons[len(why.Reasons)-1].Because
}

// ledger opens what a Host that has ended left.
func (w *world) ledger() *ledger.Ledger {
	w.t.Helper()
	engine, err := pebble.Open("data", pebble.Options{FS: w.disk, Marks: w.marks, Still: true})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := ledger.Open(w.t.Context(), engine, w.key, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (shopRules) Then(*otn.Consent, otn.Snapshot, *otn.Capabilities) (otn.Message, bool, error) {
	return otn.Message{}, false, nil
}

func (shopRules) Asks() []otn.AskRule { return nil }

func (shopRules) MayAsk(otn.AskFacts) (otn.Verdict, string) { return otn.No, "nobody is asked" }

func (p *shopPage) Size() (int64, error) { return 0, otn.ErrInvalid }

func (p *shopPage) Ends() (time.Time, error) { return time.Time{}, otn.ErrInvalid }

func (p *shopPage) Rank(*otn.Consent) int { return 0 }

func (p *shopPage) Ranges() []otn.AnswerRange { return nil }
