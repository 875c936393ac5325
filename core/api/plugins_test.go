// The calls about plugins: what is released, and what a platform thinks of a configuration.

package api_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

// plugs are the fake's plugins: shop is known, and its platform finds a fault.
type plugs struct{ f *fake }

func (p plugs) Release(_ context.Context, name string) error {
	p.f.got = "release " + name
	return p.f.err
}

func (p plugs) Validate(_ context.Context, name string) (bool, []string, error) {
	p.f.got = "validate " + name
	return true, []string{"page_token: expired"}, p.f.err
}

// A plugin is released and a platform asked by the instance's name; a host without plugins says so.
func TestPlugins(t *testing.T) {
	f := &fake{}
	s := open(t, f)
	if status, text, _ := call(t, s, "POST", "/v1/plugins/shop/release", ""); status != 200 || f.got != "release shop" || !strings.Contains(text, `"name":"shop"`) {
		t.Errorf("release: %d %s, %v", status, text, f.got)
	}
	if status, text, _ := call(t, s, "POST", "/v1/channels/shop/test", ""); status != 200 || f.got != "validate shop" || !strings.Contains(text, `"asked":true,"wrong":["page_token: expired"]`) {
		t.Errorf("test: %d %s, %v", status, text, f.got)
	}
	if status, _, _ := call(t, s, "POST", "/v1/channels/none/test", ""); status != 404 {
		t.Errorf("test of a channel that is not there: %d", status)
	}
	f.err = otn.ErrRefused
	if status, text, _ := call(t, s, "POST", "/v1/plugins/shop/release", ""); status != 409 {
		t.Errorf("a release that is refused: %d %s", status, text)
	}
	bare := httptest.NewServer(api.New(&fake{}, api.Options{Log: slog.New(slog.DiscardHandler)}))
	defer bare.Close()
	for _, path := range []string{"/v1/plugins/shop/release", "/v1/channels/shop/test"} {
		if status, _, _ := call(t, bare, "POST", path, ""); status != 404 {
			t.Errorf("%s without plugins: %d", path, status)
		}
	}
}
