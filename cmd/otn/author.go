// The rule language for the operator's door: what package rules says, in the door's form.

package main

import (
	"errors"
	"fmt"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// author speaks the rule language.
type author struct {
	channels map[string]*otn.Capabilities // of the configuration
}

var _ api.Author = author{}

// Check finds every fault of rule files.
func (a author) Check(files []api.RuleFile, strict bool) api.Checked {
	list := make([]rules.File, len(files))
	for i, f := range files {
		list[i] = rules.File{Name: f.Name, Source: []byte(f.Source)}
	}
	found := checkFiles(list, a.channels, strict)
	return found.view()
}

// Compile makes rules of files.
func (a author) Compile(files []api.RuleFile) (otn.Rules, error) {
	list := make([]rules.File, len(files))
	for i, f := range files {
		list[i] = rules.File{Name: f.Name, Source: []byte(f.Source)}
	}
	set, err := rules.Compile(list...)
	var wrong rules.Errors
	if errors.As(err, &wrong) {
		return nil, faultyOf(wrong)
	}
	if err != nil {
		return nil, err
	}
	return set, nil
}

// view is what was found, in the form of the door and of -o json.
func (c *checked) view() api.Checked {
	out := api.Checked{Files: c.Files, Faults: []api.RuleFault{}}
	for _, f := range c.Faults {
		out.Faults = append(out.Faults, api.RuleFault{
			File: f.File, Line: f.Line, Col: f.Col, Width: f.Width, Code: f.Code, Message: f.Message, Hint: f.Hint, Source: f.Source, Severity: f.Severity.String(),
		})
	}
	return out
}

// Explain says how a rule is decided for one person.
func (a author) Explain(l core.Look) (api.Explanation, error) {
	set, err := own(l.Rules)
	if err != nil {
		return api.Explanation{}, err
	}
	e, err := set.Explain(l.Facts, &l.Consent)
	if err != nil {
		return api.Explanation{}, err
	}
	return explained(e), nil
}

// own takes the rules of this program out of what a host decides by.
func own(r otn.Rules) (*rules.Set, error) {
	set, ok := r.(*rules.Set)
	if !ok {
		return nil, fmt.Errorf("the rules are in another language: %w", otn.ErrInvalid)
	}
	return set, nil
}

func explained(e *rules.Explanation) api.Explanation {
	out := api.Explanation{
		Rule: e.Rule, Topic: e.Topic, File: e.File, Line: e.Line, About: e.About, Fires: e.Fires, Plan: []api.Step{}, Verdict: e.Verdict, Because: e.Because, Parts: partsOf(e.Parts),
	}
	for _, s := range e.Plan {
		out.Plan = append(out.Plan, api.Step(s))
	}
	if e.Before != nil {
		out.Before = &api.Before{At: e.Before.At, Value: e.Before.Value, Parts: partsOf(e.Before.Parts)}
	}
	return out
}

func partsOf(list []rules.Part) []api.Part {
	out := make([]api.Part, len(list))
	for i, p := range list {
		out[i] = api.Part(p)
	}
	return out
}

// Preview makes the message of a rule for one person.
func (a author) Preview(l core.Look) (api.Preview, error) {
	set, err := own(l.Rules)
	if err != nil {
		return api.Preview{}, err
	}
	p, err := set.Preview(l.Facts, &l.Consent, l.Channels)
	if err != nil {
		return api.Preview{}, err
	}
	return previewed(p), nil
}

func previewed(p *rules.Preview) api.Preview {
	out := api.Preview{Rule: p.Rule, Verdict: p.Verdict, Because: p.Because, Written: string(p.Written), Message: p.Message, Texts: []api.Length{}, Cut: p.Cut, Channels: []api.Through{}}
	for _, t := range p.Texts {
		out.Texts = append(out.Texts, api.Length(t))
	}
	for _, c := range p.Channels {
		out.Channels = append(out.Channels, api.Through{Channel: c.Channel, Form: string(c.Form), Falls: c.Falls, Message: c.Message, Error: c.Error})
	}
	return out
}
