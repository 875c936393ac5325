// Send and Ask against the fake Graph API: what arrives, how often, and what the host hears.

package messenger

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

const anna = "5400000000000011"

func TestSendSpendsTheTokenOnce(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	token := g.Grant(anna, "notify.back-in-stock.DJ-S").Token
	receipt, err := m.Send(t.Context(), delivery(1, token))
	if err != nil {
		t.Fatal(err)
	}
	got := g.Delivered(token)
	if len(got) != 1 || got[0].ID != receipt.ProviderID || got[0].PSID != anna || got[0].Metadata != "otn:"+delivery(1, "").ID.String() {
		t.Fatalf("delivered %+v, receipt %+v", got, receipt)
	}
	if body := string(got[0].Body); strings.Contains(body, anna) || strings.Contains(body, "tag") || strings.Contains(body, "messaging_type") {
		t.Errorf("the body holds more than the token: %s", body)
	}

	_, err = m.Send(t.Context(), delivery(2, token))
	wants(t, err, otn.Refused, otn.MessageScope, "token_used")
	if !errors.Is(err, otn.ErrRefused) || len(g.Delivered(token)) != 1 {
		t.Errorf("second use: %v, delivered %d", err, len(g.Delivered(token)))
	}
}

// A reply goes to the person in their open window and spends nothing; a closed one is told as such.
func TestReplyGoesIntoTheOpenWindow(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	token := g.Grant(anna, "").Token
	reply := delivery(1, "")
	reply.Token, reply.Reply, reply.Message.Text = otn.Token{}, true, "We will tell you once."
	_, err := m.Send(t.Context(), reply)
	wants(t, err, otn.Deferred, otn.MessageScope, "10/2018278")
	if !errors.Is(err, otn.ErrOutsideWindow) {
		t.Errorf("a closed window: %v", err)
	}
	g.Text(anna, "hello")
	if _, err := m.Send(t.Context(), reply); err != nil {
		t.Fatal(err)
	}
	got := g.Messages()
	if len(got) != 1 || got[0].PSID != anna || got[0].Token != "" || got[0].Text != "We will tell you once." || got[0].Metadata != "otn:"+reply.ID.String() {
		t.Fatalf("said %+v", got)
	}
	if n := len(g.Delivered(token)); n != 0 {
		t.Errorf("it spent a token")
	}
	calls := len(g.Calls())
	spending := delivery(2, token)
	spending.Reply = true
	_, err = m.Send(t.Context(), spending)
	wants(t, err, otn.Invalid, otn.MessageScope, "token")
	stranger := reply
	stranger.Subscriber.ID = byUserRef + "x"
	_, err = m.Send(t.Context(), stranger)
	wants(t, err, otn.Invalid, otn.MessageScope, "recipient")
	if len(g.Calls()) != calls {
		t.Error("the platform was called for what cannot be said")
	}
}

func TestLostAnswersAreUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		fault graphtest.Fault
		code  string
	}{
		"accepted, then cut":  {graphtest.AcceptThenCut(), "cut"},
		"accepted, then 502":  {graphtest.AcceptThen(http.StatusBadGateway, "<html>"), "http_502"},
		"accepted, no id":     {graphtest.Lacking("message_id"), "no_message_id"},
		"cut before accepted": {graphtest.Cut(), "cut"},
		"half an answer":      {graphtest.AcceptThen(http.StatusOK, `{"recipient_id":"54`), "no_message_id"},
	} {
		t.Run(name, func(t *testing.T) {
			m, g := pair(t, graphtest.Options{})
			warm := g.Grant(anna, "").Token // so that the call goes over a connection that was used before
			if _, err := m.Send(t.Context(), delivery(1, warm)); err != nil {
				t.Fatal(err)
			}
			token := g.Grant(anna, "").Token
			g.Fail(c.fault.For(token))
			_, err := m.Send(t.Context(), delivery(2, token))
			wants(t, err, otn.Unknown, otn.MessageScope, c.code)
			if calls := len(g.Calls()); calls != 2 {
				t.Errorf("%d calls, want one for each send", calls)
			}
		})
	}
}

func TestResendAfterALostAnswer(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	token := g.Grant(anna, "").Token
	g.Fail(graphtest.AcceptThenCut())
	_, err := m.Send(t.Context(), delivery(1, token))
	wants(t, err, otn.Unknown, otn.MessageScope, "cut")
	_, err = m.Send(t.Context(), delivery(1, token))
	wants(t, err, otn.Refused, otn.MessageScope, "token_used")
	if n := len(g.Delivered(token)); n != 1 {
		t.Errorf("delivered %d times", n)
	}
}

// Many at once, over few connections, with faults among them: nobody twice, and Sent means delivered.
func TestParallelSends(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	m.breaks.lost.most = 1000 // here nothing is to stop for them
	g.Fail(graphtest.AcceptThenCut().Repeat(20), graphtest.Refuse(551, 0).Repeat(20), graphtest.Slow(time.Millisecond).Repeat(50))
	var sent, unknown atomic.Int32
	work := make(chan string)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for token := range work {
				switch o, _ := otn.OutcomeOf(second(m.Send(t.Context(), delivery(1, token)))); o {
				case otn.Sent:
					sent.Add(1)
					if len(g.Delivered(token)) != 1 {
						t.Errorf("%s: Sent and not delivered", token)
					}
				case otn.Unknown:
					unknown.Add(1)
				case otn.Deferred:
					if len(g.Delivered(token)) != 0 {
						t.Errorf("%s: Deferred and delivered", token)
					}
				default:
					t.Errorf("unexpected %s", o)
				}
			}
		})
	}
	for range 400 {
		work <- g.Grant(anna, "").Token
	}
	close(work)
	workers.Wait()
	if sent.Load() != 360 || unknown.Load() != 20 || len(g.Messages()) != 380 {
		t.Errorf("sent %d, unknown %d, delivered %d; want 360, 20, 380", sent.Load(), unknown.Load(), len(g.Messages()))
	}
}

func second(_ otn.Receipt, err error) error { return err }

func TestAskAndTap(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	a := otn.Ask{ID: "a1", Subscriber: otn.Subscriber{ID: anna}, Title: "Dock Jacket is back", Ref: "notify.back-in-stock.DJ-S"}

	_, err := m.Ask(t.Context(), a)
	after := wants(t, err, otn.Deferred, otn.SubscriberScope, "10/2018278")
	if !errors.Is(err, otn.ErrOutsideWindow) || after != 6*time.Hour {
		t.Errorf("got %v after %s", err, after)
	}

	g.Text(anna, "hello")
	receipt, err := m.Ask(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	asks := g.Asks()
	if len(asks) != 1 || asks[0].ID != receipt.ProviderID || asks[0].Title != a.Title || asks[0].Payload != a.Ref {
		t.Fatalf("asks %+v, receipt %+v", asks, receipt)
	}

	g.Fail(graphtest.Refuse(613, 1893016))
	_, err = m.Ask(t.Context(), a)
	if after := wants(t, err, otn.Deferred, otn.SubscriberScope, "613/1893016"); !errors.Is(err, otn.ErrAlreadyAsked) || after != 7*day {
		t.Errorf("got %v after %s", err, after)
	}
}

// "No such user" ends a token only after the platform said that the access token is this page's; asked once.
func TestPageCheck(t *testing.T) {
	t.Run("passed", func(t *testing.T) {
		m, g := pair(t, graphtest.Options{})
		g.Fail(graphtest.Refuse(100, 2018001).Repeat(3))
		for i := range byte(3) {
			_, err := m.Send(t.Context(), delivery(i, g.Grant(anna, "").Token))
			wants(t, err, otn.Refused, otn.MessageScope, "100/2018001")
		}
		if n := g.Identified(); n != 1 {
			t.Errorf("asked %d times whose the token is", n)
		}
	})
	t.Run("another page's token", func(t *testing.T) {
		other := graphtest.Page{ID: "104600000000002", AccessToken: "other-page-token"}
		m, g := pair(t, graphtest.Options{Pages: []graphtest.Page{other}}, func(c *Config) {
			c.PageToken = otn.NewSecret(other.AccessToken)
		})
		for i := range byte(2) {
			_, err := m.Send(t.Context(), delivery(i, "8100000000000000001"))
			wants(t, err, otn.Invalid, otn.ChannelScope, "100/2018001/page")
		}
		if n := g.Identified(); n != 1 {
			t.Errorf("asked %d times whose the token is", n)
		}
	})
	t.Run("no answer is no", func(t *testing.T) {
		m, g := pair(t, graphtest.Options{})
		g.Fail(graphtest.Refuse(100, 2018001).Repeat(2))
		g.HideIdentity(true)
		_, err := m.Send(t.Context(), delivery(1, g.Grant(anna, "").Token))
		wants(t, err, otn.Invalid, otn.ChannelScope, "100/2018001/page")
		g.HideIdentity(false)
		_, err = m.Send(t.Context(), delivery(1, g.Grant(anna, "").Token))
		wants(t, err, otn.Refused, otn.MessageScope, "100/2018001")
	})
}

func TestWaits(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   graphtest.Fault
		attempt int
		scope   otn.Scope
		code    string
		want    time.Duration
	}{
		{"message, first", graphtest.Refuse(1200, 0), 1, otn.MessageScope, "1200", time.Minute},
		{"message, fourth", graphtest.Refuse(1200, 2018024), 4, otn.MessageScope, "1200", 2 * time.Hour},
		{"subscriber, first", graphtest.Refuse(551, 0), 1, otn.SubscriberScope, "551", 6 * time.Hour},
		{"subscriber, second", graphtest.Refuse(551, 0), 2, otn.SubscriberScope, "551", day},
		{"subscriber, attempt unknown", graphtest.Refuse(551, 0), 0, otn.SubscriberScope, "551", 6 * time.Hour},
		{"fixed", graphtest.Refuse(2018300, 0), 3, otn.SubscriberScope, "2018300", 15 * time.Minute},
		{"fixed, as subcode", graphtest.Refuse(100, 2018321), 1, otn.SubscriberScope, "2018321", 5 * time.Minute},
		{"page stopped", graphtest.Refuse(10, 1893063), 1, otn.ChannelScope, "10/1893063", day},
		{"429 without a word", graphtest.Answer(429, ""), 1, otn.ChannelScope, "http_429", time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, g := pair(t, graphtest.Options{})
			g.Fail(c.fault)
			d := delivery(1, g.Grant(anna, "").Token)
			d.Attempt = c.attempt
			if after := wants(t, second(m.Send(t.Context(), d)), otn.Deferred, c.scope, c.code); after != c.want {
				t.Errorf("waits %s, want %s", after, c.want)
			}
		})
	}
}

// While a limit is used up, the answer comes from here: calling on would make the wait longer.
func TestUsedUpLimitClosesTheGate(t *testing.T) {
	m, g := pair(t, graphtest.Options{Usage: []graphtest.Usage{{Percent: 100, Minutes: 19}}})
	clock := fixtureTime
	m.now = func() time.Time { return clock }
	g.Fail(graphtest.Refuse(80006, 0))
	d := delivery(1, g.Grant(anna, "").Token)

	if after := wants(t, second(m.Send(t.Context(), d)), otn.Deferred, otn.ChannelScope, "80006"); after != 19*time.Minute {
		t.Fatalf("waits %s", after)
	}
	clock = clock.Add(10 * time.Minute)
	if after := wants(t, second(m.Send(t.Context(), d)), otn.Deferred, otn.ChannelScope, "page_limit"); after != 9*time.Minute {
		t.Fatalf("waits %s", after)
	}
	if n := len(g.Calls()); n != 1 {
		t.Fatalf("%d calls", n)
	}
	g.SetUsage(graphtest.Usage{Percent: 12})
	clock = clock.Add(9 * time.Minute)
	if err := second(m.Send(t.Context(), d)); err != nil {
		t.Fatal(err)
	}
}

// A limit without a header closes the gate too, for a wait that grows.
func TestCallLimitClosesTheGate(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	clock := fixtureTime
	m.now = func() time.Time { return clock }
	d := delivery(1, g.Grant(anna, "").Token)
	g.Fail(graphtest.Refuse(613, 0).Repeat(2))
	for i, least := range []time.Duration{time.Minute, 2 * time.Minute} {
		after := wants(t, second(m.Send(t.Context(), d)), otn.Deferred, otn.ChannelScope, "613")
		if after < least || after > least+least/10 {
			t.Fatalf("waits %s, want about %s", after, least)
		}
		if again := wants(t, second(m.Send(t.Context(), d)), otn.Deferred, otn.ChannelScope, "page_limit"); again != after {
			t.Fatalf("waits %s, want %s", again, after)
		}
		if n := len(g.Calls()); n != i+1 {
			t.Fatalf("%d calls", n)
		}
		clock = clock.Add(after)
	}
	if err := second(m.Send(t.Context(), d)); err != nil {
		t.Fatal(err)
	}
	g.Fail(graphtest.Refuse(613, 0))
	if after := wants(t, second(m.Send(t.Context(), d)), otn.Deferred, otn.ChannelScope, "613"); after > 66*time.Second {
		t.Errorf("waits %s after a success", after)
	}
}

func TestDeadline(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	d := delivery(1, g.Grant(anna, "").Token)
	d.Deadline = time.Now().Add(-time.Second)
	wants(t, second(m.Send(t.Context(), d)), otn.Deferred, otn.MessageScope, "expired")
	if len(g.Calls()) != 0 {
		t.Error("the platform was called")
	}
}

// The secret that proves the app, and the access token that only travels in a header.
func TestCredentials(t *testing.T) {
	m, g := pair(t, graphtest.Options{RequireProof: true}, func(c *Config) { c.AppSecretProof = true })
	if err := second(m.Send(t.Context(), delivery(1, g.Grant(anna, "").Token))); err != nil {
		t.Fatal(err)
	}
	bare, g := pair(t, graphtest.Options{RequireProof: true})
	wants(t, second(bare.Send(t.Context(), delivery(1, g.Grant(anna, "").Token))), otn.Invalid, otn.MessageScope, "100")

	wrong, g := pair(t, graphtest.Options{}, func(c *Config) { c.PageToken = otn.NewSecret("nobody's") })
	wants(t, second(wrong.Send(t.Context(), delivery(1, g.Grant(anna, "").Token))), otn.Invalid, otn.ChannelScope, "190")
}

// Whoever logs addresses must not come to know the access token.
func TestAccessTokenIsInNoURL(t *testing.T) {
	var urls, bearers []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		urls, bearers = append(urls, r.URL.String()), append(bearers, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, `{"message_id":"m1"}`)
	}))
	m := open(t, testConfig(s.URL+"/v25.0"))
	if err := second(m.Send(t.Context(), delivery(1, "8100000000000000001"))); err != nil {
		t.Fatal(err)
	}
	m.identity(t.Context())
	s.Close()
	_ = m.Close() // so that the next call connects anew
	if want := "/v25.0/" + testPage + "/messages"; urls[0] != want || urls[1] != "/v25.0/me?fields=id" || bearers[0] != "Bearer "+testToken || bearers[1] != bearers[0] {
		t.Errorf("called %q, want %q first", urls, want)
	}
	err := second(m.Send(t.Context(), delivery(1, "8100000000000000001")))
	wants(t, err, otn.Deferred, otn.ChannelScope, "not_sent")
	if strings.Contains(err.Error(), "/messages") {
		t.Errorf("the error quotes the URL: %v", err)
	}
}

// The platform's text is shown to operators; a secret that it quotes is not.
func TestAnswersAreCensored(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	token := g.Grant(anna, "").Token
	g.Fail(graphtest.Fault{Error: &graphtest.Error{Code: 100, Message: "bad " + token + " and " + testToken + "\nof " + anna}})
	err := second(m.Send(t.Context(), delivery(1, token)))
	wants(t, err, otn.Invalid, otn.MessageScope, "100")
	for _, secret := range []string{token, anna, "\n"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("quotes %q: %v", secret, err)
		}
	}
}

func TestContextEndsTheCall(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	release := make(chan struct{})
	defer close(release)
	g.Fail(graphtest.Held(release))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := second(m.Send(ctx, delivery(1, g.Grant(anna, "").Token)))
	wants(t, err, otn.Unknown, otn.MessageScope, "cut")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestOwnTimeoutEndsTheCall(t *testing.T) {
	m, g := pair(t, graphtest.Options{}, func(c *Config) { c.Timeout = channel.Duration(50 * time.Millisecond) })
	release := make(chan struct{})
	defer close(release)
	g.Fail(graphtest.Held(release))
	wants(t, second(m.Send(t.Context(), delivery(1, g.Grant(anna, "").Token))), otn.Unknown, otn.MessageScope, "cut")
}
