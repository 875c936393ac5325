// Connections to the Graph API that count what they wrote, so that "it never left" is a fact and not a guess.

package messenger

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// dial opens a connection.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

func dialer(timeout time.Duration) dial {
	return (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext
}

// newClient makes a client of its own: no proxy from the environment, no redirect, no cookie, one request at a time on a
// connection, and enough idle connections for twice the sends in flight. A connection is not kept idle for long: a call
// over one that the other side is just closing is lost without anybody knowing.
func newClient(open dial, handshake time.Duration) *http.Client {
	counted := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := open(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countedConn{Conn: c}, nil
	}
	oneAtATime := new(http.Protocols)
	oneAtATime.SetHTTP1(true)
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            counted,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    handshake,
			Protocols:              oneAtATime,
			MaxIdleConns:           2 * inFlight,
			MaxIdleConnsPerHost:    2 * inFlight,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// countedConn counts the bytes that were handed to the network. A write under way counts as done: the caller may look
// while the bytes are leaving.
type countedConn struct {
	net.Conn
	written atomic.Int64
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.written.Add(int64(len(b)))
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n - len(b)))
	return n, err
}

// trail knows every connection that one call was given, and how much each had written by then (a TLS handshake, the
// call before).
type trail struct {
	mu    sync.Mutex
	steps []step
}

type step struct {
	conn *countedConn
	from int64
}

// follow gives a context whose call leaves a trail.
func (t *trail) follow(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		s := step{conn: counter(got.Conn)}
		if s.conn != nil {
			s.from = s.conn.written.Load()
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.steps = append(t.steps, s)
	}})
}

// counter finds the counting connection under TLS; nil when there is none.
func counter(c net.Conn) *countedConn {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	counted, _ := c.(*countedConn)
	return counted
}

// left reports whether a byte of the call may have reached the network. A connection that was not counted counts as yes.
func (t *trail) left() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.steps {
		if s.conn == nil || s.conn.written.Load() > s.from {
			return true
		}
	}
	return false
}
