// Rules with a plan, in Go: what the runs of holds, waves and hours are tested with.

package core_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// planRules are shopRules whose rules have plans, and what depends on the facts beside.
type planRules struct {
	shopRules
	name  string
	plans map[string]otn.Plan
	size  func(otn.Snapshot) (int64, error)
	ends  func(otn.Snapshot) (time.Time, error)
	rank  func(*otn.Consent) int
	edit  func(*otn.Rule)
	card  bool // messages are cards
	more  []otn.Rule
	means func(rule string, f otn.Facts, c *otn.Consent) (otn.Verdict, bool) // decides instead of shopRules, where it is ok
	match func(rule otn.Rule, e otn.Event, last func(string) (otn.Last, bool)) (otn.Match, bool)
}

func (r planRules) Version() string { return r.shopRules.Version() + r.name }

func (r planRules) Restore(source []byte) (otn.Rules, error) {
	rules, err := r.shopRules.Restore(source)
	if err != nil {
		return nil, err
	}
	r.shopRules = rules.(shopRules)
	return r, nil
}

func (r planRules) Once(s otn.Send) (otn.Rules, error) {
	rules, err := r.shopRules.Once(s)
	if err != nil {
		return nil, err
	}
	r.shopRules = rules.(shopRules)
	return r, nil
}

func (r planRules) List() []otn.Rule {
	list := append(r.shopRules.List(), r.more...)
	for i := range list {
		list[i].Plan = r.plans[list[i].ID]
		if r.edit != nil {
			r.edit(&list[i])
		}
	}
	return list
}

func (r planRules) Match(e otn.Event, last func(string) (otn.Last, bool)) []otn.Match {
	var out []otn.Match
	for _, rule := range r.List() {
		if e.Rule != "" && e.Rule != rule.ID || e.Rule == "" && !on(rule, e) {
			continue
		}
		if r.match != nil {
			if m, ok := r.match(rule, e, last); ok {
				m.Rule = rule
				out = append(out, m)
				continue
			}
		}
		if l, ok := last(rule.ID); ok && l.Cleared && rule.State {
			out = append(out, otn.Match{Rule: rule, Verdict: otn.Yes, Last: l})
			continue
		}
		m := r.shopRules.match(rule, e, last)
		m.Rule = rule
		out = append(out, m)
	}
	return out
}

func (r planRules) Open(f otn.Facts) (otn.Page, error) {
	return &planPage{shopPage{r.shopRules, f, ""}, r}, nil
}

type planPage struct {
	shopPage
	rules planRules
}

func (p *planPage) Select(c *otn.Consent) otn.Verdict {
	p.because = ""
	if p.rules.means != nil {
		if v, ok := p.rules.means(p.facts.Rule, p.facts, c); ok {
			return v
		}
	}
	return p.shopPage.Select(c)
}

func (p *planPage) Render(c *otn.Consent, can *otn.Capabilities) (otn.Message, error) {
	m, err := p.shopPage.Render(c, can)
	if p.rules.card && err == nil && p.facts.Now.Item != nil {
		m = otn.Message{Card: &otn.Card{Title: p.facts.Now.Item.ID + " " + p.facts.Now.Item.Price.String(), Subtitle: "for " + c.GrantedAt.UTC().Format("15:04")}}
	}
	return m, err
}

func (p *planPage) Explain(c *otn.Consent) []string {
	p.Select(c)
	return []string{p.because}
}

func (p *planPage) Size() (int64, error) {
	if p.rules.size == nil {
		return 0, fmt.Errorf("no size: %w", otn.ErrInvalid)
	}
	return p.rules.size(p.facts.Now)
}

func (p *planPage) Ends() (time.Time, error) {
	if p.rules.ends == nil {
		return time.Time{}, otn.ErrInvalid
	}
	return p.rules.ends(p.facts.Now)
}

func (p *planPage) Rank(c *otn.Consent) int {
	if p.rules.rank == nil {
		return 0
	}
	return p.rules.rank(c)
}

// plans makes rules with one plan.
func plans(rule string, p otn.Plan) planRules {
	return planRules{shopRules: shopRules{text: "now"}, plans: map[string]otn.Plan{rule: p}}
}

// fixed is a wave's size that is always the same.
func fixed(n int64) func(otn.Snapshot) (int64, error) {
	return func(otn.Snapshot) (int64, error) { return n, nil }
}

// crowd lets n people wait for the coat of a topic, p0 first.
func (w *world) crowd(n int, topic string) {
	w.t.Helper()
	var list []otn.Consent
	for i := range n {
		list = append(list, otn.Consent{Token: otn.NewToken("page", fmt.Sprint(topic, i)), Channel: "shop", Subscriber: otn.Subscriber{ID: fmt.Sprint("p", i)}, Topic: topic, Subject: "coat", Ref: fmt.Sprint("p", i)})
	}
	if _, err := w.host.Grant(w.t.Context(), list...); err != nil {
		w.t.Fatal(err)
	}
}

func quantity(n int64) otn.Named { return otn.Named{Name: "quantity", Value: otn.IntValue(n)} }

// whom are the people that a channel took messages for, in order.
func whom(c *channel) string {
	var list []string
	for _, s := range c.accepted() {
		list = append(list, s.Subscriber.ID)
	}
	return strings.Join(list, " ")
}

// runs are the states of all runs, newest first.
func (w *world) states() string {
	w.t.Helper()
	runs, _, err := w.host.Runs(core.RunQuery{})
	if err != nil {
		w.t.Fatal(err)
	}
	var list []string
	for _, r := range runs {
		list = append(list, r.State)
	}
	return strings.Join(list, " ")
}

// says fails unless text holds every part.
func says(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s: %q says nothing of %q", what, text, p)
		}
	}
}
