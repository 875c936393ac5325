//go:build unix

// The folder on a real disk: readable by its owner alone whatever the umask, and held by one daemon.
package pebble

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/otn"
)

// private makes every file 0600 and every folder 0700.
type private struct{ vfs.FS }

// Create implements vfs.FS.
func (p private) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := p.FS.Create(name, c)
	if err == nil {
		if err = os.Chmod(name, 0o600); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, err
}

// OpenReadWrite implements vfs.FS.
func (p private) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := p.FS.OpenReadWrite(name, c, opts...)
	if err == nil {
		if err = os.Chmod(name, 0o600); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, err
}

// Lock implements vfs.FS.
func (p private) Lock(name string) (io.Closer, error) {
	c, err := p.FS.Lock(name)
	if err == nil {
		if err = os.Chmod(name, 0o600); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, err
}

// MkdirAll implements vfs.FS.
func (p private) MkdirAll(dir string, _ os.FileMode) error { return p.FS.MkdirAll(dir, 0o700) }

// Unwrap implements vfs.FS.
func (p private) Unwrap() vfs.FS { return p.FS }

// checkPrivate refuses a folder that belongs to somebody else, or that others can enter.
func checkPrivate(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d, otn runs as %d: %w", st.Uid, os.Geteuid(), otn.ErrInvalid)
	}
	if mode := fi.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("its mode is %04o, others can read it; chmod 700 it: %w", mode, otn.ErrInvalid)
	}
	return nil
}

// lockFile holds a file's lock until release. The kernel releases it when the process dies.
func lockFile(path, dir string) (release func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%s: %w", dir, otn.ErrLocked)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
