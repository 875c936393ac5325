// Deliveries: one run for one person each; and an end for those of which nobody can tell.

package console

import (
	"fmt"
	"strconv"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// deliveriesView is the list of deliveries.
type deliveriesView struct {
	Outcome, Run string
	List         []core.DeliveryView
	Next         string
	First        bool
	Doubts       int  // of what matches, those in doubt
	Capped       bool // there are more than are counted
}

func (deliveriesView) title() string { return "Deliveries" }

// atOnce bounds how many deliveries one act resolves.
const atOnce = 1000

func (c *console) deliveries(v *visit) (any, error) {
	d := deliveriesView{Outcome: v.arg("outcome"), Run: v.arg("run"), First: v.arg("after") == ""}
	var err error
	d.List, d.Next, err = c.host.Deliveries(core.DeliveryQuery{Run: d.Run, Outcome: d.Outcome, Cursor: v.arg("after"), Limit: aPage})
	if err != nil {
		return nil, err
	}
	veil(d.List)
	if d.Outcome == otn.Unknown.String() {
		doubts, more, err := c.doubts(d.Run)
		d.Doubts, d.Capped = len(doubts), more
		return d, err
	}
	return d, nil
}

// doubts are the deliveries in doubt, of a run or of all; at most as many as one act resolves.
func (c *console) doubts(run string) (ids []string, more bool, err error) {
	q := core.DeliveryQuery{Run: run, Outcome: otn.Unknown.String(), Limit: atOnce}
	for {
		list, next, err := c.host.Deliveries(q)
		if err != nil {
			return nil, false, err
		}
		for _, d := range list {
			if len(ids) == atOnce {
				return ids, true, nil
			}
			ids = append(ids, d.ID)
		}
		if next == "" {
			return ids, false, nil
		}
		q.Cursor = next
	}
}

// resolve ends one delivery, or all that match when their number was typed.
func (c *console) resolve(v *visit) (done, error) {
	sent := v.arg("as") == "sent"
	if as := v.arg("as"); as != "sent" && as != "lost" {
		return done{}, fmt.Errorf("a delivery ends as sent or lost, not as %q: %w", as, otn.ErrInvalid)
	}
	if id := v.arg("id"); id != "" {
		_, err := c.host.Resolve(v.Context(), id, sent)
		return done{to: v.arg("back"), said: resolved(1, sent), what: "delivery " + id}, err
	}
	run := v.arg("run")
	ids, _, err := c.doubts(run)
	if err != nil {
		return done{}, err
	}
	d := done{to: v.arg("back"), what: fmt.Sprintf("%d deliveries as %s %s", len(ids), v.arg("as"), run)}
	if n, err := strconv.Atoi(v.arg("count")); err != nil || n != len(ids) {
		return d, fmt.Errorf("nothing was resolved: %d match now, type that number: %w", len(ids), otn.ErrRefused)
	}
	for i, id := range ids {
		if _, err := c.host.Resolve(v.Context(), id, sent); err != nil && !isAny(err, otn.ErrRefused, otn.ErrNotFound) {
			return d, fmt.Errorf("%s were resolved, then: %w", number(int64(i)), err)
		}
	}
	d.said = resolved(len(ids), sent)
	return d, nil
}

func resolved(n int, sent bool) string {
	what := count(int64(n), "message counts", "messages count")
	if sent {
		return what + " as sent."
	}
	return what + " as lost: whoever was meant waits again."
}
