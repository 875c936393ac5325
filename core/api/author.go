// The calls about the rule language itself: check, explain, preview. Package core knows no language: an Author speaks it.

package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// Author knows the language of the rules that a host was given.
type Author interface {
	// Check finds every fault of rule files; strict makes errors of warnings.
	Check(files []RuleFile, strict bool) Checked
	// Explain says how a rule is decided, and what each of its parts gives. Errors: otn.ErrNotFound, otn.ErrInvalid.
	Explain(l core.Look) (Explanation, error)
	// Preview makes the message. Errors: otn.ErrNotFound, otn.ErrInvalid when it cannot be made.
	Preview(l core.Look) (Preview, error)
	// Compile makes rules of files. Errors: *Faulty.
	Compile(files []RuleFile) (otn.Rules, error)
}

// RuleFile is one rule file: a name for messages, and its text.
type RuleFile struct {
	Name   string `json:"name" minLength:"1" maxLength:"256"`
	Source string `json:"source" maxLength:"1048576"`
}

// Checked is what a check found.
type Checked struct {
	Files  int         `json:"files"`
	Faults []RuleFault `json:"faults"`
}

// RuleFault is one fault of a rule file, with its place.
type RuleFault struct {
	File     string `json:"file"`
	Line     int    `json:"line" doc:"From 1; 0: the file as a whole."`
	Col      int    `json:"col" doc:"From 1, in characters; 0: the whole line."`
	Width    int    `json:"width" doc:"Characters that the fault covers."`
	Code     string `json:"code" doc:"Stable; otn help CODE explains it."`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
	Source   string `json:"source" doc:"The line of the file."`
	Severity string `json:"severity" enum:"error,warning,note"`
}

// Explanation is how a rule is decided, and what it gives for one consent.
type Explanation struct {
	Rule    string       `json:"rule"`
	Topic   string       `json:"topic"`
	File    string       `json:"file,omitempty"`
	Line    int          `json:"line,omitempty"`
	About   string       `json:"about" enum:"change,state"`
	Fires   string       `json:"fires"`
	Plan    []Step       `json:"plan"`
	Verdict string       `json:"verdict"`
	Because string       `json:"because,omitempty"`
	Parts   []Part       `json:"parts"`
	Before  *Before      `json:"before,omitempty" doc:"Of a state rule: the condition at its last decision."`
	At      time.Time    `json:"at" doc:"When it was decided so: now."`
	Subject string       `json:"subject,omitempty"`
	Consent string       `json:"consent,omitempty" doc:"The waiting consent that was looked at; left out when the person has none."`
	Last    *core.Reason `json:"last,omitempty" doc:"What the rule last decided for this consent."`
}

// Step is one conjunct of a condition, and when it is decided.
type Step struct {
	Each      bool   `json:"each" doc:"For each consent; false: once for an event."`
	Condition string `json:"condition"`
	How       string `json:"how"`
}

// Part is a part of a condition and its value.
type Part struct {
	Depth     int    `json:"depth"`
	Text      string `json:"text"`
	Value     string `json:"value"`
	Evaluated bool   `json:"evaluated"`
}

// Before is a condition at an earlier decision.
type Before struct {
	At    time.Time `json:"at"`
	Value string    `json:"value"`
	Parts []Part    `json:"parts"`
}

// Preview is a message as one person would get it.
type Preview struct {
	Rule     string      `json:"rule"`
	Verdict  string      `json:"verdict" doc:"Whether they would get it now."`
	Because  string      `json:"because,omitempty"`
	Written  string      `json:"written" doc:"The form that the rule writes."`
	Message  otn.Message `json:"message"`
	Texts    []Length    `json:"texts"`
	Cut      int         `json:"cut" doc:"How many texts are too long, and end with an ellipsis."`
	Channels []Through   `json:"channels"`
	Subject  string      `json:"subject,omitempty"`
	Consent  string      `json:"consent,omitempty" doc:"The waiting consent that it is for; left out when the person has none."`
}

// Length is a text of a message and how long it came out.
type Length struct {
	Part   string `json:"part"`
	Length int    `json:"length"`
	Limit  int    `json:"limit"`
}

// Through is the message in one channel.
type Through struct {
	Channel string      `json:"channel"`
	Form    string      `json:"form,omitempty"`
	Falls   bool        `json:"falls_back,omitempty"`
	Message otn.Message `json:"message,omitzero"`
	Error   string      `json:"error,omitempty"`
}

// authoring registers the calls about the language.
func (d *door) authoring(a huma.API) {
	post(a, "check-rules", "/v1/rules/check", "Find every fault of rule files",
		"Nothing is loaded, and nothing is remembered: faults are the answer, not a problem.", http.StatusOK, d.check)
	post(a, "explain", "/v1/explanations", "How a rule is decided, and what each part of it gives for one person",
		"Decided from the facts as they are now; was is the subject before its last event. Nothing is sent.", http.StatusOK, d.explain)
	post(a, "preview", "/v1/previews", "The message of a rule as one person would get it",
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
