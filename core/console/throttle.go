// How often an address may try keys that are none.

package console

import (
	"sync"
	"time"
)

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
