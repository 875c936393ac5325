// What may not be fetched even where private addresses may.

package feed

import (
	"fmt"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// noMetadata refuses link-local addresses: where a cloud keeps the keys of its machines, and no shop keeps its feed.
func noMetadata(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ssrf.ErrProhibitedIP, address)
	}
	ip := at.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("%w: %s", ssrf.ErrProhibitedIP, ip)
	}
	return nil
}
