// What is written is shown when it is known: a timer never comes before the consents of its batch.

package pebble_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// eager calls back after every write, before the ledger knows of it.
type eager struct {
	ledger.Engine
	wrote func()
}

func (e *eager) Write(w ledger.Write) error {
	err := e.Engine.Write(w)
	if e.wrote != nil {
		e.wrote()
	}
	return err
}

func TestTimerComesWithItsBatch(t *testing.T) {
	inner, err := newMemory().Open()
	if err != nil {
		t.Fatal(err)
	}
	e, now := &eager{Engine: inner}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l, err := ledger.Open(t.Context(), e, ledger.NewKey(), now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c := otn.Consent{Token: otn.NewToken("page", "t"), Channel: "m", Subscriber: otn.Subscriber{ID: "1"}, Topic: "new", GrantedAt: now}
	looked := make(chan error, 1)
	e.wrote = func() {
		go func() {
			due, err := l.Due(now, 9)
			if err == nil && len(due) > 0 {
				_, _, err = l.Consent(c.Token.ID())
			}
			looked <- err
		}()
		for range 1000 { // time enough for who does not wait
			runtime.Gosched()
		}
	}
	b := &ledger.Batch{Grants: []*ledger.Grant{{Consent: c}}, Timers: []ledger.Timer{{TimerID: ledger.TimerID{Due: now, ID: "x"}, Kind: "k"}}}
	if err := l.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := <-looked; err != nil {
		t.Errorf("the timer came before its consent: %v", err)
	}
}
