// TLS at the doors: certificates that are read anew while the daemon runs, and the client that knows the operator's.

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/onetimenotify/otn/cmd/otn/config"
)

// certificate is a pair of files, as they were read last.
type certificate struct {
	pair config.Pair
	now  atomic.Pointer[tls.Certificate]
}

// certify reads a pair; nil where there is none.
func certify(p config.Pair) (*certificate, error) {
	if !p.Set() {
		return nil, nil
	}
	c := &certificate{pair: p}
	return c, c.read()
}

// read reads the files. When they are at fault the certificate of before stays.
func (c *certificate) read() error {
	if c == nil {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.pair.Cert, c.pair.Key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", c.pair.Cert, err)
	}
	c.now.Store(&pair)
	return nil
}

// config is what a server speaks TLS with; nil where there is no certificate.
func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil },
	}
}

// errOther is a door with another certificate than the configuration's.
var errOther = errors.New("it shows another certificate than the file tls.admin.cert")

// leafOf reads the first certificate of a file.
func leafOf(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return leaf, nil
}

// pinned is a transport that speaks to a door with exactly the certificate in a file, whatever names are in it and whoever
// signed it: the configuration says which door is the right one.
func pinned(cert string) (http.RoundTripper, error) {
	leaf, err := leafOf(cert)
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.TLSClientConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection compares the certificate itself, which is stricter
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, leaf.Raw) {
				return errOther
			}
			return nil
		},
	}
	return t, nil
}
