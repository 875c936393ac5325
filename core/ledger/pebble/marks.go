//go:build unix

// The marks of open claims: one small mapped file each, which outlives the process but not the machine's boot.
package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// A file of marks is a head of 64 bytes (what it is, which boot wrote it), then one byte a member.
const (
	headSize  = 64
	headMagic = "otn marks 1\n"
)

// shelf is a ledger.Shelf that an engine closes.
type shelf interface {
	ledger.Shelf
	close()
}

// mapped keeps marks in files.
type mapped struct {
	dir  string
	head [headSize]byte
	boot bool // the boot is known: without it no marks of an earlier process are believed

	mu   sync.Mutex
	held map[uint64]*mappedMarks
}

func newMapped(dir string) (*mapped, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	m := &mapped{dir: dir, held: make(map[uint64]*mappedMarks)}
	id := bootID()
	m.boot = id != ""
	copy(m.head[:], headMagic+id)
	return m, nil
}

// bootID names this boot of the machine; empty where the system does not tell.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

func (m *mapped) path(name uint64) string {
	return filepath.Join(m.dir, fmt.Sprintf("%016x", name))
}

// Mark implements ledger.Shelf.
func (m *mapped) Mark(name uint64, n int) (ledger.Marks, error) {
	f, err := os.OpenFile(m.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("marks: %w: %w", otn.ErrStore, err)
	}
	// Written, not only sized: a mapped page that the disk has no room for would kill the process.
	if _, err = f.Write(append(m.head[:], make([]byte, n)...)); err != nil {
		return nil, fmt.Errorf("marks: %w: %w", otn.ErrStore, errors.Join(err, f.Close(), os.Remove(f.Name())))
	}
	marks, err := m.hold(f, name, n)
	if err != nil {
		return nil, fmt.Errorf("marks: %w: %w", otn.ErrStore, err)
	}
	return marks, nil
}

// hold maps a file and closes it.
func (m *mapped) hold(f *os.File, name uint64, n int) (*mappedMarks, error) {
	b, err := syscall.Mmap(int(f.Fd()), 0, headSize+n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	marks := &mappedMarks{b: b}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held[name] = marks
	return marks, nil
}

// Find implements ledger.Shelf.
func (m *mapped) Find(name uint64, n int) (ledger.Marks, bool) {
	f, err := os.OpenFile(m.path(name), os.O_RDWR, 0)
	if err != nil || !m.boot {
		return nil, false
	}
	var head [headSize]byte
	fi, err := f.Stat()
	if err == nil {
		_, err = f.ReadAt(head[:], 0)
	}
	if err != nil || head != m.head || fi.Size() < int64(headSize+n) {
		_ = f.Close()
		return nil, false
	}
	marks, err := m.hold(f, name, n)
	return marks, err == nil
}

// Drop implements ledger.Shelf.
func (m *mapped) Drop(name uint64) error {
	m.mu.Lock()
	marks := m.held[name]
	delete(m.held, name)
	m.mu.Unlock()
	if marks != nil {
		marks.unmap()
	}
	if err := os.Remove(m.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("marks: %w: %w", otn.ErrStore, err)
	}
	return nil
}

// Names implements ledger.Shelf.
func (m *mapped) Names() ([]uint64, error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return nil, fmt.Errorf("marks: %w: %w", otn.ErrStore, err)
	}
	var out []uint64
	for _, e := range entries {
		if name, err := strconv.ParseUint(e.Name(), 16, 64); err == nil {
			out = append(out, name)
		}
	}
	return out, nil
}

// close lets go of the files; they stay for the next process.
func (m *mapped) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, marks := range m.held {
		marks.unmap()
		delete(m.held, name)
	}
}

// mappedMarks are the marks of one claim. A mark that comes after its claim was settled changes nothing.
type mappedMarks struct {
	mu sync.RWMutex // against unmapping
	b  []byte
}

// Set implements ledger.Marks.
func (k *mappedMarks) Set(i int, m ledger.Mark) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.b != nil {
		k.b[headSize+i] = byte(m)
	}
}

// Get implements ledger.Marks.
func (k *mappedMarks) Get(i int) ledger.Mark {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.b == nil {
		return ledger.MarkUnknown
	}
	return ledger.Mark(k.b[headSize+i])
}

func (k *mappedMarks) unmap() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.b != nil {
		_ = syscall.Munmap(k.b)
		k.b = nil
	}
}
