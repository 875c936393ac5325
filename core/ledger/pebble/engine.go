// Package pebble is the embedded engine of the ledger, and the only door to Pebble. One folder holds everything:
//
//	otn      says that the folder is ours, and in which format
//	LOCK     held while a daemon has the folder open
//	store/   Pebble's own files
//	claims/  the marks of open claims
//	witness/ how far the store had got, and which tokens were claimed
package pebble

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/ledger"
)

// Options are what a caller may choose. The zero Options are a daemon's.
type Options struct {
	// FS holds the store instead of the disk: for tests. The folder's owner and modes are then not looked at, and little memory is used.
	FS vfs.FS
	// Marks holds the marks of claims beside FS. Nil: a new Memory.
	Marks *Memory
	// Still makes the engine start nothing that wakes up by the clock: for virtual time.
	Still bool

	// OnFatal is called once when the engine can go on no longer; every call fails from then on. It must not block.
	OnFatal func(error)
	// OnTrouble is called when something is wrong that the engine can live with: a slow disk, a failed flush. It must not block.
	OnTrouble func(error)
	// OnWrite is called after each write: when it began, how many rows it changed, and how long the store and then its witness
	// took. It must not block. nil: nothing is measured.
	OnWrite func(began time.Time, rows int, store, witness time.Duration)
}

const (
	memTable  = 16 << 20
	cacheSize = 32<<20 + 2*memTable // Pebble takes the tables in memory out of it: the one written, and the one before
	format    = pebble.FormatValueSeparation
	minFormat = pebble.FormatWALSyncChunks // before it, the end of a log can be lost without an error
)

// engine is Pebble as the ledger sees it.
type engine struct {
	shelf
	db      *pebble.DB
	witness *witness
	release func() error // gives the folder back
	options Options

	purging sync.Mutex  // one purge at a time
	renew   atomic.Bool // used logs are deleted, not written over

	dead   atomic.Pointer[error]
	stuck  chan struct{} // closed when a goroutine of Pebble's own died
	once   sync.Once     // closes stuck
	closed sync.Once
}

var _ ledger.Engine = (*engine)(nil)

// settings are Pebble's options. A fresh value for each opening: parts of it cannot be used twice.
func (e *engine) settings(fs vfs.FS, cache *pebble.Cache) *pebble.Options {
	o := &pebble.Options{
		FS:                 renewing{fs, &e.renew},
		FormatMajorVersion: format,
		Cache:              cache,
		MemTableSize:       memTable,
		Logger:             logger{e},
		EventListener:      e.listener(),
		ErrorIfNotExists:   true,
	}
	for i := range o.Levels {
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.FastestCompression }
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	o.Levels[len(o.Levels)-1].Compression = func() *sstable.CompressionProfile { return sstable.BalancedCompression }
	if e.options.FS != nil {
		o.MemTableSize = memTable / 64
	} else {
		o.WithFSDefaults() // measures how slow the disk is
	}
	if e.options.Still {
		o.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	}
	return o
}

// Get implements ledger.Engine. Keys in order cost least: neighbours are walked to, and for keys far apart the filters
// say of most that are not there that they are not.
func (e *engine) Get(keys [][]byte, yield func(i int, value []byte)) error {
	return e.guard(func() error {
		if len(keys) == 1 {
			return e.getOne(keys[0], yield)
		}
		it, err := e.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
		if err != nil {
			return err
		}
		seek := it.SeekPrefixGE
		if neighbours(keys) {
			seek = walk(it)
		}
		for i, k := range keys {
			if !seek(k) {
				if it.Error() != nil {
					break
				}
				continue
			}
			if !bytes.Equal(it.Key(), k) {
				continue
			}
			v, err := it.ValueAndErr()
			if err != nil {
				return errors.Join(err, it.Close())
			}
			yield(i, v)
		}
		return it.Close()
	})
}

// neighbours reports whether keys, in order, begin alike beyond their keyspace.
func neighbours(keys [][]byte) bool {
	return len(keys) > 1 && bytes.HasPrefix(keys[len(keys)-1], keys[0][:min(2, len(keys[0]))])
}

// walk seeks by a single step where that is enough.
func walk(it *pebble.Iterator) func(key []byte) bool {
	return func(key []byte) bool {
		if it.Valid() {
			switch c := bytes.Compare(it.Key(), key); {
			case c == 0:
				return true
			case c < 0 && it.Next() && bytes.Compare(it.Key(), key) >= 0:
				return true
			}
		}
		return it.SeekGE(key)
	}
}

func (e *engine) getOne(key []byte, yield func(i int, value []byte)) error {
	v, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	yield(0, v)
	return closer.Close()
}

// Scan implements ledger.Engine.
func (e *engine) Scan(from, to []byte, yield func(key, value []byte) bool) error {
	return e.guard(func() error {
		it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
		if err != nil {
			return err
		}
		for ok := it.First(); ok; ok = it.Next() {
			v, err := it.ValueAndErr()
			if err != nil {
				return errors.Join(err, it.Close())
			}
			if !yield(it.Key(), v) {
				break
			}
		}
		return it.Close()
	})
}

// Write implements ledger.Engine. Pebble writes in a goroutine of its own: it waits for ever on a flush whose goroutine died.
func (e *engine) Write(w ledger.Write) error {
	done := make(chan error, 1)
	go func() { done <- e.guard(func() error { return e.write(&w) }) }()
	select {
	case err := <-done:
		if err != nil {
			return e.die(err)
		}
		return nil
	case <-e.stuck:
		return *e.dead.Load()
	}
}

// write writes to the store, then lets the witness see it: nobody is told before both are on disk.
func (e *engine) write(w *ledger.Write) error {
	tell := e.stopwatch(len(w.Changes))
	if err := e.store(w.Changes, w.Durable); err != nil {
		return err
	}
	stored := tell(time.Time{})
	if w.Durable && e.witness != nil {
		if err := e.witness.saw(w); err != nil {
			return err
		}
	}
	tell(stored)
	return nil
}

// stopwatch begins to measure a write. What it returns is called when the store has it, and with that moment when the witness has it too.
func (e *engine) stopwatch(rows int) (tell func(stored time.Time) time.Time) {
	if e.options.OnWrite == nil {
		return func(time.Time) time.Time { return time.Time{} }
	}
	began := time.Now()
	return func(stored time.Time) time.Time {
		now := time.Now()
		if !stored.IsZero() {
			e.options.OnWrite(began, rows, stored.Sub(began), now.Sub(stored))
		}
		return now
	}
}

func (e *engine) store(changes []ledger.Change, durable bool) error {
	sync := pebble.NoSync
	if durable {
		sync = pebble.Sync
	}
	if len(changes) == 0 {
		return e.db.LogData(nil, sync)
	}
	size := 64
	for i := range changes {
		size += len(changes[i].Key) + len(changes[i].Value) + 8
	}
	b := e.db.NewBatchWithSize(size)
	if err := fill(b, changes); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := b.Commit(sync); err != nil {
		return err
	}
	return b.Close()
}

// inOrder is the order in which changes cost least: by key, so that each is put beside the one before; of one key as they
// are. Where a range is deleted, what came before it has to stay there.
func inOrder(changes []ledger.Change) []int {
	order := make([]int, len(changes))
	ranges := false
	for i := range changes {
		order[i] = i
		ranges = ranges || changes[i].Op == ledger.DeleteRange
	}
	if !ranges {
		slices.SortFunc(order, func(a, b int) int { return cmp.Or(bytes.Compare(changes[a].Key, changes[b].Key), cmp.Compare(a, b)) })
	}
	return order
}

func fill(b *pebble.Batch, changes []ledger.Change) error {
	for _, i := range inOrder(changes) {
		c := &changes[i]
		var err error
		switch c.Op {
		case ledger.Set:
			err = b.Set(c.Key, c.Value, nil)
		case ledger.Delete:
			err = b.Delete(c.Key, nil)
		case ledger.DeleteRange:
			err = b.DeleteRange(c.Key, c.Value, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Witnessed implements ledger.Engine.
func (e *engine) Witnessed() (uint64, bool) {
	if e.witness == nil {
		return 0, false
	}
	return e.witness.number, true // read before anything is written
}

// Copy implements ledger.Engine.
func (e *engine) Copy(dir string) error {
	return e.guard(func() error { return e.db.Checkpoint(dir, pebble.WithFlushedWAL()) })
}

// Close implements ledger.Engine.
func (e *engine) Close() error {
	var err error
	e.closed.Do(func() {
		if e.dead.Load() == nil {
			err = e.unlessStuck(func() error { return e.guard(e.db.Close) })
			closed := errClosed
			e.dead.CompareAndSwap(nil, &closed)
		} else {
			e.bury()
		}
		e.shelf.close()
		if e.witness != nil {
			err = errors.Join(err, e.witness.close())
		}
		err = errors.Join(err, e.release())
	})
	return err
}
