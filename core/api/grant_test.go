// Consents from elsewhere, and to elsewhere.

package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
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
	if tags := f.got.([]otn.Consent)[0].Tags; !slices.Equal(tags, []string{"vip"}) {
		t.Error(tags)
	}
	status, text, _ = call(t, open(t, f), "POST", "/v1/consents/batch", `{"dry_run":true,"consents":[`+good+`]}`)
	if status != 200 || strings.Contains(text, `"added":true`) {
		t.Errorf("dry: %d %s", status, text)
	}
}

// Whatever is in a row, the others are taken, and nothing of it is quoted: a token may be in it.
func TestGrantBatchReadsEachRow(t *testing.T) {
	const secret = "tok-canary"
	row := func(fields string) string {
		return `{"channel":"shop","recipient":"1","topic":"t","token":"` + secret + `"` + fields + `}`
	}
	for _, c := range []struct{ row, detail string }{
		{row(``), ""},
		{row(`,"tokn":"x"`), `unknown field "tokn"`},
		{row(`,"granted_at":"` + secret + `"`), "granted_at, or expires_at, is no time as in"},
		{row(`,"answers":{"a":{"b":"` + secret + `"}}`), "answers: object where string is wanted"},
		{row(`,"answers":{"a":null}`), "answers: null where string is wanted"},
		{row(`,"answers":{"a":5,"b":true,"c":"d"}`), ""},
		{row(`,"answers":{"a":"` + strings.Repeat("x", 4097) + `"}`), "answer a has 4097 bytes"},
		{row(`,"answers":["` + secret + `"]`), "answers: array where map"},
		{row(`,"subject":777555`), "subject: number where string is wanted"},
		{row(`,"ref":"` + strings.Repeat("x", 1001) + `"`), "ref has 1001 bytes"},
		{row(`,"tags":["a` + strings.Repeat(`","a`, 64) + `"]`), "65 tags"},
		{strings.Replace(row(``), `"1"`, `"`+strings.Repeat("x", 129)+`"`, 1), "recipient has 129 bytes"},
		{strings.Replace(row(``), `"1"`, `""`, 1), "recipient is missing"},
		{strings.Replace(row(``), secret, "", 1), "token is missing"},
		{`"` + secret + `"`, "a field, or the row, is of another type"},
		{`["` + secret + `"]`, "a field, or the row, is of another type"},
		{`null`, "channel is missing"},
	} {
		f := &fake{added: true}
		status, text, _ := call(t, open(t, f), "POST", "/v1/consents/batch", `{"consents":[`+c.row+`,`+row("")+`]}`)
		var a api.BatchAnswer
		if err := json.Unmarshal([]byte(text), &a); err != nil || status != 200 || len(a.Results) != 2 || !a.Results[1].Added {
			t.Fatalf("%s: %d %s", c.row, status, text)
		}
		if r := a.Results[0]; (c.detail == "") != r.Added || r.Added != (r.Code == "") || !strings.Contains(r.Detail, c.detail) {
			t.Errorf("%s: %+v", c.row, r)
		}
		if strings.Contains(text, secret) || strings.Contains(text, "777555") {
			t.Errorf("%s: quoted in %s", c.row, text)
		}
	}
	for _, body := range []string{`{}`, `{"consents":[]}`, `{"consents":null}`, `{"consents":[` + strings.Repeat(`{},`, api.MaxBatch) + `{}]}`, `{"consents":7}`, `[`, ``} {
		if status, text, _ := call(t, open(t, &fake{}), "POST", "/v1/consents/batch", body); status != 422 && status != 400 {
			t.Errorf("%.40s: %d %.200s", body, status, text)
		}
	}
}

func TestExportConsents(t *testing.T) {
	f := &fake{}
	status, text, _ := call(t, open(t, f), "POST", "/v1/consents/export", `{"cursor":"7","limit":5}`)
	if status != 200 || f.got != "export 75" || !strings.Contains(text, `"token":"tok-1"`) || !strings.Contains(text, `"next":"more"`) {
		t.Errorf("%d %s, %v", status, text, f.got)
	}
}
