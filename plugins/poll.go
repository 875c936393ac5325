// A poll, host's side: the records of a plugin as they come, and an end without which they count for nothing.

package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// errCut is a poll that broke off: what it yielded may be half of what there is.
var errCut = errors.New("the poll was cut short")

// Poll has the plugin fetch. While the plugin starts it waits for it, up to the time that a start may take. Records reach
// yield as fast as it takes them: a plugin that yields faster waits. Errors: the plugin's own; otn.ErrUnavailable while the plugin is
// down and when it goes down on the way; otn.ErrInvalid for a plugin that does not poll and for a record that makes no sense.
func (p *Process) Poll(ctx context.Context, cursor string, yield func(otn.Record) error) (next string, err error) {
	l, err := p.awaited(ctx)
	if err != nil {
		return "", p.wrap("poll", err)
	}
	if !l.about.Capabilities.Polls {
		return "", p.wrap("poll", fmt.Errorf("plugin %s does not poll: %w", l.about.Name, otn.ErrInvalid))
	}
	next, err = l.poll(ctx, cursor, yield)
	return next, p.wrap("poll", err)
}

// awaited is the life that a poll goes to: nobody waits for its answer, so it can wait for a start.
func (p *Process) awaited(ctx context.Context) (*life, error) {
	starting, cancel := context.WithTimeout(ctx, p.spec.StartTimeout)
	defer cancel()
	if err := p.ready(starting); err != nil {
		return nil, fmt.Errorf("the plugin %w: %w", err, otn.ErrUnavailable)
	}
	return p.alive()
}

func (l *life) poll(ctx context.Context, cursor string, yield func(otn.Record) error) (string, error) {
	// The deadline stays here: told to the plugin too, either side could be the first to end the call.
	calling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	l.polls.begin()
	ended := false
	defer func() { l.polls.end(ended, time.Now()) }()
	stream, err := l.calls.Poll(calling, &wire.PollRequest{Instance: l.spec.Name, Cursor: cursor})
	if err != nil {
		return "", lost(ctx, errCut, err)
	}
	for {
		frame, err := stream.Recv()
		if err != nil {
			return "", lost(ctx, errCut, err)
		}
		for _, m := range frame.GetRecords() {
			r, err := wire.ToRecord(m)
			if err == nil {
				err = yield(r)
			}
			if err != nil {
				return "", err
			}
		}
		if end := frame.GetEnd(); end != nil {
			ended = true
			return wire.ToPollEnd(end)
		}
	}
}

// lost says why a poll or a listening broke off.
func lost(ctx context.Context, cut, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the plugin ended it without a word", cut)
	case rpc.Code(err) == codes.FailedPrecondition:
		return fmt.Errorf("%w: %s", otn.ErrUnavailable, rpc.Convert(err).Message())
	}
	return fmt.Errorf("%w: %w: %s", cut, otn.ErrUnavailable, rpc.Convert(err).Message())
}

// polls watches the polls and listenings of a life: those that the host is at, and when it last left one that had not ended.
type polls struct {
	mu   sync.Mutex
	open int
	left time.Time
}

func (p *polls) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
}

func (p *polls) end(ended bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if !ended {
		p.left = now
	}
}

// hung reports whether the plugin, which says that it is at polling polls, is still at one that was left before then.
func (p *polls) hung(polling int64, then time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return polling > int64(p.open) && !p.left.IsZero() && p.left.Before(then)
}
