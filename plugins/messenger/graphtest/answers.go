// What the fake answers: the errors that Meta documents, and usage headers.

package graphtest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Error is an error of the Graph API. The zero HTTP is 400.
type Error struct {
	Code, Subcode int
	Message       string
	HTTP          int
}

// Error gives code and text.
func (e *Error) Error() string { return fmt.Sprintf("(#%d/%d) %s", e.Code, e.Subcode, e.Message) }

// The errors of the fake's own rules. Codes: Meta, Common Error Codes; the texts are ours.
func badToken() *Error      { return &Error{190, 0, "Access token is not valid", http.StatusUnauthorized} }
func badRequest() *Error    { return &Error{100, 0, "Parameter problem", http.StatusBadRequest} }
func noSuchUser() *Error    { return &Error{100, 2018001, "No such user", http.StatusBadRequest} }
func emptyMessage() *Error  { return &Error{100, 2018034, "Message is empty", http.StatusBadRequest} }
func badTag() *Error        { return &Error{100, 0, "Message tag is not supported", http.StatusBadRequest} }
func outsideWindow() *Error { return &Error{10, 2018278, "Outside the allowed window", 400} }
func unavailable() *Error   { return &Error{551, 0, "Person does not receive messages now", 400} }
func pageStopped() *Error {
	return &Error{10, 1893063, "Page may not send for now", http.StatusForbidden}
}
func braked() *Error      { return &Error{613, 0, "Call limit", http.StatusBadRequest} }
func badProof() *Error    { return &Error{100, 0, "appsecret_proof is missing or wrong", 400} }
func unknownPath() *Error { return &Error{2500, 0, "Unknown path components", http.StatusBadRequest} }

// deadToken is the answer for a used, expired or unknown token.
func (s *Server) deadToken() *Error {
	if s.options.DeadToken != nil {
		return s.options.DeadToken
	}
	return &Error{100, 0, "one_time_notif_token is invalid or was used", http.StatusBadRequest}
}

func (e *Error) write(w http.ResponseWriter) {
	body := map[string]any{"message": fmt.Sprintf("(#%d) %s", e.Code, e.Message), "type": "OAuthException", "code": e.Code, "fbtrace_id": "AgraphTest"}
	if e.Subcode != 0 {
		body["error_subcode"] = e.Subcode
	}
	code := e.HTTP
	if code == 0 {
		code = http.StatusBadRequest
	}
	writeJSON(w, code, map[string]any{"error": body})
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// Usage is what the headers tell of a page's limits.
type Usage struct {
	Page    string // "": the first
	Percent int    // of the page's messenger limit; 0: the header is left out
	Minutes int    // until calls are let through again
	App     int    // per cent of the app's limit; 0: the header is left out
}

// SetUsage sets what the headers of every following answer tell of a page.
func (s *Server) SetUsage(u Usage) {
	if u.Page == "" {
		u.Page = s.first()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pages[u.Page]; p != nil {
		p.usage = u
	}
}

func (u Usage) write(h http.Header) {
	if u.Percent > 0 || u.Minutes > 0 {
		h.Set("X-Business-Use-Case-Usage", fmt.Sprintf(
			`{%q:[{"type":"messenger","call_count":%d,"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":%d}]}`, u.Page, u.Percent, u.Minutes))
	}
	if u.App > 0 {
		h.Set("X-App-Usage", fmt.Sprintf(`{"call_count":%d,"total_time":1,"total_cputime":1}`, u.App))
	}
}
