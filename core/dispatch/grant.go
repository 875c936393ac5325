// What a consent means to the rules when it is given.

package dispatch

import (
	"strconv"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// grant remembers the facts at which a line began to wait, for rules whose own moments compare with them. Where the
// subject has changed since, that change is in the journal behind this grant and says itself what was before.
// Rules that tell also while they hold are asked about the one who agreed.
func (x *decider) grant(e ledger.Entry) error {
	rules := x.d.roster(x.rules).granted
	if len(rules) == 0 {
		return nil
	}
	var g ledger.GrantBody
	if err := decode(e.Body, &g); err != nil {
		return err
	}
	for _, r := range rules[g.Topic] {
		s := subjectOf(r, g.Subject)
		now, _, err := x.d.Shop.Snapshot(s)
		if err != nil {
			return err
		}
		if g.First && clocked(r) && now.Rev < e.Seq {
			x.put(put(lastKey(r.ID, s), otn.Last{At: e.At, Now: now}))
		}
		if r.Plan.WhileTrue {
			if err := x.whileTrue(r, s, now, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// clocked reports whether a rule decides at moments of its own and compares them with the last one.
func clocked(r otn.Rule) bool { return r.State && (r.Cron != "" || !r.Once.IsZero()) }

// whileTrue makes a run for one consent that is given while the rule holds.
func (x *decider) whileTrue(r otn.Rule, s otn.Subject, now otn.Snapshot, e ledger.Entry) error {
	cause := "g" + strconv.FormatUint(e.Seq, 10)
	run := &Run{
		ID: otn.NewRunID(r.ID, s, cause, e.At), Rule: r.ID, Version: x.rules.Version(), Topic: r.Topic, Subject: s, Cause: ledger.GrantEntry,
		At: e.At, Was: now, Last: otn.Last{At: e.At, Now: now, Cleared: true}, Only: e.Seq, Below: e.Seq + 1, Plan: r.Plan, NeedsPerson: r.NeedsPerson,
	}
	mine, err := x.d.see(run, nil, now, e.At)
	if err != nil {
		return err
	}
	holds := false
	err = x.d.each(run, nil, e.At, func(c *ledger.Candidate) (bool, error) {
		v, err := mine.Choose(c)
		holds = v == otn.Yes
		return false, err
	})
	if err != nil || !holds {
		return err
	}
	return x.decide(run, ledger.Decision{Line: run.Line(), At: e.At, Rule: r.ID, Verdict: otn.Yes}, mine.facts)
}
