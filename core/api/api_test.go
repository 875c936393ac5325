// The door: who is let in, what each call hands to the host, and what its errors look like outside.

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

const key = "otn_admin_test_0123456789012345678901234567890123"

// fake is a host that remembers what it was asked and answers with err.
type fake struct {
	err      error
	panics   bool
	channels []core.InstanceView
	got      any
	added    bool
	tagged   string
}

func (f *fake) Grant(_ context.Context, c ...otn.Consent) ([]core.Granted, error) {
	f.got = c
	return []core.Granted{{ID: "c1", Added: f.added}}, f.err
}

func (f *fake) Observe(_ context.Context, obs ...otn.Observation) (core.Observed, error) {
	f.got = obs
	return core.Observed{Accepted: len(obs), Changed: 1}, f.err
}

func (f *fake) Trigger(_ context.Context, t otn.Trigger) (core.Accepted, error) {
	f.got = t
	return core.Accepted{ID: "t1"}, f.err
}

func (f *fake) Link(_ context.Context, r core.LinkRequest) (core.LinkView, error) {
	f.got = r
	return core.LinkView{URL: "https://chat.example/n", Ref: "n", Means: "m"}, f.err
}

func (f *fake) Ask(_ context.Context, r core.AskRequest) (otn.Receipt, error) {
	f.got = r
	return otn.Receipt{ProviderID: "m_1"}, f.err
}

func (f *fake) Send(_ context.Context, r core.SendRequest) (core.SendAnswer, error) {
	f.got = r
	return core.SendAnswer{ID: "s1", Runs: []string{"r1"}, Reaches: 214}, f.err
}

func (f *fake) Replay(_ context.Context, q core.ReplayRequest) (core.Replay, error) {
	f.got = q
	return core.Replay{Events: 7, Rules: []core.ReplayedRule{}, Fires: []core.Fired{}}, f.err
}

func (f *fake) Diff(_ context.Context, q core.DiffRequest) (core.Diff, error) {
	f.got = q
	return core.Diff{Looked: 9, Rules: []core.RuleDiff{}, Topics: []core.TopicDiff{}}, f.err
}

func (f *fake) Topics() ([]core.TopicView, error) {
	if f.panics {
		panic("canary")
	}
	return nil, f.err
}

func (f *fake) Consents(q core.ConsentQuery) ([]core.ConsentView, string, error) {
	f.got = q
	return []core.ConsentView{{ID: "c1"}}, "more", f.err
}
func (f *fake) Consent(id string) (core.ConsentView, error) { return core.ConsentView{ID: id}, f.err }

func (f *fake) Runs(q core.RunQuery) ([]core.RunView, string, error) {
	f.got = q
	return nil, "", f.err
}
func (f *fake) RunByID(id string) (core.RunView, error) { return core.RunView{ID: id}, f.err }

func (f *fake) Deliveries(q core.DeliveryQuery) ([]core.DeliveryView, string, error) {
	f.got = q
	return nil, "", f.err
}

func (f *fake) GrantEach(_ context.Context, dry bool, c ...otn.Consent) ([]core.GrantedEach, error) {
	f.got = c
	out := make([]core.GrantedEach, len(c))
	for i := range c {
		out[i].Granted = core.Granted{ID: fmt.Sprint("c", i), Added: f.added && !dry}
		if c[i].Topic == "unknown" {
			out[i].Err = otn.ErrUnknownTopic
		}
	}
	return out, f.err
}

func (f *fake) Export(_ context.Context, cursor string, limit int) ([]otn.Consent, string, error) {
	f.got = fmt.Sprint("export ", cursor, limit)
	return []otn.Consent{{Token: otn.NewToken("page", "tok-1"), Channel: "shop", Topic: "t", Tags: []string{"vip"}}}, "more", f.err
}

func (f *fake) Erase(_ context.Context, channel, id string) (core.Erased, error) {
	f.got = "erase " + channel + " " + id
	return core.Erased{Consents: 2, Done: true}, f.err
}

func (f *fake) Withdraw(_ context.Context, id string) (core.ConsentView, error) {
	f.got = "withdraw " + id
	return core.ConsentView{ID: id, State: "withdrawn"}, f.err
}

func (f *fake) Resolve(_ context.Context, id string, sent bool) (core.DeliveryView, error) {
	f.got = fmt.Sprint(id, sent)
	return core.DeliveryView{ID: id, Outcome: "sent"}, f.err
}

func (f *fake) ResumeRun(_ context.Context, id string) (core.RunView, error) {
	f.got = "resume " + id
	return core.RunView{ID: id, State: "running"}, f.err
}

func (f *fake) PollNow(_ context.Context, source string, accept bool) (core.PollView, error) {
	f.got = fmt.Sprint("poll ", source, accept)
	return core.PollView{Line: "@daily"}, f.err
}

func (f *fake) ApproveRun(_ context.Context, id string) (core.RunView, error) {
	f.got = "approve " + id
	return core.RunView{ID: id, State: "running"}, f.err
}

func (f *fake) PauseRun(_ context.Context, id string) (core.RunView, error) {
	f.got = "pause " + id
	return core.RunView{ID: id, State: "paused"}, f.err
}

func (f *fake) CancelRun(_ context.Context, id string) (core.RunView, error) {
	f.got = "cancel " + id
	return core.RunView{ID: id, State: "cancelled"}, f.err
}

func (f *fake) ListRules() (core.RulesView, error) {
	return core.RulesView{Version: "v1", Rules: []core.RuleView{{ID: "back", Topic: "back-in-stock", State: true}}}, f.err
}

func (f *fake) RearmRule(_ context.Context, rule, subject string) (int, error) {
	f.got = "rearm " + rule + " " + subject
	return 3, f.err
}

func (f *fake) Why(channel, subscriber, rule string) (core.Why, error) {
	f.got = channel + "/" + subscriber + "/" + rule
	return core.Why{Channel: channel, Subscriber: subscriber}, f.err
}
func (f *fake) Backup(_ context.Context, dir string) (core.Backup, error) {
	f.got = "backup " + dir
	return core.Backup{Writes: 7}, f.err
}

func (f *fake) Subscriber(channel, subscriber string) (core.SubscriberView, error) {
	f.got = "show " + channel + "/" + subscriber
	return core.SubscriberView{Channel: channel, Subscriber: subscriber, Tags: []string{"vip"}}, f.err
}

func (f *fake) Tag(_ context.Context, channel, subscriber string, c core.TagChange) ([]string, error) {
	f.tagged = fmt.Sprintf("%s/%s %v%v +%v -%v", channel, subscriber, c.Set, c.Set != nil, c.Add, c.Remove)
	return nil, f.err
}

func (f *fake) Look(_ context.Context, q core.LookRequest) (core.Look, error) {
	f.got = q
	return core.Look{Rule: otn.Rule{ID: q.Rule}, Consent: otn.Consent{Channel: q.Channel, Subject: q.Subject}}, f.err
}
func (f *fake) Instances(context.Context) (channels, sources []core.InstanceView) {
	return f.channels, nil
}

// plugs are the fake's plugins: shop is known, and its platform finds a fault.
type plugs struct{ f *fake }

func (p plugs) Release(_ context.Context, name string) error {
	p.f.got = "release " + name
	return p.f.err
}

func (p plugs) Validate(_ context.Context, name string) (bool, []string, error) {
	p.f.got = "validate " + name
	return true, []string{"page_token: expired"}, p.f.err
}

// A plugin is released and a platform asked by the instance's name; a host without plugins says so.
func TestPlugins(t *testing.T) {
	f := &fake{}
	s := open(t, f)
	if status, text, _ := call(t, s, "POST", "/v1/plugins/shop/release", ""); status != 200 || f.got != "release shop" || !strings.Contains(text, `"name":"shop"`) {
		t.Errorf("release: %d %s, %v", status, text, f.got)
	}
	if status, text, _ := call(t, s, "POST", "/v1/channels/shop/test", ""); status != 200 || f.got != "validate shop" || !strings.Contains(text, `"asked":true,"wrong":["page_token: expired"]`) {
		t.Errorf("test: %d %s, %v", status, text, f.got)
	}
	if status, _, _ := call(t, s, "POST", "/v1/channels/none/test", ""); status != 404 {
		t.Errorf("test of a channel that is not there: %d", status)
	}
	f.err = otn.ErrRefused
	if status, text, _ := call(t, s, "POST", "/v1/plugins/shop/release", ""); status != 409 {
		t.Errorf("a release that is refused: %d %s", status, text)
	}
	bare := httptest.NewServer(api.New(&fake{}, api.Options{Key: otn.NewSecret(key), Log: slog.New(slog.DiscardHandler)}))
	defer bare.Close()
	for _, path := range []string{"/v1/plugins/shop/release", "/v1/channels/shop/test"} {
		if status, _, _ := call(t, bare, "POST", path, ""); status != 404 {
			t.Errorf("%s without plugins: %d", path, status)
		}
	}
}

func open(t *testing.T, f *fake) *httptest.Server {
	t.Helper()
	if f.channels == nil {
		f.channels = []core.InstanceView{{Name: "shop", State: "ready", Account: "111"}}
	}
	s := httptest.NewServer(api.New(f, api.Options{Key: otn.NewSecret(key), Version: "test", Log: slog.New(slog.DiscardHandler), Plugins: plugs{f}}))
	t.Cleanup(s.Close)
	return s
}

func call(t *testing.T, s *httptest.Server, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text)), resp.Header
}

// Each call takes the body of the contract, hands it on whole, and answers in the contract's words.
func TestCalls(t *testing.T) {
	at := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	message := otn.Message{Text: "hello"}
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
		got                any
	}{
		{"POST", "/v1/triggers/doors_open", `{"fields":{"b":2.50,"a":"x","c":true},"subject":"SKU-1","channel":"shop","recipient":"222"}`, 202, `{"id":"t1","duplicate":false}`,
			otn.Trigger{Name: "doors_open", Subject: "SKU-1", Channel: "shop", Subscriber: otn.Subscriber{ID: "222"}, Key: "k1", Fields: []otn.Named{
				{Name: "a", Value: otn.StringValue("x")}, {Name: "b", Value: otn.StringValue("2.50")}, {Name: "c", Value: otn.StringValue("true")}}}},
		{"POST", "/v1/asks", `{"channel":"shop","recipient":"222","topic":"price-drop","subject":"SKU-1","title":"T","answers":{"quantity":2}}`, 202, `{"provider_id":"m_1"}`,
			core.AskRequest{Channel: "shop", Recipient: "222", Topic: "price-drop", Subject: "SKU-1", Title: "T", Answers: map[string]string{"quantity": "2"}}},
		{"POST", "/v1/links", `{"channel":"shop","topic":"price-drop","subject":"SKU-1","answers":{"quantity":2},"short":true}`, 200, `{"url":"https://chat.example/n","ref":"n","means":"m"}`,
			core.LinkRequest{Channel: "shop", Topic: "price-drop", Subject: "SKU-1", Answers: map[string]string{"quantity": "2"}, Short: true}},
		{"POST", "/v1/consents", `{"channel":"shop","recipient":"222","topic":"price-drop","subject":"SKU-1","token":"tok","granted_at":"2026-11-22T11:00:00Z","answers":{"target":"99.00 USD"}}`, 200, `{"id":"c1","added":false}`,
			[]otn.Consent{{Token: otn.NewToken("111", "tok"), Channel: "shop", Subscriber: otn.Subscriber{ID: "222"}, Topic: "price-drop", Subject: "SKU-1", GrantedAt: at,
				Answers: []otn.Named{{Name: "target", Value: otn.StringValue("99.00 USD")}}}}},
		{"POST", "/v1/sends", `{"topic":"journal","all_subjects":true,"message":{"text":"hello"},"where":"true","at":"2026-11-22T11:00:00Z","dry_run":true}`, 202, `{"run":"r1","id":"s1","runs":["r1"],"reaches":214}`,
			core.SendRequest{Topic: "journal", AllSubjects: true, Message: message, Where: "true", At: at, DryRun: true, Key: "6ab9f1eb8f7d3388f4f9d586f66e99fd"}},
		{"POST", "/v1/deliveries/d1/resolve", `{"outcome":"lost"}`, 200, `{"id":"d1",`, "d1false"},
		{"POST", "/v1/sources/feed/poll", ``, 202, `{"line":"@daily",`, "poll feedfalse"},
		{"POST", "/v1/sources/feed/poll", `{"accept":true}`, 202, `{"line":"@daily",`, "poll feedtrue"},
		{"POST", "/v1/runs/r1/approve", ``, 200, `{"id":"r1","state":"running"`, "approve r1"},
		{"POST", "/v1/runs/r1/pause", ``, 200, `{"id":"r1","state":"paused"`, "pause r1"},
		{"POST", "/v1/runs/r1/resume", ``, 200, `{"id":"r1","state":"running"`, "resume r1"},
		{"POST", "/v1/runs/r1/cancel", ``, 200, `{"id":"r1","state":"cancelled"`, "cancel r1"},
		{"GET", "/v1/runs?state=holding", "", 200, `{"runs":[]}`, core.RunQuery{State: "holding"}},
		{"GET", "/v1/rules", "", 200, `{"version":"v1","rules":[{"id":"back",`, nil},
		{"POST", "/v1/rules/back/rearm", `{"subject":"SKU-1"}`, 200, `{"subjects":3}`, "rearm back SKU-1"},
		{"POST", "/v1/rules/back/rearm", `{}`, 200, `{"subjects":3}`, "rearm back "},
		{"POST", "/v1/deliveries/d1/resolve", `{"outcome":"sent"}`, 200, `{"id":"d1",`, "d1true"},
		{"GET", "/v1/topics", "", 200, `{"topics":[]}`, nil},
		{"GET", "/v1/consents?topic=t&subject=s&state=waiting&cursor=c&limit=5", "", 200, `{"consents":[{"id":"c1",`, core.ConsentQuery{Topic: "t", Subject: "s", State: "waiting", Cursor: "c", Limit: 5}},
		{"GET", "/v1/consents?subscriber=222", "", 200, `{"consents":[{"id":"c1",`, core.ConsentQuery{Channel: "shop", Subscriber: "222"}},
		{"GET", "/v1/consents/c9", "", 200, `{"id":"c9",`, nil},
		{"GET", "/v1/runs?rule=r&state=paused", "", 200, `{"runs":[]}`, core.RunQuery{Rule: "r", State: "paused"}},
		{"GET", "/v1/runs/r1", "", 200, `{"id":"r1",`, nil},
		{"GET", "/v1/deliveries?outcome=unknown", "", 200, `{"deliveries":[]}`, core.DeliveryQuery{Outcome: "unknown"}},
		{"GET", "/v1/decisions?subscriber=222&rule=r", "", 200, `{"channel":"shop","subscriber":"222","consents":[],"reasons":[]}`, "shop/222/r"},
		{"GET", "/v1/subscribers/shop/a%2Fb", "", 200, `{"channel":"shop","subscriber":"a/b","tags":["vip"],`, "show shop/a/b"},
		{"GET", "/v1/channels", "", 200, `{"channels":[{"name":"shop",`, nil},
		{"GET", "/v1/sources", "", 200, `{"sources":[]}`, nil},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			f := &fake{}
			status, text, _ := call(t, open(t, f), c.method, c.path, c.body, "Idempotency-Key", "k1")
			if status != c.status || !strings.HasPrefix(text, c.answer) {
				t.Errorf("answered %d %s, want %d %s", status, text, c.status, c.answer)
			}
			if c.got != nil && !reflect.DeepEqual(f.got, c.got) {
				t.Errorf("the host got %+v, want %+v", f.got, c.got)
			}
		})
	}
}

// A reload answers with the rules that decide from then on, or with every fault of those that do not.
func TestReload(t *testing.T) {
	var fault error
	reload := func(context.Context) error { return fault }
	s := httptest.NewServer(api.New(&fake{}, api.Options{Key: otn.NewSecret(key), Log: slog.New(slog.DiscardHandler), Reload: reload}))
	t.Cleanup(s.Close)
	status, text, _ := call(t, s, "POST", "/v1/rules/reload", "")
	if status != 200 || !strings.HasPrefix(text, `{"version":"v1","rules":[`) {
		t.Errorf("%d %s", status, text)
	}
	fault = fmt.Errorf("reload: %w", &api.Faulty{Faults: []api.Fault{{Location: "shop.yaml:3:5", Message: "unknown name"}, {Location: "shop.yaml:9:1", Message: "another"}}})
	status, text, _ = call(t, s, "POST", "/v1/rules/reload", "")
	for _, part := range []string{`"code":"rules"`, "shop.yaml:3:5", "shop.yaml:9:1", "the old version goes on"} {
		if status != 422 || !strings.Contains(text, part) {
			t.Errorf("%d %s says nothing of %s", status, text, part)
		}
	}
	if status, text, _ := call(t, open(t, &fake{}), "POST", "/v1/rules/reload", ""); status != 409 {
		t.Errorf("a door that cannot reload: %d %s", status, text)
	}
}

func TestObserve(t *testing.T) {
	f := &fake{}
	s := open(t, f)
	status, text, _ := call(t, s, "POST", "/v1/observations", `{"observations":[{"kind":"item","id":"SKU-1","title":"Wool coat","price":"99.00 USD","stock":3,"sellable":true,"url":"https://shop.example/coat"}]}`)
	if status != 202 || text != `{"accepted":1,"changed":1}` {
		t.Fatalf("%d %s", status, text)
	}
	if obs := f.got.([]otn.Observation); obs[0].Item.ID != "SKU-1" {
		t.Errorf("got %+v", obs[0])
	}
	f.got = nil
	status, text, _ = call(t, s, "POST", "/v1/observations", `{"observations":[{"kind":"item","id":"A"},{"kind":"item","id":"B","pirce":"1.00 USD"},{"kind":"item"}]}`)
	if status != 422 || f.got != nil || !strings.Contains(text, "body.observations[1]") || !strings.Contains(text, "body.observations[2]") {
		t.Errorf("%d %s, the host got %v", status, text, f.got)
	}
}

// Any text is an idempotency key: the same one is the same send, another one another, whatever their letters.
func TestSendKeys(t *testing.T) {
	f := &fake{}
	s := open(t, f)
	named := map[string]string{}
	for _, key := range []string{"order/1", "Order/1", "order/1", "order 1", strings.Repeat("x", 128)} {
		if status, text, _ := call(t, s, "POST", "/v1/sends", `{"topic":"journal","message":{"text":"hello"}}`, "Idempotency-Key", key); status != 202 {
			t.Fatalf("%q: %d %s", key, status, text)
		}
		name := f.got.(core.SendRequest).Key
		if before, known := named[key]; known && before != name {
			t.Errorf("%q is %s and %s", key, before, name)
		}
		named[key] = name
	}
	names := map[string]bool{}
	for _, name := range named {
		names[strings.ToLower(name)] = true
	}
	if len(names) != len(named) {
		t.Errorf("%d keys have %d names", len(named), len(names))
	}
}

func TestGrantIsNewOrKnown(t *testing.T) {
	f := &fake{added: true}
	s := open(t, f)
	body := `{"channel":"shop","recipient":"222","topic":"journal","token":"tok-canary"}`
	if status, _, _ := call(t, s, "POST", "/v1/consents", body); status != 201 {
		t.Errorf("a new token: %d", status)
	}
	if status, text, _ := call(t, s, "POST", "/v1/consents", strings.Replace(body, "shop", "shp", 1)); status != 404 {
		t.Errorf("an unknown channel: %d %s", status, text)
	}
	f.channels = []core.InstanceView{{Name: "shop", State: "starting"}}
	if status, text, h := call(t, s, "POST", "/v1/consents", body); status != 503 || h.Get("Retry-After") == "" {
		t.Errorf("a channel whose account is not known: %d %s", status, text)
	}
}

// Tags are replaced, cleared or changed; those of an import come with the consent, and not without it.
func TestTagCalls(t *testing.T) {
	grant := `{"channel":"shop","recipient":"222","topic":"journal","token":"tok","tags":["vip"]}`
	for _, c := range []struct {
		method, path, body string
		err                error
		status             int
		tagged             string
	}{
		{"PUT", "/v1/subscribers/shop/222/tags", `{"tags":["a","b"]}`, nil, 200, "shop/222 [a b]true +[] -[]"},
		{"PUT", "/v1/subscribers/shop/222/tags", `{"tags":[]}`, nil, 200, "shop/222 []true +[] -[]"},
		{"PUT", "/v1/subscribers/shop/222/tags", `{"add":["vip"],"remove":["old"]}`, nil, 200, "shop/222 []false +[vip] -[old]"},
		{"PUT", "/v1/subscribers/shop/222/tags", `{"tgas":["a"]}`, nil, 422, ""},
		{"PUT", "/v1/subscribers/nowhere/222/tags", `{"add":["vip"]}`, otn.ErrNotFound, 404, "nowhere/222 []false +[vip] -[]"},
		{"POST", "/v1/consents", grant, nil, 200, "shop/222 []false +[vip] -[]"},
		{"POST", "/v1/consents", grant, otn.ErrUnknownTopic, 404, ""},
		{"POST", "/v1/consents", strings.Replace(grant, "vip", "v ip", 1), nil, 422, ""},
	} {
		f := &fake{err: c.err}
		status, text, _ := call(t, open(t, f), c.method, c.path, c.body)
		if status != c.status || f.tagged != c.tagged {
			t.Errorf("%s %s %s: %d %s, tagged %q, want %d, %q", c.method, c.path, c.body, status, text, f.tagged, c.status, c.tagged)
		}
		if status == 422 && f.got != nil {
			t.Errorf("%s: the host got %v", c.body, f.got)
		}
	}
}

// Strangers learn nothing, whatever they ask for.
func TestKey(t *testing.T) {
	s := open(t, &fake{})
	var first string
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer x", "bearer " + key, "Basic " + key, "Bearer " + key + "x", "Bearer " + key[:20]} {
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
	open := httptest.NewServer(api.New(&fake{}, api.Options{}))
	defer open.Close()
	for _, header := range []string{"Bearer ", "Bearer x"} {
		if status, _, _ := call(t, open, "GET", "/v1/topics", "", "Authorization", header); status != 401 {
			t.Errorf("a door without a key lets %q in", header)
		}
	}
}

// Every sentinel has its status and its stable code.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{otn.ErrNotFound, 404, "not_found"}, {otn.ErrUnknownTopic, 404, "unknown_topic"}, {otn.ErrOutsideWindow, 409, "outside_window"},
		{otn.ErrAlreadyAsked, 409, "already_asked"}, {otn.ErrAlreadyGiven, 409, "already_granted"}, {otn.ErrRefused, 409, "refused"},
		{otn.ErrSpent, 409, "already_spent"}, {otn.ErrInvalid, 422, "invalid"}, {otn.ErrStore, 503, "store"}, {otn.ErrUnavailable, 503, "unavailable"},
		{&otn.SendError{Outcome: otn.Unknown, Code: "timeout"}, 502, "unknown"}, {&otn.SendError{Outcome: otn.Deferred}, 503, "deferred"},
		{&otn.SendError{Outcome: otn.Invalid}, 422, "invalid"}, {&otn.SendError{Outcome: otn.Refused, Err: otn.ErrOutsideWindow}, 409, "outside_window"},
		{errors.New("canary of the inside"), 500, "internal"},
	} {
		status, text, h := call(t, open(t, &fake{err: fmt.Errorf("core: %w", c.err)}), "POST", "/v1/asks", `{"channel":"shop","recipient":"222","topic":"t"}`)
		var p api.Problem
		if err := json.Unmarshal([]byte(text), &p); err != nil || status != c.status || p.Code != c.code || p.Status != c.status || p.Title == "" {
			t.Errorf("%v: %d %s", c.err, status, text)
		}
		if h.Get("Content-Type") != "application/problem+json" || p.RequestID == "" || p.RequestID != h.Get("X-Request-Id") {
			t.Errorf("%v: headers %v, problem %+v", c.err, h, p)
		}
		if strings.Contains(text, "canary") {
			t.Errorf("the inside is told: %s", text)
		}
	}
}

// What is malformed is a problem of the same form, and the host never sees it.
func TestMalformed(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
		code, part         string
	}{
		{"POST", "/v1/asks", `{"channel":"shop"`, 400, "malformed", ""},
		{"POST", "/v1/asks", `{"channel":"shop","recipient":"2","topic":"t","titel":"x"}`, 422, "invalid", "titel"},
		{"POST", "/v1/asks", `{"channel":"shop"}`, 422, "invalid", "recipient"},
		{"POST", "/v1/observations", `{"observations":[]}`, 422, "invalid", "observations"},
		{"POST", "/v1/deliveries/d/resolve", `{"outcome":"maybe"}`, 422, "invalid", "outcome"},
		{"GET", "/v1/consents?stat=x", "", 422, "invalid", "stat"},
		{"GET", "/v1/consents?limit=5000", "", 422, "invalid", "limit"},
		{"GET", "/v1/deliveries?channel=shop", "", 422, "invalid", "subscriber"},
		{"POST", "/v1/triggers/x", `{"fields":{"a":"` + strings.Repeat("x", 2<<20) + `"}}`, 413, "too_large", ""},
	} {
		f := &fake{}
		status, text, _ := call(t, open(t, f), c.method, c.path, c.body)
		if status != c.status || !strings.Contains(text, `"code":"`+c.code+`"`) || !strings.Contains(text, c.part) || f.got != nil {
			t.Errorf("%s %s: %d %.300s, the host got %v", c.method, c.path, status, text, f.got)
		}
	}
}

// A panic is one call's end, not the door's.
func TestPanic(t *testing.T) {
	f := &fake{panics: true}
	s := open(t, f)
	status, text, h := call(t, s, "GET", "/v1/topics", "")
	if status != 500 || strings.Contains(text, "canary") || !strings.Contains(text, h.Get("X-Request-Id")) {
		t.Errorf("%d %s", status, text)
	}
	f.panics = false
	if status, _, _ := call(t, s, "GET", "/v1/topics", ""); status != 200 {
		t.Errorf("then %d", status)
	}
}

func TestDocument(t *testing.T) {
	status, text, _ := call(t, open(t, &fake{}), "GET", "/openapi.json", "", "Authorization", "")
	if status != 200 || !strings.Contains(text, `"openapi":"3.1.0"`) || strings.Contains(text, "$schema") {
		t.Errorf("%d %.200s", status, text)
	}
	same, err := api.Document("test")
	if err != nil || string(same) != text {
		t.Errorf("Document differs: %v", err)
	}
	for _, path := range []string{"/v1/observations", "/v1/triggers/{name}", "/v1/deliveries/{id}/resolve", "/v1/decisions"} {
		if !strings.Contains(text, `"`+path+`"`) {
			t.Errorf("%s is not described", path)
		}
	}
}

var update = flag.Bool("update", false, "write the golden file anew")

// The document that programs are written against changes only on purpose: go test ./core/api -update
func TestDocumentIsCommitted(t *testing.T) {
	text, err := api.Document("v1")
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(want, pretty.Bytes()) {
		t.Errorf("%s is not what the door serves: %v", file, err)
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := api.ReadKey(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no key yet: %v", err)
	}
	made, err := api.Key(dir)
	if err != nil || !strings.HasPrefix(made.Reveal(), "otn_admin_") {
		t.Fatal(err)
	}
	again, err := api.Key(dir)
	if err != nil || again.Reveal() != made.Reveal() {
		t.Errorf("the key changed: %v", err)
	}
	path := filepath.Join(dir, api.KeyFile)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := api.ReadKey(dir); !errors.Is(err, otn.ErrRefused) {
		t.Errorf("a key that others can read: %v", err)
	}
}

func TestClient(t *testing.T) {
	f := &fake{}
	s := open(t, f)
	c := &api.Client{Base: s.URL, Key: otn.NewSecret(key), HTTP: s.Client()}
	var page api.Consents
	if err := c.Get(t.Context(), "/v1/consents", url.Values{"state": {"waiting"}}, &page); err != nil || page.Next != "more" || len(page.Consents) != 1 {
		t.Errorf("%+v %v", page, err)
	}
	var made api.SendAnswer
	if err := c.Post(t.Context(), "/v1/sends", "k2", core.SendRequest{Topic: "t"}, &made); err != nil || made.Run != "r1" || f.got.(core.SendRequest).Key == "" {
		t.Errorf("%+v %v", made, err)
	}
	f.err = otn.ErrUnknownTopic
	var p api.Problem
	if err := c.Post(t.Context(), "/v1/sends", "", core.SendRequest{Topic: "t"}, &made); !errors.As(err, &p) || p.Code != "unknown_topic" || p.Status != 404 {
		t.Errorf("got %v", err)
	}
	s.Close()
	if err := c.Get(t.Context(), "/v1/topics", nil, &page); !errors.Is(err, api.ErrUnreachable) || strings.Contains(err.Error(), key) {
		t.Errorf("got %v", err)
	}
}

// What is deleted: a person, and one consent.
func TestDelete(t *testing.T) {
	for _, c := range []struct {
		path   string
		err    error
		status int
		got    any
	}{
		{"/v1/subscribers/shop/222", nil, 200, "erase shop 222"},
		{"/v1/subscribers/shop/2%2F2", nil, 200, "erase shop 2/2"},
		{"/v1/subscribers/shop/222", otn.ErrUnavailable, 503, "erase shop 222"},
		{"/v1/consents/c1", nil, 200, "withdraw c1"},
		{"/v1/consents/c1", otn.ErrSpent, 409, "withdraw c1"},
		{"/v1/consents/c1", otn.ErrNotFound, 404, "withdraw c1"},
	} {
		f := &fake{err: c.err}
		status, text, _ := call(t, open(t, f), "DELETE", c.path, "")
		if status != c.status || f.got != c.got {
			t.Errorf("%s: %d %s, the host got %v", c.path, status, text, f.got)
		}
	}
}

// A batch: each row by itself, in their order, and the tags of those that were taken.
func TestGrantBatch(t *testing.T) {
	f := &fake{added: true, channels: []core.InstanceView{{Name: "shop", Account: "page", State: "ready"}}}
	good := `{"channel":"shop","recipient":"1","topic":"t","token":"a","price_then":"9.00 USD","expires_at":"2027-01-01T00:00:00Z","granted_at":"2026-01-01T00:00:00Z","tags":["vip"]}`
	rows := []string{
		good, `{"channel":"nowhere","recipient":"1","topic":"t","token":"b"}`, `{"channel":"shop","recipient":"1","topic":"unknown","token":"c"}`,
		`{"channel":"shop","recipient":"1","topic":"t","token":"d","price_then":"cheap"}`, `{"channel":"shop","recipient":"1","topic":"t","token":"e","tags":["v ip"]}`,
		`{"channel":"shop","recipient":"1","topic":"t","token":"f","tz":"Mars/North"}`, `{"channel":"shop","recipient":"2","topic":"t","token":"g"}`,
	}
	status, text, _ := call(t, open(t, f), "POST", "/v1/consents/batch", `{"consents":[`+strings.Join(rows, ",")+`]}`)
	var a api.BatchAnswer
	if err := json.Unmarshal([]byte(text), &a); err != nil || status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	var got []string
	for _, r := range a.Results {
		got = append(got, fmt.Sprint(r.Added, r.Code))
	}
	if s := strings.Join(got, " "); s != "true falsenot_found trueunknown_topic falseinvalid falseinvalid falseinvalid true" {
		t.Error(s)
	}
	if c := f.got.([]otn.Consent)[0]; c.PriceThen.String() != "9.00 USD" || c.ExpiresAt.Year() != 2027 || c.Token.ID() != otn.NewToken("page", "a").ID() {
		t.Errorf("%+v", c)
	}
	if f.tagged != "shop/1 []false +[vip] -[]" {
		t.Error(f.tagged)
	}
	f.tagged = ""
	status, text, _ = call(t, open(t, f), "POST", "/v1/consents/batch", `{"dry_run":true,"consents":[`+good+`]}`)
	if status != 200 || f.tagged != "" || strings.Contains(text, `"added":true`) {
		t.Errorf("dry: %d %s, tagged %q", status, text, f.tagged)
	}
}

func TestExportConsents(t *testing.T) {
	f := &fake{}
	status, text, _ := call(t, open(t, f), "POST", "/v1/consents/export", `{"cursor":"7","limit":5}`)
	if status != 200 || f.got != "export 75" || !strings.Contains(text, `"token":"tok-1"`) || !strings.Contains(text, `"next":"more"`) {
		t.Errorf("%d %s, %v", status, text, f.got)
	}
}
