// Keys: who is let in, for how long, and what is kept of a secret.

package core_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

func TestKeys(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		ctx := context.Background()
		made, secret, err := w.host.CreateKey(ctx, core.KeyRequest{Name: "zapier", Scopes: []core.Scope{"submit", "read", "submit"}, ExpiresAt: time.Now().Add(48 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if parts := strings.SplitN(secret.Reveal(), "_", 4); len(parts) != 4 || parts[0] != "otn" || parts[2] != made.ID || len(parts[3]) != 43 {
			t.Errorf("the secret has %d parts, the key is %s", len(parts), made.ID)
		}
		if !slices.Equal(made.Scopes, []core.Scope{core.ScopeRead, core.ScopeSubmit}) || made.May(core.ScopeSend) || !made.May(core.ScopeRead) {
			t.Errorf("%+v", made)
		}
		time.Sleep(90 * time.Minute)
		used, err := w.host.Authorize(secret)
		if err != nil || used.ID != made.ID || used.LastUsed != time.Now().UTC().Truncate(time.Hour) {
			t.Fatalf("%+v %v", used, err)
		}
		time.Sleep(time.Minute) // the clock goroutine writes it down
		w.restart()
		list, err := w.host.Keys()
		if err != nil || len(list) != 1 || list[0].LastUsed != used.LastUsed || list[0].Name != "zapier" {
			t.Fatalf("after a restart: %+v %v", list, err)
		}
		text := secret.Reveal()
		other := "A"
		if strings.HasSuffix(text, "A") {
			other = "B"
		}
		for _, wrong := range []string{"", "otn", text + "x", text[:len(text)-1] + other, strings.Replace(text, made.ID, "nobody", 1), strings.Replace(text, "otn_", "ntn_", 1), "otn_live_" + made.ID + "_"} {
			if _, err := w.host.Authorize(otn.NewSecret(wrong)); !errors.Is(err, otn.ErrUnauthorized) || strings.Contains(err.Error(), text) {
				t.Errorf("%q is let in: %v", wrong, err)
			}
		}
		time.Sleep(48 * time.Hour)
		if _, err := w.host.Authorize(secret); !errors.Is(err, otn.ErrUnauthorized) {
			t.Errorf("an expired key is let in: %v", err)
		}
	})
}

func TestRevokeKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		ctx := context.Background()
		made, secret, err := w.host.CreateKey(ctx, core.KeyRequest{Name: "a", Scopes: []core.Scope{core.ScopeAdmin}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.host.Authorize(secret); err != nil { // its use is on its way to the disk while it is revoked
			t.Fatal(err)
		}
		if err := w.host.RevokeKey(ctx, made.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.host.RevokeKey(ctx, made.ID); !errors.Is(err, otn.ErrNotFound) {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		w.restart()
		if _, err := w.host.Authorize(secret); !errors.Is(err, otn.ErrUnauthorized) {
			t.Errorf("a revoked key is let in: %v", err)
		}
		own := otn.NewSecret("otn_admin_own_" + strings.Repeat("k", 43))
		if err := w.host.Trust("admin.key", own); err != nil {
			t.Fatal(err)
		}
		if key, err := w.host.Authorize(own); err != nil || !key.May(core.ScopeSend) {
			t.Errorf("%+v %v", key, err)
		}
		if err := w.host.RevokeKey(ctx, "own"); !errors.Is(err, otn.ErrRefused) {
			t.Error(err)
		}
		if err := w.host.Trust("admin.key", otn.NewSecret("short")); !errors.Is(err, otn.ErrInvalid) {
			t.Error(err)
		}
	})
}

func TestKeyRequests(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		for _, r := range []core.KeyRequest{
			{Scopes: []core.Scope{core.ScopeRead}},
			{Name: " ", Scopes: []core.Scope{core.ScopeRead}},
			{Name: "a\nb", Scopes: []core.Scope{core.ScopeRead}},
			{Name: strings.Repeat("n", 65), Scopes: []core.Scope{core.ScopeRead}},
			{Name: "a"},
			{Name: "a", Scopes: []core.Scope{"root"}},
			{Name: "a", Scopes: []core.Scope{core.ScopeRead}, ExpiresAt: time.Now().Add(-time.Second)},
		} {
			if _, _, err := w.host.CreateKey(context.Background(), r); !errors.Is(err, otn.ErrInvalid) {
				t.Errorf("%+v: %v", r, err)
			}
		}
		if list, err := w.host.Keys(); err != nil || len(list) != 0 {
			t.Errorf("%v %v", list, err)
		}
	})
}

// A secret is nowhere on disk.
func TestKeySecretIsNotKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	h, stop := hostIn(t, dir)
	_, secret, err := h.CreateKey(t.Context(), core.KeyRequest{Name: "canary-name", Scopes: []core.Scope{core.ScopeRead}})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	found := false
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), secret.Reveal()[len("otn_live_")+13:]) {
			t.Errorf("%s holds the secret", path)
		}
		found = found || strings.Contains(string(b), "canary-name")
		return err
	})
	if err != nil || !found {
		t.Errorf("the key itself is nowhere either: %v", err)
	}
}

// hostIn runs a Host on a store in a folder.
func hostIn(t *testing.T, dir string) (h *core.Host, stop func()) {
	t.Helper()
	h, err := core.New(core.Config{Dir: dir, Rules: shopRules{text: "now"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	select {
	case <-h.Ready():
	case err := <-ended:
		t.Fatal(err)
	}
	return h, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
