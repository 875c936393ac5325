// What becomes of acts: on record from their beginning, and told how they ended.

package console_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
)

// An act that the host refuses is told once, on the page that it came from; a fault of otn's own is not told at all.
func TestErrorsAreTold(t *testing.T) {
	b := open(t, newFake()).login("all")
	b.f.err = fmt.Errorf("core: run r1 wants no approval: %w", otn.ErrRefused)
	status, _, h := b.do("POST", "/runs/r1/approve", form("back", "/people"))
	b.f.err = nil
	if text := b.get(h.Get("Location")); status != http.StatusSeeOther || !strings.Contains(text, "Run r1 wants no approval: refused.") {
		t.Errorf("HTTP %d\n%s", status, text)
	}
	if strings.Contains(b.get("/people"), "wants no approval") {
		t.Error("it is told twice")
	}
	if len(b.f.acts) == 0 || b.f.acts[len(b.f.acts)-1].Outcome != "refused" || b.f.acts[len(b.f.acts)-1].Act != "approve-run" {
		t.Errorf("recorded: %+v", b.f.acts)
	}
	for err, want := range map[error]int{
		otn.ErrNotFound: 404, otn.ErrInvalid: 422, otn.ErrConflict: 409, otn.ErrUnavailable: 503, context.DeadlineExceeded: 503, fmt.Errorf("secret-canary"): 500,
		&otn.SendError{Outcome: otn.Unknown, Err: fmt.Errorf("x")}: 502,
	} {
		b.f.err = err
		status, text, _ := b.do("GET", "/journal", nil)
		if status != want || strings.Contains(text, "secret-canary") || !strings.Contains(text, "<main") {
			t.Errorf("%v: HTTP %d\n%s", err, status, text)
		}
	}
}

// An act is on record before it does anything: without a record it is not done. One whose end cannot be recorded is done, and the
// page says both; one that panics is on record as a fault of otn.
func TestActsAreOnRecordFirst(t *testing.T) {
	told := func(b *browser, name string) string {
		t.Helper()
		_, text, h := b.do("POST", "/people/tags", form("p", b.person(), "tags", name, "back", "/people"))
		if h.Get("Location") == "" {
			return text
		}
		return b.get(h.Get("Location"))
	}
	b := open(t, newFake()).login("all")
	b.f.done, b.f.unrecorded = nil, fmt.Errorf("core: a call could not be recorded: %w", otn.ErrStore)
	if text := told(b, "vip"); len(b.f.done) > 0 || !strings.Contains(text, "A call could not be recorded") {
		t.Errorf("without a record: did %v, told\n%s", b.f.done, text)
	}
	b.f.unrecorded, b.f.unended = nil, fmt.Errorf("core: a call could not be recorded: %w", otn.ErrStore)
	if text := told(b, "vip"); len(b.f.done) != 1 || !strings.Contains(text, "The audit log could not be written, and this ended as &#34;done&#34;") {
		t.Errorf("without the record of its end: did %v, told\n%s", b.f.done, text)
	}
	b.f.unended, b.f.panics = nil, true
	if text := told(b, "vip"); !strings.Contains(text, "a fault of otn itself") || b.f.acts[len(b.f.acts)-1].Outcome != "internal" {
		t.Errorf("a panic: recorded %+v, told\n%s", b.f.acts, text)
	}
}
