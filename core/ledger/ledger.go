// The ledger itself: how it opens over an engine, and what it holds in memory.

package ledger

import (
	"context"
	"crypto/subtle"
	"fmt"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Ledger keeps the promises over one Engine. All methods may be called from many goroutines.
type Ledger struct {
	engine Engine
	safe   *safe
	queue  queue

	mu        sync.RWMutex // guards what follows; changed by the one who writes, after the write
	head      uint64
	newest    time.Time // the newest moment ever recorded
	numbers   uint64    // the last number given to a topic or a line
	writes    uint64    // how many groups were written
	lines     map[Line]*line
	lineAt    map[uint64]*line
	subjects  map[string]*line // one of a subject's lines: the others are its peers
	topics    map[string]*topic
	topicAt   map[uint64]*topic
	open      map[pageID]*openClaim
	quarters  map[uint64]Quarter
	tracked   map[string]int64 // documents by prefix, of those that are counted
	indexes   *indexes
	recovered Recovery
	noTimers  []byte        // no timer's key is below this one: what was deleted there is not walked over again
	moved     []TimerChange // since TimersChanged was asked; one more than maxMoved says that there were more

	writing sync.RWMutex // held by the one who writes until what is written is known in memory too

	// Touched by the writer alone.
	dropping []uint64 // marks whose settlement is written and not yet durable
	unsynced bool     // something was written that is not durable
	durable  uint64   // the last write that is on disk for certain
}

// line is one waiting list.
type line struct {
	Line
	id               uint64
	topic            *topic
	peer             *line // another line of the same subject
	waiting, claimed int64
	open             []*openClaim
}

// topic counts its consents.
type topic struct {
	name   string
	id     uint64
	counts Counts
	days   map[uint32]int64 // how many living consents expire on each day
	lines  []*line
}

// claimOf finds the open claim that holds a consent of the line.
func (l *line) claimOf(seq uint64) *openClaim {
	for _, o := range l.open {
		if o.has(seq) {
			return o
		}
	}
	return nil
}

// The rows of meta.
const (
	metaHead   = "head"
	metaNewest = "newest"
	metaCheck  = "check"
	metaWrites = "writes" // how many groups were written, and the number of the last one that was durable before
)

// Open opens the ledger over an engine, with the master key as NewKey makes it. Before anything else it recovers: every
// claim that was open when the last process died is settled by its marks, or ends as unknown. now is the moment of that.
// The ledger owns the engine from then on, and closes it when Open fails.
// Errors: otn.ErrKey when the store was made with another key, otn.ErrInvalid for a text that is no key, otn.ErrStore.
func Open(ctx context.Context, e Engine, key otn.Secret, now time.Time) (*Ledger, error) {
	l := newLedger(e)
	if err := l.start(ctx, key, now); err != nil {
		_ = e.Close()
		return nil, fmt.Errorf("ledger: open: %w", err)
	}
	return l, nil
}

func newLedger(e Engine) *Ledger {
	return &Ledger{
		engine:   e,
		lines:    make(map[Line]*line),
		lineAt:   make(map[uint64]*line),
		subjects: make(map[string]*line),
		topics:   make(map[string]*topic),
		topicAt:  make(map[uint64]*topic),
		open:     make(map[pageID]*openClaim),
		quarters: make(map[uint64]Quarter),
		tracked:  make(map[string]int64),
		indexes:  &indexes{make(map[string][]*index), make(map[uint64]place)},
	}
}

func (l *Ledger) start(ctx context.Context, key otn.Secret, now time.Time) (err error) {
	if l.safe, err = newSafe(key); err != nil {
		return err
	}
	if err := l.checkKey(ctx); err != nil {
		return err
	}
	if err := l.load(); err != nil {
		return err
	}
	if err := l.compareWitness(); err != nil {
		return err
	}
	return l.recover(ctx, now)
}

// compareWitness refuses a store that is not the one its witness saw: the end of its log is lost, or one of the two is older.
func (l *Ledger) compareWitness() error {
	seen, ok := l.engine.Witnessed()
	switch {
	case !ok:
		return nil
	case seen > l.writes:
		return fmt.Errorf("the store ends at write %d, and its witness saw write %d on disk: what was written last is lost, claims may be among it. "+
			"Nothing was changed. Restore a backup with otn restore, or let otn restore --keep take the store as it is: %w", l.writes, seen, otn.ErrStore)
	case seen < l.durable:
		return fmt.Errorf("the store knows that write %d was witnessed, and its witness stops at %d: it is an older one, and does not know which tokens were claimed since. "+
			"Nothing was changed. Put the right one back, or let otn restore --keep make a new one: %w", l.durable, seen, otn.ErrStore)
	}
	return nil
}

// checkKey compares the key with the one that the store was made with; an empty store takes the key.
func (l *Ledger) checkKey(ctx context.Context) error {
	want, there, err := l.get(metaKey(metaCheck))
	switch {
	case err != nil:
		return err
	case there && subtle.ConstantTimeCompare(want, l.safe.check) == 1:
		return nil
	case there:
		return otn.ErrKey
	}
	return l.engine.Write(Write{Changes: []Change{{Set, metaKey(metaCheck), l.safe.check}}, Durable: true})
}

// Copy makes a copy of everything that is written, as it is at one moment, at dir, which must not exist yet.
func (l *Ledger) Copy(dir string) error {
	if err := l.engine.Copy(dir); err != nil {
		return fmt.Errorf("ledger: copy to %s: %w", dir, err)
	}
	return nil
}

// Close closes the engine. Claims that are open stay open: the next Open recovers them.
func (l *Ledger) Close() error {
	if err := l.engine.Close(); err != nil {
		return fmt.Errorf("ledger: close: %w", err)
	}
	return nil
}

// Recovered is what Open found of a process that died.
func (l *Ledger) Recovered() Recovery { return l.recovered }

// Head is the last number given.
func (l *Ledger) Head() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.head
}

// Writes is how many writes the store holds.
func (l *Ledger) Writes() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.writes
}

// Forward makes the next write the one behind a number, if that is larger: for a store that goes on where a later one stood,
// so that no number is given twice to what a witness remembers.
func (l *Ledger) Forward(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = max(l.writes, number)
}

// get reads one row; the value is the caller's own.
func (l *Ledger) get(key []byte) (value []byte, there bool, err error) {
	err = l.engine.Get([][]byte{key}, func(_ int, v []byte) {
		value, there = append(make([]byte, 0, len(v)), v...), true
	})
	return value, there, err
}

// all reads the rows under a prefix, until yield returns an error.
func (l *Ledger) all(prefix []byte, yield func(key, value []byte) error) error {
	var bad error
	err := l.engine.Scan(prefix, after(prefix), func(k, v []byte) bool {
		bad = yield(k, v)
		return bad == nil
	})
	if err != nil {
		return err
	}
	return bad
}
