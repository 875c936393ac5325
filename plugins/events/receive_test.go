// What bodies become.

package events_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

const (
	sesame   = `{"secret":"open sesame"}`
	cloudMap = `{"secret":"open sesame","kind":"item","map":{"id":"@subject","price":{"from":"price","type":"money","currency":"currency"},"stock":"available"}}`
)

func TestOwnForm(t *testing.T) {
	source := open(t, sesame)
	records := accepted(t, source, post(`{"kind":"item","id":"SKU-1","title":"Coat","price":"99.00 USD","stock":3,"sellable":true,"url":"https://x/y"}`))
	if o := records[0].Observation; len(records) != 1 || o.Item.ID != "SKU-1" || o.Item.Price != (otn.Money{Minor: 9900, Currency: "USD"}) || o.Item.Stock != 3 || records[0].Key != "" {
		t.Errorf("got %+v", records)
	}
	records = accepted(t, source, post(`[{"id":"A","stock":1},{"kind":"collection","id":"winter","launch_at":"2026-12-01T10:00:00Z"}]`))
	if len(records) != 2 || records[1].Observation.Collection.ID != "winter" {
		t.Errorf("got %+v", records)
	}
	records = accepted(t, source, post(`{"trigger":"doors_open","subject":9007199254740993,"channel":"shop","recipient":"222","fields":{"note":"gate 4","seats":9007199254740993,"ok":true,"none":null}}`))
	want := &otn.Trigger{Name: "doors_open", Subject: "9007199254740993", Channel: "shop", Subscriber: otn.Subscriber{ID: "222"}, Fields: []otn.Named{
		{Name: "note", Value: otn.StringValue("gate 4")}, {Name: "ok", Value: otn.StringValue("true")}, {Name: "seats", Value: otn.StringValue("9007199254740993")}}}
	if !reflect.DeepEqual(records[0].Trigger, want) {
		t.Errorf("got  %+v\nwant %+v", records[0].Trigger, want)
	}
}

// P38: text becomes a number, an amount or true only where the map says so, and what does not fit is an error that is shown.
func TestP38FlatText(t *testing.T) {
	body := string(fixture(t, "zapier_flat.json"))
	mapped := open(t, `{"secret":"open sesame",`+zapierMap+`}`)
	o := accepted(t, mapped, post(body))[0].Observation
	if o.Item.ID != "DJ-S" || o.Item.Price != (otn.Money{Minor: 11900, Currency: "USD"}) || o.Item.Stock != 3 || !o.Item.Sellable || o.Item.Title != "Dock Jacket / S" {
		t.Errorf("got %+v", o.Item)
	}
	for _, c := range []struct{ from, to, want string }{
		{`"quantity":"3"`, `"quantity":"three"`, `stock from "quantity": "three" is no int`},
		{`"quantity":"3"`, `"quantity":"3.5"`, `stock from "quantity": "3.5" is no int`},
		{`"quantity":"3"`, `"quantity":["3"]`, `stock from "quantity": ["3"]: want one value`},
		{`"price":"$119.00"`, `"price":"€119.00"`, `price from "price": "€119.00" is not in USD`},
		{`"price":"$119.00"`, `"price":"R$119.00"`, `price from "price"`},
		{`"price":"$119.00"`, `"price":"119,00"`, `price from "price"`},
		{`"currency":"usd"`, `"currency":"bucks"`, `unknown currency`},
		{`"currency":"usd"`, `"money":"usd"`, `no currency in "currency"`},
		{`"in_stock":"true"`, `"in_stock":"perhaps"`, `sellable from "in_stock": "perhaps" is no bool`},
		{`"sku":"DJ-S"`, `"code":"DJ-S"`, `id: is missing`},
	} {
		resp, records, err := mapped.Receive(t.Context(), post(strings.Replace(body, c.from, c.to, 1)))
		if err != nil || resp.Status != http.StatusBadRequest || !strings.Contains(string(resp.Body), c.want) {
			t.Errorf("%s: %d %s, want %q", c.to, resp.Status, resp.Body, c.want)
		}
		if len(records) != 1 || records[0].Note == nil || records[0].Note.Code != "body_not_valid" || !strings.Contains(records[0].Note.Text, c.want) {
			t.Errorf("%s: the operator is shown %+v", c.to, records)
		}
	}
	untyped := open(t, `{"secret":"open sesame","kind":"item","map":{"id":"sku","stock":"quantity"}}`)
	if resp, _, _ := untyped.Receive(t.Context(), post(body)); resp.Status != http.StatusBadRequest {
		t.Errorf("a text became a number though the map does not say so: %d", resp.Status)
	}
}

func TestConversions(t *testing.T) {
	source := open(t, `{"secret":"open sesame","kind":"item","map":{"id":"variants.0.sku","price":{"from":"cents","type":"minor","currency":"JPY"},
		"list_price":{"from":"was","type":"money","currency":"KWD"},"tags":{"from":"tags","type":"list"},"collections":"in","starts_at":{"from":"a.b","type":"time"},
		"attrs.weight":{"from":"kg","type":"float"},"attrs.fee":{"from":"fee","type":"money","currency":"USD"},"attrs.n":{"from":"n","type":"int"},"attrs.raw":"raw","attrs.gone":"gone","stock":{"from":"left","type":"int"},"variant":{"from":"nothing","type":"string"}}}`)
	o := accepted(t, source, post(`{"variants":[{"sku":9007199254741001}],"cents":"11900","was":"1.500","tags":"a, b,","in":["x",7],"a.b":"2026-12-01T10:00:00+01:00",
		"kg":"2","fee":"$1,005.50","n":" 9007199254740993 ","raw":"5","gone":null,"left":"","nothing":null}`))[0].Observation
	i := o.Item
	if i.ID != "9007199254741001" || i.Price != (otn.Money{Minor: 11900, Currency: "JPY"}) || i.ListPrice != (otn.Money{Minor: 1500, Currency: "KWD"}) || o.Forget != otn.FactVariant || i.Known.Has(otn.FactStock) {
		t.Errorf("got %+v", i)
	}
	if !reflect.DeepEqual(i.Tags, []string{"a", "b"}) || !reflect.DeepEqual(i.Collections, []string{"x", "7"}) || !i.StartsAt.Equal(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", i)
	}
	want := []otn.Named{{Name: "fee", Value: otn.MoneyValue(otn.Money{Minor: 100550, Currency: "USD"})}, {Name: "gone"}, {Name: "n", Value: otn.IntValue(9007199254740993)},
		{Name: "raw", Value: otn.StringValue("5")}, {Name: "weight", Value: otn.FloatValue(2)}}
	if !reflect.DeepEqual(i.Attrs, want) {
		t.Errorf("got  %+v\nwant %+v", i.Attrs, want)
	}
}

func TestMappedTrigger(t *testing.T) {
	source := open(t, `{"secret":"open sesame","kind":"trigger","name":"lead_form","map":{"recipient":"contact.id","channel":"page","form":"form","fee":{"from":"fee","type":"money","currency":"USD"},"at":{"from":"at","type":"time"},"absent":"absent"}}`)
	r := accepted(t, source, post(`{"contact":{"id":191001},"page":"shop","form":"coats","fee":"$5","at":"2026-12-01T10:00:00Z"}`))[0]
	want := &otn.Trigger{Name: "lead_form", Channel: "shop", Subscriber: otn.Subscriber{ID: "191001"}, Fields: []otn.Named{
		{Name: "at", Value: otn.TimeValue(time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC))}, {Name: "fee", Value: otn.MoneyValue(otn.Money{Minor: 500, Currency: "USD"})}, {Name: "form", Value: otn.StringValue("coats")}}}
	if !reflect.DeepEqual(r.Trigger, want) {
		t.Errorf("got  %+v\nwant %+v", r.Trigger, want)
	}
}

func TestCloudEventStructured(t *testing.T) {
	for _, kind := range []string{"application/cloudevents+json; charset=utf-8", "application/json"} {
		r := accepted(t, open(t, cloudMap), post(string(fixture(t, "cloudevent_structured.json")), "Content-Type", kind))[0]
		if o := r.Observation; o.Item.ID != "DJ-S" || o.Item.Price.Minor != 11900 || o.Item.Stock != 3 || !o.AsOf.Equal(time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)) || !strings.HasPrefix(r.Key, "ce/") {
			t.Errorf("%s: %q %+v", kind, r.Key, o)
		}
	}
	own := `{"specversion":"1.0","type":"t","source":"s","id":"1","data_base64":"eyJpZCI6IkEiLCJzdG9jayI6M30="}`
	if r := accepted(t, open(t, sesame), post(own))[0]; r.Observation.Item.ID != "A" {
		t.Errorf("got %+v", r)
	}
}

func TestCloudEventBinary(t *testing.T) {
	var in struct {
		Headers map[string]string
		Body    json.RawMessage
	}
	if err := json.Unmarshal(fixture(t, "cloudevent_binary.headers.json"), &in); err != nil {
		t.Fatal(err)
	}
	r := post(string(in.Body))
	for name, value := range in.Headers {
		r.Header[name] = []string{value}
	}
	r.Header["ce-subject"] = []string{"DJ%20S"}
	record := accepted(t, open(t, cloudMap), r)[0]
	if o := record.Observation; o.Item.ID != "DJ S" || o.Item.Stock != 3 || !record.At.Equal(time.Date(2026, 11, 22, 11, 0, 9, 0, time.UTC)) {
		t.Errorf("got %+v", o)
	}
}

// P36: the same id from two sources is two events, the same source and id is one.
func TestP36Batch(t *testing.T) {
	records := accepted(t, open(t, cloudMap), post(string(fixture(t, "cloudevents_batch.json")), "Content-Type", "application/cloudevents-batch+json"))
	if len(records) != 2 || records[0].Key == records[1].Key {
		t.Fatalf("%d records", len(records))
	}
	if records[0].Observation.Item.Price.Minor != 11900 || records[1].Observation.Item.Price.Minor != 12100 {
		t.Errorf("got %+v, %+v", records[0].Observation.Item, records[1].Observation.Item)
	}
	tricky := `[{"specversion":"1.0","type":"t","source":"a","id":"bc","data":{"id":"A"}},{"specversion":"1.0","type":"t","source":"ab","id":"c","data":{"id":"A"}}]`
	if r := accepted(t, open(t, sesame), post(tricky)); len(r) != 2 || r[0].Key == r[1].Key {
		t.Error("two pairs of source and id have one key")
	}
}

func TestCloudEventsOfOtherTypes(t *testing.T) {
	source := open(t, strings.Replace(cloudMap, `"kind"`, `"types":["com.harborpine.stock"],"kind"`, 1))
	records := accepted(t, source, post(string(fixture(t, "cloudevent_structured.json"))))
	if len(records) != 1 || records[0].Note == nil || records[0].Note.Code != "type_not_taken" {
		t.Errorf("got %+v", records)
	}
}

func TestKeys(t *testing.T) {
	source := open(t, sesame)
	key := func(body string, at time.Time, headers ...string) string {
		r := post(body, headers...)
		r.At = at
		return accepted(t, source, r)[0].Key
	}
	trigger, stock := `{"trigger":"t","fields":{"a":"1"}}`, `{"id":"A","stock":3}`
	if key(stock, clock) != "" {
		t.Error("stock 3, 0, 3 within ten minutes: the last 3 would be taken for the first")
	}
	one := key(trigger, clock)
	if one == "" || key(trigger, clock.Add(9*time.Minute)) != one || key(trigger, clock.Add(10*time.Minute)) == one || key(`{"trigger":"t"}`, clock) == one {
		t.Error("a trigger without an id is the same within ten minutes when its body is")
	}
	idempotent := key(trigger, clock, "Idempotency-Key", "k\xff")
	if idempotent == one || key(trigger, clock.Add(time.Hour), "idempotency-key", "k\xff") != idempotent || key(stock, clock, "Idempotency-Key", "k\xff") != idempotent {
		t.Error("the sender's own key does not decide")
	}
	pair := accepted(t, source, post("["+trigger+","+trigger+"]"))
	if len(pair) != 2 || pair[0].Key == pair[1].Key {
		t.Error("two events in one call have one key")
	}
	if r := accepted(t, source, post(trigger, "Idempotency-Key", "k"))[0]; r.Trigger.Key != r.Key || r.Key == "" {
		t.Errorf("the trigger's key is %q", r.Trigger.Key)
	}
}

func TestMalformedBodies(t *testing.T) {
	source := open(t, sesame)
	for _, body := range []string{"", " ", "x", "3", `"x"`, "null", `{"id":"A"`, `{"id":"A"}{"id":"B"}`, `[1]`, `[{"id":""},{"id":""}]`, `{"id":"A","price":99}`, `{"trigger":""}`, `{"trigger":3}`,
		`{"trigger":"t","field":{}}`, `{"trigger":"t","fields":{"a":[1]}}`, `{"specversion":"0.3","source":"s","id":"1","type":"t"}`, `{"specversion":"1.0","source":"s","id":"1"}`,
		`{"specversion":"1.0","source":"s","id":"1","type":"t"}`, `{"specversion":"1.0","source":"s","id":"1","type":"t","time":"now","data":{}}`, `{"specversion":"1.0","source":"s","id":"1","type":"t","data_base64":"!"}`} {
		resp, records, err := source.Receive(t.Context(), post(body))
		if err != nil || resp.Status != http.StatusBadRequest || len(records) != 1 || records[0].Note == nil {
			t.Errorf("%s: %d, %+v, %v", body, resp.Status, records, err)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(`{"trigger":"t","fields":{"a":"1"}}`, "")
	f.Add(string(fixture(f, "cloudevents_batch.json")), "application/cloudevents-batch+json")
	f.Add(string(fixture(f, "zapier_flat.json")), "application/json")
	own, flat := open(f, sesame), open(f, `{"secret":"open sesame",`+zapierMap+`}`)
	f.Fuzz(func(t *testing.T, body, kind string) {
		for _, source := range []otn.Receiver{own, flat} {
			resp, records, err := source.Receive(t.Context(), post(body, "Content-Type", kind))
			if err != nil || resp.Status == http.StatusBadRequest && (len(records) != 1 || records[0].Note == nil) {
				t.Errorf("%d with %d records: %v", resp.Status, len(records), err)
			}
			for _, r := range records {
				if r.Observation == nil && r.Trigger == nil && r.Note == nil {
					t.Errorf("an empty record for %s", body)
				}
			}
		}
	})
}
