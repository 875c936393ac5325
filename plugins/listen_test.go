// Listenings across the border: acknowledged when it is on disk, gone on with by the next process, broken, hanging. And what became of a message.

package plugins_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/channeltest"
)

// ear is a channel that listens to so many updates, each told when the one before is kept, and looks up as its configuration says.
var ear = channel.Plugin[earConfig]{Name: "ear", Version: "1.0.0", New: func(_ context.Context, c earConfig, _ channel.Setup) (any, error) {
	return &hears{c: c, sent: map[otn.DeliveryID]bool{}}, nil
}}

type earConfig struct {
	Updates int    `json:"updates,omitempty"`
	Deed    string `json:"deed,omitempty"`
}

type hears struct {
	c    earConfig
	sent map[otn.DeliveryID]bool
}

func (h *hears) Describe(context.Context) (otn.Description, error) {
	return otn.Description{Account: "bot-7", Capabilities: otn.Capabilities{MaxInFlight: 1}}, nil
}

func (h *hears) Send(_ context.Context, d otn.Delivery) (otn.Receipt, error) {
	h.sent[d.ID] = true
	return otn.Receipt{}, nil
}

func (h *hears) Lookup(_ context.Context, d otn.Delivery) (otn.Receipt, error) {
	switch h.c.Deed {
	case "panics":
		panic("s3cret")
	case "cannot tell":
		return otn.Receipt{}, errors.New("the platform answers 500")
	case "stays":
		select {}
	}
	if h.sent[d.ID] {
		return otn.Receipt{ProviderID: "m-1"}, nil
	}
	return otn.Receipt{}, &otn.SendError{Outcome: otn.Deferred, Code: "not_found"}
}

func (h *hears) Listen(ctx context.Context, cursor string, yield func(string, ...otn.Record) error) error {
	at, _ := strconv.Atoi(cursor)
	for n := at; n < h.c.Updates; n++ {
		err := yield(strconv.Itoa(n+1), otn.Record{Key: fmt.Sprint("u", n), Note: &otn.Note{Text: cursor}}, otn.Record{Consent: &otn.Consent{Mint: true, Topic: "news"}})
		if err != nil {
			return err
		}
	}
	switch h.c.Deed {
	case "breaks":
		return errors.New("the platform hung up")
	case "waits":
		return &otn.SendError{Outcome: otn.Deferred, After: time.Hour, Err: otn.ErrRefused}
	case "ends":
		return nil
	case "panics":
		panic("s3cret")
	case "dies":
		os.Exit(3)
	case "stays": // whoever gives up
		select {}
	case "too many":
		return yield("", make([]otn.Record, otn.MaxHeard+1)...)
	case "too large":
		return yield("", otn.Record{Note: &otn.Note{Text: strings.Repeat("x", 9<<20)}})
	case "junk cursor":
		return yield("\xff")
	case "empty record":
		return yield("", otn.Record{})
	case "no text":
		return yield("", otn.Record{Note: &otn.Note{Text: "\xff"}})
	}
	<-ctx.Done()
	return ctx.Err()
}

func listener(t testing.TB, c earConfig, s plugins.Spec) *plugins.Process {
	s.Name, s.Plugin, s.Command, s.Config = "bot", "ear", self(t, "ear"), config(t, c)
	return launch(t, s)
}

func TestListenerSuite(t *testing.T) {
	for side, open := range map[string]func(testing.TB) channeltest.Listener{
		"in process": func(t testing.TB) channeltest.Listener {
			i, err := ear.Open(t.Context(), config(t, earConfig{Updates: 3}), channel.Setup{Instance: "bot"})
			if err != nil {
				t.Fatal(err)
			}
			return i
		},
		"hosted": func(t testing.TB) channeltest.Listener {
			p := listener(t, earConfig{Updates: 3}, plugins.Spec{})
			ready(t, p)
			return p
		},
	} {
		t.Run(side, func(t *testing.T) { channeltest.RunListener(t, open) })
	}
}

// A program that listens and looks up passes what every program passes.
func TestListenerIsAProgramLikeAnother(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	channeltest.RunProgram(t, channeltest.Program{Command: self(t, "ear"), Config: config(t, earConfig{Updates: 3}), Env: []string{"GORACE", "GOCOVERDIR"}, Patience: 4 * time.Second})
}

// What is heard crosses whole and in order. The next is told when the one before is kept; what is minted is of the account that listens.
func TestHeardCrosses(t *testing.T) {
	p := listener(t, earConfig{Updates: 300}, plugins.Spec{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 100
	err := p.Listen(ctx, "100", func(next string, records ...otn.Record) error {
		if n++; next != strconv.Itoa(n) || len(records) != 2 || records[0].Key != fmt.Sprint("u", n-1) || records[0].Note.Text != "100" {
			t.Errorf("the %d-th: next %q, %+v", n, next, records)
		}
		if records[1].Consent.Token.Account() != "bot-7" {
			t.Errorf("a token of the account %q", records[1].Consent.Token.Account())
		}
		if n == 300 {
			cancel()
		}
		return nil
	})
	if m := p.Metrics(); m.Heard != 400 {
		t.Errorf("%d records were heard, want 400", m.Heard)
	}
	if n != 300 || !errors.Is(err, context.Canceled) {
		t.Errorf("heard up to %d: %v", n, err)
	}
}

// What goes wrong is said with what it was, and the process lives on; what was kept before counts.
func TestListeningsThatBreak(t *testing.T) {
	for deed, want := range map[string]string{
		"breaks": "the platform hung up", "waits": "refused", "ends": "", "panics": "the plugin panicked", "too many": "1001 records at once", "too large": "bytes at once",
		"junk cursor": "want UTF-8 text", "empty record": "empty record", "no text": "broke off",
	} {
		p := listener(t, earConfig{Updates: 2, Deed: deed}, plugins.Spec{})
		for range 2 {
			n := 0
			err := p.Listen(t.Context(), "", func(string, ...otn.Record) error { n++; return nil })
			if n != 2 || (err != nil) != (want != "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret")) {
				t.Errorf("%s: %d kept, %v", deed, n, err)
			}
			if se := (*otn.SendError)(nil); deed == "waits" && (!errors.As(err, &se) || se.After != time.Hour) {
				t.Errorf("when to come again is lost: %v", err)
			}
		}
		if s := p.State(); s.Restarts > 0 {
			t.Errorf("%s: the process was started %d times more", deed, s.Restarts)
		}
	}
}

// A plugin that dies ends the listening; the next one waits for the next process.
func TestListenerDies(t *testing.T) {
	p := listener(t, earConfig{Updates: 2, Deed: "dies"}, plugins.Spec{Backoff: time.Millisecond})
	n := 0
	if err := p.Listen(t.Context(), "", func(string, ...otn.Record) error { n++; return nil }); n != 2 || !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("%d kept, %v", n, err)
	}
	restarted(t, p)
	if err := p.Listen(t.Context(), "1", func(string, ...otn.Record) error { n++; return nil }); n != 3 || !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("%d kept after a restart, %v", n, err)
	}
	quarantined := launch(t, plugins.Spec{Name: "bot", Command: []string{"/nowhere/plugin"}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := quarantined.Listen(ctx, "", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a plugin that cannot run: %v", err)
	}
}

// Another process takes the place of the one that listens, and goes on from what was kept: the host notices nothing, nothing is told
// twice, and the old one is gone without waiting.
func TestListeningMovesToTheNextProcess(t *testing.T) {
	p := listener(t, earConfig{Updates: 6}, plugins.Spec{Grace: 20 * time.Second})
	ready(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan string, 100)
	ended := make(chan error, 1)
	gate := make(chan struct{}, 100)
	go func() {
		ended <- p.Listen(ctx, "", func(_ string, records ...otn.Record) error {
			told <- records[0].Key + " from " + records[0].Note.Text
			<-gate
			return nil
		})
	}()
	got := []string{<-told}
	gate <- struct{}{}
	got = append(got, <-told) // not kept yet
	replaced := make(chan error, 1)
	go func() { replaced <- p.Replace(t.Context()) }()
	if err := <-replaced; err != nil {
		t.Fatal(err)
	}
	for range 100 {
		gate <- struct{}{}
	}
	for len(got) < 6 {
		got = append(got, <-told)
	}
	if all := strings.Join(got, ", "); all != "u0 from , u1 from , u2 from 2, u3 from 2, u4 from 2, u5 from 2" {
		t.Errorf("told %s", all)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the listening: %v", err)
	}
}

// A plugin that goes on listening when its host has left takes no second listening, and in the end is started anew.
func TestListenerThatStays(t *testing.T) {
	p := listener(t, earConfig{Updates: 1, Deed: "stays"}, plugins.Spec{Health: 20 * time.Millisecond, Hang: 2 * time.Second, Backoff: time.Millisecond})
	full := errors.New("the disk is full")
	if err := p.Listen(t.Context(), "", func(string, ...otn.Record) error { return full }); !errors.Is(err, full) {
		t.Errorf("a host that keeps nothing: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Listen(ctx, "", func(string, ...otn.Record) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a listener that stays: %v", err)
	}
	if err := p.Listen(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "has not returned") {
		t.Errorf("a second listening beside it: %v", err)
	}
	restarted(t, p)
}

// What became of a message is said in certain words only: a plugin that is down, hangs, panics or does not look up cannot tell.
func TestLookupCrosses(t *testing.T) {
	p := listener(t, earConfig{}, plugins.Spec{})
	ready(t, p)
	if _, err := p.Send(t.Context(), delivery(1)); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Lookup(t.Context(), delivery(1)); err != nil || r.ProviderID != "m-1" {
		t.Errorf("a message that was taken: %+v %v", r, err)
	}
	_, err := p.Lookup(t.Context(), delivery(2))
	if outcome, se := otn.OutcomeOf(err); outcome != otn.Deferred || se.Code != "not_found" {
		t.Errorf("a message that never was: %v", err)
	}
	down := plugins.New(plugins.Spec{Name: "bot"})
	mocked := launch(t, plugins.Spec{})
	ready(t, mocked)
	for name, p := range map[string]*plugins.Process{
		"panics": listener(t, earConfig{Deed: "panics"}, plugins.Spec{}), "cannot tell": listener(t, earConfig{Deed: "cannot tell"}, plugins.Spec{}),
		"stays": listener(t, earConfig{Deed: "stays"}, plugins.Spec{Call: 50 * time.Millisecond}), "down": down, "a mock": mocked,
	} {
		if p != down {
			ready(t, p)
		}
		_, err := p.Lookup(t.Context(), delivery(1))
		if outcome, _ := otn.OutcomeOf(err); outcome != otn.Unknown || err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
