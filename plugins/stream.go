// The stream of deliveries, host's side: written when the plugin has room, and each answered exactly once, whatever happens to the plugin.

package plugins

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// call is one delivery on its way. It moves from the queue to the written ones to its answer, under the stream's lock.
type call struct {
	delivery *wire.Delivery
	size     int
	giveUp   time.Time   // its caller waits no longer; zero: no such time
	answer   chan answer // has room for the one answer
	left     time.Time   // when its caller gave up, after it was written
}

type answer struct {
	receipt otn.Receipt
	err     error
}

// stream is the one Send call of a process. Two goroutines own the connection: write and read.
type stream struct {
	rpc  wire.Plugin_SendClient
	stop context.CancelFunc

	mu      sync.Mutex
	seq     uint64
	credits int // deliveries that may still be written
	queue   []*call
	written map[uint64]*call
	cancels []uint64
	shut    error // why nothing more is taken
	empty   chan struct{}

	wake  chan struct{}
	done  chan struct{} // closed when the stream has broken
	tasks sync.WaitGroup
}

// errProtocol is a plugin that breaks the rules of the border.
var errProtocol = errors.New("the plugin broke the protocol")

// openStream begins the stream and waits for the plugin's credits. stop ends ctx.
func openStream(ctx context.Context, stop context.CancelFunc, calls wire.PluginClient) (*stream, error) {
	s := &stream{stop: stop, written: map[uint64]*call{}, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := s.open(ctx, calls); err != nil {
		stop()
		return nil, fmt.Errorf("open the stream of deliveries: %w", err)
	}
	s.tasks.Go(s.write)
	s.tasks.Go(s.read)
	return s, nil
}

func (s *stream) open(ctx context.Context, calls wire.PluginClient) (err error) {
	if s.rpc, err = calls.Send(ctx); err != nil {
		return err
	}
	first, err := s.rpc.Recv()
	if err != nil {
		return err
	}
	if c := first.GetCredits(); c <= 0 || c > wire.MaxCredits || len(first.GetResults()) > 0 {
		return fmt.Errorf("%w: its first frame grants %d credits", errProtocol, c)
	}
	s.credits = int(first.GetCredits())
	return nil
}

// send hands a delivery over and waits for its one answer. limit is the plugin's own for the size of a delivery; 0: none.
func (s *stream) send(ctx context.Context, d *wire.Delivery, limit int) (otn.Receipt, error) {
	if ctx.Err() != nil {
		return otn.Receipt{}, gaveUp(context.Cause(ctx))
	}
	giveUp, _ := ctx.Deadline()
	d.GiveUp = wire.FromTime(giveUp)
	size, err := fits(d, limit)
	if err != nil {
		return otn.Receipt{}, err
	}
	c := &call{delivery: d, size: size, giveUp: giveUp, answer: make(chan answer, 1)}
	if err := s.enqueue(c); err != nil {
		return otn.Receipt{}, err
	}
	select {
	case a := <-c.answer:
		return a.receipt, a.err
	case <-ctx.Done():
		s.abandon(c, context.Cause(ctx))
		a := <-c.answer
		return a.receipt, a.err
	}
}

func (s *stream) enqueue(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut != nil {
		return notSent(s.shut)
	}
	s.seq++
	c.delivery.Seq = s.seq
	s.queue = append(s.queue, c)
	s.signal()
	return nil
}

// abandon answers a call whose caller does not wait any longer: Deferred while it is queued, Unknown once it is written.
// A written one keeps its place until the plugin answers: the plugin is still at it.
func (s *stream) abandon(c *call, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, queued := range s.queue {
		if queued == c {
			s.queue = append(s.queue[:i:i], s.queue[i+1:]...)
			c.answer <- answer{err: gaveUp(cause)}
			return
		}
	}
	if s.written[c.delivery.Seq] != c {
		return // answered in the same moment
	}
	c.left = time.Now()
	c.answer <- answer{err: unknown("gave_up", cause)}
	s.cancels = append(s.cancels, c.delivery.Seq)
	s.signal()
}

// hung reports whether the plugin still holds a delivery whose caller gave up before then.
func (s *stream) hung(then time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.written {
		if !c.left.IsZero() && c.left.Before(then) {
			return true
		}
	}
	return false
}

func (s *stream) inFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) + len(s.written)
}

// write sends what is queued, as much as the credits allow, without waiting for more.
func (s *stream) write() {
	for {
		select {
		case <-s.wake:
		case <-s.rpc.Context().Done():
			return
		}
		runtime.Gosched() // who is about to queue more does so first: fuller frames, and no wait
		for frame := s.take(); frame != nil; frame = s.take() {
			if err := s.rpc.Send(frame); err != nil {
				s.stop() // read answers what was in the frame
				return
			}
		}
	}
}

// take makes the next frame. What is in it counts as written: it may reach the plugin from now on.
func (s *stream) take() *wire.SendFrame {
	s.mu.Lock()
	defer s.mu.Unlock()
	frame := &wire.SendFrame{Cancels: s.cancels}
	s.cancels = nil
	s.dropLate(time.Now())
	n, size := 0, 0
	for ; n < min(len(s.queue), s.credits, wire.MaxBatch); n++ {
		c := s.queue[n]
		if size += c.size; n > 0 && size > wire.MaxDelivery {
			break
		}
		frame.Deliveries = append(frame.Deliveries, c.delivery)
		s.written[c.delivery.GetSeq()] = c
	}
	s.queue, s.credits = s.queue[n:], s.credits-n
	if n == 0 && len(frame.Cancels) == 0 {
		return nil
	}
	return frame
}

// dropLate answers the first in the queue as long as nobody waits for them any more: they are not written. The lock is held.
func (s *stream) dropLate(now time.Time) {
	for len(s.queue) > 0 && !s.queue[0].giveUp.IsZero() && !now.Before(s.queue[0].giveUp) {
		s.queue[0].answer <- answer{err: gaveUp(context.DeadlineExceeded)}
		s.queue = s.queue[1:]
	}
}

// read takes the answers until the stream breaks, and answers what is left then.
func (s *stream) read() {
	defer close(s.done)
	for {
		frame, err := s.rpc.Recv()
		for _, r := range frame.GetResults() {
			if err == nil {
				err = s.settle(r)
			}
		}
		if err != nil {
			s.stop()
			s.fail(err)
			return
		}
		s.mu.Lock()
		s.signal()
		s.mu.Unlock()
	}
}

// settle passes one answer on and takes its credit back.
func (s *stream) settle(r *wire.Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.written[r.GetSeq()]
	if !ok {
		return fmt.Errorf("%w: it answered delivery %d, which it does not have", errProtocol, r.GetSeq())
	}
	delete(s.written, r.GetSeq())
	s.credits++
	if c.left.IsZero() {
		receipt, err := wire.ToResult(r)
		c.answer <- answer{receipt, err}
	}
	s.tellEmpty()
	return nil
}

// fail answers everything that is not answered: nobody can tell about the written, the queued certainly did not leave.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse(err)
	for seq, c := range s.written {
		if c.left.IsZero() {
			c.answer <- answer{err: unknown("lost", err)}
		}
		delete(s.written, seq)
	}
	s.tellEmpty()
}

// refuse takes nothing more and answers what is queued. The lock is held.
func (s *stream) refuse(why error) {
	if s.shut == nil {
		s.shut = why
	}
	for _, c := range s.queue {
		c.answer <- answer{err: notSent(why)}
	}
	s.queue = nil
}

// settled takes nothing more and gives a channel that is closed when every written delivery is answered.
func (s *stream) settled(why error) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse(why)
	empty := make(chan struct{})
	s.empty = empty
	s.tellEmpty()
	return empty
}

// tellEmpty closes empty when it is time. The lock is held.
func (s *stream) tellEmpty() {
	if s.empty != nil && len(s.written) == 0 {
		close(s.empty)
		s.empty = nil
	}
}

// close ends the stream and its goroutines; what is written and unanswered becomes Unknown.
func (s *stream) close() {
	s.stop()
	s.tasks.Wait()
}

// why is the reason the stream takes nothing more, nil while it does.
func (s *stream) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shut
}

func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func notSent(err error) error {
	return &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, Code: "not_sent", Err: fmt.Errorf("%w: %w", otn.ErrUnavailable, err)}
}

// gaveUp is the end of a delivery whose caller gave up while it was queued.
func gaveUp(cause error) error {
	return &otn.SendError{Outcome: otn.Deferred, Code: "not_sent", Err: cause}
}

func unknown(code string, err error) error {
	return &otn.SendError{Outcome: otn.Unknown, Code: code, Err: err}
}
