// Who is let in, and what they are answered.

package woocommerce_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/internal/sourcetest"
	"github.com/onetimenotify/otn/plugins/woocommerce"
)

func TestSignatureVectors(t *testing.T) {
	source := open(t, plain)
	for _, v := range vectors(t) {
		r := otn.Request{Method: http.MethodPost, Body: fixture(t, v.File), At: clock, Header: http.Header{"X-WC-Webhook-Topic": {topicOf(v.File)}}}
		for name, value := range v.Headers {
			r.Header[name] = []string{value}
		}
		resp, records, err := source.Receive(t.Context(), r)
		status := map[string]int{"accept": http.StatusOK, "accept_ping": http.StatusOK, "reject": http.StatusUnauthorized}[v.Expect]
		if err != nil || resp.Status != status || (len(records) > 0) != (v.Expect == "accept") {
			t.Errorf("%s: %d with %d records, want %d: %v", v.ID, resp.Status, len(records), status, err)
		}
		for _, r := range records {
			if r.Observation == nil {
				t.Errorf("%s: %+v", v.ID, r)
			}
		}
	}
}

func TestP28OnlyThePingMayBeUnsigned(t *testing.T) {
	source, ping := open(t, plain), fixture(t, "ping.form.txt")
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"WooCommerce/10.3.5 Hookshot (WordPress/6.8.3)"}}
	for _, kind := range []string{"application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8"} {
		resp, records, err := source.Receive(t.Context(), otn.Request{Method: http.MethodPost, Body: ping, At: clock, Header: http.Header{"content-type": {kind}}})
		if err != nil || resp.Status != http.StatusOK || records != nil {
			t.Errorf("%s: %d with %d records: %v", kind, resp.Status, len(records), err)
		}
	}
	for name, r := range map[string]otn.Request{
		"more than the ping":  {Body: []byte("webhook_id=7&topic=product.updated"), Header: form},
		"no id":               {Body: []byte("webhook_id="), Header: form},
		"no number":           {Body: []byte("webhook_id=seven"), Header: form},
		"endless":             {Body: []byte("webhook_id=" + strings.Repeat("7", 1000)), Header: form},
		"empty":               {Header: form},
		"the ping as JSON":    {Body: ping, Header: http.Header{"Content-Type": {"application/json"}}},
		"the ping, forged":    {Body: ping, Header: http.Header{"Content-Type": form["Content-Type"], "X-Wc-Webhook-Signature": {sourcetest.Sign("guessed", ping)}}},
		"a product as a form": {Body: fixture(t, onSale), Header: form},
		"a delete as a form":  {Body: fixture(t, "product_deleted.json"), Header: form},
	} {
		r.Method, r.At = http.MethodPost, clock
		if resp, records, err := source.Receive(t.Context(), r); err != nil || resp.Status != http.StatusUnauthorized || records != nil {
			t.Errorf("%s: %d with %d records: %v", name, resp.Status, len(records), err)
		}
	}
}

func TestP30EverySecretOfTheListPasses(t *testing.T) {
	body := fixture(t, base)
	r := signed("product.updated", body)
	for config, want := range map[string]int{
		`{"secrets":["new one","` + secret + `"],"currency":"EUR"}`:             http.StatusOK,
		`{"secrets":["` + secret + `","new one"],"currency":"EUR"}`:             http.StatusOK,
		`{"secrets":["new one"],"currency":"EUR"}`:                              http.StatusUnauthorized,
		`{"secrets":["woo &amp; 'fixture' secret","new one"],"currency":"EUR"}`: http.StatusUnauthorized,
	} {
		if resp, _, err := open(t, config).Receive(t.Context(), r); err != nil || resp.Status != want {
			t.Errorf("%s: %d, want %d: %v", config, resp.Status, want, err)
		}
	}
}

func TestP31HeadersInAnyCaseAndBadSignatures(t *testing.T) {
	source, body := open(t, plain), fixture(t, base)
	for _, header := range []string{"x-wc-webhook-", "X-WC-WEBHOOK-", "X-WC-Webhook-"} {
		r := otn.Request{Method: http.MethodPost, Body: body, At: clock, Header: http.Header{header + "Topic": {"product.updated"}, header + "signature": {sourcetest.Sign(secret, body)}}}
		if resp, records, err := source.Receive(t.Context(), r); err != nil || resp.Status != http.StatusOK || len(records) != 1 || records[0].Observation == nil {
			t.Errorf("%s: %d with %d records: %v", header, resp.Status, len(records), err)
		}
	}
	good := sourcetest.Sign(secret, body)
	for _, bad := range []string{"", "=", "not base64!", good[:20], good + good, good[:43], strings.ToLower(good), base64.StdEncoding.EncodeToString([]byte("short")), sourcetest.Sign("", body)} {
		r := signed("product.updated", body)
		r.Header["X-Wc-Webhook-Signature"] = []string{bad}
		if resp, records, err := source.Receive(t.Context(), r); err != nil || resp.Status != http.StatusUnauthorized || records != nil {
			t.Errorf("%q: %d, %v", bad, resp.Status, err)
		}
	}
	r := signed("product.updated", body)
	r.Body = body[:100]
	if resp, _, _ := source.Receive(t.Context(), r); resp.Status != http.StatusUnauthorized {
		t.Errorf("cut on the way: %d", resp.Status)
	}
	r = signed("product.updated", body)
	r.Method = http.MethodGet
	if resp, _, _ := source.Receive(t.Context(), r); resp.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.Status)
	}
}

// A valid body under another topic is no news, whether the two have the same shape or not.
func TestP22BodyUnderAnotherTopic(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, base))
	first := s.Records[0].Key
	for _, topic := range []string{"product.created", "product.restored"} {
		if s.send(topic, fixture(t, base)); s.Records[0].Key != first {
			t.Errorf("the same body as %s has another key", topic)
		}
	}
	for topic, body := range map[string][]byte{
		"product.deleted": fixture(t, base), "product.updated": fixture(t, "product_deleted.json"), "product.restored": fixture(t, "product_deleted.json"),
		"product.created": []byte(`{"id":727,"parent_id":0,"number":"727","status":"processing","currency":"EUR","total":"29.35","line_items":[]}`), "": fixture(t, onSale),
	} {
		if events := s.send(topic, body); len(events) != 0 || s.note() != "malformed" || s.Answered.Status != http.StatusOK {
			t.Errorf("%s: %d events, note %q, status %d", topic, len(events), s.note(), s.Answered.Status)
		}
	}
	if i := s.Item(mug); !i.IsPublished() || i.Price != eur(2199) {
		t.Errorf("got %+v", i)
	}
	// An old body that comes again as one of a restored product keeps its own date.
	s = newShop(t, plain)
	s.update(edit(t, fixture(t, base), stamped(clock.Add(-2*restored), map[string]string{"stock_quantity": "5"})))
	if events := s.send("product.restored", fixture(t, base)); len(events) != 0 {
		t.Errorf("an old body made %d events", len(events))
	}
}

// L6, L13: nothing that is well signed is answered with a failure, since five in a row turn the webhook off. It leaves a note
// that quotes nothing.
func TestL6WhatCannotBeReadStopsNothing(t *testing.T) {
	whole := fixture(t, base)
	for name, body := range map[string][]byte{
		"truncated": whole[:len(whole)/2], "empty": {}, "null": []byte("null"), "list": []byte("[]"), "text": []byte(`"x"`), "two": append(bytes.Clone(whole), whole...),
		"no id": edit(t, whole, map[string]string{"id": ""}), "id 0": edit(t, whole, map[string]string{"id": "0"}), "id as fraction": edit(t, whole, map[string]string{"id": "1.5"}), "id as word": edit(t, whole, map[string]string{"id": `"canary"`}),
		"no name": edit(t, whole, map[string]string{"name": ""}), "no type": edit(t, whole, map[string]string{"type": ""}),
		"P2: price as number": edit(t, whole, map[string]string{"price": "2199"}), "P38: stock as text": edit(t, whole, map[string]string{"stock_quantity": `"3"`}),
		"P38: stock as word": edit(t, whole, map[string]string{"stock_quantity": `"canary"`}), "stock without end": edit(t, whole, map[string]string{"stock_quantity": "99999999999999999999"}),
		"an answer of the site about itself": []byte(`{"code":"woocommerce_rest_cannot_view","message":"canary","data":{"status":401}}`),
	} {
		s := newShop(t, plain)
		if events := s.update(body); s.Answered.Status != http.StatusOK || len(events) != 0 || len(s.Records) != 1 || s.note() != "malformed" {
			t.Errorf("%s: %d, %+v", name, s.Answered.Status, s.Records)
		} else if text := s.Records[0].Note.Text; strings.Contains(text, "canary") || len(text) > 200 {
			t.Errorf("%s: the note quotes the body: %s", name, text)
		}
	}
}

func TestTopicsWithoutUse(t *testing.T) {
	for _, topic := range []string{"order.created", "customer.updated", "coupon.deleted", "action.woocommerce_add_to_cart", "product.exploded"} {
		s := newShop(t, plain)
		s.send(topic, []byte(`{"id":1,"name":"x","type":"simple","billing":{"email":"ada@example.com"}}`))
		if s.Answered.Status != http.StatusOK || len(s.Records) != 1 || s.note() != "unknown_topic" || strings.Contains(s.Records[0].Note.Text, "ada") {
			t.Errorf("%s: %d, %+v", topic, s.Answered.Status, s.Records)
		}
	}
}

// P29: the delivery's id is made of the webhook and the second: two products share it.
func TestP29OneDeliveryIdForTwoProducts(t *testing.T) {
	s := newShop(t, plain)
	s.update(fixture(t, base))
	one := s.Records[0].Key
	s.update(edit(t, fixture(t, base), map[string]string{"id": "795"}))
	if two := s.Records[0].Key; one == two || !known(t, s, mug) || !known(t, s, "795") {
		t.Errorf("keys %q and %q", one, two)
	}
	s.send("product.deleted", []byte(`{"id":794}`))
	keys := map[string]bool{}
	for _, r := range s.Records {
		keys[r.Key] = true
	}
	s.send("product.deleted", []byte(`{"id":795}`))
	for _, r := range s.Records {
		if keys[r.Key] {
			t.Errorf("the key %q is that of another product", r.Key)
		}
		keys[r.Key] = true
	}
	if s.Item(mug).IsPublished() || s.Item("795").IsPublished() {
		t.Error("one of two deletes in one second was lost")
	}
}

// L15: one save sends two or three webhooks, each with an id of its own. A delete of the same product may be a second one.
func TestL15Keys(t *testing.T) {
	key := func(topic, delivery string, body []byte) string {
		r := signed(topic, body)
		r.Header.Set("X-Wc-Webhook-Delivery-Id", delivery)
		_, records, err := open(t, plain).Receive(t.Context(), r)
		if err != nil || len(records) == 0 {
			t.Fatal(topic, err)
		}
		return records[0].Key
	}
	body := fixture(t, base)
	if key("product.updated", "d-1", body) != key("product.created", "d-2", body) {
		t.Error("the same version in two webhooks has two keys")
	}
	if key("product.updated", "d-1", body) == key("product.updated", "d-1", fixture(t, scheduled)) {
		t.Error("two versions have one key")
	}
	undated := edit(t, body, map[string]string{"date_modified_gmt": "null", "date_modified": "null"})
	gone := fixture(t, "product_deleted.json")
	for topic, body := range map[string][]byte{"product.updated": undated, "product.deleted": gone} {
		one, same, other := key(topic, "d-1", body), key(topic, "d-1", body), key(topic, "d-2", body)
		if one == other || one != same {
			t.Errorf("%s: a body without a version is told apart by its delivery", topic)
		}
	}
}

func TestConfig(t *testing.T) {
	for config, want := range map[string]string{
		`{"secrets":[],"currency":"EUR"}`:                                       "secrets",
		`{"secrets":[""],"currency":"EUR"}`:                                     "secrets",
		`{"currency":"EUR"}`:                                                    "secrets",
		`{"secrets":["s3cret"]}`:                                                "currency",
		`{"secrets":["s3cret"],"currency":"EURO"}`:                              "currency",
		`{"secrets":["s3cret"],"currency":"EUR","id":"slug"}`:                   "id",
		`{"secrets":["s3cret"],"currency":"EUR","timezone":"Berlin"}`:           "timezone",
		`{"secrets":["s3cret"],"currency":"EUR","timezone":"UTC+2"}`:            "timezone",
		`{"secrets":["s3cret"],"currency":"EUR","timezone":"Local"}`:            "timezone",
		`{"secrets":["s3cret"],"currency":"EUR","tax":{"standard":119}}`:        "tax.standard",
		`{"secrets":["s3cret"],"currency":"EUR","tax":{"reduced-rate":-7}}`:     "tax.reduced-rate",
		`{"secrets":["s3cret"],"currency":"EUR","tax":{"standard":"nineteen"}}`: "tax.standard",
		`{"secrets":["s3cret"],"currency":"EUR","topics":["product.updated"]}`:  "topics",
	} {
		_, err := woocommerce.Plugin.Open(t.Context(), []byte(config), channel.Setup{})
		var ce *channel.ConfigError
		if !errors.As(err, &ce) || len(ce.Diagnostics) != 1 || ce.Diagnostics[0].Path != want {
			t.Errorf("%s: %v", config, err)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows a secret", config)
		}
	}
	_, err := woocommerce.New(woocommerce.Config{Currency: "X", ID: "slug", Timezone: "Berlin", Tax: map[string]float64{"a": -1}})
	if err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("want five faults at once: %v", err)
	}
}

// P3: webhooks name no currency, so the source does not start without one.
func TestP3NoCurrencyNoStart(t *testing.T) {
	if _, err := woocommerce.New(woocommerce.Config{Secrets: []otn.Secret{otn.NewSecret("s3cret")}}); err == nil || !strings.Contains(err.Error(), "currency") {
		t.Errorf("%v", err)
	}
}

func FuzzReceive(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(topicOf(v.File), fixture(f, v.File))
	}
	source := open(f, with(`"tax":{"standard":19}`))
	f.Fuzz(func(t *testing.T, topic string, body []byte) {
		resp, records, err := source.Receive(t.Context(), signed(topic, body))
		if err != nil || resp.Status != http.StatusOK {
			t.Errorf("%d with %d records: %v", resp.Status, len(records), err)
		}
		for _, r := range records {
			o := r.Observation
			if o == nil {
				continue
			}
			if o.Item.Known&o.Forget != 0 || o.Item.Known.Has(otn.FactPrice) && o.Item.Price.Minor <= 0 || r.Key == "" || !o.AsOf.IsZero() && o.AsOf.Year() < 1 {
				t.Errorf("%+v %+v", o, o.Item)
			}
		}
	})
}
