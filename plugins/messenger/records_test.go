// Every webhook of the fixtures, read to records.

package messenger

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// shown writes a record in one line: what it is of, for whom, and what it says.
func shown(r otn.Record) string {
	at := " @" + fmt.Sprint(r.At.UnixMilli())
	switch {
	case r.Consent != nil:
		c := r.Consent
		return fmt.Sprintf("consent %s of %s: %s|%s %v ref %q token %s", c.Subscriber.ID, c.Token.Account(), c.Topic, c.Subject, answers(c), c.Ref, c.Token.Reveal()) + at
	case r.Window != nil:
		return fmt.Sprintf("window %s by %s for %s", r.Window.Subscriber.ID, r.Window.Cause, r.Window.Until.Sub(r.At)) + at
	case r.Referral != nil:
		return fmt.Sprintf("referral %s %s", r.Referral.Subscriber.ID, r.Referral.Ref) + at
	case r.Echo != nil:
		return fmt.Sprintf("echo %s %s %s", r.Echo.Kind, r.Echo.Delivery, r.Echo.ProviderID) + at
	case r.Notice != nil:
		return fmt.Sprintf("notice %s %q", r.Notice.Level, r.Notice.Reason) + at
	}
	return "note " + r.Note.Code
}

func answers(c *otn.Consent) []string {
	out := []string{}
	for _, a := range c.Answers {
		out = append(out, a.Name+"="+a.Value.Type().String()+":"+a.Value.String())
	}
	return out
}

const (
	p1   = "5400000000000011"
	p2   = "5400000000000012"
	back = `back-in-stock|DJ-S [] ref "notify.back-in-stock.DJ-S" token `
)

var wantRecords = map[string][]string{
	"optin_otn.single": {"consent " + p1 + " of " + testPage + ": " + back + "8100000000000000001 @1795345200000"},
	"optin_otn.batched": {
		"consent " + p1 + " of " + testPage + `: new-collection|winter-26 [] ref "notify.new-collection.winter-26" token 8100000000000000002 @1795345204000`,
		"window " + p2 + " by message for 24h0m0s @1795345204200",
		"consent " + p2 + " of " + testPage + ": " + back + "8100000000000000003 @1795345204400",
		`consent 5400000000000013 of 104600000000002: tickets|show-7 [] ref "notify.tickets.show-7" token 8100000000000000004 @1795345204600`,
	},
	"optin_otn.standby": {
		"consent 5400000000000014 of " + testPage + `: back-in-stock|DJ-M [] ref "notify.back-in-stock.DJ-M" token 8100000000000000005 @1795345205900`,
		"window " + p2 + " by postback for 24h0m0s @1795345205960",
	},
	"optin_otn.redelivered": {
		"consent " + p1 + " of " + testPage + ": " + back + "8100000000000000001 @1795345200000",
		"consent " + p2 + " of " + testPage + `: price-drop|DJ-M [] ref "notify.price-drop.DJ-M" token 8100000000000000006 @1795345260000`,
	},
	"optin_otn.second_token_same_topic": {"consent " + p1 + " of " + testPage + ": " + back + "8100000000000000007 @1795345269900"},
	"optin_otn.payload_is_json_text": {
		"consent " + p1 + " of " + testPage + `: | [] ref "{\"topic\":\"back-in-stock\",\"item\":\"DJ-S\"}" token 8100000000000000008 @1795345279900`,
	},
	"optin_otn.no_payload_long_token": {
		"consent " + p1 + " of " + testPage + `: | [] ref "" token AQ` + strings.Repeat("0123456789", 30) + " @1795345289900",
	},
	"optin_otn.missing_token": {
		"note consent_without_token",
		"consent " + p2 + " of " + testPage + ": " + back + "8100000000000000009 @1795345290950",
	},
	"optin_otn.unicode_escaped": {`consent 222 of 111: | [] ref "café" token 333 @1458692752478`},
	"optin_otn.emoji_and_slash_escaped": {
		"consent " + p2 + " of " + testPage + `: tickets|https://shop.example/s/7 🎟 café [] ref "notify.tickets.https://shop.example/s/7 🎟 café" token 8100000000000000011 @1795345294900`,
	},
	"optin_rn.new":               {"note recurring_consent"},
	"optin_rn.expiry_in_seconds": {"note recurring_consent"},
	"optin_rn.stop":              {"note recurring_stop"},
	"optin_rn.resume":            {"note recurring_resume"},
	"optin_plugin.ref": {
		"window " + p1 + " by plugin for 24h0m0s @1795345309900",
		"referral " + p1 + " notify.back-in-stock.DJ-S @1795345309900",
	},
	"optin_checkbox.user_ref": {"note no_sender"},
	"optin_checkbox.user_ref_with_sender": {
		"window " + p1 + " by plugin for 24h0m0s @1795345311400",
		"referral " + p1 + " notify.back-in-stock.DJ-S @1795345311400",
	},
	"postback.sender_user_ref":     {"note no_sender"},
	"message.text":                 {"window " + p1 + " by message for 24h0m0s @1795345319900"},
	"message.quick_reply":          {"window " + p1 + " by message for 24h0m0s @1795345320900"},
	"message.timestamp_in_seconds": {"window " + p1 + " by message for 24h0m0s @1795345321000"},
	"postback.button":              {"window " + p1 + " by postback for 24h0m0s @1795345329900"},
	"postback.get_started_referral": {
		"window " + p2 + " by postback for 24h0m0s @1795345330900",
		"referral " + p2 + " notify.back-in-stock.DJ-S @1795345330900",
	},
	"referral.shortlink": {
		"window " + p1 + " by referral for 24h0m0s @1795345339900",
		"referral " + p1 + " notify.back-in-stock.DJ-S @1795345339900",
	},
	"referral.ads":                 {"referral " + p1 + " notify.back-in-stock.DJ-S @1795345340900"},
	"reaction":                     {"window " + p1 + " by reaction for 24h0m0s @1795345344900"},
	"delivery":                     nil,
	"delivery.watermark_only":      nil,
	"read":                         nil,
	"echo.metadata":                {"note echo_unreadable"}, // its id is not in the form of ours: TestEcho has one that is
	"echo.page_inbox":              nil,
	"policy_enforcement.warning":   {`notice warned "Too many people reported messages from this Page." @1795345369900`},
	"policy_enforcement.block":     {`notice blocked "Messages did not match what people asked for." @1795345369900`},
	"policy_enforcement.unblock":   {`notice unblocked "" @1795345369900`},
	"handover.pass_thread_control": {"note thread_control"},
	"handover.take_thread_control": {"note thread_control"},
	"response_feedback":            {"note response_feedback"},
	"unknown_event": {
		"note unknown_event",
		"consent " + p1 + " of " + testPage + `: new-collection|spring-27 [] ref "notify.new-collection.spring-27" token 8100000000000000010 @1795345389950`,
	},
	"entry.changes_form": {"note changes_form"},
	"entry.empty":        nil,
	"object.instagram":   nil,
}

func TestEveryWebhook(t *testing.T) {
	m := open(t, testConfig(""))
	files, err := os.ReadDir("testdata/webhooks")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".json")
		t.Run(name, func(t *testing.T) {
			want, known := wantRecords[name]
			if !known {
				t.Fatal("no expectation")
			}
			got := readAll(t, m, fixture(t, "webhooks/"+f.Name()))
			if len(got) != len(want) {
				t.Fatalf("got %q", got)
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("got  %s\nwant %s", got[i], want[i])
				}
			}
		})
	}
	if len(files) != len(wantRecords) {
		t.Errorf("%d webhooks, %d expectations", len(files), len(wantRecords))
	}
}

// deliverBody signs a body and gives its records.
func deliverBody(t testing.TB, m *Messenger, body []byte) []otn.Record {
	t.Helper()
	_, records := receive(t, m, otn.Request{Method: http.MethodPost, Header: signature(body), Body: body, At: fixtureTime})
	return records
}

func readAll(t testing.TB, m *Messenger, body []byte) (all []string) {
	t.Helper()
	for _, r := range deliverBody(t, m, body) {
		all = append(all, shown(r))
	}
	return all
}

func signature(body []byte) http.Header {
	return http.Header{signatureHeader: {"sha256=" + hex.EncodeToString(sum(body))}}
}

// item wraps one event of the test page.
func item(event string) []byte {
	return []byte(`{"object":"page","entry":[{"id":"` + testPage + `","time":1795345200120,"messaging":[` + event + `]}]}`)
}

func TestEcho(t *testing.T) {
	m := open(t, testConfig(""))
	id := delivery(7, "").ID
	event := `{"sender":{"id":"` + testPage + `"},"recipient":{"id":"` + p1 + `"},"timestamp":1795345359900,"message":{"mid":"m_out_0001","is_echo":true,"app_id":880000000000001,"metadata":"%s","text":"Hi"}}`
	want := []string{"echo echo " + id.String() + " m_out_0001 @1795345359900"}
	if got := readAll(t, m, item(fmt.Sprintf(event, "otn:"+id.String()))); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// A person's own message is no echo, whatever it carries.
	forged := `{"sender":{"id":"` + p1 + `"},"recipient":{"id":"` + testPage + `"},"timestamp":1795345359900,"message":{"mid":"m1","metadata":"otn:` + id.String() + `"}}`
	if got := readAll(t, m, item(forged)); len(got) != 1 || !strings.HasPrefix(got[0], "window") {
		t.Errorf("got %q", got)
	}
}

func TestAnswersStayText(t *testing.T) {
	m := open(t, testConfig(""))
	got := readAll(t, m, item(`{"sender":{"id":"1"},"timestamp":1795345200000,"optin":{"type":"one_time_notif_req","payload":"notify.price-drop.DJ-S?target=99.00+USD&quantity=2","one_time_notif_token":"t"}}`))
	want := `consent 1 of ` + testPage + `: price-drop|DJ-S [quantity=string:2 target=string:99.00 USD] ref "notify.price-drop.DJ-S?target=99.00+USD&quantity=2" token t @1795345200000`
	if len(got) != 1 || got[0] != want {
		t.Errorf("got  %q\nwant %s", got, want)
	}
}

// A consent is never dropped for what is odd about it.
func TestConsentsSurviveOddBodies(t *testing.T) {
	m := open(t, testConfig(""))
	for name, event := range map[string]string{
		"no sender":         `{"timestamp":1795345200000,"optin":{"type":"one_time_notif_req","one_time_notif_token":"t"}}`,
		"sender is null":    `{"sender":null,"optin":{"type":"one_time_notif_req","one_time_notif_token":"t"}}`,
		"sender is a text":  `{"sender":"x","optin":{"type":"one_time_notif_req","one_time_notif_token":"t"}}`,
		"a checkbox's":      `{"optin":{"type":"one_time_notif_req","one_time_notif_token":"t","user_ref":"chk-1"}}`,
		"an endless sender": `{"sender":{"id":"` + strings.Repeat("9", 500) + `"},"optin":{"type":"one_time_notif_req","one_time_notif_token":"t"}}`,
		"token is a number": `{"sender":{"id":1},"optin":{"type":"one_time_notif_req","one_time_notif_token":8100000000000000001}}`,
		"payload an object": `{"sender":{"id":"1"},"optin":{"type":"one_time_notif_req","payload":{"a":1},"one_time_notif_token":"t"}}`,
		"time is a text":    `{"sender":{"id":"1"},"timestamp":"1795345200000","optin":{"type":"one_time_notif_req","one_time_notif_token":"t"}}`,
		"time is a word":    `{"sender":{"id":"1"},"timestamp":"now","optin":{"type":"one_time_notif_req","one_time_notif_token":"t"}}`,
		"with a message":    `{"sender":{"id":"1"},"message":{"mid":"m","text":"x"},"optin":{"type":"one_time_notif_req","one_time_notif_token":"t"}}`,
	} {
		records := deliverBody(t, m, item(event))
		if len(records) != 1 || records[0].Consent == nil {
			t.Errorf("%s: lost, %d records", name, len(records))
			continue
		}
		c := records[0].Consent
		if id := c.Subscriber.ID; id == "" || len(id) > maxID {
			t.Errorf("%s: subscriber %q", name, id)
		}
		if c.GrantedAt.Before(fixtureTime) || c.GrantedAt.After(fixtureTime.Add(time.Second)) || !c.ExpiresAt.IsZero() {
			t.Errorf("%s: granted at %s, expires at %s", name, c.GrantedAt, c.ExpiresAt)
		}
		if name == "token is a number" && c.Token.Reveal() != "8100000000000000001" {
			t.Errorf("the token became %s", c.Token.Reveal())
		}
	}
}

// Odd neighbours harm only themselves.
func TestOddNeighbours(t *testing.T) {
	m := open(t, testConfig(""))
	good := `{"sender":{"id":"1"},"timestamp":1795345200000,"optin":{"type":"one_time_notif_req","one_time_notif_token":"t"}}`
	for name, body := range map[string]string{
		"an entry that is a number":   `{"object":"page","entry":[5,{"id":"111","messaging":[` + good + `]}]}`,
		"an event that is a text":     `{"object":"page","entry":[{"id":"111","messaging":["x",` + good + `]}]}`,
		"messaging that is an object": `{"object":"page","entry":[{"id":"111","messaging":{},"standby":[` + good + `]}]}`,
		"a message that is a list":    `{"object":"page","entry":[{"id":"111","messaging":[{"message":[]},` + good + `]}]}`,
		"a page that is a number":     `{"object":"page","entry":[{"id":111,"messaging":[` + good + `]}]}`,
	} {
		found := 0
		for _, r := range deliverBody(t, m, []byte(body)) {
			if r.Consent != nil && r.Consent.Token.Account() == "111" {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s: %d consents", name, found)
		}
	}
}

// The same event has the same key in whatever envelope; other events have other keys.
func TestKeys(t *testing.T) {
	m := open(t, testConfig(""))
	seen := map[string]string{}
	for name := range wantRecords {
		body := string(fixture(t, "webhooks/"+name+".json"))
		again := strings.NewReplacer(`"time":17953`, `"time":17954`, `"messaging":`, `"standby":`, `"standby":`, `"messaging":`).Replace(body)
		first, second := deliverBody(t, m, []byte(body)), deliverBody(t, m, []byte(again))
		keys := map[string]int{}
		for _, r := range second {
			keys[r.Key]++
		}
		for _, r := range first {
			if r.Note != nil {
				continue
			}
			if keys[r.Key] == 0 || r.Key == "" {
				t.Errorf("%s: key %q is lost in another envelope", name, r.Key)
			}
			if other, taken := seen[r.Key]; taken && shown(r) != other {
				t.Errorf("%s: key %q is also of %s", name, r.Key, other)
			}
			seen[r.Key] = shown(r)
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d keys", len(seen))
	}
}

// An event without a message id is known by what it says: not by its envelope, the order of its keys or its escapes.
func TestKeysOfEventsWithoutID(t *testing.T) {
	m := open(t, testConfig(""))
	keys := map[string]bool{}
	for _, body := range []string{
		`{"object":"page","entry":[{"id":"` + testPage + `","time":1795345200120,"messaging":[{"sender":{"id":"1"},"referral":{"ref":"caf\u00e9","source":"SHORTLINK"}}]}]}`,
		`{"object":"page","entry":[{"id":"` + testPage + `","time":1795345999999,"standby":[{"referral":{"source":"SHORTLINK","ref":"café"},"sender":{"id":"1"}}]}]}`,
	} {
		for _, r := range deliverBody(t, m, []byte(body)) {
			keys[r.Key] = true
		}
	}
	if len(keys) != 2 { // its window and its referral
		t.Errorf("%d keys, want 2", len(keys))
	}
}

func TestWindowsAndReferrals(t *testing.T) {
	m := open(t, testConfig(""))
	for name, c := range map[string]struct {
		event string
		want  []string
	}{
		"first message after an ad": {
			`{"sender":{"id":"1"},"timestamp":1795345200000,"message":{"mid":"m","text":"x","referral":{"ref":"notify.a.b","source":"ADS","type":"OPEN_THREAD","ad_id":"5"}}}`,
			[]string{"window 1 by message for 168h0m0s @1795345200000", "referral 1 notify.a.b @1795345200000"},
		},
		"a quick reply with a ref": {
			`{"sender":{"id":"1"},"timestamp":1795345200000,"message":{"mid":"m","text":"x","quick_reply":{"payload":"notify.a.b"}}}`,
			[]string{"window 1 by message for 24h0m0s @1795345200000", "referral 1 notify.a.b @1795345200000"},
		},
		"a button with a ref": {
			`{"sender":{"id":"1"},"timestamp":1795345200000,"postback":{"mid":"m","payload":"notify.a.b"}}`,
			[]string{"window 1 by postback for 24h0m0s @1795345200000", "referral 1 notify.a.b @1795345200000"},
		},
		"a reaction taken back": {
			`{"sender":{"id":"1"},"timestamp":1795345200000,"reaction":{"action":"unreact","mid":"m"}}`, nil,
		},
		"a link without a ref": {
			`{"sender":{"id":"1"},"timestamp":1795345200000,"referral":{"source":"SHORTLINK"}}`,
			[]string{"window 1 by referral for 24h0m0s @1795345200000"},
		},
		"an unknown policy":     {`{"timestamp":1795345200000,"policy_enforcement":{"action":"applaud"}}`, []string{"note unknown_policy"}},
		"an unknown opt-in":     {`{"sender":{"id":"1"},"optin":{"type":"new_thing","one_time_notif_token":"t"}}`, []string{"note unknown_optin"}},
		"nothing":               {`{}`, []string{"note unknown_event"}},
		"a message by the page": {`{"sender":{"id":"` + testPage + `"},"message":{"mid":"m","text":"x"}}`, nil},
	} {
		if got := readAll(t, m, item(c.event)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// People of another page cannot be asked from here; its standing is not ours.
func TestEventsOfAnotherPage(t *testing.T) {
	m := open(t, testConfig(""))
	for _, event := range []string{
		`{"sender":{"id":"1"},"message":{"mid":"m","text":"x"}}`,
		`{"sender":{"id":"1"},"optin":{"ref":"notify.a.b"}}`,
		`{"policy_enforcement":{"action":"block"}}`,
	} {
		body := `{"object":"page","entry":[{"id":"999","messaging":[` + event + `]}]}`
		if got := readAll(t, m, []byte(body)); !reflect.DeepEqual(got, []string{"note other_page"}) {
			t.Errorf("%s: got %q", event, got)
		}
	}
}

func TestTimesByMagnitude(t *testing.T) {
	for in, want := range map[string]int64{
		`1795345200000`: 1795345200000, `1795345200`: 1795345200000, `"1795345200"`: 1795345200000,
		`"1795345200000"`: 1795345200000, `99999999999`: 99999999999000, `1000000000000`: 1000000000000,
	} {
		var m moment
		if _ = m.UnmarshalJSON([]byte(in)); m.UnixMilli() != want {
			t.Errorf("%s is %d, want %d", in, m.UnixMilli(), want)
		}
	}
	for _, in := range []string{`0`, `-5`, `null`, `"soon"`, `1.5`, `1e12`, `{}`, `1795345200000000`, `999999999999`} {
		var m moment
		if _ = m.UnmarshalJSON([]byte(in)); !m.IsZero() {
			t.Errorf("%s is %s, want nothing", in, m)
		}
	}
}

func TestSignedNonsense(t *testing.T) {
	m := open(t, testConfig(""))
	for body, want := range map[string]int{"": 200, "x": 200, "[]": 200, `"page"`: 200, "null": 404, "{}": 404, `{"object":"user"}`: 404, `{"object":"page"}`: 200, `{"object":"page","entry":{}}`: 200} {
		resp, _ := receive(t, m, otn.Request{Method: http.MethodPost, Header: signature([]byte(body)), Body: []byte(body)})
		if resp.Status != want {
			t.Errorf("%q: %d, want %d", body, resp.Status, want)
		}
	}
}

func FuzzReceive(f *testing.F) {
	files, err := os.ReadDir("testdata/webhooks")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(fixture(f, "webhooks/"+file.Name()), "", true)
	}
	f.Add([]byte("{}"), "sha256=00", false)
	m, err := New(testConfig(""))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, header string, sign bool) {
		h := http.Header{signatureHeader: {header}}
		if sign {
			h = signature(body)
		}
		resp, records, err := m.Receive(t.Context(), otn.Request{Method: http.MethodPost, Header: h, Body: body, At: fixtureTime})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Status != http.StatusOK && len(records) > 0 {
			t.Fatalf("%d with records", resp.Status)
		}
		for _, r := range records {
			shown(r)
			if r.Note == nil && (r.Key == "" || r.At.IsZero()) {
				t.Fatalf("a record without key or time: %s", shown(r))
			}
			if r.Consent != nil && (r.Consent.Token.IsZero() || r.Consent.Subscriber.ID == "" || len(r.Consent.Subscriber.ID) > maxID) {
				t.Fatalf("a consent that cannot be kept: %s", shown(r))
			}
		}
	})
}
