// The file of the all-scope key.

package api_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := api.ReadKey(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no key yet: %v", err)
	}
	made, err := api.Key(dir)
	if err != nil || !strings.HasPrefix(made.Reveal(), "otn_admin_") {
		t.Fatal(err)
	}
	again, err := api.Key(dir)
	if err != nil || again.Reveal() != made.Reveal() {
		t.Errorf("the key changed: %v", err)
	}
	path := filepath.Join(dir, api.KeyFile)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := api.ReadKey(dir); !errors.Is(err, otn.ErrRefused) {
		t.Errorf("a key that others can read: %v", err)
	}
}
