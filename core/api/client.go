// The other side of the door, for Go programs and for the otn command.

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/onetimenotify/otn/core/otn"
)

// ErrUnreachable is a door at which nobody answers: nothing was asked of the daemon, or its answer did not come.
var ErrUnreachable = errors.New("the daemon does not answer")

// maxAnswer is the largest answer that a client reads: 64 MiB.
const maxAnswer = 64 << 20

// Client speaks to a door.
type Client struct {
	Base string     // as in http://127.0.0.1:8081
	Key  otn.Secret // of the door
	HTTP *http.Client
}

// Get reads path into out.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, path, "", nil, out)
}

// Post sends in to path and reads the answer into out. key is an idempotency key, "" for none: a call that ended in
// ErrUnreachable can be repeated with the same one.
func (c *Client) Post(ctx context.Context, path, key string, in, out any) error {
	return c.with(ctx, http.MethodPost, path, key, in, out)
}

// Put and Patch are Post with other methods, for calls that are idempotent by nature.
func (c *Client) Put(ctx context.Context, path string, in, out any) error {
	return c.with(ctx, http.MethodPut, path, "", in, out)
}

// Patch is Put for a part of something.
func (c *Client) Patch(ctx context.Context, path string, in, out any) error {
	return c.with(ctx, http.MethodPatch, path, "", in, out)
}

func (c *Client) with(ctx context.Context, method, path, key string, in, out any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	return c.do(ctx, method, path, key, text, out)
}

// Delete is Get with another method.
func (c *Client) Delete(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodDelete, path, "", nil, out)
}

// do makes one call. Errors: Problem, ErrUnreachable, the context's.
func (c *Client) do(ctx context.Context, method, path, key string, in []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.Base+path, bytes.NewReader(in))
	if err != nil {
		return fmt.Errorf("api: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.Key.Reveal())
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return c.lost(ctx, err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return c.lost(ctx, err)
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return refusal(answer, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("api: %s answered with something else: %w", c.Base, err)
	}
	if r, ok := out.(repeated); ok && answer.Header.Get("Idempotency-Replayed") == "true" {
		r.again()
	}
	return nil
}

// repeated is an answer that can say that it was given before.
type repeated interface{ again() }

func (a *TriggerAnswer) again() { a.Duplicate = true }
func (a *SendAnswer) again()    { a.Duplicate = true }

// lost is a call that was not answered, without the address twice.
func (c *Client) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("api: %w", context.Cause(ctx))
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Errorf("api: %s: %w: %w", c.Base, ErrUnreachable, err)
}

// refusal reads a problem, or makes one of an answer that is none.
func refusal(answer *http.Response, text []byte) error {
	var p Problem
	if json.Unmarshal(text, &p) != nil || p.Code == "" {
		p = Problem{Code: "error", Title: answer.Status}
	}
	p.Status = answer.StatusCode
	return p
}
