// The calls that try rules out: what they hand to the host, and what they refuse.

package api_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
)

func TestReplayRules(t *testing.T) {
	f := &fake{}
	s := authored(t, f, scribe{})
	status, text, _ := call(t, s, "POST", "/v1/rules/replay", `{"since":"2026-11-01T00:00:00Z","rule":"price-drop","people":3}`)
	want := core.ReplayRequest{Rule: "price-drop", Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), People: 3}
	if status != 200 || !strings.Contains(text, `"events":7`) || !reflect.DeepEqual(f.got, want) {
		t.Errorf("%d %s, %+v", status, text, f.got)
	}
	f.got = nil
	status, text, _ = call(t, s, "POST", "/v1/rules/replay", `{"files":[{"name":"n.yaml","source":"x"}]}`)
	if status != 422 || !strings.Contains(text, "n.yaml:3:5") || f.got != nil {
		t.Errorf("faulty rules: %d %s, %+v", status, text, f.got)
	}
	status, _, _ = call(t, authored(t, f, nil), "POST", "/v1/rules/replay", `{"files":[{"name":"n.yaml","source":"x"}]}`)
	if status != 501 {
		t.Errorf("without the language: %d", status)
	}
}

func TestDiffRules(t *testing.T) {
	f := &fake{}
	s := authored(t, f, scribe{})
	for body, part := range map[string]string{
		`{"new":[]}`: `"status":422`,
		`{"new":[{"name":"n.yaml","source":"x"}]}`:                                              "n.yaml:3:5",
		`{"new":[{"name":"n.yaml","source":"x"}],"people":1001}`:                                "people",
		`{"old":[{"name":"o.yaml","source":"x"}],"new":[{"name":"n.yaml","source":"version"}]}`: "n.yaml:3:5",
	} {
		status, text, _ := call(t, s, "POST", "/v1/rules/diff", body)
		if status != 422 || !strings.Contains(text, part) || f.got != nil {
			t.Errorf("%s: %d %s, %+v", body, status, text, f.got)
		}
	}
}
