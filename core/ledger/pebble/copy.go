// Copies of a store: opened to be looked at, never to be written; checked by Pebble itself; put into a data folder.

package pebble

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// OpenCopy opens the store in dir, which Copy made or which lies in a data folder, to be read. Before that Pebble checks every
// table of it. What the copy's log holds is read with it and not written down. Errors: otn.ErrStore.
func OpenCopy(dir string, o Options) (ledger.Engine, error) {
	e := &engine{options: o, stuck: make(chan struct{}), shelf: NewMemory(), release: func() error { return nil }}
	err := e.openCopy(o.folder(dir))
	if err != nil {
		return nil, fmt.Errorf("pebble: open copy %s: %w", dir, err)
	}
	return e, nil
}

func (e *engine) openCopy(f folder) error {
	return e.guard(func() error {
		cache := pebble.NewCache(cacheSize)
		defer cache.Unref()
		settings := e.settings(f.FS, cache)
		settings.ReadOnly = true
		db, err := pebble.Open(f.dir, settings)
		if err != nil {
			return err
		}
		if err := db.CheckLevels(nil); err != nil {
			return errors.Join(err, db.Close())
		}
		e.db = db
		return nil
	})
}

// StoreOf is where the store lies in a data folder.
func StoreOf(dir string, o Options) string {
	f := o.folder(dir)
	return f.path(storeName)
}

// Held is a data folder that is held while no engine has it open: for what is done to the store as a whole.
type Held struct {
	f       folder
	release func() error
}

// Hold takes a data folder for this process, and makes it when it is not there. Its store may be missing or damaged; it may also
// be a folder into which what is left of another one was put: its witness, and files of the names in rescued.
// Errors: those of Open, but for a store in trouble.
func Hold(dir string, o Options, rescued ...string) (*Held, error) {
	f := o.folder(dir)
	f.rescued = append(rescued, witnessName)
	if err := f.enter(); err != nil && !errors.Is(err, errGone) {
		return nil, fmt.Errorf("pebble: hold %s: %w", dir, err)
	}
	release, err := f.lock()
	if err != nil {
		return nil, fmt.Errorf("pebble: hold %s: %w", dir, err)
	}
	return &Held{f, release}, nil
}

// Release gives the folder back.
func (h *Held) Release() error { return h.release() }

// HasStore reports whether there is a store.
func (h *Held) HasStore() bool { return h.f.has(storeName) }

// IsOurs reports whether the folder was in use before: what lies in it was written here, and not put there.
func (h *Held) IsOurs() bool { return h.f.marked }

// OpenIncoming opens the store that TakeIn copied, to be worked on before it is put into place. No witness sees it yet.
func (h *Held) OpenIncoming(o Options) (ledger.Engine, error) {
	e := &engine{options: o, stuck: make(chan struct{}), shelf: NewMemory(), release: func() error { return nil }}
	db, err := e.openStore(h.f.FS, h.f.path(newName), false)
	if err != nil {
		return nil, fmt.Errorf("pebble: open %s: %w", newName, err)
	}
	e.db = db
	return e, nil
}

// TakeIn copies a store into the folder, to be worked on before Replace, file by file; tables, which never change, are linked where that is possible.
func (h *Held) TakeIn(from string) error {
	to := h.f.path(newName)
	if err := errors.Join(h.f.RemoveAll(to), h.f.MkdirAll(to, 0o700)); err != nil {
		return err
	}
	names, err := h.f.List(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == "LOCK" {
			continue
		}
		put := vfs.Copy
		if strings.HasSuffix(name, ".sst") {
			put = vfs.LinkOrCopy
		}
		if err := put(h.f.FS, h.f.PathJoin(from, name), h.f.PathJoin(to, name)); err != nil {
			return err
		}
	}
	return syncDir(h.f.FS, to)
}

// Replace puts the store that TakeIn copied into place, and what was there before aside under the name aside. The marks of claims
// go: they are of another store. Then Witness has to be called, or the store does not open.
func (h *Held) Replace(aside string) error {
	if h.HasStore() {
		if err := h.f.Rename(h.f.path(storeName), h.f.path(aside)); err != nil {
			return err
		}
	}
	if err := h.f.Rename(h.f.path(newName), h.f.path(storeName)); err != nil {
		return err
	}
	h.f.names = append(h.f.names, storeName)
	if err := h.f.RemoveAll(h.f.path(claimsName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return errors.Join(h.f.MkdirAll(h.f.path(claimsName), 0o700), h.f.sync())
}

// Witness lets a new segment of the witness begin at a number: the store is taken as it is. gap says that claims were made which the
// segments before did not see. It marks the folder as ours.
func (h *Held) Witness(number uint64, gap bool) error {
	if err := makeWitness(h.f.FS, h.f.path(witnessName), number, gap); err != nil {
		return err
	}
	if err := h.f.sync(); err != nil || h.f.marked {
		return err
	}
	return h.f.mark()
}

// Testimony reads what the witness of the held folder knows; see ReadWitness.
func (h *Held) Testimony(behind uint64) (Testimony, error) {
	return readWitness(h.f, behind)
}

// errGone is a folder of ours without its store.
var errGone = fmt.Errorf("its %s is gone; restore a backup with otn restore: %w", storeName, otn.ErrStore)
