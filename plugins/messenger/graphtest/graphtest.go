// Package graphtest is a fake Graph API, as faithful as Meta's pages allow: it takes messages and asks, spends each
// one-time token once even under parallel calls, signs and posts webhooks, and fails on demand in the ways in which the
// real one or the way to it fails. It remembers what it delivered, so that a test can count. Standard library only.
//
//	graph, err := graphtest.Start(graphtest.Options{})
//	defer graph.Close()
//	hook := graph.Grant("5400000000000011", "notify.back-in-stock.DJ-S") // a consent, as a signed webhook
//	…
//	graph.Delivered(hook.Token) // what the person got for it
package graphtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// What stands in for Options that are left out.
const (
	PageID      = "104600000000001"
	AccessToken = "graphtest-page-token"
	AppSecret   = "graphtest-app-secret" //nolint:gosec // nobody's secret
)

// tokenLife is how long a token can be spent. Source: Messenger FAQ.
const tokenLife = 365 * 24 * time.Hour

// windowLife is how long a person's window stays open. Source: Messenger Platform policy.
const windowLife = 24 * time.Hour

// Page is one page and the access token that speaks for it.
type Page struct{ ID, Name, AccessToken string }

// Options say what kind of platform it is. The zero Options are one page that does everything right.
type Options struct {
	Pages     []Page // none: PageID with AccessToken
	AppSecret string // signs webhooks; "": AppSecret
	Webhook   string // where Tap, Say, echoes and the like are posted to; "": nowhere
	Now       func() time.Time

	Echo           EchoMode
	DeadToken      *Error  // the answer for a used, expired or unknown token; nil: a guess, as nobody documents it
	SpendOnFailure bool    // a send that is refused spends its token
	ReuseTokens    bool    // tokens can be spent again: a platform that does not keep its word
	OpenWindows    bool    // asks need no open window
	Brake          int     // messages a second that a page may send; 0: any number. Meta's is 40
	RequireProof   bool    // calls need an appsecret_proof
	European       bool    // the pages are under European rules
	Usage          []Usage // what the usage headers say from the start
}

// EchoMode is when the echo of a message that carries metadata is posted.
type EchoMode int

// The echo modes. EchoLate echoes wait for Flush.
const (
	EchoNever EchoMode = iota
	EchoBefore
	EchoLate
)

// Server is the fake. It is an http.Handler; Start gives one that listens.
type Server struct {
	URL string // of the API with its version, when it listens

	options Options
	hooks   *http.Client
	server  *http.Server
	conns   map[net.Conn]http.ConnState
	done    chan struct{}

	mu       sync.Mutex
	pages    map[string]*page // by id
	tokens   map[string]*token
	windows  map[person]time.Time
	blocked  map[person]bool
	faults   []*Fault
	calls    []Call
	messages []Message
	asks     []Ask
	pending  []pendingHook
	minted   int
	hidden   bool // GET /me does not answer
	asked    int  // calls of GET /me
	profiled int  // calls of GET /me/messenger_profile
}

type page struct {
	Page
	usage        Usage
	accepted     []time.Time // within the last second
	stopped      bool        // by a policy enforcement
	unsubscribed bool
	failingSince time.Time // of its webhooks; zero while they work
}

// person is a page-scoped person.
type person struct{ page, id string }

type token struct {
	of      person
	payload string
	minted  time.Time
	used    bool
}

// New makes a fake that does not listen: give it to a server of your own.
func New(o Options) *Server {
	if len(o.Pages) == 0 {
		o.Pages = []Page{{PageID, "Harbor & Pine", AccessToken}}
	}
	if o.AppSecret == "" {
		o.AppSecret = AppSecret
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		options: o,
		hooks:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 10 * time.Second},
		pages:   map[string]*page{},
		tokens:  map[string]*token{},
		windows: map[person]time.Time{},
		blocked: map[person]bool{},
		conns:   map[net.Conn]http.ConnState{},
	}
	for _, p := range o.Pages {
		s.pages[p.ID] = &page{Page: p}
	}
	for _, u := range o.Usage {
		s.SetUsage(u)
	}
	return s
}

// Start makes a fake that listens on a free port of this machine. Close it in the end.
func Start(o Options) (*Server, error) {
	s := New(o)
	var listen net.ListenConfig
	l, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("graphtest: %w", err)
	}
	s.URL = "http://" + l.Addr().String() + "/v25.0"
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ConnState: s.track}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l)
	}()
	return s, nil
}

// Close ends the listening, and every call under way without an answer.
func (s *Server) Close() error {
	s.hooks.CloseIdleConnections()
	if s.server == nil {
		return nil
	}
	err := s.server.Close()
	<-s.done
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// DropIdle closes the connections that wait for a next call, as a server does with old ones.
func (s *Server) DropIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, state := range s.conns {
		if state == http.StateIdle {
			_ = c.Close()
		}
	}
}

// track knows which connections are idle.
func (s *Server) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, c)
	default:
		s.conns[c] = state
	}
}

// first is the page that is meant where none is named.
func (s *Server) first() string { return s.options.Pages[0].ID }

// mint numbers a new thing.
func (s *Server) mint() int {
	s.minted++
	return s.minted
}
