// The stream of events, on virtual time: signs of life, keys that are no longer good, and how many there may be.

package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// quiet is a host in which nothing happens, and whose keys can be revoked.
type quiet struct {
	Host
	revoked atomic.Bool
	looks   atomic.Int64
}

func (q *quiet) Newest() (uint64, error) { return 7, nil }

func (q *quiet) Events(uint64, int) ([]core.EventView, error) {
	q.looks.Add(1)
	return nil, nil
}

func (q *quiet) Authorize(otn.Secret) (core.Key, error) {
	if q.revoked.Load() {
		return core.Key{}, otn.ErrUnauthorized
	}
	return core.Key{Scopes: core.Scopes()}, nil
}

func TestStreamEndsWithItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &quiet{}
		d, w := &door{host: host}, httptest.NewRecorder()
		ended := make(chan struct{})
		go func() {
			d.stream(t.Context(), w, 0)
			close(ended)
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := strings.Count(w.Body.String(), ": alive\n\n"); n < 3 || n > 4 {
			t.Errorf("%d signs of life in a minute", n)
		}
		if host.looks.Load() != 1 {
			t.Errorf("%d looks at a journal in which nothing happened", host.looks.Load())
		}
		host.revoked.Store(true)
		time.Sleep(beatEvery)
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Fatal("it goes on with a key that is revoked")
		}
	})
}

// endless is a journal that has more than anybody reads.
type endless struct{ quiet }

func (e *endless) Events(after uint64, limit int) ([]core.EventView, error) {
	list := make([]core.EventView, limit)
	for i := range list {
		list[i].Seq = after + uint64(i) + 1
	}
	time.Sleep(time.Second) // its caller is slow
	return list, nil
}

// A stream that has not come to the end of the journal ends with its key, and with its server, all the same.
func TestStreamEndsHoweverMuchThereIs(t *testing.T) {
	for what, end := range map[string]func(*endless, chan struct{}){
		"a key that is revoked": func(e *endless, _ chan struct{}) { e.revoked.Store(true) },
		"a server that stops":   func(_ *endless, stopping chan struct{}) { close(stopping) },
	} {
		synctest.Test(t, func(t *testing.T) {
			host, stopping := &endless{}, make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d, ended := &door{host: host, stopping: stopping}, make(chan struct{})
			go func() {
				d.stream(ctx, &discarded{ctx: ctx}, 0)
				close(ended)
			}()
			time.Sleep(time.Minute)
			synctest.Wait()
			end(host, stopping)
			time.Sleep(10 * beatEvery)
			select {
			case <-ended:
			default:
				t.Errorf("it goes on after %s", what)
			}
		})
	}
}

// discarded is an answer that nobody keeps, to a caller who is there until ctx ends.
type discarded struct {
	ctx    context.Context
	header http.Header
}

func (d *discarded) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}
func (d *discarded) Write(b []byte) (int, error) { return len(b), d.ctx.Err() }
func (d *discarded) WriteHeader(int)             {}
func (d *discarded) FlushError() error           { return d.ctx.Err() }

// One stream too many is told to come later, and one that ends makes room.
func TestStreamsAreLimited(t *testing.T) {
	stopping := make(chan struct{})
	s := httptest.NewServer(New(&quiet{}, Options{Log: slog.New(slog.DiscardHandler), Stopping: stopping}))
	defer s.Close()
	open := func() *http.Response {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", eventStream)
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	for i := range maxStreams {
		if resp := open(); resp.StatusCode != 200 {
			t.Fatalf("stream %d: %d", i, resp.StatusCode)
		}
	}
	if resp := open(); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", resp.StatusCode)
	}
	close(stopping)
}
