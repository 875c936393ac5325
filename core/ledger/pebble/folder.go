// The data folder: whose it is, how it is made, and that one daemon at a time has it.

package pebble

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// The names in a data folder.
const (
	markerName  = "otn"
	lockName    = "LOCK"
	storeName   = "store"
	claimsName  = "claims"
	witnessName = "witness"
	newName     = "store.new" // a store in the making
	markerDraft = "otn.new"
)

// marker is what the marker file says: the format of the folder.
const marker = "otn data folder, format 1\n"

// Open opens the data folder dir, and makes it when it is not there or empty.
// Errors: otn.ErrForeign for a folder with something else in it (nothing is written into it) or of another format,
// otn.ErrLocked when another daemon has it, otn.ErrInvalid when others can read it, otn.ErrStore.
func Open(dir string, o Options) (ledger.Engine, error) {
	e := &engine{options: o, stuck: make(chan struct{})}
	if err := e.open(dir); err != nil {
		return nil, fmt.Errorf("pebble: open %s: %w", dir, err)
	}
	return e, nil
}

func (e *engine) open(dir string) error {
	f := e.options.folder(dir)
	if err := f.enter(); err != nil {
		return err
	}
	release, err := f.lock()
	if err != nil {
		return err
	}
	if err := e.openIn(&f); err != nil {
		return errors.Join(err, release())
	}
	e.release = release
	return nil
}

// folder is a data folder that nobody looked at yet.
func (o Options) folder(dir string) folder {
	if o.FS == nil {
		return folder{FS: careful{private{vfs.Default}}, dir: dir, real: true}
	}
	return folder{FS: careful{o.FS}, dir: dir}
}

func (e *engine) openIn(f *folder) error {
	if err := e.make(f); err != nil {
		return err
	}
	path := f.path(storeName)
	if desc, err := pebble.Peek(path, f.FS); err != nil {
		return fmt.Errorf("%w: %w", otn.ErrStore, err)
	} else if !desc.Exists || desc.FormatMajorVersion < minFormat {
		return fmt.Errorf("the store has format %d, this otn needs %d: %w", desc.FormatMajorVersion, minFormat, otn.ErrForeign)
	}
	shelf, err := e.openShelf(f)
	if err != nil {
		return err
	}
	w, err := openWitness(f.FS, f.path(witnessName))
	if err != nil {
		return err
	}
	db, err := e.openStore(f.FS, path, false)
	if err != nil {
		return errors.Join(err, w.close())
	}
	e.shelf, e.db, e.witness = shelf, db, w
	return nil
}

func (e *engine) openStore(fs vfs.FS, path string, create bool) (db *pebble.DB, err error) {
	err = e.guard(func() error {
		size := int64(cacheSize)
		if e.options.FS != nil {
			size /= 64
		}
		cache := pebble.NewCache(size)
		defer cache.Unref()
		o := e.settings(fs, cache)
		o.ErrorIfNotExists, o.ErrorIfExists = !create, create
		db, err = pebble.Open(path, o)
		return err
	})
	return db, err
}

func (e *engine) openShelf(f *folder) (shelf, error) {
	if !f.real {
		if e.options.Marks == nil {
			return NewMemory(), nil
		}
		return e.options.Marks, nil
	}
	return newMapped(f.path(claimsName))
}

// make brings an empty folder, or one whose making was cut short, to what Open needs. The marker is written last.
func (e *engine) make(f *folder) error {
	if err := f.FS.RemoveAll(f.path(newName)); err != nil {
		return err
	}
	if f.marked {
		return nil
	}
	if !f.has(storeName) {
		if err := e.makeStore(f); err != nil {
			return err
		}
	}
	if err := f.FS.MkdirAll(f.path(claimsName), 0o700); err != nil {
		return err
	}
	if err := makeWitness(f.FS, f.path(witnessName), 0, false); err != nil {
		return err
	}
	if err := f.sync(); err != nil {
		return err
	}
	return f.mark()
}

// makeStore makes a store aside, opens it a second time so that its log has the format that shows a lost end, and moves it into place.
func (e *engine) makeStore(f *folder) error {
	for _, create := range []bool{true, false} {
		db, err := e.openStore(f.FS, f.path(newName), create)
		if err == nil {
			err = e.guard(db.Close)
		}
		if err != nil {
			return err
		}
	}
	if err := f.FS.Rename(f.path(newName), f.path(storeName)); err != nil {
		return err
	}
	return f.sync()
}

// folder is a data folder on its way to be opened.
type folder struct {
	vfs.FS
	dir    string
	real   bool // on a disk, with owner and modes
	names  []string
	marked bool

	rescued []string // names that may be there before the folder is marked
}

func (f *folder) path(name string) string { return f.PathJoin(f.dir, name) }
func (f *folder) has(name string) bool    { return slices.Contains(f.names, name) }

// enter looks at the folder without changing it, and makes it only when there is none.
func (f *folder) enter() error {
	names, err := f.List(f.dir)
	if errors.Is(err, os.ErrNotExist) {
		if err = f.create(f.dir); err == nil {
			names, err = f.List(f.dir)
		}
	}
	if err != nil {
		return err
	}
	f.names = names
	if err := f.readMarker(); err != nil {
		return err
	}
	if f.real {
		return checkPrivate(f.dir)
	}
	return nil
}

// create makes a folder and those above it, each durable in the one that holds it.
func (f *folder) create(dir string) error {
	parent := f.PathDir(dir)
	if _, err := f.Stat(parent); errors.Is(err, os.ErrNotExist) && parent != dir {
		if err := f.create(parent); err != nil {
			return err
		}
	}
	if err := f.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(f.FS, parent)
}

func (f *folder) readMarker() error {
	if f.marked = f.has(markerName); !f.marked {
		return f.unfinished()
	}
	file, err := f.Open(f.path(markerName))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(file, 256))
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if string(text) != marker {
		return fmt.Errorf("it says %q: %w", strings.TrimSpace(string(text)), otn.ErrForeign)
	}
	if !f.has(storeName) {
		return errGone
	}
	return nil
}

// unfinished accepts a folder without a marker only when it is empty or holds what a making that was cut short leaves.
func (f *folder) unfinished() error {
	for _, name := range f.names {
		if slices.Contains(f.rescued, name) {
			continue
		}
		switch name {
		case "lost+found", lockName, newName, markerDraft:
		case storeName, claimsName, witnessName:
			if !f.has(lockName) {
				return fmt.Errorf("there is %s in it, and nothing that says whose: %w", name, otn.ErrForeign)
			}
		default:
			return fmt.Errorf("there is %s in it: %w", name, otn.ErrForeign)
		}
	}
	return nil
}

// lock takes the folder for this process.
func (f *folder) lock() (release func() error, err error) {
	if f.real {
		return lockFile(f.path(lockName), f.dir)
	}
	held, err := f.Lock(f.path(lockName))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", otn.ErrLocked, err)
	}
	return held.Close, nil
}

// mark writes the marker, whole or not at all.
func (f *folder) mark() error {
	file, err := f.Create(f.path(markerDraft), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write([]byte(marker))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := f.Rename(f.path(markerDraft), f.path(markerName)); err != nil {
		return err
	}
	return f.sync()
}

func (f *folder) sync() error { return syncDir(f.FS, f.dir) }
