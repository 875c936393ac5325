// Webhooks: events in envelopes, signed as Meta signs, posted until they are taken.

package graphtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf16"
)

// How Meta treats a webhook that does not answer 200. Source: Messenger Webhooks.
const (
	quickTries      = 3
	unsubscribeTime = time.Hour
)

const signatureHeader = "X-Hub-Signature-256"

// Event is one item of a webhook's body.
type Event struct {
	Page    string
	Token   string // of a consent
	Standby bool   // another app holds the thread

	item map[string]any
}

// Hook is a webhook as it arrives: raw body and signature.
type Hook struct {
	Body   []byte
	Header http.Header
	Token  string // of its consent, where it holds exactly one
}

// Sign puts events in one body, in their order, with an entry for each.
func (s *Server) Sign(events ...Event) Hook {
	var entries []any
	var h Hook
	for _, e := range events {
		list := "messaging"
		if e.Standby {
			list = "standby"
		}
		entries = append(entries, map[string]any{"id": e.Page, "time": s.options.Now().UnixMilli(), list: []any{e.item}})
		if e.Token != "" {
			h.Token = e.Token
		}
	}
	if len(events) > 1 {
		h.Token = ""
	}
	h.Body = escaped(map[string]any{"object": "page", "entry": entries})
	h.Header = http.Header{"Content-Type": {"application/json"}, signatureHeader: {"sha256=" + s.mac(h.Body)}}
	return h
}

// escaped writes JSON as Meta does: slashes escaped, everything beyond ASCII as \uXXXX.
func escaped(v any) []byte {
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("graphtest: an event that is no JSON: " + err.Error()) // events are made of maps, texts and numbers
	}
	var out bytes.Buffer
	for _, r := range strings.TrimSuffix(plain.String(), "\n") {
		switch {
		case r == '/':
			out.WriteString(`\/`)
		case r < 0x80:
			out.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		}
	}
	return out.Bytes()
}

type pendingHook struct {
	page string
	hook Hook
}

// Post sends events to the webhook in one body, with the quick retries of the platform. A hook that is not taken stays
// for Flush, and its error is given. Without a webhook nothing happens.
func (s *Server) Post(ctx context.Context, events ...Event) error {
	if s.options.Webhook == "" || len(events) == 0 {
		return nil
	}
	p := pendingHook{events[0].Page, s.Sign(events...)}
	err := s.deliver(ctx, p)
	if err != nil {
		s.queue(p)
	}
	return err
}

// Flush posts what waits: hooks that were not taken, and late echoes, in their order. What is not taken goes on waiting.
func (s *Server) Flush(ctx context.Context) error {
	s.mu.Lock()
	waiting := s.pending
	s.pending = nil
	s.mu.Unlock()
	var faults []error
	for _, p := range waiting {
		if err := s.deliver(ctx, p); err != nil {
			faults = append(faults, err)
			s.queue(p)
		}
	}
	return errors.Join(faults...)
}

// queue keeps a hook for Flush; a page that was unsubscribed loses it.
func (s *Server) queue(p pendingHook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if page := s.pages[p.page]; page == nil || !page.unsubscribed {
		s.pending = append(s.pending, p)
	}
}

// deliver posts one hook. After an hour of failures its page is unsubscribed: what comes then is lost until somebody
// subscribes it again.
func (s *Server) deliver(ctx context.Context, p pendingHook) (err error) {
	s.mu.Lock()
	gone := s.pages[p.page] != nil && s.pages[p.page].unsubscribed
	s.mu.Unlock()
	if gone {
		return nil
	}
	for range quickTries {
		if err = p.hook.Post(ctx, s.hooks, s.options.Webhook); err == nil {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	page := s.pages[p.page]
	now := s.options.Now()
	switch {
	case page == nil:
	case err == nil:
		page.failingSince = time.Time{}
	case page.failingSince.IsZero():
		page.failingSince = now
	case now.Sub(page.failingSince) >= unsubscribeTime:
		page.unsubscribed = true
	}
	return err
}

// Post sends the hook to a webhook; anything but 200 is an error.
func (h Hook) Post(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(h.Body))
	if err != nil {
		return fmt.Errorf("graphtest: %w", err)
	}
	req.Header = h.Header.Clone()
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("graphtest: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("graphtest: the webhook answers %s", resp.Status)
	}
	return nil
}

// Echo is the event that shows a message of the page, with its metadata; sender and recipient are swapped.
func (s *Server) Echo(m Message) Event {
	return Event{Page: m.Page, item: map[string]any{
		"sender":    map[string]any{"id": m.Page},
		"recipient": map[string]any{"id": m.PSID},
		"timestamp": m.At.UnixMilli(),
		"message":   map[string]any{"mid": m.ID, "is_echo": true, "app_id": 880000000000001, "metadata": m.Metadata, "text": m.Text},
	}}
}

// echo posts or queues the echo of a message, as the mode says. An echo that is not taken waits for Flush.
func (s *Server) echo(ctx context.Context, m Message) {
	if s.options.Webhook == "" || m.Metadata == "" {
		return
	}
	switch s.options.Echo {
	case EchoBefore:
		_ = s.Post(ctx, s.Echo(m))
	case EchoLate:
		s.queue(pendingHook{m.Page, s.Sign(s.Echo(m))})
	case EchoNever:
	}
}
