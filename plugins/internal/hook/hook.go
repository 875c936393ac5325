// One call of a platform's webhook: who signed it, what its headers say, and how it is refused.

// Package hook is what sources have in common, most of all those that take signed webhooks: a signature over the raw body, headers in any
// case, and JSON whose fields may be left out. It knows no platform.
package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// Signed reports whether one of the secrets made the signature, the base64 of an HMAC-SHA256 over the body. It looks at all
// of them, whatever it finds.
func Signed(signature string, body []byte, secrets []otn.Secret) bool {
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(given) != sha256.Size {
		return false
	}
	match := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		mac.Write(body)
		match = hmac.Equal(mac.Sum(nil), given) || match
	}
	return match
}

// Header gives the first of the named headers that is there, in any case; "" when none is.
func Header(r otn.Request, names ...string) string {
	for _, name := range names {
		for key, values := range r.Header {
			if strings.EqualFold(key, name) && len(values) > 0 {
				return strings.TrimSpace(values[0])
			}
		}
	}
	return ""
}

// Refuse is an answer that says why.
func Refuse(status int, why string) otn.Response {
	return otn.Response{Status: status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte(why + "\n")}
}

// Note is a record of something that was understood and not used.
func Note(code, text string) otn.Record {
	return otn.Record{Note: &otn.Note{Code: code, Text: text}}
}

// Tell sets a fact of an observation's item or collection and says that it is known.
func Tell[T any](o *otn.Observation, f otn.Fact, to *T, value T) {
	*to = value
	if o.Item != nil {
		o.Item.Known |= f
		return
	}
	o.Collection.Known |= f
}
