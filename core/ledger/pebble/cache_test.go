// The cache of blocks is there: Pebble takes its tables in memory out of the size that it is given.

package pebble

import (
	"path/filepath"
	"testing"

	"github.com/onetimenotify/otn/core/ledger"
)

func TestBlocksAreCached(t *testing.T) {
	opened, err := Open(filepath.Join(t.TempDir(), "d"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := opened.(*engine)
	for i := range byte(48) { // each table in memory is larger than the one before, up to their size
		w := ledger.Write{Changes: []ledger.Change{{Op: ledger.Set, Key: []byte{'x', i}, Value: make([]byte, 1<<20)}}, Number: uint64(i) + 1}
		if err := e.Write(w); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := e.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false); err != nil { // nothing is left that moves the blocks between the two reads
		t.Fatal(err)
	}
	read := func() {
		t.Helper()
		if err := e.Get([][]byte{{'x', 0}, {'x', 11}, {'x', 22}}, func(int, []byte) {}); err != nil {
			t.Fatal(err)
		}
	}
	read()
	before := e.db.Metrics().BlockCache
	read()
	after := e.db.Metrics().BlockCache
	if after.Size == 0 || after.Misses > before.Misses {
		t.Errorf("read a second time: %d blocks from disk, %d bytes in the cache", after.Misses-before.Misses, after.Size)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}
