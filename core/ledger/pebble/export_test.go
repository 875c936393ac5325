// For benchmarks: a store brought to its final shape, and measured by keyspace.

package pebble

import (
	"context"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Compact compacts a closed data folder.
func Compact(dir string) error {
	e := &engine{stuck: make(chan struct{})}
	db, err := e.openStore(careful{private{vfs.Default}}, filepath.Join(dir, storeName), false)
	if err != nil {
		return err
	}
	if err := db.Compact(context.Background(), []byte{0}, []byte{0xff}, true); err != nil {
		return err
	}
	return db.Close()
}

// Spaces estimates the bytes of each keyspace of a closed data folder.
func Spaces(dir string) (map[string]uint64, error) {
	e := &engine{stuck: make(chan struct{})}
	db, err := e.openStore(careful{private{vfs.Default}}, filepath.Join(dir, storeName), false)
	if err != nil {
		return nil, err
	}
	out := make(map[string]uint64)
	for s := byte('a'); s < 'x'; s++ {
		n, err := db.EstimateDiskUsage([]byte{s}, []byte{s + 1})
		if err != nil {
			return nil, err
		}
		out[string(s)] = n
	}
	return out, db.Close()
}
