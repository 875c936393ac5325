// The stream of events, over the wire: it outlives the deadlines of a server, goes on where it broke off, and ends when the
// server stops.

package api_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

// listen opens a stream; the lines of it come one by one.
func listen(t *testing.T, s *httptest.Server, last string) (next func() string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Last-Event-ID", last)
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	return func() string {
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				return id
			}
		}
		return fmt.Sprint("end ", lines.Err())
	}
}

func TestEventStream(t *testing.T) {
	w := startWhole(t, core.NewMemory())
	stopping := make(chan struct{})
	s := httptest.NewUnstartedServer(api.New(w.Host, api.Options{Log: slog.New(slog.DiscardHandler), Stopping: stopping}))
	s.Config.ReadTimeout, s.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	s.Start()
	defer s.Close()
	trigger := func() {
		t.Helper()
		if _, err := w.Trigger(t.Context(), otn.Trigger{Name: "new_post", Fields: []otn.Named{{Name: "title", Value: otn.StringValue("x")}}}); err != nil {
			t.Fatal(err)
		}
	}
	trigger()
	next := listen(t, s, "")
	seen := []string{next()}
	for range 3 { // each comes a look later: the deadlines have long passed
		trigger()
		seen = append(seen, next())
	}
	again := listen(t, s, seen[1])
	for _, want := range seen[2:] {
		if id := again(); id != want {
			t.Errorf("behind %s comes %s, want %s", seen[1], id, want)
		}
	}
	close(stopping)
	for _, next := range []func() string{next, again} {
		if id := next(); id != "end <nil>" {
			t.Errorf("a stopping server says %s", id)
		}
	}
	status, text, _ := call(t, w.door, "GET", "/v1/events", "", "Accept", "text/event-stream", "Last-Event-ID", "x")
	if status != 422 {
		t.Errorf("an id that is none: %d %s", status, text)
	}
}
