// One webhook call: authenticated, then read by its topic.

package shopify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// call is one authenticated webhook.
type call struct {
	otn.Request
	topic, shop string
	event       string    // the id of the merchant's action, or else of the webhook; not signed
	triggered   time.Time // when Shopify made it; not signed
}

// malformed is a body that does not fit its topic.
type malformed struct{ error }

// Receive checks the signature over the raw body, then reads it by its topic. A topic that is of no use is answered with
// 200 and a note: Shopify takes a subscription away after too many failures.
func (s *Shopify) Receive(_ context.Context, r otn.Request) (otn.Response, []otn.Record, error) {
	if r.Method != "" && r.Method != http.MethodPost {
		return refuse(http.StatusMethodNotAllowed, "want POST"), nil, nil
	}
	if !s.signed(header(r, "Hmac-Sha256"), r.Body) {
		return refuse(http.StatusUnauthorized, "the signature does not match"), nil, nil
	}
	c := call{Request: r, topic: header(r, "Topic"), shop: header(r, "Shop-Domain"), event: header(r, "Event-Id")}
	if s.config.Shop != "" && !strings.EqualFold(c.shop, s.config.Shop) {
		return refuse(http.StatusUnauthorized, "another shop"), nil, nil
	}
	if c.event == "" {
		c.event = header(r, "Webhook-Id")
	}
	if t, err := time.Parse(time.RFC3339Nano, header(r, "Triggered-At")); err == nil && !t.After(r.At) {
		c.triggered = t
	}
	records, err := s.route(c)
	var bad malformed
	if errors.As(err, &bad) {
		return refuse(http.StatusBadRequest, fmt.Sprintf("%.60q: %v", c.topic, bad.error)), nil, nil
	}
	return otn.Response{Status: http.StatusOK}, records, err
}

func (s *Shopify) route(c call) ([]otn.Record, error) {
	switch c.topic {
	case "products/create", "products/update":
		return s.product(c)
	case "products/delete":
		return s.productGone(c)
	case "variants/in_stock", "variants/out_of_stock":
		return s.variant(c)
	case "inventory_levels/update":
		return s.level(c)
	case "collections/create", "collections/update":
		return s.collection(c)
	case "collections/delete":
		return s.collectionGone(c)
	case "customers/data_request", "customers/redact", "shop/redact":
		return note("privacy_request", "Shopify asks for "+c.topic+": otn keeps nothing of the shop's customers by their Shopify id; erase a subscriber with otn subscribers erase"), nil
	case "":
		return nil, malformed{fmt.Errorf("no topic")}
	}
	return note("unknown_topic", fmt.Sprintf("no use for webhooks on %.60q", c.topic)), nil
}

// signed reports whether one of the secrets made the signature. It looks at all of them, whatever it finds.
func (s *Shopify) signed(signature string, body []byte) bool {
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(given) != sha256.Size {
		return false
	}
	match := false
	for _, secret := range s.config.Secrets {
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		mac.Write(body)
		match = hmac.Equal(mac.Sum(nil), given) || match
	}
	return match
}

// header finds a header in any case, with or without the leading X- that newer versions drop.
func header(r otn.Request, name string) string {
	for _, full := range []string{"X-Shopify-" + name, "Shopify-" + name} {
		for key, values := range r.Header {
			if strings.EqualFold(key, full) && len(values) > 0 {
				return strings.TrimSpace(values[0])
			}
		}
	}
	return ""
}

// key is what a record of the call is deduplicated by. The same body that carries its own version is the same news, under
// whatever ids it comes; one without a version may be news again when it belongs to another action of the merchant.
func (c *call) key(versioned bool, subject string) string {
	h := sha256.New()
	_, _ = io.WriteString(h, strings.ToLower(c.shop)+"\x00"+c.topic+"\x00")
	if !versioned {
		_, _ = io.WriteString(h, c.event)
	}
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(c.Body)
	return hex.EncodeToString(h.Sum(nil)[:16]) + "/" + subject
}

// asOf is the version of what a body says: its own, or else the moment of the call's making.
func (c *call) asOf(updated told[time.Time]) time.Time {
	if updated.known() {
		return updated.value.UTC()
	}
	return c.triggered
}

// record makes a record of an observation.
func (c *call) record(o otn.Observation, versioned bool, subject string) otn.Record {
	return otn.Record{Key: c.key(versioned, subject), At: o.AsOf, Observation: &o}
}

func note(code, text string) []otn.Record {
	return []otn.Record{{Note: &otn.Note{Code: code, Text: text}}}
}

func refuse(status int, why string) otn.Response {
	return otn.Response{Status: status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte(why + "\n")}
}
