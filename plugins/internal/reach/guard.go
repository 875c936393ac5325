// Where a plugin may connect to: looked at when it connects, at the address that the name has led to.

// Package reach is how plugins call addresses that an operator, or a shop, has written down: over connections that lead to public
// addresses alone, unless private ones are allowed, and never to where a cloud keeps the keys of its machines.
package reach

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// ErrGuarded is an address that is not connected to.
var ErrGuarded = errors.New("not an address that may be connected to")

// Transport makes connections without a proxy: one would connect on its own. With private, addresses of this machine and of
// private networks may be reached. Answers are not unpacked.
func Transport(private bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: public}
	if private {
		dialer.Control = noMetadata
	}
	return &http.Transport{
		Proxy: nil, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost: 1, IdleConnTimeout: 10 * time.Second,
	}
}

// public refuses what the registries of IANA do not call globally reachable.
func public(network, address string, conn syscall.RawConn) error {
	if err := ssrf.New(ssrf.WithAnyPort()).Safe(network, address, conn); err != nil {
		return fmt.Errorf("%w: %w", ErrGuarded, err)
	}
	return nil
}

// noMetadata refuses link-local addresses: where a cloud keeps the keys of its machines, and no shop keeps anything.
func noMetadata(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrGuarded, address)
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || alsoMetadata(ip) {
		return fmt.Errorf("%w: %s", ErrGuarded, ip)
	}
	return nil
}

// alsoMetadata reports the addresses outside the link-local ranges at which a cloud keeps the keys of its machines.
// Sources: the clouds' documentation: Amazon EC2 (IPv6), Alibaba Cloud, Oracle Cloud.
func alsoMetadata(ip netip.Addr) bool {
	switch ip.String() {
	case "fd00:ec2::254", "100.100.100.200", "192.0.0.192":
		return true
	}
	return false
}
