// The one queue through which everything is written: whoever finds it free writes for all who wait.

package ledger

import (
	"context"
	"runtime"
	"sync"
)

// groupBytes is about how much one write may hold. Source: measured; more than 1 MiB costs more per byte.
const groupBytes = 768 << 10

// turn is one caller's changes on their way to disk.
type turn struct {
	wants [][]byte           // the rows that build will ask for
	size  int                // about how many bytes it writes
	build func(*group) error // decides and adds its changes, or returns an error and adds none
	lazy  bool

	err    error
	done   chan error
	lead   chan struct{}
	chosen bool // to lead: guarded by the queue
}

type queue struct {
	mu      sync.Mutex
	waiting []*turn
	led     bool
	busy    bool // the last group was of several
}

// do takes a turn: it returns when the changes are on disk, or with the error that kept all of them off it.
// After ctx is done it still waits for changes that are already being written: the answer is definite.
func (l *Ledger) do(ctx context.Context, t *turn) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.done, t.lead = make(chan error, 1), make(chan struct{})
	if !l.queue.enter(t) {
		select {
		case err := <-t.done:
			return err
		case <-t.lead:
		case <-ctx.Done():
			if l.queue.leave(t) {
				return ctx.Err()
			}
			select {
			case err := <-t.done:
				return err
			case <-t.lead:
			}
		}
	}
	l.leadOnce()
	return <-t.done
}

// enter queues t and reports whether it has to lead.
func (q *queue) enter(t *turn) (lead bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, t)
	lead, q.led = !q.led, true
	return lead
}

// leave takes t out, unless it is being written or has to lead.
func (q *queue) leave(t *turn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range q.waiting {
		if w == t && !t.chosen {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// gather lets those come who were answered with the last group and are about to write again, while there are more and more
// of them: else they would find this write begun, and wait for it and for the next.
func (q *queue) gather() {
	for before := 0; ; runtime.Gosched() {
		q.mu.Lock()
		n, busy := len(q.waiting), q.busy
		q.mu.Unlock()
		if !busy || n == before {
			return
		}
		before = n
	}
}

// take hands out the first turns, as many as one write may hold.
func (q *queue) take() []*turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && (n == 0 || size+q.waiting[n].size <= groupBytes) {
		size += q.waiting[n].size
		n++
	}
	turns := q.waiting[:n:n]
	q.busy = n > 1
	q.waiting = q.waiting[n:]
	return turns
}

// pass makes the first who waits the next leader.
func (q *queue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.waiting, q.led = nil, false
		return
	}
	q.waiting[0].chosen = true
	close(q.waiting[0].lead)
}

// leadOnce writes one group, the caller's own turn among it, and passes the lead on.
func (l *Ledger) leadOnce() {
	defer l.queue.pass()
	l.queue.gather()
	turns := l.queue.take()
	err := l.writeGroup(turns)
	for _, t := range turns {
		if err != nil {
			t.err = err
		}
		t.done <- t.err
	}
}
