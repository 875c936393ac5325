// Rules: what decides now, and one rule for a chosen person: explained, previewed, rearmed.

package console

import (
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// rulesView is the list of rules and their files.
type rulesView struct {
	core.RulesView
	Files []core.RuleFile
	Asks  []otn.AskRule
}

func (rulesView) title() string { return "Rules" }

func (c *console) rules(*visit) (any, error) {
	list, err := c.host.ListRules()
	if err != nil {
		return nil, err
	}
	files, err := c.ruleFiles()
	return rulesView{list, files, c.host.Rules().Asks()}, err
}

// ruleFiles are the files of the rules; none where they come from elsewhere.
func (c *console) ruleFiles() ([]core.RuleFile, error) {
	if c.Files == nil {
		return nil, nil
	}
	return c.Files.Read()
}

// ruleView is one rule, for one person where one is chosen.
type ruleView struct {
	otn.Rule
	Waiting  int64
	Editable bool
	Channels []core.InstanceView

	P       string // the sealed name of the person
	Who     string
	Subject string
	Explain *core.Explanation
	Preview *core.Preview
	Wrong   string // why it cannot be explained or previewed
}

func (r ruleView) title() string { return r.ID }

func (c *console) rule(v *visit) (any, error) {
	list := c.host.Rules().List()
	at := slices.IndexFunc(list, func(r otn.Rule) bool { return r.ID == v.arg("id") })
	if at < 0 {
		return nil, fmt.Errorf("rule %q: %w", v.arg("id"), otn.ErrNotFound)
	}
	r := ruleView{Rule: list[at], P: v.arg("p"), Subject: v.arg("subject")}
	files, err := c.ruleFiles()
	if err != nil {
		return nil, err
	}
	r.Editable = slices.ContainsFunc(files, func(f core.RuleFile) bool { return f.Name == r.File })
	r.Channels, _ = c.host.Instances(v.Context())
	topics, err := c.host.Topics()
	for _, t := range topics {
		if t.ID == r.Topic {
			r.Waiting = t.Waiting
		}
	}
	if err != nil || r.P == "" || c.Author == nil {
		return r, err
	}
	return r, c.lookAt(v, &r)
}

// lookAt explains and previews the rule for the person. What the rule or the facts do not allow is told on the page.
func (c *console) lookAt(v *visit, r *ruleView) error {
	channel, id, err := c.people.open(r.P)
	if err != nil {
		return err
	}
	r.Who = shortName(id)
	l, err := c.host.Look(v.Context(), core.LookRequest{Rule: r.ID, Subject: r.Subject, Channel: channel, Recipient: id})
	err = hide(err, id)
	if isAny(err, otn.ErrNotFound, otn.ErrInvalid) {
		r.Wrong = plain(err)
		return nil
	}
	if err != nil {
		return err
	}
	e, err := c.Author.Explain(l)
	if err != nil {
		r.Wrong = plain(hide(err, id))
		return nil //nolint:nilerr // it is told on the page
	}
	e.At, e.Subject, e.Last = l.Facts.At, l.Consent.Subject, l.Last
	if e.Last != nil {
		e.Last.Because = veiled(e.Last.Because, id)
	}
	if l.Holds {
		e.Consent = l.Consent.Token.ID().String()
	}
	r.Explain = &e
	p, err := c.Author.Preview(l)
	if err != nil {
		r.Wrong = plain(hide(err, id))
		return nil //nolint:nilerr // it is told on the page
	}
	r.Preview = &p
	return nil
}

// chooseForRule goes to the rule as it is for a person.
func (c *console) chooseForRule(v *visit) (done, error) {
	p := ""
	if id := v.arg("person"); id != "" {
		p = c.people.seal(v.arg("channel"), id)
	}
	return done{to: link("/rules/rule", "id", v.arg("id"), "p", p, "subject", v.arg("subject")) + "#explain"}, nil
}

// rearm lets a rule forget what it holds for true.
func (c *console) rearm(v *visit) (done, error) {
	id := v.arg("id")
	n, err := c.host.RearmRule(v.Context(), id, v.arg("subject"))
	said := "Rearmed for " + count(int64(n), "subject", "subjects") + ": it tells whoever waits and for whom it is true, at the next event or moment."
	return done{to: link("/rules/rule", "id", id), said: said, what: "rule " + id}, err
}
