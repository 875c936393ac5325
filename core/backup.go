// Backups: a copy of the store that is whole, looked at row by row, and says what it is.

package core

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// The names in a backup.
const (
	manifestName  = "manifest.json"
	backupStore   = "store"
	backupFormat  = "otn backup, format 1"
	manifestLimit = 16 << 20
)

// Backup is what a backup says of itself.
type Backup struct {
	Format   string                   `json:"format"`
	MadeAt   time.Time                `json:"made_at"`
	Writes   uint64                   `json:"writes"` // the number of the last write in it
	Consents int64                    `json:"consents"`
	Unknown  int64                    `json:"unknown"`
	Topics   map[string]ledger.Counts `json:"topics"`
	Files    []BackupFile             `json:"files"`
}

// BackupFile is one file of a backup's store.
type BackupFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Backup copies the store to dir, which must not be there or be empty, while everything goes on. The copy counts only once
// it was opened again and every row compared; dir/manifest.json is written last. The key file is not in it: without it the
// backup cannot be read. On the same file system tables are linked, not copied: take the backup to another disk.
// Errors: otn.ErrInvalid for a dir that is not absolute or holds something, otn.ErrStore for a copy that is not whole.
func (h *Host) Backup(ctx context.Context, dir string) (Backup, error) {
	if err := h.await(ctx); err != nil {
		return Backup{}, err
	}
	b, err := h.backup(ctx, dir)
	if err != nil {
		return Backup{}, fmt.Errorf("core: backup to %s: %w", dir, err)
	}
	return b, nil
}

func (h *Host) backup(ctx context.Context, dir string) (b Backup, err error) {
	if err := emptyFolder(dir); err != nil {
		return b, err
	}
	store := filepath.Join(dir, backupStore)
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(store))
		}
	}()
	b.Format, b.MadeAt = backupFormat, h.config.Clock.Now().UTC()
	if err := h.ledger.Copy(store); err != nil {
		return b, err
	}
	report, err := inspect(ctx, store, otn.Secret{})
	if err != nil {
		return b, err
	}
	b.Writes, b.Consents, b.Unknown, b.Topics = report.Writes, report.Consents, report.Doubts, report.Topics
	if b.Files, err = hashes(ctx, store); err != nil {
		return b, err
	}
	if err := writeManifest(dir, b); err != nil {
		return b, err
	}
	return b, h.noteBackup(b.MadeAt)
}

// lastBackup is the file in a data folder that says when the last backup was made.
const lastBackup = "last-backup"

// noteBackup writes down when a backup was made.
func (h *Host) noteBackup(at time.Time) error {
	if h.config.Dir == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(h.config.Dir, lastBackup), []byte(at.Format(time.RFC3339)+"\n"), 0o600)
}

// LastBackup is when the last backup of a data folder was made. Errors: those of reading, where there was none.
func LastBackup(dir string) (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(dir, lastBackup))
	if err != nil {
		return time.Time{}, fmt.Errorf("core: last backup: %w", err)
	}
	return time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
}

// emptyFolder makes a folder, or accepts one that is empty.
func emptyFolder(dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("want an absolute path: %w", otn.ErrInvalid)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return os.MkdirAll(dir, 0o700)
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("the folder holds something: %w", otn.ErrInvalid)
	}
	return os.Chmod(dir, 0o700) //nolint:gosec // a folder needs x to be entered
}

// inspect opens a copy of a store and compares its rows.
func inspect(ctx context.Context, store string, key otn.Secret) (ledger.Report, error) {
	engine, err := pebble.OpenCopy(store, pebble.Options{})
	if err != nil {
		return ledger.Report{}, err
	}
	report, err := ledger.Inspect(ctx, engine, key)
	if err = errors.Join(err, engine.Close()); err != nil {
		return report, err
	}
	if n := len(report.Faults) + report.More; n > 0 {
		return report, fmt.Errorf("%d rows disagree, the first: %s: %w", n, report.Faults[0], otn.ErrStore)
	}
	return report, nil
}

// hashes lists the files of a folder.
func hashes(ctx context.Context, dir string) (files []BackupFile, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f := BackupFile{Name: e.Name()}
		if f.Size, f.SHA256, err = hash(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func hash(name string) (size int64, sum string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, "", err
	}
	sha := sha256.New()
	size, err = io.Copy(sha, f)
	return size, hex.EncodeToString(sha.Sum(nil)), errors.Join(err, f.Close())
}

// writeManifest writes it, whole or not at all.
func writeManifest(dir string, b Backup) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, manifestName)
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	return syncFolder(dir)
}

// VerifyBackup reads a backup whole: its files are those of its manifest, and every row agrees with the others. A zero key
// leaves out whether it was made with it. Errors: otn.ErrForeign for something else, otn.ErrStore, otn.ErrKey.
func VerifyBackup(ctx context.Context, dir string, key otn.Secret) (Backup, error) {
	b, err := verifyBackup(ctx, dir, key)
	if err != nil {
		return b, fmt.Errorf("core: backup %s: %w", dir, err)
	}
	return b, nil
}

func verifyBackup(ctx context.Context, dir string, key otn.Secret) (b Backup, err error) {
	if b, err = readManifest(dir); err != nil {
		return b, err
	}
	store := filepath.Join(dir, backupStore)
	for _, want := range b.Files {
		size, sum, err := hash(filepath.Join(store, filepath.Base(want.Name)))
		if err != nil || size != want.Size || sum != want.SHA256 {
			return b, fmt.Errorf("%s is not the file that was backed up: %w", want.Name, errors.Join(otn.ErrStore, err))
		}
		if err := ctx.Err(); err != nil {
			return b, err
		}
	}
	report, err := inspect(ctx, store, key)
	if err == nil && report.Writes != b.Writes {
		err = fmt.Errorf("it ends at write %d, its manifest says %d: %w", report.Writes, b.Writes, otn.ErrStore)
	}
	return b, err
}

func readManifest(dir string) (b Backup, err error) {
	f, err := os.Open(filepath.Join(dir, manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return b, fmt.Errorf("there is no %s in it; a backup without one was never finished: %w", manifestName, otn.ErrForeign)
	}
	if err != nil {
		return b, err
	}
	text, err := io.ReadAll(io.LimitReader(f, manifestLimit))
	if err = errors.Join(err, f.Close()); err != nil {
		return b, err
	}
	if err := json.Unmarshal(text, &b); err != nil || b.Format != backupFormat {
		return b, fmt.Errorf("its %s is not one of this otn: %w", manifestName, otn.ErrForeign)
	}
	return b, nil
}

// VerifyStore reads the store of a data folder whole, while no daemon has it. Errors: otn.ErrLocked, otn.ErrStore, otn.ErrKey.
func VerifyStore(ctx context.Context, dir string) (ledger.Report, error) {
	report, err := verifyStore(ctx, dir)
	if err != nil {
		return report, fmt.Errorf("core: verify %s: %w", dir, err)
	}
	return report, nil
}

func verifyStore(ctx context.Context, dir string) (report ledger.Report, err error) {
	if _, err := os.Stat(dir); err != nil {
		return report, fmt.Errorf("%w: %w", otn.ErrNotFound, err)
	}
	held, err := pebble.Hold(dir, pebble.Options{})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	if !held.HasStore() {
		return report, fmt.Errorf("there is no store in it: %w", otn.ErrNotFound)
	}
	key, err := readKey(filepath.Join(dir, KeyFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return report, err
	}
	if report, err = inspect(ctx, pebble.StoreOf(dir, pebble.Options{}), key); err != nil {
		return report, err
	}
	seen, err := held.Testimony(report.Writes)
	if err == nil && seen.Number > report.Writes {
		err = fmt.Errorf("the store ends at write %d, and its witness saw write %d: what was written last is lost: %w", report.Writes, seen.Number, otn.ErrStore)
	}
	if err == nil && !seen.Whole {
		err = fmt.Errorf("its witness is gone, or cannot be read; restore a backup, or let otn restore --keep take the store as it is: %w", otn.ErrStore)
	}
	return report, err
}
