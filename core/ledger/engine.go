// What the ledger stands on: rows in key order, changed all or none, and marks that outlive the process.

package ledger

import (
	"context"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Engine keeps rows. A row is a key and a value, both bytes that mean nothing to it. One ledger at a time stands on it.
// Every error is one of the store (otn.ErrStore); after an error of Write nothing is known to be written and every later call fails.
// Get and Scan may be called from many goroutines, Write from one at a time.
type Engine interface {
	// Get yields the value of each key that is there, with the key's index, in the order of keys. The value is lent for the call.
	Get(keys [][]byte, yield func(i int, value []byte)) error
	// Scan yields the rows with from <= key < to in byte order until yield returns false. Both slices are lent for the call.
	Scan(from, to []byte, yield func(key, value []byte) bool) error
	// Write makes the changes, in order, all or none.
	Write(w Write) error
	// Witnessed is the number of the last durable write as a place beside the rows remembers it; not ok for an engine whose
	// rows cannot be lost without an error.
	Witnessed() (number uint64, ok bool)
	// Copy makes a copy of all rows as they are at one moment, at dir, which must not exist yet. It does not hold up writes.
	Copy(dir string) error
	// Purge lets go of the bytes of deleted rows in the ranges, and of what logs held so far: when it returns they are in no
	// file of the store, except where somebody is still reading an older state. It may take long and does not hold up writes.
	Purge(ctx context.Context, ranges []Range) error

	Shelf
	Close() error
}

// Shelf keeps the marks of open claims. They need not survive a power loss: Find then finds nothing.
type Shelf interface {
	// Mark makes n marks, all untouched, under a name that is not taken.
	Mark(name uint64, n int) (Marks, error)
	// Find gives back the n marks of a name as an earlier process left them; not ok when they are gone or may be stale.
	Find(name uint64, n int) (Marks, bool)
	// Drop forgets a name. Marks that are still held take and give nothing from then on.
	Drop(name uint64) error
	// Names lists what is there.
	Names() ([]uint64, error)
}

// Write is what becomes true together.
type Write struct {
	Changes []Change
	Durable bool   // they and everything written before are on disk when Write returns; without changes, what was written before
	Number  uint64 // of the write: larger than that of the one before, the same for one without changes

	// What a witness remembers of a durable write, beside its number.
	At      time.Time      // the newest moment on record
	Claimed []otn.TokenID  // tokens that it takes
	Erased  []otn.PersonID // people of whom nothing is to be left
	Buried  []DocID        // documents that are gone for good

	Withdrawn []otn.TokenID // tokens that are not to be spent
}

// Change is one change of rows.
type Change struct {
	Op    Op
	Key   []byte
	Value []byte // of Set; the end, exclusive, of DeleteRange
}

// Range is a stretch of keys: From <= key < To.
type Range struct{ From, To []byte }

// Op is what a Change does.
type Op uint8

// The changes.
const (
	Set Op = iota
	Delete
	DeleteRange
)
