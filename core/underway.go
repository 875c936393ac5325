// What is under way and what comes next, as an operator's overview shows it: open runs, the longest waiting lists, the
// calendar and the end of the journal. Each is bounded, whatever the store holds.

package core

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// OpenRuns lists up to limit runs that are neither done nor cancelled, newest first. It reads those alone.
func (h *Host) OpenRuns(limit int) ([]RunView, error) {
	if err := h.isOpen(); err != nil {
		return nil, err
	}
	runs, err := h.dispatch.OpenBefore("", limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("core: open runs: %w", err)
	}
	list := make([]RunView, 0, len(runs))
	for _, run := range runs {
		v, err := h.runView(run)
		if err != nil {
			return nil, fmt.Errorf("core: open runs: %w", err)
		}
		list = append(list, v)
	}
	return list, nil
}

// DemandView is one waiting list of a topic.
type DemandView struct {
	Subject string `json:"subject,omitempty"`
	Title   string `json:"title,omitempty"` // of the subject, where the shop has told it
	Waiting int64  `json:"waiting"`
	Claimed int64  `json:"claimed"`
}

// Demand lists up to limit waiting lists of a topic, the longest first, and says how many there are. The lists are counted in memory.
func (h *Host) Demand(topic string, limit int) (longest []DemandView, lists int, err error) {
	if err := h.isOpen(); err != nil {
		return nil, 0, err
	}
	declared, _ := h.Rules().Topic(topic)
	demands, lists := h.ledger.Demands(topic, limitOf(limit))
	for _, d := range demands {
		v := DemandView{Subject: d.Subject, Waiting: d.Waiting, Claimed: d.Claimed}
		if v.Title, err = h.titleOf(otn.Subject{Kind: declared.Subject, ID: d.Subject}); err != nil {
			return nil, 0, fmt.Errorf("core: demand: %w", err)
		}
		longest = append(longest, v)
	}
	return longest, lists, nil
}

// Waiting is how many consents wait on one line. It reads no disk.
func (h *Host) Waiting(topic, subject string) (int64, error) {
	if err := h.isOpen(); err != nil {
		return 0, err
	}
	return h.ledger.Waiting(ledger.Line{Topic: topic, Subject: subject}), nil
}

// titleOf is what the shop calls a subject, "" where it has not told.
func (h *Host) titleOf(s otn.Subject) (string, error) {
	if s.ID == "" || s.Kind == otn.NoSubject || s.Kind == "" {
		return "", nil
	}
	now, _, err := h.catalog.Snapshot(s)
	switch {
	case err != nil:
		return "", err
	case now.Item != nil:
		return now.Item.Title, nil
	case now.Collection != nil:
		return now.Collection.Title, nil
	}
	return "", nil
}

// Upcoming is one thing that is planned.
type Upcoming struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"` // cron once send run poll
	Rule    string    `json:"rule,omitempty"`
	Topic   string    `json:"topic,omitempty"`
	Subject string    `json:"subject,omitempty"`
	Run     string    `json:"run,omitempty"`
	Source  string    `json:"source,omitempty"`
	What    string    `json:"what"`
}

// perLine bounds how often one cron line is in a calendar.
const perLine = 5

// Calendar lists what is planned before until, earliest first: each rule's cron line (its next few times) and moment, the
// sends that are not due yet, the open runs that go on by themselves (holds, waves, hours), and the next poll of each source.
func (h *Host) Calendar(until time.Time) ([]Upcoming, error) {
	if err := h.isOpen(); err != nil {
		return nil, err
	}
	list, err := h.linesUntil(until)
	if err != nil {
		return nil, fmt.Errorf("core: calendar: %w", err)
	}
	for _, part := range []func() ([]Upcoming, error){h.runsAhead, h.pollsAhead} {
		more, err := part()
		if err != nil {
			return nil, fmt.Errorf("core: calendar: %w", err)
		}
		for _, u := range more {
			if u.At.Before(until) {
				list = append(list, u)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Upcoming) int { return a.At.Compare(b.At) })
	return list, nil
}

// linesUntil are the times of the rules' own lines and moments.
func (h *Host) linesUntil(until time.Time) (list []Upcoming, err error) {
	now := h.config.Clock.Now()
	for _, r := range h.Rules().List() {
		if r.Once.After(now) && r.Once.Before(until) {
			list = append(list, Upcoming{At: r.Once, Kind: "once", Rule: r.ID, Topic: r.Topic, What: "decided a single time"})
		}
		if r.Cron == "" {
			continue
		}
		at := now
		for range perLine {
			if at, err = h.nextLine(r, at); err != nil || at.IsZero() || !at.Before(until) {
				break
			}
			list = append(list, Upcoming{At: at, Kind: "cron", Rule: r.ID, Topic: r.Topic, What: "looks again, by " + r.Cron})
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// runsAhead are the runs that wait for a moment, sends that are not due yet among them.
func (h *Host) runsAhead() (list []Upcoming, err error) {
	waiting, err := h.scheduled(RunQuery{})
	if err != nil {
		return nil, err
	}
	for _, v := range waiting {
		list = append(list, upcomingRun(v, "send"))
	}
	open, err := h.OpenRuns(maxLimit)
	for _, v := range open {
		if !v.Until.IsZero() {
			list = append(list, upcomingRun(v, "run"))
		}
	}
	return list, err
}

func upcomingRun(v RunView, kind string) Upcoming {
	return Upcoming{At: v.Until, Kind: kind, Rule: v.Rule, Topic: v.Topic, Subject: v.Subject, Run: v.ID, What: v.Why}
}

func (h *Host) pollsAhead() (list []Upcoming, err error) {
	for name, p := range h.pollers {
		v, _, err := p.view()
		if err != nil {
			return nil, err
		}
		list = append(list, Upcoming{At: v.Next, Kind: "poll", Source: name, What: "polled by " + v.Line})
	}
	return list, nil
}

// JournalRow is one entry of the journal: what happened, by its number.
type JournalRow struct {
	Seq  uint64          `json:"seq"`
	At   time.Time       `json:"at"`
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body,omitempty"` // nothing personal
}

// JournalBefore lists up to limit entries whose number is below before, newest first; "" begins at the newest one. next is
// the before of the page behind it, "" where the journal begins. Errors: otn.ErrInvalid for a before that is no number.
func (h *Host) JournalBefore(before string, limit int) (list []JournalRow, next string, err error) {
	if err := h.isOpen(); err != nil {
		return nil, "", err
	}
	below := h.ledger.Head() + 1
	if before != "" {
		n, err := strconv.ParseUint(before, 10, 64)
		if err != nil {
			return nil, "", fmt.Errorf("core: journal before %q: %w", before, otn.ErrInvalid)
		}
		below = min(below, n)
	}
	window := uint64(limitOf(limit))
	for range journalWindows {
		if below <= 1 {
			return list, "", nil
		}
		from := below - min(below-1, window) // the first number of the window
		entries, err := h.ledger.Journal(from-1, int(below-from))
		if err != nil {
			return nil, "", err
		}
		for _, e := range slices.Backward(entries) {
			if e.Seq < below {
				list = append(list, journalRow(e))
			}
		}
		if below = from; len(list) > 0 {
			break
		}
	}
	if below <= 1 {
		return list, "", nil
	}
	return list, strconv.FormatUint(below, 10), nil
}

// journalWindows is how many stretches of numbers without an entry are passed over for one page.
const journalWindows = 16

func journalRow(e ledger.Entry) JournalRow {
	r := JournalRow{Seq: e.Seq, At: e.At, Kind: e.Kind}
	if json.Valid(e.Body) {
		r.Body = e.Body
	}
	return r
}
