// Who may call: a signature of Standard Webhooks, or a secret that the caller shows.

package events

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// tolerance is how far a signature's moment may be from now. Source: Standard Webhooks 1.0.
const tolerance = 5 * time.Minute

// signingPrefix marks a key of Standard Webhooks.
const signingPrefix = "whsec_"

// key is one secret: one that signs, or one that is shown.
type key struct {
	signing []byte
	shown   otn.Secret
}

func newKey(secret otn.Secret) (key, error) {
	text, signs := strings.CutPrefix(secret.Reveal(), signingPrefix)
	if !signs {
		return key{shown: secret}, nil
	}
	signing, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(signing) == 0 {
		return key{}, channel.Fault("secret", "what follows whsec_ is not base64")
	}
	return key{signing: signing}, nil
}

// caller is what the authentication found out. The zero caller may not call.
type caller struct {
	allowed bool
	id      string    // of the message, when it is signed
	at      time.Time // when it was signed
}

// admit looks at every key, whatever it finds.
func (e *Events) admit(r otn.Request) (c caller) {
	signed, ok := signatureOf(r)
	shown := []string{bearer(r), strings.Trim(r.Path, "/")}
	for _, k := range e.keys {
		if k.signing != nil {
			if ok && signed.by(k.signing, r.Body) {
				c = caller{true, signed.id, signed.at}
			}
			continue
		}
		for _, s := range shown {
			if same(s, k.shown.Reveal()) && !c.allowed {
				c = caller{allowed: true}
			}
		}
	}
	return c
}

// same compares two texts in a time that tells nothing of them, not their lengths either.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func bearer(r otn.Request) string {
	scheme, token, _ := strings.Cut(hook.Header(r, "Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// signature is what the headers of Standard Webhooks say.
type signature struct {
	id, stamp string
	at        time.Time
	list      string
}

// signatureOf reads the headers. A moment too far from now, either way, is as good as none.
func signatureOf(r otn.Request) (s signature, ok bool) {
	s = signature{id: hook.Header(r, "Webhook-Id"), stamp: hook.Header(r, "Webhook-Timestamp"), list: hook.Header(r, "Webhook-Signature")}
	seconds, err := strconv.ParseInt(s.stamp, 10, 64)
	if err != nil || s.id == "" || s.list == "" {
		return s, false
	}
	s.at = time.Unix(seconds, 0).UTC()
	return s, r.At.Sub(s.at) <= tolerance && s.at.Sub(r.At) <= tolerance
}

// by reports whether one of the signatures was made with the key; versions other than v1 are passed over.
func (s signature) by(signing, body []byte) bool {
	mac := hmac.New(sha256.New, signing)
	mac.Write([]byte(s.id + "." + s.stamp + "."))
	mac.Write(body)
	want := mac.Sum(nil)
	match := false
	for _, one := range strings.Fields(s.list) {
		version, text, _ := strings.Cut(one, ",")
		given, err := base64.StdEncoding.DecodeString(text)
		if version == "v1" && err == nil {
			match = hmac.Equal(want, given) || match
		}
	}
	return match
}

// handshake answers the question that a sender of CloudEvents asks before it calls. Source: HTTP 1.1 Web Hooks for Event Delivery, 1.0.
func handshake(r otn.Request) otn.Response {
	origin := hook.Header(r, "WebHook-Request-Origin")
	if origin == "" {
		return hook.Refuse(http.StatusMethodNotAllowed, "want POST")
	}
	return otn.Response{Status: http.StatusOK, Header: http.Header{
		"Allow": {"POST"}, "Webhook-Allowed-Origin": {origin}, "Webhook-Allowed-Rate": {"*"},
	}}
}
