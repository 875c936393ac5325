// The pitfalls that concern this door, one row after the other, up to what a catalog makes of them.

package events_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/events"
	"github.com/onetimenotify/otn/plugins/internal/sourcetest"
)

const rowMap = `{"secret":"open sesame","kind":"item","map":{"id":"sku","price":{"from":"price","type":"money","currency":"currency"},
	"stock":{"from":"quantity","type":"int"},"sellable":{"from":"ok","type":"bool"},"published":{"from":"out","type":"bool"}}}`

func shelf(t testing.TB, config string) *sourcetest.Shelf {
	t.Helper()
	return sourcetest.NewShelf(t, open(t, config))
}

// take gives the source a body, n minutes after the beginning.
func take(s *sourcetest.Shelf, n int, body string, headers ...string) []otn.Event {
	r := post(body, headers...)
	r.At = clock.Add(time.Duration(n) * time.Minute)
	return s.Take(r)
}

func TestP1_IdsKeepEveryDigit(t *testing.T) {
	s := shelf(t, rowMap)
	take(s, 0, `{"sku":9007199254741001,"quantity":"1"}`)
	if got := s.Records[0].Observation.Item.ID; got != "9007199254741001" {
		t.Errorf("got %s", got)
	}
}

// P2: an amount is read in the unit that the map names, or not at all: no hundredfold drop.
func TestP2_UnitsAreKnownOrRefused(t *testing.T) {
	for price, want := range map[string]string{`"$119.00"`: "119.00 USD", `"119.00 USD"`: "119.00 USD", `"USD 119"`: "119.00 USD", `119.00`: "119.00 USD", `"1,099.00"`: "1099.00 USD",
		`"119.005"`: "", `"119,00"`: "", `"119.00 EUR"`: "", `"€119.00"`: "", `"119 bucks"`: "", `"1e2"`: "", `{"amount":119}`: "", `[119]`: ""} {
		source := open(t, rowMap)
		resp, records, err := source.Receive(t.Context(), post(`{"sku":"A","currency":"USD","price":`+price+`}`))
		got := ""
		if err == nil && resp.Status == http.StatusOK {
			got = records[0].Observation.Item.Price.String()
		}
		if got != want {
			t.Errorf("%s became %q, want %q", price, got, want)
		}
	}
	minor := open(t, strings.Replace(rowMap, `"type":"money"`, `"type":"minor"`, 1))
	for price, want := range map[string]string{`11900`: "119.00 USD", `"11900"`: "119.00 USD", `"119.00"`: "", `119.5`: ""} {
		resp, records, _ := minor.Receive(t.Context(), post(`{"sku":"A","currency":"USD","price":`+price+`}`))
		if got := resp.Status == http.StatusOK && records[0].Observation.Item.Price.String() == want; got != (want != "") {
			t.Errorf("%s in minor units: %d, %+v", price, resp.Status, records)
		}
	}
}

// P3, L14: an amount without a currency is no price, and a source that could not name one does not start. What comes in two
// currencies stays in two, and is never compared.
func TestP3_L14_CurrenciesDoNotMix(t *testing.T) {
	_, err := events.Plugin.Open(t.Context(), []byte(`{"secret":"x","kind":"item","map":{"id":"sku","price":{"from":"price","type":"money"}}}`), channel.Setup{})
	if err == nil || !strings.Contains(err.Error(), "map.price.currency: is missing") {
		t.Errorf("a map without a currency: %v", err)
	}
	source := open(t, rowMap)
	if resp, records, _ := source.Receive(t.Context(), post(`{"sku":"A","price":"119.00"}`)); resp.Status != http.StatusBadRequest || len(records) != 1 || records[0].Note == nil {
		t.Errorf("a body without a currency: %d, %+v", resp.Status, records)
	}
	s := shelf(t, rowMap)
	take(s, 0, `{"sku":"A","price":"119.00","currency":"USD"}`)
	for _, e := range take(s, 1, `{"sku":"A","price":"99.00","currency":"EUR"}`) {
		if _, err := e.Now.Item.Price.Compare(e.Was.Item.Price); err == nil {
			t.Errorf("%s and %s were compared", e.Was.Item.Price, e.Now.Item.Price)
		}
	}
}

// P4: a price that is nothing is not known: no drop to it.
func TestP4_NoPriceIsNoDrop(t *testing.T) {
	for _, price := range []string{`""`, `" "`, `null`, `"0"`, `"0.00"`, `"-5.00"`} {
		s := shelf(t, rowMap)
		if first := take(s, 0, `{"sku":"A","price":"119.00","currency":"USD"}`); len(first) != 1 || !first[0].First {
			t.Fatalf("the first sight: %+v", first)
		}
		for _, e := range take(s, 1, `{"sku":"A","price":`+price+`,"currency":"USD","quantity":"4"}`) {
			if i := e.Now.Item; i.Known.Has(otn.FactPrice) && i.Price.Minor < 11900 {
				t.Errorf("%s became a drop to %s", price, i.Price)
			}
		}
	}
}

// P5, L15: the same state again, under whatever key, changes nothing.
func TestP5_L15_RepeatedBodies(t *testing.T) {
	s := shelf(t, rowMap)
	take(s, 0, `{"sku":"A","quantity":"0","ok":"false"}`)
	seen := 0
	for n := range 4 {
		seen += len(take(s, n+1, `{"sku":"A","quantity":"3","ok":"true"}`, "Idempotency-Key", fmt.Sprint("k", n)))
	}
	if seen != 1 {
		t.Errorf("one restock, told four times, made %d events", seen)
	}
}

// P10: stock of what is not out cannot be bought.
func TestP10_WhatIsNotPublishedCannotBeBought(t *testing.T) {
	s := shelf(t, rowMap)
	take(s, 0, `{"sku":"A","quantity":"40","ok":"yes","out":"no"}`)
	if i := s.Item("A"); i.IsSellable() {
		t.Errorf("got %+v", i)
	}
	take(s, 1, `{"sku":"A","out":"yes"}`)
	if i := s.Item("A"); !i.IsSellable() {
		t.Errorf("out: %+v", i)
	}
}

// P19: an older event that arrives later changes nothing.
func TestP19_AnOlderEventChangesNothing(t *testing.T) {
	event := func(id, at, stock string) string {
		return `{"specversion":"1.0","type":"stock","source":"erp","id":"` + id + `","time":"` + at + `","data":{"sku":"A","quantity":"` + stock + `"}}`
	}
	s := shelf(t, rowMap)
	take(s, 0, event("2", "2026-11-22T10:59:00Z", "0"), "Content-Type", "application/cloudevents+json")
	if late := take(s, 1, event("1", "2026-11-22T10:58:00Z", "9"), "Content-Type", "application/cloudevents+json"); len(late) != 0 || s.Item("A").Stock != 0 {
		t.Errorf("%d events, stock %d", len(late), s.Item("A").Stock)
	}
	if next := take(s, 2, event("3", "2026-11-22T11:00:00Z", "2"), "Content-Type", "application/cloudevents+json"); len(next) != 1 {
		t.Errorf("the next one: %d events", len(next))
	}
}

// P21: one change that is told as plain JSON, as a CloudEvent and in a batch is one event.
func TestP21_OneChangeThroughThreeForms(t *testing.T) {
	s := shelf(t, rowMap)
	take(s, 0, `{"sku":"A","quantity":"0"}`)
	const told = `{"sku":"A","quantity":"3"}`
	event := `{"specversion":"1.0","type":"stock","source":"erp","id":"7","data":` + told + `}`
	seen := len(take(s, 1, told)) + len(take(s, 2, event, "Content-Type", "application/cloudevents+json")) + len(take(s, 3, "["+event+"]", "Content-Type", "application/cloudevents-batch+json"))
	if seen != 1 {
		t.Errorf("%d events", seen)
	}
}

// P22: a valid call that is sent again to another source, or under another id or moment, is refused.
func TestP22_ACallUnderAnotherName(t *testing.T) {
	mine, other := open(t, sesame), open(t, `{"secret":"another sesame"}`)
	body := `{"id":"A","stock":3}`
	for _, r := range []otn.Request{post(body), {Method: http.MethodPost, Path: "/open sesame", Body: []byte(body), At: clock}} {
		if resp, _, _ := mine.Receive(t.Context(), r); resp.Status != http.StatusOK {
			t.Errorf("at its own address: %d", resp.Status)
		}
		if resp, records, _ := other.Receive(t.Context(), r); resp.Status != http.StatusUnauthorized || records != nil {
			t.Errorf("at another address: %d, %+v", resp.Status, records)
		}
	}
	signing := open(t, `{"secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",`+zapierMap+`}`)
	for name, change := range map[string]string{"": "", "Webhook-Id": "msg_fixture_2", "Webhook-Timestamp": "1795345201"} {
		r := otn.Request{Method: http.MethodPost, Body: fixture(t, "zapier_flat.json"), At: time.Unix(1795345200, 0), Header: http.Header{
			"Webhook-Id": {"msg_fixture_1"}, "Webhook-Timestamp": {"1795345200"}, "Webhook-Signature": {"v1,dtV7W+AOjO4atU2t7gb78yS/kjn0Teqcs3fSsRBFujQ="}}}
		want := http.StatusOK
		if name != "" {
			r.Header[name], want = []string{change}, http.StatusUnauthorized
		}
		if resp, _, _ := signing.Receive(t.Context(), r); resp.Status != want {
			t.Errorf("another %s: %d", name, resp.Status)
		}
	}
}

// P23: a collection is launched when its time is told, not when it is created.
func TestP23_CollectionIsLaunched(t *testing.T) {
	s := shelf(t, `{"secret":"open sesame","kind":"collection","map":{"id":"handle","published":{"from":"out","type":"bool"},"launch_at":{"from":"at","type":"time"}}}`)
	created := take(s, 0, `{"handle":"winter","out":"false","at":""}`)
	if len(created) != 1 || created[0].Now.Collection.IsPublished() || created[0].Now.Collection.Known.Has(otn.FactLaunchAt) {
		t.Fatalf("created: %+v", created)
	}
	launched := take(s, 1, `{"handle":"winter","out":"true","at":"2026-11-22T11:00:00Z"}`)
	if len(launched) != 1 || launched[0].Was.Collection.IsPublished() || !launched[0].Now.Collection.IsPublished() || !launched[0].Now.Collection.LaunchAt.Equal(time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)) {
		t.Errorf("launched: %+v", launched)
	}
}

// P31: names of headers in any case; a signature of any other length or form is refused.
func TestP31_HeadersInAnyCaseAndBadSignatures(t *testing.T) {
	source := open(t, `{"secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",`+zapierMap+`}`)
	const good = "v1,dtV7W+AOjO4atU2t7gb78yS/kjn0Teqcs3fSsRBFujQ="
	call := func(name func(string) string, signature string) int {
		resp, _, err := source.Receive(t.Context(), otn.Request{Method: http.MethodPost, Body: fixture(t, "zapier_flat.json"), At: time.Unix(1795345200, 0), Header: http.Header{
			name("webhook-id"): {"msg_fixture_1"}, name("webhook-timestamp"): {"1795345200"}, name("webhook-signature"): {signature}}})
		if err != nil {
			t.Error(err)
		}
		return resp.Status
	}
	for _, name := range []func(string) string{strings.ToLower, strings.ToUpper, http.CanonicalHeaderKey} {
		if got := call(name, good); got != http.StatusOK {
			t.Errorf("%s: %d", name("webhook-id"), got)
		}
	}
	for _, bad := range []string{"", ",", "v1", "v1,", "v1,=", "v1,not base64!", good[:20], good + "A", strings.ToLower(good), "v1,QUJD", strings.Repeat("v1,QUJD ", 10_000), "\x00\xff"} {
		if got := call(strings.ToLower, bad); got != http.StatusUnauthorized {
			t.Errorf("%.40q: %d", bad, got)
		}
	}
}

// L6, L23: one event that cannot be read does not stop the others of its call, and is on record. Where none can be read the sender sees it.
func TestL6_L23_OneBadEventDoesNotStopTheOthers(t *testing.T) {
	const good = `{"specversion":"1.0","type":"stock","source":"erp","id":"%d","data":{"sku":"A%d","quantity":"3"}}`
	for name, bad := range map[string]string{
		"a fact that does not fit": `{"specversion":"1.0","type":"stock","source":"erp","id":"9","data":{"sku":"B","quantity":"three"}}`,
		"no source":                `{"specversion":"1.0","type":"stock","id":"9","data":{"sku":"B"}}`, "another version": `{"specversion":"0.3","source":"erp","id":"9","type":"stock"}`,
		"a time that is none": `{"specversion":"1.0","type":"stock","source":"erp","id":"9","time":"noon","data":{"sku":"B"}}`, "no event": `7`,
	} {
		s := shelf(t, rowMap)
		take(s, 0, "["+fmt.Sprintf(good, 1, 1)+","+bad+","+fmt.Sprintf(good, 2, 2)+"]", "Content-Type", "application/cloudevents-batch+json")
		if s.Answered.Status != http.StatusOK || len(s.Records) != 3 || s.Records[1].Note == nil || !strings.HasPrefix(s.Records[1].Note.Text, "event 1: ") {
			t.Errorf("%s: %d, %+v", name, s.Answered.Status, s.Records)
		} else if s.Item("A1").Stock != 3 || s.Item("A2").Stock != 3 {
			t.Errorf("%s: the others were not taken", name)
		}
		take(s, 1, "["+bad+","+bad+"]", "Content-Type", "application/cloudevents-batch+json")
		if s.Answered.Status != http.StatusBadRequest || len(s.Records) != 1 || s.Records[0].Note == nil {
			t.Errorf("%s, alone: %d, %+v", name, s.Answered.Status, s.Records)
		}
	}
}

// L21: a message's id, an event's id and an idempotency key are three things, also where they are the same text.
func TestL21_IdsAndKeysAreDifferentThings(t *testing.T) {
	source := open(t, `{"secret":"open sesame"}`)
	event := accepted(t, source, post(`{"specversion":"1.0","type":"t","source":"s","id":"k","data":{"id":"A","stock":1}}`))[0].Key
	idempotent := accepted(t, source, post(`{"id":"A","stock":1}`, "Idempotency-Key", "k"))[0].Key
	if event == "" || idempotent == "" || event == idempotent {
		t.Errorf("keys %q and %q", event, idempotent)
	}
	if got := accepted(t, source, post(`{"specversion":"1.0","type":"t","source":"s","id":"k","data":{"id":"A","stock":1}}`, "Idempotency-Key", "other"))[0].Key; got != event {
		t.Error("a CloudEvent is named by its source and id, whatever key the call has")
	}
}
