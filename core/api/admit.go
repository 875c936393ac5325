// Who is let in: the key, its scope, and what becomes of those who have none.

package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/time/rate"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// caller is who makes a request.
type caller struct {
	key     core.Key
	from    string // address
	request string // id of the request
	secret  otn.Secret
	what    string // what the call is about, as its handler says it
}

// callerKey is the key of a request's caller in its context.
type callerKey struct{}

func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	if c == nil {
		return &caller{}
	}
	return c
}

// about notes for the audit log what a call was done to. Nothing personal and no secret may be in it.
func about(ctx context.Context, format string, args ...any) {
	callerOf(ctx).what = strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
}

// bearer is the secret that a request comes with.
func bearer(r *http.Request) string {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return text
}

// admit finds the key of a request, or answers those who have none.
func (d *door) admit(w http.ResponseWriter, r *http.Request, secret otn.Secret) (core.Key, bool) {
	key, err := d.host.Authorize(secret)
	switch {
	case err == nil:
		return key, true
	case errors.Is(err, otn.ErrUnavailable):
		w.Header().Set("Retry-After", "1")
		Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Title: "Service Unavailable"}.write(w)
	case !d.strangers.mayTry(addressOf(r), time.Now()):
		w.Header().Set("Retry-After", "10")
		Problem{Status: http.StatusTooManyRequests, Code: "too_many_tries", Title: "Too Many Requests"}.write(w)
	default:
		w.Header().Set("WWW-Authenticate", "Bearer")
		Problem{Status: http.StatusUnauthorized, Code: "unauthorized", Title: "Unauthorized"}.write(w)
	}
	return core.Key{}, false
}

// permit lets a call happen whose scope the key has.
func (d *door) permit(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	scope, named := op.Metadata[markScope].(core.Scope)
	c := callerOf(ctx.Context())
	if named && c.key.May(scope) {
		next(ctx)
		return
	}
	r, w := humago.Unwrap(ctx)
	if acts, _ := op.Metadata[markActs].(bool); acts {
		if err := d.host.Record(ctx.Context(), core.AuditEntry{Key: c.key.ID, From: c.from, Act: op.OperationID, What: d.pathOf(op, r), Request: c.request, Outcome: core.Forbidden}); err != nil {
			d.log.Error("a refused call is not in the audit log", "request_id", c.request, "error", err)
		}
	}
	Problem{
		Status: http.StatusForbidden, Code: "forbidden", Title: "Forbidden", RequestID: c.request,
		Detail: fmt.Sprintf("this wants a key with the scope %s, or admin", scope),
	}.write(w)
}

// How many addresses without a good key are remembered, and how often each may try: a good key is let in however many bad ones
// came from its address, because a secret of 256 bits is not found by trying.
const (
	strangersKept = 4096
	triesAtOnce   = 20
	triesEvery    = time.Second
)

// strangers are the addresses that came without a good key: at most twice strangersKept, the latest.
type strangers struct {
	mu       sync.Mutex
	now, old map[netip.Prefix]*rate.Limiter
}

// mayTry counts a try of an address.
func (s *strangers) mayTry(from string, now time.Time) bool {
	at := neighbourhood(from)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.now[at]
	if l == nil {
		l = s.old[at]
	}
	if l == nil {
		l = rate.NewLimiter(rate.Every(triesEvery), triesAtOnce)
	}
	if s.now == nil || len(s.now) >= strangersKept && s.now[at] == nil {
		s.now, s.old = map[netip.Prefix]*rate.Limiter{}, s.now
	}
	s.now[at] = l
	return l.AllowN(now, 1)
}

// neighbourhood is the address itself, and of IPv6 the 64 bits that one caller has to itself anyway.
func neighbourhood(from string) netip.Prefix {
	a, err := netip.ParseAddr(from)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// addressOf is the address of a request's caller, without its port.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
