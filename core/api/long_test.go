// A call that takes as long as the store is large is answered, however late.

package api_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
)

// slow takes three times as long as its server allows a call.
type slow struct{ *fake }

const allowed = 100 * time.Millisecond

func (s slow) Backup(ctx context.Context, dir string) (core.Backup, error) {
	select {
	case <-time.After(3 * allowed):
		return s.fake.Backup(ctx, dir)
	case <-ctx.Done():
		return core.Backup{}, ctx.Err()
	}
}

func TestBackupMayTakeLong(t *testing.T) {
	s := httptest.NewUnstartedServer(api.New(slow{&fake{}}, api.Options{Version: "test", Log: slog.New(slog.DiscardHandler)}))
	s.Config.ReadTimeout, s.Config.WriteTimeout = allowed, allowed
	s.Start()
	defer s.Close()
	status, text, _ := call(t, s, "POST", "/v1/backups", `{"dir":"/backups/today"}`)
	if status != 201 || !strings.Contains(text, "consents") {
		t.Errorf("%d %s", status, text)
	}
}
