// The daemon in this process: it leaves nothing behind, and hurries when it is told to.

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/api"
)

// The demo starts a whole daemon; when it ends nothing of it is left: no goroutine, no file.
func TestDemoLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out, words strings.Builder
	if code := run(console{args: []string{"demo", "--exit", "-o", "json"}, stdin: strings.NewReader(""), stdout: &out, stderr: &words}); code != 0 {
		t.Fatalf("exit %d\n%s", code, words.String())
	}
	if !strings.Contains(out.String(), `"exactly_once": true`) {
		t.Errorf("got %s", out.String())
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The demo stays up until it is interrupted, and the commands that it proposes work as they stand.
func TestDemoStaysUp(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "otn")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	demo := exec.Command("otn", "demo")
	stderr, err := demo.StderrPipe()
	if err == nil {
		err = demo.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer demo.Process.Kill() //nolint:errcheck // it has ended
	proposed := 0
	for s := bufio.NewScanner(stderr); proposed < 3 && s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if !strings.HasPrefix(line, "otn -c ") {
			continue
		}
		proposed++
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil || len(out) == 0 {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if proposed != 3 {
		t.Errorf("%d commands are proposed, want 3", proposed)
	}
	_ = demo.Process.Signal(os.Interrupt)
	if err := demo.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

// hanging is a daemon whose channel never answers, in a folder of its own, and a client of it.
func hanging(t *testing.T) (*call, *daemon) {
	t.Helper()
	dir := t.TempDir()
	files, err := shopFiles()
	if err != nil {
		t.Fatal(err)
	}
	files["otn.yaml"] = []byte("listen: {hooks: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\nrules: [\"rules/*.yaml\"]\nchannels:\n  shop: {plugin: mock, config: {script: [{do: hang}]}}\n")
	k := &call{console: console{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}, format: asTable, file: filepath.Join(dir, "otn.yaml")}
	if err := k.writeFiles(dir, files, ""); err != nil {
		t.Fatal(err)
	}
	if err := k.load(config.Whole); err != nil {
		t.Fatal(err)
	}
	set, err := k.compile()
	if err != nil {
		t.Fatal(err)
	}
	command, err := ownCommand()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	return k, &daemon{config: k.config, rules: set, log: log, command: command, version: "test", say: func(string, ...any) {}}
}

// A second signal waits for nothing, not even for a message that hangs.
func TestHurry(t *testing.T) {
	defer goleak.VerifyNone(t)
	k, d := hanging(t)
	hurry, hurryUp := context.WithCancel(t.Context())
	ctx, stop := context.WithCancel(hurry)
	open, ended := make(chan doors, 1), make(chan error, 1)
	d.ready = func(at doors) { open <- at }
	go func() { ended <- d.run(ctx, hurry) }()
	select {
	case err := <-ended:
		t.Fatal(err)
	case <-open:
	}
	c, err := k.client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.HTTP.CloseIdleConnections()
	post := func(path, body string) {
		t.Helper()
		var answer any
		if err := c.Post(t.Context(), path, "", raw(body), &answer); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool {
		var page api.Channels
		return c.Get(t.Context(), "/v1/channels", nil, &page) == nil && page.Channels[0].State == "ready"
	})
	post("/v1/observations", `{"observations":[{"id":"SKU-1","title":"Coat","url":"https://shop.example/coat","price":"120.00 USD"}]}`)
	post("/v1/consents", `{"channel":"shop","recipient":"ann","topic":"price-drop","subject":"SKU-1","token":"t-1"}`)
	post("/v1/observations", `{"observations":[{"id":"SKU-1","price":"99.00 USD"}]}`)
	eventually(t, func() bool {
		var page api.Deliveries
		return c.Get(t.Context(), "/v1/deliveries", nil, &page) == nil && len(page.Deliveries) == 1 && page.Deliveries[0].Outcome == "sending"
	})
	stop()
	select {
	case err := <-ended:
		t.Fatalf("it did not wait for the message that is under way: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	began := time.Now()
	hurryUp()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("hurrying took %s", took)
	}
}

// raw is JSON that is sent as it is.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func eventually(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !so(); {
		if time.Now().After(end) {
			t.Fatal("it never came")
		}
		time.Sleep(10 * time.Millisecond) // a process of its own cannot signal
	}
}

// A door that is taken is said before anything is opened.
func TestDoorIsTaken(t *testing.T) {
	defer goleak.VerifyNone(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test's listener
	_, d := hanging(t)
	d.config.Admin = l.Addr().String()
	err = d.run(t.Context(), t.Context())
	var own *coded
	if !errors.As(err, &own) || !strings.Contains(own.hint, "listen.admin") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(d.config.Data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the store was opened: %v", err)
	}
}

// Who has a whole network of IPv6 is one address, and no other.
func TestNeighbourhood(t *testing.T) {
	c := newCrowd(nil, 2)
	for _, one := range []struct {
		from string
		in   bool
	}{
		{"[2001:db8:0:1::1]:4", true}, {"[2001:db8:0:1::2]:4", true}, {"[2001:db8:0:1:ffff::3%eth0]:4", false}, {"[2001:db8:0:2::1]:4", true},
		{"192.0.2.1:4", true}, {"[::ffff:192.0.2.1]:4", true}, {"192.0.2.1:5", false}, {"192.0.2.2:4", true},
	} {
		if in := c.enter(neighbourhood(one.from)); in != one.in {
			t.Errorf("%s let in: %v", one.from, in)
		}
	}
}

// One address cannot take all connections, and one that leaves makes room.
func TestL19_Crowd(t *testing.T) {
	defer goleak.VerifyNone(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCrowd(l, 2)
	defer c.Close() //nolint:errcheck // a test's listener
	guests := make(chan net.Conn)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			g, err := c.Accept()
			if err != nil {
				return
			}
			guests <- g
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	var mine, theirs []net.Conn
	for range 2 {
		mine = append(mine, dial())
		theirs = append(theirs, <-guests)
	}
	third := dial()
	_ = third.SetReadDeadline(time.Now().Add(deadline))
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the third was let in: %v", err)
	}
	_ = theirs[0].Close()
	_ = theirs[0].Close() // twice is once
	mine = append(mine, third, dial())
	theirs = append(theirs, <-guests)
	for _, conn := range append(mine, theirs...) {
		_ = conn.Close()
	}
	_ = c.Close()
	<-done
	if len(c.count) != 0 {
		t.Errorf("still counted: %v", c.count)
	}
}

// Before the host is ready the operator's door says so.
func TestGate(t *testing.T) {
	g := &gate{}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/topics", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("answered %d", w.Code)
	}
	g.open(http.NotFoundHandler())
	w = httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/topics", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("answered %d", w.Code)
	}
}
