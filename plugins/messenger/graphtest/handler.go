// The API's doors: who calls, and what for.

package graphtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const maxBody = 1 << 20

var route = regexp.MustCompile(`^/(?:v\d+\.\d+/)?(me|\d+)(?:/(messages|subscribed_apps|messenger_profile))?$`)

// ServeHTTP answers one call of the Graph API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := route.FindStringSubmatch(r.URL.Path)
	if at == nil {
		unknownPath().write(w)
		return
	}
	caller := s.caller(r)
	if caller == nil {
		badToken().write(w)
		return
	}
	s.mu.Lock()
	usage := caller.usage
	s.mu.Unlock()
	usage.write(w.Header())
	if !s.proven(r, caller) {
		badProof().write(w)
		return
	}
	own := at[1] == "me" || at[1] == caller.ID
	switch {
	case r.Method == http.MethodGet && at[2] == "" && own:
		s.identify(w, caller)
	case !own:
		noSuchUser().write(w)
	case r.Method == http.MethodGet && at[2] == "messenger_profile":
		s.profile(w)
	case r.Method == http.MethodPost && at[2] == "messages":
		s.send(w, r, caller)
	case r.Method == http.MethodPost && at[2] == "subscribed_apps":
		s.subscribe(w, caller)
	default:
		unknownPath().write(w)
	}
}

// caller is the page whose access token the call carries, nil when it is nobody's.
func (s *Server) caller(r *http.Request) *page {
	given := r.URL.Query().Get("access_token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		given = bearer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pages {
		if given != "" && given == p.AccessToken {
			return p
		}
	}
	return nil
}

// proven checks an appsecret_proof that is given, and that one is given where it is wanted.
func (s *Server) proven(r *http.Request, p *page) bool {
	given := r.URL.Query().Get("appsecret_proof")
	if given == "" {
		return !s.options.RequireProof
	}
	return hmac.Equal([]byte(given), []byte(s.mac([]byte(p.AccessToken))))
}

// identify says whose access token it is.
func (s *Server) identify(w http.ResponseWriter, p *page) {
	s.mu.Lock()
	s.asked++
	hidden := s.hidden
	s.mu.Unlock()
	if hidden {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"id": p.ID, "name": p.Name})
}

// profile says whether the pages are under European rules.
func (s *Server) profile(w http.ResponseWriter) {
	s.mu.Lock()
	s.profiled++
	hidden := s.hidden
	s.mu.Unlock()
	if hidden {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"data": []any{map[string]any{"subject_to_new_eu_privacy_rules": s.options.European}}})
}

func (s *Server) mac(b []byte) string {
	h := hmac.New(sha256.New, []byte(s.options.AppSecret))
	_, _ = h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}

func (s *Server) subscribe(w http.ResponseWriter, p *page) {
	s.mu.Lock()
	p.unsubscribed, p.failingSince = false, time.Time{}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"success": true})
}

// send takes a message through its fault to its answer.
func (s *Server) send(w http.ResponseWriter, r *http.Request, p *page) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return // the caller went away
	}
	req, refused := parse(body)
	call := Call{Page: p.ID, Token: req.Recipient.Token, PSID: req.Recipient.ID, Metadata: req.Message.Metadata, At: s.options.Now()}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	fault := s.fault(call)
	s.mu.Unlock()
	if !fault.wait(r) {
		return
	}
	if fault.broken() && !fault.Accept {
		s.spoil(p, req)
		fault.answer(w, nil)
		return
	}
	var got *accepted
	if refused == nil {
		got, refused = s.accept(p, req, body)
	}
	if refused != nil {
		s.spoil(p, req)
		refused.write(w)
		return
	}
	s.echo(r.Context(), got.message)
	fault.answer(w, got.answer)
}

// wait holds the call back. It is false when the caller went away meanwhile.
func (f *Fault) wait(r *http.Request) bool {
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-r.Context().Done():
			return false
		}
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return false
		}
	}
	return true
}

// broken reports whether the call does not get its proper answer.
func (f *Fault) broken() bool { return f.Cut || f.Error != nil || f.HTTP != 0 }

// answer gives the fault's answer, or the proper one.
func (f *Fault) answer(w http.ResponseWriter, proper map[string]any) {
	switch {
	case f.Cut:
		cut(w)
	case f.Error != nil:
		f.Error.write(w)
	case f.HTTP != 0:
		for name, values := range f.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(f.HTTP)
		_, _ = io.WriteString(w, f.Body)
	default:
		delete(proper, f.Without)
		writeJSON(w, http.StatusOK, proper)
	}
}

// cut ends the connection without a word.
func cut(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}
