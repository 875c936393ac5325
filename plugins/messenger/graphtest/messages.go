// What becomes of a message: the rules of the platform, single use above all.

package graphtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Message is one message that a person got.
type Message struct {
	ID, Page, PSID string
	Token          string // what it was paid with; "" in an open window
	Text, Metadata string
	Body           json.RawMessage // of the call
	At             time.Time
}

// Ask is one request for consent that a person got.
type Ask struct {
	ID, Page, PSID string
	Title, Payload string
	At             time.Time
}

type request struct {
	Recipient struct {
		ID        string `json:"id"`
		Token     string `json:"one_time_notif_token"`
		UserRef   string `json:"user_ref"`
		Recurring string `json:"notification_messages_token"`
	} `json:"recipient"`
	Type    string `json:"messaging_type"`
	Tag     string `json:"tag"`
	Message struct {
		Text         string      `json:"text"`
		Attachment   *attachment `json:"attachment"`
		QuickReplies []struct {
			Title string `json:"title"`
		} `json:"quick_replies"`
		Metadata string `json:"metadata"`
	} `json:"message"`
}

type attachment struct {
	Type    string `json:"type"`
	Payload struct {
		Template string `json:"template_type"`
		Title    string `json:"title"`
		Payload  string `json:"payload"`
		URL      string `json:"url"`
		Elements []struct {
			Title    string            `json:"title"`
			Subtitle string            `json:"subtitle"`
			Buttons  []json.RawMessage `json:"buttons"`
		} `json:"elements"`
	} `json:"payload"`
}

// parse reads a body and checks what does not depend on anybody's state.
func parse(body []byte) (*request, *Error) {
	r := &request{}
	if json.Unmarshal(body, r) != nil {
		return r, badRequest()
	}
	forms := 0
	for _, form := range []string{r.Recipient.ID, r.Recipient.Token, r.Recipient.UserRef, r.Recipient.Recurring} {
		if form != "" {
			forms++
		}
	}
	m := &r.Message
	switch {
	case r.Tag != "" || r.Type == "MESSAGE_TAG":
		return r, badTag()
	case forms != 1 || r.Recipient.Recurring != "" || r.Recipient.UserRef != "":
		return r, badRequest()
	case m.Text == "" && m.Attachment == nil:
		return r, emptyMessage()
	case m.Text != "" && m.Attachment != nil, utf8.RuneCountInString(m.Text) > 2000, len(m.Metadata) > 1000, len(m.QuickReplies) > 13:
		return r, badRequest()
	case m.Attachment != nil && !m.Attachment.valid():
		return r, badRequest()
	}
	for _, q := range m.QuickReplies {
		if q.Title == "" {
			return r, badRequest()
		}
	}
	return r, nil
}

func (a *attachment) valid() bool {
	p := &a.Payload
	switch {
	case a.Type == "image":
		return strings.HasPrefix(p.URL, "http")
	case a.asks():
		return p.Title != "" && utf8.RuneCountInString(p.Title) <= 65 && len(p.Elements) == 0
	case a.Type != "template" || p.Template != "generic" || len(p.Elements) < 1 || len(p.Elements) > 10:
		return false
	}
	for _, e := range p.Elements {
		if e.Title == "" || utf8.RuneCountInString(e.Title) > 80 || utf8.RuneCountInString(e.Subtitle) > 80 || len(e.Buttons) > 3 {
			return false
		}
	}
	return true
}

// asks reports whether it is a request for consent.
func (a *attachment) asks() bool {
	return a != nil && a.Type == "template" && a.Payload.Template == "one_time_notif_req"
}

type accepted struct {
	message Message
	answer  map[string]any
}

// accept delivers a message, or says why not. Of parallel calls with one token exactly one is accepted.
func (s *Server) accept(p *page, r *request, body []byte) (*accepted, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	whom, refused := s.whom(p, r, now)
	if refused != nil {
		return nil, refused
	}
	switch {
	case p.stopped:
		return nil, pageStopped()
	case s.blocked[whom]:
		return nil, unavailable()
	case s.brakes(p, now):
		return nil, braked()
	}
	if t := s.tokens[r.Recipient.Token]; t != nil {
		t.used = true
	}
	m := Message{
		ID: fmt.Sprintf("m_graphtest_%d", s.mint()), Page: p.ID, PSID: whom.id, Token: r.Recipient.Token,
		Text: r.Message.Text, Metadata: r.Message.Metadata, Body: body, At: now,
	}
	if a := r.Message.Attachment; a.asks() {
		s.asks = append(s.asks, Ask{m.ID, p.ID, whom.id, a.Payload.Title, a.Payload.Payload, now})
	}
	s.messages = append(s.messages, m)
	return &accepted{m, map[string]any{"recipient_id": whom.id, "message_id": m.ID}}, nil
}

// whom finds the person, and whether this page may write to them now.
func (s *Server) whom(p *page, r *request, now time.Time) (person, *Error) {
	if r.Recipient.Token == "" {
		who := person{p.ID, r.Recipient.ID}
		if !s.options.OpenWindows && !s.windows[who].After(now) {
			return who, outsideWindow()
		}
		return who, nil
	}
	t := s.tokens[r.Recipient.Token]
	switch {
	case t == nil, t.of.page != p.ID, now.Sub(t.minted) > tokenLife:
		return person{}, s.deadToken()
	case t.used && !s.options.ReuseTokens:
		return person{}, s.deadToken()
	}
	return t.of, nil
}

// brakes counts the page's messages of the last second.
func (s *Server) brakes(p *page, now time.Time) bool {
	recent := p.accepted[:0]
	for _, at := range p.accepted {
		if now.Sub(at) < time.Second {
			recent = append(recent, at)
		}
	}
	p.accepted = recent
	if s.options.Brake > 0 && len(recent) >= s.options.Brake {
		return true
	}
	if s.options.Brake > 0 {
		p.accepted = append(p.accepted, now)
	}
	return false
}

// spoil spends the token of a send that failed, on a platform of that kind.
func (s *Server) spoil(p *page, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tokens[r.Recipient.Token]; t != nil && t.of.page == p.ID && s.options.SpendOnFailure {
		t.used = true
	}
}
