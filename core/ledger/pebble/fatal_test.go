// A disk that fails: the engine dies, the process lives, nothing is acknowledged that is not there.

package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// childOf is set in a child process to the test that started it.
const childOf = "OTN_TEST_CHILD_OF"

// failing fails the writes whose turn has come, and from then on all of them.
type failing struct {
	err    error
	match  func(errorfs.Op) bool
	from   atomic.Int64
	writes atomic.Int64
}

func (f *failing) String() string { return "failing" }

// MaybeError implements errorfs.Injector.
func (f *failing) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || f.match != nil && !f.match(op) {
		return nil
	}
	if n, from := f.writes.Add(1), f.from.Load(); from > 0 && n >= from {
		return f.err
	}
	return nil
}

// dying runs commits from many goroutines until the store dies, and returns what was acknowledged.
func dying(t *testing.T, l *ledger.Ledger) (acknowledged []otn.TokenID) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for i := range 60 {
				g := &ledger.Grant{Consent: consent(k*1000 + i)}
				err := l.Commit(context.Background(), &ledger.Batch{Grants: []*ledger.Grant{g}})
				if err != nil {
					if !errors.Is(err, otn.ErrStore) {
						t.Errorf("the store failed and the error is %v", err)
					}
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, g.Consent.Token.ID())
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acknowledged
}

// TestEveryWriteFails fails the k-th write and all later ones, for every k: whatever was acknowledged is there afterwards.
func TestEveryWriteFails(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	key := ledger.NewKey()
	died, stride := 0, int64(5)
	if testing.Short() || raced {
		stride = 31
	}
	for k := int64(1); ; k += stride {
		mem := vfs.NewCrashableMem()
		f := &failing{err: syscall.ENOSPC}
		told := atomic.Int64{}
		e, err := pebble.Open("otn", pebble.Options{FS: errorfs.Wrap(mem, f), Still: true, OnFatal: func(err error) {
			told.Add(1)
			if !errors.Is(err, otn.ErrStore) {
				t.Errorf("fatal: %v", err)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(t.Context(), e, key, noon)
		if err != nil {
			t.Fatal(err)
		}
		f.from.Store(f.writes.Load() + k)
		acknowledged := dying(t, l)
		if f.writes.Load() < f.from.Load() {
			_ = l.Close()
			break
		}
		if _, _, err := l.Doc("x"); told.Load() > 0 && !errors.Is(err, otn.ErrStore) {
			t.Fatalf("a dead store answers: %v", err)
		}
		if told.Load() > 1 {
			t.Fatalf("OnFatal was called %d times", told.Load())
		}
		died += int(told.Load())
		clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
		_ = l.Close()
		thereAfter(t, clone, key, acknowledged)
	}
	if died == 0 {
		t.Fatal("no engine died: the test tests nothing")
	}
	t.Logf("%d engines died", died)
}

func thereAfter(t *testing.T, fs *vfs.MemFS, key otn.Secret, acknowledged []otn.TokenID) {
	t.Helper()
	e, err := pebble.Open("otn", pebble.Options{FS: fs, Still: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), e, key, noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range acknowledged {
		if _, ok, err := l.Consent(id); err != nil || !ok {
			t.Fatalf("%s was acknowledged and is lost: %v", id, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestManifestFails lets a flush die in a goroutine of Pebble's own: the process lives, later calls fail.
// It runs in a child: Pebble's other goroutines stay.
func TestManifestFails(t *testing.T) {
	if os.Getenv(childOf) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestManifestFails$", "-test.v", "-test.timeout=30s")
		child.Env = append(os.Environ(), childOf+"="+t.Name())
		if out, err := child.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestManifestFails")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	mem := vfs.NewCrashableMem()
	f := &failing{err: syscall.EIO, match: func(op errorfs.Op) bool {
		return strings.Contains(op.Path, "MANIFEST-")
	}}
	fatal := make(chan error, 1)
	e, err := pebble.Open("otn", pebble.Options{FS: errorfs.Wrap(mem, f), Still: true, OnFatal: func(err error) { fatal <- err }})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), e, ledger.NewKey(), noon)
	if err != nil {
		t.Fatal(err)
	}
	f.from.Store(f.writes.Load() + 1)
	for i := 0; len(fatal) == 0 && i < 5000; i++ {
		_ = l.Commit(t.Context(), &ledger.Batch{Events: []*ledger.Entry{{At: noon, Kind: "k", Body: make([]byte, 4096)}}})
	}
	if why := <-fatal; !errors.Is(why, otn.ErrStore) {
		t.Fatal(why)
	}
	if err = l.Commit(t.Context(), &ledger.Batch{Events: []*ledger.Entry{{At: noon, Kind: "k"}}}); !errors.Is(err, otn.ErrStore) {
		t.Fatalf("after death: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDiskFull(t *testing.T) {
	mem := vfs.NewCrashableMem()
	f := &failing{err: syscall.ENOSPC, match: func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite }}
	var told atomic.Int64
	e, err := pebble.Open("otn", pebble.Options{FS: errorfs.Wrap(mem, f), Still: true, OnFatal: func(error) { told.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	key := ledger.NewKey()
	l, err := ledger.Open(t.Context(), e, key, noon)
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := dying(t, l)
	f.from.Store(1)
	err = l.Commit(t.Context(), &ledger.Batch{Grants: []*ledger.Grant{{Consent: consent(9999)}}})
	if !errors.Is(err, otn.ErrStore) || !errors.Is(err, syscall.ENOSPC) || told.Load() != 1 {
		t.Fatalf("full disk: %v, told %d times", err, told.Load())
	}
	if err := fmt.Sprint(err); len(err) > 400 {
		t.Fatalf("an error of %d characters", len(err))
	}
	_ = l.Close()
	thereAfter(t, mem.CrashClone(vfs.CrashCloneCfg{}), key, acknowledged)
}
