// The key of the operator's door, in its file.

package api

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// KeyFile is the name of the all-scope key's file in the store's folder.
const KeyFile = "admin.key"

// Key reads the all-scope key of the daemon whose store is in dir. The first time it makes one: 256 random bits,
// in a file that only its owner reads. Errors: those of the file system, otn.ErrRefused when others can read it.
func Key(dir string) (otn.Secret, error) {
	key, err := ReadKey(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	text := newKey()
	made, err := os.CreateTemp(dir, KeyFile+".*") // 0600
	if err != nil {
		return otn.Secret{}, fmt.Errorf("api: %w", err)
	}
	_, err = made.WriteString(text + "\n")
	err = errors.Join(err, made.Sync(), made.Close())
	if err == nil {
		err = os.Rename(made.Name(), filepath.Join(dir, KeyFile))
	}
	if err != nil {
		return otn.Secret{}, fmt.Errorf("api: %w", errors.Join(err, os.Remove(made.Name())))
	}
	return otn.NewSecret(text), nil
}

// ReadKey reads the key that Key made.
func ReadKey(dir string) (otn.Secret, error) {
	path := filepath.Join(dir, KeyFile)
	st, err := os.Stat(path)
	if err != nil {
		return otn.Secret{}, fmt.Errorf("api: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return otn.Secret{}, fmt.Errorf("api: others can read %s, run chmod 600 on it: %w", path, otn.ErrRefused)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return otn.Secret{}, fmt.Errorf("api: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if len(key) < 32 {
		return otn.Secret{}, fmt.Errorf("api: %s holds no key, take it away and start the daemon again: %w", path, otn.ErrInvalid)
	}
	return otn.NewSecret(key), nil
}

// newKey is otn_admin_ID_SECRET. The id names the key where it must be spoken of.
func newKey() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	return "otn_admin_" + strings.ToLower(rand.Text()[:8]) + "_" + base64.RawURLEncoding.EncodeToString(secret[:])
}
