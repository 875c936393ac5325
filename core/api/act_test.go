// The calls about runs and rules.

package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/api"
)

// A reload answers with the rules that decide from then on, or with every fault of those that do not.
func TestReload(t *testing.T) {
	var fault error
	reload := func(context.Context) error { return fault }
	s := httptest.NewServer(api.New(&fake{}, api.Options{Log: slog.New(slog.DiscardHandler), Reload: reload}))
	t.Cleanup(s.Close)
	status, text, _ := call(t, s, "POST", "/v1/rules/reload", "")
	if status != 200 || !strings.HasPrefix(text, `{"version":"v1","rules":[`) {
		t.Errorf("%d %s", status, text)
	}
	fault = fmt.Errorf("reload: %w", &api.Faulty{Faults: []api.Fault{{Location: "shop.yaml:3:5", Message: "unknown name"}, {Location: "shop.yaml:9:1", Message: "another"}}})
	status, text, _ = call(t, s, "POST", "/v1/rules/reload", "")
	for _, part := range []string{`"code":"rules"`, "shop.yaml:3:5", "shop.yaml:9:1", "the old version goes on"} {
		if status != 422 || !strings.Contains(text, part) {
			t.Errorf("%d %s says nothing of %s", status, text, part)
		}
	}
	if status, text, _ := call(t, open(t, &fake{}), "POST", "/v1/rules/reload", ""); status != 409 {
		t.Errorf("a door that cannot reload: %d %s", status, text)
	}
}
