// The first page: whether all is well, what wants a decision, and what is under way. Every number on it is a counter.

package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core"
)

// onOverview is how many runs and topics the first page shows.
const onOverview = 6

// overview is the first page.
type overview struct {
	Needs     []need
	Topics    []core.TopicView
	More      int // topics that are not shown
	Sum       core.Overview
	Open      []core.RunView
	Instances []core.InstanceView
	Days      []core.Day
	Today     core.Day
	Empty     bool // nobody ever asked to be told
}

func (overview) title() string { return "Overview" }

// Series is what the chart draws: days as seconds of UTC, and two counts for each.
func (o overview) Series() (string, error) {
	var s struct {
		Days          []int64
		Granted, Sent []int64
	}
	for _, d := range o.Days {
		day, err := time.Parse(time.DateOnly, d.Date)
		if err != nil {
			return "", err
		}
		s.Days, s.Granted, s.Sent = append(s.Days, day.Unix()), append(s.Granted, d.Granted), append(s.Sent, d.Sent)
	}
	text, err := json.Marshal(s)
	return string(text), err
}

// need is something that wants an operator.
type need struct{ Tone, What, Why, To, Do string }

func (c *console) overview(v *visit) (any, error) {
	topics, err := c.host.Topics()
	if err != nil {
		return nil, err
	}
	open, err := c.host.OpenRuns(onOverview)
	if err != nil {
		return nil, err
	}
	sum, err := c.host.Overview()
	if err != nil {
		return nil, err
	}
	o := overview{Open: open, Sum: sum}
	if o.Days, err = c.host.Days(time.Time{}, time.Time{}); err != nil {
		return nil, err
	}
	if n := len(o.Days); n > 0 {
		o.Today = o.Days[n-1]
	}
	s := &o.Sum
	o.Empty = s.Waiting+s.Claimed+s.Sent+s.Refused+s.Unknown+s.Expired+s.Withdrawn == 0
	channels, sources := c.host.Instances(v.Context())
	o.Instances = append(channels, sources...)
	o.Needs = needs(topics, &sum, o.Instances)
	slices.SortStableFunc(topics, func(a, b core.TopicView) int { return cmp.Compare(b.Waiting, a.Waiting) })
	o.Topics = topics[:min(onOverview, len(topics))]
	o.More = len(topics) - len(o.Topics)
	return o, nil
}

// needs lists what wants an operator, the worst first.
func needs(topics []core.TopicView, sum *core.Overview, instances []core.InstanceView) (list []need) {
	for _, i := range instances {
		switch {
		case i.Poll != nil && i.Poll.Refused:
			list = append(list, need{"warn", i.Name + ": the last snapshot had shrunk too sharply to be believed", i.LastError, "/channels#" + i.Name, "Decide"})
		case i.State != "ready" && i.State != "starting":
			list = append(list, need{tone(i.State), i.Name + " is " + i.State, i.LastError, "/channels#" + i.Name, "Look"})
		}
	}
	for _, r := range sum.Decide {
		list = append(list, need{"warn", fmt.Sprintf("A run of %s is paused", ruleName(r.Rule)), r.Why, "/runs/" + r.ID, "Decide"})
	}
	if more := sum.Paused - len(sum.Decide); more > 0 {
		list = append(list, need{"warn", count(int64(more), "more run is paused", "more runs are paused"), "", "/runs?state=paused", "Look"})
	}
	if sum.Unknown > 0 {
		list = append(list, need{
			"doubt", count(sum.Unknown, "message", "messages") + " of which nobody can tell whether they arrived",
			"Their tokens are locked, and nothing is sent again by itself.", "/deliveries?outcome=unknown", "Resolve",
		})
	}
	for _, t := range topics {
		if t.Undeclared && t.Waiting > 0 {
			what := fmt.Sprintf("%s for a topic that the rules do not declare: %s", count(t.Waiting, "consent waits", "consents wait"), cmp.Or(t.ID, "none"))
			list = append(list, need{"warn", what, "Nobody is told until a rule file declares it.", link("/topics/topic", "id", t.ID), "Look"})
		}
	}
	return list
}
