// Faults: what goes wrong with the next calls.

package graphtest

import (
	"net/http"
	"time"
)

// Call is one call of the Send API, whatever came of it.
type Call struct {
	Page, Token, PSID, Metadata string
	At                          time.Time
}

// Fault is what goes wrong with a call. Without Cut, Error, HTTP and Without it only delays.
type Fault struct {
	Times int             // calls it is good for; 0: one; below 0: all
	Match func(Call) bool // the calls it is for; nil: every call

	Hold   <-chan struct{} // the call waits until it is closed
	Delay  time.Duration   // the call waits so long
	Accept bool            // the message is delivered before things go wrong

	Cut     bool   // the connection ends without an answer
	Error   *Error // the answer is this error
	HTTP    int    // the answer is this status with Body and Header
	Header  http.Header
	Body    string
	Without string // the answer lacks this field: message_id or recipient_id
}

// Refuse answers with an error of the Graph API, before the message is taken.
func Refuse(code, subcode int) Fault {
	return Fault{Error: &Error{Code: code, Subcode: subcode, Message: "Refused on demand"}}
}

// Cut ends the connection before the message is taken.
func Cut() Fault { return Fault{Cut: true} }

// AcceptThenCut delivers the message and ends the connection without an answer.
func AcceptThenCut() Fault { return Fault{Accept: true, Cut: true} }

// AcceptThen delivers the message and answers with a status, as a gateway between might.
func AcceptThen(status int, body string) Fault {
	return Fault{Accept: true, HTTP: status, Body: body}
}

// Answer answers with a status and a body, before the message is taken.
func Answer(status int, body string) Fault { return Fault{HTTP: status, Body: body} }

// Lacking delivers the message and leaves a field out of the answer: message_id or recipient_id.
func Lacking(field string) Fault { return Fault{Accept: true, Without: field} }

// Held lets the call wait until release is closed.
func Held(release <-chan struct{}) Fault { return Fault{Hold: release} }

// Slow lets the call wait.
func Slow(d time.Duration) Fault { return Fault{Delay: d} }

// For is the fault for the sends of one token alone.
func (f Fault) For(token string) Fault {
	f.Match = func(c Call) bool { return c.Token == token }
	return f
}

// Repeat is the fault for n calls; below 0 for all.
func (f Fault) Repeat(n int) Fault {
	f.Times = n
	return f
}

// Fail adds faults. For each call the first one that is for it and not used up goes wrong.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults = append(s.faults, &f)
	}
}

// Recover forgets all faults.
func (s *Server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// HideIdentity has GET /me and the page's profile answer 503, or answer again.
func (s *Server) HideIdentity(hide bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = hide
}

// fault takes the fault of a call, the zero Fault when nothing goes wrong.
func (s *Server) fault(c Call) Fault {
	for _, f := range s.faults {
		if f.Times == 0 || f.Match != nil && !f.Match(c) {
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		return *f
	}
	return Fault{}
}
