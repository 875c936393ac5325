// Signatures, headers and fields, without a platform.

package hook_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// Source of the signature: computed with openssl dgst -sha256 -hmac key -binary | base64.
func TestP31Signed(t *testing.T) {
	const signature, body = "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=", "The quick brown fox jumps over the lazy dog"
	key, other := otn.NewSecret("key"), otn.NewSecret("another")
	for name, c := range map[string]struct {
		signature, body string
		secrets         []otn.Secret
		want            bool
	}{
		"one secret":        {signature, body, []otn.Secret{key}, true},
		"first of two":      {signature, body, []otn.Secret{key, other}, true},
		"last of two":       {signature, body, []otn.Secret{other, key}, true},
		"another secret":    {signature, body, []otn.Secret{other}, false},
		"no secret":         {signature, body, nil, false},
		"another body":      {signature, body + ".", []otn.Secret{key}, false},
		"no signature":      {"", body, []otn.Secret{key}, false},
		"cut":               {signature[:40], body, []otn.Secret{key}, false},
		"hex":               {"f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8", body, []otn.Secret{key}, false},
		"more than it says": {signature + signature, body, []otn.Secret{key}, false},
	} {
		if got := hook.Signed(c.signature, []byte(c.body), c.secrets); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestP31Header(t *testing.T) {
	r := otn.Request{Header: http.Header{"x-shop-TOPIC": {" products/update "}, "X-Empty": {}}}
	if got := hook.Header(r, "Shop-Topic", "X-Shop-Topic"); got != "products/update" {
		t.Errorf("got %q", got)
	}
	if got := hook.Header(r, "X-Empty", "X-None"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestP1Fields(t *testing.T) {
	var b struct {
		ID    hook.ID           `json:"id"`
		Text  hook.ID           `json:"text"`
		None  hook.ID           `json:"none"`
		Price hook.Told[string] `json:"price"`
		Stock hook.Told[int64]  `json:"stock"`
		Title hook.Told[string] `json:"title"`
	}
	if err := hook.Read([]byte(`{"id":9007199254741001,"text":"9007199254741001","none":null,"price":null,"stock":0}`), &b); err != nil {
		t.Fatal(err)
	}
	if b.ID != "9007199254741001" || b.Text != b.ID || b.None != "" {
		t.Errorf("ids %q, %q, %q", b.ID, b.Text, b.None)
	}
	if !b.Price.Is || b.Price.Known() || !b.Stock.Known() || b.Title.Is {
		t.Errorf("got %+v", b)
	}
	for body, want := range map[string]string{
		`{"id":1.5}`: "an id that is no whole number", `{"id":"canary"}`: "an id that is no whole number", `{"id":""}`: "an id that is no whole number",
		`{"price":1}`: "is no string", `{"stock":"canary"}`: "is no int64", `{"canary`: "not the JSON it should be", `["canary"]`: "is no struct",
	} {
		if err := hook.Read([]byte(body), &b); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", body, err)
		}
	}
}
