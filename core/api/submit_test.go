// The calls that say what is known, and sends.

package api_test

import (
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

func TestObserve(t *testing.T) {
	f := &fake{}
	s := open(t, f)
	status, text, _ := call(t, s, "POST", "/v1/observations", `{"observations":[{"kind":"item","id":"SKU-1","title":"Wool coat","price":"99.00 USD","stock":3,"sellable":true,"url":"https://shop.example/coat"}]}`)
	if status != 202 || text != `{"accepted":1,"changed":1}` {
		t.Fatalf("%d %s", status, text)
	}
	if obs := f.got.([]otn.Observation); obs[0].Item.ID != "SKU-1" {
		t.Errorf("got %+v", obs[0])
	}
	f.got = nil
	status, text, _ = call(t, s, "POST", "/v1/observations", `{"observations":[{"kind":"item","id":"A"},{"kind":"item","id":"B","pirce":"1.00 USD"},{"kind":"item"}]}`)
	if status != 422 || f.got != nil || !strings.Contains(text, "body.observations[1]") || !strings.Contains(text, "body.observations[2]") {
		t.Errorf("%d %s, the host got %v", status, text, f.got)
	}
}

// Any text is an idempotency key: the same one is the same send, another one another, whatever their letters.
func TestSendKeys(t *testing.T) {
	f := &fake{}
	s := open(t, f)
	named := map[string]string{}
	for _, key := range []string{"order/1", "Order/1", "order/1", "order 1", strings.Repeat("x", 128)} {
		if status, text, _ := call(t, s, "POST", "/v1/sends", `{"topic":"journal","message":{"text":"hello"}}`, "Idempotency-Key", key); status != 202 {
			t.Fatalf("%q: %d %s", key, status, text)
		}
		name := f.got.(core.SendRequest).Key
		if before, known := named[key]; known && before != name {
			t.Errorf("%q is %s and %s", key, before, name)
		}
		named[key] = name
	}
	names := map[string]bool{}
	for _, name := range named {
		names[strings.ToLower(name)] = true
	}
	if len(names) != len(named) {
		t.Errorf("%d keys have %d names", len(named), len(names))
	}
}
