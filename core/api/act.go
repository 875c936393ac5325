// The calls about runs and rules: approve, pause, resume, cancel; list, reload, rearm.

package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// acts registers what is done to runs and rules.
func (d *door) acts(a huma.API) {
	post(a, core.ScopeSend, "approve-run", "/v1/runs/{id}/approve", "Let a run make its first send",
		"A run that would reach more people than its rule tells without asking waits for this.", http.StatusOK, d.onRun(Host.ApproveRun))
	post(a, core.ScopeSend, "pause-run", "/v1/runs/{id}/pause", "Keep a run from sending",
		"What is on its way is answered and settled; nothing more is sent until it is resumed.", http.StatusOK, d.onRun(Host.PauseRun))
	post(a, core.ScopeSend, "resume-run", "/v1/runs/{id}/resume", "Let a paused run go on",
		"A run is paused by an operator, or pauses when the channel says that its messages or the configuration are at fault. It looks again at everybody who still waits.", http.StatusOK, d.onRun(Host.ResumeRun))
	post(a, core.ScopeSend, "cancel-run", "/v1/runs/{id}/cancel", "End a run, or a send that is not due yet",
		"Whoever was not told waits on, and is told by another event.", http.StatusOK, d.onRun(Host.CancelRun))
	post(a, core.ScopeAdmin, "reload-rules", "/v1/rules/reload", "Read the rules anew",
		"All or nothing: with any fault the old version goes on. Nothing fires by it, and runs under way end with the version that made them.", http.StatusOK, d.reloadRules)
	post(a, core.ScopeSend, "rearm-rule", "/v1/rules/{rule}/rearm", "Forget what a rule holds for true",
		"About one subject or all. At the next event or moment it tells everybody who waits and for whom it is true then.", http.StatusOK, d.rearm)
	get(a, core.ScopeRead, "rules", "/v1/rules", "The rules that decide now", d.rules)
}

type runIn struct {
	Idempotent
	ID string `path:"id" maxLength:"128"`
}

// onRun is a call that does one thing to a run and answers with how it stands then.
func (d *door) onRun(act func(Host, context.Context, string) (core.RunView, error)) func(context.Context, *runIn) (*answer[core.RunView], error) {
	return func(ctx context.Context, in *runIn) (*answer[core.RunView], error) {
		v, err := act(d.host, ctx, in.ID)
		if err != nil {
			return nil, d.problem(ctx, err)
		}
		return &answer[core.RunView]{http.StatusOK, v}, nil
	}
}

func (d *door) rules(ctx context.Context, _ *none) (*body[core.RulesView], error) {
	v, err := d.host.ListRules()
	return reply(ctx, d, v, err)
}

// Faulty is what is wrong with rules that were to be read: each fault with its place.
type Faulty struct{ Faults []Fault }

// Error says how many there are, and the first.
func (f *Faulty) Error() string {
	if len(f.Faults) == 0 {
		return "the rules are at fault"
	}
	return fmt.Sprintf("the rules are at fault, %d in all: %s: %s", len(f.Faults), f.Faults[0].Location, f.Faults[0].Message)
}

func (d *door) reloadRules(ctx context.Context, _ *Idempotent) (*answer[core.RulesView], error) {
	if d.reload == nil {
		return nil, d.problem(ctx, fmt.Errorf("this program does not read its rules anew: %w", otn.ErrRefused))
	}
	if err := d.reload(ctx); err != nil {
		return nil, d.problem(ctx, err)
	}
	v, err := d.host.ListRules()
	return say(ctx, d, http.StatusOK, v, err)
}

type rearmIn struct {
	Idempotent
	Rule string `path:"rule" maxLength:"128"`
	Body struct {
		Subject string `json:"subject,omitempty" doc:"The id of the item or collection. Left out: all that somebody waits for."`
	}
}

// Rearmed says for how many subjects a rule forgot what it holds for true.
type Rearmed struct {
	Subjects int `json:"subjects"`
}

func (d *door) rearm(ctx context.Context, in *rearmIn) (*answer[Rearmed], error) {
	about(ctx, "%s %s", in.Rule, in.Body.Subject)
	n, err := d.host.RearmRule(ctx, in.Rule, in.Body.Subject)
	return say(ctx, d, http.StatusOK, Rearmed{n}, err)
}
