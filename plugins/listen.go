// Listening, host's side: what a plugin hears, as it comes, and back to it the word that it is on disk.

package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// errDeaf is a listening that broke off. What was kept of it counts.
var errDeaf = errors.New("the listening broke off")

// Listen has the plugin listen. While the plugin is down, and while the one in place does not listen, it waits. When another process
// takes the running one's place it goes on with that one, from the last cursor that yield took. Errors: the plugin's own, yield's,
// otn.ErrUnavailable when the plugin goes down, otn.ErrInvalid for a record that makes no sense, and ctx's.
func (p *Process) Listen(ctx context.Context, cursor string, yield func(next string, records ...otn.Record) error) error {
	var stopped error
	keep := func(next string, records ...otn.Record) error {
		if stopped = yield(next, records...); stopped == nil {
			cursor = next
			p.meter.heard.Add(int64(len(records)))
		}
		return stopped
	}
	for {
		l, err := p.hearer(ctx)
		if err != nil {
			return p.wrap("listen", err)
		}
		err = l.listen(ctx, cursor, keep)
		l.inside.Done()
		if ctx.Err() != nil || stopped != nil || !p.replaced(l) {
			return p.wrap("listen", err)
		}
	}
}

// hearer waits for a process that listens, and counts a call inside it.
func (p *Process) hearer(ctx context.Context) (*life, error) {
	for {
		p.mu.Lock()
		l, changed := p.life, p.changed
		if l != nil && l.about.Capabilities.Listens {
			l.inside.Add(1)
			p.mu.Unlock()
			return l, nil
		}
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// listen is one listening of one process, until either side ends it or the process is to go.
func (l *life) listen(ctx context.Context, cursor string, yield func(string, ...otn.Record) error) error {
	calling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	go func() {
		select {
		case <-l.leaving:
			cancel()
		case <-calling.Done():
		}
	}()
	l.polls.begin()
	ended := false
	defer func() { l.polls.end(ended, time.Now()) }()
	stream, err := l.calls.Listen(calling)
	if err == nil {
		err = stream.Send(&wire.ListenFrame{Instance: l.spec.Name, Cursor: cursor})
	}
	if err != nil && !errors.Is(err, io.EOF) { // Recv says why it ended
		return lost(ctx, errDeaf, err)
	}
	for {
		frame, err := stream.Recv()
		if err != nil {
			return lost(ctx, errDeaf, err)
		}
		if end := frame.GetEnd(); end != nil {
			ended = true
			_, err := wire.ToPollEnd(end)
			return err
		}
		if err := l.take(frame, yield); err != nil {
			return err
		}
		select {
		case <-l.leaving: // before the other side has heard that it was kept, so that nothing more comes from it
			return errDeaf
		default:
		}
		if err := stream.Send(&wire.ListenFrame{Kept: frame.GetSeq()}); err != nil && !errors.Is(err, io.EOF) {
			return lost(ctx, errDeaf, err)
		}
	}
}

// take hands one frame over. Errors: yield's, and otn.ErrInvalid for a frame that no host takes.
func (l *life) take(frame *wire.HeardFrame, yield func(string, ...otn.Record) error) error {
	if len(frame.GetNext()) > otn.MaxCursor || len(frame.GetRecords()) > otn.MaxHeard {
		return fmt.Errorf("%d records and a cursor of %d bytes at once, at most %d and %d: %w", len(frame.GetRecords()), len(frame.GetNext()), otn.MaxHeard, otn.MaxCursor, otn.ErrInvalid)
	}
	records := make([]otn.Record, len(frame.GetRecords()))
	for i, m := range frame.GetRecords() {
		var err error
		if records[i], err = wire.ToRecord(m); err != nil {
			return err
		}
	}
	l.account(records)
	return yield(frame.GetNext(), records...)
}

// Lookup has the plugin ask its platform what became of a delivery. Errors: those of otn.Lookuper; a plugin that is down, does not look
// up or does not answer in time cannot tell.
func (p *Process) Lookup(ctx context.Context, d otn.Delivery) (otn.Receipt, error) {
	p.meter.lookups.Add(1)
	r, err := p.inPlace(func(l *life) (otn.Receipt, error) {
		if !l.about.Capabilities.Lookups {
			return otn.Receipt{}, fmt.Errorf("plugin %s looks nothing up: %w", l.about.Name, otn.ErrNotFound)
		}
		ctx, cancel := context.WithTimeout(ctx, p.spec.Call)
		defer cancel()
		d.Message = otn.Message{}
		m := wire.FromDelivery(&d)
		m.Instance = p.spec.Name
		result, err := l.calls.Lookup(ctx, m)
		if err != nil {
			return otn.Receipt{}, fmt.Errorf("%w: %w", otn.ErrUnavailable, err)
		}
		return wire.ToResult(result)
	})
	if se := (*otn.SendError)(nil); errors.As(err, &se) && se.Code == "down" { // that nothing is sent now says nothing of what was
		err = fmt.Errorf("the plugin does not answer now: %w", otn.ErrUnavailable)
	}
	return r, p.wrap("lookup", err)
}
