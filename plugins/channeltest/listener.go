// What every channel or source that listens owes its host.

package channeltest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

// Listener is what RunListener calls: an instance opened by channel.Plugin, or a process.
type Listener interface {
	otn.Listener
	otn.Describer
}

// quiet is how long a listener that is connected may stay silent before it is taken to have nothing to tell.
const quiet = 300 * time.Millisecond

// RunListener checks one implementation. open gives a fresh instance whose platform has something to tell to whoever listens from the
// beginning. It is closed with the test.
func RunListener(t *testing.T, open func(testing.TB) Listener) {
	for _, c := range listenerChecks() {
		t.Run(c.name, func(t *testing.T) { c.run(&listenerSuite{open: func(T) Listener { return open(t) }}, t) })
	}
}

func listenerChecks() []check[*listenerSuite] {
	return []check[*listenerSuite]{
		{"says that it listens", (*listenerSuite).describes},
		{"stops listening when nobody waits", (*listenerSuite).heedsContext},
		{"hears nothing behind what its host refuses", (*listenerSuite).heedsYield},
		{"takes a place that means nothing for the beginning", (*listenerSuite).beginsAnew},
	}
}

type listenerSuite struct{ open func(T) Listener }

// hearing is a listening under way.
type hearing struct {
	stop  context.CancelFunc
	first chan struct{} // closed at the first yield
	ended chan struct{}
	err   error // when ended is closed

	mu      sync.Mutex
	yields  int
	records int
}

// listen begins a listening whose yields are answered by answer. It ends with the test.
func listen(t T, l Listener, cursor string, answer func() error) *hearing {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	h := &hearing{stop: cancel, first: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		h.err = l.Listen(ctx, cursor, func(next string, records ...otn.Record) error {
			h.heard(t, next, records)
			return answer()
		})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-h.ended:
		case <-time.After(soon):
		}
	})
	return h
}

func (h *hearing) heard(t T, next string, records []otn.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(next) > otn.MaxCursor || !utf8.ValidString(next) {
		t.Errorf("a cursor of %d bytes, UTF-8 %v", len(next), utf8.ValidString(next))
	}
	if len(records) > otn.MaxHeard {
		t.Errorf("%d records at once, at most %d", len(records), otn.MaxHeard)
	}
	for n, r := range records {
		if kinds(r) != 1 {
			t.Errorf("record %d is of %d kinds: %+v", n, kinds(r), r)
		}
	}
	if h.yields++; h.yields == 1 {
		close(h.first)
	}
	h.records += len(records)
}

// something reports whether anything is heard, or the listening ends, before it is quiet for long.
func (h *hearing) something() bool {
	select {
	case <-h.first:
		return true
	case <-h.ended:
		return false
	case <-time.After(quiet):
		return false
	}
}

// over waits for the end.
func (h *hearing) over(t T) error {
	t.Helper()
	select {
	case <-h.ended:
	case <-time.After(soon):
		t.Fatalf("Listen did not return within %s", soon)
	}
	return h.err
}

func (h *hearing) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.yields
}

func kept() error { return nil }

func (s *listenerSuite) describes(t T) {
	d, err := s.open(t).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Name == "" || d.Version == "" || !d.Capabilities.Listens {
		t.Errorf("it has the name %q and the version %q, and listens: %v", d.Name, d.Version, d.Capabilities.Listens)
	}
}

func (s *listenerSuite) heedsContext(t T) {
	l := s.open(t)
	for n := range 2 { // who stopped can begin again
		h := listen(t, l, "", kept)
		stays := time.Millisecond
		if !h.something() && n > 0 {
			stays = 3 * quiet // one that is turned away is told so only then
		}
		select {
		case <-h.ended:
			t.Fatalf("it did not stay: %v", h.err)
		case <-time.After(stays):
		}
		h.stop()
		if err := h.over(t); err == nil {
			t.Error("a listening that its host ended returned no error")
		}
	}
}

func (s *listenerSuite) heedsYield(t T) {
	l := s.open(t)
	full := errors.New("the disk is full")
	h := listen(t, l, "", func() error { return full })
	if !h.something() {
		t.Skip("it has nothing to tell")
	}
	if err := h.over(t); err == nil || h.count() != 1 {
		t.Errorf("its host refused the first that it told, and it told %d times and returned %v", h.count(), err)
	}
	again := listen(t, l, "", kept)
	select {
	case <-again.first:
	case <-again.ended:
		t.Errorf("what its host refused it does not tell again: %v", again.err)
	case <-time.After(soon):
		t.Error("what its host refused it does not tell again")
	}
}

func (s *listenerSuite) beginsAnew(t T) {
	l := s.open(t)
	for _, cursor := range []string{"nothing of yours", "{}", `{"v":999}`, "[1", "\x00"} {
		h := listen(t, l, cursor, kept)
		h.something()
		select {
		case <-h.ended:
			t.Errorf("from %q it does not listen: %v", cursor, h.err)
		default:
		}
		h.stop()
		_ = h.over(t)
	}
}
