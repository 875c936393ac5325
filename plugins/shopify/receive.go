// One webhook call: authenticated, then read by its topic.

package shopify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
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

// Receive checks the signature over the raw body, then reads it by its topic. What is well signed and of no use, its topic
// or its body, is answered with 200 and a note: Shopify would send it again, and takes a subscription away after too many failures.
func (s *Shopify) Receive(_ context.Context, r otn.Request) (otn.Response, []otn.Record, error) {
	if r.Method != "" && r.Method != http.MethodPost {
		return hook.Refuse(http.StatusMethodNotAllowed, "want POST"), nil, nil
	}
	if !hook.Signed(header(r, "Hmac-Sha256"), r.Body, s.config.Secrets) {
		return hook.Refuse(http.StatusUnauthorized, "the signature does not match"), nil, nil
	}
	c := call{Request: r, topic: header(r, "Topic"), shop: header(r, "Shop-Domain"), event: header(r, "Event-Id")}
	if s.config.Shop != "" && !strings.EqualFold(c.shop, s.config.Shop) {
		return hook.Refuse(http.StatusUnauthorized, "another shop"), nil, nil
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
		records, err = []otn.Record{hook.Note("malformed", fmt.Sprintf("%.60q: %v", c.topic, bad.error))}, nil
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
		return []otn.Record{hook.Note("privacy_request", privacy(c.topic))}, nil
	case "":
		return nil, malformed{fmt.Errorf("no topic")}
	}
	return []otn.Record{hook.Note("unknown_topic", fmt.Sprintf("no use for webhooks on %.60q", c.topic))}, nil
}

// privacy says what a request of Shopify's for a person's data asks of the operator. It names nobody: a note is kept.
func privacy(topic string) string {
	const first = "Shopify asks for %s, to be done within 30 days. otn keeps nothing of the shop's customers by their Shopify id; "
	switch topic {
	case "customers/data_request":
		return fmt.Sprintf(first, topic) + "where a channel knows the person of the last bodies, otn subscribers show CHANNEL ID tells what is kept"
	case "customers/redact":
		return fmt.Sprintf(first, topic) + "where a channel knows the person of the last bodies, erase them with otn subscribers erase CHANNEL ID"
	}
	return fmt.Sprintf(first, topic) + "the app is gone from the shop: take the source out of otn.yaml"
}

// header finds a header with or without the leading X- that newer versions drop.
func header(r otn.Request, name string) string {
	return hook.Header(r, "X-Shopify-"+name, "Shopify-"+name)
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
func (c *call) asOf(updated hook.Told[time.Time]) time.Time {
	if updated.Known() {
		return updated.Value.UTC()
	}
	return c.triggered
}

// record makes a record of an observation.
func (c *call) record(o otn.Observation, versioned bool, subject string) otn.Record {
	return otn.Record{Key: c.key(versioned, subject), At: o.AsOf, Observation: &o}
}
