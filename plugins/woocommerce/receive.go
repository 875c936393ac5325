// One webhook call: authenticated, then read by its topic.

package woocommerce

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// restoredWithin is how old the version of a restored product may be to count as of its arrival.
const restoredWithin = time.Hour

// call is one authenticated webhook.
type call struct {
	otn.Request
	topic    string // not signed
	delivery string // made of the webhook's id and the second of its making, so that several share it; not signed
}

// Receive checks the signature over the raw body, then reads it by its topic. The ping is unsigned and changes nothing.
// Whatever else is well signed is answered with 200, if need be with a note of what was not used: WooCommerce turns a webhook
// off after more than five failures in a row.
func (w *WooCommerce) Receive(_ context.Context, r otn.Request) (otn.Response, []otn.Record, error) {
	if r.Method != "" && r.Method != http.MethodPost {
		return hook.Refuse(http.StatusMethodNotAllowed, "want POST"), nil, nil
	}
	signature := hook.Header(r, "X-WC-Webhook-Signature")
	if signature == "" && isPing(r) {
		return otn.Response{Status: http.StatusOK}, nil, nil
	}
	if !hook.Signed(signature, r.Body, w.config.Secrets) {
		return hook.Refuse(http.StatusUnauthorized, "the signature does not match"), nil, nil
	}
	c := call{Request: r, topic: hook.Header(r, "X-WC-Webhook-Topic"), delivery: hook.Header(r, "X-WC-Webhook-Delivery-ID")}
	records, err := w.route(c)
	if err != nil {
		records = []otn.Record{hook.Note("malformed", fmt.Sprintf("a body on %.60q: %v", c.topic, err))}
	}
	return otn.Response{Status: http.StatusOK}, records, nil
}

// route reads a body by its topic. Its error is about the body, and quotes nothing of it.
func (w *WooCommerce) route(c call) ([]otn.Record, error) {
	switch c.topic {
	case "product.created", "product.updated", "product.restored":
		return w.product(c)
	case "product.deleted":
		return w.productGone(c)
	case "":
		return nil, fmt.Errorf("no topic")
	}
	return []otn.Record{hook.Note("unknown_topic", fmt.Sprintf("no use for webhooks on %.60q", c.topic))}, nil
}

// isPing finds the form that WooCommerce posts when a webhook is saved.
func isPing(r otn.Request) bool {
	kind, _, err := mime.ParseMediaType(hook.Header(r, "Content-Type"))
	id, ok := strings.CutPrefix(string(r.Body), "webhook_id=")
	return err == nil && kind == "application/x-www-form-urlencoded" && ok && id != "" && len(id) < 20 && strings.Trim(id, "0123456789") == ""
}

// key is what a record of the call is deduplicated by. The same body that carries its own version is the same news, under
// whatever topic and delivery it comes: one save sends several. A body without one, as of a product that is deleted, restored
// and deleted again, may be news in another delivery.
func (c *call) key(versioned bool, subject string) string {
	h := sha256.New()
	if !versioned {
		_, _ = io.WriteString(h, c.delivery)
	}
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(c.Body)
	return hex.EncodeToString(h.Sum(nil)[:16]) + "/" + subject
}

// version is as of when the body holds. A delete has no date and counts as of its arrival, later than the change that
// restores the product; where both were made within a minute the restored product would be older than its delete. So one
// that was changed just now counts as of its arrival too. Its topic is not signed, and a body that comes again is known.
func (w *WooCommerce) version(p *product, c call) (asOf time.Time, versioned bool) {
	asOf, versioned = w.moment(p.ModifiedGMT, p.Modified)
	if age := c.At.Sub(asOf); versioned && c.topic == "product.restored" && age >= 0 && age <= restoredWithin {
		asOf = c.At
	}
	return asOf, versioned
}

// record makes a record of an observation.
func (c *call) record(o otn.Observation, versioned bool, subject string) otn.Record {
	return otn.Record{Key: c.key(versioned, subject), At: o.AsOf, Observation: &o}
}
