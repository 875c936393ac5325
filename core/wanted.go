// Asks that are wanted, carried out: each once it is due, a few at a time, never while a door waits.

package core

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// When an ask that a channel put off is tried again, by attempt; behind the last it is given up.
var askWaits = [...]time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour}

// carryOut asks, and deletes the timer in the batch that says when to try again, where it is to be tried again.
func (h *Host) carryOut(ctx context.Context, t ledger.Timer) error {
	stops := ctx
	ctx = context.WithoutCancel(ctx)
	done := &ledger.Batch{Done: []ledger.TimerID{t.TimerID}}
	wanted, err := intake.ReadWanted(h.ledger, t)
	if err != nil {
		h.config.Log.Error("an ask that was wanted cannot be read and is given up", "error", err)
		return h.ledger.Commit(ctx, done)
	}
	person := h.ledger.Person(wanted.Channel, wanted.Subscriber)
	if h.gone.before(person, t.Due) {
		return h.ledger.Commit(ctx, done)
	}
	err = h.askWanted(stops, wanted)
	switch {
	case h.gone.before(person, t.Due): // meanwhile
		return h.ledger.Commit(ctx, done)
	case errors.Is(err, otn.ErrStore):
		return err
	case err != nil && stops.Err() != nil:
		return nil // its timer is on disk
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
		done.Decisions = h.wantedInVain(wanted, now, err)
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
	var have intake.Open
	if window.Value != nil {
		err = json.Unmarshal(window.Value, &have)
	}
	open := closing(have).After(h.config.Clock.Now())
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
		_, err = h.carry(ctx, asker, newAsk(r, w.Title, w.Ref, now))
		return err
	}
	ask, err := h.request(r, now)
	if err != nil {
		return err
	}
	_, err = h.carry(ctx, asker, ask)
	return err
}

// wantedInVain is for why: an ask that was wanted was not made. What a channel answered is told already.
func (h *Host) wantedInVain(w *intake.Wanted, now time.Time, err error) []ledger.Decision {
	var se *otn.SendError
	if errors.As(err, &se) {
		return nil
	}
	ref, _, _ := h.intake.Meaning(w.Ref) // for the words alone
	return []ledger.Decision{notAsked(h.ledger.Person(w.Channel, w.Subscriber), "", ref.Topic, ref.Subject, now, otn.No, inWords(err))}
}
