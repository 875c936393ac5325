// The key file: what wraps the data keys of the people in the store.

package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// KeyFile is the name of the key file in the store's folder.
const KeyFile = "otn.key"

// openLedger opens the ledger with the configured key, or that of the key file, which is made for a store that has none
// yet. It closes the engine when it fails.
func (h *Host) openLedger(ctx context.Context, engine ledger.Engine) (*ledger.Ledger, error) {
	key, name := h.config.Key, filepath.Join(h.config.Dir, KeyFile)
	made := false
	if h.config.Memory != nil {
		key = h.config.Memory.key
	}
	if key.IsZero() && h.config.Dir != "" {
		var err error
		if key, made, err = keyFile(name); err != nil {
			return nil, errors.Join(err, engine.Close())
		}
	}
	l, err := ledger.Open(ctx, engine, key, h.config.Clock.Now())
	if made && errors.Is(err, otn.ErrKey) {
		err = fmt.Errorf("the key file %s is missing, and without it the store cannot be read; put it back: %w", name, err)
		err = errors.Join(err, os.Remove(name))
	}
	return l, err
}

// keyFile reads the key file, or makes it.
func keyFile(name string) (key otn.Secret, made bool, err error) {
	key, err = readKey(name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	key, err = makeKey(name)
	return key, err == nil, err
}

// readKey reads a key file that is there.
func readKey(name string) (otn.Secret, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return otn.Secret{}, fmt.Errorf("key file: %w", err)
	}
	return otn.NewSecret(strings.TrimSpace(string(b))), nil
}

// makeKey writes a new key, on disk before it is used.
func makeKey(name string) (otn.Secret, error) {
	key := ledger.NewKey()
	return key, writeKey(name, key)
}

// writeKey writes a key file where there is none.
func writeKey(name string, key otn.Secret) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	_, err = f.WriteString(key.Reveal() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close(), syncFolder(filepath.Dir(name))); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	return nil
}

func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
