// A store in memory, for tests and rehearsals.

package core

import (
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// Memory is a store that is nowhere but in memory, with its key. Hosts stand on it one after another: what one leaves the
// next finds, as after a restart.
type Memory struct {
	disk *pebble.Disk
	key  otn.Secret
}

// NewMemory makes an empty store.
func NewMemory() *Memory { return &Memory{pebble.NewDisk(), ledger.NewKey()} }
