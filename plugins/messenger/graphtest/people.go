// What people and the platform do: write, tap, block, and be told through webhooks.

package graphtest

import (
	"context"
	"fmt"
	"time"
)

// Consent is the event of a tap on an ask with this payload: it mints the token that Event.Token names.
// An empty payload is left out, as the platform may.
func (s *Server) Consent(psid, payload string) Event { return s.ConsentOn(s.first(), psid, payload) }

// ConsentOn is Consent for one of several pages.
func (s *Server) ConsentOn(page, psid, payload string) Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	secret := fmt.Sprintf("81%017d", s.mint())
	s.tokens[secret] = &token{of: person{page, psid}, payload: payload, minted: now}
	optin := map[string]any{"type": "one_time_notif_req", "one_time_notif_token": secret}
	if payload != "" {
		optin["payload"] = payload
	}
	e := s.event(page, psid, now, "optin", optin)
	e.Token = secret
	return e
}

// Text is the event of a message from a person. It opens the window.
func (s *Server) Text(psid, text string) Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	s.windows[person{s.first(), psid}] = now.Add(windowLife)
	mid := fmt.Sprintf("m_in_%d", s.mint())
	return s.event(s.first(), psid, now, "message", map[string]any{"mid": mid, "text": text})
}

// Link is the event of a person who comes back through an m.me link with a ref. It opens the window.
func (s *Server) Link(psid, ref string) Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	s.windows[person{s.first(), psid}] = now.Add(windowLife)
	return s.event(s.first(), psid, now, "referral", map[string]any{"ref": ref, "source": "SHORTLINK", "type": "OPEN_THREAD"})
}

// Grant is a consent as a signed webhook, for whoever posts it.
func (s *Server) Grant(psid, payload string) Hook { return s.Sign(s.Consent(psid, payload)) }

// Tap taps "Notify Me" on an ask, and posts the consent to the webhook. It gives the token.
func (s *Server) Tap(ctx context.Context, a Ask) (token string, err error) {
	e := s.ConsentOn(a.Page, a.PSID, a.Payload)
	return e.Token, s.Post(ctx, e)
}

// Say writes to the page, and posts that to the webhook.
func (s *Server) Say(ctx context.Context, psid, text string) error {
	return s.Post(ctx, s.Text(psid, text))
}

// Block has a person block the page: sends to them answer 551, by token too.
func (s *Server) Block(psid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked[person{s.first(), psid}] = true
}

// Enforce has the platform warn, block or unblock the first page ("warning", "block", "unblock"); the event tells it.
func (s *Server) Enforce(action, reason string) Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pages[s.first()]
	switch action {
	case "block":
		p.stopped = true
	case "unblock":
		p.stopped = false
	}
	say := map[string]any{"action": action}
	if reason != "" {
		say["reason"] = reason
	}
	e := s.event(p.ID, "", s.options.Now(), "policy_enforcement", say)
	delete(e.item, "sender")
	return e
}

// event builds one item of messaging.
func (s *Server) event(page, psid string, at time.Time, kind string, what any) Event {
	return Event{Page: page, item: map[string]any{
		"sender":    map[string]any{"id": psid},
		"recipient": map[string]any{"id": page},
		"timestamp": at.UnixMilli(),
		kind:        what,
	}}
}
