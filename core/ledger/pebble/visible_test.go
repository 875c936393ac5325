// What is written is seen by others before it is durable, and has to be readable from then on.

package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
)

// between is an engine that lets somebody look between a write and its return.
type between struct {
	ledger.Engine
	look func()
}

func (b *between) Write(w ledger.Write) error {
	err := b.Engine.Write(w)
	b.look()
	return err
}

// A timer of a consent can be taken by the clock before the grant's caller has its answer.
func TestAConsentIsReadableAsSoonAsItIsSeen(t *testing.T) {
	e, err := pebble.Open("otn", pebble.Options{FS: vfs.NewMem(), Still: true})
	if err != nil {
		t.Fatal(err)
	}
	engine := &between{Engine: e, look: func() {}}
	l, err := ledger.Open(t.Context(), engine, ledger.NewKey(), noon)
	if err != nil {
		t.Fatal(err)
	}
	c := consent(1)
	looked := false
	engine.look = func() {
		have, there, err := l.Consent(c.Token.ID())
		looked = there && have.Topic == line.Topic
		if err != nil {
			t.Errorf("a new consent cannot be read: %v", err)
		}
	}
	if err := l.Commit(t.Context(), &ledger.Batch{Grants: []*ledger.Grant{{Consent: c}}}); err != nil {
		t.Fatal(err)
	}
	engine.look = func() {}
	if !looked {
		t.Error("nobody looked in between")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
