// The test binary is the host and every plugin it launches: its first argument, or none, says which.

package plugins_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/mock"
)

func TestMain(m *testing.M) {
	switch {
	case channel.Hosted():
		badPlugin(os.Args[1])
		channel.Serve(mock.Plugin)
	case os.Getenv("OTN_DEBUG") != "":
		channel.Serve(mock.Plugin)
	case os.Getenv(shortHost) != "":
		hostUntilKilled()
	default:
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // a plugin of the race detector's would linger for a second
		covered, _ := os.MkdirTemp("", "otn-cover")
		_ = os.Setenv("GOCOVERDIR", covered) // without it, one that is measured would complain
		goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
			_ = os.RemoveAll(covered)
			os.Exit(code)
		}))
	}
}

// launch runs a plugin until the test ends. Its log is shown when the test fails.
func launch(t testing.TB, s plugins.Spec) *plugins.Process {
	t.Helper()
	p, stop := run(t, s)
	t.Cleanup(stop)
	return p
}

// run runs a plugin until stop, which waits until Run has returned.
func run(t testing.TB, s plugins.Spec) (p *plugins.Process, stop func()) {
	t.Helper()
	if s.Name == "" {
		s.Name = "shop"
	}
	if s.Command == nil {
		s.Command = self(t, "mock")
	}
	if s.Log == nil {
		s.Log = newLog(t).slog()
	}
	s.Env = append(s.Env, "GORACE", "GOCOVERDIR")
	p = plugins.New(s)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return p, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// self is the command that makes this binary the named plugin.
func self(t testing.TB, name string) []string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{path, name}
}

func ready(t testing.TB, p *plugins.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Ready(ctx); err != nil {
		t.Fatal(err)
	}
}

func config(t testing.TB, c any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// delivery is the n-th of a test, all different.
func delivery(n int) otn.Delivery {
	d := otn.Delivery{
		Channel: "shop", Token: otn.NewToken("page", "token-"+string(rune('a'+n%26))+time.Duration(n).String()), Attempt: 1,
		Subscriber: otn.Subscriber{ID: "222"}, Message: otn.Message{Text: "It is back."},
	}
	d.ID[0], d.ID[1], d.ID[2] = byte(n), byte(n>>8), byte(n>>16)
	return d
}

// log keeps what the host logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func newLog(t testing.TB) *log {
	l := &log{}
	t.Cleanup(func() {
		if t.Failed() {
			text := l.String()
			t.Log(text[max(0, len(text)-4000):])
		}
	})
	return l
}

func (l *log) slog() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
