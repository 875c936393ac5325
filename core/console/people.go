// How a person is named on pages: by a few characters of their id, and in links by a sealed name that only this console opens.

package console

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// people seals and opens names. The keys are made anew at each start, as sessions are.
type people struct {
	box  cipher.AEAD
	salt [32]byte
}

func (p *people) seed() error {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: crypto/rand ends the program instead
	_, _ = rand.Read(p.salt[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	if p.box, err = cipher.NewGCM(block); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	return nil
}

// seal makes the name under which a link speaks of a person. The same person has the same name, so that a page that is
// made again is the same: the nonce is a keyed hash of what is sealed.
func (p *people) seal(channel, subscriber string) string {
	text := []byte(channel + "\x00" + subscriber)
	mac := hmac.New(sha256.New, p.salt[:])
	mac.Write(text)
	nonce := mac.Sum(nil)[:p.box.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(p.box.Seal(nonce, nonce, text, nil))
}

// open finds the person again. Errors: otn.ErrNotFound, also for a name that an earlier daemon made.
func (p *people) open(name string) (channel, subscriber string, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(name)
	if err != nil {
		return "", "", errNobody
	}
	n := p.box.NonceSize()
	if len(sealed) < n {
		return "", "", errNobody
	}
	text, err := p.box.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil {
		return "", "", errNobody
	}
	channel, subscriber, _ = strings.Cut(string(text), "\x00")
	return channel, subscriber, nil
}

var errNobody = fmt.Errorf("this link speaks of nobody any more, look the person up again: %w", otn.ErrNotFound)

// hidden is an error that may speak of a person, with their id in part.
type hidden struct {
	error
	id string
}

func (h hidden) Error() string { return veiled(h.error.Error(), h.id) }
func (h hidden) Unwrap() error { return h.error }

// veiled is a text with the whole id of a person shortened: a platform may have said it in an answer.
func veiled(text, id string) string {
	if id == "" {
		return text
	}
	return strings.ReplaceAll(text, id, shortName(id))
}

// veil does the same to what was said of deliveries.
func veil(list []core.DeliveryView) []core.DeliveryView {
	for i := range list {
		list[i].Detail = veiled(list[i].Detail, list[i].Subscriber)
	}
	return list
}

// hide keeps the whole id of a person out of what an error says.
func hide(err error, id string) error {
	if err == nil || id == "" {
		return err
	}
	return hidden{err, id}
}

// shortName is what is shown of a recipient's id: its ends, and never more than half of it.
func shortName(id string) string {
	r := []rune(id)
	end := min(4, len(r)/4)
	if len(r) < 2 {
		return "…"
	}
	if end == 0 {
		return string(r[:1]) + "…"
	}
	return string(r[:end]) + "…" + string(r[len(r)-end:])
}
