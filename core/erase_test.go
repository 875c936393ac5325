// A person is erased: every row, every byte, what was under way, and what an old backup brings back.

package core_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// recorder is an engine that notes what is sealed while it listens.
type recorder struct {
	ledger.Engine
	mu     sync.Mutex
	on     bool
	sealed map[string][]byte // bytes that nobody else's rows hold, by what they are of
}

func (r *recorder) Write(w ledger.Write) error {
	r.mu.Lock()
	for _, c := range w.Changes {
		if !r.on || c.Op != ledger.Set {
			continue
		}
		tail := func(what string) { r.sealed[what+string(c.Key)] = bytes.Clone(c.Value[len(c.Value)-16:]) }
		switch c.Key[0] {
		case 'h': // version, flags, token id, person, length, sealed
			r.sealed["consent "+string(c.Key)] = bytes.Clone(c.Value[28:52])
		case 'b':
			if k := string(c.Key[1:]); strings.HasPrefix(k, "planned/") {
				tail("planned ")
			}
		case 's':
			if strings.HasPrefix(string(c.Key[9:]), "ask/") {
				tail("ask ")
			}
		}
	}
	r.mu.Unlock()
	return r.Engine.Write(w)
}

func (r *recorder) listen(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = on
}

// found counts how many of the sealed bytes lie in the files of a folder.
func (r *recorder) found(t *testing.T, dir string) (what []string) {
	t.Helper()
	var all [][]byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		all = append(all, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, secret := range r.sealed {
		for _, b := range all {
			if bytes.Contains(b, secret) {
				what = append(what, strings.ToValidUTF8(name, "?"))
				break
			}
		}
	}
	return what
}

// recorded is a shop on a real disk whose engine notes what is sealed.
func recorded(t *testing.T, dir string, b *bot) (*core.Host, *recorder, func()) {
	t.Helper()
	engine, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{Engine: engine, sealed: map[string][]byte{}}
	rules := asking{shopRules: shopRules{text: "now"}, asks: []otn.AskRule{asks23[0]}}
	host, err := core.New(core.Config{Dir: dir, Engine: rec, Rules: rules, Channels: map[string]otn.Channel{"shop": b}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	<-host.Ready()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return host, rec, stop
}

const victim = "victim-canary"

func consentOf(sub, topic, subject, token string) otn.Consent {
	return otn.Consent{Token: otn.NewToken("page", token), Channel: "shop", Subscriber: who(sub), Topic: topic, Subject: subject}
}

// lived lets the victim do everything of which something is kept: told, in doubt, waiting, asked, tagged.
func lived(t *testing.T, host *core.Host, rec *recorder, b *bot) {
	t.Helper()
	s := &shopOnDisk{t: t, host: host, shop: b.channel}
	b.channel.answer = func(d otn.Delivery, _ int) error {
		if d.Subscriber.ID == victim && d.Token.Reveal() == "doubt-canary" {
			return &otn.SendError{Outcome: otn.Unknown, Code: "lost"}
		}
		return nil
	}
	s.price("120.00 USD")
	rec.listen(true)
	if _, err := host.Grant(t.Context(), consentOf(victim, "price-drop", "coat", "token-canary")); err != nil {
		t.Fatal(err)
	}
	rec.listen(false)
	s.people(0, 50)
	s.price("99.00 USD")
	s.told(51)
	rec.listen(true)
	if _, err := host.Grant(t.Context(), consentOf(victim, "price-drop", "coat", "doubt-canary")); err != nil {
		t.Fatal(err)
	}
	rec.listen(false)
	s.price("89.00 USD")
	for range 1000 {
		if v, err := host.Subscriber("shop", victim); err == nil && len(v.Deliveries) == 2 && !slices.ContainsFunc(v.Deliveries, func(d core.DeliveryView) bool { return d.Outcome == "sending" }) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	rec.listen(true)
	if _, err := host.Grant(t.Context(), consentOf(victim, "price-drop", "coat", "waiting-canary")); err != nil {
		t.Fatal(err)
	}
	later := otn.Record{Ask: &otn.Ask{Subscriber: who(victim), Title: "News", Ref: "notify.back.coat", NotBefore: time.Now().Add(time.Hour)}}
	w := &world{t: t, host: host}
	b.says(t, w, opening(victim), later)
	rec.listen(false)
	if _, err := host.Tag(t.Context(), "shop", victim, core.TagChange{Add: []string{"vip"}}); err != nil {
		t.Fatal(err)
	}
	s.people(50, 60)
}

func TestErasedIsInNoByte(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	b := &bot{channel: taker()}
	host, rec, stop := recorded(t, dir, b)
	lived(t, host, rec, b)
	stop() // what the logs hold becomes tables
	sealed := rec.sealed
	host, rec, stop = recorded(t, dir, b)
	rec.sealed = sealed
	old := filepath.Join(t.TempDir(), "old")
	if _, err := host.Backup(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	want(t, "sealed bytes noted", len(rec.sealed), 5)
	want(t, "of them on disk before", len(rec.found(t, dir)) >= 4, true) // of a spent consent the bytes may be gone

	done, err := host.Erase(t.Context(), "shop", victim)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "erased", done, core.Erased{Consents: 3, Done: true})
	want(t, "in the store", strings.Join(rec.found(t, dir), "\n"), "")
	fresh := filepath.Join(t.TempDir(), "fresh")
	if _, err := host.Backup(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	want(t, "in a fresh backup", strings.Join(rec.found(t, fresh), "\n"), "")

	if _, err := host.Subscriber("shop", victim); !errors.Is(err, otn.ErrNotFound) {
		t.Errorf("the subscriber: %v", err)
	}
	granted, err := host.Grant(t.Context(), consentOf(victim, "price-drop", "coat", "waiting-canary"))
	if err != nil || granted[0].Added {
		t.Errorf("an erased token was granted again: %v, %v", granted, err)
	}
	if _, err := host.Consent(granted[0].ID); !errors.Is(err, otn.ErrNotFound) {
		t.Errorf("an erased consent: %v", err)
	}
	if _, err := host.Erase(t.Context(), "shop", victim); err != nil {
		t.Errorf("erased twice: %v", err)
	}
	stop()
	if report, err := core.VerifyStore(t.Context(), dir); err != nil {
		t.Errorf("the store: %v, %v", report.Faults, err)
	}

	r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: dir, From: old, Replace: true, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "erased again", r.Erased > 0, true)
	want(t, "in the store that was restored", strings.Join(rec.found(t, filepath.Join(dir, "store")), "\n"), "")
	again, _, _ := recorded(t, dir, &bot{channel: taker()})
	if v, err := again.Subscriber("shop", victim); !errors.Is(err, otn.ErrNotFound) {
		t.Errorf("a restore brought back: %+v, %v", v, err)
	}
	if _, err := again.Subscriber("shop", "p55"); err != nil {
		t.Errorf("another person: %v", err)
	}
}

// Whoever is being told when they are erased is erased when the answer is there.
func TestEraseWaitsForWhatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		hang := make(chan struct{})
		c := w.fake("shop")
		c.answer = func(otn.Delivery, int) error { <-hang; return deferred(time.Hour, otn.MessageScope) }
		w.start()
		w.waiting(victim)
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		done, err := w.host.Erase(t.Context(), "shop", victim)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "erased", done, core.Erased{Held: 1})
		close(hang)
		w.after(10 * time.Second)
		w.isGone()
		w.after(24 * time.Hour)
		want(t, "messages", c.calls(), 1)
		w.nothingIsLeft()
	})
}

// A daemon that died with the wish on disk: the next one fulfils it.
func TestEraseOutlivesTheDaemon(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := w.fake("shop")
		w.start()
		w.waiting(victim)
		w.stop()
		l := w.ledger()
		wish := &ledger.Doc{Key: "erase/" + l.Person("shop", victim).String(), Value: []byte(`"2026-01-01T00:00:00Z"`)}
		if err := l.Commit(t.Context(), &ledger.Batch{Docs: []*ledger.Doc{wish}}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.after(10 * time.Second)
		w.isGone()
		w.price("coat", "99.00 USD")
		w.after(time.Hour)
		want(t, "messages", c.calls(), 0)
		w.nothingIsLeft()
	})
}

// A consent is withdrawn at once where it waits, and where its message is on its way when that comes back.
func TestWithdraw(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		hang := make(chan struct{})
		c := w.fake("shop")
		c.answer = func(otn.Delivery, int) error { <-hang; return deferred(time.Hour, otn.MessageScope) }
		w.start()
		w.waiting("ann")
		busy := w.grant("bob", "price-drop", "coat").ID
		quiet := w.grant("ann", "news", "").ID
		w.price("coat", "99.00 USD")
		w.after(time.Second)
		for id, state := range map[string]string{quiet: "withdrawn", busy: "claimed"} {
			for range 2 {
				v, err := w.host.Withdraw(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				want(t, "state", v.State, state)
			}
		}
		close(hang)
		w.after(24 * time.Hour)
		want(t, "after its answer", w.state(busy), "withdrawn")
		if _, err := w.host.Withdraw(t.Context(), "00000000000000000000"); !errors.Is(err, otn.ErrNotFound) {
			t.Errorf("a consent that never was: %v", err)
		}
		c.answer = nil
		sent := w.grant("cat", "price-drop", "coat").ID
		w.price("coat", "89.00 USD")
		w.after(time.Second)
		if _, err := w.host.Withdraw(t.Context(), sent); !errors.Is(err, otn.ErrSpent) {
			t.Errorf("one that was sent: %v", err)
		}
	})
}

func (w *world) isGone() {
	w.t.Helper()
	if v, err := w.host.Subscriber("shop", victim); !errors.Is(err, otn.ErrNotFound) {
		w.t.Errorf("left: %+v, %v", v, err)
	}
}

func (w *world) nothingIsLeft() {
	w.t.Helper()
	docs, timers := w.left()
	if strings.Contains(docs, "erase/") || strings.Contains(timers, "purge/") {
		w.t.Errorf("left:\n%s\n%s", docs, timers)
	}
}

// left are the keys of what is in the store when the Host has ended.
func (w *world) left() (docs, timers string) {
	w.t.Helper()
	w.stop()
	l := w.ledger()
	list, err := l.Docs("", "", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range list {
		docs += d.Key + "\n"
	}
	ts, err := l.Timers(ledger.TimerID{}, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, t := range ts {
		timers += t.ID + "\n"
	}
	if err := l.Close(); err != nil {
		w.t.Error(err)
	}
	return docs, timers
}

// Of somebody who is erased while asks for them wait, nobody is asked, and no document is left.
func TestErasedIsNotAsked(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{asks: asks23, then: map[string]string{"news": "Soon."}})
		agreed := given(victim, "token-canary")
		b.says(t, w, opening(victim), agreed, otn.Record{Stop: &otn.Stop{Subscriber: who(victim), Topic: "late"}},
			otn.Record{Ask: &otn.Ask{Subscriber: who(victim), Title: "News", Ref: "notify.back.coat", NotBefore: time.Now().Add(time.Hour)}})
		w.after(time.Minute)
		if _, err := w.host.Erase(t.Context(), "shop", victim); err != nil {
			t.Fatal(err)
		}
		w.after(48 * time.Hour)
		want(t, "asks", b.asked(), "")
		person := ""
		docs, timers := w.left()
		for _, prefix := range []string{"window/", "silent/", "tags/", "ask/", "planned/", "later/", "then/", "hold/", "stop/", "erase/"} {
			if strings.Contains(docs, prefix) {
				person += prefix + " "
			}
		}
		want(t, "documents", person, "")
		if strings.Contains(timers, "planned/") || strings.Contains(timers, "ask/") || strings.Contains(timers, "purge/") {
			t.Errorf("timers: %s", timers)
		}
	})
}
