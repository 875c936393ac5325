// What left and what did not: connections that fail before, at and after the first byte.

package messenger

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

var errWire = errors.New("the wire broke")

// brokenConn lets some bytes through, then fails for ever.
type brokenConn struct {
	net.Conn
	budget int
}

func (c *brokenConn) Write(b []byte) (int, error) {
	n := min(len(b), c.budget)
	c.budget -= n
	if n > 0 {
		if n, err := c.Conn.Write(b[:n]); err != nil {
			return n, err
		}
	}
	if n < len(b) {
		return n, errWire
	}
	return n, nil
}

// dialing is m with other connections.
func dialing(m *Messenger, open dial) *Messenger {
	m.client = newClient(open, time.Second)
	return m
}

func TestNeverLeft(t *testing.T) {
	plain := func(ctx context.Context, network, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	t.Run("nobody listens", func(t *testing.T) {
		m, g := pair(t, graphtest.Options{})
		_ = g.Close()
		deferredChannel(t, m.Send, t.Context(), delivery(1, "8100000000000000001"))
	})
	t.Run("no such name", func(t *testing.T) {
		m := open(t, testConfig("https://graph.invalid/v25.0"))
		dialing(m, func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "graph.invalid", IsNotFound: true}
		})
		deferredChannel(t, m.Send, t.Context(), delivery(1, "8100000000000000001"))
	})
	t.Run("a certificate nobody vouches for", func(t *testing.T) {
		var calls atomic.Int32
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		defer s.Close()
		deferredChannel(t, open(t, testConfig(s.URL)).Send, t.Context(), delivery(1, "8100000000000000001"))
		if calls.Load() != 0 {
			t.Error("the call arrived")
		}
	})
	t.Run("cancelled before", func(t *testing.T) {
		m, g := pair(t, graphtest.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		deferredChannel(t, m.Send, ctx, delivery(1, g.Grant(anna, "").Token))
		if len(g.Calls()) != 0 {
			t.Error("the platform was called")
		}
	})
	t.Run("cancelled while it connects", func(t *testing.T) {
		m, _ := pair(t, graphtest.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		dialing(m, func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		})
		deferredChannel(t, m.Send, ctx, delivery(1, "8100000000000000001"))
	})
	t.Run("the first byte is refused", func(t *testing.T) {
		m, g := pair(t, graphtest.Options{})
		dialing(m, func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := plain(ctx, network, address)
			return &brokenConn{Conn: c}, err
		})
		deferredChannel(t, m.Send, t.Context(), delivery(1, g.Grant(anna, "").Token))
	})
}

func deferredChannel(t *testing.T, send func(context.Context, otn.Delivery) (otn.Receipt, error), ctx context.Context, d otn.Delivery) {
	t.Helper()
	_, err := send(ctx, d)
	wants(t, err, otn.Deferred, otn.ChannelScope, "not_sent")
}

// Once a single byte was handed to the network, nobody can tell; also when it was not enough to be understood.
func TestAnythingAfterAByteIsUnknown(t *testing.T) {
	for _, budget := range []int{1, 40, 400} {
		m, g := pair(t, graphtest.Options{})
		dialing(m, func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			return &brokenConn{Conn: c, budget: budget}, err
		})
		_, err := m.Send(t.Context(), delivery(1, g.Grant(anna, "").Token))
		wants(t, err, otn.Unknown, otn.MessageScope, "cut")
		_ = m.Close()
	}
}

// leavingConn lets bytes through and does not say so before it is closed.
type leavingConn struct {
	net.Conn
	gone, closed chan struct{}
}

func (c *leavingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	close(c.gone)
	<-c.closed
	return n, err
}

func (c *leavingConn) Close() error {
	close(c.closed)
	return c.Conn.Close()
}

// A context that ends while the bytes are leaving does not take them back.
func TestCancelledWhileItLeaves(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	release := make(chan struct{})
	defer close(release)
	g.Fail(graphtest.Held(release))
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	dialing(m, func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return &leavingConn{Conn: c, gone: gone, closed: make(chan struct{})}, err
	})
	go func() {
		<-gone
		cancel()
	}()
	_, err := m.Send(ctx, delivery(1, g.Grant(anna, "").Token))
	wants(t, err, otn.Unknown, otn.MessageScope, "cut")
}

// Whoever looks while a write is under way sees that bytes may have left; one that ended without a byte leaves no trace.
func TestTrailWhileAWriteIsUnderWay(t *testing.T) {
	near, far := net.Pipe() // whose writes wait for a reader
	defer func() { _ = far.Close() }()
	c := &countedConn{Conn: near}
	way := trail{steps: []step{{conn: c}}}
	if way.left() {
		t.Fatal("left before anything was written")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.Write([]byte("POST"))
	}()
	for deadline := time.Now().Add(10 * time.Second); !way.left(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("a write under way is not seen")
		}
	}
	_ = near.Close()
	<-ended
	if way.left() {
		t.Error("a write that ended without a byte counts as left")
	}
}

// Over TLS the handshake's bytes are not the call's.
func TestTrailUnderTLS(t *testing.T) {
	g := graphtest.New(graphtest.Options{Pages: []graphtest.Page{{ID: testPage, AccessToken: testToken}}})
	s := httptest.NewTLSServer(g)
	defer s.Close()
	m := open(t, testConfig(s.URL+"/v25.0"))
	trust := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	var last atomic.Pointer[brokenConn]
	dialing(m, func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		b := &brokenConn{Conn: c, budget: 1 << 20}
		last.Store(b)
		return b, err
	})
	m.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}
	token := g.Grant(anna, "").Token
	if err := second(m.Send(t.Context(), delivery(1, token))); err != nil {
		t.Fatal(err)
	}
	if len(g.Delivered(token)) != 1 {
		t.Fatal("not delivered")
	}
	// The idle connection is used again and takes no byte more: the call goes over a new one, which takes none either.
	last.Load().budget = 0
	m.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errWire }
	_, err := m.Send(t.Context(), delivery(2, g.Grant(anna, "").Token))
	wants(t, err, otn.Deferred, otn.ChannelScope, "not_sent")
}

// A connection that the other side closed while it was idle costs nothing: the call goes over a new one, once.
func TestStaleConnection(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	for i := range byte(20) {
		token := g.Grant(anna, "").Token
		_, err := m.Send(t.Context(), delivery(i, token))
		if o, _ := otn.OutcomeOf(err); o == otn.Sent && len(g.Delivered(token)) != 1 || o == otn.Deferred && len(g.Delivered(token)) != 0 {
			t.Fatalf("%s, delivered %d", o, len(g.Delivered(token)))
		}
		g.DropIdle()
	}
	if d := g.Doubles(); len(d) != 0 {
		t.Errorf("twice: %v", d)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer target.Close()
	m, g := pair(t, graphtest.Options{})
	for _, code := range []int{301, 302, 307, 308} {
		fault := graphtest.Answer(code, "")
		fault.Header = http.Header{"Location": {target.URL}}
		g.Fail(fault)
		err := second(m.Send(t.Context(), delivery(1, g.Grant(anna, "").Token)))
		wants(t, err, otn.Invalid, otn.ChannelScope, fmt.Sprintf("http_%d", code))
	}
	if followed.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// An answer without end is read to a bound, and is no acceptance.
func TestEndlessAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	_, err := open(t, testConfig(s.URL)).Send(t.Context(), delivery(1, "8100000000000000001"))
	wants(t, err, otn.Unknown, otn.MessageScope, "no_message_id")
}

// The environment's proxy would see every token.
func TestNoProxyFromTheEnvironment(t *testing.T) {
	m := open(t, testConfig(""))
	if m.client.Transport.(*http.Transport).Proxy != nil {
		t.Error("there is a proxy")
	}
}
