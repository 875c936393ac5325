// Problems: what went wrong, as RFC 9457 with a stable code, from the sentinels of core/otn.

package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core/otn"
)

// Problem is an error of the door. Code is stable; Detail is for people.
type Problem struct {
	Status    int     `json:"status"`
	Code      string  `json:"code"`
	Title     string  `json:"title"`
	Detail    string  `json:"detail,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
	Errors    []Fault `json:"errors,omitempty"`
}

// Fault is one thing wrong with a request: where, and what.
type Fault struct {
	Location string `json:"location,omitempty"`
	Message  string `json:"message"`
}

// Error is the problem in one line.
func (p Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	for _, f := range p.Errors {
		text += "; " + f.Location + ": " + f.Message
	}
	return text + " [" + p.Code + "]"
}

// GetStatus is the HTTP status.
func (p Problem) GetStatus() int { return p.Status }

// ContentType is application/problem+json.
func (p Problem) ContentType(string) string { return "application/problem+json" }

func (p Problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// codes are the sentinels as the outside sees them.
func codes() []struct {
	err    error
	status int
	code   string
} {
	return []struct {
		err    error
		status int
		code   string
	}{
		{otn.ErrNotFound, http.StatusNotFound, "not_found"},
		{otn.ErrUnknownTopic, http.StatusNotFound, "unknown_topic"},
		{otn.ErrSpent, http.StatusConflict, "already_spent"},
		{otn.ErrRepeat, http.StatusConflict, "already_done"},
		{otn.ErrExpired, http.StatusConflict, "expired"},
		{otn.ErrOutsideWindow, http.StatusConflict, "outside_window"},
		{otn.ErrAlreadyAsked, http.StatusConflict, "already_asked"},
		{otn.ErrAlreadyGiven, http.StatusConflict, "already_granted"},
		{otn.ErrConflict, http.StatusConflict, "conflict"},
		{otn.ErrRefused, http.StatusConflict, "refused"},
		{otn.ErrNoToken, http.StatusUnprocessableEntity, "no_token"},
		{otn.ErrStore, http.StatusServiceUnavailable, "store"},
		{otn.ErrForeign, http.StatusServiceUnavailable, "store"},
		{otn.ErrLocked, http.StatusServiceUnavailable, "store"},
		{otn.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
		{otn.ErrInvalid, http.StatusUnprocessableEntity, "invalid"},
	}
}

// problem gives an error of the host its status and code. What is in no table is a 500 whose cause is logged, not told.
func (d *door) problem(ctx context.Context, err error) error {
	p := Problem{Status: http.StatusInternalServerError, Code: "internal"}
	for _, c := range codes() {
		if errors.Is(err, c.err) {
			p.Status, p.Code, p.Detail = c.status, c.code, err.Error()
			break
		}
	}
	var se *otn.SendError
	var faulty *Faulty
	switch {
	case errors.As(err, &faulty):
		p.Status, p.Code, p.Detail, p.Errors = http.StatusUnprocessableEntity, "rules", "the rules are at fault: the old version goes on", faulty.Faults
	case p.Detail != "":
	case errors.As(err, &se):
		p.Status, p.Code, p.Detail = sendProblem(se), se.Outcome.String(), se.Error()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p.Status, p.Code, p.Detail = http.StatusServiceUnavailable, "unavailable", "the daemon is stopping, or the call took too long"
	default:
		d.log.Error("a call of the admin door ended in an error", "request_id", ctx.Value(requestID{}), "error", err)
	}
	if p.Status == http.StatusServiceUnavailable {
		return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {"5"}})
	}
	return p
}

// sendProblem is the status of a request for consent that a channel did not take.
func sendProblem(se *otn.SendError) int {
	switch se.Outcome {
	case otn.Refused:
		return http.StatusConflict
	case otn.Deferred:
		return http.StatusServiceUnavailable
	case otn.Invalid:
		return http.StatusUnprocessableEntity
	default:
		return http.StatusBadGateway
	}
}

// asProblem gives huma's own errors the same form, and every problem its title and request id.
func asProblem(ctx huma.Context, _ string, v any) (any, error) {
	var p Problem
	switch e := v.(type) {
	case Problem:
		p = e
	case *huma.ErrorModel:
		p = Problem{Status: e.Status, Code: plainCode(e.Status), Detail: e.Detail}
		for _, d := range e.Errors {
			p.Errors = append(p.Errors, Fault{Location: d.Location, Message: d.Message})
		}
	default:
		return v, nil
	}
	p.Title = http.StatusText(p.Status)
	p.RequestID, _ = ctx.Context().Value(requestID{}).(string)
	return p, nil
}

// describeProblems puts Problem in the place of huma's own description of an error.
func describeProblems(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas
	problem := schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, path := range doc.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Put, path.Patch, path.Delete} {
			if op == nil {
				continue
			}
			for _, answer := range op.Responses {
				if c := answer.Content["application/problem+json"]; c != nil {
					c.Schema = problem
				}
			}
		}
	}
	delete(schemas.Map(), "ErrorModel")
	delete(schemas.Map(), "ErrorDetail")
}

// noNulls says of lists what is true of them: they are never null, in what is asked as in what is answered.
func noNulls(doc *huma.OpenAPI) {
	for _, s := range doc.Components.Schemas.Map() {
		noNull(s)
	}
}

func noNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	noNull(s.Items)
	for _, p := range s.Properties {
		noNull(p)
	}
}

// plainCode is the code of a request that no handler saw.
func plainCode(status int) string {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusUnsupportedMediaType:
		return "unsupported_media_type"
	case http.StatusBadRequest:
		return "malformed"
	case http.StatusUnprocessableEntity:
		return "invalid"
	case http.StatusRequestTimeout:
		return "too_slow"
	}
	return "error"
}
