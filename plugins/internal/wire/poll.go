// The end of a poll, to messages and back.

package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

// MaxPollFrame is how many bytes of records one frame of a poll is filled up to. A single larger record goes alone.
const MaxPollFrame = 256 << 10

// FromPollEnd writes what Poll returned. A cursor that cannot be kept is a fault.
func FromPollEnd(next string, err error) *PollEnd {
	if err == nil && (len(next) > otn.MaxCursor || !utf8.ValidString(next)) {
		err = fmt.Errorf("a cursor of %d bytes; want UTF-8 text of at most %d: %w", len(next), otn.MaxCursor, otn.ErrInvalid)
	}
	if err == nil {
		return &PollEnd{Next: next}
	}
	p := &PollEnd{Fault: detail(err), Cause: causeOf(err)}
	if p.Fault == "" {
		p.Fault = "the poll failed"
	}
	if se := (*otn.SendError)(nil); errors.As(err, &se) {
		p.AfterNs = int64(se.After)
	}
	return p
}

// ToPollEnd reads what Poll returned. A fault that says when to ask again is a *otn.SendError with After.
func ToPollEnd(p *PollEnd) (next string, err error) {
	if p.GetFault() == "" {
		if len(p.GetNext()) > otn.MaxCursor {
			return "", fmt.Errorf("a cursor of %d bytes, at most %d: %w", len(p.GetNext()), otn.MaxCursor, otn.ErrInvalid)
		}
		return p.GetNext(), nil
	}
	far := &farError{clip(p.GetFault()), causeNamed(p.GetCause())}
	if after := afterOf(p.GetAfterNs()); after > 0 {
		return "", &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, After: after, Err: far}
	}
	return "", far
}
