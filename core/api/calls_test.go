// Each call takes the body of the contract, hands it on whole, and answers in the contract's words.

package api_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

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
			otn.Trigger{Name: "doors_open", Subject: "SKU-1", Channel: "shop", Subscriber: otn.Subscriber{ID: "222"}, Key: "e8e1635c83d41f37889fab1beb16b1bf", Fields: []otn.Named{
				{Name: "a", Value: otn.StringValue("x")}, {Name: "b", Value: otn.StringValue("2.50")}, {Name: "c", Value: otn.StringValue("true")}}}},
		{"POST", "/v1/asks", `{"channel":"shop","recipient":"222","topic":"price-drop","subject":"SKU-1","title":"T","answers":{"quantity":2}}`, 202, `{"provider_id":"m_1"}`,
			core.AskRequest{Channel: "shop", Recipient: "222", Topic: "price-drop", Subject: "SKU-1", Title: "T", Answers: map[string]string{"quantity": "2"}}},
		{"POST", "/v1/asks", `{"channel":"shop","recipient":"222","topic":"price-drop","block_id":"b1"}`, 202, `{"provider_id":"m_1"}`,
			core.AskRequest{Channel: "shop", Recipient: "222", Topic: "price-drop", Answers: map[string]string{"block_id": "b1"}}},
		{"POST", "/v1/asks", `{"channel":"shop","recipient":"222","topic":"price-drop","answers":{"block_id":"b2"},"block_id":"b1"}`, 422, `{"status":422,"code":"invalid"`, nil},
		{"POST", "/v1/links", `{"channel":"shop","topic":"price-drop","subject":"SKU-1","answers":{"quantity":2},"short":true}`, 200, `{"url":"https://chat.example/n","ref":"n","means":"m"}`,
			core.LinkRequest{Channel: "shop", Topic: "price-drop", Subject: "SKU-1", Answers: map[string]string{"quantity": "2"}, Short: true}},
		{"POST", "/v1/consents", `{"channel":"shop","recipient":"222","topic":"price-drop","subject":"SKU-1","token":"tok","granted_at":"2026-11-22T11:00:00Z","answers":{"target":"99.00 USD"}}`, 200, `{"id":"c1","added":false}`,
			[]otn.Consent{{Token: otn.NewToken("111", "tok"), Channel: "shop", Subscriber: otn.Subscriber{ID: "222"}, Topic: "price-drop", Subject: "SKU-1", GrantedAt: at,
				Answers: []otn.Named{{Name: "target", Value: otn.StringValue("99.00 USD")}}}}},
		{"POST", "/v1/sends", `{"topic":"journal","all_subjects":true,"message":{"text":"hello"},"where":"true","at":"2026-11-22T11:00:00Z","dry_run":true}`, 202, `{"run":"r1","id":"s1","runs":["r1"],"reaches":214}`,
			core.SendRequest{Topic: "journal", AllSubjects: true, Message: message, Where: "true", At: at, DryRun: true, Key: "e8e1635c83d41f37889fab1beb16b1bf"}},
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
		{"GET", "/v1/deliveries/d1", "", 200, `{"id":"d1",`, nil},
		{"GET", "/v1/keys", "", 200, `{"keys":[{"id":"k1","name":"n",`, nil},
		{"POST", "/v1/keys", `{"name":"zapier","scopes":["submit","read"],"expires_at":"2026-11-22T11:00:00Z"}`, 201, `{"id":"k1","name":"zapier","scopes":["submit","read"],"secret":"shown-once"}`,
			core.KeyRequest{Name: "zapier", Scopes: []core.Scope{"submit", "read"}, ExpiresAt: at}},
		{"POST", "/v1/keys", `{"name":"zapier","scopes":["root"]}`, 422, `{"status":422,"code":"invalid"`, nil},
		{"DELETE", "/v1/keys/k1", "", 200, `{"id":"k1"}`, "revoke k1"},
		{"GET", "/v1/audit?act=send&key=k1&limit=1&cursor=8", "", 200, `{"entries":[{"n":7,`, core.AuditQuery{Act: "send", Key: "k1", Limit: 1, Cursor: "8"}},
		{"GET", "/v1/audit/verification?n=3&hash=ab", "", 200, `{"entries":7,"last":7,"hash":"h","faults":[]}`, "verify 3ab"},
		{"GET", "/v1/events?after=7&limit=1", "", 200, `{"events":[{"seq":8,"at":"0001-01-01T00:00:00Z","kind":"trigger","body":{"n":1}}],"next":8}`, "events 7 1"},
		{"GET", "/v1/events?after=7", "", 200, `{"events":[{"seq":8,"at":"0001-01-01T00:00:00Z","kind":"trigger","body":{"n":1}}]}`, "events 7 0"},
		{"GET", "/v1/sends", "", 200, `{"sends":[{"id":"send-1","run":"r1",`, nil},
		{"GET", "/v1/sends/send-1", "", 200, `{"id":"send-1",`, "scheduled send-1"},
		{"PATCH", "/v1/sends/send-1", `{"message":{"text":"hello"},"at":"2026-11-22T11:00:00Z"}`, 200, `{"id":"send-1",`, core.SendChange{Message: &message, At: at}},
		{"DELETE", "/v1/sends/send-1", "", 200, `{"id":"send-1","state":"cancelled"`, "cancel send send-1"},
		{"GET", "/v1/channels", "", 200, `{"channels":[{"name":"shop",`, nil},
		{"GET", "/v1/sources", "", 200, `{"sources":[]}`, nil},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			f := &fake{}
			status, text, _ := call(t, open(t, f), c.method, c.path, c.body, "Idempotency-Key", "k1")
			if status != c.status || !strings.HasPrefix(text, c.answer) {
				t.Errorf("answered %d %s, want %d %s", status, text, c.status, c.answer)
			}
			if strings.Contains(text, ":null") {
				t.Errorf("a null: %s", text)
			}
			if c.got != nil && !reflect.DeepEqual(f.got, c.got) {
				t.Errorf("the host got %+v, want %+v", f.got, c.got)
			}
		})
	}
}
