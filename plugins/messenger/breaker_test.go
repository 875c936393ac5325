// Breakers: after how many answers of one kind a page stops, what goes on, and how it comes back.

package messenger

import (
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

// clocked is a page with a clock of its own.
func clocked(t *testing.T, o graphtest.Options) (*Messenger, *graphtest.Server, *time.Time) {
	t.Helper()
	m, g := pair(t, o)
	clock := fixtureTime
	m.now = func() time.Time { return clock }
	return m, g, &clock
}

func sendOne(t *testing.T, m *Messenger, g *graphtest.Server) error {
	t.Helper()
	d := delivery(1, g.Grant(anna, "").Token)
	return second(m.Send(t.Context(), d))
}

// Three lost answers in a row stop everything but one call a minute, until an answer comes.
func TestLostAnswersStopThePage(t *testing.T) {
	m, g, clock := clocked(t, graphtest.Options{OpenWindows: true})
	lost := graphtest.AcceptThen(502, "")
	g.Fail(lost.Repeat(2), graphtest.Refuse(551, 0), lost.Repeat(4))
	for range 2 { // an answer between begins anew
		wants(t, sendOne(t, m, g), otn.Unknown, otn.MessageScope, "http_502")
	}
	wants(t, sendOne(t, m, g), otn.Deferred, otn.SubscriberScope, "551")
	for range 3 {
		wants(t, sendOne(t, m, g), otn.Unknown, otn.MessageScope, "http_502")
	}
	calls := len(g.Calls())
	*clock = clock.Add(20 * time.Second)
	if after := wants(t, sendOne(t, m, g), otn.Deferred, otn.ChannelScope, "answers_lost"); after != 40*time.Second {
		t.Errorf("waits %s", after)
	}
	_, err := m.Ask(t.Context(), otn.Ask{Subscriber: otn.Subscriber{ID: anna}, Title: "t", Ref: "r"})
	wants(t, err, otn.Deferred, otn.ChannelScope, "answers_lost")
	if len(g.Calls()) != calls {
		t.Fatal("called while stopped")
	}
	*clock = clock.Add(40 * time.Second)
	wants(t, sendOne(t, m, g), otn.Unknown, otn.MessageScope, "http_502") // the probe
	if after := wants(t, sendOne(t, m, g), otn.Deferred, otn.ChannelScope, "answers_lost"); after != time.Minute {
		t.Errorf("waits %s after the probe", after)
	}
	*clock = clock.Add(time.Minute)
	for range 3 {
		if err := sendOne(t, m, g); err != nil {
			t.Fatal(err)
		}
	}
}

// Five dead tokens without a sent between stop the sends; asks go on.
func TestDeadTokensStopTheSends(t *testing.T) {
	m, g, clock := clocked(t, graphtest.Options{OpenWindows: true})
	dead := func() error { return second(m.Send(t.Context(), delivery(1, "nobody's"))) }
	for range 4 {
		wants(t, dead(), otn.Refused, otn.MessageScope, "token_used")
	}
	if err := sendOne(t, m, g); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		if n == 2 { // neither dead nor sent
			g.Fail(graphtest.Refuse(551, 0))
			wants(t, sendOne(t, m, g), otn.Deferred, otn.SubscriberScope, "551")
		}
		wants(t, dead(), otn.Refused, otn.MessageScope, "token_used")
	}
	if after := wants(t, sendOne(t, m, g), otn.Deferred, otn.ChannelScope, "tokens_refused"); after != time.Hour {
		t.Errorf("waits %s", after)
	}
	if _, err := m.Ask(t.Context(), otn.Ask{Subscriber: otn.Subscriber{ID: anna}, Title: "t", Ref: "r"}); err != nil {
		t.Errorf("an ask: %v", err)
	}
	wants(t, sendOne(t, m, g), otn.Deferred, otn.ChannelScope, "tokens_refused") // the ask proved nothing about tokens
	*clock = clock.Add(time.Hour)
	wants(t, dead(), otn.Refused, otn.MessageScope, "token_used") // one is tried
	wants(t, sendOne(t, m, g), otn.Deferred, otn.ChannelScope, "tokens_refused")
	*clock = clock.Add(time.Hour)
	for range 2 {
		if err := sendOne(t, m, g); err != nil {
			t.Fatal(err)
		}
	}
}

// Three tokens in a row that count for nothing: has the page lost its permission?
func TestTokensThatAreNotHonouredStopTheSends(t *testing.T) {
	for _, sub := range outside {
		m, g, clock := clocked(t, graphtest.Options{})
		g.Fail(graphtest.Refuse(10, int(sub)).Repeat(3))
		for range 3 {
			err := sendOne(t, m, g)
			if _, se := otn.OutcomeOf(err); se.Outcome != otn.Deferred || se.Scope != otn.SubscriberScope {
				t.Fatalf("%d: %v", sub, err)
			}
		}
		err := sendOne(t, m, g)
		if after := wants(t, err, otn.Deferred, otn.ChannelScope, "tokens_not_honoured"); after != time.Hour || !strings.Contains(err.Error(), "permission") {
			t.Errorf("%d: waits %s: %v", sub, after, err)
		}
		*clock = clock.Add(time.Hour)
		if err := sendOne(t, m, g); err != nil {
			t.Errorf("%d: %v", sub, err)
		}
	}
	m, g, _ := clocked(t, graphtest.Options{})
	g.Fail(graphtest.Refuse(10, 2018108).Repeat(4)) // "cannot receive now" is about the person
	for range 4 {
		wants(t, sendOne(t, m, g), otn.Deferred, otn.SubscriberScope, "10/2018108")
	}
}
