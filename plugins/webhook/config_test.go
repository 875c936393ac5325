// Configurations, and the page that explains them.

package webhook_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/webhook"
)

func readme(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every fault is found, at its field, with what to do, and shows no secret.
func TestConfig(t *testing.T) {
	const good = `"url":"https://shop.example/otn","secret":"` + secret + `"`
	for config, want := range map[string]string{
		`{}`:                                                            "url: is required",
		`{"url":"https://shop.example/o"}`:                              "secret: is missing: the receiver could not tell otn's messages from anybody's; make one with",
		`{"url":"shop.example"}`:                                        "url: want an address as in https://shop.example/otn; secret: is missing",
		`{"url":"ftp://x/s3cret"}`:                                      "url: want an address",
		`{"url":"https://"}`:                                            "url: want an address",
		`{"url":"https://:443/"}`:                                       "url: want an address",
		`{"url":"https://ann:s3cret@x.example/"}`:                       "url: holds a user",
		`{"url":"http://x.example/?k=s3cret"}`:                          "url: has no TLS: who stands between could read the messages. Want https://…, or allow_http",
		`{"url":"https://x.example/","secret":"s3cret"}`:                "secret: does not begin with whsec_",
		`{"url":"https://x.example/","secret":"whsec_s3cret!"}`:         "secret: what follows whsec_ is not base64",
		`{"url":"https://x.example/","secret":"whsec_czNjcmV0"}`:        "secret: has 6 bytes, want 24 to 64",
		`{"url":"https://x.example/","secrets":["` + secret + `","x"]}`: "secrets[1]: does not begin with whsec_",
		`{` + good + `,"secrets":[""]}`:                                 "secrets[0]: does not begin with whsec_",
		`{` + good + `,"timeout":"1m"}`:                                 "timeout: want at most 25s",
		`{` + good + `,"max_in_flight":1000}`:                           "max_in_flight: want 1 to 256",
		`{` + good + `,"max_in_flight":-1}`:                             "max_in_flight: want 1 to 256",
		`{` + good + `,"max_message":10}`:                               "max_message: want at least 1024",
		`{` + good + `,"rate":-1}`:                                      "rate: want no less than 0",
		`{` + good + `,"refused_on":[500]}`:                             "refused_on: 500: want 400 to 499",
		`{` + good + `,"refused_on":[410,429]}`:                         "refused_on: 429 never means a person",
		`{` + good + `,"ca":"s3cret"}`:                                  "ca: is no certificate",
		`{` + good + `,"dedupe":true}`:                                  "dedupe: unknown key",
		`{` + good + `,"deduplicate":true}`:                             `did you mean "deduplicates"?`,
	} {
		_, err := webhook.Plugin.Open(t.Context(), []byte(config), channel.Setup{})
		var ce *channel.ConfigError
		if !errors.As(err, &ce) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
	for _, config := range []string{`{` + good + `}`, `{"url":"http://x.example/","allow_http":true,"secrets":["` + secret + `"]}`, `{` + good + `,"refused_on":[404,410]}`} {
		if _, err := webhook.Plugin.Open(t.Context(), []byte(config), channel.Setup{}); err != nil {
			t.Errorf("%s: %v", config, err)
		}
	}
	if _, err := webhook.New(webhook.Config{URL: "https://shop.example/otn"}); err == nil {
		t.Error("from a program of one's own, without a secret")
	}
}

// The README names every setting and no other.
func TestREADMENamesEverySetting(t *testing.T) {
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal(webhook.Plugin.Describe().Schema, &schema); err != nil {
		t.Fatal(err)
	}
	text := readme(t)
	for name := range schema.Properties {
		if !strings.Contains(text, "| `"+name+"` |") {
			t.Errorf("the README does not explain %s", name)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			if name, _, _ = strings.Cut(name, "`"); schema.Properties[name] == nil {
				t.Errorf("the README explains %s, which does not exist", name)
			}
		}
	}
}
