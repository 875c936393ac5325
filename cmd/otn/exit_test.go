// Every error has its exit code, and says what to do next where that can be said.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		hint string
	}{
		{nil, 0, ""},
		{errors.New("x"), 1, ""},
		{usage("x"), 2, ""},
		{api.Problem{Status: 422, Code: "invalid"}, 2, ""},
		{config.Faults{{File: "otn.yaml"}}, 3, ""},
		{rules.Errors{{File: "a.yaml"}}, 3, ""},
		{api.Problem{Status: 404, Code: "not_found"}, 4, ""},
		{api.Problem{Status: 404, Code: "unknown_topic"}, 4, ""},
		{api.Problem{Status: 409, Code: "already_asked"}, 5, ""},
		{api.Problem{Status: 409, Code: "outside_window"}, 5, "24 hours"},
		{api.Problem{Status: 401, Code: "unauthorized"}, 6, "admin.key"},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, 6, ""},
		{said(exitPartly), 7, ""},
		{api.ErrUnreachable, 8, "otn serve"},
		{api.Problem{Status: 503, Code: "unavailable"}, 8, ""},
		{api.Problem{Status: 502, Code: "unknown"}, 9, ""},
		{api.Problem{Status: 500, Code: "internal", RequestID: "r1"}, 70, "r1"},
		{api.Problem{Status: 503, Code: "store"}, 74, ""},
		{otn.ErrStore, 74, ""},
		{otn.ErrLocked, 74, "other daemon"},
		{otn.ErrForeign, 74, "empty folder"},
		{context.Canceled, 130, ""},
	} {
		err := c.err
		if err != nil && c.code != exitConfig {
			err = fmt.Errorf("wrapped: %w", err)
		}
		if got := exitCode(err); got != c.code {
			t.Errorf("%v exits with %d, want %d", c.err, got, c.code)
		}
		if err == nil {
			continue
		}
		if hint := advice(err); (hint == "") != (c.hint == "") || !strings.Contains(hint, c.hint) {
			t.Errorf("%v advises %q, want %q in it", c.err, hint, c.hint)
		}
		if !strings.Contains(exitText, fmt.Sprintf(" %d ", c.code)) {
			t.Errorf("%d is not explained", c.code)
		}
	}
}

// A bug ends with its own code and asks for a report.
func TestPanicIsInternal(t *testing.T) {
	var stderr strings.Builder
	code := run(console{args: []string{"version"}, stdout: panicking{}, stderr: &stderr})
	if code != exitInternal || !strings.Contains(stderr.String(), "report") {
		t.Errorf("exit %d, %s", code, stderr.String())
	}
}

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic("a bug") }
