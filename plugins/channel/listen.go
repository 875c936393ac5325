// Listening, plugin's side: what the author hears on its way to the host, and the word that it is on disk on its way back.

package channel

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Listen guards and calls the author's Listen. The author may yield from several goroutines: the host gets one call after the
// other, none once yield has failed or Listen has returned, and a failed yield is the listening's error even where the author forgets it.
// An instance that hears nothing waits until ctx is done.
func (i *Instance) Listen(ctx context.Context, cursor string, yield func(next string, records ...otn.Record) error) (err error) {
	impl, ok := i.impl.(otn.Listener)
	if !ok {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	var v valve
	defer func() {
		if bad := v.close(); bad != nil {
			err = bad
		}
	}()
	defer i.recovered("Listen", &err)
	return impl.Listen(ctx, cursor, func(next string, records ...otn.Record) error {
		return v.pass(ctx, func() error { return yield(next, records...) })
	})
}

// Listen serves a listening. One that is still at it keeps the next one out: a platform mostly serves one connection at a time.
func (s *server) Listen(stream wire.Plugin_ListenServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	i, err := s.enter(first.GetInstance())
	if err != nil {
		return err
	}
	defer i.calls.Done()
	if !i.about.Capabilities.Listens {
		return rpc.Errorf(codes.Unimplemented, "plugin %s does not listen", i.about.Name)
	}
	select {
	case i.hearing <- struct{}{}:
	case <-time.After(leaving):
		return rpc.Error(codes.FailedPrecondition, "the listening before this one has not returned")
	}
	return stream.Send(&wire.HeardFrame{End: s.listen(i, first.GetCursor(), stream)}) // the next one may come at once
}

// listen is a listening up to its end, which is not sent yet.
func (s *server) listen(i *opened, cursor string, stream wire.Plugin_ListenServer) *wire.PollEnd {
	s.polls.Add(1)
	defer func() {
		s.polls.Add(-1)
		<-i.hearing
	}()
	seq := uint64(0)
	err := i.Listen(stream.Context(), cursor, func(next string, records ...otn.Record) error {
		frame, err := heard(next, records)
		if err != nil {
			return err
		}
		seq++
		frame.Seq = seq
		if err := stream.Send(frame); err != nil {
			return err
		}
		return kept(stream, seq)
	})
	return wire.FromPollEnd("", err)
}

// heard makes a frame. Errors: otn.ErrInvalid for what the host would not take.
func heard(next string, records []otn.Record) (*wire.HeardFrame, error) {
	if len(next) > otn.MaxCursor || !utf8.ValidString(next) {
		return nil, fmt.Errorf("a cursor of %d bytes; want UTF-8 text of at most %d: %w", len(next), otn.MaxCursor, otn.ErrInvalid)
	}
	if len(records) > otn.MaxHeard {
		return nil, fmt.Errorf("%d records at once, the limit is %d: %w", len(records), otn.MaxHeard, otn.ErrInvalid)
	}
	frame := &wire.HeardFrame{Next: next}
	for _, r := range records {
		m, err := wire.FromRecord(r)
		if err != nil {
			return nil, err
		}
		frame.Records = append(frame.Records, m)
	}
	if size := proto.Size(frame); size > wire.MaxDelivery {
		return nil, fmt.Errorf("records of %d bytes at once, the limit is %d: %w", size, wire.MaxDelivery, otn.ErrInvalid)
	}
	return frame, nil
}

// kept waits until the host says that what it was given is on disk. A host that says so of anything else is at fault.
func kept(stream wire.Plugin_ListenServer, seq uint64) error {
	answer, err := stream.Recv()
	if err != nil {
		return fmt.Errorf("the host is gone: %w", err)
	}
	if answer.GetKept() != seq {
		return fmt.Errorf("the host keeps %d, and was given %d: %w", answer.GetKept(), seq, otn.ErrInvalid)
	}
	return nil
}
