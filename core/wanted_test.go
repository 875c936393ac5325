// Asks that a bot wants, links, and what comes back through them.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// bot is a channel whose webhook yields what the test says, and which keeps what it is asked to ask.
type bot struct {
	*channel
	records []otn.Record
	narrow  bool // its links carry 24 letters

	mu     sync.Mutex
	asks   []otn.Ask
	answer func(n int) error // of the n-th ask, from 1
}

func (b *bot) Receive(context.Context, otn.Request) (otn.Response, []otn.Record, error) {
	return otn.Response{Status: http.StatusOK}, b.records, nil
}

func (b *bot) Ask(_ context.Context, a otn.Ask) (otn.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asks = append(b.asks, a)
	if b.answer != nil {
		return otn.Receipt{}, b.answer(len(b.asks))
	}
	return otn.Receipt{ProviderID: "m"}, nil
}

func (b *bot) Link(_ context.Context, ref string) (string, error) {
	if b.narrow && len(ref) > 24 {
		return "", fmt.Errorf("too long: %w", otn.ErrInvalid)
	}
	return "https://chat.example/shop?ref=" + ref, nil
}

// asked is what was asked so far: whom, about what, with which words.
func (b *bot) asked() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := []string{}
	for _, a := range b.asks {
		lines = append(lines, fmt.Sprintf("%s %s|%s %q %s", a.Subscriber.ID, a.Topic, a.Subject, a.Title, a.Ref))
	}
	return strings.Join(lines, "\n")
}

func (b *bot) times() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asks)
}

func (b *bot) answers(f func(n int) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = f
}

// botWorld is a world with a bot behind the channel shop.
func botWorld(w *world) *bot {
	b := &bot{channel: w.fake("shop")}
	w.chans["shop"] = b
	w.start()
	return b
}

func (b *bot) says(t *testing.T, w *world, records ...otn.Record) {
	t.Helper()
	b.records = records
	if got := call(t, w.host.Hooks(), "POST", "/hooks/shop", "", ""); got != http.StatusOK {
		t.Fatalf("answered %d", got)
	}
}

func who(id string) otn.Subscriber { return otn.Subscriber{ID: id} }

func opening(id string) otn.Record {
	return otn.Record{Window: &otn.Window{Subscriber: who(id), Until: time.Now().Add(otn.WindowLength), Cause: "message"}}
}

func wish(id, title, ref string) otn.Record {
	return otn.Record{Ask: &otn.Ask{Subscriber: who(id), Title: title, Ref: ref}}
}

// An ask that a bot wants is made once, of what its ref means, with the bot's title or the topic's own.
func TestWantedAsksAreMade(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		b.says(t, w, opening("ann"), opening("bob"), opening("cat"),
			wish("ann", "Dock Jacket is back?", "notify.back.coat?quantity=2"),
			wish("bob", "", "notify.news"),
			wish("cat", "Winter is here", "Winter launch"),
			wish("cat", "", "Winter launch 2"), // names no topic and has no title
		)
		w.after(time.Second)
		got := map[string]bool{}
		for _, line := range strings.Split(b.asked(), "\n") {
			got[line] = true
		}
		for _, line := range []string{
			`ann back|coat "Dock Jacket is back?" notify.back.coat?quantity=2`,
			`bob news| "tell me: news" notify.news`,
			`cat | "Winter is here" Winter launch`,
		} {
			if !got[line] {
				t.Errorf("not asked: %s\nasked:\n%s", line, b.asked())
			}
		}
		want(t, "asks", len(got), 3)
		b.says(t, w, wish("ann", "Dock Jacket is back?", "notify.back.coat?quantity=2"), wish("cat", "Winter is here", "Winter launch"))
		w.after(time.Second)
		want(t, "asks after the same again", b.times(), 3)
	})
}

// It is on disk before the caller is answered: a daemon that dies right then asks when it is back, and asks once.
func TestWantedAsksOutliveTheDaemon(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		ask := wish("ann", "", "notify.news")
		ask.Ask.NotBefore = time.Now().Add(23 * time.Hour)
		b.says(t, w, opening("ann"), ask)
		w.after(22 * time.Hour)
		want(t, "asked before its time", b.asked(), "")
		w.restart()
		w.after(50 * time.Minute)
		want(t, "asked before its time, by the next daemon", b.asked(), "")
		w.after(20 * time.Minute)
		want(t, "asked", b.asked(), `ann news| "tell me: news" notify.news`)
		w.stop()
		l := w.ledger()
		timers, err := l.Due(time.Now().Add(100*24*time.Hour), 100)
		if err != nil {
			t.Error(err)
		}
		for _, timer := range timers {
			if timer.Kind == intake.AskTimer {
				t.Errorf("a timer is left: %s", timer.Due)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Whoever waits already is not asked, nor whoever cannot be asked now; those are asked when their window opens, within a day.
func TestWantedAsksWaitForTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		w.grant("dan", "news", "")
		b.says(t, w, opening("dan"), wish("dan", "", "notify.news"), wish("ann", "", "notify.news"), wish("eve", "", "notify.news"))
		w.after(time.Hour)
		want(t, "asked while no window is open", b.asked(), "")
		w.restart()
		b.says(t, w, opening("ann"))
		w.after(time.Second)
		want(t, "asked", b.asked(), `ann news| "tell me: news" notify.news`)
		w.after(24 * time.Hour)
		b.says(t, w, opening("eve"))
		w.after(time.Hour)
		want(t, "asks: a wish of yesterday is over", b.times(), 1)
	})
}

// What a channel puts off is tried again; what it may have done is not, and a window that it calls closed is closed.
func TestWantedAsksThatAreNotTaken(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		b.answers(func(n int) error {
			if n < 3 {
				return deferred(90*time.Second, otn.ChannelScope)
			}
			return invalid()
		})
		b.says(t, w, opening("ann"), wish("ann", "", "notify.news"))
		w.after(time.Second)
		want(t, "asks", b.times(), 1)
		w.after(91 * time.Second)
		want(t, "asks after the wait", b.times(), 2)
		w.after(10 * time.Hour)
		want(t, "asks, the last at fault itself", b.times(), 3)

		b.answers(func(int) error {
			return &otn.SendError{Outcome: otn.Deferred, Scope: otn.SubscriberScope, Err: otn.ErrOutsideWindow}
		})
		b.says(t, w, opening("bob"), wish("bob", "", "notify.news"))
		w.after(2 * time.Hour)
		want(t, "asks of bob", b.times(), 4)
		b.answers(nil)
		if _, err := w.host.Ask(t.Context(), core.AskRequest{Channel: "shop", Recipient: "bob", Topic: "news"}); !errors.Is(err, otn.ErrOutsideWindow) {
			t.Errorf("the window that the platform calls closed is open here: %v", err)
		}
		b.says(t, w, opening("bob"))
		w.after(time.Second)
		want(t, "asks of bob, the window open again", b.times(), 5)
	})
}

// Whoever follows a link is asked about what it names; the same event again changes nothing.
func TestLinksLeadToTheAsk(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := botWorld(w)
		long, err := w.host.Link(t.Context(), core.LinkRequest{Channel: "shop", Topic: "back", Subject: "coat", Answers: map[string]string{"quantity": "2"}})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "link", long, core.LinkView{URL: "https://chat.example/shop?ref=notify.back.coat?quantity=2", Ref: "notify.back.coat?quantity=2", Means: "notify.back.coat?quantity=2"})
		b.narrow = true
		short, err := w.host.Link(t.Context(), core.LinkRequest{Channel: "shop", Topic: "back", Subject: "coat", Answers: map[string]string{"quantity": "2"}})
		if err != nil || !otn.IsShortRef(short.Ref) || short.Means != long.Ref || short.URL != "https://chat.example/shop?ref="+short.Ref {
			t.Fatalf("%+v %v", short, err)
		}
		w.restart()
		again, err := w.host.Link(t.Context(), core.LinkRequest{Channel: "shop", Topic: "back", Subject: "coat", Answers: map[string]string{"quantity": "2"}})
		want(t, "the same request", again, short)
		if err != nil {
			t.Fatal(err)
		}
		came := otn.Record{Key: "r1", Referral: &otn.Referral{Subscriber: who("ann"), Ref: short.Ref}}
		b.says(t, w, opening("ann"), came)
		b.says(t, w, came)
		b.says(t, w, otn.Record{Referral: &otn.Referral{Subscriber: who("ann"), Ref: "summer-sale"}}, otn.Record{Referral: &otn.Referral{Subscriber: who("ann"), Ref: otn.ShortRef("never made")}})
		w.after(time.Second)
		want(t, "asked", b.asked(), `ann back|coat "tell me: back" notify.back.coat?quantity=2`)

		// A bot that sends its own ask with the short ref as its payload is understood as well.
		b.says(t, w, otn.Record{Consent: &otn.Consent{Token: otn.NewToken("page", "t1"), Subscriber: who("bob"), Ref: short.Ref}})
		list, _, err := w.host.Consents(core.ConsentQuery{Channel: "shop", Subscriber: "bob"})
		if err != nil || len(list) != 1 || list[0].Topic != "back" || list[0].Subject != "coat" || list[0].Answers["quantity"] != "2" || list[0].Ref != short.Ref {
			t.Errorf("%+v %v", list, err)
		}
	})
}

func TestLinksThatAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("plain")
		botWorld(w)
		for _, c := range []struct {
			r    core.LinkRequest
			want error
		}{
			{core.LinkRequest{Channel: "nobody", Topic: "news"}, otn.ErrNotFound},
			{core.LinkRequest{Channel: "plain", Topic: "news"}, otn.ErrNotFound},
			{core.LinkRequest{Channel: "shop", Topic: "nothing"}, otn.ErrUnknownTopic},
			{core.LinkRequest{Channel: "shop", Topic: "news", Subject: "coat"}, otn.ErrInvalid},
			{core.LinkRequest{Channel: "shop", Topic: "back"}, otn.ErrInvalid},
			{core.LinkRequest{Channel: "shop", Topic: "back", Subject: "coat", Answers: map[string]string{"size": "S"}}, otn.ErrInvalid},
			{core.LinkRequest{Channel: "shop", Topic: "back", Subject: "coat", Answers: map[string]string{"quantity": "two"}}, otn.ErrInvalid},
		} {
			if v, err := w.host.Link(t.Context(), c.r); !errors.Is(err, c.want) {
				t.Errorf("%+v: %+v %v, want %v", c.r, v, err, c.want)
			}
		}
	})
}

// Who is to be asked is a person's id: it is on disk sealed alone, and what was tampered with is not read.
func TestWantedAsksAreSealed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.ledger()
		defer l.Close() //nolint:errcheck // only read
		a := &intake.Wanted{Channel: "shop", Subscriber: "ann-canary", Ref: "notify.news", GiveUp: time.Now()}
		timer, err := a.Timer(l, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(timer.ID+string(timer.Body), "ann-canary") {
			t.Error("the timer names its person")
		}
		back, err := intake.ReadWanted(l, timer)
		if err != nil || back.Subscriber != a.Subscriber || back.Ref != a.Ref {
			t.Errorf("%+v %v", back, err)
		}
		for i := range timer.Body {
			bad := ledger.Timer{TimerID: timer.TimerID, Body: append([]byte(nil), timer.Body...)}
			bad.Body[i] ^= 1
			if _, err := intake.ReadWanted(l, bad); !errors.Is(err, otn.ErrStore) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	})
}
