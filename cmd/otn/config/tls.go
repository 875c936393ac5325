// How the doors are reached: with TLS, and through which proxies.

package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
)

// Pair is a certificate with its key, as files in PEM. The zero Pair is none.
type Pair struct{ Cert, Key string }

// Set reports whether there is one.
func (p Pair) Set() bool { return p.Cert != "" }

// certified reads tls.DOOR. For a whole configuration the files are read as well.
func (l *loader) certified(door string, v any) Pair {
	m, _ := v.(map[string]any)
	key := "tls." + door
	cert, _ := m["cert"].(string)
	secret, _ := m["key"].(string)
	switch {
	case cert == "" && secret == "":
		return Pair{}
	case cert == "":
		l.wrong(key+".key", "there is no certificate to it", "name its file with "+key+".cert")
		return Pair{}
	case secret == "":
		l.wrong(key+".cert", "there is no key to it", "name its file with "+key+".key")
		return Pair{}
	}
	p := Pair{Cert: l.folder(key+".cert", cert), Key: l.folder(key+".key", secret)}
	if l.Part == Whole {
		l.tryPair(key, p)
	}
	return p
}

// tryPair reads the files of a pair.
func (l *loader) tryPair(key string, p Pair) {
	if _, err := tls.LoadX509KeyPair(p.Cert, p.Key); err != nil {
		l.wrong(key+".cert", strings.TrimPrefix(err.Error(), "tls: "), "name a certificate, its chain behind it, and its key, as PEM files that the daemon may read")
		return
	}
	if st, err := os.Stat(p.Key); err == nil && st.Mode().Perm()&0o007 != 0 {
		l.warnings = append(l.warnings, fmt.Sprintf("%s.key: everybody on this machine can read %s: chmod o= it", key, p.Key))
	}
}

// proxies reads the addresses from which what a proxy says of its caller is believed.
func (l *loader) proxies(v any) (list []netip.Prefix) {
	texts, _ := v.([]any)
	for _, e := range texts {
		text, _ := e.(string)
		p, err := netip.ParsePrefix(text)
		if a, e := netip.ParseAddr(text); err != nil && e == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			l.wrong("trusted_proxies", l.quote("trusted_proxies", text)+" is no address", `write addresses or networks, as in ["127.0.0.1", "10.0.0.0/8"]`)
			continue
		}
		list = append(list, p.Masked())
	}
	return list
}

// operators is the address of the operator's door. Where other machines reach it, it speaks TLS: a key must not be read on its way.
func (l *loader) operators(key string, v any, p Pair) string {
	text := l.address(key, v)
	host, _, _ := net.SplitHostPort(text)
	if ip := net.ParseIP(host); text == "" || host == "localhost" || ip != nil && ip.IsLoopback() || p.Set() {
		return text
	}
	l.wrong(key, l.quote(key, text)+" can be reached from other machines, and there is no TLS for it", "listen on 127.0.0.1, with a TLS proxy or an SSH tunnel before it, or name a certificate with tls.admin.cert and tls.admin.key")
	return ""
}
