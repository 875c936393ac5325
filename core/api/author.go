// The calls about the rule language itself: check, explain, preview. Package core knows no language: an Author speaks it.

package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
)

// The words of an Author. The other door, the console, speaks them as well.
type (
	Author      = core.Author
	RuleFile    = core.RuleFile
	Checked     = core.Checked
	RuleFault   = core.RuleFault
	Explanation = core.Explanation
	Step        = core.Step
	Part        = core.Part
	Before      = core.Before
	Preview     = core.Preview
	Length      = core.Length
	Through     = core.Through
)

// authoring registers the calls about the language.
func (d *door) authoring(a huma.API) {
	weigh(a, core.ScopeRead, "check-rules", "/v1/rules/check", "Find every fault of rule files",
		"Nothing is loaded, and nothing is remembered: faults are the answer, not a problem.", http.StatusOK, d.check)
	weigh(a, core.ScopeRead, "explain", "/v1/explanations", "How a rule is decided, and what each part of it gives for one person",
		"Decided from the facts as they are now; was is the subject before its last event. Nothing is sent.", http.StatusOK, d.explain)
	weigh(a, core.ScopeRead, "preview", "/v1/previews", "The message of a rule as one person would get it",
		"Rendered from the facts as they are now, through the person's channel and every other one. Nothing is sent.", http.StatusOK, d.preview)
	d.looking(a)
}

type checkIn struct {
	Idempotent
	Body struct {
		Files  []RuleFile `json:"files" minItems:"1" maxItems:"100"`
		Strict bool       `json:"strict,omitempty"`
	}
}

// speaks is the problem of a host whose rules nobody here can read.
func (d *door) speaks() error {
	if d.author == nil {
		return huma.Error501NotImplemented("this host was started without the rule language")
	}
	return nil
}

func (d *door) check(_ context.Context, in *checkIn) (*answer[Checked], error) {
	if err := d.speaks(); err != nil {
		return nil, err
	}
	return &answer[Checked]{http.StatusOK, d.author.Check(in.Body.Files, in.Body.Strict)}, nil
}

type lookIn struct {
	Idempotent
	Body LookBody
}

// LookBody names a rule and a person.
type LookBody struct {
	Rule      string          `json:"rule" minLength:"1"`
	Subject   string          `json:"subject,omitempty" doc:"Left out: the one that the person waits for."`
	Channel   string          `json:"channel,omitempty" doc:"Left out with one channel: that one."`
	Recipient string          `json:"recipient" minLength:"1" maxLength:"128"`
	Fields    map[string]Text `json:"fields,omitempty" doc:"Of the trigger, for a rule that is on one. Left out: those of the last one."`
}

func (d *door) look(ctx context.Context, b LookBody) (core.Look, error) {
	channel, err := d.channel(ctx, b.Channel, b.Recipient)
	if err != nil {
		return core.Look{}, err
	}
	l, err := d.host.Look(ctx, core.LookRequest{Rule: b.Rule, Subject: b.Subject, Channel: channel, Recipient: b.Recipient, Fields: plain(b.Fields)})
	if err != nil {
		return l, d.problem(ctx, err)
	}
	return l, nil
}

func (d *door) explain(ctx context.Context, in *lookIn) (*answer[Explanation], error) {
	if err := d.speaks(); err != nil {
		return nil, err
	}
	l, err := d.look(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	e, err := d.author.Explain(l)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	e.At, e.Subject, e.Consent, e.Last = l.Facts.At, l.Consent.Subject, consentOf(l), l.Last
	return &answer[Explanation]{http.StatusOK, e}, nil
}

func (d *door) preview(ctx context.Context, in *lookIn) (*answer[Preview], error) {
	if err := d.speaks(); err != nil {
		return nil, err
	}
	l, err := d.look(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	p, err := d.author.Preview(l)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	p.Subject, p.Consent = l.Consent.Subject, consentOf(l)
	return &answer[Preview]{http.StatusOK, p}, nil
}

// consentOf is the public name of the consent that was looked at.
func consentOf(l core.Look) string {
	if !l.Holds {
		return ""
	}
	return l.Consent.Token.ID().String()
}
