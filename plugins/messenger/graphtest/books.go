// The books: what was called, delivered and asked.

package graphtest

import (
	"cmp"
	"slices"
)

// Calls lists the calls of the Send API in their order, refused ones too.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Identified counts the calls that asked whose access token it is.
func (s *Server) Identified() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Profiled counts the calls that asked for the page's profile.
func (s *Server) Profiled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.profiled
}

// Messages lists what was delivered, in its order; asks are among it.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Delivered lists what was delivered for one token.
func (s *Server) Delivered(token string) (all []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.Token == token {
			all = append(all, m)
		}
	}
	return all
}

// Asks lists the requests for consent that people got, in their order.
func (s *Server) Asks() []Ask {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asks)
}

// Double is a person who got more than one message for one token, or for one delivery.
type Double struct {
	PSID, Token, Metadata string
	Times                 int
}

// Doubles lists what must never be: for each token, and for each delivery by its metadata, more than one message.
// On a platform that keeps its word the first cannot happen; ReuseTokens makes one that does not.
func (s *Server) Doubles() (all []Double) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := map[Double]int{}
	for _, m := range s.messages {
		if m.Token != "" {
			count[Double{PSID: m.PSID, Token: m.Token}]++
		}
		if m.Metadata != "" {
			count[Double{PSID: m.PSID, Metadata: m.Metadata}]++
		}
	}
	for d, n := range count {
		if n > 1 {
			d.Times = n
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b Double) int {
		return cmp.Or(cmp.Compare(a.PSID, b.PSID), cmp.Compare(a.Token, b.Token), cmp.Compare(a.Metadata, b.Metadata))
	})
	return all
}
