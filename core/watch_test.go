// The clock goroutine's agenda: however many timers are handed over and not done, one that is set costs one.

package core

import (
	"fmt"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
)

// counted counts the rows that scans read.
type counted struct {
	ledger.Engine
	rows int
}

func (c *counted) Scan(from, to []byte, yield func(key, value []byte) bool) error {
	return c.Engine.Scan(from, to, func(key, value []byte) bool {
		c.rows++
		return yield(key, value)
	})
}

func TestAgendaReadsNothingTwice(t *testing.T) {
	engine, err := pebble.Open(t.TempDir()+"/data", pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rows := &counted{Engine: engine}
	l, err := ledger.Open(t.Context(), rows, ledger.NewKey(), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	commit := func(b *ledger.Batch) {
		t.Helper()
		if err := l.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	const many = 25_000 // more than are remembered as set
	all := &ledger.Batch{}
	for i := range many {
		all.Timers = append(all.Timers, ledger.Timer{TimerID: ledger.TimerID{Due: now.Add(-time.Duration(i) * time.Millisecond), ID: fmt.Sprint("t", i)}})
	}
	commit(all)
	var a agenda
	var taken []ledger.Timer
	hand := func() []ledger.Timer {
		t.Helper()
		if err := a.update(l, now); err != nil {
			t.Fatal(err)
		}
		return a.due(now)
	}
	for range 10 {
		taken = append(taken, hand()...)
	}
	if len(taken) != many {
		t.Fatalf("%d are handed over, want %d", len(taken), many)
	}
	rows.rows = 0
	anew := ledger.Timer{TimerID: taken[0].TimerID, Kind: "anew"}
	commit(&ledger.Batch{Done: []ledger.TimerID{taken[0].TimerID}})
	commit(&ledger.Batch{Timers: []ledger.Timer{{TimerID: ledger.TimerID{Due: now, ID: "new"}}, anew, {TimerID: ledger.TimerID{Due: now.Add(time.Minute), ID: "soon"}}}})
	if due := hand(); len(due) != 2 || due[0].Kind != "anew" || due[1].ID != "new" {
		t.Errorf("handed over: %+v", due)
	}
	commit(&ledger.Batch{Done: []ledger.TimerID{{Due: now.Add(time.Minute), ID: "soon"}}})
	if hand(); len(a.ahead) != 0 {
		t.Errorf("one that was deleted is ahead: %+v", a.ahead)
	}
	if rows.rows != 0 {
		t.Errorf("%d rows were read", rows.rows)
	}
}
