// Messages on their way, and what becomes of them.

package webhook_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/channeltest"
	"github.com/onetimenotify/otn/plugins/webhook"
)

func TestSuite(t *testing.T) {
	channeltest.Run(t, func(t testing.TB) channeltest.Channel { return open(t, newReceiver(t).config(nil)) })
}

// The receiver gets what the README says, word for word, and the same again at the next attempt.
func TestBody(t *testing.T) {
	rc := newReceiver(t)
	var bodies []string
	var header http.Header
	rc.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies, header = append(bodies, string(b)), r.Header
	})
	c, d := open(t, rc.config(nil)), delivery()
	for n := range 2 {
		d.Attempt = n + 1
		if _, err := c.Send(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"type":"otn.message","data":{"delivery":"` + d.ID.String() + `","run":"` + d.ID.Run().String() + `","channel":"shop",` +
		`"subscriber":{"id":"ada@example.org","address":"+49 30 1234"},"message":{"card":{"title":"The wool coat is back","url":"https://shop.example/coat",` +
		`"buttons":[{"title":"See it","url":"https://shop.example/coat"}]}}}}`
	if len(bodies) != 2 || bodies[0] != want || bodies[1] != want {
		t.Errorf("got  %q\nwant %q", bodies, want)
	}
	if header.Get("Content-Type") != "application/json" || header.Get("Webhook-Id") != d.ID.String() || header.Get("Idempotency-Key") != "" || !strings.HasPrefix(header.Get("User-Agent"), "otn-webhook/") {
		t.Errorf("headers %v", header)
	}
}

// The README's example is what is posted, field for field.
func TestREADMEShowsTheBody(t *testing.T) {
	text := readme(t)
	_, rest, _ := strings.Cut(text, "```json\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the README shows no body")
	}
	var b webhook.Body
	d := json.NewDecoder(strings.NewReader(example))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		t.Fatal(err)
	}
	var shown, again bytes.Buffer
	if err := json.Compact(&shown, []byte(example)); err != nil {
		t.Fatal(err)
	}
	e := json.NewEncoder(&again)
	if err := e.Encode(b); err != nil || strings.TrimSpace(again.String()) != shown.String() {
		t.Errorf("got  %s\nwant %s", again.String(), shown.String())
	}
}

// Each secret signs: a receiver that knows the old one, the new one or both takes the message.
func TestEverySecretSigns(t *testing.T) {
	rc := newReceiver(t)
	c := open(t, rc.config(map[string]any{"secrets": []string{next}}))
	for _, known := range []string{secret, next} {
		rc.secret = known
		if o, se := outcome(t, c); o != otn.Sent {
			t.Errorf("%s: %s, %v", known, o, se.Err)
		}
	}
	rc.secret = "whsec_" + strings.Repeat("QUJD", 8)
	if o, se := outcome(t, c); o != otn.Invalid || se.Scope != otn.ChannelScope || se.Code != "401" {
		t.Errorf("a receiver with another secret: %s %s %v", o, se.Scope, se.Err)
	}
}

// The signature is the one of the specification. Source of the value: made with openssl, and the one that plugins/events accepts.
func TestSignature(t *testing.T) {
	rc := newReceiver(t)
	c := open(t, rc.config(map[string]any{"secrets": []string{next}})).Unwrap().(*webhook.Webhook)
	body, err := os.ReadFile("testdata/zapier_flat.json")
	if err != nil {
		t.Fatal(err)
	}
	first, second, ok := strings.Cut(c.Sign("msg_fixture_1", time.Unix(1795345200, 999), body), " ")
	if first != "v1,dtV7W+AOjO4atU2t7gb78yS/kjn0Teqcs3fSsRBFujQ=" || !ok || !strings.HasPrefix(second, "v1,") || second == first {
		t.Errorf("got %q and %q", first, second)
	}
}

// What each answer means, by its code.
func TestAnswers(t *testing.T) {
	type result struct {
		outcome otn.Outcome
		scope   otn.Scope
		after   time.Duration
	}
	rc, code, after := newReceiver(t), 0, ""
	rc.answers(func(w http.ResponseWriter, _ *http.Request) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.Header().Set("Location", "/there")
		w.WriteHeader(code)
	})
	plain := open(t, rc.config(nil))
	more := open(t, rc.config(map[string]any{"refused_on": []int{404, 422}}))
	now := time.Now().Truncate(time.Second)
	for _, c := range []*channel.Instance{plain, more} {
		c.Unwrap().(*webhook.Webhook).SetClock(func() time.Time { return now })
	}
	for _, c := range []struct {
		channel *channel.Instance
		code    int
		after   string
		want    result
	}{
		{plain, 200, "", result{otn.Sent, 0, 0}}, {plain, 202, "", result{otn.Sent, 0, 0}}, {plain, 204, "", result{otn.Sent, 0, 0}}, {plain, 299, "9", result{otn.Sent, 0, 0}},
		{plain, 410, "", result{otn.Refused, otn.SubscriberScope, 0}},
		{more, 410, "", result{otn.Invalid, otn.MessageScope, 0}}, {more, 404, "", result{otn.Refused, otn.SubscriberScope, 0}}, {more, 422, "", result{otn.Refused, otn.SubscriberScope, 0}},
		{plain, 429, "", result{otn.Deferred, otn.ChannelScope, 0}}, {plain, 429, "120", result{otn.Deferred, otn.ChannelScope, 2 * time.Minute}},
		{plain, 503, "30", result{otn.Deferred, otn.ChannelScope, 30 * time.Second}}, {plain, 503, now.Add(time.Hour).UTC().Format(http.TimeFormat), result{otn.Deferred, otn.ChannelScope, time.Hour}},
		{plain, 503, "99999999999", result{otn.Deferred, otn.ChannelScope, 24 * time.Hour}}, {plain, 429, "-5", result{otn.Deferred, otn.ChannelScope, 0}},
		{plain, 503, "", result{otn.Unknown, 0, 0}}, {plain, 503, "soon", result{otn.Unknown, 0, 0}}, {plain, 503, now.Add(-time.Hour).UTC().Format(http.TimeFormat), result{otn.Unknown, 0, 0}},
		{plain, 500, "30", result{otn.Unknown, 0, 0}}, {plain, 502, "", result{otn.Unknown, 0, 0}}, {plain, 504, "", result{otn.Unknown, 0, 0}}, {plain, 599, "", result{otn.Unknown, 0, 0}}, {plain, 999, "", result{otn.Unknown, 0, 0}},
		{plain, 408, "", result{otn.Deferred, otn.MessageScope, 0}}, {plain, 425, "5", result{otn.Deferred, otn.MessageScope, 5 * time.Second}},
		{plain, 400, "", result{otn.Invalid, otn.MessageScope, 0}}, {plain, 409, "", result{otn.Invalid, otn.MessageScope, 0}}, {plain, 413, "", result{otn.Invalid, otn.MessageScope, 0}}, {plain, 422, "", result{otn.Invalid, otn.MessageScope, 0}},
		{plain, 401, "", result{otn.Invalid, otn.ChannelScope, 0}}, {plain, 403, "", result{otn.Invalid, otn.ChannelScope, 0}}, {plain, 404, "", result{otn.Invalid, otn.ChannelScope, 0}}, {plain, 405, "", result{otn.Invalid, otn.ChannelScope, 0}},
		{plain, 415, "", result{otn.Invalid, otn.ChannelScope, 0}}, {plain, 418, "", result{otn.Invalid, otn.ChannelScope, 0}},
		{plain, 301, "", result{otn.Invalid, otn.ChannelScope, 0}}, {plain, 303, "", result{otn.Invalid, otn.ChannelScope, 0}}, {plain, 307, "", result{otn.Invalid, otn.ChannelScope, 0}}, {plain, 308, "", result{otn.Invalid, otn.ChannelScope, 0}},
	} {
		code, after = c.code, c.after
		before := rc.calls
		o, se := outcome(t, c.channel)
		if got := (result{o, se.Scope, se.After}); got != c.want {
			t.Errorf("%d, Retry-After %q: %+v, want %+v: %v", c.code, c.after, got, c.want, se.Err)
		}
		if o != otn.Sent && se.Code != fmt.Sprint(c.code) {
			t.Errorf("%d has the code %q", c.code, se.Code)
		}
		if rc.calls != before+1 {
			t.Errorf("%d: posted %d times", c.code, rc.calls-before)
		}
	}
}

// A redirect is followed nowhere, not to the same host either.
func TestP39_NoRedirectIsFollowed(t *testing.T) {
	followed := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed++ }))
	defer other.Close()
	rc := newReceiver(t)
	for _, to := range []string{other.URL, "/there", "http://169.254.169.254/latest"} {
		rc.answers(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) })
		if o, se := outcome(t, open(t, rc.config(nil))); o != otn.Invalid || !strings.Contains(se.Error(), "no redirect is followed") {
			t.Errorf("to %s: %s, %v", to, o, se.Err)
		}
	}
	if followed != 0 || rc.calls != 3 {
		t.Errorf("followed %d times, called %d times", followed, rc.calls)
	}
}

// An answer that is lost leaves nobody who could tell: unknown. One try, whatever net/http would like to do.
func TestL4_ALostAnswerIsUnknown(t *testing.T) {
	for name, answer := range map[string]func(conn net.Conn){
		"closed without an answer": func(conn net.Conn) { _ = conn.Close() },
		"half an answer":           func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 20"); _ = conn.Close() },
		"no HTTP":                  func(conn net.Conn) { _, _ = io.WriteString(conn, "hello\r\n\r\n"); _ = conn.Close() },
		"headers without end": func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X-A: b\r\n", 20_000)+"\r\n")
			_ = conn.Close()
		},
	} {
		rc := newReceiver(t)
		rc.answers(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			answer(conn)
		})
		c := open(t, rc.config(map[string]any{"timeout": "5s"}))
		if o, se := outcome(t, c); o != otn.Unknown || se.Code != "no_answer" || rc.calls != 1 {
			t.Errorf("%s: %s after %d calls, %v", name, o, rc.calls, se.Err)
		}
		// The same on a connection that was used before: here net/http would try again, had the call an Idempotency-Key.
		calls := 0
		rc.answers(func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls == 1 {
				return
			}
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			answer(conn)
		})
		if o, se := outcome(t, c); o != otn.Sent {
			t.Errorf("%s: the first: %s, %v", name, o, se.Err)
		}
		if o, se := outcome(t, c); o != otn.Unknown || calls != 2 {
			t.Errorf("%s, on an old connection: %s after %d calls, %v", name, o, calls, se.Err)
		}
	}
}

// A receiver that hangs ends at the time limit, and that is unknown too; one whose answer drips was heard at its first line.
func TestTimeIsBounded(t *testing.T) {
	rc := newReceiver(t)
	rc.answers(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	started := time.Now()
	if o, se := outcome(t, open(t, rc.config(map[string]any{"timeout": "100ms"}))); o != otn.Unknown || !strings.Contains(se.Error(), "100ms") || time.Since(started) > 5*time.Second {
		t.Errorf("%s after %s: %v", o, time.Since(started), se.Err)
	}
	rc.answers(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "ok")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	started = time.Now()
	if o, se := outcome(t, open(t, rc.config(nil))); o != otn.Sent || time.Since(started) > 5*time.Second {
		t.Errorf("an answer that drips: %s after %s, %v", o, time.Since(started), se.Err)
	}
	// A host that no longer waits is heeded.
	rc.answers(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := open(t, rc.config(nil)).Send(ctx, delivery())
	if o, _ := otn.OutcomeOf(err); o != otn.Unknown {
		t.Errorf("nobody waits: %s, %v", o, err)
	}
}

// An answer without end is not read to it.
func TestAnswerIsBounded(t *testing.T) {
	rc := newReceiver(t)
	written := make(chan int, 1)
	rc.answers(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		for r.Context().Err() == nil {
			k, err := w.Write(make([]byte, 32<<10))
			if n += k; err != nil {
				break
			}
		}
		written <- n
	})
	if o, se := outcome(t, open(t, rc.config(nil))); o != otn.Sent {
		t.Fatalf("%s, %v", o, se.Err)
	}
	if n := <-written; n > 16<<20 {
		t.Errorf("it took %d bytes", n)
	}
}

// A connection that never opened is certainly not sent.
func TestNoConnectionIsNotSent(t *testing.T) {
	rc := newReceiver(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing: no TLS
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // the test is over
	old := httptest.NewUnstartedServer(rc)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	defer old.Close()
	closed := newReceiver(t)
	closed.Close()
	for name, c := range map[string]map[string]any{
		"nobody listens":              {"url": closed.URL},
		"no such name":                {"url": "https://receiver.invalid/otn"},
		"a certificate of a stranger": {"ca": ""},
		"TLS 1.1":                     {"url": old.URL},
		"no TLS at all":               {"url": "https://" + silent.Addr().String(), "timeout": "200ms"},
		"a certificate of another":    {"url": strings.Replace(rc.URL, "127.0.0.1", "localhost", 1)},
	} {
		o, se := outcome(t, open(t, rc.config(c)))
		if o != otn.Deferred || se.Code != "not_sent" {
			t.Errorf("%s: %s [%s] %v", name, o, se.Code, se.Err)
		}
	}
	if rc.calls != 0 {
		t.Errorf("%d messages arrived", rc.calls)
	}
}

// Addresses that are not public are refused at the connection, whatever name leads there; a cloud's own always.
func TestP39_PrivateAddressesAreRefused(t *testing.T) {
	rc := newReceiver(t)
	port := rc.Listener.Addr().(*net.TCPAddr).Port
	for host, allowed := range map[string]bool{
		"127.0.0.1": false, "localhost": false, "[::1]": false, "[::ffff:127.0.0.1]": false, "2130706433": false, "10.0.0.1": false, "192.168.0.1": false, "100.64.0.1": false,
		"169.254.169.254": true, "[fe80::1]": true, "[fd00:ec2::254]": true, "0.0.0.0": true,
	} {
		o, se := outcome(t, open(t, rc.config(map[string]any{"url": fmt.Sprintf("https://%s:%d/otn", host, port), "allow_private": allowed, "timeout": "5s"})))
		if host == "2130706433" && o == otn.Deferred {
			continue // a resolver that knows no such number
		}
		if o != otn.Invalid || se.Scope != otn.ChannelScope || se.Code != "private_address" || !strings.Contains(se.Error(), "allow_private") {
			t.Errorf("%s: %s [%s] %v", host, o, se.Code, se.Err)
		}
	}
	if rc.calls != 0 {
		t.Errorf("%d messages arrived", rc.calls)
	}
}

// A message that is too large is at fault itself, and is not posted.
func TestTooLarge(t *testing.T) {
	rc := newReceiver(t)
	c := open(t, rc.config(map[string]any{"max_message": 1024}))
	d := delivery()
	d.Message = otn.Message{Text: strings.Repeat("x", 1024)}
	_, err := c.Send(t.Context(), d)
	if o, se := otn.OutcomeOf(err); o != otn.Invalid || se.Code != "too_large" || se.Scope != otn.MessageScope || rc.calls != 0 {
		t.Errorf("%s %v", o, err)
	}
}

// Only a receiver that takes a webhook-id once makes it safe to post it again.
func TestDeduplicates(t *testing.T) {
	rc := newReceiver(t)
	for _, does := range []bool{false, true} {
		about, err := open(t, rc.config(map[string]any{"deduplicates": does, "rate": 7.5, "max_in_flight": 3})).Describe(t.Context())
		if can := about.Capabilities; err != nil || can.SingleUseToken != does || !can.Sends || can.Receives || can.Replies || can.MaxInFlight != 3 || can.MaxMessage != 256<<10 || can.Rate != 7.5 {
			t.Errorf("%v: %+v, %v", does, about, err)
		}
	}
	c, d := open(t, rc.config(map[string]any{"deduplicates": true})), delivery()
	for n := range 3 {
		d.Attempt = n + 1
		if _, err := c.Send(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if len(rc.told) != 1 || rc.calls != 3 {
		t.Errorf("%d messages in %d calls", len(rc.told), rc.calls)
	}
}
