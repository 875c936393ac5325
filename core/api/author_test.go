// The calls about the rule language: what they hand to the host and to the author, and what they answer.

package api_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

// scribe is an author that says what it was asked.
type scribe struct{ err error }

func (s scribe) Check(files []api.RuleFile, strict bool) api.Checked {
	return api.Checked{Files: len(files), Faults: []api.RuleFault{{File: files[0].Name, Line: 3, Code: "R202", Severity: "error", Message: fmt.Sprint(strict, len(files[0].Source))}}}
}

func (s scribe) Explain(l core.Look) (api.Explanation, error) {
	return api.Explanation{Rule: l.Rule.ID, About: "state", Plan: []api.Step{}, Parts: []api.Part{}}, s.err
}

func (s scribe) Preview(l core.Look) (api.Preview, error) {
	return api.Preview{Rule: l.Rule.ID, Message: otn.Message{Text: "Hello"}, Texts: []api.Length{}, Channels: []api.Through{}}, s.err
}

func (s scribe) Compile([]api.RuleFile) (otn.Rules, error) {
	return nil, &api.Faulty{Faults: []api.Fault{{Location: "n.yaml:3:5", Message: "no"}}}
}

func authored(t *testing.T, f *fake, a api.Author) *httptest.Server {
	t.Helper()
	f.channels = []core.InstanceView{{Name: "shop", State: "ready", Account: "111"}}
	s := httptest.NewServer(api.New(f, api.Options{Version: "test", Log: slog.New(slog.DiscardHandler), Author: a}))
	t.Cleanup(s.Close)
	return s
}

func TestCheckRules(t *testing.T) {
	s := authored(t, &fake{}, scribe{})
	status, text, _ := call(t, s, "POST", "/v1/rules/check", `{"files":[{"name":"a.yaml","source":"version: 1\n"}],"strict":true}`)
	if status != 200 || !strings.Contains(text, `"files":1`) || !strings.Contains(text, `"message":"true 11"`) || !strings.Contains(text, `"severity":"error"`) {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := call(t, s, "POST", "/v1/rules/check", `{"files":[]}`); status != 422 {
		t.Errorf("no files: %d %s", status, text)
	}
}

func TestExplanationsAndPreviews(t *testing.T) {
	for _, path := range []string{"/v1/explanations", "/v1/previews"} {
		f := &fake{}
		s := authored(t, f, scribe{})
		body := `{"rule":"price-drop","subject":"SKU-1","recipient":"222","fields":{"n":3}}`
		status, text, _ := call(t, s, "POST", path, body)
		want := core.LookRequest{Rule: "price-drop", Subject: "SKU-1", Channel: "shop", Recipient: "222", Fields: map[string]string{"n": "3"}}
		if status != 200 || !strings.Contains(text, `"rule":"price-drop"`) || !strings.Contains(text, `"subject":"SKU-1"`) || strings.Contains(text, `"consent"`) || !reflect.DeepEqual(f.got, want) {
			t.Errorf("%s: %d %s, %+v", path, status, text, f.got)
		}
		f.err = otn.ErrNotFound
		if status, text, _ := call(t, s, "POST", path, body); status != 404 || !strings.Contains(text, "not_found") {
			t.Errorf("%s of nothing: %d %s", path, status, text)
		}
		invalid := authored(t, &fake{}, scribe{err: otn.ErrInvalid})
		if status, text, _ := call(t, invalid, "POST", path, body); status != 422 || !strings.Contains(text, `"code":"invalid"`) {
			t.Errorf("%s that cannot be made: %d %s", path, status, text)
		}
		if status, text, _ := call(t, s, "POST", path, `{"rule":"price-drop"}`); status != 422 || !strings.Contains(text, "recipient") {
			t.Errorf("%s for nobody: %d %s", path, status, text)
		}
	}
}

// A host in a program with rules of its own kind has no author.
func TestNoAuthor(t *testing.T) {
	s := open(t, &fake{})
	for path, body := range map[string]string{
		"/v1/rules/check": `{"files":[{"name":"a.yaml","source":""}]}`, "/v1/explanations": `{"rule":"a","recipient":"b"}`, "/v1/previews": `{"rule":"a","recipient":"b"}`,
	} {
		if status, text, _ := call(t, s, "POST", path, body); status != 501 || !strings.Contains(text, `"status":501`) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}
