// otn explain: how a rule is decided, and what each part of it gives.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

func (k *call) explain() *cobra.Command {
	return k.forOne(&cobra.Command{
		Use: "explain RULE", GroupID: "look", Short: "How a rule is decided, and what each part of it gives for one person",
		Long: "How a rule is decided: whether it is about a change or a state, which parts are decided once and which for each consent,\n" +
			"and what every part of its condition gives, for one person of the running daemon (--sub), or with facts that you give\n" +
			"(--with, --set).\n\n" + factsText,
		Example: "  otn explain price-drop --sub shop/222\n  otn explain price-drop --sub 222 --subject SKU-1 -o json\n  otn explain price-drop --with facts.yaml\n" +
			"  otn explain back-in-stock --set item.stock=3 --set last.stock=0",
	}, onePerson{live: k.explainLive, given: k.explainGiven})
}

func (k *call) explainLive(ctx context.Context, c *api.Client, b api.LookBody) error {
	var e api.Explanation
	if err := c.Post(ctx, "/v1/explanations", "", b, &e); err != nil {
		return err
	}
	return k.show(e, k.explainTable(&e))
}

func (k *call) explainGiven(set *rules.Set, f otn.Facts, c *otn.Consent) error {
	e, err := set.Explain(f, c)
	if err != nil {
		return err
	}
	out := explained(e)
	out.At, out.Subject = f.At, subjectOf(f)
	if err := k.show(out, k.explainTable(&out)); err != nil {
		return err
	}
	if f.First || e.Before == nil && out.Verdict == otn.Holds.String() {
		k.say("otn: --set last.stock=0, say, gives what a fact was at the last decision; nothing is known of that yet")
	}
	return nil
}

// absentOr gives what is not there its exit code.
func absentOr(err error) error {
	switch {
	case errors.Is(err, otn.ErrNotFound):
		return &coded{code: exitNotFound, err: err}
	case errors.Is(err, otn.ErrInvalid) && len(rules.Faults(err)) == 0:
		return &coded{code: exitConfig, err: err}
	}
	return err
}

// explainTable is an explanation as lines.
func (k *call) explainTable(e *api.Explanation) *table {
	t := &table{}
	t.note(fmt.Sprintf("%s is about a %s: it fires %s", e.Rule, e.About, e.Fires))
	t.note("plan:")
	for _, s := range e.Plan {
		t.note(fmt.Sprintf("  %s   (%s)", s.Condition, s.How))
	}
	about := ""
	if e.Subject != "" {
		about = " about " + e.Subject
	}
	if e.Consent != "" {
		about += ", consent " + e.Consent
	}
	t.note(strings.TrimSuffix(fmt.Sprintf("now%s: %s: %s", about, e.Verdict, e.Because), ": "))
	t.parts(e.Parts)
	if e.Before != nil {
		when := ""
		if !e.Before.At.IsZero() {
			when = " " + k.moment(e.Before.At) + ","
		}
		t.note(fmt.Sprintf("at the last decision,%s the condition was %s", when, e.Before.Value))
		t.parts(e.Before.Parts)
	}
	if e.Last != nil {
		t.note(strings.TrimSuffix(fmt.Sprintf("last decided for this consent, %s: %s: %s", k.moment(e.Last.At), e.Last.Verdict, core.InZone(e.Last.Because, k.moment)), ": "))
		for _, v := range e.Last.Values[min(1, len(e.Last.Values)):] {
			t.note("  " + core.InZone(v, k.moment))
		}
	}
	return t
}

// parts adds the parts of a condition, indented below their whole.
func (t *table) parts(list []api.Part) {
	for _, p := range list {
		t.note("  " + rules.Part(p).String())
	}
}
