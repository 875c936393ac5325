// A disk in memory: a store that lives as long as the program, for tests and rehearsals.

package pebble

import (
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/ledger"
)

// Disk holds one store in memory. Engines are opened on it one after another, and each finds what the one before left.
type Disk struct {
	fs    *vfs.MemFS
	marks *Memory
}

// NewDisk makes an empty Disk.
func NewDisk() *Disk { return &Disk{vfs.NewMem(), NewMemory()} }

// Open opens the engine of a Disk. Nothing of it wakes up by the machine's clock. Errors: otn.ErrLocked while another is open.
func (d *Disk) Open() (ledger.Engine, error) {
	return Open("data", Options{FS: d.fs, Marks: d.marks, Still: true})
}
