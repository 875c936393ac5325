// The webhook's door: the set-up call, the signature over the raw bytes, and the answer.

package messenger

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

const signatureHeader = "X-Hub-Signature-256"

// Receive reads one call of the page's webhook. A GET is the set-up call: 200 with the challenge, or 403. A POST whose
// signature is wrong is 401, one about something else than a page 404; any other well-signed body is 200, with a record
// for each event in the order of the body, whatever the events are. Below it, at /chatfuel, bots ask. Records name no channel: the host knows it.
func (m *Messenger) Receive(_ context.Context, r otn.Request) (otn.Response, []otn.Record, error) {
	if strings.TrimRight(r.Path, "/") == chatfuelPath {
		resp, records := m.bot(r)
		return resp, records, nil
	}
	if strings.Trim(r.Path, "/") != "" {
		return respond(http.StatusNotFound, ""), nil, nil
	}
	switch r.Method {
	case http.MethodGet:
		return m.handshake(r.Query), nil, nil
	case http.MethodPost:
		return m.deliver(r)
	}
	refused := respond(http.StatusMethodNotAllowed, "")
	refused.Header.Set("Allow", "GET, POST")
	return refused, nil, nil
}

func (m *Messenger) deliver(r otn.Request) (otn.Response, []otn.Record, error) {
	if !m.signed(r.Header.Values(signatureHeader), r.Body) {
		return respond(http.StatusUnauthorized, ""), nil, nil
	}
	at := r.At
	if at.IsZero() {
		at = m.now()
	}
	records, ours := m.read(r.Body, at)
	if !ours {
		return respond(http.StatusNotFound, ""), nil, nil
	}
	return respond(http.StatusOK, "EVENT_RECEIVED"), records, nil
}

// handshake answers the set-up call. Without a configured word nothing matches.
func (m *Messenger) handshake(q url.Values) otn.Response {
	word := m.config.VerifyToken.Reveal()
	if q.Get("hub.mode") != "subscribe" || word == "" || !same(q.Get("hub.verify_token"), word) {
		return respond(http.StatusForbidden, "")
	}
	return respond(http.StatusOK, q.Get("hub.challenge"))
}

// signed reports whether one of the app secrets made the signature of these very bytes. Every secret is tried, so that
// the time taken does not tell which one matched.
func (m *Messenger) signed(given []string, body []byte) bool {
	if len(given) != 1 {
		return false
	}
	digits, ok := strings.CutPrefix(given[0], "sha256=")
	if !ok {
		return false
	}
	mac, err := hex.DecodeString(digits)
	if err != nil {
		return false
	}
	found := 0
	for _, secret := range m.config.secrets() {
		h := hmac.New(sha256.New, []byte(secret.Reveal()))
		_, _ = h.Write(body)
		found |= subtle.ConstantTimeCompare(h.Sum(nil), mac)
	}
	return found == 1
}

// same compares in constant time, whatever the lengths.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func respond(code int, body string) otn.Response {
	return otn.Response{
		Status: code,
		Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"}},
		Body:   []byte(body),
	}
}
