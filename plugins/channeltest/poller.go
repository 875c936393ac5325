// What every source that is polled owes its host.

package channeltest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

// Poller is what RunPoller calls: an instance opened by channel.Plugin, or a process.
type Poller interface {
	otn.Poller
	otn.Describer
}

// Breaks adds a source that breaks in the way of its name: one that hangs, ends half way, never ends. Its poll is to fail, soon, and
// to say of nothing that it is whole. The instance must not wait for a broken source longer than a few seconds.
func Breaks(name string, open func(testing.TB) Poller) PollerOption {
	return func(s *pollerSuite) { s.broken = append(s.broken, broken{name, open}) }
}

// PollerOption changes what RunPoller does.
type PollerOption func(*pollerSuite)

type broken struct {
	name string
	open func(testing.TB) Poller
}

type pollerSuite struct {
	open   func(T) Poller
	broken []broken
}

// RunPoller checks one implementation. open gives a fresh instance whose source has something to tell: a poll from the beginning yields
// at least one record. It is closed with the test.
func RunPoller(t *testing.T, open func(testing.TB) Poller, options ...PollerOption) {
	s := &pollerSuite{}
	for _, o := range options {
		o(s)
	}
	for _, c := range pollerChecks() {
		t.Run(c.name, func(t *testing.T) { c.run(&pollerSuite{open: func(T) Poller { return open(t) }}, t) })
	}
	for _, b := range s.broken {
		t.Run("a source that "+b.name+" is no snapshot", b.fails)
	}
}

func pollerChecks() []check[*pollerSuite] {
	return []check[*pollerSuite]{
		{"says that it polls", (*pollerSuite).describes},
		{"polls from the beginning and on from there", (*pollerSuite).polls},
		{"takes a cursor that means nothing for the beginning", (*pollerSuite).beginsAnew},
		{"stops where its host does", (*pollerSuite).heedsYield},
		{"ends a poll that nobody waits for", (*pollerSuite).heedsContext},
	}
}

// poll is what came of a poll.
type poll struct {
	records []otn.Record
	next    string
	err     error
}

// polled fails the test where Poll does not return soon, and where it yields what nobody can take.
func polled(t T, p Poller, ctx context.Context, cursor string, take func(otn.Record) error) (got poll) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		got.next, got.err = p.Poll(ctx, cursor, func(r otn.Record) error {
			got.records = append(got.records, r)
			return take(r)
		})
	}()
	select {
	case <-done:
	case <-time.After(soon):
		t.Fatalf("Poll did not return within %s", soon)
	}
	items := 0
	for n, r := range got.records {
		if kinds(r) != 1 {
			t.Errorf("record %d is of %d kinds: %+v", n, kinds(r), r)
		}
		if r.Observation != nil && r.Observation.Item != nil && r.Observation.Item.ID != "" && !r.Observation.Gone {
			items++
		}
		if w := r.Whole; w != nil && (n != len(got.records)-1 || w.Items != items || w.Same && items > 0) {
			t.Errorf("record %d of %d says that %d items are all, and there were %d", n, len(got.records), w.Items, items)
		}
	}
	if len(got.next) > otn.MaxCursor || !utf8.ValidString(got.next) {
		t.Errorf("a cursor of %d bytes, UTF-8 %v", len(got.next), utf8.ValidString(got.next))
	}
	return got
}

// kinds counts what a record is.
func kinds(r otn.Record) (n int) {
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
			n++
		}
	}
	return n
}

func all(otn.Record) error { return nil }

func (s *pollerSuite) describes(t T) {
	d, err := s.open(t).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Name == "" || d.Version == "" || !d.Capabilities.Polls {
		t.Errorf("it has the name %q and the version %q, and polls: %v", d.Name, d.Version, d.Capabilities.Polls)
	}
}

func (s *pollerSuite) polls(t T) {
	p := s.open(t)
	first := polled(t, p, t.Context(), "", all)
	if first.err != nil {
		t.Fatalf("Poll: %v", first.err)
	}
	if next := polled(t, p, t.Context(), first.next, all); next.err != nil {
		t.Errorf("Poll from its cursor: %v", next.err)
	}
}

func (s *pollerSuite) beginsAnew(t T) {
	p := s.open(t)
	first := polled(t, p, t.Context(), "", all)
	for _, cursor := range []string{"nothing of yours", "{}", `{"v":999}`, "[1", "\x00"} {
		if got := polled(t, p, t.Context(), cursor, all); got.err != nil || len(got.records) != len(first.records) {
			t.Errorf("from %q: %d records, %d from the beginning: %v", cursor, len(got.records), len(first.records), got.err)
		}
	}
}

func (s *pollerSuite) heedsYield(t T) {
	p := s.open(t)
	if len(polled(t, p, t.Context(), "", all).records) == 0 {
		t.Skip("it yields nothing from the beginning")
	}
	full := errors.New("no more")
	got := polled(t, p, t.Context(), "", func(otn.Record) error { return full })
	if got.err == nil || len(got.records) != 1 {
		t.Errorf("it was stopped at the first of %d records and returned %v", len(got.records), got.err)
	}
	if got := polled(t, p, t.Context(), "", all); got.err != nil {
		t.Errorf("the next poll: %v", got.err)
	}
}

func (s *pollerSuite) heedsContext(t T) {
	p := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := polled(t, p, ctx, "", all); got.err == nil {
		t.Errorf("a poll that nobody waited for succeeded with %d records", len(got.records))
	}
}

func (b broken) fails(t *testing.T) {
	got := polled(t, b.open(t), t.Context(), "", all)
	if got.err == nil {
		t.Errorf("the poll succeeded with %d records", len(got.records))
	}
	for _, r := range got.records {
		if r.Whole != nil {
			t.Error("it says that half is the whole")
		}
	}
}
