// Consents from elsewhere, and to elsewhere.

package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

func TestGrantIsNewOrKnown(t *testing.T) {
	f := &fake{added: true}
	s := open(t, f)
	body := `{"channel":"shop","recipient":"222","topic":"journal","token":"tok-canary"}`
	if status, _, _ := call(t, s, "POST", "/v1/consents", body); status != 201 {
		t.Errorf("a new token: %d", status)
	}
	if status, text, _ := call(t, s, "POST", "/v1/consents", strings.Replace(body, "shop", "shp", 1)); status != 404 {
		t.Errorf("an unknown channel: %d %s", status, text)
	}
	f.channels = []core.InstanceView{{Name: "shop", State: "starting"}}
	if status, text, h := call(t, s, "POST", "/v1/consents", body); status != 503 || h.Get("Retry-After") == "" {
		t.Errorf("a channel whose account is not known: %d %s", status, text)
	}
}

// A batch: each row by itself, in their order, and the tags of those that were taken.
func TestGrantBatch(t *testing.T) {
	f := &fake{added: true, channels: []core.InstanceView{{Name: "shop", Account: "page", State: "ready"}}}
	good := `{"channel":"shop","recipient":"1","topic":"t","token":"a","price_then":"9.00 USD","expires_at":"2027-01-01T00:00:00Z","granted_at":"2026-01-01T00:00:00Z","tags":["vip"]}`
	rows := []string{
		good, `{"channel":"nowhere","recipient":"1","topic":"t","token":"b"}`, `{"channel":"shop","recipient":"1","topic":"unknown","token":"c"}`,
		`{"channel":"shop","recipient":"1","topic":"t","token":"d","price_then":"cheap"}`, `{"channel":"shop","recipient":"1","topic":"t","token":"e","tags":["v ip"]}`,
		`{"channel":"shop","recipient":"1","topic":"t","token":"f","tz":"Mars/North"}`, `{"channel":"shop","recipient":"2","topic":"t","token":"g"}`,
	}
	status, text, _ := call(t, open(t, f), "POST", "/v1/consents/batch", `{"consents":[`+strings.Join(rows, ",")+`]}`)
	var a api.BatchAnswer
	if err := json.Unmarshal([]byte(text), &a); err != nil || status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	var got []string
	for _, r := range a.Results {
		got = append(got, fmt.Sprint(r.Added, r.Code))
	}
	if s := strings.Join(got, " "); s != "true falsenot_found trueunknown_topic falseinvalid falseinvalid falseinvalid true" {
		t.Error(s)
	}
	if c := f.got.([]otn.Consent)[0]; c.PriceThen.String() != "9.00 USD" || c.ExpiresAt.Year() != 2027 || c.Token.ID() != otn.NewToken("page", "a").ID() {
		t.Errorf("%+v", c)
	}
	if f.tagged != "shop/1 []false +[vip] -[]" {
		t.Error(f.tagged)
	}
	f.tagged = ""
	status, text, _ = call(t, open(t, f), "POST", "/v1/consents/batch", `{"dry_run":true,"consents":[`+good+`]}`)
	if status != 200 || f.tagged != "" || strings.Contains(text, `"added":true`) {
		t.Errorf("dry: %d %s, tagged %q", status, text, f.tagged)
	}
}

func TestExportConsents(t *testing.T) {
	f := &fake{}
	status, text, _ := call(t, open(t, f), "POST", "/v1/consents/export", `{"cursor":"7","limit":5}`)
	if status != 200 || f.got != "export 75" || !strings.Contains(text, `"token":"tok-1"`) || !strings.Contains(text, `"next":"more"`) {
		t.Errorf("%d %s, %v", status, text, f.got)
	}
}
