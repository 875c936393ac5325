// Faults as SARIF 2.1.0, the OASIS format for the findings of static analysis.

package main

import (
	"cmp"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/rules"
)

// The parts of SARIF that are used. Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/
type (
	sarif struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Help  sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"` // error, warning or note
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region *sarifRegion `json:"region,omitempty"`
		} `json:"physicalLocation"`
	}
	sarifRegion struct {
		StartLine   int        `json:"startLine"`
		StartColumn int        `json:"startColumn,omitempty"`
		EndColumn   int        `json:"endColumn,omitempty"`
		Snippet     *sarifText `json:"snippet,omitempty"`
	}
)

// sarifOf writes faults down, with every code that occurs.
func sarifOf(faults []*rules.Error) sarif {
	meanings := rules.Codes()
	used := map[string]bool{}
	for _, f := range faults {
		used[f.Code] = true
	}
	codes := slices.Sorted(maps.Keys(used))
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "otn", Version: version().Version, Rules: []sarifRule{}}
	for _, code := range codes {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{code, sarifText{meanings[code].Meaning}, sarifText{"otn help " + code}})
	}
	for _, f := range faults {
		text := f.Message
		if f.Hint != "" {
			text += "; " + f.Hint
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: f.Code, RuleIndex: slices.Index(codes, f.Code), Level: f.Severity.String(), Message: sarifText{text}, Locations: []sarifLocation{locationOf(f)},
		})
	}
	return sarif{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}
}

// locationOf is the place of a fault; columns are counted in runes, as in a fault.
func locationOf(f *rules.Error) (l sarifLocation) {
	l.Physical.Artifact.URI = uriOf(f.File)
	if f.Line == 0 {
		return l
	}
	r := &sarifRegion{StartLine: f.Line}
	if f.Col > 0 {
		r.StartColumn, r.EndColumn = f.Col, f.Col+cmp.Or(f.Width, 1)
	}
	if f.Source != "" {
		r.Snippet = &sarifText{f.Source}
	}
	l.Physical.Region = r
	return l
}

// uriOf is a path as a URI reference: relative ones are meant from where check was started.
func uriOf(path string) string {
	u := (&url.URL{Path: filepath.ToSlash(path)}).String()
	if filepath.IsAbs(path) {
		return "file://" + u
	}
	return strings.TrimPrefix(u, "./")
}
