// What happens once: a call that changes something is recorded before its answer leaves, and one that is repeated under the same
// Idempotency-Key is answered as before.

package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/onetimenotify/otn/core"
)

// maxKept is the largest answer that is kept for a repeated call: 256 KiB. No call that changes something has a larger one.
const maxKept = 256 << 10

// maxDepth is how deep the JSON of a body may be nested.
const maxDepth = 32

// once reads the body of a call, and lets it happen once.
func (d *door) once(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	acts, _ := op.Metadata[markActs].(bool)
	if op.Method == http.MethodGet {
		next(ctx)
		return
	}
	r, w := humago.Unwrap(ctx)
	text, problem := wholeBody(r)
	c := callerOf(ctx.Context())
	if problem.Status != 0 {
		problem.RequestID = c.request
		problem.write(w)
		return
	}
	if takesLong(op) {
		c := http.NewResponseController(w) // a server without deadlines has none to lift
		_, _ = c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(text))
	call := core.Call{Asked: asked(op, r, text)}
	if op.Method == http.MethodPost {
		call.Repeat = repeatOf(r)
	}
	if acts {
		call.Entry = core.AuditEntry{Key: c.key.ID, From: c.from, Act: op.OperationID, What: d.pathOf(op, r), Request: c.request}
	} else if call.Repeat != "" {
		call.Entry.Key = c.key.ID
	}
	if !acts && call.Repeat == "" {
		next(humago.NewContext(op, r, w))
		return
	}
	names, _ := op.Metadata[markNames].(bool)
	d.carry(call, names, r, w, func(to http.ResponseWriter) { next(humago.NewContext(op, r, to)) })
}

// takesLong reports whether a call takes as long as the store is large: the deadlines of the server do not hold for its answer.
func takesLong(op *huma.Operation) bool {
	return op.OperationID == "backup" || op.OperationID == "erase"
}

// carry makes a call between its beginning and its end on disk. What names people is not kept: who is erased meanwhile would stay
// in it. Such a call is bound to its key all the same, and happens again when it is repeated.
func (d *door) carry(call core.Call, names bool, r *http.Request, w http.ResponseWriter, act func(http.ResponseWriter)) {
	ctx, c := r.Context(), callerOf(r.Context())
	begun, kept, err := d.host.BeginCall(ctx, call)
	switch {
	case err != nil:
		d.refuse(ctx, w, err)
		return
	case kept != nil:
		w.Header().Set("Content-Type", kept.Type)
		w.Header().Set("Idempotency-Replayed", "true")
		w.WriteHeader(kept.Status)
		_, _ = w.Write(kept.Body)
		return
	}
	held := &holder{ResponseWriter: w, header: http.Header{}}
	ended := false
	defer func() {
		if !ended { // a panic, which guard answers
			err := d.host.EndCall(ctx, begun, c.what, "internal", nil)
			if err != nil {
				d.log.Error("a call that panicked is not in the audit log", "request_id", c.request, "error", err)
			}
		}
	}()
	act(held)
	ended = true
	if err := d.host.EndCall(ctx, begun, c.what, held.outcome(), held.answer(names)); err != nil {
		d.refuse(ctx, w, err)
		return
	}
	held.release()
}

// refuse answers with the problem that an error is.
func (d *door) refuse(ctx context.Context, w http.ResponseWriter, err error) {
	var p Problem
	switch {
	case errors.Is(err, core.ErrUnderWay):
		w.Header().Set("Retry-After", "1")
		p = Problem{Status: http.StatusConflict, Code: "in_flight", Detail: "a call with this Idempotency-Key is under way; its answer will be kept"}
	case errors.Is(err, core.ErrOtherCall):
		p = Problem{Status: http.StatusUnprocessableEntity, Code: "other_call", Detail: "this Idempotency-Key was used for another call; take a new one"}
	default:
		var e huma.StatusError
		if err = d.problem(ctx, err); !errors.As(err, &p) && errors.As(err, &e) {
			p = Problem{Status: e.GetStatus(), Code: "error"}
		}
	}
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	p.Title, p.RequestID = http.StatusText(p.Status), callerOf(ctx).request
	p.write(w)
}

// maxRepeat is the longest Idempotency-Key, in characters as its schema counts them.
const maxRepeat = 128

// repeatOf is the idempotency key of a call. One that is too long is none: its schema refuses the call, which is on record as
// refused, like any other.
func repeatOf(r *http.Request) string {
	key := r.Header.Get("Idempotency-Key")
	if utf8.RuneCountInString(key) > maxRepeat {
		return ""
	}
	return key
}

// asked is a hash of all that a call asks.
func asked(op *huma.Operation, r *http.Request, text []byte) []byte {
	h := sha256.New()
	for _, part := range []string{op.OperationID, r.URL.EscapedPath(), r.URL.RawQuery} {
		_, _ = io.WriteString(h, part)
		_, _ = h.Write([]byte{0})
	}
	_, _ = h.Write(text)
	return h.Sum(nil)
}

// pathOf is what a call's path names, with a person by PersonName.
func (d *door) pathOf(op *huma.Operation, r *http.Request) string {
	var parts []string
	for _, p := range op.Parameters {
		if p.In == "path" {
			parts = append(parts, r.PathValue(p.Name))
		}
	}
	if channel := r.PathValue("channel"); channel != "" {
		return d.host.PersonName(channel, r.PathValue("id"))
	}
	return strings.Join(parts, " ")
}

// wholeBody reads a body to its end. The problem has no status where there is none.
func wholeBody(r *http.Request) ([]byte, Problem) {
	text, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &large):
		return nil, plainProblem(http.StatusRequestEntityTooLarge, "the body is larger than 1 MiB")
	case errors.As(err, &slow) && slow.Timeout():
		return nil, plainProblem(http.StatusRequestTimeout, "the body came too slowly")
	case err != nil:
		return nil, plainProblem(http.StatusBadRequest, "the body broke off")
	case tooDeep(text):
		return nil, plainProblem(http.StatusBadRequest, "the body is nested too deeply")
	}
	return text, Problem{}
}

func plainProblem(status int, detail string) Problem {
	return Problem{Status: status, Code: plainCode(status), Title: http.StatusText(status), Detail: detail}
}

// tooDeep counts brackets outside of texts. What else is wrong with the JSON, its reader says.
func tooDeep(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// holder keeps an answer back until it is on disk.
type holder struct {
	http.ResponseWriter // that it goes to in the end
	header              http.Header
	status              int
	body                bytes.Buffer
}

func (h *holder) Header() http.Header { return h.header }
func (h *holder) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}

func (h *holder) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

// release lets the answer go.
func (h *holder) release() {
	to := h.ResponseWriter.Header()
	for name, v := range h.header {
		to[name] = v
	}
	h.ResponseWriter.WriteHeader(max(h.status, http.StatusOK))
	_, _ = h.ResponseWriter.Write(h.body.Bytes())
}

// outcome is done, or the code of the problem.
func (h *holder) outcome() string {
	if h.status < http.StatusBadRequest {
		return "done"
	}
	var p struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(h.body.Bytes(), &p) != nil || p.Code == "" {
		return "error"
	}
	return p.Code
}

// answer is what is kept for who repeats the call: nothing where the call was not understood, or could be carried out later.
func (h *holder) answer(names bool) *core.CallAnswer {
	switch h.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
		http.StatusInternalServerError, http.StatusNotImplemented, http.StatusServiceUnavailable:
		return nil
	}
	if names || h.body.Len() > maxKept {
		return &core.CallAnswer{}
	}
	return &core.CallAnswer{Status: max(h.status, http.StatusOK), Type: h.header.Get("Content-Type"), Body: h.body.Bytes()}
}
