// Polled sources: when each is asked, one goroutine a source, so that a slow one holds up neither the clock nor another.

package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/core/schedule"
)

// Poll is how a source is polled.
type Poll struct {
	Line   string     // cron
	TZ     string     // the line's zone; empty: UTC
	Poller otn.Poller // also asked for otn.Describer
}

// pollTimer is the kind of timer that has a source polled. It stands on disk from one poll to the next, so that a moment
// that nobody was there for comes at the next start, once.
const pollTimer = "poll"

// pollBody says what a timer is for. A timer of a line that was edited, or of a moment that was replaced, does nothing.
type pollBody struct {
	Source string `json:"source"`
	Spec   string `json:"spec,omitempty"`  // the line with its zone
	Asked  bool   `json:"asked,omitempty"` // by an operator
	Accept bool   `json:"accept,omitempty"`
}

// pollState is what is known of a source's polls, as a document.
type pollState struct {
	Spec     string    `json:"spec"`
	Due      time.Time `json:"due"` // the one moment at which it is polled next
	Cursor   string    `json:"cursor,omitempty"`
	Began    time.Time `json:"began,omitzero"` // the last poll
	Good     time.Time `json:"good,omitzero"`  // the last poll that succeeded: its beginning
	Failures int       `json:"failures,omitempty"`
	Error    string    `json:"error,omitempty"`
	Refused  bool      `json:"refused,omitempty"` // Error is a snapshot that shrank
	Whole    uint64    `json:"whole,omitempty"`   // full snapshots taken
	Items    int       `json:"items,omitempty"`   // known from full snapshots, those absent included
	Absent   int       `json:"absent,omitempty"`
	Changed  int       `json:"changed,omitempty"` // observations of the last good poll that changed something
	Notes    int       `json:"notes,omitempty"`   // of the last good poll, with the records that were refused
	Note     string    `json:"note,omitempty"`    // the first of them
}

func pollKey(source string) string { return "poll/" + source }

// poller polls one source.
type poller struct {
	host *Host
	name string
	from otn.Poller
	line schedule.Line
	spec string
	wake chan struct{}

	mu      sync.Mutex
	due     []ledger.Timer // handed over by the clock, not yet worked on
	polling bool
}

// pollLine reads a source's cron line.
func pollLine(name string, p Poll) (schedule.Line, error) {
	if p.Poller == nil {
		return schedule.Line{}, fmt.Errorf("core: source %s: nothing to poll: %w", name, otn.ErrInvalid)
	}
	zone, err := time.LoadLocation(p.TZ)
	if err != nil {
		return schedule.Line{}, fmt.Errorf("core: source %s: %w: %w", name, err, otn.ErrInvalid)
	}
	line, err := schedule.Parse(p.Line, zone)
	if err != nil {
		return schedule.Line{}, fmt.Errorf("core: source %s: %w", name, err)
	}
	return line, nil
}

// makePollers makes a poller for each polled source. Errors: otn.ErrInvalid for a line that cannot be read and for a name that is a channel's.
func (h *Host) makePollers() error {
	h.pollers = map[string]*poller{}
	for name, p := range h.config.Polls {
		if _, twice := h.config.Channels[name]; twice {
			return fmt.Errorf("core: %q is a channel and a source: %w", name, otn.ErrInvalid)
		}
		line, err := pollLine(name, p)
		if err != nil {
			return err
		}
		h.pollers[name] = &poller{host: h, name: name, from: p.Poller, line: line, spec: p.Line + " " + p.TZ, wake: make(chan struct{}, 1)}
	}
	return nil
}

// planPolls sets the timer of every source that has none: one never polled is polled at once.
func (h *Host) planPolls(ctx context.Context) error {
	var b ledger.Batch
	for _, name := range slices.Sorted(maps.Keys(h.pollers)) {
		p := h.pollers[name]
		s, err := p.read()
		if err != nil {
			return err
		}
		if s.Spec == p.spec {
			continue
		}
		now := h.config.Clock.Now()
		s.Spec, s.Due = p.spec, now
		if !s.Began.IsZero() {
			s.Due = p.line.Next(now)
		}
		b.Docs = append(b.Docs, p.doc(s))
		b.Timers = append(b.Timers, p.timer(s.Due))
	}
	if len(b.Docs) == 0 {
		return nil
	}
	return h.ledger.Commit(ctx, &b)
}

// takePolls hands the timers of polls to their pollers, and gives the others back. That of a source that is no more stays
// on disk: the source may come back.
func (h *Host) takePolls(due []ledger.Timer) []ledger.Timer {
	return slices.DeleteFunc(due, func(t ledger.Timer) bool {
		if t.Kind != pollTimer {
			return false
		}
		var body pollBody
		if err := json.Unmarshal(t.Body, &body); err != nil {
			h.config.Log.Error("a timer cannot be read", "timer", t.ID, "error", err)
			return true
		}
		if p := h.pollers[body.Source]; p != nil {
			p.add(t)
		}
		return true
	})
}

func (p *poller) add(t ledger.Timer) {
	p.mu.Lock()
	p.due = append(p.due, t)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *poller) taken() []ledger.Timer {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.due
	p.due = nil
	return t
}

// run polls when it is due, one poll at a time. An error is the store's.
func (p *poller) run(ctx context.Context) error {
	for {
		p.host.config.Clock.Wait(ctx, time.Time{}, p.wake)
		if ctx.Err() != nil {
			return nil
		}
		for due := p.taken(); len(due) > 0; due = p.taken() {
			if err := p.turn(ctx, due); ctx.Err() != nil {
				return nil // what was due stays on disk, and comes at the next start
			} else if err != nil {
				return err
			}
		}
	}
}

// turn works on timers that are due: however many, they are one poll.
func (p *poller) turn(ctx context.Context, due []ledger.Timer) error {
	state, err := p.read()
	if err != nil {
		return err
	}
	r := round{poller: p, state: state}
	meant := false
	for _, t := range due {
		var body pollBody
		if err := json.Unmarshal(t.Body, &body); err != nil {
			return fmt.Errorf("core: timer %s: %w: %w", t.ID, err, otn.ErrStore)
		}
		meant = meant || body.Asked || body.Spec == p.spec && t.Due.Equal(state.Due)
		r.accept = r.accept || body.Accept
		r.done = append(r.done, t.TimerID)
	}
	if !meant {
		return p.host.ledger.Commit(ctx, &ledger.Batch{Done: r.done})
	}
	p.set(true)
	defer p.set(false)
	return r.poll(ctx)
}

func (p *poller) set(polling bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.polling = polling
}

func (p *poller) read() (s pollState, err error) {
	doc, ok, err := p.host.ledger.Doc(pollKey(p.name))
	if err == nil && ok {
		err = json.Unmarshal(doc.Value, &s)
	}
	if err != nil {
		return s, fmt.Errorf("core: source %s: %w: %w", p.name, err, otn.ErrStore)
	}
	return s, nil
}

// doc is the state as it is written: by the start, and from then on by the source's own goroutine alone.
func (p *poller) doc(s pollState) *ledger.Doc {
	return &ledger.Doc{Key: pollKey(p.name), Value: mustJSON(s), Expect: ledger.Any}
}

func (p *poller) timer(due time.Time) ledger.Timer {
	return ledger.Timer{TimerID: p.timerID(due), Kind: pollTimer, Body: mustJSON(pollBody{Source: p.name, Spec: p.spec})}
}

func (p *poller) timerID(due time.Time) ledger.TimerID {
	return ledger.TimerID{Due: due, ID: pollTimer + "/" + p.name + "/" + p.spec}
}

// PollNow has a source polled as soon as the poll that it may be at has ended. With accept, a snapshot that shrank sharply is
// taken as it is, this once: the shop did take its items away. It is on disk when it returns, and Instances shows what comes
// of it. Errors: otn.ErrNotFound for a source that is not polled.
func (h *Host) PollNow(ctx context.Context, source string, accept bool) (PollView, error) {
	if err := h.await(ctx); err != nil {
		return PollView{}, err
	}
	p := h.pollers[source]
	if p == nil {
		return PollView{}, fmt.Errorf("core: source %q that is polled: %w", source, otn.ErrNotFound)
	}
	id := pollTimer + "/" + source + "/asked"
	if accept {
		id += "/accept"
	}
	asked := ledger.Timer{
		TimerID: ledger.TimerID{Due: h.config.Clock.Now(), ID: id}, Kind: pollTimer,
		Body: mustJSON(pollBody{Source: source, Asked: true, Accept: accept}),
	}
	if err := h.ledger.Commit(ctx, &ledger.Batch{Timers: []ledger.Timer{asked}}); err != nil {
		return PollView{}, err
	}
	v, _, err := p.view()
	v.Next = asked.Due
	h.ticked()
	return v, err
}

// view is the source as it stands, and what is wrong with it.
func (p *poller) view() (v PollView, wrong string, err error) {
	s, err := p.read()
	if err != nil {
		return v, "", err
	}
	from := p.host.config.Polls[p.name]
	v = PollView{
		Line: from.Line, TZ: from.TZ, Next: s.Due, Began: s.Began, Good: s.Good, Failures: s.Failures, Refused: s.Refused,
		Items: s.Items, Absent: s.Absent, Changed: s.Changed, Notes: s.Notes, Note: s.Note,
	}
	p.mu.Lock()
	v.Polling = p.polling
	p.mu.Unlock()
	return v, s.Error, nil
}

// The first wait after a poll that failed, doubling from there, and the longest.
const (
	pollAgain    = time.Minute
	maxPollAgain = time.Hour
	maxPollAfter = 24 * time.Hour // however long the other side asks to be left alone
)

// again is how long a source that failed so often in a row is left alone.
func again(failures int, err error) time.Duration {
	wait := maxPollAgain
	if failures < 8 {
		wait = min(pollAgain<<(failures-1), maxPollAgain)
	}
	if se := (*otn.SendError)(nil); errors.As(err, &se) {
		wait = max(wait, min(se.After, maxPollAfter))
	}
	return wait
}
