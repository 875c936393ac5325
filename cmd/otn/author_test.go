// The rule language says the same at the door and on the command line.

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/rules"
)

// jsonOf is a value as JSON that can be compared.
func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	text, err = json.MarshalIndent(plain, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCheckSaysTheSameAtTheDoor(t *testing.T) {
	names, err := filepath.Glob("../../rules/testdata/wrong/*.yaml")
	if err != nil || len(names) < 100 {
		t.Fatal(len(names), err)
	}
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, strict := range []bool{false, true} {
			want := jsonOf(t, checkFiles([]rules.File{{Name: "a.yaml", Source: source}}, nil, strict))
			got := jsonOf(t, author{}.Check([]api.RuleFile{{Name: "a.yaml", Source: string(source)}}, strict))
			if got != want {
				t.Fatalf("%s, strict %v:\n%s\nwant\n%s", name, strict, got, want)
			}
		}
	}
}

// What rules says reaches the door whole: no field is lost on the way.
func TestExplanationsKeepTheirFields(t *testing.T) {
	part := rules.Part{Depth: 1, Text: "a", Value: "b", Evaluated: true}
	e := &rules.Explanation{Rule: "r", Topic: "t", File: "f", Line: 3, About: "state", Fires: "w", Plan: []rules.Step{{Each: true, Condition: "c", How: "h"}}}
	e.Verdict, e.Because, e.Parts, e.Before = "yes", "because", []rules.Part{part}, &rules.Before{Value: "false", Parts: []rules.Part{part}}
	got, want := map[string]any{}, map[string]any{}
	for from, to := range map[string]*map[string]any{jsonOf(t, explained(e)): &got, jsonOf(t, e): &want} {
		if err := json.Unmarshal([]byte(from), to); err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range want {
		if jsonOf(t, got[name]) != jsonOf(t, v) {
			t.Errorf("%s: %v, want %v", name, got[name], v)
		}
	}
	p := &rules.Preview{Rule: "r", Verdict: "yes", Because: "b", Written: "card", Texts: []rules.Length{{Part: "text", Length: 3, Limit: 2}}, Cut: 1, Channels: []rules.Through{{Channel: "c", Form: "text", Falls: true, Error: "e"}}}
	if a, b := jsonOf(t, previewed(p)), jsonOf(t, p); a != b {
		t.Errorf("%s\nwant\n%s", a, b)
	}
}

// SARIF: the parts that code hosts look for, in runes, with every code described once.
func TestSARIF(t *testing.T) {
	faults := rules.Check(rules.File{Name: "rules/ä b.yaml", Source: []byte("version: 1\ntopics: {t: {use: price_drop, subject: item, ask: x}}\nrules:\n  - {id: a, topic: t, on: [item.changed], when: \"'é' == itm.x && itm.y\", message: {text: x}}\n")})
	s := sarifOf(faults)
	run := s.Runs[0]
	if s.Version != "2.1.0" || len(run.Results) != 2 || len(run.Tool.Driver.Rules) != 1 || run.ColumnKind != "unicodeCodePoints" {
		t.Fatalf("%+v", s)
	}
	for i, r := range run.Results {
		at := r.Locations[0].Physical
		if r.RuleID != run.Tool.Driver.Rules[r.RuleIndex].ID || r.Level != "error" || at.Artifact.URI != "rules/%C3%A4%20b.yaml" ||
			at.Region.StartLine != faults[i].Line || at.Region.StartColumn != faults[i].Col || at.Region.EndColumn != faults[i].Col+3 || at.Region.Snippet.Text != faults[i].Source {
			t.Errorf("%+v", r)
		}
	}
	if got := locationOf(&rules.Error{File: "/tmp/a.yaml"}); got.Physical.Region != nil || got.Physical.Artifact.URI != "file:///tmp/a.yaml" {
		t.Errorf("a file as a whole: %+v", got)
	}
}

// Every code is explained on the command line, and those with examples show both.
func TestHelpExplainsEveryCode(t *testing.T) {
	for id, code := range rules.Codes() {
		var out bytes.Buffer
		if exit := run(console{args: []string{"help", strings.ToLower(id)}, stdin: strings.NewReader(""), stdout: &out, stderr: io.Discard}); exit != exitDone {
			t.Errorf("otn help %s exits with %d", id, exit)
		}
		text := out.String()
		if !strings.HasPrefix(text, id+": "+code.Meaning+"\n") {
			t.Errorf("%s: %s", id, text)
		}
		if code.Wrong != "" && !regexp.MustCompile(`(?s)\nWrong:\n    .*\n\n  \S.*\nRight:\n    \S`).MatchString(text) {
			t.Errorf("%s shows no examples, or not what is said of the wrong one:\n%s", id, text)
		}
	}
}
