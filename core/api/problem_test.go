// What errors look like outside, whoever makes them.

package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

// Every sentinel has its status and its stable code.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{otn.ErrNotFound, 404, "not_found"}, {otn.ErrUnknownTopic, 404, "unknown_topic"}, {otn.ErrOutsideWindow, 409, "outside_window"},
		{otn.ErrAlreadyAsked, 409, "already_asked"}, {otn.ErrAlreadyGiven, 409, "already_granted"}, {otn.ErrRefused, 409, "refused"},
		{otn.ErrSpent, 409, "already_spent"}, {otn.ErrInvalid, 422, "invalid"}, {otn.ErrStore, 503, "store"}, {otn.ErrUnavailable, 503, "unavailable"},
		{&otn.SendError{Outcome: otn.Unknown, Code: "timeout"}, 502, "unknown"}, {&otn.SendError{Outcome: otn.Deferred}, 503, "deferred"},
		{&otn.SendError{Outcome: otn.Invalid}, 422, "invalid"}, {&otn.SendError{Outcome: otn.Refused, Err: otn.ErrOutsideWindow}, 409, "outside_window"},
		{errors.New("canary of the inside"), 500, "internal"},
	} {
		status, text, h := call(t, open(t, &fake{err: fmt.Errorf("core: %w", c.err)}), "POST", "/v1/asks", `{"channel":"shop","recipient":"222","topic":"t"}`)
		var p api.Problem
		if err := json.Unmarshal([]byte(text), &p); err != nil || status != c.status || p.Code != c.code || p.Status != c.status || p.Title == "" {
			t.Errorf("%v: %d %s", c.err, status, text)
		}
		if h.Get("Content-Type") != "application/problem+json" || p.RequestID == "" || p.RequestID != h.Get("X-Request-Id") {
			t.Errorf("%v: headers %v, problem %+v", c.err, h, p)
		}
		if strings.Contains(text, "canary") {
			t.Errorf("the inside is told: %s", text)
		}
	}
}

// What is malformed is a problem of the same form, and the host never sees it.
func TestMalformed(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
		code, part         string
	}{
		{"POST", "/v1/asks", `{"channel":"shop"`, 400, "malformed", ""},
		{"POST", "/v1/asks", `{"channel":"shop","recipient":"2","topic":"t","titel":"x"}`, 422, "invalid", "titel"},
		{"POST", "/v1/asks", `{"channel":"shop"}`, 422, "invalid", "recipient"},
		{"POST", "/v1/observations", `{"observations":[]}`, 422, "invalid", "observations"},
		{"POST", "/v1/deliveries/d/resolve", `{"outcome":"maybe"}`, 422, "invalid", "outcome"},
		{"GET", "/v1/consents?stat=x", "", 422, "invalid", "stat"},
		{"GET", "/v1/consents?limit=5000", "", 422, "invalid", "limit"},
		{"GET", "/v1/deliveries?channel=shop", "", 422, "invalid", "subscriber"},
		{"POST", "/v1/triggers/x", `{"fields":{"a":"` + strings.Repeat("x", 2<<20) + `"}}`, 413, "too_large", ""},
	} {
		f := &fake{}
		status, text, _ := call(t, open(t, f), c.method, c.path, c.body)
		if status != c.status || !strings.Contains(text, `"code":"`+c.code+`"`) || !strings.Contains(text, c.part) || f.got != nil {
			t.Errorf("%s %s: %d %.300s, the host got %v", c.method, c.path, status, text, f.got)
		}
	}
}

// panicky panics over a person.
type panicky struct{ *fake }

func (panicky) Subscriber(_, _ string) (core.SubscriberView, error) { panic("canary") }

// The log of a panic says where it was, and not about whom.
func TestPanicNamesNobody(t *testing.T) {
	var log bytes.Buffer
	s := httptest.NewServer(api.New(panicky{&fake{}}, api.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}))
	defer s.Close()
	if status, text, _ := call(t, s, "GET", "/v1/subscribers/shop/maria", ""); status != 500 {
		t.Fatalf("%d %s", status, text)
	}
	if text := log.String(); strings.Contains(text, "maria") || !strings.Contains(text, "path=/v1/subscribers ") {
		t.Error(text)
	}
}

// A panic is one call's end, not the door's.
func TestPanic(t *testing.T) {
	f := &fake{panics: true}
	s := open(t, f)
	status, text, h := call(t, s, "GET", "/v1/topics", "")
	if status != 500 || strings.Contains(text, "canary") || !strings.Contains(text, h.Get("X-Request-Id")) {
		t.Errorf("%d %s", status, text)
	}
	f.panics = false
	if status, _, _ := call(t, s, "GET", "/v1/topics", ""); status != 200 {
		t.Errorf("then %d", status)
	}
}
