//go:build node

// The Node.js kit keeps what every channel owes its host. Needs node and, in this folder, npm ci.

package node_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
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

// The example, and a channel that listens and looks up, pass what every plugin passes, in any language.
func TestConformance(t *testing.T) {
	for program, config := range map[string]string{"letterbox.js": `{"file":"box.txt"}`, "testdata/ear.js": `{}`} {
		path, err := filepath.Abs(program)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(program), func(t *testing.T) {
			channeltest.RunProgram(t, channeltest.Program{Command: []string{path}, Config: []byte(config), WorkDir: t.TempDir()})
		})
	}
}

// A configuration is looked at without being used, and the platform is asked where that is wanted.
func TestValidate(t *testing.T) {
	for config, want := range map[string]struct {
		deep, asked bool
		fault       string
	}{
		`{}`: {false, false, ""}, `{ }`: {true, true, ""}, `{"deed":7}`: {true, false, "deed: "}, `{"deed":"x"}`: {false, false, ""}, `{"deed":"x" }`: {true, true, "deed: the platform knows"},
	} {
		p, err := plugins.Look(t.Context(), plugins.Spec{Name: "bot", Command: []string{"./testdata/ear.js"}, Config: json.RawMessage(config)})
		if err != nil {
			t.Fatal(err)
		}
		asked, err := p.Validate(t.Context(), want.deep)
		if asked != want.asked || (err != nil) != (want.fault != "") || err != nil && !strings.Contains(err.Error(), want.fault) {
			t.Errorf("%s: asked %v, %v", config, asked, err)
		}
		p.Close()
	}
}

// What is heard crosses in order, each when the one before is kept; how a listening ends is what the host is told.
func TestListen(t *testing.T) {
	for deed, want := range map[string]string{"breaks": "the platform hung up", "waits": "too many requests", "too many": "1001 records", "forgets": "1001 records", "ends": ""} {
		p := launch(t, "./testdata/ear.js", map[string]any{"deed": deed})
		for range 2 {
			var heard []string
			err := p.Listen(t.Context(), "1", func(next string, records ...otn.Record) error {
				heard = append(heard, next+" "+records[0].Key+" "+records[0].Note.Text+" "+records[0].At.UTC().Format("05.000"))
				return nil
			})
			if got := strings.Join(heard, ", "); got != "2 u1 1 40.001, 3 u2 1 40.002" {
				t.Errorf("%s: heard %s", deed, got)
			}
			if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", deed, err, want)
			}
			if se := (*otn.SendError)(nil); deed == "waits" && (!errors.As(err, &se) || se.After != 90*time.Second) {
				t.Errorf("when to come again is lost: %v", err)
			}
		}
	}
	full := errors.New("the disk is full")
	p := launch(t, "./testdata/ear.js", map[string]any{})
	if err := p.Listen(t.Context(), "", func(string, ...otn.Record) error { return full }); !errors.Is(err, full) {
		t.Errorf("a host that keeps nothing: %v", err)
	}
}

func TestLookup(t *testing.T) {
	p, vague := launch(t, "./testdata/ear.js", map[string]any{}), launch(t, "./testdata/ear.js", map[string]any{"deed": "cannot tell"})
	sent := otn.Delivery{ID: otn.DeliveryID{1}, Message: otn.Message{Text: "x"}}
	if _, err := p.Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Lookup(t.Context(), sent); err != nil || r.ProviderID != "m-1" {
		t.Errorf("a message that was taken: %+v %v", r, err)
	}
	for want, err := range map[otn.Outcome]error{otn.Deferred: second(p.Lookup(t.Context(), otn.Delivery{ID: otn.DeliveryID{2}})), otn.Unknown: second(vague.Lookup(t.Context(), sent))} {
		if outcome, _ := otn.OutcomeOf(err); outcome != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func second(_ otn.Receipt, err error) error { return err }

// Run by hand it waits for otn, serves one host after the other, and leaves nothing behind.
func TestDebug(t *testing.T) {
	cmd := exec.Command("./testdata/ear.js")
	cmd.Env = append(os.Environ(), "OTN_DEBUG=1")
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var at plugins.Attached
	for s := bufio.NewScanner(stderr); at.PID == 0 && s.Scan(); {
		if _, rest, found := strings.Cut(s.Text(), "OTN_REATTACH='"); found {
			text, _, _ := strings.Cut(rest, "'")
			all, err := plugins.Attachments(text)
			if err != nil {
				t.Fatal(err)
			}
			at = all["ear"]
		}
	}
	for n := range 2 {
		p := plugins.New(plugins.Spec{Name: "bot", Attach: &at})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		if err := p.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Send(ctx, otn.Delivery{ID: otn.DeliveryID{byte(n)}, Message: otn.Message{Text: "x"}}); err != nil {
			t.Errorf("host %d: %v", n, err)
		}
		cancel()
		<-ended
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := os.Stat(at.Addr); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket is still there: %v", err)
	}
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
