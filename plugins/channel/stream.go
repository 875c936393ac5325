// The stream of deliveries, plugin's side: as many at once as were granted, each answered once, results packed as they come.

package channel

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// stream is one Send call from beginning to end.
type stream struct {
	server  *server
	rpc     wire.Plugin_SendServer
	credits int

	mu      sync.Mutex
	cancels map[uint64]context.CancelFunc // of the deliveries in flight
	results []*wire.Result                // answered, not yet written
	closing bool                          // the host sends no more
	wake    chan struct{}
}

// Send serves the deliveries of the process.
func (s *server) Send(call wire.Plugin_SendServer) error {
	st := &stream{server: s, rpc: call, credits: s.credits(call.Context()), cancels: map[uint64]context.CancelFunc{}, wake: make(chan struct{}, 1)}
	if err := call.Send(&wire.ResultFrame{Credits: int64(st.credits)}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(call.Context())
	defer cancel()
	written := make(chan error, 1)
	go func() { written <- st.write(ctx) }()
	if err := st.read(ctx); err != nil {
		cancel()
		return errors.Join(err, <-written)
	}
	return <-written
}

// read starts what arrives until the host sends no more.
func (st *stream) read(ctx context.Context) error {
	for {
		frame, err := st.rpc.Recv()
		if errors.Is(err, io.EOF) {
			st.mu.Lock()
			st.closing = true
			st.mu.Unlock()
			st.signal()
			return nil
		}
		if err != nil {
			return err
		}
		for _, d := range frame.GetDeliveries() {
			if err := st.begin(ctx, d); err != nil {
				return err
			}
		}
		st.cancel(frame.GetCancels())
	}
}

// begin starts one delivery. A host that sends more than it was granted, or a seq twice, is at fault and loses the stream.
func (st *stream) begin(ctx context.Context, d *wire.Delivery) error {
	var cancel context.CancelFunc
	if giveUp := wire.ToTime(d.GetGiveUp()); giveUp.IsZero() {
		ctx, cancel = context.WithCancel(ctx)
	} else {
		ctx, cancel = context.WithDeadline(ctx, giveUp)
	}
	st.mu.Lock()
	_, twice := st.cancels[d.GetSeq()]
	full := len(st.cancels) >= st.credits
	if !twice && !full {
		st.cancels[d.GetSeq()] = cancel
	}
	st.mu.Unlock()
	if twice || full {
		cancel()
		return rpc.Errorf(codes.FailedPrecondition, "delivery %d is one too many", d.GetSeq())
	}
	go func() {
		st.answer(st.server.send(ctx, d))
		cancel()
	}()
	return nil
}

func (st *stream) cancel(seqs []uint64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, seq := range seqs {
		if cancel, ok := st.cancels[seq]; ok {
			cancel()
		}
	}
}

func (st *stream) answer(r *wire.Result) {
	st.mu.Lock()
	delete(st.cancels, r.GetSeq())
	st.results = append(st.results, r)
	st.mu.Unlock()
	st.signal()
}

func (st *stream) signal() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// write sends the results that are there, without waiting for more.
func (st *stream) write(ctx context.Context) error {
	for {
		select {
		case <-st.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		runtime.Gosched() // who is about to answer does so first: fuller frames, and no wait
		for {
			batch, done := st.take()
			if done {
				return nil
			}
			if len(batch) == 0 {
				break
			}
			if err := st.rpc.Send(&wire.ResultFrame{Results: batch}); err != nil {
				return err
			}
		}
	}
}

// take gives the next frame's results, and whether all is said.
func (st *stream) take() (batch []*wire.Result, done bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	n := min(len(st.results), wire.MaxBatch)
	batch, st.results = st.results[:n:n], st.results[n:]
	return batch, n == 0 && st.closing && len(st.cancels) == 0
}

// send is one delivery, from message to result.
func (s *server) send(ctx context.Context, p *wire.Delivery) *wire.Result {
	i, err := s.start(p.GetInstance())
	if err != nil {
		return wire.FromResult(p.GetSeq(), otn.Receipt{}, err)
	}
	defer s.end()
	defer i.calls.Done()
	d, err := wire.ToDelivery(p)
	if err != nil {
		return wire.FromResult(p.GetSeq(), otn.Receipt{}, &otn.SendError{Outcome: otn.Invalid, Code: "malformed", Err: err})
	}
	receipt, err := i.Send(ctx, d)
	return wire.FromResult(p.GetSeq(), receipt, err)
}
