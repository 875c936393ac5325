//go:build node

// The Node.js kit keeps what every channel owes its host. Needs node and, in this folder, npm ci.

package node_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channeltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// launch runs a plugin in a process of its own, as otn does.
func launch(t testing.TB, program string, config map[string]any) *plugins.Process {
	t.Helper()
	return launchIn(t, "", program, config)
}

// launchIn has the socket in a folder that is known.
func launchIn(t testing.TB, dir, program string, config map[string]any) *plugins.Process {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	p := plugins.New(plugins.Spec{Name: "box", Plugin: "letterbox", Command: []string{program}, Config: text, Dir: dir})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	ready, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if err := p.Ready(ready); err != nil {
		t.Fatal(err)
	}
	return p
}

func letterbox(t testing.TB) (*plugins.Process, string) {
	file := filepath.Join(t.TempDir(), "box.txt")
	return launch(t, "./letterbox.js", map[string]any{"file": file}), file
}

func TestLetterbox(t *testing.T) {
	channeltest.Run(t, func(t testing.TB) channeltest.Channel { p, _ := letterbox(t); return p })
}

func TestMessagesArriveInTheFile(t *testing.T) {
	p, file := letterbox(t)
	_, err := p.Send(t.Context(), otn.Delivery{Subscriber: otn.Subscriber{ID: "222"}, Message: otn.Message{Text: "The wool coat is back."}})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "222: The wool coat is back.\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// What an author's send does is what the host sees.
func TestOutcomes(t *testing.T) {
	p := launch(t, "./testdata/moody.js", map[string]any{})
	for text, want := range map[string]otn.SendError{
		"refused":     {Outcome: otn.Refused, Scope: otn.SubscriberScope, Code: "blocked"},
		"throttled":   {Outcome: otn.Deferred, Scope: otn.ChannelScope, Code: "slow", After: 1500 * time.Millisecond},
		"not sent":    {Outcome: otn.Deferred, Scope: otn.MessageScope, Code: "not_sent"},
		"invalid":     {Outcome: otn.Invalid, Scope: otn.MessageScope, Code: "long"},
		"throws":      {Outcome: otn.Unknown, Code: "unclassified"},
		"nothing":     {Outcome: otn.Unknown, Code: "unclassified"},
		"mood":        {Outcome: otn.Unknown, Code: "unclassified"},
		"a long word": {Outcome: otn.Unknown, Code: "unclassified"},
	} {
		_, err := p.Send(t.Context(), otn.Delivery{Message: otn.Message{Text: text}})
		outcome, se := otn.OutcomeOf(err)
		if err == nil || outcome != want.Outcome || se.Scope != want.Scope || se.Code != want.Code || se.After != want.After {
			t.Errorf("%s: %s %s [%s] after %s: %v", text, outcome, se.Scope, se.Code, se.After, err)
		}
	}
	if receipt, err := p.Send(t.Context(), otn.Delivery{Message: otn.Message{Text: "prints"}}); err != nil || receipt.ProviderID != "m-1" {
		t.Errorf("prints: %+v, %v", receipt, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Send(ctx, otn.Delivery{Message: otn.Message{Text: "hangs"}}); err == nil {
		t.Error("a send that hangs is sent")
	}
	about, err := p.Describe(t.Context())
	if err != nil || about.Account != "acme" || about.Capabilities.MaxInFlight != 1 || !about.Capabilities.Sends || about.Capabilities.Receives {
		t.Errorf("%+v, %v", about, err)
	}
	_, err = p.Send(t.Context(), otn.Delivery{Message: otn.Message{Text: "prints"}})
	if err != nil {
		t.Errorf("after a send that hangs: %v", err)
	}
}

// A configuration's faults come with their places, its defaults are filled in, and no value is shown.
func TestConfigurations(t *testing.T) {
	for config, want := range map[string]string{
		`{}`: "file: must have required", `{"file":3}`: "file: must be string", `{"fiel":"s3cret"}`: "fiel: unknown key", `{"file":"/nowhere/s3cret"}`: "file: cannot be opened: ENOENT",
		`["s3cret"]`: "must be object",
	} {
		p := plugins.New(plugins.Spec{Name: "box", Plugin: "letterbox", Command: []string{"./letterbox.js"}, Config: json.RawMessage(config)})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		err := p.Ready(ctx)
		cancel()
		<-ended
		var ce *plugins.ConfigError
		if !errors.As(err, &ce) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the fault shows a value: %v", config, err)
		}
	}
}

func TestItIsShort(t *testing.T) {
	source, err := os.ReadFile("letterbox.js")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "\n"); n > 30 {
		t.Errorf("letterbox.js has %d lines, the README promises 30", n)
	}
}

// Who does not hold the host's certificate is not let in: not without TLS, not without a certificate, not with one of their own.
func TestStrangersAreNotLetIn(t *testing.T) {
	dir, err := os.MkdirTemp("", "otn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := launchIn(t, dir, "./letterbox.js", map[string]any{"file": filepath.Join(dir, "box.txt")})
	sockets, err := filepath.Glob(filepath.Join(dir, "box", "*", "node*"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("%q, %v", sockets, err)
	}
	own := httptest.NewUnstartedServer(nil)
	own.StartTLS()
	defer own.Close()
	h2 := func(certificates ...tls.Certificate) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, Certificates: certificates} //nolint:gosec // a stranger trusts anybody
	}
	for name, config := range map[string]*tls.Config{"without TLS": nil, "without a certificate": h2(), "with one of their own": h2(own.TLS.Certificates...)} {
		conn, err := net.Dial("unix", sockets[0])
		if err != nil {
			t.Fatal(err)
		}
		if config != nil {
			conn = tls.Client(conn, config)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		answer, err := io.ReadAll(conn)
		if bytes.Contains(answer, []byte("\x04\x00\x00\x00\x00\x00")) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: it answers %q, %v", name, answer, err)
		}
		_ = conn.Close()
	}
	if _, err := p.Send(t.Context(), otn.Delivery{Message: otn.Message{Text: "x"}}); err != nil {
		t.Errorf("after the strangers: %v", err)
	}
}
