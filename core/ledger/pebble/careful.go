// A file system on which a crash cannot leave a marker that names a file which is not there.

package pebble

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// careful makes a folder's entries durable before a marker is created in it. Pebble makes MANIFEST and marker durable with
// one sync of the folder: a power cut may keep the marker alone, and the store never opens again.
type careful struct{ vfs.FS }

// Create implements vfs.FS.
func (c careful) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(c.PathBase(name), "marker.") {
		if err := syncDir(c.FS, c.PathDir(name)); err != nil {
			return nil, err
		}
	}
	return c.FS.Create(name, category)
}

// Unwrap implements vfs.FS.
func (c careful) Unwrap() vfs.FS { return c.FS }

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
