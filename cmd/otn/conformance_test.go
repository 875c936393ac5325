// Every built-in plugin keeps what it owes its host, as a program of its own.

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/onetimenotify/otn/plugins/channeltest"
)

func TestBuiltinsConform(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds for each plugin")
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		_, _ = w.Write([]byte("id,title,price\nSKU-1,Wool coat,99.00 USD\n"))
	}))
	defer shop.Close()
	graph := newGraph(t)
	settings := map[string]map[string]any{
		"events":      {"secrets": []string{"whsec_c2VjcmV0c2VjcmV0c2VjcmV0"}},
		"feed":        {"format": "csv", "url": shop.URL, "allow_private": true},
		"messenger":   {"page_id": "111", "page_token": "t", "app_secret": "s", "verify_token": "v", "graph_url": graph.URL},
		"mock":        {},
		"shopify":     {"secrets": []string{"s"}, "currency": "USD"},
		"webhook":     {"url": graph.URL, "secret": "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "allow_private": true, "allow_http": true},
		"woocommerce": {"secrets": []string{"s"}, "currency": "USD"},
	}
	for _, name := range sortedKeys(builtins()) {
		t.Run(name, func(t *testing.T) {
			given, ok := settings[name]
			if !ok {
				t.Fatal("this test knows no settings for it")
			}
			text, err := json.Marshal(given)
			if err != nil {
				t.Fatal(err)
			}
			channeltest.RunProgram(t, channeltest.Program{Command: []string{own, "plugin", name}, Config: text, WorkDir: t.TempDir()})
		})
	}
}

// newGraph takes every message.
func newGraph(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"recipient_id":"222","message_id":"m_1"}`))
	}))
	t.Cleanup(s.Close)
	return s
}
