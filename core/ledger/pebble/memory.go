// Marks in memory, for tests: a crash can keep them, as kill -9 does, or lose them, as a power cut does.

package pebble

import (
	"fmt"
	"sync"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Memory keeps marks beside a store in memory.
type Memory struct {
	mu    sync.Mutex
	marks map[uint64]*memoryMarks
}

// NewMemory makes an empty Memory.
func NewMemory() *Memory { return &Memory{marks: make(map[uint64]*memoryMarks)} }

// Clone is what kill -9 leaves at this moment.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := NewMemory()
	for name, k := range m.marks {
		k.mu.Lock()
		out.marks[name] = &memoryMarks{b: append([]ledger.Mark(nil), k.b...)}
		k.mu.Unlock()
	}
	return out
}

// Mark implements ledger.Shelf.
func (m *Memory) Mark(name uint64, n int) (ledger.Marks, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.marks[name] != nil {
		return nil, fmt.Errorf("marks %x are there: %w", name, otn.ErrStore)
	}
	k := &memoryMarks{b: make([]ledger.Mark, n)}
	m.marks[name] = k
	return k, nil
}

// Find implements ledger.Shelf.
func (m *Memory) Find(name uint64, n int) (ledger.Marks, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.marks[name]
	return k, k != nil && len(k.b) >= n
}

// Drop implements ledger.Shelf.
func (m *Memory) Drop(name uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.marks, name)
	return nil
}

// Names implements ledger.Shelf.
func (m *Memory) Names() ([]uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []uint64
	for name := range m.marks {
		out = append(out, name)
	}
	return out, nil
}

func (m *Memory) close() {}

type memoryMarks struct {
	mu sync.Mutex
	b  []ledger.Mark
}

// Set implements ledger.Marks.
func (k *memoryMarks) Set(i int, m ledger.Mark) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.b[i] = m
}

// Get implements ledger.Marks.
func (k *memoryMarks) Get(i int) ledger.Mark {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.b[i]
}
