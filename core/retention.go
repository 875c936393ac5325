// Retention: what is too old is deleted, a bounded piece at a time, by a timer on disk.

package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// oneDay is what retention is counted in.
const oneDay = 24 * time.Hour

// Retention says how long what has happened is kept. Zero fields are those of DefaultRetention. What an open run, a delivery
// in doubt or an event that is not decided yet needs stays, however old; a token that was granted is never granted again,
// whatever is forgotten of it.
type Retention struct {
	Journal    time.Duration // events, triggers and acts: what a replay looks at. A consent's entry stays as long as the consent
	Decisions  time.Duration // why somebody was told, or not
	Deliveries time.Duration // consents that ended with their messages, and the runs that told them
}

// DefaultRetention is what holds where nothing is said.
func DefaultRetention() Retention {
	return Retention{Journal: 30 * oneDay, Decisions: 90 * oneDay, Deliveries: 400 * oneDay}
}

// leastRetention is how long each is kept at least: limits of messages to one person look back at deliveries.
func leastRetention() Retention {
	return Retention{Journal: oneDay, Decisions: oneDay, Deliveries: 35 * oneDay}
}

// Checked fills in the zero fields. Errors: otn.ErrInvalid, which names the field.
func (r Retention) Checked() (Retention, error) {
	otherwise, least := DefaultRetention(), leastRetention()
	for _, f := range []struct {
		name            string
		d               *time.Duration
		otherwise, than time.Duration
	}{{"journal", &r.Journal, otherwise.Journal, least.Journal}, {"decisions", &r.Decisions, otherwise.Decisions, least.Decisions}, {"deliveries", &r.Deliveries, otherwise.Deliveries, least.Deliveries}} {
		if *f.d == 0 {
			*f.d = f.otherwise
		}
		if *f.d < f.than {
			return r, fmt.Errorf("core: retention of %s: at least %d days: %w", f.name, f.than/oneDay, otn.ErrInvalid)
		}
	}
	return r, nil
}

// Trimmed counts what was deleted because it was too old, since the store was made.
type Trimmed struct {
	Entries  int64 `json:"entries"`  // of the journal
	Consents int64 `json:"consents"` // that ended
	Runs     int64 `json:"runs"`
}

// trimState is how far the deleting has come. Its timer is the one of Next: others do nothing.
type trimState struct {
	Next    time.Time `json:"next"`
	Journal uint64    `json:"journal,omitempty"` // entries below were looked at
	Pass    time.Time `json:"pass,omitzero"`     // when the pass under way began, over consents that ended and then runs; zero: none is
	Ended   []byte    `json:"ended,omitempty"`   // of the pass: how far it is with the consents
	OnRuns  bool      `json:"on_runs,omitempty"` // it is done with those
	Run     string    `json:"run,omitempty"`     // of the pass: the last run it looked at
	Last    time.Time `json:"last,omitzero"`     // when the pass before began
	Begin   time.Time `json:"begin,omitzero"`    // no event older than this is in the journal
	Trimmed
}

const (
	trimTimer = "trim"
	trimKey   = "trim"
)

// How the deleting goes: how often it looks, how much it does at once, and how long it then waits. A pass over everything that
// ended is made once a week: nothing hurries.
const (
	trimEvery    = 6 * time.Hour
	trimPause    = time.Second
	trimLook     = 2000
	trimConsents = 500
	trimRuns     = 50
	trimPasses   = 7 * oneDay
)

func trimAt(due time.Time) ledger.Timer {
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: trimTimer}, Kind: trimTimer}
}

func (h *Host) trimState() (s trimState, doc ledger.Doc, err error) {
	doc, there, err := h.ledger.Doc(trimKey)
	if err != nil || !there {
		return s, doc, err
	}
	return s, doc, json.Unmarshal(doc.Value, &s)
}

// planTrim sets the timer: from then on each piece sets the next. One that is there already, or that a restore dropped, is set
// as it was.
func (h *Host) planTrim(ctx context.Context) error {
	s, doc, err := h.trimState()
	if err != nil {
		return err
	}
	b := &ledger.Batch{}
	if doc.Rev == 0 {
		s.Next = h.config.Clock.Now().Add(trimEvery)
		b.Docs = []*ledger.Doc{{Key: trimKey, Value: mustJSON(s)}}
	}
	b.Timers = []ledger.Timer{trimAt(s.Next)}
	return h.ledger.Commit(ctx, b)
}

// Trimmed tells what was deleted because it was too old.
func (h *Host) Trimmed() (Trimmed, error) {
	if err := h.isOpen(); err != nil {
		return Trimmed{}, err
	}
	s, _, err := h.trimState()
	return s.Trimmed, err
}

// carryTrim deletes one piece, and sets when the next is due, all in one batch.
func (h *Host) carryTrim(ctx context.Context, t ledger.Timer) error {
	ctx = context.WithoutCancel(ctx)
	s, doc, err := h.trimState()
	if err != nil {
		return err
	}
	if !s.Next.Equal(t.Due) {
		return h.ledger.Commit(ctx, &ledger.Batch{Done: []ledger.TimerID{t.TimerID}})
	}
	b := &ledger.Batch{Done: []ledger.TimerID{t.TimerID}}
	now := h.config.Clock.Now()
	more, err := h.trim(b, &s, now)
	if err != nil {
		return err
	}
	if s.Next = now.Add(trimEvery); more {
		s.Next = now.Add(trimPause)
	}
	b.Docs = append(b.Docs, &ledger.Doc{Key: trimKey, Rev: doc.Rev, Value: mustJSON(s)})
	b.Timers = []ledger.Timer{trimAt(s.Next)}
	err = h.ledger.Commit(ctx, b)
	if errors.Is(err, otn.ErrConflict) { // a run was opened again: the next start goes on
		return nil
	}
	if err == nil {
		h.ticked()
	}
	return err
}

// trim adds a piece to a batch: of the journal while there is any, else of a pass. It reports whether there is more at once.
func (h *Host) trim(b *ledger.Batch, s *trimState, now time.Time) (more bool, err error) {
	keep := h.config.Keep
	decided, err := h.dispatch.Decided()
	if err != nil {
		return false, err
	}
	before := now.Add(-keep.Journal)
	old, next, more, err := h.ledger.OldEntries(s.Journal, decided, before, trimLook)
	if err != nil {
		return false, err
	}
	if s.Journal = next; old.Entries > 0 {
		s.Begin = before
		s.Entries += int64(old.Entries)
		b.Old = append(b.Old, old)
	}
	if more {
		return true, nil
	}
	if s.Pass.IsZero() {
		if now.Sub(s.Last) < trimPasses {
			return false, nil
		}
		s.Pass = now
	}
	if !s.OnRuns {
		return true, h.trimEnded(b, s, s.Pass.Add(-keep.Deliveries))
	}
	return h.trimRuns(b, s, s.Pass.Add(-keep.Deliveries))
}

// trimEnded is a piece of a pass over the consents that ended.
func (h *Host) trimEnded(b *ledger.Batch, s *trimState, before time.Time) error {
	old, next, err := h.ledger.OldEnded(string(s.Ended), before, trimConsents, h.dispatch.IsOpen)
	if err != nil {
		return err
	}
	s.Consents += int64(old.Consents)
	s.Ended, s.OnRuns = []byte(next), next == ""
	b.Old = append(b.Old, old)
	return nil
}

// trimRuns is a piece of a pass over the runs that began before a moment, and ends the pass with the last.
func (h *Host) trimRuns(b *ledger.Batch, s *trimState, before time.Time) (more bool, err error) {
	docs, runs, last, err := h.dispatch.OldRuns(before, s.Run, trimRuns)
	if err != nil {
		return false, err
	}
	b.Docs, b.Forget = append(b.Docs, docs...), append(b.Forget, runs...)
	s.Runs += int64(len(runs))
	if s.Run = last; last == "" {
		s.Last, s.Pass, s.OnRuns = s.Pass, time.Time{}, false
	}
	return last != "", nil
}
