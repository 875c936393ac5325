// Signatures as Standard Webhooks 1.0 has them: over id, moment and body, once for each secret.

package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// keyPrefix marks a secret of Standard Webhooks that both sides know; 24 to 64 bytes follow it.
const (
	keyPrefix        = "whsec_"
	minKey, maxKey   = 24, 64
	howToMakeASecret = "make one with: echo whsec_$(openssl rand -base64 32)"
)

// readKeys gives every fault of the secrets. It quotes none.
func (w *Webhook) readKeys() (faults []error) {
	for n, secret := range slices.Concat([]otn.Secret{w.config.Secret}, w.config.Secrets) {
		path := "secret"
		if n > 0 {
			path = "secrets[" + strconv.Itoa(n-1) + "]"
		} else if secret.IsZero() {
			continue
		}
		text, ok := strings.CutPrefix(strings.TrimSpace(secret.Reveal()), keyPrefix)
		key, err := base64.StdEncoding.DecodeString(text)
		switch {
		case !ok:
			faults = append(faults, channel.Fault(path, "does not begin with whsec_; "+howToMakeASecret))
		case err != nil:
			faults = append(faults, channel.Fault(path, "what follows whsec_ is not base64; "+howToMakeASecret))
		case len(key) < minKey || len(key) > maxKey:
			faults = append(faults, channel.Fault(path, "has %d bytes, want %d to %d; "+howToMakeASecret, len(key), minKey, maxKey))
		}
		w.keys = append(w.keys, key)
	}
	if len(w.keys) == 0 {
		faults = append(faults, channel.Fault("secret", "is missing: the receiver could not tell otn's messages from anybody's; "+howToMakeASecret))
	}
	return faults
}

// sign gives the signatures of a message, by each key.
func (w *Webhook) sign(id string, at time.Time, body []byte) string {
	list := make([]string, len(w.keys))
	for n, key := range w.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		list[n] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(list, " ")
}
