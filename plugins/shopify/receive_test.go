// Who is let in, and what they are answered.

package shopify_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/internal/sourcetest"
	"github.com/onetimenotify/otn/plugins/shopify"
)

// topics of the fixtures.
func topicOf(file string) string {
	for prefix, topic := range map[string]string{
		"products_update": "products/update", "variants_in_stock": "variants/in_stock", "variants_out_of_stock": "variants/out_of_stock",
		"inventory_levels_update": "inventory_levels/update", "collections_create": "collections/create", "collections_update": "collections/update",
		"customers_redact": "customers/redact",
	} {
		if strings.HasPrefix(file, prefix) {
			return topic
		}
	}
	return ""
}

func signed(topic string, body []byte) otn.Request {
	return otn.Request{Method: http.MethodPost, Body: body, At: clock, Header: http.Header{
		"X-Shopify-Topic": {topic}, "X-Shopify-Hmac-Sha256": {sourcetest.Sign(secret, body)}, "X-Shopify-Shop-Domain": {domain},
		"X-Shopify-Webhook-Id": {"w-1"}, "X-Shopify-Event-Id": {"e-1"},
	}}
}

// P30: both secrets pass while both are listed, and each is refused when it is not.
func TestP30SignatureVectors(t *testing.T) {
	both := open(t, `{"secrets":["`+rotated+`","`+secret+`"],"currency":"USD"}`)
	old := open(t, `{"secrets":["`+secret+`"],"currency":"USD"}`)
	for _, v := range vectors(t) {
		r := otn.Request{Method: http.MethodPost, Body: fixture(t, strings.TrimSuffix(v.File, ".json")), At: clock, Header: http.Header{"X-Shopify-Topic": {topicOf(v.File)}}}
		for name, value := range v.Headers {
			r.Header[name] = []string{value}
		}
		for source, accept := range map[*channel.Instance]bool{both: v.Expect == "accept", old: v.Expect == "accept" && !strings.Contains(v.ID, "rotated")} {
			resp, records, err := source.Receive(t.Context(), r)
			want := http.StatusUnauthorized
			if accept {
				want = http.StatusOK
			}
			if err != nil || resp.Status != want || (len(records) > 0) != accept {
				t.Errorf("%s: %d with %d records, want %d: %v", v.ID, resp.Status, len(records), want, err)
			}
		}
	}
}

func TestP31HeadersInAnyCaseAndBadSignatures(t *testing.T) {
	source, body := open(t, plain), fixture(t, "variants_in_stock")
	for name, header := range map[string]string{"lower": "x-shopify-", "upper": "X-SHOPIFY-", "without X-": "Shopify-"} {
		r := otn.Request{Method: http.MethodPost, Body: body, At: clock, Header: http.Header{
			header + "topic": {"variants/in_stock"}, header + "Hmac-SHA256": {sourcetest.Sign(secret, body)}, header + "shop-domain": {domain}}}
		if resp, records, err := source.Receive(t.Context(), r); err != nil || resp.Status != http.StatusOK || len(records) != 1 {
			t.Errorf("%s: %d, %v", name, resp.Status, err)
		}
	}
	good := sourcetest.Sign(secret, body)
	for _, bad := range []string{"", "=", "not base64!", good[:20], good + good, good[:43], strings.ToLower(good), base64.StdEncoding.EncodeToString([]byte("short"))} {
		r := signed("variants/in_stock", body)
		r.Header["X-Shopify-Hmac-Sha256"] = []string{bad}
		if resp, records, err := source.Receive(t.Context(), r); err != nil || resp.Status != http.StatusUnauthorized || records != nil {
			t.Errorf("%q: %d, %v", bad, resp.Status, err)
		}
	}
}

// P22: a valid body under another topic or shop is refused or changes nothing that it would not change under its own.
func TestP22BodyUnderAnotherTopic(t *testing.T) {
	families := map[string]string{"products_update.2_price_drop": "product", "variants_in_stock": "variant", "inventory_levels_update.loc24826418": "level", "collections_update.published": "collection"}
	topics := map[string]string{"products/create": "product", "products/update": "product", "variants/in_stock": "variant", "variants/out_of_stock": "variant",
		"inventory_levels/update": "level", "collections/create": "collection", "collections/update": "collection", "products/delete": "delete", "collections/delete": "delete"}
	source := open(t, `{"secrets":["`+secret+`"],"currency":"USD","locations":["24826418"]}`)
	for file, family := range families {
		for topic, want := range topics {
			resp, records, err := source.Receive(t.Context(), signed(topic, fixture(t, file)))
			if err != nil || resp.Status != http.StatusOK || tells(records) != (want == family) || len(records) == 0 {
				t.Errorf("%s as %s: %d, %+v, %v", file, topic, resp.Status, records, err)
			}
		}
	}
	r := signed("products/update", fixture(t, "products_update.2_price_drop"))
	r.Header.Set("X-Shopify-Shop-Domain", "evil.myshopify.com")
	if resp, records, _ := open(t, plain).Receive(t.Context(), r); resp.Status != http.StatusUnauthorized || records != nil {
		t.Errorf("another shop: %d", resp.Status)
	}
	_, in, _ := source.Receive(t.Context(), signed("variants/in_stock", fixture(t, "variants_out_of_stock")))
	if o := in[0].Observation; o.Item.Sellable || o.Item.Stock != 0 {
		t.Error("the unsigned topic decided that a sold-out variant can be bought")
	}
}

// tells reports whether one of the records is an observation.
func tells(records []otn.Record) bool {
	return slices.ContainsFunc(records, func(r otn.Record) bool { return r.Observation != nil })
}

// L6, L23: what is well signed and cannot be read is on record, and is not sent again and again until the subscription is taken away.
func TestL6_L23_WhatCannotBeReadStopsNothing(t *testing.T) {
	source := open(t, plain)
	whole := fixture(t, "products_update.1_base")
	for name, body := range map[string][]byte{
		"truncated": whole[:len(whole)/2], "empty": {}, "null": []byte("null"), "list": []byte("[]"), "text": []byte(`"x"`), "two": append(bytes.Clone(whole), whole...),
		"no variants": []byte(`{"id":1,"title":"x"}`), "variants null": []byte(`{"id":1,"variants":null}`), "variant without id": []byte(`{"id":1,"variants":[{"price":"1.00"}]}`),
		"variant of another": []byte(`{"id":1,"variants":[{"id":2,"product_id":3}]}`), "id as fraction": []byte(`{"id":1.5,"variants":[]}`), "id as word": []byte(`{"id":"x","variants":[]}`),
		"price as word":  []byte(`{"id":1,"variants":[{"id":2,"price":"cheap"}]}`),
		"three decimals": []byte(`{"id":1,"variants":[{"id":2,"price":"1.005"}]}`), "stock as text": []byte(`{"id":1,"variants":[{"id":2,"inventory_quantity":"three"}]}`),
	} {
		resp, records, err := source.Receive(t.Context(), signed("products/update", body))
		if err != nil || resp.Status != http.StatusOK || len(records) != 1 || records[0].Note == nil || records[0].Note.Code != "malformed" || len(records[0].Note.Text) > 300 {
			t.Errorf("%s: %d %+v %v", name, resp.Status, records, err)
		}
	}
}

// L6: one variant that cannot be read does not stop the others.
func TestL6_OneBadVariantDoesNotStopTheOthers(t *testing.T) {
	s := newShop(t, plain)
	s.send("products/update", bytes.Replace(fixture(t, "products_update.1_base"), []byte(`"price":"149.00"`), []byte(`"price":"cheap"`), 1))
	if s.Answered.Status != http.StatusOK || len(s.Records) != 2 || s.Records[0].Note == nil || !strings.Contains(s.Records[0].Note.Text, "variants[0]: price") {
		t.Fatalf("%d, %+v", s.Answered.Status, s.Records)
	}
	if i := s.Item(medium); i.Price != usd(14900) || !i.IsSellable() {
		t.Errorf("the other variant: %+v", i)
	}
}

func TestRefused(t *testing.T) {
	source, whole := open(t, plain), fixture(t, "products_update.1_base")
	r := signed("products/update", whole)
	r.Body = whole[:100]
	if resp, _, _ := source.Receive(t.Context(), r); resp.Status != http.StatusUnauthorized {
		t.Errorf("cut on the way: %d", resp.Status)
	}
	r = signed("", whole)
	if resp, records, _ := source.Receive(t.Context(), r); resp.Status != http.StatusOK || len(records) != 1 || records[0].Note == nil {
		t.Errorf("no topic: %d, %+v", resp.Status, records)
	}
	r = signed("products/update", whole)
	r.Method = http.MethodGet
	if resp, _, _ := source.Receive(t.Context(), r); resp.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.Status)
	}
}

func TestTopicsWithoutUse(t *testing.T) {
	source := open(t, plain)
	for topic, code := range map[string]string{"orders/create": "unknown_topic", "inventory_levels/update": "location_not_counted"} {
		body := fixture(t, "customers_redact")
		if topic == "inventory_levels/update" {
			body = fixture(t, "inventory_levels_update.loc24826418")
		}
		resp, records, err := source.Receive(t.Context(), signed(topic, body))
		if err != nil || resp.Status != http.StatusOK || len(records) != 1 || records[0].Note == nil || records[0].Note.Code != code {
			t.Errorf("%s: %d, %+v, %v", topic, resp.Status, records, err)
		} else if strings.Contains(records[0].Note.Text, "ada") || strings.Contains(records[0].Note.Text, "191001") {
			t.Errorf("%s: the note names the person: %s", topic, records[0].Note.Text)
		}
	}
}

// P41: each request for privacy is answered 200 when it is well signed and 401 when it is not, and is on record with what is
// to be done until when, without a word of the person.
func TestP41_PrivacyRequests(t *testing.T) {
	source, body := open(t, plain), fixture(t, "customers_redact")
	for topic, do := range map[string]string{"customers/redact": "otn subscribers erase", "customers/data_request": "otn subscribers show", "shop/redact": "take the source out"} {
		resp, records, err := source.Receive(t.Context(), signed(topic, body))
		if err != nil || resp.Status != http.StatusOK || len(records) != 1 || records[0].Note == nil || records[0].Note.Code != "privacy_request" {
			t.Errorf("%s: %d, %+v, %v", topic, resp.Status, records, err)
			continue
		}
		text := records[0].Note.Text
		if !strings.Contains(text, topic) || !strings.Contains(text, "30 days") || !strings.Contains(text, do) {
			t.Errorf("%s: the operator reads %q", topic, text)
		}
		if strings.Contains(text, "ada") || strings.Contains(text, "191001") || strings.Contains(text, "555") {
			t.Errorf("%s: the note names the person: %s", topic, text)
		}
		r := signed(topic, body)
		r.Header["X-Shopify-Hmac-Sha256"] = []string{sourcetest.Sign("another", body)}
		if resp, records, _ := source.Receive(t.Context(), r); resp.Status != http.StatusUnauthorized || records != nil {
			t.Errorf("%s, badly signed: %d, %+v", topic, resp.Status, records)
		}
	}
}

// P3: webhooks name no currency, so the source does not start without one.
func TestP3_NoCurrencyNoStart(t *testing.T) {
	for _, config := range []string{`{"secrets":["x"]}`, `{"secrets":["x"],"currency":""}`, `{"secrets":["x"],"currency":"$"}`} {
		_, err := shopify.Plugin.Open(t.Context(), []byte(config), channel.Setup{})
		if err == nil || !strings.Contains(err.Error(), "currency") {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// P32: the id of the merchant's action alone is no key: its webhooks are many.
func TestP32Keys(t *testing.T) {
	source := open(t, plain)
	key := func(topic, event, webhook string, body []byte) string {
		r := signed(topic, body)
		r.Header.Set("X-Shopify-Event-Id", event)
		r.Header.Set("X-Shopify-Webhook-Id", webhook)
		_, records, err := source.Receive(t.Context(), r)
		if err != nil || len(records) == 0 {
			t.Fatal(topic, err)
		}
		return records[0].Key
	}
	one, two := fixture(t, "products_update.1_base"), fixture(t, "products_update.2_price_drop")
	first := key("products/update", "e", "w", one)
	if key("products/update", "e", "w", two) == first {
		t.Error("two bodies of one action have one key")
	}
	if key("products/update", "e", "w2", one) != first || key("products/update", "e2", "w2", one) != first {
		t.Error("the same version under other ids, which nobody signed, has another key")
	}
	undated := bytes.ReplaceAll(one, []byte(`"updated_at"`), []byte(`"edited_at"`))
	if key("products/update", "e", "w", undated) == key("products/update", "e2", "w", undated) {
		t.Error("the same state in two actions, without a version, has one key")
	}
	_, records, _ := source.Receive(t.Context(), signed("products/update", one))
	if len(records) != 2 || records[0].Key == records[1].Key {
		t.Errorf("the records of one call: %d, keys %q %q", len(records), records[0].Key, records[1].Key)
	}
}

func TestConfig(t *testing.T) {
	for config, want := range map[string]string{
		`{"secrets":[],"currency":"USD"}`:                                        "secrets",
		`{"secrets":[""],"currency":"USD"}`:                                      "secrets",
		`{"currency":"USD"}`:                                                     "secrets",
		`{"secrets":["s3cret"]}`:                                                 "currency",
		`{"secrets":["s3cret"],"currency":"DOLLAR"}`:                             "currency",
		`{"secrets":["s3cret"],"currency":"USD","id":"handle"}`:                  "id",
		`{"secrets":["s3cret"],"currency":"USD","shop":"a/b"}`:                   "shop",
		`{"secrets":["s3cret"],"currency":"USD","url":"https://x/{hanlde}"}`:     "url",
		`{"secrets":["s3cret"],"currency":"USD","url":"https://{shop}/x"}`:       "url",
		`{"secrets":["s3cret"],"currency":"USD","url":"/products/{handle}"}`:     "url",
		`{"secrets":["s3cret"],"currency":"USD","collection_url":"https://x/{"}`: "collection_url",
		`{"secrets":["s3cret"],"currency":"USD","location":["1"]}`:               "location",
	} {
		_, err := shopify.Plugin.Open(t.Context(), []byte(config), channel.Setup{})
		var ce *channel.ConfigError
		if !errors.As(err, &ce) || len(ce.Diagnostics) != 1 || ce.Diagnostics[0].Path != want {
			t.Errorf("%s: %v", config, err)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows a secret", config)
		}
	}
	_, err := shopify.New(shopify.Config{Currency: "X", Shop: "a b", URL: "{x}"})
	var ce *channel.ConfigError
	if !errors.As(err, &ce) || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("want four faults at once: %v", err)
	}
}

func FuzzReceive(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(topicOf(v.File), fixture(f, strings.TrimSuffix(v.File, ".json")))
	}
	source := open(f, plain)
	f.Fuzz(func(t *testing.T, topic string, body []byte) {
		resp, records, err := source.Receive(t.Context(), signed(topic, body))
		if err != nil || resp.Status != http.StatusOK && records != nil {
			t.Errorf("%d with %d records: %v", resp.Status, len(records), err)
		}
	})
}
