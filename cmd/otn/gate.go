// What stands before the doors' handlers: health, a gate until the host is ready, and a limit on each address.

package main

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/onetimenotify/otn/core"
)

// perAddress is how many connections one address may have at the public door. A proxy in front is one address.
const perAddress = 512

// gate answers 503 until it is opened.
type gate struct{ inner atomic.Pointer[http.Handler] }

func (g *gate) open(h http.Handler) { g.inner.Store(&h) }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := g.inner.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, "not ready yet", http.StatusServiceUnavailable)
}

// hooksDoor is the public door: webhooks, and nothing else.
func hooksDoor(h *core.Host) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/hooks/", h.Hooks())
	return mux
}

// adminDoor is the operator's door: the API and the console behind its gate, and health for a supervisor.
func adminDoor(inside http.Handler, h *health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", inside)
	h.register(mux)
	return mux
}

// twoDoors is the API where programs look for it, and the console everywhere else.
func twoDoors(api, console http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", api)
	for _, document := range []string{"/openapi.json", "/openapi.yaml", "/openapi-3.0.json", "/openapi-3.0.yaml"} {
		mux.Handle(document, api)
	}
	mux.Handle("/", console)
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// crowd is a listener that closes a connection at once when its address has too many.
type crowd struct {
	net.Listener
	limit int
	mu    sync.Mutex
	count map[netip.Prefix]int
}

func newCrowd(l net.Listener, limit int) *crowd {
	return &crowd{Listener: l, limit: limit, count: map[netip.Prefix]int{}}
}

// Accept waits for a connection that is not one too many.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := neighbourhood(conn.RemoteAddr().String())
		if c.enter(from) {
			return &guest{Conn: conn, leave: sync.OnceFunc(func() { c.leave(from) })}, nil
		}
		_ = conn.Close()
	}
}

func (c *crowd) enter(from netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count[from] >= c.limit {
		return false
	}
	c.count[from]++
	return true
}

func (c *crowd) leave(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count[from]--; c.count[from] <= 0 {
		delete(c.count, from)
	}
}

// neighbourhood is the address itself, and of IPv6 the 64 bits that one caller has to itself anyway. What is no address of the
// internet is one.
func neighbourhood(remote string) netip.Prefix {
	a, ok := addressOf(remote)
	if !ok {
		return netip.Prefix{}
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// guest is a connection that is counted until it is closed.
type guest struct {
	net.Conn
	leave func()
}

// Close closes the connection and makes room for another.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}
