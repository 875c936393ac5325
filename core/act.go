// What an operator does to runs and rules.

package core

import (
	"context"
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/core/otn"
)

// ApproveRun lets a run make its first send that waits for an operator's word, because it would reach many.
// Errors: otn.ErrNotFound, otn.ErrRefused for one that wants none.
func (h *Host) ApproveRun(ctx context.Context, id string) (RunView, error) {
	return h.actOn(ctx, id, h.approve)
}

// PauseRun keeps a run from sending until ResumeRun; what is on its way is answered and settled.
// Errors: otn.ErrNotFound, otn.ErrRefused for one that is done, cancelled or paused already.
func (h *Host) PauseRun(ctx context.Context, id string) (RunView, error) {
	return h.actOn(ctx, id, h.pause)
}

// ResumeRun lets a paused run go on. Errors: otn.ErrNotFound, otn.ErrRefused for one that is not paused, or wants approval.
func (h *Host) ResumeRun(ctx context.Context, id string) (RunView, error) {
	return h.actOn(ctx, id, h.resume)
}

// CancelRun ends a run, or a send that is not due yet: whoever was not told waits on, and is told by another event.
// Errors: otn.ErrNotFound, otn.ErrRefused for one that is done or cancelled already.
func (h *Host) CancelRun(ctx context.Context, id string) (RunView, error) {
	return h.actOn(ctx, id, h.cancel)
}

func (h *Host) approve(ctx context.Context, id otn.RunID) error { return h.dispatch.Approve(ctx, id) }
func (h *Host) resume(ctx context.Context, id otn.RunID) error  { return h.dispatch.Resume(ctx, id) }
func (h *Host) pause(ctx context.Context, id otn.RunID) error {
	return h.dispatch.PauseOpen(ctx, id, "paused by an operator")
}
func (h *Host) cancel(ctx context.Context, id otn.RunID) error {
	return h.dispatch.Cancel(ctx, id, "cancelled by an operator; those who were not told wait on")
}

func (h *Host) actOn(ctx context.Context, id string, act func(context.Context, otn.RunID) error) (RunView, error) {
	if err := h.await(ctx); err != nil {
		return RunView{}, err
	}
	run, err := otn.ParseRunID(id)
	if err != nil {
		return RunView{}, fmt.Errorf("core: run: %w: %w", err, otn.ErrInvalid)
	}
	if err := act(ctx, run); err != nil {
		return RunView{}, fmt.Errorf("core: %w", err)
	}
	return h.RunByID(id)
}

// RearmRule forgets what a rule holds for true, about one subject or, for "", about all: at the next event or moment it
// tells everybody who waits and for whom it is true then. It returns for how many subjects.
// Errors: otn.ErrNotFound for the rule, otn.ErrRefused for one that is about a change, which remembers nothing.
func (h *Host) RearmRule(ctx context.Context, rule, subject string) (int, error) {
	if err := h.await(ctx); err != nil {
		return 0, err
	}
	n, err := h.dispatch.Rearm(ctx, rule, subject)
	if err != nil {
		return 0, fmt.Errorf("core: %w", err)
	}
	return n, nil
}

// ListRules shows the rules that decide now, in the order of their files.
func (h *Host) ListRules() (RulesView, error) {
	if err := h.isOpen(); err != nil {
		return RulesView{}, err
	}
	rules, counts := h.Rules(), h.ledger.Topics()
	v := RulesView{Version: rules.Version(), Rules: []RuleView{}}
	for _, r := range rules.List() {
		v.Rules = append(v.Rules, RuleView{
			ID: r.ID, Topic: r.Topic, On: slices.Clone(r.On), Cron: r.Cron, Once: r.Once, State: r.State, When: r.When, File: r.File,
			Line: r.Line, Waiting: counts[r.Topic].Waiting,
		})
	}
	return v, nil
}
