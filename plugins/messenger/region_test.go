// Warnings about European rules: once, and never a wall.

package messenger

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

func TestEuropeanRulesAreAWarning(t *testing.T) {
	for _, european := range []bool{true, false} {
		m, g := pair(t, graphtest.Options{OpenWindows: true, European: european})
		var lines bytes.Buffer
		m.log = slog.New(slog.NewTextHandler(&lines, nil))
		for range 3 {
			m.gate.asks.next = time.Time{}
			if _, err := m.Ask(t.Context(), otn.Ask{Subscriber: otn.Subscriber{ID: anna}, Title: "t", Ref: "r"}); err != nil {
				t.Fatal(err)
			}
		}
		if n := strings.Count(lines.String(), "this page is under the European rules"); (n == 1) != european || n > 1 {
			t.Errorf("european %v: warned %d times: %s", european, n, lines.String())
		}
		if g.Profiled() != 1 {
			t.Errorf("the profile was asked for %d times", g.Profiled())
		}
		lines.Reset()
		g.Fail(graphtest.Refuse(10, 2018336).Repeat(2))
		for range 2 {
			wants(t, sendOne(t, m, g), otn.Deferred, otn.SubscriberScope, "10/2018336")
		}
		if n := strings.Count(lines.String(), "WARN"); n != 1 || strings.Contains(lines.String(), anna) {
			t.Errorf("%d warnings of two threads, or the person in them: %s", n, lines.String())
		}
	}
}

// A page whose profile cannot be had is asked three times, and asks go on.
func TestRegionThatIsNotKnown(t *testing.T) {
	m, g := pair(t, graphtest.Options{OpenWindows: true, European: true})
	var lines bytes.Buffer
	m.log = slog.New(slog.NewTextHandler(&lines, nil))
	g.HideIdentity(true)
	for range 5 {
		m.gate.asks.next = time.Time{}
		if _, err := m.Ask(t.Context(), otn.Ask{Subscriber: otn.Subscriber{ID: anna}, Title: "t", Ref: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	if g.Profiled() != 3 || lines.Len() > 0 {
		t.Errorf("asked %d times: %s", g.Profiled(), lines.String())
	}
}
