// Sessions: kept in memory, known to a browser by a cookie that no script reads and no other site sends.

package console

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// How long a session lasts without a request, and at the longest; and how many there are at once.
const (
	idleFor        = 30 * time.Minute
	lastsFor       = 12 * time.Hour
	sessionsAtOnce = 1000
)

// session is somebody who is logged in. Their key is asked for at each request: one that is revoked ends the session.
type session struct {
	secret      otn.Secret
	began, seen time.Time
	said        *notice // what the next page tells, once
}

// notice is what became of an act.
type notice struct{ Tone, Text string }

// sessions are known by the hash of their cookie.
type sessions struct {
	now  func() time.Time
	mu   sync.Mutex
	list map[[32]byte]*session
}

// begin makes a session and gives its cookie: 256 random bits.
func (s *sessions) begin(secret otn.Secret) string {
	cookie := rand.Text() + rand.Text()
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = map[[32]byte]*session{}
	}
	s.sweep(now)
	s.list[sha256.Sum256([]byte(cookie))] = &session{secret: secret, began: now, seen: now}
	return cookie
}

// sweep forgets those that have ended, and the one that was seen the longest ago where there are too many.
func (s *sessions) sweep(now time.Time) {
	var oldest [32]byte
	var at time.Time
	for id, one := range s.list {
		if one.over(now) {
			delete(s.list, id)
		} else if at.IsZero() || one.seen.Before(at) {
			oldest, at = id, one.seen
		}
	}
	if len(s.list) >= sessionsAtOnce {
		delete(s.list, oldest)
	}
}

func (one *session) over(now time.Time) bool {
	return now.Sub(one.seen) >= idleFor || now.Sub(one.began) >= lastsFor
}

// resume finds the session of a cookie. live requests of a page that refreshes itself do not count as a sign of somebody.
func (s *sessions) resume(cookie string, live bool) (*session, bool) {
	id, now := sha256.Sum256([]byte(cookie)), s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.list[id]
	if !ok || one.over(now) {
		delete(s.list, id)
		return nil, false
	}
	if !live {
		one.seen = now
	}
	return one, true
}

func (s *sessions) end(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.list, sha256.Sum256([]byte(cookie)))
}

// say leaves a notice for the next page; told takes it.
func (s *sessions) say(one *session, n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.said = &n
}

func (s *sessions) told(one *session) *notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := one.said
	one.said = nil
	return n
}

// secure reports whether the browser came by https: to this server, or to the proxy in front of it.
func (c *console) secure(r *http.Request) bool {
	return c.TLS || r.TLS != nil || r.URL.Scheme == "https"
}

// cookieName is bound to the host, to https and to / by its prefix, where there is https.
func (c *console) cookieName(r *http.Request) string {
	if c.secure(r) {
		return "__Host-otn"
	}
	return "otn"
}

func (c *console) setCookie(w http.ResponseWriter, r *http.Request, value string) {
	cookie := &http.Cookie{Name: c.cookieName(r), Value: value, Path: "/", HttpOnly: true, Secure: c.secure(r), SameSite: http.SameSiteStrictMode} //nolint:gosec // secure wherever there is https
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

func (c *console) cookie(r *http.Request) string {
	cookie, err := r.Cookie(c.cookieName(r))
	if err != nil {
		return ""
	}
	return cookie.Value
}
