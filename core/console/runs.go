// Runs: matches being carried out, and what an operator does to them.

package console

import (
	"context"
	"slices"

	"github.com/onetimenotify/otn/core"
)

// aPage is how many rows a list shows at once.
const aPage = 50

// runsView is the list of runs.
type runsView struct {
	State, Rule string
	Runs        []core.RunView
	Next        string
	Live        bool // one of them is under way
	First       bool
}

func (runsView) title() string { return "Runs" }

// openStates are the states in which a run is not over.
func openStates() []string { return []string{"running", "paused", "waiting", "holding"} }

func (c *console) runs(v *visit) (any, error) {
	r := runsView{State: v.arg("state"), Rule: v.arg("rule"), First: v.arg("after") == ""}
	var err error
	r.Runs, r.Next, err = c.host.Runs(core.RunQuery{Rule: r.Rule, State: r.State, Cursor: v.arg("after"), Limit: aPage})
	r.Live = r.First && slices.ContainsFunc(r.Runs, isOpen)
	return r, err
}

func isOpen(r core.RunView) bool { return slices.Contains(openStates(), r.State) }

// runView is one run.
type runView struct {
	core.RunView
	Open       bool
	Waiting    int64 // on its line, now
	Unmeant    int64 // looked at, and not meant by the rule
	Deliveries []core.DeliveryView
	More       bool
}

func (r runView) title() string { return "Run of " + ruleName(r.Rule) }

// Acts are what can be done to the run as it stands, the likely one first.
func (r runView) Acts() []string {
	switch {
	case r.WantsApproval:
		return []string{"approve", "cancel"}
	case r.State == "paused":
		return []string{"resume", "cancel"}
	case r.Open:
		return []string{"pause", "cancel"}
	}
	return nil
}

func (c *console) run(v *visit) (any, error) {
	one, err := c.host.RunByID(v.PathValue("id"))
	if err != nil {
		return nil, err
	}
	r := runView{RunView: one, Open: isOpen(one), Unmeant: max(0, one.Seen-one.Selected-one.Undecided-one.Failed)}
	if r.Waiting, err = c.host.Waiting(one.Topic, one.Subject); err != nil {
		return nil, err
	}
	list, next, err := c.host.Deliveries(core.DeliveryQuery{Run: one.ID, Limit: aPage})
	r.Deliveries, r.More = veil(list), next != ""
	return r, err
}

func (c *console) approve(v *visit) (done, error) {
	return onRun(v, c.host.ApproveRun, "Approved: the run makes its first send now.")
}

func (c *console) pause(v *visit) (done, error) {
	return onRun(v, c.host.PauseRun, "Paused. What was on its way is answered and settled.")
}

func (c *console) resume(v *visit) (done, error) { return onRun(v, c.host.ResumeRun, "It goes on.") }

func (c *console) cancel(v *visit) (done, error) {
	return onRun(v, c.host.CancelRun, "Cancelled. Whoever was not told waits on.")
}

// onRun acts on the run that the path names.
func onRun(v *visit, do func(context.Context, string) (core.RunView, error), said string) (done, error) {
	id := v.PathValue("id")
	_, err := do(v.Context(), id)
	return done{to: "/runs/" + id, said: said, what: "run " + id}, err
}
