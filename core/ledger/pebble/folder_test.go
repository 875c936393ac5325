// The data folder: made whole, never somebody else's, one daemon at a time, and nothing readable in it.

package pebble_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

func TestForeignFolder(t *testing.T) {
	for name, make := range map[string]func(dir string) error{
		"somebody's files": func(dir string) error { return os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600) },
		"another store":    func(dir string) error { return os.Mkdir(filepath.Join(dir, "store"), 0o700) },
		"another format": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "otn"), []byte("otn data folder, format 9\n"), 0o600)
		},
	} {
		dir := t.TempDir()
		if err := errors.Join(os.Chmod(dir, 0o700), make(dir)); err != nil {
			t.Fatal(err)
		}
		before := listing(t, dir)
		if _, err := pebble.Open(dir, pebble.Options{}); !errors.Is(err, otn.ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
		if after := listing(t, dir); after != before {
			t.Errorf("%s: was %s, is %s", name, before, after)
		}
	}
}

func listing(t *testing.T, dir string) (out string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			fi, _ := d.Info()
			out += fmt.Sprintln(path, fi.Mode(), fi.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFolderIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	e, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Mark(7, 10); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil { // the marks stay
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil && fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, fi.Mode())
		}
		return err
	})
	if err = errors.Join(err, os.Chmod(dir, 0o750)); err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(dir, pebble.Options{}); !errors.Is(err, otn.ErrInvalid) {
		t.Fatalf("a folder that others can read: %v", err)
	}
}

func TestTwoDaemons(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	e, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(dir, pebble.Options{}); !errors.Is(err, otn.ErrLocked) || !bytes.Contains([]byte(err.Error()), []byte(dir)) {
		t.Fatalf("a second daemon: %v", err)
	}
	byLink := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, byLink); err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(byLink, pebble.Options{}); !errors.Is(err, otn.ErrLocked) {
		t.Fatalf("a second daemon by another name of the folder: %v", err)
	}
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLostStore: a folder that is marked as ours and has no store any more is not quietly begun anew.
func TestLostStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	e, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Close(), os.RemoveAll(filepath.Join(dir, "store"))); err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(dir, pebble.Options{}); !errors.Is(err, otn.ErrStore) {
		t.Fatalf("a store that is gone: %v", err)
	}
}

// TestSealedOnDisk looks for secrets and ids, as text and as numbers, in every byte of the folder.
func TestSealedOnDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	e, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := ledger.NewKey()
	l, err := ledger.Open(t.Context(), e, key, noon)
	if err != nil {
		t.Fatal(err)
	}
	b := &ledger.Batch{}
	var hidden [][]byte
	hide := func(text string) string {
		hidden = append(hidden, []byte(text))
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			hidden = append(hidden, binary.BigEndian.AppendUint64(nil, n)[1:], binary.LittleEndian.AppendUint64(nil, n)[:7], binary.AppendUvarint(nil, n))
		}
		return text
	}
	for i := range 50 {
		c := consent(i)
		c.Token = otn.NewToken("page", hide(fmt.Sprintf("7%017d9", i*7919)))
		c.Subscriber = otn.Subscriber{ID: hide(fmt.Sprintf("31415926%08d", i)), Address: otn.NewSecret(hide(fmt.Sprintf("https://push.example/%d/secret", i)))}
		if i%2 == 0 {
			c.Token = otn.NewToken("page", hide(fmt.Sprintf("opaque-token-%d-xyz", i)))
			c.Subscriber.ID = hide(fmt.Sprintf("subscriber-%d@example", i))
		}
		b.Grants = append(b.Grants, &ledger.Grant{Consent: c})
	}
	if err := l.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	if err := page(l, w, otn.NewRunID("r", otn.Subject{}, "e", noon), 3, 20); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil { // flushes
		t.Fatal(err)
	}
	searchFiles(t, dir, append(hidden, []byte(key.Reveal())))
}

func searchFiles(t *testing.T, dir string, hidden [][]byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, h := range hidden {
			if bytes.Contains(content, h) {
				t.Errorf("%s holds %q", path, h)
			}
		}
		files++
		return err
	})
	if err != nil || files < 4 {
		t.Fatalf("%d files: %v", files, err)
	}
}

// TestMakingIsCutShort crashes at every write of the making of a folder: it opens afterwards, always.
func TestMakingIsCutShort(t *testing.T) {
	for k := 1; ; k++ {
		for _, percent := range []int{0, 50, 100} {
			mem := vfs.NewCrashableMem()
			w := newWorld()
			w.at = k
			var clone *vfs.MemFS
			w.crash = func(*world) {
				clone = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rngFor(k)})
			}
			e, err := pebble.Open("deep/otn", pebble.Options{FS: wrap(mem, w), Still: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if clone == nil {
				t.Logf("%d writes", k)
				return
			}
			e, err = pebble.Open("deep/otn", pebble.Options{FS: clone, Still: true})
			if err != nil {
				t.Fatalf("crash at write %d, %d %% kept: %v", k, percent, err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
