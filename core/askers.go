// Who carries out what is due for one person: wanted asks, planned asks, what is said after a consent. A few at a time for
// each channel, so that one that hangs keeps no other waiting, and never while a door waits.

package core

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
)

// askers is how many asks and replies of one channel are carried out at once.
const askers = 8

// nowhere is the queue of what goes through a channel that is not there: it is decided all the same.
const nowhere = ""

// wants are the timers of one channel that are due and that nobody has taken up.
type wants struct {
	mu   sync.Mutex
	due  []ledger.Timer
	wake chan struct{}
}

// wantsOf makes the queues, one for each channel and one for none.
func wantsOf(c Config) map[string]*wants {
	all := map[string]*wants{nowhere: {wake: make(chan struct{}, 1)}}
	for name := range c.Channels {
		all[name] = &wants{wake: make(chan struct{}, 1)}
	}
	return all
}

// hand gives what is due to who works on it.
func (h *Host) hand(due []ledger.Timer) {
	rest := make([]ledger.Timer, 0, len(due))
	for _, t := range due {
		switch t.Kind {
		case intake.AskTimer, intake.PlannedTimer, intake.ThenTimer, dispatch.PurgeTimer, trimTimer:
			h.queue(t).add(t)
		default:
			rest = append(rest, t)
		}
	}
	if len(rest) > 0 {
		h.dispatch.Take(rest)
	}
}

// queue is the one of the channel that a timer is for.
func (h *Host) queue(t ledger.Timer) *wants {
	var about struct {
		Channel string `json:"channel"`
	}
	if t.Kind == dispatch.PurgeTimer || t.Kind == trimTimer {
		return h.wants[nowhere]
	}
	if t.Kind == intake.AskTimer {
		if w, err := intake.ReadWanted(h.ledger, t); err == nil {
			about.Channel = w.Channel
		}
	} else {
		_ = json.Unmarshal(t.Body, &about) // who carries it out says what is wrong
	}
	if q, ok := h.wants[about.Channel]; ok {
		return q
	}
	return h.wants[nowhere]
}

func (w *wants) add(t ledger.Timer) {
	w.mu.Lock()
	w.due = append(w.due, t)
	w.mu.Unlock()
	w.signal()
}

func (w *wants) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next waits for a timer; not ok when ctx is done.
func (w *wants) next(ctx context.Context, clock Clock) (t ledger.Timer, ok bool) {
	for ctx.Err() == nil {
		w.mu.Lock()
		if len(w.due) > 0 {
			t, w.due = w.due[0], w.due[1:]
			if len(w.due) > 0 {
				w.signal()
			}
			w.mu.Unlock()
			return t, true
		}
		w.mu.Unlock()
		clock.Wait(ctx, time.Time{}, w.wake)
	}
	return ledger.Timer{}, false
}

// carryAsks works on one queue until ctx is done; what was begun is ended.
func (h *Host) carryAsks(ctx context.Context, w *wants) error {
	for {
		t, ok := w.next(ctx, h.config.Clock)
		if !ok {
			return nil
		}
		if err := h.carryTimer(ctx, t); err != nil {
			return fmt.Errorf("core: %s: %w", t.Kind, err)
		}
	}
}

func (h *Host) carryTimer(ctx context.Context, t ledger.Timer) error {
	switch t.Kind {
	case intake.PlannedTimer:
		return h.carryPlanned(ctx, t)
	case intake.ThenTimer:
		return h.carryThen(ctx, t)
	case dispatch.PurgeTimer:
		return h.carryPurge(ctx, t)
	case trimTimer:
		return h.carryTrim(ctx, t)
	}
	return h.carryOut(ctx, t)
}
