// The mock on both sides of the border: the same suite, and every deed of its script with the same end.

package plugins_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/channeltest"
	"github.com/onetimenotify/otn/plugins/mock"
)

// sides opens a mock in this process and in another.
func sides() map[string]func(testing.TB, mock.Config) channeltest.Channel {
	return map[string]func(testing.TB, mock.Config) channeltest.Channel{
		"in process": func(t testing.TB, c mock.Config) channeltest.Channel {
			i, err := mock.Plugin.Open(t.Context(), config(t, c), channel.Setup{Instance: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = i.Close() })
			return i
		},
		"hosted": func(t testing.TB, c mock.Config) channeltest.Channel {
			p := launch(t, plugins.Spec{Config: config(t, c)})
			ready(t, p)
			return p
		},
	}
}

func TestSuite(t *testing.T) {
	for side, open := range sides() {
		t.Run(side, func(t *testing.T) {
			channeltest.Run(t, func(t testing.TB) channeltest.Channel { return open(t, mock.Config{MaxInFlight: 64}) })
		})
	}
}

func TestEveryDeedEndsAlikeOnBothSides(t *testing.T) {
	for _, c := range []struct {
		do   mock.Deed
		want otn.SendError
	}{
		{mock.Accept, otn.SendError{Outcome: otn.Sent}},
		{mock.Junk, otn.SendError{Outcome: otn.Sent}},
		{mock.Slow, otn.SendError{Outcome: otn.Sent}},
		{mock.Refuse, otn.SendError{Outcome: otn.Refused, Code: "refused"}},
		{mock.Throttle, otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, After: time.Millisecond, Code: "throttled"}},
		{mock.Fault, otn.SendError{Outcome: otn.Invalid, Code: "invalid"}},
		{mock.Fail, otn.SendError{Outcome: otn.Unknown, Code: "unclassified"}},
		{mock.Panic, otn.SendError{Outcome: otn.Unknown, Code: "panic"}},
		{mock.Crash, otn.SendError{Outcome: otn.Unknown}},
		{mock.AcceptCrash, otn.SendError{Outcome: otn.Unknown}},
		{mock.Hang, otn.SendError{Outcome: otn.Unknown}},
		{mock.AcceptHang, otn.SendError{Outcome: otn.Unknown}},
	} {
		for side, open := range sides() {
			t.Run(fmt.Sprint(c.do, " ", side), func(t *testing.T) {
				t.Parallel()
				ch := open(t, mock.Config{MaxInFlight: 1, Script: []mock.Step{{Do: c.do, After: channel.Duration(time.Millisecond)}}})
				ctx := t.Context()
				if c.do == mock.Hang || c.do == mock.AcceptHang {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
					defer cancel()
				}
				_, err := ch.Send(ctx, delivery(1))
				outcome, got := otn.OutcomeOf(err)
				if outcome == otn.Sent {
					got = &otn.SendError{Outcome: otn.Sent}
				}
				if outcome != c.want.Outcome || got.Scope != c.want.Scope || got.After != c.want.After || c.want.Code != "" && got.Code != c.want.Code {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
			})
		}
	}
}

// A link is the same on both sides, and so is the fault of one that cannot be.
func TestLinksCrossTheBorder(t *testing.T) {
	for side, open := range sides() {
		t.Run(side, func(t *testing.T) {
			ch := open(t, mock.Config{MaxInFlight: 1})
			about, err := ch.(otn.Describer).Describe(t.Context())
			if err != nil || !about.Capabilities.Links {
				t.Errorf("it says that it makes no links: %+v %v", about, err)
			}
			url, err := ch.(otn.Linker).Link(t.Context(), "notify.back.coat")
			if err != nil || url != "https://mock.invalid/?ref=notify.back.coat" {
				t.Errorf("%q %v", url, err)
			}
			for _, ref := range []string{"", "two words"} {
				if url, err := ch.(otn.Linker).Link(t.Context(), ref); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), "holds blanks") {
					t.Errorf("%q: %q %v", ref, url, err)
				}
			}
		})
	}
	down := plugins.New(plugins.Spec{Name: "shop"})
	if _, err := down.Link(t.Context(), "notify.back.coat"); !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("down: %v", err)
	}
}

// The configuration's faults reach the operator with their paths, the plugin is not restarted for them, and no secret shows.
func TestFaultsOfTheConfigurationAreShown(t *testing.T) {
	l := newLog(t)
	p := launch(t, plugins.Spec{Config: []byte(`{"ouT":"x","secret":["s3cret"]}`), Log: l.slog()})
	err := p.Ready(t.Context())
	if err == nil || !strings.Contains(err.Error(), `ouT: unknown key, did you mean "out"?`) || strings.Contains(err.Error()+l.String(), "s3cret") {
		t.Errorf("Ready: %v", err)
	}
	if s := p.State(); s.Phase != plugins.Misconfigured || s.Restarts != 0 || s.Next.IsZero() {
		t.Errorf("state %+v", s)
	}
}
