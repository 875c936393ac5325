// Package channeltest holds what every channel owes its host, every source that is polled and whoever listens, as one suite each: for an author's own
// type in process, for the same plugin across the process border ([Run], [RunPoller], [RunListener]), and for a program in any language, with what the
// border itself asks of it ([RunProgram], [Conform]).
package channeltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Channel is what the suite calls: an instance opened by channel.Plugin, or a process.
type Channel interface {
	otn.Channel
	otn.Receiver
	otn.Describer
}

// Option changes what Run sends.
type Option func(*suite)

// Deliver has Run send what make gives: the n-th of deliveries that are all different and that the platform accepts. The suite
// fills in ids and attempts where they are empty.
func Deliver(make func(n int) otn.Delivery) Option { return func(s *suite) { s.make = make } }

const (
	soon      = 10 * time.Second // longer than anything here takes
	flood     = 200              // deliveries sent at once, in all
	tooMuch   = 20 << 20         // bytes of a message that no platform takes
	neverSent = 1 << 30          // the number of a delivery that no check sends
)

// Run checks one implementation. open gives a fresh instance that accepts every message, and closes it with the test.
func Run(t *testing.T, open func(testing.TB) Channel, options ...Option) {
	s := &suite{make: sample}
	for _, o := range options {
		o(s)
	}
	for _, c := range channelChecks() {
		t.Run(c.name, func(t *testing.T) {
			one := *s
			one.open = func(T) Channel { return open(t) }
			c.run(&one, t)
		})
	}
}

// refusesNonsense is the one check that is about webhooks.
const refusesNonsense = "refuses a webhook that makes no sense"

// check is one thing that is owed.
type check[S any] struct {
	name string
	run  func(S, T)
}

func channelChecks() []check[*suite] {
	return []check[*suite]{
		{"describes itself", (*suite).describes},
		{"accepts a message", (*suite).accepts},
		{"answers each of many once", (*suite).answersEach},
		{"starts nothing after the deadline", (*suite).keepsDeadline},
		{"returns when nobody waits", (*suite).heedsContext},
		{"says a reply, or that it cannot", (*suite).replies},
		{"looks up what it sent, where it looks up", (*suite).looksUp},
		{"survives an oversized message", (*suite).survivesOversize},
		{"survives an empty delivery", (*suite).survivesNothing},
		{refusesNonsense, (*suite).refusesNonsense},
	}
}

type suite struct {
	open func(T) Channel
	make func(n int) otn.Delivery
}

// sample is a delivery for who asks for nothing else.
func sample(n int) otn.Delivery {
	return otn.Delivery{
		Token:      otn.NewToken("", fmt.Sprint("channeltest-", n)),
		Subscriber: otn.Subscriber{ID: "222"},
		Message:    otn.Message{Text: fmt.Sprint("Message ", n)},
	}
}

// delivery is the n-th delivery, ready to be sent.
func (s *suite) delivery(n int) otn.Delivery {
	d := s.make(n)
	if d.ID == (otn.DeliveryID{}) {
		copy(d.ID[:], fmt.Sprintf("channeltest-%d", n))
	}
	d.Attempt = max(d.Attempt, 1)
	return d
}

// answered fails the test where Send does not return soon.
func answered(t T, c Channel, ctx context.Context, d otn.Delivery) (receipt otn.Receipt, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		receipt, err = c.Send(ctx, d)
	}()
	select {
	case <-done:
	case <-time.After(soon):
		t.Fatalf("Send did not return within %s", soon)
	}
	return receipt, err
}

func (s *suite) describes(t T) {
	d, err := s.open(t).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Name == "" || d.Version == "" {
		t.Errorf("it has the name %q and the version %q", d.Name, d.Version)
	}
	if !d.Capabilities.Sends {
		t.Error("it does not say that it sends")
	}
	if c := d.Capabilities; c.MaxInFlight < 0 || c.MaxMessage < 0 || c.Rate < 0 {
		t.Errorf("its limits are below zero: %+v", c)
	}
	if !json.Valid(d.Schema) {
		t.Errorf("its schema is no JSON: %q", d.Schema)
	}
}

func (s *suite) accepts(t T) {
	c := s.open(t)
	if _, err := answered(t, c, t.Context(), s.delivery(1)); err != nil {
		t.Errorf("Send: %v", err)
	}
}

func (s *suite) answersEach(t T) {
	c := s.open(t)
	about, err := c.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	work := make(chan int)
	go func() {
		defer close(work)
		for n := range flood {
			work <- n
		}
	}()
	var tasks sync.WaitGroup
	for range max(about.Capabilities.MaxInFlight, 1) {
		tasks.Go(func() {
			for n := range work {
				if _, err := c.Send(ctx, s.delivery(n)); err != nil {
					t.Errorf("delivery %d: %v", n, err)
				}
			}
		})
	}
	tasks.Wait()
}

func (s *suite) keepsDeadline(t T) {
	c, d := s.open(t), s.delivery(1)
	d.Deadline = time.Now().Add(-time.Minute)
	_, err := answered(t, c, t.Context(), d)
	if outcome, _ := otn.OutcomeOf(err); outcome != otn.Deferred {
		t.Errorf("a delivery whose deadline passed is %s, want deferred: %v", outcome, err)
	}
	if _, err := answered(t, c, t.Context(), s.delivery(1)); err != nil {
		t.Errorf("it was started all the same: %v", err)
	}
}

func (s *suite) heedsContext(t T) {
	c := s.open(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("nobody waits"))
	_, err := answered(t, c, ctx, s.delivery(1))
	if outcome, _ := otn.OutcomeOf(err); outcome == otn.Unknown {
		t.Errorf("a delivery that nobody waited for from the beginning is unknown: %v", err)
	}
	if _, err := answered(t, c, t.Context(), s.delivery(2)); err != nil {
		t.Errorf("the next delivery: %v", err)
	}
}

// replies: a reply is said where the channel says that it replies, and is certainly not said anywhere else.
func (s *suite) replies(t T) {
	c, d := s.open(t), s.delivery(1)
	about, err := c.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.Reply, d.Token = true, otn.Token{}
	_, err = answered(t, c, t.Context(), d)
	switch outcome, _ := otn.OutcomeOf(err); {
	case about.Capabilities.Replies && outcome != otn.Sent:
		t.Errorf("it says that it replies, and a reply is %s: %v", outcome, err)
	case !about.Capabilities.Replies && outcome != otn.Invalid:
		t.Errorf("it does not say that it replies, and a reply is %s, want invalid: %v", outcome, err)
	}
}

// looksUp: of a message that was taken nobody hears that it was not, which would be told twice then; of one that never was nobody hears
// that it was, which would never be told.
func (s *suite) looksUp(t T) {
	c, d := s.open(t), s.delivery(1)
	about, err := c.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	looker, ok := c.(otn.Lookuper)
	if !ok || !about.Capabilities.Lookups {
		t.Skip("it looks nothing up")
	}
	if _, err := answered(t, c, t.Context(), d); err != nil {
		t.Fatalf("Send: %v", err)
	}
	find := func(d otn.Delivery) otn.Outcome {
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		d.Message = otn.Message{}
		_, err := looker.Lookup(ctx, d)
		if ctx.Err() != nil {
			t.Errorf("Lookup did not return within %s", soon)
		}
		outcome, _ := otn.OutcomeOf(err)
		return outcome
	}
	if got := find(d); got != otn.Sent && got != otn.Unknown {
		t.Errorf("a message that it sent is %s when it is looked up, want sent, or unknown where it cannot tell", got)
	}
	if got := find(s.delivery(neverSent)); got != otn.Deferred && got != otn.Unknown {
		t.Errorf("a message that it never got is %s when it is looked up, want deferred, or unknown where it cannot tell", got)
	}
}

func (s *suite) survivesOversize(t T) {
	c, d := s.open(t), s.delivery(1)
	d.Message = otn.Message{Text: strings.Repeat("x", tooMuch)}
	_, err := answered(t, c, t.Context(), d)
	if outcome, _ := otn.OutcomeOf(err); outcome == otn.Unknown || outcome == otn.Deferred {
		t.Errorf("a message of %d bytes is %s, want invalid: %v", tooMuch, outcome, err)
	}
	if _, err := answered(t, c, t.Context(), s.delivery(2)); err != nil {
		t.Errorf("the next delivery: %v", err)
	}
}

func (s *suite) survivesNothing(t T) {
	c := s.open(t)
	_, err := answered(t, c, t.Context(), otn.Delivery{})
	if _, se := otn.OutcomeOf(err); se != nil && se.Code == "panic" {
		t.Errorf("an empty delivery: %v", err)
	}
	if _, err := answered(t, c, t.Context(), s.delivery(2)); err != nil {
		t.Errorf("the next delivery: %v", err)
	}
}

func (s *suite) refusesNonsense(t T) {
	c := s.open(t)
	for _, r := range []otn.Request{
		{},
		{Method: "BREW", Path: "/../../etc", Query: map[string][]string{"\xff": {"\xfe"}}},
		{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte("\xff{")},
	} {
		resp, records, err := c.Receive(t.Context(), r)
		if err != nil {
			t.Errorf("%s %q: the receiver takes the fault on itself: %v", r.Method, r.Body, err)
		} else if len(records) > 0 || resp.Status < 400 {
			t.Errorf("%s %q: status %d and %d records", r.Method, r.Body, resp.Status, len(records))
		}
	}
}
