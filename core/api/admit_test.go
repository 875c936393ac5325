// Who is let in, and what strangers learn.

package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

// Strangers learn nothing, whatever they ask for.
func TestStrangers(t *testing.T) {
	var first string
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer x", "bearer " + key, "Basic " + key, key, "Bearer " + key + "x", "Bearer " + key[:20]} {
		s := open(t, &fake{})
		for _, path := range []string{"/v1/topics", "/v1/nothing", "/"} {
			status, text, h := call(t, s, "GET", path, "", "Authorization", header)
			if status != 401 || h.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%q %s: %d", header, path, status)
			}
			if first == "" {
				first = text
			}
			if text != first || strings.Contains(text, "detail") {
				t.Errorf("%q %s is told %s", header, path, text)
			}
		}
	}
}

// An address may try a few keys, then few more; a good key is let in whatever came before it.
func TestTriesAreLimited(t *testing.T) {
	s := open(t, &fake{})
	refused := 0
	for range 40 {
		status, _, h := call(t, s, "GET", "/v1/topics", "", "Authorization", "Bearer wrong")
		if status == 429 {
			refused++
			if h.Get("Retry-After") == "" {
				t.Error("no word when to try again")
			}
		} else if status != 401 {
			t.Fatal(status)
		}
	}
	if refused < 10 || refused > 20 {
		t.Errorf("%d of 40 tries were one too many", refused)
	}
	if status, text, _ := call(t, s, "GET", "/v1/topics", ""); status != 200 {
		t.Errorf("a good key: %d %s", status, text)
	}
}

// wants says which scope each call wants. A call that is not here does not pass.
var wants = map[string]core.Scope{
	"topics": core.ScopeRead, "consents": core.ScopeRead, "consent": core.ScopeRead, "runs": core.ScopeRead, "run": core.ScopeRead,
	"deliveries": core.ScopeRead, "delivery": core.ScopeRead, "decisions": core.ScopeRead, "channels": core.ScopeRead, "sources": core.ScopeRead,
	"subscriber": core.ScopeRead, "days": core.ScopeRead, "rules": core.ScopeRead, "check-rules": core.ScopeRead, "explain": core.ScopeRead, "preview": core.ScopeRead,
	"replay-rules": core.ScopeRead, "diff-rules": core.ScopeRead,
	"events": core.ScopeRead, "sends": core.ScopeRead, "scheduled-send": core.ScopeRead,
	"edit-send": core.ScopeSend, "cancel-send": core.ScopeSend,
	"observe": core.ScopeSubmit, "trigger": core.ScopeSubmit, "link": core.ScopeSubmit, "grant": core.ScopeSubmit, "grant-batch": core.ScopeSubmit,
	"tag": core.ScopeSubmit, "withdraw": core.ScopeSubmit, "poll-source": core.ScopeSubmit,
	"ask": core.ScopeSend, "send": core.ScopeSend, "resolve": core.ScopeSend, "approve-run": core.ScopeSend, "pause-run": core.ScopeSend,
	"resume-run": core.ScopeSend, "cancel-run": core.ScopeSend, "rearm-rule": core.ScopeSend,
	"reload-rules": core.ScopeAdmin, "backup": core.ScopeAdmin, "export-consents": core.ScopeAdmin, "erase": core.ScopeAdmin,
	"release-plugin": core.ScopeAdmin, "test-channel": core.ScopeAdmin, "keys": core.ScopeAdmin, "create-key": core.ScopeAdmin,
	"revoke-key": core.ScopeAdmin, "audit": core.ScopeAdmin, "verify-audit": core.ScopeAdmin,
}

// operation is one call as the document describes it.
type operation struct {
	method, path string
	ID           string                `json:"operationId"`
	Scope        core.Scope            `json:"x-scope"`
	Security     []map[string][]string `json:"security"`
}

// operations are all calls of the document.
func operations(t *testing.T) (all []operation) {
	t.Helper()
	text, err := api.Document("test")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), path
			all = append(all, o)
		}
	}
	return all
}

// Every call wants a scope, the one of the table, and says so.
func TestEveryCallHasAScope(t *testing.T) {
	all := operations(t)
	for _, o := range all {
		if want, known := wants[o.ID]; !known || o.Scope != want {
			t.Errorf("%s %s (%s) wants the scope %q, and %q in the table", o.method, o.path, o.ID, o.Scope, want)
		}
		if len(o.Security) != 1 || len(o.Security[0]["key"]) != 1 || core.Scope(o.Security[0]["key"][0]) != o.Scope {
			t.Errorf("%s says of its key: %v", o.ID, o.Security)
		}
	}
	if len(all) != len(wants) {
		t.Errorf("%d calls, %d in the table", len(all), len(wants))
	}
}

// scoped is a host with a key for each scope, named like it.
type scoped struct{ *fake }

func (scoped) Authorize(secret otn.Secret) (core.Key, error) {
	s := core.Scope(secret.Reveal())
	return core.Key{ID: string(s), Scopes: []core.Scope{s}}, nil
}

// Every scope against every call: a key does what its scope says, and nothing else; what it tried to change is recorded.
func TestScopes(t *testing.T) {
	f := &fake{channels: []core.InstanceView{{Name: "shop", State: "ready", Account: "111"}}}
	s := httptest.NewServer(api.New(scoped{f}, api.Options{Log: slog.New(slog.DiscardHandler), Plugins: plugs{f}}))
	t.Cleanup(s.Close)
	params := regexp.MustCompile(`\{[a-z]+\}`)
	for _, o := range operations(t) {
		for _, scope := range append(core.Scopes(), "root") {
			f.got, f.recorded = nil, nil
			status, text, _ := call(t, s, o.method, params.ReplaceAllString(o.path, "shop"), "", "Authorization", "Bearer "+string(scope))
			allowed := scope == wants[o.ID] || scope == core.ScopeAdmin
			if (status == 403) == allowed || status == 401 || status >= 500 && status != 501 {
				t.Errorf("%s with %q: %d %s", o.ID, scope, status, text)
			}
			if allowed {
				continue
			}
			if f.got != nil || !strings.Contains(text, `"code":"forbidden"`) || !strings.Contains(text, string(wants[o.ID])) {
				t.Errorf("%s with %q: the host got %v, the answer is %s", o.ID, scope, f.got, text)
			}
			acts := o.method != "GET" && wants[o.ID] != core.ScopeRead
			if acts != (len(f.recorded) == 1) || acts && (f.recorded[0].Outcome != "forbidden" || f.recorded[0].Act != o.ID || f.recorded[0].Key != string(scope)) {
				t.Errorf("%s with %q: recorded is %+v", o.ID, scope, f.recorded)
			}
		}
	}
}

// A browser on another site reaches nothing, even with a key.
func TestCrossSite(t *testing.T) {
	for _, c := range []struct {
		name, value string
		status      int
	}{
		{"Sec-Fetch-Site", "cross-site", 403}, {"Origin", "https://evil.example", 403}, {"Sec-Fetch-Site", "same-origin", 200}, {"Sec-Fetch-Site", "none", 200},
	} {
		f := &fake{}
		status, text, _ := call(t, open(t, f), "POST", "/v1/runs/r1/approve", "", c.name, c.value)
		if status != c.status || (f.got != nil) != (status == 200) {
			t.Errorf("%s: %s: %d %s, the host got %v", c.name, c.value, status, text, f.got)
		}
	}
}
