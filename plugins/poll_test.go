// Polls across the border: whole, broken, hanging, without end.

package plugins_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/channeltest"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// fetcher is a source that polls as its configuration says.
var fetcher = channel.Plugin[fetch]{Name: "fetcher", Version: "1.0.0", New: func(_ context.Context, c fetch, _ channel.Setup) (any, error) { return c, nil }}

type fetch struct {
	Items int    `json:"items,omitempty"`
	Deed  string `json:"deed,omitempty"`
}

func (f fetch) Poll(ctx context.Context, cursor string, yield func(otn.Record) error) (string, error) {
	for n := range f.Items {
		if err := yield(item(n)); err != nil {
			return "", err
		}
	}
	switch f.Deed {
	case "fails":
		return "", errors.New("the server answers 500")
	case "waits":
		return "", &otn.SendError{Outcome: otn.Deferred, After: time.Hour, Err: otn.ErrRefused}
	case "panics":
		panic("s3cret")
	case "dies":
		os.Exit(3)
	case "hangs":
		<-ctx.Done()
		return "", ctx.Err()
	case "sleeps": // whoever gives up
		select {}
	case "endless":
		for n := 0; ; n++ {
			if err := yield(item(n)); err != nil {
				return "", err
			}
		}
	case "forgets": // that it was stopped
		_ = yield(otn.Record{})
	case "junk cursor":
		return "\xff", nil
	case "long cursor":
		return strings.Repeat("x", otn.MaxCursor+1), nil
	case "too large":
		return "", yield(otn.Record{Note: &otn.Note{Text: strings.Repeat("x", wire.MaxFrame)}})
	case "no text":
		return "", yield(otn.Record{Note: &otn.Note{Text: "\xff"}})
	}
	return strconv.Itoa(len(cursor)), yield(otn.Record{Whole: &otn.Whole{Items: f.Items}})
}

func item(n int) otn.Record {
	return otn.Record{Observation: &otn.Observation{Item: &otn.Item{ID: "item-" + strconv.Itoa(n), Known: otn.FactTitle, Title: strings.Repeat("t", 200)}}}
}

// mute ends a poll without its end.
type mute struct{ wire.UnimplementedPluginServer }

func (mute) Describe(context.Context, *wire.DescribeRequest) (*wire.Description, error) {
	return &wire.Description{Name: "mute", Capabilities: &wire.Capabilities{Polls: true}}, nil
}
func (mute) Configure(context.Context, *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	return &wire.ConfigureResponse{}, nil
}
func (mute) Send(stream wire.Plugin_SendServer) error {
	if err := stream.Send(&wire.ResultFrame{Credits: 1}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}
func (mute) Poll(_ *wire.PollRequest, stream wire.Plugin_PollServer) error {
	r, err := wire.FromRecord(otn.Record{Whole: &otn.Whole{}})
	if err != nil {
		return err
	}
	return stream.Send(&wire.PollFrame{Records: []*wire.Record{r}})
}

// fetchers opens one in this process and in another.
func fetchers() map[string]func(testing.TB, fetch) channeltest.Poller {
	return map[string]func(testing.TB, fetch) channeltest.Poller{
		"in process": func(t testing.TB, f fetch) channeltest.Poller {
			i, err := fetcher.Open(t.Context(), config(t, f), channel.Setup{Instance: "feed"})
			if err != nil {
				t.Fatal(err)
			}
			return i
		},
		"hosted": func(t testing.TB, f fetch) channeltest.Poller {
			p := hosted(t, f, plugins.Spec{})
			ready(t, p)
			return p
		},
	}
}

func hosted(t testing.TB, f fetch, s plugins.Spec) *plugins.Process {
	s.Name, s.Plugin, s.Command, s.Config = "feed", "fetcher", self(t, "fetcher"), config(t, f)
	return launch(t, s)
}

func TestPollerSuite(t *testing.T) {
	for side, open := range fetchers() {
		t.Run(side, func(t *testing.T) {
			var options []channeltest.PollerOption
			for _, deed := range []string{"fails", "panics"} {
				options = append(options, channeltest.Breaks(deed, func(t testing.TB) channeltest.Poller { return open(t, fetch{Items: 300, Deed: deed}) }))
			}
			channeltest.RunPoller(t, func(t testing.TB) channeltest.Poller { return open(t, fetch{Items: 300}) }, options...)
		})
	}
}

func drain(t testing.TB, p otn.Poller, ctx context.Context, cursor string) (n int, next string, err error) {
	t.Helper()
	next, err = p.Poll(ctx, cursor, func(otn.Record) error { n++; return nil })
	return n, next, err
}

// All records arrive in order, with the cursor there and back, in many frames.
func TestPollCrosses(t *testing.T) {
	p := hosted(t, fetch{Items: 5000}, plugins.Spec{})
	n := 0
	next, err := p.Poll(t.Context(), "12345", func(r otn.Record) error {
		if r.Whole == nil && r.Observation.Item.ID != item(n).Observation.Item.ID {
			t.Fatalf("record %d is of %s", n, r.Observation.Item.ID)
		}
		n++
		return nil
	})
	if err != nil || n != 5001 || next != "5" {
		t.Errorf("%d records, next %q, %v", n, next, err)
	}
}

// What goes wrong is said with what it was, on both sides alike, and there is no cursor.
func TestPollsThatFail(t *testing.T) {
	for deed, want := range map[string]string{
		"fails": "the server answers 500", "panics": "the plugin panicked", "forgets": "empty record",
		"junk cursor": "want UTF-8 text", "long cursor": "a cursor of 65537 bytes", "too large": "a record of 16777", "no text": "UTF-8",
	} {
		p := hosted(t, fetch{Items: 3, Deed: deed}, plugins.Spec{})
		for range 2 { // the process lives on
			_, next, err := drain(t, p, t.Context(), "")
			if err == nil || next != "" || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "plugins: poll feed: ") {
				t.Errorf("%s: next %q, %v", deed, next, err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v", deed, err)
			}
		}
		if s := p.State(); s.Restarts > 0 {
			t.Errorf("%s: the process was started %d times more", deed, s.Restarts)
		}
	}
	p := hosted(t, fetch{Deed: "waits"}, plugins.Spec{})
	_, _, err := drain(t, p, t.Context(), "")
	if se := (*otn.SendError)(nil); !errors.As(err, &se) || se.After != time.Hour || !errors.Is(err, otn.ErrRefused) {
		t.Errorf("a poll that says when to come again: %v", err)
	}
}

// A poll without its end was cut short, whatever it carried, and so is one whose plugin dies.
func TestPollWithoutAnEnd(t *testing.T) {
	p := launch(t, plugins.Spec{Name: "feed", Plugin: "mute", Command: self(t, "mute")})
	if n, next, err := drain(t, p, t.Context(), ""); n != 1 || next != "" || err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("%d records, next %q, %v", n, next, err)
	}
	p = hosted(t, fetch{Items: 2000, Deed: "dies"}, plugins.Spec{Backoff: time.Millisecond})
	if _, next, err := drain(t, p, t.Context(), ""); next != "" || !errors.Is(err, otn.ErrUnavailable) || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("a plugin that dies: next %q, %v", next, err)
	}
	restarted(t, p)
	if n, _, err := drain(t, p, t.Context(), ""); n == 0 || err == nil {
		t.Errorf("the next poll: %d records, %v", n, err)
	}
}

// A host that gives up is heeded; a plugin that does not heed it takes no second poll, and in the end is started anew.
func TestPollThatHangs(t *testing.T) {
	p := hosted(t, fetch{Items: 1, Deed: "hangs"}, plugins.Spec{})
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, _, err := drain(t, p, ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a poll that hangs: %v", err)
		}
		cancel()
	}
	p = hosted(t, fetch{Items: 1, Deed: "sleeps"}, plugins.Spec{Health: 20 * time.Millisecond, Hang: 2 * time.Second, Backoff: time.Millisecond})
	ready(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := drain(t, p, ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a poll that sleeps: %v", err)
	}
	if _, _, err := drain(t, p, t.Context(), ""); err == nil || !strings.Contains(err.Error(), "has not returned") {
		t.Errorf("a second poll beside it: %v", err)
	}
	restarted(t, p)
}

// restarted waits until a plugin was started once more.
func restarted(t *testing.T, p *plugins.Process) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); p.State().Restarts == 0; {
		if time.Now().After(end) {
			t.Fatalf("the plugin was left alone: %+v", p.State())
		}
		time.Sleep(10 * time.Millisecond) // another process cannot signal
	}
}

// A plugin that yields without end waits for its host, and ends with it: neither grows.
func TestEndlessPollIsBounded(t *testing.T) {
	p := hosted(t, fetch{Deed: "endless"}, plugins.Spec{})
	ready(t, p)
	full := errors.New("enough")
	n, before := 0, heap()
	_, err := p.Poll(t.Context(), "", func(otn.Record) error {
		if n++; n == 100_000 {
			return full
		}
		return nil
	})
	if grown := int64(heap() - before); !errors.Is(err, full) || n != 100_000 || grown > 32<<20 {
		t.Errorf("after %d records and %d bytes more: %v", n, grown, err)
	}
	n = 0
	if _, err := p.Poll(t.Context(), "", func(otn.Record) error { n++; return full }); !errors.Is(err, full) || n != 1 {
		t.Errorf("the next poll: %d records, %v", n, err)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A plugin that does not poll says so, and one that never starts keeps nobody for ever.
func TestPollOfWhoDoesNot(t *testing.T) {
	p := launch(t, plugins.Spec{})
	ready(t, p)
	if _, _, err := drain(t, p, t.Context(), ""); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), "mock does not poll") {
		t.Errorf("got %v", err)
	}
	p = launch(t, plugins.Spec{Command: []string{"/nowhere/plugin"}})
	if _, _, err := drain(t, p, t.Context(), ""); !errors.Is(err, otn.ErrUnavailable) || !strings.Contains(err.Error(), "misconfigured") {
		t.Errorf("got %v", err)
	}
	p = plugins.New(plugins.Spec{Name: "feed", StartTimeout: 10 * time.Millisecond})
	if _, _, err := drain(t, p, t.Context(), ""); !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
