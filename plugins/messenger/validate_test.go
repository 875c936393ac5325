// What the platform says of a page's configuration, before a message depends on it.

package messenger

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

func TestValidateAsksWhoseTokenItIs(t *testing.T) {
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer odd.Close()
	for want, change := range map[string]func(*Config){
		"":                          func(*Config) {},
		"page_token: the Graph API": func(c *Config) { c.PageToken = otn.NewSecret("wrong-canary") },
		"page_id: the page_token belongs to the page " + testPage: func(c *Config) { c.PageID = "104600000000002" },
		"graph_url: no answer":   func(c *Config) { c.GraphURL = "http://127.0.0.1:1/v25.0" },
		"graph_url: answers 200": func(c *Config) { c.GraphURL = odd.URL },
	} {
		m, _ := pair(t, graphtest.Options{}, change)
		err := m.Validate(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
