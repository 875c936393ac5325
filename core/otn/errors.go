// Errors that cross rooms: sentinels for the ordinary, SendError for what becomes of a token.

package otn

import (
	"errors"
	"fmt"
	"time"
)

// The sentinels. Branch on them with errors.Is.
var (
	ErrNotFound      = errors.New("not found")
	ErrSpent         = errors.New("token already spent")
	ErrRepeat        = errors.New("already done")
	ErrExpired       = errors.New("token expired")
	ErrNoToken       = errors.New("consent without a token")
	ErrUnknownTopic  = errors.New("unknown topic")
	ErrOutsideWindow = errors.New("outside the window in which the subscriber may be asked")
	ErrAlreadyAsked  = errors.New("already asked")
	ErrAlreadyGiven  = errors.New("consent already given")
	ErrConflict      = errors.New("changed by somebody else meanwhile")
	ErrInvalid       = errors.New("not valid")
	ErrRefused       = errors.New("refused")
	ErrUnauthorized  = errors.New("not authorised")
	ErrUnavailable   = errors.New("not available now")
	ErrStore         = errors.New("the store is in trouble")
	ErrForeign       = errors.New("not a data folder of otn")
	ErrKey           = errors.New("not the key that the store was made with")
	ErrLocked        = errors.New("in use by another daemon")
)

// SendError is a failed send that the channel understands. It crosses the process border as data.
type SendError struct {
	Outcome Outcome       // anything but Sent
	After   time.Duration // Deferred: try again after this; 0: the host's own schedule
	Scope   Scope
	Code    string // stable, few values: the platform's code, or a word
	Err     error  // for the operator; no secret
}

// Error says what went wrong, with the code.
func (e *SendError) Error() string {
	switch {
	case e.Err == nil:
		return fmt.Sprintf("%s [%s]", e.Outcome, e.Code)
	case e.Code == "":
		return e.Err.Error()
	}
	return fmt.Sprintf("%s [%s]", e.Err, e.Code)
}

// Unwrap gives the cause.
func (e *SendError) Unwrap() error { return e.Err }

// OutcomeOf reads what an error of Send says about the token: nil is Sent, a *SendError its own, any other error Unknown, and so is
// one that claims to be Sent or an outcome that does not exist.
func OutcomeOf(err error) (Outcome, *SendError) {
	if err == nil {
		return Sent, nil
	}
	var se *SendError
	if errors.As(err, &se) && se.Outcome != Sent && se.Outcome <= Invalid {
		return se.Outcome, se
	}
	return Unknown, &SendError{Outcome: Unknown, Code: "unclassified", Err: err}
}
