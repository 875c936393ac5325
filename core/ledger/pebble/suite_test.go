// Pebble passes the suite, in memory with every kind of death, and on a real disk.

package pebble_test

import (
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/ledgertest"
	"github.com/onetimenotify/otn/core/ledger/pebble"
)

func TestMain(m *testing.M) {
	if os.Getenv(childOf) != "" {
		os.Exit(m.Run()) // dies on purpose, and leaves what a dead engine leaves
	}
	goleak.VerifyTestMain(m)
}

// memory is a store on a disk that can be cloned as a crash leaves it.
type memory struct {
	mu    sync.Mutex
	fs    *vfs.MemFS
	marks *pebble.Memory
	rng   *rand.Rand
}

func newMemory() *memory {
	return &memory{fs: vfs.NewCrashableMem(), marks: pebble.NewMemory(), rng: rand.New(rand.NewPCG(1, 2))}
}

func (m *memory) Open() (ledger.Engine, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pebble.Open("otn", pebble.Options{FS: m.fs, Marks: m.marks, Still: true})
}

func (m *memory) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	marks := m.marks.Clone() // first: what was handed over later left no mark, and did not happen
	m.fs, m.marks = m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: m.rng}), marks
}

func (m *memory) Cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fs = m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 100}[m.rng.IntN(3)], RNG: m.rng})
	m.marks = pebble.NewMemory()
}

func TestSuite(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ledgertest.Store { return newMemory() })
}
