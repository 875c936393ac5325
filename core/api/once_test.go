// What happens once, and what is on record of it: the door in front of a whole host.

package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

const shop = `version: 1
triggers:
  new_post: {fields: {title: string}}
topics:
  journal: {use: collection_launch, subject: none, ask: "News"}
rules:
  - {id: post, topic: journal, on: [trigger.new_post], message: {text: "Read ${trigger.title}"}}
`

// whole is a host in memory, and the door to it.
type whole struct {
	*core.Host
	door *httptest.Server
	stop func()
}

func startWhole(t *testing.T, m *core.Memory) whole {
	t.Helper()
	set, err := rules.Compile(rules.File{Name: "shop.yaml", Source: []byte(shop)})
	if err != nil {
		t.Fatal(err)
	}
	h, err := core.New(core.Config{Memory: m, Rules: set})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	<-h.Ready()
	if err := h.Trust("admin.key", otn.NewSecret(key)); err != nil {
		t.Fatal(err)
	}
	w := whole{h, httptest.NewServer(api.New(h, api.Options{Log: slog.New(slog.DiscardHandler)})), nil}
	w.stop = sync.OnceFunc(func() {
		w.door.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

// A call under an idempotency key is answered as before, also after a restart; another call under it is refused.
func TestRepeatedCall(t *testing.T) {
	m := core.NewMemory()
	w := startWhole(t, m)
	post := func(path, body, repeat string) (int, string, bool) {
		t.Helper()
		status, text, h := call(t, w.door, "POST", path, body, "Idempotency-Key", repeat)
		return status, text, h.Get("Idempotency-Replayed") == "true"
	}
	send := `{"topic":"journal","message":{"text":"hello"}}`
	status, first, again := post("/v1/sends", send, "order-1")
	if status != 202 || again {
		t.Fatalf("%d %s", status, first)
	}
	_, made, _ := post("/v1/keys", `{"name":"zapier","scopes":["submit"]}`, "key-1")
	w.stop()
	w = startWhole(t, m)
	if status, text, again := post("/v1/sends", send, "order-1"); status != 202 || text != first || !again {
		t.Errorf("%d %s %v, want %s", status, text, again, first)
	}
	if status, text, again := post("/v1/keys", `{"name":"zapier","scopes":["submit"]}`, "key-1"); status != 201 || text != made || !again {
		t.Errorf("a key made twice: %d, replayed %v", status, again)
	}
	if list, err := w.Keys(); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
	for path, body := range map[string]string{"/v1/sends": strings.Replace(send, "hello", "hullo", 1), "/v1/triggers/new_post": send} {
		if status, text, _ := post(path, body, "order-1"); status != 422 || !strings.Contains(text, `"code":"other_call"`) {
			t.Errorf("another call: %d %s", status, text)
		}
	}
	var known api.SendAnswer
	c := &api.Client{Base: w.door.URL, Key: otn.NewSecret(key), HTTP: w.door.Client()}
	if err := c.Post(t.Context(), "/v1/sends", "order-2", core.SendRequest{Topic: "journal", Message: otn.Message{Text: "hello"}}, &known); err != nil || known.Duplicate {
		t.Errorf("%+v %v", known, err)
	}
	if err := c.Post(t.Context(), "/v1/sends", "order-2", core.SendRequest{Topic: "journal", Message: otn.Message{Text: "hello"}}, &known); err != nil || !known.Duplicate {
		t.Errorf("a client is not told that it was done before: %+v %v", known, err)
	}
	// What was not understood is not kept: it can be put right under the same key.
	if status, text, _ := post("/v1/triggers/new_post", `{"feilds":{}}`, "t-1"); status != 422 {
		t.Errorf("%d %s", status, text)
	}
	if status, text, again := post("/v1/triggers/new_post", `{"fields":{"title":"x"}}`, "t-1"); status != 202 || again || !strings.Contains(text, `"duplicate":false`) {
		t.Errorf("put right: %d %s", status, text)
	}
	// A refusal is an answer like any other.
	for i := range 2 {
		if status, text, again := post("/v1/triggers/nothing", `{}`, "t-2"); status != 404 || again != (i == 1) {
			t.Errorf("%d %s %v", status, text, again)
		}
	}
	if status, text, _ := post("/v1/sends", send, strings.Repeat("x", 129)); status != 422 {
		t.Errorf("a long key: %d %s", status, text)
	}
	// What names people is not kept, so that nobody stays in it who is erased: it is bound to its key, and happens again.
	for range 2 {
		if status, text, again := post("/v1/consents/export", `{}`, "e-1"); status != 200 || again {
			t.Errorf("%d %s %v", status, text, again)
		}
		if status, text, again := post("/v1/rules/replay", `{}`, "e-2"); status != 200 || again {
			t.Errorf("%d %s %v", status, text, again)
		}
	}
	for _, path := range []string{"/v1/consents/export", "/v1/rules/replay"} {
		if status, text, _ := post(path, `{"people":1}`, map[string]string{"/v1/consents/export": "e-1", "/v1/rules/replay": "e-2"}[path]); status != 422 || !strings.Contains(text, "other_call") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

// slowHost holds a send up until it is let go.
type slowHost struct {
	*core.Host
	came, free chan struct{}
}

func (s slowHost) Send(ctx context.Context, r core.SendRequest) (core.SendAnswer, error) {
	s.came <- struct{}{}
	<-s.free
	return s.Host.Send(ctx, r)
}

// While a call is under way the same one is told so, and happens no second time.
func TestCallUnderWay(t *testing.T) {
	w := startWhole(t, core.NewMemory())
	slow := slowHost{w.Host, make(chan struct{}), make(chan struct{})}
	s := httptest.NewServer(api.New(slow, api.Options{Log: slog.New(slog.DiscardHandler)}))
	defer s.Close()
	body := `{"topic":"journal","message":{"text":"hello"}}`
	first := make(chan string)
	go func() {
		_, text, _ := call(t, s, "POST", "/v1/sends", body, "Idempotency-Key", "a")
		first <- text
	}()
	<-slow.came
	status, text, h := call(t, s, "POST", "/v1/sends", body, "Idempotency-Key", "a")
	if status != 409 || !strings.Contains(text, `"code":"in_flight"`) || h.Get("Retry-After") == "" {
		t.Errorf("%d %s", status, text)
	}
	close(slow.free)
	want := <-first
	if _, text, _ := call(t, s, "POST", "/v1/sends", body, "Idempotency-Key", "a"); text != want {
		t.Errorf("%s, want %s", text, want)
	}
}

// Every call that changes something is on record, with who, from where and how it ended; nothing personal and no secret is.
func TestCallsAreRecorded(t *testing.T) {
	w := startWhole(t, core.NewMemory())
	_, made, _ := call(t, w.door, "POST", "/v1/keys", `{"name":"canary","scopes":["submit"]}`)
	var k api.NewKey
	if err := json.Unmarshal([]byte(made), &k); err != nil {
		t.Fatal(made)
	}
	call(t, w.door, "POST", "/v1/triggers/new_post", `{"fields":{"title":"x"}}`, "Authorization", "Bearer "+k.Secret)
	call(t, w.door, "DELETE", "/v1/subscribers/shop/maria-canary", "", "Authorization", "Bearer "+k.Secret)
	call(t, w.door, "DELETE", "/v1/subscribers/shop/maria-canary", "")
	call(t, w.door, "PUT", "/v1/subscribers/shop/maria-canary/tags", `{"add":["vip"]}`)
	call(t, w.door, "POST", "/v1/sends", `{"topic":"nothing","message":{"text":"hello"}}`)
	call(t, w.door, "GET", "/v1/topics", "")
	status, text, _ := call(t, w.door, "GET", "/v1/audit", "")
	var page api.Audit
	if err := json.Unmarshal([]byte(text), &page); err != nil || status != 200 {
		t.Fatal(status, text)
	}
	var got []string
	for _, e := range page.Entries {
		if e.From != "127.0.0.1" || e.Request == "" {
			t.Errorf("%+v", e)
		}
		got = append(got, fmt.Sprint(e.Act, " ", e.Outcome, " ", e.Key == k.ID))
	}
	want := "send unknown_topic false|tag not_found false|erase done false|erase forbidden true|trigger done true|create-key done false"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
	if strings.Contains(text, "canary") || strings.Contains(text, k.Secret) || !strings.Contains(text, "person:") {
		t.Error(text)
	}
	if status, text, _ := call(t, w.door, "GET", "/v1/audit/verification", ""); status != 200 || !strings.Contains(text, `"entries":6`) || !strings.Contains(text, `"faults":[]`) {
		t.Errorf("%d %s", status, text)
	}
}

// No idempotency key, however long or odd, keeps a call off the record: one of as many characters as there may be, each of several
// bytes, is a key like any other, and one that is too long is recorded as refused.
func TestNoKeyHidesACall(t *testing.T) {
	w := startWhole(t, core.NewMemory())
	odd := strings.Repeat("é", 128)
	for i := range 2 {
		status, text, h := call(t, w.door, "POST", "/v1/triggers/new_post", `{"fields":{"title":"x"}}`, "Idempotency-Key", odd)
		if status != 202 || (h.Get("Idempotency-Replayed") == "true") != (i == 1) {
			t.Errorf("%d %s", status, text)
		}
	}
	if status, text, _ := call(t, w.door, "POST", "/v1/triggers/new_post", `{"fields":{"title":"x"}}`, "Idempotency-Key", odd+"é"); status != 422 {
		t.Errorf("%d %s", status, text)
	}
	list, _, err := w.Audit(core.AuditQuery{})
	if err != nil || len(list) != 2 || list[0].Outcome != "invalid" || list[1].Outcome != "done" {
		t.Errorf("on record: %+v %v", list, err)
	}
}

// An idempotency key is its caller's own: what another one calls the same happens, and nobody is answered with what another got.
func TestTwoCallersWithOneKey(t *testing.T) {
	w := startWhole(t, core.NewMemory())
	_, other, err := w.CreateKey(t.Context(), core.KeyRequest{Name: "zapier", Scopes: []core.Scope{core.ScopeSubmit, core.ScopeSend}})
	if err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{
		"/v1/triggers/new_post": `{"fields":{"title":"%s"}}`, "/v1/sends": `{"topic":"journal","message":{"text":"%s"}}`,
	} {
		_, mine, _ := call(t, w.door, "POST", path, fmt.Sprintf(body, "mine"), "Idempotency-Key", path)
		status, theirs, _ := call(t, w.door, "POST", path, fmt.Sprintf(body, "theirs"), "Idempotency-Key", path, "Authorization", "Bearer "+other.Reveal())
		if status != 202 || strings.Contains(theirs, `"duplicate":true`) || theirs == mine {
			t.Errorf("%s: %d %s, and mine was %s", path, status, theirs, mine)
		}
	}
}
