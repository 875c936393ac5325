// Every row of the error table and of the transport table, from the fixtures; and the order in which rows are looked at.

package messenger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

var (
	kindNames  = map[string]kind{"token": byToken, "window": inWindow, "ask": ask, "rn": recurring}
	scopeNames = map[string]otn.Scope{"": 0, "message": otn.MessageScope, "recipient": otn.SubscriberScope, "account": otn.ChannelScope}
)

type errorCase struct {
	ID       string
	Sends    []string
	HTTP     int
	Headers  map[string]string
	Body     json.RawMessage
	BodyText string `json:"body_text"`
	Outcome  string
	Scope    string
	Prior    string
	Checked  *bool `json:"page_check_passed"`
	Wait     int   `json:"wait_seconds"`
}

func (c *errorCase) answer() answer {
	h := http.Header{}
	for k, v := range c.Headers {
		h.Set(k, v)
	}
	body := []byte(c.BodyText)
	if c.Body != nil {
		body = c.Body
	}
	return answer{status: c.HTTP, header: h, body: body}
}

func (c *errorCase) wanted(t *testing.T) otn.Outcome {
	t.Helper()
	if c.Prior != "" { // what the host knows of an earlier attempt; alone, the answer is Refused
		return otn.Refused
	}
	var o otn.Outcome
	_ = o.UnmarshalText([]byte(c.Outcome))
	if o.String() != c.Outcome {
		t.Fatalf("%s: no such outcome", c.Outcome)
	}
	return o
}

func loadErrors(t testing.TB) (cases, transport []errorCase) {
	t.Helper()
	var all struct{ Cases, Transport []errorCase }
	readFixture(t, "graph/errors.json", &all)
	if len(all.Cases) < 80 || len(all.Transport) < 15 {
		t.Fatal("the fixture is cut short")
	}
	return all.Cases, all.Transport
}

func TestEveryErrorOfTheGraphAPI(t *testing.T) {
	cases, _ := loadErrors(t)
	for _, c := range cases {
		for _, send := range c.Sends {
			t.Run(c.ID+"/"+send, func(t *testing.T) {
				v := judge(kindNames[send], c.answer(), c.Checked != nil && *c.Checked)
				if want := c.wanted(t); v.outcome != want || v.scope != scopeNames[c.Scope] {
					t.Errorf("got %s, scope %s, want %s, scope %q", v.outcome, v.scope, want, c.Scope)
				}
				if v.err == nil || v.name == "" {
					t.Errorf("error %v, code %q: both are wanted", v.err, v.name)
				}
			})
		}
	}
}

func TestEveryTransportCase(t *testing.T) {
	_, cases := loadErrors(t)
	for _, c := range cases {
		if c.HTTP == 0 {
			continue // TestNeverLeft and TestAnythingAfterAByteIsUnknown
		}
		t.Run(c.ID, func(t *testing.T) {
			m := open(t, testConfig(""))
			a := c.answer()
			v := judge(byToken, a, false)
			if want := c.wanted(t); v.outcome != want || v.scope != scopeNames[c.Scope] {
				t.Errorf("got %s, scope %s, want %s, scope %q", v.outcome, v.scope, want, c.Scope)
			}
			if wait := m.wait(&v, &a, 1, fixtureTime); wait != time.Duration(c.Wait)*time.Second {
				t.Errorf("waits %s, want %d s", wait, c.Wait)
			}
		})
	}
}

// No row hides another one: exact pairs come before the rest of their code, single codes before ranges.
func TestTableOrder(t *testing.T) {
	rank := func(r *row) int {
		switch {
		case r.anywhere:
			return 0
		case r.to != 0:
			return 3
		case r.subs == nil:
			return 2
		}
		return 1
	}
	for i := range table {
		for j := range table[:i] {
			earlier, later := &table[j], &table[i]
			meet := earlier.code == later.code || later.to != 0 && earlier.code >= later.code && earlier.code <= later.to
			if meet && rank(earlier) > rank(later) {
				t.Errorf("row %d (code %d) hides row %d (code %d)", j, earlier.code, i, later.code)
			}
			if later.anywhere && !earlier.anywhere {
				t.Errorf("row %d stands before %d, which is looked for in either place", j, later.code)
			}
		}
	}
}

// What ends a token, or says that nothing was sent, is said by positive evidence alone.
func TestNothingUnknownFreesOrEndsAToken(t *testing.T) {
	known := func(code int64) bool {
		for i := range table {
			if r := &table[i]; r.code == code || r.to != 0 && code >= r.code && code <= r.to {
				return true
			}
		}
		return false
	}
	for code := int64(-3); code < 3000; code++ {
		if known(code) {
			continue
		}
		for _, status := range []int{200, 302, 400, 401, 404, 408, 429, 500, 502, 503} {
			body := fmt.Sprintf(`{"error":{"code":%d,"message":"new notification token was used"}}`, code)
			v := judge(byToken, answer{status: status, body: []byte(body)}, true)
			want := otn.Unknown
			if status >= 400 && status <= 499 {
				want = otn.Invalid
			}
			if v.outcome != want {
				t.Fatalf("code %d in HTTP %d is %s, want %s", code, status, v.outcome, want)
			}
		}
	}
}

func TestAnswersThatContradictThemselves(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       otn.Outcome
	}{
		{"id and error", `{"message_id":"m1","error":{"code":551}}`, otn.Unknown},
		{"id and null error", `{"message_id":"m1","error":null}`, otn.Sent},
		{"id is a number", `{"message_id":5}`, otn.Unknown},
		{"error is a text", `{"error":"no"}`, otn.Unknown},
		{"code is a fraction", `{"error":{"code":551.5}}`, otn.Unknown},
		{"code is huge", `{"error":{"code":99999999999999999999}}`, otn.Unknown},
		{"two documents", `{"message_id":"m1"}{"message_id":"m2"}`, otn.Unknown},
		{"a list", `[{"message_id":"m1"}]`, otn.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			if v := judge(byToken, answer{status: 200, body: []byte(c.body)}, true); v.outcome != c.want {
				t.Errorf("got %s, want %s", v.outcome, c.want)
			}
		})
	}
}

// A subcode that cannot be read is not "no subcode": it must not let the words decide.
func TestGarbledSubcode(t *testing.T) {
	body := `{"error":{"code":100,"error_subcode":"x","message":"one_time_notif_token is invalid"}}`
	if v := judge(byToken, answer{status: 400, body: []byte(body)}, true); v.outcome != otn.Invalid {
		t.Errorf("got %s, want invalid", v.outcome)
	}
}

func TestTokenWords(t *testing.T) {
	for text, want := range map[string]bool{
		"(#100) one_time_notif_token is invalid":              true,
		"Invalid one_time_notif_token":                        true,
		"This notification token has already been used.":      true,
		"The notification token EXPIRED":                      true,
		"Parameter access_token is invalid here":              false,
		"one_time_notif_token: unused field":                  false,
		"(#100) notification_messages_token must be a string": false,
		"": false,
	} {
		if tokenWords(text) != want {
			t.Errorf("%q: got %v", text, !want)
		}
	}
}

func FuzzJudge(f *testing.F) {
	cases, transport := loadErrors(f)
	for _, c := range append(cases, transport...) {
		a := c.answer()
		f.Add(c.HTTP, a.body, uint8(byToken))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, k uint8) {
		v := judge(kind(k), answer{status: status, body: body}, true)
		e := readReply(body).fault
		switch v.outcome {
		case otn.Sent:
			if status < 200 || status > 299 || v.messageID == "" || !bytes.Contains(body, []byte("message_id")) || e != nil {
				t.Fatalf("sent by HTTP %d %q", status, body)
			}
		case otn.Refused, otn.Deferred:
			if status != http.StatusTooManyRequests && e == nil {
				t.Fatalf("%s without an error of the Graph API: HTTP %d %q", v.outcome, status, body)
			}
			if e != nil {
				if _, known := lookUp(kind(k), e, true); !known {
					t.Fatalf("%s by an error that is not in the table: %q", v.outcome, body)
				}
			}
		case otn.Unknown, otn.Invalid: // what nobody knows may be either
		}
		if v.outcome != otn.Sent && (v.err == nil || v.name == "") {
			t.Fatalf("%s without words or code", v.outcome)
		}
	})
}
