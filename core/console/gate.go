// Who comes in: keys, what they may do, and what is written down of it.

package console

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Scope is what a key may do.
type Scope string

// The scopes.
const (
	ScopeRead   Scope = "read"
	ScopeSubmit Scope = "submit"
	ScopeSend   Scope = "send"
	ScopeAdmin  Scope = "admin"
)

// Key is a key of the operator's door.
type Key struct {
	ID, Name                       string
	Scopes                         []Scope
	CreatedAt, ExpiresAt, LastUsed time.Time
}

// May reports whether the key has a scope.
func (k Key) May(s Scope) bool { return slices.Contains(k.Scopes, s) }

// Act is something that an operator did, for the record: nothing personal in it.
type Act struct {
	At                                     time.Time
	Key, From, Act, What, Request, Outcome string
}

// Gate knows the keys and keeps the record.
type Gate interface {
	// Authorize finds the key that a secret opens with. Errors: otn.ErrRefused for one that nobody has.
	Authorize(secret otn.Secret) (Key, error)
	Record(ctx context.Context, a Act) error
}

// How many failed logins one address has in a minute, and of how many addresses that is known.
const (
	failuresAMinute = 10
	failuresKnown   = 4096
)

// throttle counts failed logins by address.
type throttle struct {
	now   func() time.Time
	mu    sync.Mutex
	since time.Time
	count map[string]int
}

// full reports whether an address has failed too often, a moment ago.
func (t *throttle) full(address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); now.Sub(t.since) >= time.Minute || len(t.count) >= failuresKnown {
		t.since, t.count = now, map[string]int{}
	}
	return t.count[address] >= failuresAMinute
}

func (t *throttle) add(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count[address]++
}
