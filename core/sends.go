// The operator's sends that are not due yet: shown, edited, cancelled.

package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// SendView is a send of an operator that is not due yet.
type SendView struct {
	ID          string      `json:"id"`
	Run         string      `json:"run"` // that it will make, and under which it is listed among the runs
	Topic       string      `json:"topic"`
	Subject     string      `json:"subject,omitempty"`
	AllSubjects bool        `json:"all_subjects,omitempty"`
	Where       string      `json:"where,omitempty"`
	Message     otn.Message `json:"message"`
	At          time.Time   `json:"at"`
	Reaches     int64       `json:"reaches"` // how many waiting consents it would spend now
}

// SendChange says what becomes of a send. What is nil or zero stays as it is.
type SendChange struct {
	Message *otn.Message `json:"message,omitempty"`
	Where   *string      `json:"where,omitempty"`
	At      time.Time    `json:"at,omitzero"`
}

// Sends lists the sends that are not due yet, the next one first. How many each reaches Scheduled says of one.
func (h *Host) Sends() ([]SendView, error) {
	if err := h.isOpen(); err != nil {
		return nil, err
	}
	waiting, err := h.dispatch.WaitingSends()
	if err != nil {
		return nil, fmt.Errorf("core: sends: %w", err)
	}
	slices.SortFunc(waiting, func(a, b dispatch.Waiting) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	list := make([]SendView, len(waiting))
	for i := range waiting {
		list[i] = sendView(&waiting[i])
	}
	return list, nil
}

func sendView(w *dispatch.Waiting) SendView {
	return SendView{
		ID: w.ID, Run: w.Run.String(), Topic: w.Topic, Subject: w.Subject.ID, AllSubjects: w.All, Where: w.Where,
		Message: w.Message, At: w.At,
	}
}

// Scheduled finds a send that is not due yet, by its id or that of its run. Errors: otn.ErrNotFound.
func (h *Host) Scheduled(id string) (SendView, error) {
	w, err := h.waitingSend(id)
	if err != nil {
		return SendView{}, err
	}
	rules, err := h.dispatch.Version(w.Version)
	if err != nil {
		return SendView{}, fmt.Errorf("core: send: %w", err)
	}
	return h.withReach(&w, rules)
}

func (h *Host) waitingSend(id string) (dispatch.Waiting, error) {
	if err := h.isOpen(); err != nil {
		return dispatch.Waiting{}, err
	}
	waiting, err := h.dispatch.WaitingSends()
	if err != nil {
		return dispatch.Waiting{}, fmt.Errorf("core: send: %w", err)
	}
	for _, w := range waiting {
		if w.ID == id || w.Run.String() == id {
			return w, nil
		}
	}
	return dispatch.Waiting{}, fmt.Errorf("core: send %q waits no more, or never was: %w", id, otn.ErrNotFound)
}

// withReach is the view of a send with how many it would reach now by the rules that it is compiled into.
func (h *Host) withReach(w *dispatch.Waiting, rules otn.Rules) (SendView, error) {
	v := sendView(w)
	topic, ok := rules.Topic(w.Topic)
	if !ok {
		return v, nil
	}
	lines := []ledger.Line{{Topic: w.Topic, Subject: w.Subject.ID}}
	if w.All {
		lines = h.ledger.Lines(w.Topic)
	}
	for _, line := range lines {
		n, err := h.reach(rules, w.ID, topic, line, h.config.Clock.Now())
		if err != nil {
			return v, err
		}
		v.Reaches += n
	}
	return v, nil
}

// EditSend changes a send that is not due yet; it is compiled into the rules of now. Errors: otn.ErrNotFound; otn.ErrRefused
// when it is due; otn.ErrInvalid for a moment that has passed, and the faults of its texts and its condition.
func (h *Host) EditSend(ctx context.Context, id string, c SendChange) (SendView, error) {
	if err := h.await(ctx); err != nil {
		return SendView{}, err
	}
	found, err := h.waitingSend(id)
	if err != nil {
		return SendView{}, err
	}
	now := h.config.Clock.Now()
	var rules otn.Rules
	w, err := h.dispatch.EditSend(ctx, found.Run, now, func(w dispatch.Waiting) (dispatch.Waiting, otn.Rules, *ledger.Doc, error) {
		if c.Message != nil {
			w.Message = *c.Message
		}
		if c.Where != nil {
			w.Where = *c.Where
		}
		if !c.At.IsZero() {
			w.At = c.At
		}
		if !w.At.After(now) {
			return w, nil, nil, fmt.Errorf("core: send: %s has passed: %w", w.At.Format(time.RFC3339), otn.ErrInvalid)
		}
		var err error
		rules, err = h.Rules().Once(w.Send)
		return w, rules, &ledger.Doc{Key: sendPrefix + w.ID, Value: mustJSON(w.At), Expect: ledger.Any}, err
	})
	if err != nil {
		return SendView{}, err
	}
	h.ticked()
	return h.withReach(&w, rules)
}

// CancelSend ends a send that is not due yet. Errors: otn.ErrNotFound.
func (h *Host) CancelSend(ctx context.Context, id string) (RunView, error) {
	if err := h.await(ctx); err != nil {
		return RunView{}, err
	}
	w, err := h.waitingSend(id)
	if err != nil {
		return RunView{}, err
	}
	return h.CancelRun(ctx, w.Run.String())
}
