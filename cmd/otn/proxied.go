// Proxies: whom a request is from when one that is trusted hands it on.

package main

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxied is a handler behind proxies. What a trusted one says of its caller is believed, what anybody else says is taken away,
// so that nobody behind reads it.
func proxied(trusted []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, known := addressOf(r.RemoteAddr)
		said, scheme := r.Header.Values("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto")
		r.URL.Scheme = ""
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"} {
			r.Header.Del(name)
		}
		if known && isTrusted(trusted, peer) {
			if scheme == "https" {
				r.URL.Scheme = scheme // for the console: its cookie goes nowhere else then
			}
			r.RemoteAddr = net.JoinHostPort(behind(trusted, peer, said).String(), "0")
		}
		next.ServeHTTP(w, r)
	})
}

// behind is the nearest caller that is no trusted proxy itself: what stands before it in the list anybody may have written.
func behind(trusted []netip.Prefix, peer netip.Addr, said []string) netip.Addr {
	hops := strings.Split(strings.Join(said, ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, ok := addressOf(strings.TrimSpace(hop))
		if !ok {
			return peer
		}
		if peer = a; !isTrusted(trusted, a) {
			return a
		}
	}
	return peer
}

func isTrusted(trusted []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// addressOf reads an address, with a port or without.
func addressOf(text string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(text)
	return a.Unmap().WithZone(""), err == nil
}
