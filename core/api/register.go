// How a call is registered: what it is, which scope it wants, and whether it changes something.

package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
)

// The marks of an operation, which the guards read. They are not in the document.
const (
	markScope = "scope" // core.Scope
	markActs  = "acts"  // bool: it changes something, and is in the audit log
	markNames = "names" // bool: its answer may name people, or hold their tokens
)

// exportID is the one call that is in the audit log for what it tells, and not for what it changes.
const exportID = "export-consents"

// register registers a call. A key wants the scope for it; one that acts is recorded in the audit log.
func register[I, O any](a huma.API, o huma.Operation, s core.Scope, acts bool, f func(context.Context, *I) (*O, error)) {
	o.Metadata = map[string]any{markScope: s, markActs: acts, markNames: !acts || o.OperationID == exportID}
	o.Security = []map[string][]string{{"key": {string(s)}}}
	o.Extensions = map[string]any{"x-scope": string(s)}
	o.MaxBodyBytes = maxBody
	o.Errors = append(o.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	huma.Register(a, o, f)
}

// get registers a call that looks.
func get[I, O any](a huma.API, s core.Scope, id, path, summary string, f func(context.Context, *I) (*body[O], error)) {
	register(a, huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Errors: []int{404}}, s, false, f)
}

// post registers a call that changes something.
func post[I, O any](a huma.API, s core.Scope, id, path, summary, text string, status int, f func(context.Context, *I) (*O, error)) {
	register(a, posted(id, path, summary, text, status), s, true, f)
}

// weigh registers a call that looks, and whose question is too long for a path. Repeated, it looks again.
func weigh[I, O any](a huma.API, s core.Scope, id, path, summary, text string, status int, f func(context.Context, *I) (*O, error)) {
	register(a, posted(id, path, summary, text, status), s, false, f)
}

func posted(id, path, summary, text string, status int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, Description: text, DefaultStatus: status, Errors: []int{404, 409, 413},
	}
}

// patch registers a call that changes a part of something.
func patch[I, O any](a huma.API, s core.Scope, id, path, summary, text string, f func(context.Context, *I) (*body[O], error)) {
	register(a, huma.Operation{
		OperationID: id, Method: http.MethodPatch, Path: path, Summary: summary, Description: text, Errors: []int{404, 409, 413},
	}, s, true, f)
}

// put and remove register calls that are idempotent by nature.
func put[I, O any](a huma.API, s core.Scope, id, path, summary, text string, f func(context.Context, *I) (*body[O], error)) {
	register(a, huma.Operation{
		OperationID: id, Method: http.MethodPut, Path: path, Summary: summary, Description: text, Errors: []int{404, 409, 413},
	}, s, true, f)
}

func remove[I, O any](a huma.API, s core.Scope, id, path, summary, text string, f func(context.Context, *I) (*body[O], error)) {
	register(a, huma.Operation{
		OperationID: id, Method: http.MethodDelete, Path: path, Summary: summary, Description: text, Errors: []int{404, 409},
	}, s, true, f)
}
