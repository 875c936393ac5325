// The channel in a process of its own, and over HTTP/2.

package webhook_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/channeltest"
	"github.com/onetimenotify/otn/plugins/webhook"
)

// The test binary is the plugin, when a host launches it.
func TestMain(m *testing.M) {
	if channel.Hosted() {
		channel.Serve(webhook.Plugin)
		return
	}
	goleak.VerifyTestMain(m)
}

// launch runs the channel in a process of its own, as otn does.
func launch(t testing.TB, config string) *plugins.Process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := plugins.New(plugins.Spec{Name: "shop", Plugin: "webhook", Command: []string{program}, Config: []byte(config)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSuiteAcrossTheBorder(t *testing.T) {
	channeltest.Run(t, func(t testing.TB) channeltest.Channel { return launch(t, newReceiver(t).config(nil)) })
}

// What an answer means is the same on the host's side.
func TestOutcomesCrossTheBorder(t *testing.T) {
	rc, code := newReceiver(t), http.StatusOK
	rc.answers(func(w http.ResponseWriter, _ *http.Request) {
		if code == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "30")
		}
		w.WriteHeader(code)
	})
	p := launch(t, rc.config(map[string]any{"deduplicates": true}))
	if about, err := p.Describe(t.Context()); err != nil || !about.Capabilities.SingleUseToken || about.Capabilities.MaxInFlight != 16 {
		t.Errorf("%+v, %v", about, err)
	}
	for c, want := range map[int]otn.Outcome{200: otn.Sent, 410: otn.Refused, 503: otn.Deferred, 401: otn.Invalid, 500: otn.Unknown} {
		code = c
		if got, se := outcome(t, p); got != want || want != otn.Sent && !strings.Contains(se.Error(), http.StatusText(c)) {
			t.Errorf("%d: %s, %v", c, got, se)
		}
	}
	gone := newReceiver(t) // that no connection was ever made to
	gone.Close()
	if got, se := outcome(t, launch(t, gone.config(nil))); got != otn.Deferred || se.Code != "not_sent" {
		t.Errorf("a receiver that is away: %s, %v", got, se)
	}
}

// Over HTTP/2 many messages share a connection, and the stream that breaks is the one that nobody can tell of.
func TestHTTP2(t *testing.T) {
	breaks, calls := false, 0
	rc := &receiver{t: t, secret: secret, told: map[string]webhook.Body{}}
	rc.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if calls++; r.ProtoMajor != 2 {
			t.Errorf("it speaks %s", r.Proto)
		}
		if breaks {
			panic(http.ErrAbortHandler)
		}
	}))
	rc.EnableHTTP2 = true
	rc.StartTLS()
	defer rc.Close()
	c := open(t, rc.config(nil))
	for n, want := range []otn.Outcome{otn.Sent, otn.Unknown, otn.Sent} {
		breaks = want == otn.Unknown
		if got, se := outcome(t, c); got != want || calls != n+1 {
			t.Errorf("%s after %d calls, want %s: %v", got, calls, want, se.Err)
		}
	}
}
