// A poll, plugin's side: the author's records on their way to the host, in frames.

package channel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

var errOver = errors.New("the poll is over")

// Poll guards and calls the author's Poll. The author may yield from several goroutines: the host gets one record after the
// other, none once yield has failed or Poll has returned, and a failed yield is the poll's error even where the author forgets it.
func (i *Instance) Poll(ctx context.Context, cursor string, yield func(otn.Record) error) (next string, err error) {
	impl, ok := i.impl.(otn.Poller)
	if !ok {
		return "", fmt.Errorf("plugin %s does not poll: %w", i.about.Name, otn.ErrInvalid)
	}
	var v valve
	defer func() {
		if bad := v.close(); bad != nil {
			next, err = "", bad
		}
	}()
	defer i.recovered("Poll", &err)
	return impl.Poll(ctx, cursor, func(r otn.Record) error { return v.pass(ctx, func() error { return yield(r) }) })
}

// valve lets what an author yields through, one call after the other, until one has failed or the author has returned.
type valve struct {
	mu     sync.Mutex
	failed error
}

func (v *valve) pass(ctx context.Context, yield func() error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failed == nil {
		v.failed = ctx.Err()
	}
	if v.failed == nil {
		v.failed = yield()
	}
	return v.failed
}

// close lets nothing more through and gives the yield that failed, also where the author forgot it.
func (v *valve) close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failed != nil {
		return v.failed
	}
	v.failed = errOver
	return nil
}

// leaving is how long a poll that nobody waits for any more may take to return before the next one is turned away.
const leaving = 500 * time.Millisecond

// Poll serves a poll. One that is still at it keeps the next one out: two would tell the same things twice.
func (s *server) Poll(r *wire.PollRequest, out wire.Plugin_PollServer) error {
	i, err := s.enter(r.GetInstance())
	if err != nil {
		return err
	}
	defer i.calls.Done()
	select {
	case i.polling <- struct{}{}:
	case <-time.After(leaving):
		return rpc.Error(codes.FailedPrecondition, "the poll before this one has not returned")
	}
	return out.Send(&wire.PollFrame{End: s.poll(i, r.GetCursor(), out)}) // the next poll may come at once
}

// poll is a poll up to its end, which is not sent yet.
func (s *server) poll(i *opened, cursor string, out wire.Plugin_PollServer) *wire.PollEnd {
	s.polls.Add(1)
	defer func() {
		s.polls.Add(-1)
		<-i.polling
	}()
	p := packer{out: out}
	next, err := i.Poll(out.Context(), cursor, p.add)
	if err == nil {
		err = p.flush()
	}
	return wire.FromPollEnd(next, err)
}

// packer fills frames.
type packer struct {
	out   wire.Plugin_PollServer
	frame wire.PollFrame
	size  int
}

// add puts a record into the frame, and sends the frame when it is full: it waits when the host is slower.
func (p *packer) add(r otn.Record) error {
	m, err := wire.FromRecord(r)
	if err != nil {
		return err
	}
	size := proto.Size(m)
	if size > wire.MaxDelivery {
		return fmt.Errorf("a record of %d bytes, the limit is %d: %w", size, wire.MaxDelivery, otn.ErrInvalid)
	}
	if len(p.frame.GetRecords()) == wire.MaxBatch || p.size+size > wire.MaxPollFrame {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.frame.Records, p.size = append(p.frame.Records, m), p.size+size
	return nil
}

func (p *packer) flush() error {
	if len(p.frame.GetRecords()) == 0 {
		return nil
	}
	err := p.out.Send(&p.frame)
	p.frame.Records, p.size = nil, 0
	return err
}
