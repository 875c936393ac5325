// Exit codes: what each means, and which one an error has.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// The exit codes. They are part of the contract.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitConfig       = 3
	exitNotFound     = 4
	exitRefused      = 5
	exitUnauthorised = 6
	exitPartly       = 7
	exitUnreachable  = 8
	exitUnknown      = 9
	exitInternal     = 70
	exitStore        = 74
	exitInterrupted  = 130
)

const exitText = `Exit codes of otn:

    0   done
    1   failed
    2   usage: a command, flag or argument is wrong
    3   the configuration or the rules are at fault
    4   not found
    5   refused: already spent or asked, outside the window
    6   not authorised
    7   partly done, or done with warnings
    8   cannot reach the daemon, or it is not available now
    9   the outcome is unknown
   70   internal: a bug, please report it
   74   the store is in trouble
  130   interrupted`

// coded is an error with an exit code and advice of its own.
type coded struct {
	code int
	err  error
	hint string // what to do next
}

func (c *coded) Error() string { return c.err.Error() }
func (c *coded) Unwrap() error { return c.err }

// usage is a wrong call of a command.
func usage(format string, args ...any) error {
	return &coded{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exitCode is the code of an error.
func exitCode(err error) int {
	var own *coded
	var problem api.Problem
	var faults config.Faults
	var wrong rules.Errors
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &faults), errors.As(err, &wrong):
		return exitConfig
	case errors.As(err, &problem):
		return problemCode(problem)
	case errors.Is(err, api.ErrUnreachable):
		return exitUnreachable
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, otn.ErrStore), errors.Is(err, otn.ErrForeign), errors.Is(err, otn.ErrLocked):
		return exitStore
	case errors.Is(err, otn.ErrRefused):
		return exitRefused
	case errors.Is(err, otn.ErrNotFound):
		return exitNotFound
	case errors.Is(err, fs.ErrPermission):
		return exitUnauthorised
	}
	return exitFailed
}

func problemCode(p api.Problem) int {
	switch p.Code {
	case "unknown":
		return exitUnknown
	case "store":
		return exitStore
	case "rules":
		return exitConfig
	}
	switch p.Status {
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict:
		return exitRefused
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitUnauthorised
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return exitUsage
	case http.StatusServiceUnavailable:
		return exitUnreachable
	case http.StatusInternalServerError:
		return exitInternal
	}
	return exitFailed
}

// advice says what to do about an error, where it can be said.
func advice(err error) string {
	var own *coded
	var p api.Problem
	errors.As(err, &p)
	switch {
	case errors.As(err, &own):
		return own.hint
	case errors.Is(err, errOther):
		return "when the certificate was renewed, let the daemon read it: send it SIGHUP"
	case errors.Is(err, api.ErrUnreachable):
		return "start it with `otn serve`, or name its configuration with -c"
	case p.Status == http.StatusUnauthorized:
		return "the key in data/admin.key is not this daemon's: is -c the configuration it was started with?"
	case p.Code == "outside_window":
		return "a person can be asked for 24 hours after they last wrote or tapped"
	case p.Code == "internal":
		return "this is a bug of otn, please report it with the request id " + p.RequestID + " and the daemon's log"
	case errors.Is(err, otn.ErrLocked):
		return "stop the other daemon, or give this one a folder of its own (data)"
	case errors.Is(err, otn.ErrForeign):
		return "name an empty folder, or one that does not exist yet (data)"
	}
	return ""
}

// complain writes an error for people: what, where, why, and what to do next.
func complain(err error) string {
	var faults config.Faults
	var wrong rules.Errors
	text := err.Error()
	if !errors.As(err, &faults) && !errors.As(err, &wrong) {
		text = "otn: " + text
	}
	if hint := advice(err); hint != "" {
		text += "\n     " + hint
	}
	return strings.TrimRight(text, "\n")
}
