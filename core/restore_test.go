// Restores: a backup becomes the store, here or on a new machine, and nobody is told twice by it.

package core_test

import (
	"context"
	"errors"
	"fmt"
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

func TestRestoreSendsNobodyTwice(t *testing.T) {
	dir, backup, told := backedUp(t)
	r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: dir, From: backup, Replace: true, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "unknown", r.Unknown, 20)
	want(t, "all", r.All, false)
	again := taker()
	s := onDisk(t, dir, again)
	s.people(100, 101) // somebody new is told, so that the run of the others would have been, too
	s.price("119.00 USD")
	s.price("89.00 USD")
	s.told(1)
	c := s.counts()
	want(t, "unknown", c.Unknown, 20)
	want(t, "sent", c.Sent, 1)
	twice(t, told, again)
	log, _, err := s.host.Audit(core.AuditQuery{}) // whoever goes back to before what they did is on record as having gone back
	if err != nil || len(log) != 1 || log[0].Act != "restore-store" || !strings.Contains(log[0].What, "the backup of 20") {
		t.Errorf("on record: %+v, %v", log, err)
	}
	if report, err := s.host.VerifyAudit(t.Context(), 0, ""); err != nil || len(report.Faults) > 0 {
		t.Errorf("the audit log behind a restore: %+v, %v", report, err)
	}
}

// What was granted and spent after the backup was made is not known to it, and is not granted again: platforms repeat their
// webhooks, and operators their imports.
func TestRestoredIsNotGrantedAgain(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	told := taker()
	s := onDisk(t, dir, told)
	s.price("120.00 USD")
	s.people(0, 10)
	if _, err := s.host.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	s.people(10, 20)
	s.price("99.00 USD")
	s.told(20)
	s.people(20, 30)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: dir, From: backup, Replace: true, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "unknown", r.Unknown, 10)
	again := taker()
	s = onDisk(t, dir, again)
	s.people(0, 30)
	s.price("119.00 USD")
	s.price("89.00 USD")
	s.told(10)
	want(t, "told again", len(again.accepted()), 10)
	twice(t, told, again)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if report, err := core.VerifyStore(t.Context(), dir); err != nil {
		t.Errorf("the store: %v, %v", report.Faults, err)
	}
}

// Without a witness nobody can say what was spent: everybody who waited is unknown.
func TestRestoreWithoutAWitness(t *testing.T) {
	dir, backup, _ := backedUp(t)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.MkdirAll(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := core.Restore(t.Context(), core.RestoreConfig{Dir: other, From: backup, Now: time.Now()}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without its key: %v", err)
	}
	key, err := os.ReadFile(filepath.Join(dir, core.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: other, From: backup, Key: otn.NewSecret(string(key)), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "all", r.All, true)
	want(t, "unknown", r.Unknown, 20)
	want(t, "consents", r.Consents, 0)
}

// rescued is a new data folder with what was saved from another one.
func rescued(t *testing.T, from string, names ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rescued")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		var err error
		if name == core.KeyFile {
			var key []byte
			if key, err = os.ReadFile(filepath.Join(from, name)); err == nil {
				err = os.WriteFile(filepath.Join(dir, name), key, 0o600)
			}
		} else {
			err = os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(from, name)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// On a new machine, a witness that was put there counts as the last word only when somebody says that it is: an older copy has not
// seen the last claims. One that was not taken for it is not taken for it by the next restore either.
func TestRestoreOnANewMachine(t *testing.T) {
	dir, backup, told := backedUp(t)
	other := rescued(t, dir, core.KeyFile, "witness")
	for range 2 {
		r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: other, From: backup, Replace: true, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "a witness that was put there: all", r.All, true)
		want(t, "a witness that was put there: unknown", r.Unknown, 20)
		want(t, "a witness that was put there", r.WitnessDoubted, true)
	}
	r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: other, From: backup, Replace: true, WitnessIsLast: true, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "its last word: all", r.All, false)
	want(t, "its last word: unknown", r.Unknown, 20)
	again := taker()
	s := onDisk(t, other, again)
	s.people(40, 50)
	s.price("119.00 USD")
	s.price("89.00 USD")
	s.told(10)
	twice(t, told, again)
	later := filepath.Join(t.TempDir(), "later")
	if _, err := s.host.Backup(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if r, err = core.Restore(t.Context(), core.RestoreConfig{Dir: other, From: later, Replace: true, Now: time.Now()}); err != nil || r.All {
		t.Errorf("a backup made behind the gap: %+v, %v", r, err)
	}
}

// A store that goes on from an older backup without its witness counts on from there. A newer backup of the history that was lost
// has larger numbers, and knows nothing of what was claimed since all the same.
func TestRestoreOfALostHistory(t *testing.T) {
	dir, older, newer := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "older"), filepath.Join(t.TempDir(), "newer")
	s := onDisk(t, dir, taker())
	s.price("120.00 USD")
	s.people(0, 10)
	if _, err := s.host.Backup(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		s.price(fmt.Sprint(121+i, ".00 USD"))
	}
	if _, err := s.host.Backup(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	other := rescued(t, dir, core.KeyFile)
	restored := func(from string) {
		t.Helper()
		r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: other, From: from, Replace: true, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "all", r.All, true)
		want(t, "unknown", r.Unknown, 10)
	}
	restored(older)
	s = onDisk(t, other, taker())
	<-s.host.Ready()
	want(t, "lost", s.lost(), 10)
	s.price("99.00 USD")
	s.told(10)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	restored(newer)
}

// The key file of a backup becomes that of the folder; one of another store is set aside.
func TestRestoreBringsItsKey(t *testing.T) {
	dir, backup, _ := backedUp(t)
	for name, there := range map[string]bool{"none": false, "another": true} {
		other := filepath.Join(t.TempDir(), "other")
		if there {
			s := onDisk(t, other, taker())
			s.people(0, 1)
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
		}
		_, err := core.Restore(t.Context(), core.RestoreConfig{Dir: other, From: backup, KeyFile: filepath.Join(dir, core.KeyFile), Replace: true, Now: time.Now()})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s := onDisk(t, other, taker())
		<-s.host.Ready()
		want(t, name+": unknown", s.counts().Unknown, 20)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		aside, err := filepath.Glob(filepath.Join(other, core.KeyFile+".replaced-*"))
		if err != nil || len(aside) != map[bool]int{true: 1}[there] {
			t.Errorf("%s: aside %v, %v", name, aside, err)
		}
	}
}

// Who said that they want to hear no more after the backup was made is not told, also when their token is imported again.
func TestRestoreWithdrawsAgain(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	s := onDisk(t, dir, taker())
	s.price("120.00 USD")
	s.people(0, 3)
	if _, err := s.host.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	s.people(3, 4)
	for _, i := range []int{0, 3} { // one that the backup knows, and one that it does not
		if _, err := s.host.Withdraw(t.Context(), otn.NewToken("page", fmt.Sprintf("token-%d", i)).ID().String()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: dir, From: backup, Replace: true, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "withdrawn again", r.Withdrawn, 1)
	want(t, "unknown", r.Unknown, 0)
	want(t, "waiting", r.Consents, 2)
	s = onDisk(t, dir, taker())
	s.people(0, 4)
	s.price("99.00 USD")
	s.told(2)
	var told []string
	for _, d := range s.shop.accepted() {
		told = append(told, d.Subscriber.ID)
	}
	slices.Sort(told)
	want(t, "told", strings.Join(told, " "), "p1 p2")
}

// The same for somebody of whose message nobody could tell: when an operator says that it was lost, they do not wait again.
func TestRestoreStopsAgain(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	lost := taker()
	lost.answer = func(otn.Delivery, int) error { return errLostAnswer }
	s := onDisk(t, dir, lost)
	s.price("120.00 USD")
	s.people(0, 1)
	s.price("99.00 USD")
	s.doubtful(1)
	if _, err := s.host.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if _, err := s.host.Withdraw(t.Context(), otn.NewToken("page", "token-0").ID().String()); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := core.Restore(t.Context(), core.RestoreConfig{Dir: dir, From: backup, Replace: true, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s = onDisk(t, dir, taker())
	<-s.host.Ready()
	want(t, "lost", s.lost(), 1)
	want(t, "withdrawn", s.counts().Withdrawn, 1)
	want(t, "waiting", s.counts().Waiting, 0)
}

// A key that was revoked after the backup was made stays revoked, where a witness saw it.
func TestRestoreRevokesAgain(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	s := onDisk(t, dir, taker())
	s.people(0, 1)
	var secrets []otn.Secret
	var ids []string
	for _, name := range []string{"kept", "revoked"} {
		key, secret, err := s.host.CreateKey(t.Context(), core.KeyRequest{Name: name, Scopes: []core.Scope{core.ScopeAdmin}})
		if err != nil {
			t.Fatal(err)
		}
		secrets, ids = append(secrets, secret), append(ids, key.ID)
	}
	if _, err := s.host.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.host.RevokeKey(t.Context(), ids[1]), s.stop()); err != nil {
		t.Fatal(err)
	}
	for at, revoked := range map[string]int{rescued(t, dir, core.KeyFile): 0, dir: 1} {
		r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: at, From: backup, Replace: true, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "revoked again", r.Revoked, revoked)
		want(t, "let in", r.Keys, 2-revoked)
	}
	s = onDisk(t, dir, taker())
	<-s.host.Ready()
	if _, err := s.host.Authorize(secrets[0]); err != nil {
		t.Errorf("the other key: %v", err)
	}
	if _, err := s.host.Authorize(secrets[1]); !errors.Is(err, otn.ErrUnauthorized) {
		t.Errorf("the revoked key: %v", err)
	}
}

// What is unknown since a restore was perhaps sent under another delivery: the platform, asked about this one, would say that it never
// took it. It is not asked, and nothing is sent again.
func TestRestoredIsNotLookedUp(t *testing.T) {
	dir, backup, told := backedUp(t)
	if _, err := core.Restore(t.Context(), core.RestoreConfig{Dir: dir, From: backup, Replace: true, Now: time.Now().Add(-24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for i, single := range []bool{false, true} {
		again := &looker{channel: taker(), found: func(otn.Delivery, int) error { return errNotTaken }}
		again.account, again.can = "", otn.Capabilities{Sends: true, Lookups: true, SingleUseToken: single, MaxInFlight: 8}
		s := onDiskAs(t, dir, again.channel, again)
		s.people(100+i, 101+i)
		s.price(fmt.Sprint(119-i, ".00 USD"))
		s.price(fmt.Sprint(89-i, ".00 USD"))
		s.told(1) // the lane takes the doubts, whose moment has passed, before the run
		want(t, "asked", len(again.asked), 0)
		twice(t, told, again.channel)
		want(t, "unknown", s.counts().Unknown, 20)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// later is the machine's clock, set forward.
type later time.Duration

func (l later) Now() time.Time { return time.Now().Add(time.Duration(l)) }

func (l later) Wait(ctx context.Context, until time.Time, wake <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !until.IsZero() {
		defer time.AfterFunc(until.Sub(l.Now()), cancel).Stop()
	}
	select {
	case <-ctx.Done():
	case <-wake:
	}
}

// A doubt of the backup whose token was claimed once more after it is not looked up either: that its first message was never taken
// says nothing of the second.
func TestRestoredDoubtIsNotLookedUp(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	shop := func() *looker {
		l := &looker{channel: taker(), found: func(otn.Delivery, int) error { return errNotTaken }}
		l.account, l.can.Lookups = "", true
		return l
	}
	before := shop()
	before.answer = func(_ otn.Delivery, nth int) error { return []error{errLostAnswer, nil}[nth-1] }
	s := onDiskAs(t, dir, before.channel, before)
	s.people(0, 5)
	s.price("120.00 USD")
	s.price("99.00 USD")
	s.doubtful(5)
	if _, err := s.host.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	want(t, "lost", s.lost(), 5)
	s.price("119.00 USD")
	s.price("98.00 USD")
	s.told(5)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: dir, From: backup, Replace: true, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "waited, and unknown now", r.Unknown, 0)
	after := shop()
	s = onDiskAs(t, dir, after.channel, after, later(3*time.Hour))
	s.people(100, 101)
	s.price("117.00 USD")
	s.price("97.00 USD")
	s.told(1)
	want(t, "asked", len(after.asked), 0)
	twice(t, before.channel, after.channel)
	want(t, "still unknown", s.counts().Unknown, 5)
}

func TestRestoreRefuses(t *testing.T) {
	dir, backup, _ := backedUp(t)
	try := func(c core.RestoreConfig) error {
		c.Dir, c.Now = dir, time.Now()
		_, err := core.Restore(t.Context(), c)
		return err
	}
	if err := try(core.RestoreConfig{From: backup}); !errors.Is(err, otn.ErrRefused) {
		t.Errorf("over a store: %v", err)
	}
	if err := try(core.RestoreConfig{From: t.TempDir(), Replace: true}); !errors.Is(err, otn.ErrForeign) {
		t.Errorf("from an empty folder: %v", err)
	}
	flip(t, largest(t, filepath.Join(backup, "store")), 100)
	if err := try(core.RestoreConfig{From: backup, Replace: true}); !errors.Is(err, otn.ErrStore) {
		t.Errorf("from a damaged backup: %v", err)
	}
	if _, err := core.VerifyStore(t.Context(), dir); err != nil {
		t.Errorf("what was there before is untouched: %v", err)
	}
}
