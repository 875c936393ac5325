// The calls that try rules out: over the recorded past, and over those who wait now. They write nothing.

package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// looking registers the calls that try rules out.
func (d *door) looking(a huma.API) {
	weigh(a, core.ScopeRead, "replay-rules", "/v1/rules/replay", "What rules would have fired for the recorded events",
		"As if no consent had been spent since. Nothing is sent, and nothing is written. It is bounded: partial says what was left out.", http.StatusOK, d.replay)
	weigh(a, core.ScopeRead, "diff-rules", "/v1/rules/diff", "Who gains and who loses a message by other rules",
		"Decided for everybody who waits, from the facts as they are now, whatever a rule told before. Nothing is written. It is bounded: partial says what was left out.", http.StatusOK, d.diff)
}

// ReplayBody says which past goes through which rules.
type ReplayBody struct {
	Files  []RuleFile `json:"files,omitempty" maxItems:"100" doc:"Left out: the rules that decide now."`
	Rule   string     `json:"rule,omitempty" doc:"This one alone."`
	Since  time.Time  `json:"since,omitzero" doc:"Left out: all that is recorded."`
	People int        `json:"people,omitempty" minimum:"0" maximum:"1000" doc:"How many people are named for each firing."`
}

type replayIn struct {
	Idempotent
	Body ReplayBody
}

// DiffBody names two versions of the rules.
type DiffBody struct {
	Old    []RuleFile `json:"old,omitempty" maxItems:"100" doc:"Left out: the rules that decide now."`
	New    []RuleFile `json:"new" minItems:"1" maxItems:"100"`
	People int        `json:"people,omitempty" minimum:"0" maximum:"1000" doc:"How many people are named for each subject, of those who gain and of those who lose."`
}

type diffIn struct {
	Idempotent
	Body DiffBody
}

func (d *door) replay(ctx context.Context, in *replayIn) (*answer[core.Replay], error) {
	b := in.Body
	set, err := d.compile(ctx, b.Files)
	if err != nil {
		return nil, err
	}
	out, err := d.host.Replay(ctx, core.ReplayRequest{Rules: set, Rule: b.Rule, Since: b.Since, People: b.People})
	return say(ctx, d, http.StatusOK, out, err)
}

func (d *door) diff(ctx context.Context, in *diffIn) (*answer[core.Diff], error) {
	b := in.Body
	old, err := d.compile(ctx, b.Old)
	if err != nil {
		return nil, err
	}
	set, err := d.compile(ctx, b.New)
	if err != nil {
		return nil, err
	}
	out, err := d.host.Diff(ctx, core.DiffRequest{Old: old, New: set, People: b.People})
	return say(ctx, d, http.StatusOK, out, err)
}

// compile makes rules of files; nil of none.
func (d *door) compile(ctx context.Context, files []RuleFile) (otn.Rules, error) {
	if len(files) == 0 {
		return nil, nil
	}
	if err := d.speaks(); err != nil {
		return nil, err
	}
	set, err := d.author.Compile(files)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	return set, nil
}
