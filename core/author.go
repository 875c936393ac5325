// What is said about rules in their own language: faults, explanations, previews. Package core knows no language: an Author
// speaks it, and the doors pass on what it says.

package core

import (
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Author knows the language of the rules that a host was given.
type Author interface {
	// Check finds every fault of rule files; strict makes errors of warnings.
	Check(files []RuleFile, strict bool) Checked
	// Explain says how a rule is decided, and what each of its parts gives. Errors: otn.ErrNotFound, otn.ErrInvalid.
	Explain(l Look) (Explanation, error)
	// Preview makes the message. Errors: otn.ErrNotFound, otn.ErrInvalid when it cannot be made.
	Preview(l Look) (Preview, error)
	// Compile makes rules of files. Errors: every fault, each with its place.
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
	Rule    string    `json:"rule"`
	Topic   string    `json:"topic"`
	File    string    `json:"file,omitempty"`
	Line    int       `json:"line,omitempty"`
	About   string    `json:"about" enum:"change,state"`
	Fires   string    `json:"fires"`
	Plan    []Step    `json:"plan"`
	Verdict string    `json:"verdict"`
	Because string    `json:"because,omitempty"`
	Parts   []Part    `json:"parts"`
	Before  *Before   `json:"before,omitempty" doc:"Of a state rule: the condition at its last decision."`
	At      time.Time `json:"at" doc:"When it was decided so: now."`
	Subject string    `json:"subject,omitempty"`
	Consent string    `json:"consent,omitempty" doc:"The waiting consent that was looked at; left out when the person has none."`
	Last    *Reason   `json:"last,omitempty" doc:"What the rule last decided for this consent."`
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
