// A feed behind a server, and the catalog behind the feed: what would become an event.

package feed_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/feed"
	"github.com/onetimenotify/otn/plugins/internal/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var clock = time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)

func fixture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shop is a server with a file, a feed that fetches it, and the catalog behind them.
type shop struct {
	*sourcetest.Shelf
	t       testing.TB
	server  *httptest.Server
	source  *channel.Instance
	cursor  string
	records []otn.Record // of the last poll
	time    time.Time

	mu     sync.Mutex
	answer http.HandlerFunc
	asked  []*http.Request
}

// serving opens a shop whose server answers with a body.
func serving(t testing.TB, config, body string) *shop {
	t.Helper()
	return answering(t, config, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
}

// answering opens a shop. config is the feed's, without its address; private addresses may be fetched.
func answering(t testing.TB, config string, answer http.HandlerFunc) *shop {
	t.Helper()
	s := &shop{Shelf: sourcetest.NewShelf(t, nil), t: t, answer: answer, time: clock}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Clone(context.Background()))
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.server.Close)
	s.open(config)
	return s
}

// open opens the feed as the host does. A url in the configuration that begins with / is one of the server's.
func (s *shop) open(config string) {
	s.t.Helper()
	settings := map[string]any{"url": "/feed", "allow_private": true}
	if err := json.Unmarshal([]byte("{"+config+"}"), &settings); err != nil {
		s.t.Fatal(err)
	}
	if path := settings["url"].(string); strings.HasPrefix(path, "/") {
		settings["url"] = s.server.URL + path
	}
	text, err := json.Marshal(settings)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.source, err = feed.Plugin.Open(s.t.Context(), text, channel.Setup{Instance: "feed"}); err != nil {
		s.t.Fatal(err)
	}
	s.source.Unwrap().(*feed.Feed).SetClock(func() time.Time { return s.time })
}

// serve changes the file.
func (s *shop) serve(body string) {
	s.handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
}

func (s *shop) handle(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// try polls, and keeps nothing of a poll that fails.
func (s *shop) try() error {
	s.records = nil
	next, err := s.source.Poll(s.t.Context(), s.cursor, func(r otn.Record) error {
		s.records = append(s.records, r)
		return nil
	})
	if err == nil {
		s.cursor = next
	}
	return err
}

// poll polls, and gives the events that the catalog makes of it.
func (s *shop) poll() []otn.Event {
	s.t.Helper()
	if err := s.try(); err != nil {
		s.t.Fatal(err)
	}
	s.Records = s.records
	return s.Keep(s.time)
}

// first polls for the first time: whatever it finds is no news.
func (s *shop) first() {
	s.t.Helper()
	for _, e := range s.poll() {
		if !e.First {
			s.t.Errorf("the first poll changes %s", e.Subject.ID)
		}
	}
}

func (s *shop) item(id string) otn.Item {
	s.t.Helper()
	return *s.Item(id)
}

// whole is what the last poll says of itself.
func (s *shop) whole() otn.Whole {
	s.t.Helper()
	if len(s.records) == 0 || s.records[len(s.records)-1].Whole == nil {
		s.t.Fatalf("no full snapshot: %+v", s.records)
	}
	return *s.records[len(s.records)-1].Whole
}

// notes are the codes of what the last poll could not use.
func (s *shop) notes() string {
	var codes []string
	for _, r := range s.records {
		if r.Note != nil {
			codes = append(codes, r.Note.Code)
		}
	}
	return strings.Join(codes, " ")
}

func (s *shop) triggers() (ids []string) {
	for _, r := range s.records {
		if r.Trigger != nil {
			ids = append(ids, r.Trigger.Fields[0].Value.Text())
		}
	}
	return ids
}

func usd(minor int64) otn.Money { return otn.Money{Minor: minor, Currency: "USD"} }

const (
	googleFeed  = `"format":"google"`
	shopifyFeed = `"format":"shopify","currency":"USD"`
	rssFeed     = `"format":"rss","trigger":"news"`
)
