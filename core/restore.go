// Restore: a backup, or a store that lost its end, becomes the store again, and nothing is sent twice by it.

package core

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// RestoreConfig says what becomes the store of a data folder.
type RestoreConfig struct {
	Dir     string     // the data folder; no daemon has it meanwhile
	From    string     // a backup; empty with Keep
	Keep    bool       // the store that is there is taken as it is, whatever its witness says
	Replace bool       // the store that is there is set aside
	Key     otn.Secret // zero: that of KeyFile
	KeyFile string     // becomes Dir's key file; empty: that is there
	Now     time.Time

	// WitnessIsLast says of a witness that was put into a new folder that it saw the last write there ever was: it comes from the disk of a
	// daemon that had ended, and is no older copy. Only then what it did not see claimed is known to be whole.
	WitnessIsLast bool
}

// Restored says what Restore did.
type Restored struct {
	Backup         Backup `json:"backup,omitzero"`
	Writes         uint64 `json:"writes"`                    // the number of the last write in what was restored
	Seen           uint64 `json:"seen"`                      // that of the last write which the witness saw
	WitnessDoubted bool   `json:"witness_doubted,omitempty"` // a witness was there that was not taken as the last word
	All            bool   `json:"all,omitempty"`             // no witness knows what was claimed since: everybody who waited is unknown now
	Unknown        int    `json:"unknown"`                   // consents that waited, and whose token may have been spent since
	Erased         int    `json:"erased"`                    // people who were erased since, and are again
	Withdrawn      int    `json:"withdrawn"`                 // consents that were withdrawn since, and are again
	Revoked        int    `json:"revoked"`                   // keys that were revoked since, and are again
	Keys           int    `json:"keys"`                      // that are let in
	Consents       int64  `json:"consents"`                  // that wait
	Aside          string `json:"aside,omitempty"`           // where the store lies that was there before
}

// Restore makes a backup the store of a data folder. What the witness of the folder saw claimed after the backup was made
// becomes unknown; without a witness, or with one that was put into a new folder and is not said to be the last, everybody who
// waits. Whom it saw erased is erased again, a consent that it saw withdrawn is withdrawn again, a key that
// it saw revoked is revoked again; every run that was open is paused, timers whose moment has passed
// are dropped. Whatever dies on the way, the folder opens only with the old store or with the new one, finished.
// Errors: otn.ErrRefused when there is a store and Replace is not set, otn.ErrForeign, otn.ErrLocked, otn.ErrKey, otn.ErrStore.
func Restore(ctx context.Context, c RestoreConfig) (Restored, error) {
	r, err := restore(ctx, c)
	if err != nil {
		return r, fmt.Errorf("core: restore: %w", err)
	}
	return r, nil
}

func restore(ctx context.Context, c RestoreConfig) (r Restored, err error) {
	held, err := pebble.Hold(c.Dir, pebble.Options{}, KeyFile)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	from, err := c.source(ctx, held, &r)
	if err != nil {
		return r, err
	}
	if err := held.TakeIn(from); err != nil {
		return r, err
	}
	seen, err := held.Testimony(r.Writes)
	if err != nil {
		return r, err
	}
	r.Seen, r.WitnessDoubted = seen.Number, seen.Whole && (seen.Gap || !held.IsOurs()) && !c.WitnessIsLast
	another := c.isAnother()
	r.All = !seen.Whole || r.WitnessDoubted || another
	writes, err := c.reconcile(ctx, held, seen, &r)
	if err != nil {
		return r, err
	}
	aside := "store.replaced-" + c.Now.UTC().Format("20060102T150405.000000Z")
	if held.HasStore() {
		r.Aside = filepath.Join(c.Dir, aside)
	}
	if err := held.Replace(aside); err != nil {
		return r, err
	}
	if err := c.putKey(aside, another); err != nil {
		return r, err
	}
	return r, held.Witness(writes, r.WitnessDoubted || another)
}

// putKey puts the key file of what was restored into place, and the one of another key aside.
func (c *RestoreConfig) putKey(aside string, another bool) error {
	if c.KeyFile == "" {
		return nil
	}
	to := filepath.Join(c.Dir, KeyFile)
	if another {
		if err := os.Rename(to, filepath.Join(c.Dir, KeyFile+strings.TrimPrefix(aside, "store"))); err != nil {
			return err
		}
	}
	if err := writeKey(to, c.Key); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// isAnother reports whether the folder has the key of another store: its witness saw nothing of this one.
func (c *RestoreConfig) isAnother() bool {
	there, err := readKey(filepath.Join(c.Dir, KeyFile))
	return err == nil && there.Reveal() != strings.TrimSpace(c.Key.Reveal())
}

// source finds what is to be restored, and looks at all of it.
func (c *RestoreConfig) source(ctx context.Context, held *pebble.Held, r *Restored) (from string, err error) {
	if c.Key.IsZero() {
		name := cmp.Or(c.KeyFile, filepath.Join(c.Dir, KeyFile))
		if c.Key, err = readKey(name); err != nil {
			return "", fmt.Errorf("%s is not the key file of the store, and without it nothing can be read: %w", name, err)
		}
	}
	if c.Keep {
		if !held.HasStore() {
			return "", fmt.Errorf("there is no store to keep: %w", otn.ErrNotFound)
		}
		from = pebble.StoreOf(c.Dir, pebble.Options{})
		report, err := inspect(ctx, from, c.Key)
		r.Writes = report.Writes
		return from, err
	}
	if held.HasStore() && !c.Replace {
		return "", fmt.Errorf("%s holds a store; with replace (--replace) it is set aside: %w", c.Dir, otn.ErrRefused)
	}
	r.Backup, err = verifyBackup(ctx, c.From, c.Key)
	r.Writes = r.Backup.Writes
	return filepath.Join(c.From, backupStore), err
}

// leap is how far the numbers of writes go ahead when a history is lost: beyond all that it may have had, so that no backup of it is
// taken for a later one than what happens from here on.
const leap = 1 << 32

// reconcile works on the store before it is put into place. It returns the number of its last write.
func (c *RestoreConfig) reconcile(ctx context.Context, held *pebble.Held, seen pebble.Testimony, r *Restored) (writes uint64, err error) {
	engine, err := held.OpenIncoming(pebble.Options{})
	if err != nil {
		return 0, err
	}
	l, err := ledger.Open(ctx, engine, c.Key, c.Now)
	if err != nil {
		return 0, err
	}
	l.Forward(seen.Number)
	if r.All {
		l.Forward(max(l.Writes(), seen.Number) + leap)
	}
	done, err := l.Reconcile(ctx, seen.Claimed, seen.Withdrawn, r.All, c.Now)
	r.Unknown, r.Withdrawn = done.Unknown+l.Recovered().Doubtful, done.Withdrawn
	if err == nil {
		err = stopAgain(ctx, l, seen.Withdrawn, c.Now)
	}
	if err == nil {
		err = l.Commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{dispatch.RestoredDoc(c.Now)}})
	}
	if err == nil {
		r.Erased, err = eraseAgain(ctx, l, seen.Erased)
	}
	if err == nil {
		r.Revoked, r.Keys, err = revokeAgain(ctx, l, seen.Buried)
	}
	if err == nil {
		err = c.record(ctx, l, r)
	}
	for _, n := range l.Topics() {
		r.Consents += n.Waiting
	}
	writes = l.Writes()
	return writes, errors.Join(err, l.Close())
}

// record puts the restore into the audit log, which ends where the backup was made: what operators did since is not in it, and
// that is to be seen in it.
func (c *RestoreConfig) record(ctx context.Context, l *ledger.Ledger, r *Restored) error {
	what := "the store that was there, as it is"
	if !c.Keep {
		what = "the backup of " + r.Backup.MadeAt.UTC().Format(time.RFC3339) + ": what was done after it is not here"
	}
	var t trail
	if err := t.load(ctx, l, c.Now); err != nil {
		return err
	}
	return t.write(ctx, l, &auditing{entry: AuditEntry{At: c.Now, Act: "restore-store", What: what, Outcome: "done"}})
}

// stopAgain wishes that consents which were withdrawn after a backup was made, and are in doubt, end when their doubts do.
func stopAgain(ctx context.Context, l *ledger.Ledger, withdrawn []otn.TokenID, now time.Time) error {
	for _, id := range withdrawn {
		c, ok, err := l.Consent(id)
		if err != nil {
			return err
		}
		if !ok || c.State != ledger.Doubtful {
			continue
		}
		if err := l.Commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{dispatch.StopDoc(id, now)}}); err != nil {
			return err
		}
	}
	return nil
}

// eraseAgain erases those who were erased after a backup was made. Nothing is claimed then.
func eraseAgain(ctx context.Context, l *ledger.Ledger, people []otn.PersonID) (n int, err error) {
	var all ledger.Traces
	for _, p := range people {
		x, err := keptOf(l, p)
		if err != nil {
			return n, err
		}
		traces, err := l.Traces(x)
		if err != nil {
			return n, err
		}
		if _, err := l.Erase(ctx, x); err != nil {
			return n, err
		}
		all = append(all, traces...)
		n++
	}
	if n == 0 {
		return 0, nil
	}
	return n, l.Purge(ctx, all)
}

// MarshalJSON leaves out what a manifest lists file by file.
func (r Restored) MarshalJSON() ([]byte, error) {
	type plain Restored
	r.Backup.Files = nil
	return json.Marshal(plain(r))
}
