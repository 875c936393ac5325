// Asks that are wanted, carried out: each once it is due, a few at a time, never while a door waits.

package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// askers is how many wanted asks are carried out at once.
const askers = 8

// When an ask that a channel put off is tried again, by attempt; behind the last it is given up.
var askWaits = [...]time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour}

// wants are the timers of asks that are due and that nobody has taken up.
type wants struct {
	mu   sync.Mutex
	due  []ledger.Timer
	wake chan struct{}
}

// hand gives what is due to who works on it.
func (h *Host) hand(due []ledger.Timer) {
	rest := make([]ledger.Timer, 0, len(due))
	for _, t := range due {
		if t.Kind == intake.AskTimer {
			h.wants.add(t)
		} else {
			rest = append(rest, t)
		}
	}
	if len(rest) > 0 {
		h.dispatch.Take(rest)
	}
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

// carryAsks works until ctx is done; an ask that was begun is ended.
func (h *Host) carryAsks(ctx context.Context) error {
	for {
		t, ok := h.wants.next(ctx, h.config.Clock)
		if !ok {
			return nil
		}
		if err := h.carryOut(context.WithoutCancel(ctx), t); err != nil {
			return fmt.Errorf("core: a wanted ask: %w", err)
		}
	}
}

// carryOut asks, and deletes the timer in the batch that says when to try again, where it is to be tried again.
func (h *Host) carryOut(ctx context.Context, t ledger.Timer) error {
	done := &ledger.Batch{Done: []ledger.TimerID{t.TimerID}}
	wanted, err := intake.ReadWanted(h.ledger, t)
	if err != nil {
		h.config.Log.Error("an ask that was wanted cannot be read and is given up", "error", err)
		return h.ledger.Commit(ctx, done)
	}
	err = h.askWanted(ctx, wanted)
	if errors.Is(err, otn.ErrStore) {
		return err
	}
	now := h.config.Clock.Now()
	again := now.Add(nextAsk(wanted, err))
	switch {
	case err == nil:
		h.config.Log.Debug("asked", "channel", wanted.Channel)
	case again.After(now) && again.Before(wanted.GiveUp):
		wanted.Tries++
		timer, err := wanted.Timer(h.ledger, again)
		if err != nil {
			return err
		}
		done.Timers = append(done.Timers, timer)
	case errors.Is(err, otn.ErrOutsideWindow):
		return h.awaitWindow(ctx, wanted, done)
	default:
		h.config.Log.Warn("an ask that was wanted was not made", "channel", wanted.Channel, "why", err)
	}
	if err := h.ledger.Commit(ctx, done); err != nil {
		return err
	}
	if len(done.Timers) > 0 {
		h.ticked()
	}
	return nil
}

// awaitWindow lets an ask wait until its person's window opens: what they did last may be told to us after what came of it.
func (h *Host) awaitWindow(ctx context.Context, w *intake.Wanted, done *ledger.Batch) error {
	window, _, err := h.ledger.Doc(intake.WindowKey(h.ledger.Person(w.Channel, w.Subscriber)))
	if err != nil {
		return err
	}
	later, err := w.Later(h.ledger)
	if err != nil {
		return err
	}
	same := window // a window that opens in this moment would not see the ask
	waiting := &ledger.Batch{Done: done.Done, Docs: []*ledger.Doc{later, &same}}
	open, err := isOpen(window, h.config.Clock.Now())
	if err == nil && !open {
		err = h.ledger.Commit(ctx, waiting)
	}
	if !open && !errors.Is(err, otn.ErrConflict) {
		return err
	}
	timer, err := w.Timer(h.ledger, h.config.Clock.Now().Add(time.Second))
	if err != nil {
		return err
	}
	done.Timers = append(done.Timers, timer)
	if err := h.ledger.Commit(ctx, done); err != nil {
		return err
	}
	h.ticked()
	return nil
}

// nextAsk is after how long an ask is tried again, 0 for never. Only one that certainly was not made is.
func nextAsk(w *intake.Wanted, err error) time.Duration {
	var se *otn.SendError
	if !errors.As(err, &se) || se.Outcome != otn.Deferred || w.Tries >= len(askWaits) ||
		errors.Is(err, otn.ErrOutsideWindow) || errors.Is(err, otn.ErrAlreadyAsked) {
		return 0
	}
	return max(se.After, askWaits[w.Tries])
}

// askWanted makes the ask of what its ref means now. One that names no declared topic goes out with the title it came
// with: its consent is kept without a topic, until an operator assigns one.
func (h *Host) askWanted(ctx context.Context, w *intake.Wanted) error {
	ctx, cancel := context.WithTimeout(ctx, dispatch.SendTimeout)
	defer cancel()
	now := h.config.Clock.Now()
	if now.After(w.GiveUp) {
		return otn.ErrExpired
	}
	asker, err := h.asker(w.Channel)
	if err != nil {
		return err
	}
	ref, known, err := h.intake.Meaning(w.Ref)
	if err != nil {
		return err
	}
	r := AskRequest{Channel: w.Channel, Recipient: w.Subscriber, Topic: ref.Topic, Subject: ref.Subject, Title: w.Title, Answers: ref.Answers}
	if !known {
		if w.Title == "" {
			return otn.ErrUnknownTopic
		}
		r.Topic, r.Subject = "", ""
		_, err = h.carry(ctx, asker, newAsk(r, w.Title, w.Ref, now), now)
		return err
	}
	ask, err := h.request(r, now)
	if err != nil {
		return err
	}
	_, err = h.carry(ctx, asker, ask, now)
	return err
}
