// No test leaves a goroutine behind; and what tests share.

package messenger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The clock of the fixtures.
var fixtureTime = time.UnixMilli(1795345200000).UTC()

const (
	testPage  = "104600000000001"
	testToken = "test-page-token-canary"
	testApp   = "test_app_secret"
)

func testConfig(url string) Config {
	return Config{
		PageID: testPage, PageToken: otn.NewSecret(testToken), AppSecret: otn.NewSecret(testApp),
		VerifyToken: otn.NewSecret("test_verify_token"), GraphURL: url,
	}
}

func open(t *testing.T, c Config) *Messenger {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// pair starts a fake Graph API and a channel of its page.
func pair(t *testing.T, o graphtest.Options, change ...func(*Config)) (*Messenger, *graphtest.Server) {
	t.Helper()
	o.Pages = append(o.Pages, graphtest.Page{ID: testPage, Name: "Harbor & Pine", AccessToken: testToken})
	o.AppSecret = testApp
	g, err := graphtest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	c := testConfig(g.URL)
	for _, f := range change {
		f(&c)
	}
	return open(t, c), g
}

func delivery(n byte, token string) otn.Delivery {
	var id otn.DeliveryID
	id[0], id[24] = n, n
	return otn.Delivery{
		ID: id, Channel: "shop", Token: otn.NewToken(testPage, token), Attempt: 1,
		Subscriber: otn.Subscriber{ID: "5400000000000011"},
		Message:    otn.Message{Text: "Dock Jacket in S is back: https://shop.example/products/dock-jacket"},
	}
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readFixture(t testing.TB, name string, v any) {
	t.Helper()
	if err := json.Unmarshal(fixture(t, name), v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// wants fails unless err is a *otn.SendError of this outcome, scope and code, without a secret in it. It gives After.
func wants(t *testing.T, err error, o otn.Outcome, s otn.Scope, code string) time.Duration {
	t.Helper()
	got, se := otn.OutcomeOf(err)
	if se == nil {
		t.Fatalf("got %s without an error, want %s", got, o)
	}
	if se.Outcome != o || se.Scope != s || se.Code != code {
		t.Fatalf("got %s, scope %s, code %q (%v), want %s, %s, %q", se.Outcome, se.Scope, se.Code, err, o, s, code)
	}
	for _, secret := range []string{testToken, testApp, "8100000000000000001"} {
		if strings.Contains(err.Error(), secret) {
			t.Fatalf("the error quotes a secret: %v", err)
		}
	}
	return se.After
}
