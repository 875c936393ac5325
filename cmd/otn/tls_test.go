// The doors with TLS, behind proxies, before slow callers, and with streams that do not end by themselves.

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/api"
)

// certificateIn writes a new certificate with its key to a folder.
func certificateIn(t *testing.T, dir string) (p config.Pair) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{SerialNumber: serial, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"otn.example"}}
	der, err := x509.CreateCertificate(rand.Reader, made, made, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	p = config.Pair{Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem")}
	for name, block := range map[string]*pem.Block{p.Cert: {Type: "CERTIFICATE", Bytes: der}, p.Key: {Type: "PRIVATE KEY", Bytes: text}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// The command speaks to a door with the certificate of the configuration and no other; a renewed one is read at SIGHUP, a broken
// one leaves the old; a stream that is open does not hold up the stop.
func TestDaemonWithTLS(t *testing.T) {
	defer goleak.VerifyNone(t)
	k, d := hanging(t)
	dir := filepath.Dir(k.file)
	certificateIn(t, dir)
	text, err := os.ReadFile(k.file)
	if err != nil {
		t.Fatal(err)
	}
	pair := "{cert: c.pem, key: k.pem}"
	if err := os.WriteFile(k.file, []byte(string(text)+"tls: {hooks: "+pair+", admin: "+pair+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.load(config.Whole); err != nil {
		t.Fatal(err)
	}
	d.config = k.config
	hup := make(chan os.Signal)
	d.hup, d.reread = hup, k.reread
	hurry, hurryUp := context.WithCancel(t.Context())
	defer hurryUp()
	ctx, stop := context.WithCancel(hurry)
	open, ended := make(chan doors, 1), make(chan error, 1)
	d.ready = func(at doors) { open <- at }
	go func() { ended <- d.run(ctx, hurry) }()
	var at doors
	select {
	case err := <-ended:
		t.Fatal(err)
	case at = <-open:
	}
	topics := func() error {
		t.Helper()
		c, err := k.client()
		if err != nil {
			t.Fatal(err)
		}
		defer c.HTTP.CloseIdleConnections()
		var page api.Topics
		return c.Get(t.Context(), "/v1/topics", nil, &page)
	}
	if err := topics(); err != nil {
		t.Fatal(err)
	}
	plain := &http.Client{Timeout: patience}
	for _, door := range []string{at.Hooks, at.Admin} {
		if _, err := tls.Dial("tcp", door, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Errorf("%s speaks TLS 1.1", door)
		}
		resp, err := plain.Get("http://" + door + "/")
		if err == nil {
			_ = resp.Body.Close()
		}
		if err == nil && resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s answers plain HTTP with %d", door, resp.StatusCode)
		}
	}
	plain.CloseIdleConnections()

	certificateIn(t, dir)
	if err := topics(); !errors.Is(err, errOther) || !strings.Contains(advice(err), "SIGHUP") {
		t.Errorf("another certificate: %v, %s", err, advice(err))
	}
	hup <- syscall.SIGHUP
	hup <- syscall.SIGHUP // the first is done when this one is taken
	if err := topics(); err != nil {
		t.Errorf("a renewed certificate: %v", err)
	}
	good, err := os.ReadFile(d.config.AdminTLS.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.config.AdminTLS.Cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	hup <- syscall.SIGHUP
	hup <- syscall.SIGHUP
	if err := os.WriteFile(d.config.AdminTLS.Cert, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := topics(); err != nil {
		t.Errorf("behind a broken certificate: %v", err)
	}

	stream := openStream(t, k, at)
	began := time.Now()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > closing/2 {
		t.Errorf("the stop took %s", took)
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		t.Errorf("the stream ends with %v", err)
	}
}

// The doctor tells how long a certificate still holds.
func TestDoctorReadsCertificates(t *testing.T) {
	p := certificateIn(t, t.TempDir())
	leaf, err := leafOf(p.Cert)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		now   time.Time
		pair  config.Pair
		state string
	}{
		{leaf.NotAfter.AddDate(0, -1, 0), p, fine},
		{leaf.NotAfter.AddDate(0, 0, -13), p, warning},
		{leaf.NotAfter, p, fault},
		{leaf.NotAfter.AddDate(0, -1, 0), config.Pair{Cert: p.Key, Key: p.Key}, fault},
		{leaf.NotAfter.AddDate(0, -1, 0), config.Pair{Cert: "nothing.pem", Key: p.Key}, fault},
	} {
		d := &doctor{k: &call{config: &config.Config{AdminTLS: c.pair}}, now: c.now}
		d.certificates()
		if len(d.found) != 1 || d.found[0].Check != "tls.admin" || d.found[0].State != c.state || c.state != fine && d.found[0].Remedy == "" {
			t.Errorf("%s at %s: %+v", c.pair.Cert, c.now, d.found)
		}
	}
}

// openStream opens a stream of events at a daemon's door.
func openStream(t *testing.T, k *call, at doors) io.Reader {
	t.Helper()
	transport, err := pinned(k.config.AdminTLS.Cert)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: transport}
	t.Cleanup(c.CloseIdleConnections)
	key, err := api.ReadKey(k.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+at.Admin+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key.Reveal())
	r.Header.Set("Accept", "text/event-stream")
	resp, err := c.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "retry:") {
		t.Fatal(line, err)
	}
	return lines
}

// Whom a request is from: what a trusted proxy says, and what nobody else says.
func TestProxied(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		peer string
		said []string
		want string
	}{
		{"192.0.2.7:5", nil, "192.0.2.7:5"},
		{"192.0.2.7:5", []string{"198.51.100.1"}, "192.0.2.7:5"},
		{"10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"10.0.0.1:5", []string{"6.6.6.6, 198.51.100.1"}, "198.51.100.1:0"},
		{"10.0.0.1:5", []string{"6.6.6.6, 198.51.100.1, 10.0.0.2"}, "198.51.100.1:0"},
		{"10.0.0.1:5", []string{"6.6.6.6", "198.51.100.1:44"}, "198.51.100.1:0"},
		{"10.0.0.1:5", []string{"10.0.0.9"}, "10.0.0.9:0"},
		{"10.0.0.1:5", []string{"rubbish"}, "10.0.0.1:0"},
		{"10.0.0.1:5", nil, "10.0.0.1:0"},
		{"[::1]:5", []string{"2001:db8::9"}, "[2001:db8::9]:0"},
		{"[::ffff:10.0.0.1]:5", []string{"198.51.100.1"}, "198.51.100.1:0"},
	} {
		var got, scheme string
		left := 0
		h := proxied(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got, scheme = r.RemoteAddr, r.URL.Scheme
			left = len(r.Header.Values("X-Forwarded-For")) + len(r.Header.Values("X-Forwarded-Proto")) + len(r.Header.Values("Forwarded"))
		}))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Scheme = "https" // as anybody may write it
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.said
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("Forwarded", "for=6.6.6.6")
		h.ServeHTTP(httptest.NewRecorder(), r)
		if believed := !strings.HasPrefix(c.peer, "192."); (scheme == "https") != believed {
			t.Errorf("%s says https, and it is %q", c.peer, scheme)
		}
		if got != c.want || left != 0 {
			t.Errorf("%s with %q is %s, want %s; %d words are left", c.peer, c.said, got, c.want, left)
		}
	}
}

// pipes is a listener of connections in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Nobody holds a door up: who is slow with the head, with the body or with taking the answer is let go.
func TestSlowCallers(t *testing.T) {
	for _, c := range []struct {
		name, say string
		within    time.Duration
	}{
		{"nothing at all", "", 6 * time.Second},
		{"half a head", "POST / HTTP/1.1\r\nHost: x\r\n", 6 * time.Second},
		{"half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", 11 * time.Second},
		{"an answer that nobody takes", "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", 16 * time.Second},
		{"nothing more", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 61 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := limited(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.ReadAll(r.Body); err != nil {
						w.WriteHeader(http.StatusRequestTimeout)
						return
					}
					if r.URL.Path == "/large" {
						_, _ = w.Write(make([]byte, 1<<20))
					}
				}), slog.New(slog.DiscardHandler), 15*time.Second)
				listener := make(pipes, 1)
				here, there := net.Pipe()
				listener <- there
				go s.Serve(listener) //nolint:errcheck // it ends with the test
				if _, err := io.WriteString(here, c.say); err != nil && c.say != "" {
					t.Fatal(err)
				}
				began := time.Now()
				if c.name == "an answer that nobody takes" {
					time.Sleep(c.within) // it is not read
				}
				_, _ = io.Copy(io.Discard, here)
				if took := time.Since(began); took > c.within {
					t.Errorf("it is let go after %s", took)
				}
				close(listener)
				_ = s.Close()
				_ = here.Close()
			})
		})
	}
}

// A head that is too large is refused.
func TestLargeHead(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.Config = limited(http.NotFoundHandler(), slog.New(slog.DiscardHandler), time.Second)
	s.Start()
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(resp.StatusCode)
	}
}
