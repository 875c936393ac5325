// The fixtures and their signatures, and a shop whose webhooks end in a catalog.

package woocommerce_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zone of the fixtures' shop, on every machine

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/internal/sourcetest"
	"github.com/onetimenotify/otn/plugins/woocommerce"
)

const (
	secret = "woo & 'fixture' secret"
	mug    = "794" // a simple product
	tee    = "799" // a product with variations
	teeS   = "801" // one of them

	base      = "product_updated.1_base.json"
	scheduled = "product_updated.2_sale_scheduled_not_active.json"
	onSale    = "product_updated.3_sale_active_in_stock.json"
	parent    = "product_updated.4_variable_parent_no_prices.json"
	variation = "product_updated.5_variation_body.json"
	backorder = "product_updated.6_onbackorder.json"
)

// plain is the configuration of the fixtures' shop.
const plain = `{"secrets":["` + secret + `"],"currency":"EUR","timezone":"Europe/Berlin"}`

// with adds a setting to it.
func with(setting string) string { return plain[:len(plain)-1] + "," + setting + "}" }

// clock is that of the fixtures.
var clock = time.UnixMilli(1795345200000).UTC()

type vector struct {
	ID, File, Expect string
	Headers          map[string]string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	var all struct{ Vectors []vector }
	if err := json.Unmarshal(fixture(t, "vectors.json"), &all); err != nil {
		t.Fatal(err)
	}
	return all.Vectors
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func topicOf(file string) string {
	if strings.HasPrefix(file, "product_deleted") {
		return "product.deleted"
	}
	return "product.updated"
}

func open(t testing.TB, config string) *channel.Instance {
	t.Helper()
	return sourcetest.Open(t, woocommerce.Plugin, config)
}

func signed(topic string, body []byte) otn.Request {
	resource, event, _ := strings.Cut(topic, ".")
	return otn.Request{Method: http.MethodPost, Body: body, At: clock, Header: http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"WooCommerce/10.3.5 Hookshot (WordPress/6.8.3)"},
		"X-Wc-Webhook-Source": {"https://shop.example/"}, "X-Wc-Webhook-Topic": {topic}, "X-Wc-Webhook-Resource": {resource}, "X-Wc-Webhook-Event": {event},
		"X-Wc-Webhook-Signature": {sourcetest.Sign(secret, body)}, "X-Wc-Webhook-Id": {"7"}, "X-Wc-Webhook-Delivery-Id": {"d-1"},
	}}
}

// edit changes fields of a body, each given as JSON; one given as "" is taken out.
func edit(t testing.TB, body []byte, fields map[string]string) []byte {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		if value == "" {
			delete(all, name)
			continue
		}
		all[name] = json.RawMessage(value)
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type shop struct{ *sourcetest.Shelf }

func newShop(t testing.TB, config string) shop {
	t.Helper()
	return shop{sourcetest.NewShelf(t, open(t, config))}
}

// sendAt gives the source a signed body at a moment, and the catalog what the source tells.
func (s shop) sendAt(at time.Time, topic string, body []byte) []otn.Event {
	r := signed(topic, body)
	r.At = at
	return s.Take(r)
}

func (s shop) send(topic string, body []byte) []otn.Event { return s.sendAt(clock, topic, body) }

func (s shop) update(body []byte) []otn.Event { return s.send("product.updated", body) }

// note gives the code of the last call's first note, "" when there is none.
func (s shop) note() string {
	for _, r := range s.Records {
		if r.Note != nil {
			return r.Note.Code
		}
	}
	return ""
}

// stamped gives the fields that date a body.
func stamped(at time.Time, fields map[string]string) map[string]string {
	all := map[string]string{"date_modified_gmt": strconv.Quote(at.UTC().Format("2006-01-02T15:04:05"))}
	for name, value := range fields {
		all[name] = value
	}
	return all
}

func eur(minor int64) otn.Money { return otn.Money{Minor: minor, Currency: "EUR"} }

func known(t testing.TB, s shop, id string) bool {
	t.Helper()
	_, ok := s.Snapshot(otn.Subject{Kind: otn.ItemKind, ID: id})
	return ok
}
