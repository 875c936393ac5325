// The fake keeps the platform's rules, so that a test that passes against it means something.

package graphtest_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const anna, ben = "5400000000000011", "5400000000000012"

var client = &http.Client{Timeout: 10 * time.Second}

func start(t *testing.T, o graphtest.Options) *graphtest.Server {
	t.Helper()
	s, err := graphtest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
	})
	return s
}

// answer is what a call got.
type answer struct {
	HTTP      int
	MessageID string `json:"message_id"`
	Recipient string `json:"recipient_id"`
	ID        string
	Error     struct {
		Code    int
		Subcode int `json:"error_subcode"`
	}
	header http.Header
}

func (a answer) String() string {
	return fmt.Sprintf("%d %d/%d", a.HTTP, a.Error.Code, a.Error.Subcode)
}

func call(ctx context.Context, method, url, token, body string) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	_ = json.Unmarshal(text, &a)
	a.HTTP, a.header = resp.StatusCode, resp.Header
	return a, err
}

// send posts a message body; the recipient is a token unless it is a whole JSON object.
func send(t testing.TB, s *graphtest.Server, recipient, message string) answer {
	t.Helper()
	if !strings.HasPrefix(recipient, "{") {
		recipient = `{"one_time_notif_token":"` + recipient + `"}`
	}
	a, err := call(t.Context(), http.MethodPost, s.URL+"/me/messages", graphtest.AccessToken, `{"recipient":`+recipient+`,"message":`+message+`}`)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const hello = `{"text":"It is back.","metadata":"otn:1"}`

func TestOneTokenOneMessageUnderParallelCalls(t *testing.T) {
	s := start(t, graphtest.Options{})
	token := s.Grant(anna, "notify.a.b").Token
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			switch a := send(t, s, token, hello); {
			case a.HTTP == 200 && a.MessageID != "" && a.Recipient == anna:
				won.Add(1)
			case a.HTTP == 400 && a.Error.Code == 100:
				lost.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 31 || len(s.Delivered(token)) != 1 || len(s.Calls()) != 32 {
		t.Errorf("%d won, %d lost, delivered %d", won.Load(), lost.Load(), len(s.Delivered(token)))
	}
	if d := s.Doubles(); len(d) != 0 {
		t.Errorf("doubles: %v", d)
	}
}

// A platform that does not keep its word shows who relied on it.
func TestReusedTokensAreDoubles(t *testing.T) {
	s := start(t, graphtest.Options{ReuseTokens: true})
	token := s.Grant(anna, "").Token
	send(t, s, token, hello)
	send(t, s, token, hello)
	want := []graphtest.Double{{PSID: anna, Metadata: "otn:1", Times: 2}, {PSID: anna, Token: token, Times: 2}}
	if got := s.Doubles(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("doubles: %v", got)
	}
}

func TestRulesOfTheSendAPI(t *testing.T) {
	clock := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	second := graphtest.Page{ID: "104600000000002", AccessToken: "second"}
	s := start(t, graphtest.Options{
		Pages: []graphtest.Page{{ID: graphtest.PageID, AccessToken: graphtest.AccessToken}, second},
		Now:   func() time.Time { return clock },
	})
	old := s.Grant(anna, "").Token
	clock = clock.Add(366 * 24 * time.Hour)
	s.Text(anna, "hello")
	s.Block(ben)
	title := func(n int) string {
		return fmt.Sprintf(`{"attachment":{"type":"template","payload":{"template_type":"one_time_notif_req","title":%q,"payload":"p"}}}`, strings.Repeat("é", n))
	}
	elements := func(n int) string {
		return `{"attachment":{"type":"template","payload":{"template_type":"generic","elements":[` + strings.TrimSuffix(strings.Repeat(`{"title":"a"},`, n), ",") + `]}}}`
	}
	fresh := func() string { return s.Grant(anna, "").Token }
	for _, c := range []struct{ name, recipient, message, want string }{
		{"by token", fresh(), hello, "200 0/0"},
		{"an expired token", old, hello, "400 100/0"},
		{"an unknown token", "1", hello, "400 100/0"},
		{"another page's token", s.ConsentOn(second.ID, anna, "").Token, hello, "400 100/0"},
		{"somebody who blocked", s.Grant(ben, "").Token, hello, "400 551/0"},
		{"in the window", `{"id":"` + anna + `"}`, hello, "200 0/0"},
		{"outside the window", `{"id":"1"}`, hello, "400 10/2018278"},
		{"two recipients", `{"id":"` + anna + `","one_time_notif_token":"1"}`, hello, "400 100/0"},
		{"no recipient", `{}`, hello, "400 100/0"},
		{"no message", fresh(), `{}`, "400 100/2018034"},
		{"text and attachment", fresh(), `{"text":"a","attachment":{"type":"image","payload":{"url":"https://a"}}}`, "400 100/0"},
		{"2001 characters", fresh(), `{"text":"` + strings.Repeat("é", 2001) + `"}`, "400 100/0"},
		{"an image", fresh(), `{"attachment":{"type":"image","payload":{"url":"https://a"}}}`, "200 0/0"},
		{"10 elements", fresh(), elements(10), "200 0/0"},
		{"11 elements", fresh(), elements(11), "400 100/0"},
		{"an ask", `{"id":"` + anna + `"}`, title(65), "200 0/0"},
		{"an ask by token", fresh(), title(65), "200 0/0"},
		{"an ask of 66", `{"id":"` + anna + `"}`, title(66), "400 100/0"},
		{"a quick reply without title", fresh(), `{"text":"a","quick_replies":[{"content_type":"text"}]}`, "400 100/0"},
	} {
		if got := send(t, s, c.recipient, c.message); got.String() != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if n := len(s.Asks()); n != 2 {
		t.Errorf("%d asks", n)
	}
}

func TestCallers(t *testing.T) {
	s := start(t, graphtest.Options{Pages: []graphtest.Page{{ID: "111", AccessToken: "one"}, {ID: "222", AccessToken: "two"}}})
	token := s.Grant(anna, "").Token
	body := `{"recipient":{"one_time_notif_token":"` + token + `"},"message":{"text":"a"}}`
	tag := `{"recipient":{"one_time_notif_token":"` + token + `"},"message":{"text":"a"},"messaging_type":"MESSAGE_TAG","tag":"ACCOUNT_UPDATE"}`
	for _, c := range []struct{ name, method, path, token, body, want string }{
		{"nobody", "POST", "/me/messages", "", body, "401 190/0"},
		{"a stranger", "POST", "/me/messages", "three", body, "401 190/0"},
		{"another page", "POST", "/111/messages", "two", body, "400 100/2018001"},
		{"no JSON", "POST", "/111/messages", "one", "x", "400 100/0"},
		{"a tag", "POST", "/111/messages", "one", tag, "400 100/0"},
		{"an unknown path", "POST", "/111/nothing", "one", body, "400 2500/0"},
		{"no list of tokens", "GET", "/111/messages", "one", "", "400 2500/0"},
		{"who am I", "GET", "/me?fields=id", "two", "", "200 0/0"},
		{"subscribe", "POST", "/111/subscribed_apps?subscribed_fields=messages", "one", "", "200 0/0"},
		{"the page itself", "POST", "/111/messages", "one", body, "200 0/0"},
	} {
		got, err := call(t.Context(), c.method, s.URL+c.path, c.token, c.body)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %s %v, want %s", c.name, got, err, c.want)
		}
		if c.name == "who am I" && got.ID != "222" {
			t.Errorf("it is %q", got.ID)
		}
	}
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault     graphtest.Fault
		want      string // "": the connection is cut
		delivered int
	}{
		"refuse":           {graphtest.Refuse(613, 0), "400 613/0", 0},
		"cut":              {graphtest.Cut(), "", 0},
		"accept, then cut": {graphtest.AcceptThenCut(), "", 1},
		"accept, then 502": {graphtest.AcceptThen(502, "<html>"), "502 0/0", 1},
		"an answer":        {graphtest.Answer(429, ""), "429 0/0", 0},
		"no message_id":    {graphtest.Lacking("message_id"), "200 0/0", 1},
		"slow":             {graphtest.Slow(time.Millisecond), "200 0/0", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, graphtest.Options{})
			token, other := s.Grant(anna, "").Token, s.Grant(anna, "").Token
			s.Fail(c.fault.For(token))
			if a := send(t, s, other, hello); a.HTTP != 200 || a.MessageID == "" {
				t.Errorf("another token: %s", a)
			}
			a, err := call(t.Context(), "POST", s.URL+"/me/messages", graphtest.AccessToken, `{"recipient":{"one_time_notif_token":"`+token+`"},"message":`+hello+`}`)
			if (err != nil) != (c.want == "") || err == nil && a.String() != c.want {
				t.Errorf("got %s, %v, want %s", a, err, c.want)
			}
			if name == "no message_id" && (a.MessageID != "" || a.Recipient == "") {
				t.Errorf("got %+v", a)
			}
			if n := len(s.Delivered(token)); n != c.delivered {
				t.Errorf("delivered %d, want %d", n, c.delivered)
			}
			if a := send(t, s, s.Grant(anna, "").Token, hello); a.HTTP != 200 {
				t.Errorf("the fault goes on: %s", a)
			}
		})
	}
}

func TestFailureKeepsOrSpendsTheToken(t *testing.T) {
	for spend, want := range map[bool]int{false: 200, true: 400} {
		s := start(t, graphtest.Options{SpendOnFailure: spend})
		token := s.Grant(anna, "").Token
		s.Fail(graphtest.Refuse(1200, 0))
		send(t, s, token, hello)
		if a := send(t, s, token, hello); a.HTTP != want {
			t.Errorf("spends %v: %s", spend, a)
		}
	}
}

func TestBrakeAndUsage(t *testing.T) {
	clock := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	s := start(t, graphtest.Options{Brake: 2, Now: func() time.Time { return clock }, Usage: []graphtest.Usage{{Percent: 80, Minutes: 3, App: 9}}})
	for i, want := range []int{200, 200, 400} {
		a := send(t, s, s.Grant(anna, "").Token, hello)
		if a.HTTP != want {
			t.Errorf("message %d: %s", i, a)
		}
		if h := a.header.Get("X-Business-Use-Case-Usage"); !strings.Contains(h, `"call_count":80`) || !strings.Contains(h, `"estimated_time_to_regain_access":3`) {
			t.Errorf("usage %q", h)
		}
	}
	clock = clock.Add(time.Second)
	if a := send(t, s, s.Grant(anna, "").Token, hello); a.HTTP != 200 {
		t.Errorf("a second later: %s", a)
	}
}

func TestPageIsStopped(t *testing.T) {
	s := start(t, graphtest.Options{})
	s.Enforce("block", "reports")
	if a := send(t, s, s.Grant(anna, "").Token, hello); a.String() != "403 10/1893063" {
		t.Errorf("got %s", a)
	}
	s.Enforce("unblock", "")
	if a := send(t, s, s.Grant(anna, "").Token, hello); a.HTTP != 200 {
		t.Errorf("got %s", a)
	}
}

// door is a webhook that keeps what it takes.
type door struct {
	*httptest.Server
	mu     sync.Mutex
	closed bool
	bodies [][]byte
}

func openDoor(t *testing.T) *door {
	t.Helper()
	d := &door{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h := hmac.New(sha256.New, []byte(graphtest.AppSecret))
		_, _ = h.Write(body)
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.closed || r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(h.Sum(nil)) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		d.bodies = append(d.bodies, body)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *door) set(closed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = closed
}

func (d *door) taken() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, b := range d.bodies {
		all = append(all, string(b))
	}
	return all
}

func TestAskTapSend(t *testing.T) {
	d := openDoor(t)
	s := start(t, graphtest.Options{Webhook: d.URL})
	if err := s.Say(t.Context(), anna, "hello"); err != nil {
		t.Fatal(err)
	}
	send(t, s, `{"id":"`+anna+`"}`, `{"attachment":{"type":"template","payload":{"template_type":"one_time_notif_req","title":"Dock Jacket","payload":"notify.a.café/🎟"}}}`)
	token, err := s.Tap(t.Context(), s.Asks()[0])
	if err != nil {
		t.Fatal(err)
	}
	if a := send(t, s, token, hello); a.HTTP != 200 || a.Recipient != anna {
		t.Fatalf("got %s", a)
	}
	got := d.taken()
	if len(got) != 2 || !strings.Contains(got[1], token) || !strings.Contains(got[1], `notify.a.caf\u00e9\/\ud83c\udf9f`) {
		t.Errorf("the webhook took %q", got)
	}
}

func TestEchoes(t *testing.T) {
	for mode, want := range map[graphtest.EchoMode][2]int{graphtest.EchoNever: {0, 0}, graphtest.EchoBefore: {1, 1}, graphtest.EchoLate: {0, 1}} {
		d := openDoor(t)
		s := start(t, graphtest.Options{Webhook: d.URL, Echo: mode})
		send(t, s, s.Grant(anna, "").Token, hello)
		early := len(d.taken())
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if late := len(d.taken()); early != want[0] || late != want[1] {
			t.Errorf("mode %d: %d echoes before, %d after Flush", mode, early, late)
		} else if late == 1 && !strings.Contains(d.taken()[0], `"metadata":"otn:1"`) {
			t.Errorf("the echo is %s", d.taken()[0])
		}
	}
}

// A webhook that fails is tried again; after an hour of failures the page is unsubscribed, and only subscribing helps.
func TestWebhookThatFails(t *testing.T) {
	clock := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	d := openDoor(t)
	s := start(t, graphtest.Options{Webhook: d.URL, Now: func() time.Time { return clock }})
	d.set(true)
	if err := s.Say(t.Context(), anna, "one"); err == nil {
		t.Fatal("nobody took it")
	}
	d.set(false)
	if err := s.Flush(t.Context()); err != nil || len(d.taken()) != 1 {
		t.Fatalf("%v, taken %d", err, len(d.taken()))
	}
	d.set(true)
	_ = s.Say(t.Context(), anna, "two")
	clock = clock.Add(time.Hour)
	_ = s.Flush(t.Context())
	d.set(false)
	_ = s.Flush(t.Context())
	_ = s.Say(t.Context(), anna, "three")
	if n := len(d.taken()); n != 1 {
		t.Fatalf("an unsubscribed page's events arrive: %d", n)
	}
	if a, err := call(t.Context(), "POST", s.URL+"/me/subscribed_apps", graphtest.AccessToken, ""); err != nil || a.HTTP != 200 {
		t.Fatal(a, err)
	}
	if err := s.Say(t.Context(), anna, "four"); err != nil || len(d.taken()) != 2 {
		t.Errorf("%v, taken %d", err, len(d.taken()))
	}
}

// Entries keep their order; standby events go where the platform puts them.
func TestBatches(t *testing.T) {
	s := graphtest.New(graphtest.Options{})
	one, two := s.Consent(anna, "notify.a"), s.Text(ben, "hi")
	two.Standby = true
	h := s.Sign(one, two)
	if i, j := bytes.Index(h.Body, []byte(`"messaging"`)), bytes.Index(h.Body, []byte(`"standby"`)); i < 0 || j < i || h.Token != "" {
		t.Errorf("got %s, token %q", h.Body, h.Token)
	}
	if h := s.Sign(one); h.Token != one.Token || !bytes.Contains(h.Body, []byte(one.Token)) {
		t.Errorf("got %s, token %q", h.Body, h.Token)
	}
}
