// Who may call.

package events_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/events"
)

var clock = time.Date(2026, 11, 22, 11, 0, 30, 0, time.UTC)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// open opens a source as the host does, from its configuration in JSON.
func open(t testing.TB, config string) *channel.Instance {
	t.Helper()
	i, err := events.Plugin.Open(t.Context(), []byte(config), channel.Setup{Instance: "zap"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// post is a call by somebody who knows the secret "open sesame".
func post(body string, headers ...string) otn.Request {
	r := otn.Request{Method: http.MethodPost, Body: []byte(body), At: clock, Header: http.Header{"Authorization": {"Bearer open sesame"}, "Content-Type": {"application/json"}}}
	for n := 0; n < len(headers); n += 2 {
		r.Header[headers[n]] = []string{headers[n+1]}
	}
	return r
}

// accepted gives the records of a call that must be accepted.
func accepted(t testing.TB, source otn.Receiver, r otn.Request) []otn.Record {
	t.Helper()
	resp, records, err := source.Receive(t.Context(), r)
	if err != nil || resp.Status != http.StatusOK {
		t.Fatalf("%d %s %v", resp.Status, resp.Body, err)
	}
	return records
}

const zapierMap = `"kind":"item","map":{"id":"sku","title":"title","url":"url","price":{"from":"price","type":"money","currency":"currency"},
	"stock":{"from":"quantity","type":"int"},"sellable":{"from":"in_stock","type":"bool"}}`

// P35: five minutes either way, any one good signature, versions that are not known passed over.
func TestP35StandardWebhooks(t *testing.T) {
	var all struct {
		Vectors []struct {
			ID, File, Expect, Secret string
			Now                      int64
			Headers                  map[string]string
		}
	}
	if err := json.Unmarshal(fixture(t, "vectors.json"), &all); err != nil || len(all.Vectors) == 0 {
		t.Fatal(err)
	}
	for _, v := range all.Vectors {
		source := open(t, `{"secret":"`+v.Secret+`",`+zapierMap+`}`)
		r := otn.Request{Method: http.MethodPost, Body: fixture(t, v.File), At: time.Unix(v.Now, 0), Header: http.Header{}}
		for name, value := range v.Headers {
			r.Header[name] = []string{value}
		}
		resp, records, err := source.Receive(t.Context(), r)
		want := map[string]int{"accept": http.StatusOK, "reject": http.StatusUnauthorized}[v.Expect]
		if err != nil || resp.Status != want || (len(records) == 1) != (want == http.StatusOK) {
			t.Errorf("%s: %d, %d records, %v", v.ID, resp.Status, len(records), err)
		}
		if want == http.StatusOK {
			stamp := v.Headers["webhook-timestamp"]
			if at := records[0].Observation.AsOf; stamp != "1795345200" || at.Unix() != 1795345200 {
				t.Errorf("%s: as of %v", v.ID, at)
			}
		}
	}
}

func TestP35BoundaryIsFiveMinutes(t *testing.T) {
	source := open(t, `{"secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",`+zapierMap+`}`)
	for seconds, want := range map[int64]int{-301: 401, -300: 200, 300: 200, 301: 401} {
		r := otn.Request{Method: http.MethodPost, Body: fixture(t, "zapier_flat.json"), At: time.Unix(1795345200+seconds, 0), Header: http.Header{
			"Webhook-Id": {"msg_fixture_1"}, "Webhook-Timestamp": {"1795345200"}, "Webhook-Signature": {"v1,dtV7W+AOjO4atU2t7gb78yS/kjn0Teqcs3fSsRBFujQ= v1,AAAA v1a,AAAA"}}}
		if resp, _, err := source.Receive(t.Context(), r); err != nil || resp.Status != want {
			t.Errorf("%d s: %d", seconds, resp.Status)
		}
	}
}

func TestP35OtherVersionsAreNoSignature(t *testing.T) {
	source := open(t, `{"secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",`+zapierMap+`}`)
	for _, list := range []string{"v2,dtV7W+AOjO4atU2t7gb78yS/kjn0Teqcs3fSsRBFujQ=", "dtV7W+AOjO4atU2t7gb78yS/kjn0Teqcs3fSsRBFujQ=", "v1,", "v1"} {
		r := otn.Request{Method: http.MethodPost, Body: fixture(t, "zapier_flat.json"), At: clock, Header: http.Header{
			"Webhook-Id": {"msg_fixture_1"}, "Webhook-Timestamp": {"1795345200"}, "Webhook-Signature": {list}}}
		if resp, _, err := source.Receive(t.Context(), r); err != nil || resp.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d", list, resp.Status)
		}
	}
}

func TestShownSecrets(t *testing.T) {
	source := open(t, `{"secret":"open sesame","secrets":["old sesame"]}`)
	body := `{"id":"SKU-1","stock":3}`
	for name, c := range map[string]struct {
		header http.Header
		path   string
		want   int
	}{
		"bearer":          {http.Header{"Authorization": {"Bearer open sesame"}}, "", 200},
		"any case":        {http.Header{"authorization": {"bearer open sesame"}}, "", 200},
		"the old one":     {http.Header{"Authorization": {"Bearer old sesame"}}, "", 200},
		"path":            {nil, "/open sesame", 200},
		"path with slash": {nil, "/open sesame/", 200},
		"nothing":         {nil, "", 401},
		"empty bearer":    {http.Header{"Authorization": {"Bearer "}}, "/", 401},
		"wrong":           {http.Header{"Authorization": {"Bearer open sesamf"}}, "", 401},
		"prefix":          {http.Header{"Authorization": {"Bearer open"}}, "", 401},
		"basic":           {http.Header{"Authorization": {"Basic open sesame"}}, "", 401},
		"deeper path":     {nil, "/open sesame/more", 401},
	} {
		resp, records, err := source.Receive(t.Context(), otn.Request{Method: http.MethodPost, Path: c.path, Header: c.header, Body: []byte(body), At: clock})
		if err != nil || resp.Status != c.want || (len(records) == 1) != (c.want == 200) {
			t.Errorf("%s: %d, %v", name, resp.Status, err)
		}
	}
	signing := open(t, `{"secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"}`)
	for _, shown := range []string{"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", ""} {
		r := post(body, "Authorization", "Bearer "+shown)
		if resp, _, _ := signing.Receive(t.Context(), r); resp.Status != http.StatusUnauthorized {
			t.Errorf("a key that signs was taken when it was shown")
		}
	}
}

func TestMethods(t *testing.T) {
	source := open(t, `{"secret":"open sesame"}`)
	r := post(`{"id":"SKU-1","stock":3}`, "WebHook-Request-Origin", "erp.example")
	r.Method = http.MethodOptions
	resp, records, err := source.Receive(t.Context(), r)
	if err != nil || resp.Status != http.StatusOK || resp.Header.Get("WebHook-Allowed-Origin") != "erp.example" || records != nil {
		t.Errorf("handshake: %d %v %v", resp.Status, resp.Header, err)
	}
	r.Header.Del("Authorization")
	if resp, _, _ := source.Receive(t.Context(), r); resp.Status != http.StatusUnauthorized {
		t.Errorf("handshake of a stranger: %d", resp.Status)
	}
	r = post(`{}`)
	r.Method = http.MethodGet
	if resp, _, _ := source.Receive(t.Context(), r); resp.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.Status)
	}
}

func TestConfig(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                                     "secret: is missing",
		`{"secrets":[""]}`:                       "secret: is missing",
		`{"secret":"whsec_s3cret!"}`:             "secret: what follows whsec_",
		`{"secret":"s3cret","kind":"item"}`:      "map: kind and map",
		`{"secret":"s3cret","map":{"id":"sku"}}`: "map: kind and map",
		`{"secret":"s3cret","kind":"thing","map":{"id":"sku"}}`:                                                   "kind: want one of",
		`{"secret":"s3cret","kind":"trigger","map":{"a":"b"}}`:                                                    "name: is missing",
		`{"secret":"s3cret","kind":"item","name":"x","map":{"id":"sku"}}`:                                         "name: is for kind trigger",
		`{"secret":"s3cret","kind":"item","map":{"title":"t"}}`:                                                   "map.id: is missing",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","prise":"p"}}`:                                        `did you mean "price"`,
		`{"secret":"s3cret","kind":"collection","map":{"id":"sku","stock":"p"}}`:                                  "map.stock",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","price":{"from":"p","type":"coin"}}}`:                 "map.price.type",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","price":{"from":"p","type":"money"}}}`:                "map.price.currency: is missing",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","stock":{"from":"p","type":"int","currency":"USD"}}}`: "map.stock.currency",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","stock":{"type":"int"}}}`:                             "map.stock.from",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","stock":{"from":"p","typ":"int"}}}`:                   "map.stock: want a field's name",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","stock":3}}`:                                          "map.stock: want a field's name",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","title":""}}`:                                         "map.title: names no field",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","attrs":"a"}}`:                                        "map.attrs: cannot",
		`{"secret":"s3cret","kind":"item","map":{"id":"sku","attrs.x":{"from":"a","type":"list"}}}`:               "map.attrs.x.type",
		`{"secret":"s3cret","kind":"trigger","name":"n","map":{"a":{"from":"a","type":"list"}}}`:                  "map.a.type",
	} {
		_, err := events.Plugin.Open(t.Context(), []byte(config), channel.Setup{})
		var ce *channel.ConfigError
		if !errors.As(err, &ce) || len(ce.Diagnostics) != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", config, err, want)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows a secret: %v", config, err)
		}
	}
}
