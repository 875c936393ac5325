// Purge: bytes of deleted rows leave the tables, and the logs that held them leave the disk.

package pebble

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// logsKept is how many logs may lie on disk: the one that is written, and those that Pebble keeps to be written over.
// Source: Pebble recycles as many logs as memtables may wait for their flush, and one.
const logsKept = 2 + 1 + 1

// purgeWait is how long Purge waits for tables that somebody still reads, and purgeLook how often it looks.
const (
	purgeWait = 10 * time.Second
	purgeLook = 10 * time.Millisecond
)

// Purge implements ledger.Engine.
func (e *engine) Purge(ctx context.Context, ranges []ledger.Range) error {
	e.purging.Lock()
	defer e.purging.Unlock()
	return e.guard(func() error {
		if err := e.db.Flush(); err != nil {
			return err
		}
		for _, r := range ranges {
			if err := e.db.Compact(ctx, r.From, r.To, false); err != nil {
				return err
			}
		}
		if err := e.turnLogs(ctx); err != nil {
			return err
		}
		return e.cleared(ctx)
	})
}

// turnLogs goes on with new logs until none is left that was there before.
func (e *engine) turnLogs(ctx context.Context) error {
	e.renew.Store(true)
	defer e.renew.Store(false)
	for range logsKept + 1 {
		// A memtable that holds nothing is not flushed. Nothing was ever under this key.
		if err := e.db.Delete([]byte{0}, pebble.NoSync); err != nil {
			return err
		}
		if err := e.db.Flush(); err != nil {
			return err
		}
	}
	return e.db.Compact(ctx, []byte{0}, []byte{1}, false)
}

// cleared waits until the tables that were replaced are deleted.
func (e *engine) cleared(ctx context.Context) error {
	late := time.Now().Add(purgeWait)
	for {
		m := e.db.Metrics()
		if m.Table.ObsoleteCount == 0 && m.Table.ZombieCount == 0 {
			return nil
		}
		if time.Now().After(late) {
			return fmt.Errorf("%d replaced tables are still read: %w", m.Table.ZombieCount, otn.ErrUnavailable)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(purgeLook):
		}
	}
}

// renewing is a file system whose used logs can be told to be deleted instead of written over: what is written over keeps
// the bytes behind its end.
type renewing struct {
	vfs.FS
	renew *atomic.Bool
}

// ReuseForWrite implements vfs.FS.
func (r renewing) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if !r.renew.Load() {
		return r.FS.ReuseForWrite(old, name, c)
	}
	f, err := r.Create(name, c)
	if err != nil {
		return nil, err
	}
	if err := r.Remove(old); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Unwrap implements vfs.FS.
func (r renewing) Unwrap() vfs.FS { return r.FS }
