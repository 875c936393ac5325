// The usage headers of the fixtures, and what the gate makes of them.

package messenger

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/onetimenotify/otn/core/otn"
)

func TestUsageHeaders(t *testing.T) {
	var all struct {
		PageID string `json:"page_id"`
		Cases  []struct {
			ID      string
			Headers map[string]string
			Expect  struct {
				Throttled bool
				Percent   int
				Minutes   int `json:"wait_minutes"`
			}
		}
	}
	readFixture(t, "graph/usage_headers.json", &all)
	if len(all.Cases) != 6 {
		t.Fatalf("%d cases", len(all.Cases))
	}
	for _, c := range all.Cases {
		h := http.Header{}
		for k, v := range c.Headers {
			h.Set(k, v)
		}
		u := readUsage(h, all.PageID)
		if u.throttled() != c.Expect.Throttled || u.percent != c.Expect.Percent || u.wait != time.Duration(c.Expect.Minutes)*time.Minute {
			t.Errorf("%s: got %+v, want %+v", c.ID, u, c.Expect)
		}
	}
}

func TestOddUsageHeaders(t *testing.T) {
	for value, want := range map[string]usage{
		``:           {},
		`[]`:         {},
		`{"1":null}`: {},
		`{"1":[{"type":"messenger","call_count":"88"}]}`:                             {known: true, percent: 88},
		`{"1":[{"type":"messenger","call_count":88.7}]}`:                             {known: true, percent: 88},
		`{"1":[{"type":"messenger","call_count":-5}]}`:                               {known: true},
		`{"1":[{"type":"messenger","call_count":{}}]}`:                               {known: true},
		`{"1":[{"type":"messenger","estimated_time_to_regain_access":99999999999}]}`: {known: true, wait: 7 * day},
	} {
		want.wait = min(want.wait, maxWait)
		if u := readUsage(http.Header{"X-Business-Use-Case-Usage": {value}}, "1"); u != want {
			t.Errorf("%s: got %+v, want %+v", value, u, want)
		}
	}
	for value, want := range map[string]time.Duration{"": 0, "x": 0, "-1": 0, "30": 30 * time.Second, "99999999999999": maxWait} {
		if got := retryAfter(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
}

// The pace falls from 75 % on, to one a second; below 75 % the host's own pace is enough.
func TestPaceFallsAsTheLimitComesNear(t *testing.T) {
	for percent, want := range map[int]time.Duration{0: 0, 74: 0, 80: 34722222, 90: 69444444, 99: 694444444} {
		g := &gate{}
		g.learn(usage{known: true, percent: percent}, fixtureTime)
		if got := g.gap(fixtureTime); got != want {
			t.Errorf("%d %%: a gap of %s, want %s", percent, got, want)
		}
		if got := g.gap(fixtureTime.Add(freshFor)); got != 0 {
			t.Errorf("%d %%: an old reading still slows down, by %s", percent, got)
		}
	}
	g := &gate{}
	g.halve(fixtureTime.Add(day))
	if got := g.gap(fixtureTime); got != time.Second/18 {
		t.Errorf("halved: %s", got)
	}
	if got := g.gap(fixtureTime.Add(day)); got != 0 {
		t.Errorf("halved for ever: %s", got)
	}
}

func TestGateOpensAtItsSlowest(t *testing.T) {
	g := &gate{}
	g.learn(usage{known: true, percent: 100}, fixtureTime)
	if wait, ok := g.enter(fixtureTime); ok || wait != closedFor {
		t.Fatalf("open, or closed for %s", wait)
	}
	opens := fixtureTime.Add(closedFor)
	if _, ok := g.enter(opens); !ok {
		t.Fatal("still closed")
	}
	if gap := g.gap(opens); gap != time.Second {
		t.Errorf("a gap of %s", gap)
	}
	g.learn(usage{known: true, percent: 20}, opens)
	if gap := g.gap(opens); gap != 0 {
		t.Errorf("a gap of %s after a calm reading", gap)
	}
	g.learn(usage{}, opens) // an answer without the header changes nothing
	if g.reading.percent != 20 {
		t.Error("forgot the reading")
	}
}

// Whoever waits longer than a moment is sent back to the host, and takes nobody's turn.
func TestTurns(t *testing.T) {
	g := &gate{}
	g.learn(usage{known: true, percent: 99}, fixtureTime) // a gap of 694 ms
	for i := range 3 {
		if wait, ok := g.enter(fixtureTime); !ok || wait != time.Duration(i)*694444444 {
			t.Fatalf("turn %d waits %s, %v", i, wait, ok)
		}
	}
	for range 3 {
		if wait, ok := g.enter(fixtureTime); ok || wait != 3*694444444 {
			t.Fatalf("got %s, %v", wait, ok)
		}
	}
}

// Sends and asks together stay under what freezes a page.
func TestAsksHaveTurnsOfTheirOwn(t *testing.T) {
	g := &gate{}
	for i := range 9 {
		if wait, ok := g.asks.enter(fixtureTime, askRate); !ok || wait != time.Duration(i)*250*time.Millisecond {
			t.Fatalf("ask %d waits %s, %v", i, wait, ok)
		}
	}
	if wait, ok := g.asks.enter(fixtureTime, askRate); ok || wait != 2250*time.Millisecond {
		t.Errorf("got %s, %v", wait, ok)
	}
	if wait, ok := g.enter(fixtureTime); !ok || wait != 0 {
		t.Errorf("a send waits %s for asks, %v", wait, ok)
	}
	if wait, ok := g.asks.enter(fixtureTime.Add(3*time.Second), askRate); !ok || wait != 0 {
		t.Errorf("waits %s later, %v", wait, ok)
	}
	m := open(t, testConfig(""))
	m.now = func() time.Time { return fixtureTime }
	m.gate.asks.next = fixtureTime.Add(time.Minute)
	_, err := m.Ask(t.Context(), otn.Ask{Subscriber: otn.Subscriber{ID: anna}, Title: "t", Ref: "r"})
	if after := wants(t, err, otn.Deferred, otn.ChannelScope, "page_limit"); after != time.Minute {
		t.Errorf("waits %s", after)
	}
	if about, err := m.Describe(t.Context()); err != nil || about.Capabilities.Rate+askRate > 40 {
		t.Errorf("%g sends and %d asks a second: %v", about.Capabilities.Rate, askRate, err)
	}
}

// However the readings come, calls that are let through are never closer than the gap, and a closed gate is closed.
func TestGateKeepsItsPace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &gate{}
		now, last := fixtureTime, time.Time{}
		percent := rapid.IntRange(75, 99).Draw(t, "percent")
		for range 50 {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "ms")) * time.Millisecond)
			g.learn(usage{known: true, percent: percent}, now)
			gap := g.gap(now)
			pause, ok := g.enter(now)
			if !ok {
				continue
			}
			if at := now.Add(pause); !last.IsZero() && at.Sub(last) < gap {
				t.Fatalf("two calls %s apart, gap %s", at.Sub(last), gap)
			} else {
				last = at
			}
		}
	})
}

func TestWaitsGrowUntilSomethingWorks(t *testing.T) {
	g := &gate{}
	now := fixtureTime
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		wait := g.failed(limitBackoff, now)
		if least := want * time.Minute; wait < least || wait > least+least/10 {
			t.Fatalf("failure %d waits %s, want %d min and at most a tenth more", i, wait, want)
		}
		half := now.Add(wait / 2)
		if rest := g.failed(limitBackoff, half); rest != now.Add(wait).Sub(half) {
			t.Fatalf("a failure meanwhile waits %s", rest)
		}
		now = now.Add(wait)
	}
	g.worked()
	if wait := g.failed(lineBackoff, now); wait > 1100*time.Millisecond {
		t.Errorf("waits %s after success", wait)
	}
}

func TestRestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := rest(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := rest(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := rest(t.Context(), time.Microsecond); err != nil {
		t.Errorf("got %v", err)
	}
}

// "Somebody may feel harassed" holds that person back and halves the pace of all.
func TestAbuseWarningHalvesThePace(t *testing.T) {
	m := open(t, testConfig(""))
	v := judge(byToken, answer{status: 400, body: []byte(`{"error":{"code":613,"error_subcode":2018338}}`)}, false)
	if wait := m.wait(&v, &answer{}, 1, fixtureTime); wait != day || v.scope != otn.SubscriberScope {
		t.Errorf("waits %s, scope %s", wait, v.scope)
	}
	if gap := m.gate.gap(fixtureTime); gap != time.Second/18 {
		t.Errorf("a gap of %s", gap)
	}
}
