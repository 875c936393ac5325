// Backups, and what comes back of them: whole, and never a message more.

package core_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// shopOnDisk is a Host on a real folder, which dies and comes back.
type shopOnDisk struct {
	t    *testing.T
	dir  string
	shop *channel
	host *core.Host
	stop func() error
}

func onDisk(t *testing.T, dir string, c *channel) *shopOnDisk {
	t.Helper()
	return onDiskAs(t, dir, c, c)
}

// onDiskAs has a channel that is more than c, which is in it, and a clock of its own where one is given.
func onDiskAs(t *testing.T, dir string, c *channel, as otn.Channel, clock ...core.Clock) *shopOnDisk {
	t.Helper()
	s := &shopOnDisk{t: t, dir: dir, shop: c}
	host, err := core.New(core.Config{Clock: append(clock, nil)[0], Dir: dir, Rules: shopRules{text: "now"}, Channels: map[string]otn.Channel{"shop": as}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	s.host = host
	var once sync.Once
	var end error
	s.stop = func() error { once.Do(func() { cancel(); end = <-ended }); return end }
	t.Cleanup(func() { _ = s.stop() })
	return s
}

func taker() *channel {
	return &channel{can: otn.Capabilities{Sends: true, MaxInFlight: 8}, account: "page"}
}

func (s *shopOnDisk) people(from, to int) {
	s.t.Helper()
	var list []otn.Consent
	for i := from; i < to; i++ {
		list = append(list, otn.Consent{Token: otn.NewToken(s.shop.account, fmt.Sprintf("token-%d", i)), Channel: "shop",
			Subscriber: otn.Subscriber{ID: fmt.Sprintf("p%d", i)}, Topic: "price-drop", Subject: "coat"})
	}
	if _, err := s.host.Grant(context.Background(), list...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shopOnDisk) price(amount string) {
	s.t.Helper()
	m, err := otn.ParseMoney(amount)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.host.Observe(context.Background(), otn.Observation{Item: &otn.Item{ID: "coat", Known: otn.FactPrice, Price: m}}); err != nil {
		s.t.Fatal(err)
	}
}

// told waits until n messages were accepted, through the Host's own answers: its runs end.
func (s *shopOnDisk) told(n int) {
	s.t.Helper()
	for s.t.Context().Err() == nil {
		runs, _, err := s.host.Runs(core.RunQuery{})
		if err != nil {
			s.t.Fatal(err)
		}
		done := len(runs) > 0
		for _, r := range runs {
			done = done && r.State == "done"
		}
		if done && len(s.shop.accepted()) >= n && s.counts().Sent >= int64(n) { // rows are seen before the counts in memory
			return
		}
	}
}

// doubtful waits until nobody can tell what became of n messages.
func (s *shopOnDisk) doubtful(n int64) {
	s.told(0)
	for s.counts().Unknown < n && s.t.Context().Err() == nil { // rows are seen before the counts in memory
	}
}

// lost says of every doubt that its message was lost, as an operator would, and how many there were.
func (s *shopOnDisk) lost() int {
	s.t.Helper()
	doubts, _, err := s.host.Deliveries(core.DeliveryQuery{Outcome: "unknown"})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range doubts {
		if _, err := s.host.Resolve(s.t.Context(), d.ID, false); err != nil {
			s.t.Fatal(err)
		}
	}
	return len(doubts)
}

func (s *shopOnDisk) counts() core.TopicView {
	s.t.Helper()
	list, err := s.host.Topics()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range list {
		if v.ID == "price-drop" {
			return v
		}
	}
	s.t.Fatal("no topic")
	return core.TopicView{}
}

// twice reports tokens that were accepted more than once, over all channels.
func twice(t *testing.T, channels ...*channel) {
	t.Helper()
	seen := map[otn.TokenID]int{}
	for _, c := range channels {
		for _, s := range c.accepted() {
			if seen[s.Token.ID()]++; seen[s.Token.ID()] > 1 {
				t.Errorf("token %s was spent twice", s.Token.ID())
			}
		}
	}
}

// backedUp is a shop with 40 people, a backup made then, and 20 of them told since, over a real folder that is stopped.
func backedUp(t *testing.T) (dir, backup string, told *channel) {
	t.Helper()
	dir, backup = filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	told = taker()
	s := onDisk(t, dir, told)
	s.price("120.00 USD")
	s.people(0, 20)
	if _, err := s.host.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	s.price("99.00 USD")
	s.told(20)
	s.people(20, 40)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	return dir, backup, told
}

// A store that is behind its witness does not open; taken as it is, nobody whose token was claimed is told again.
func TestLostEndDoesNotOpen(t *testing.T) {
	dir, _, told := backedUp(t)
	copied := filepath.Join(t.TempDir(), "copied")
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(dir, "store"))); err != nil {
		t.Fatal(err)
	}
	s := onDisk(t, dir, told)
	s.price("119.00 USD")
	s.price("79.00 USD")
	s.told(40)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "store")
	if err := errors.Join(os.RemoveAll(store), os.CopyFS(store, os.DirFS(copied))); err != nil {
		t.Fatal(err)
	}
	late := onDisk(t, dir, taker())
	if err := late.ended(); !errors.Is(err, otn.ErrStore) {
		t.Fatalf("a store that lost its end opened: %v", err)
	}
	r, err := core.Restore(t.Context(), core.RestoreConfig{Dir: dir, Keep: true, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "unknown", r.Unknown, 20)
	again := taker()
	s = onDisk(t, dir, again)
	s.price("119.00 USD")
	s.price("59.00 USD")
	want(t, "unknown", s.counts().Unknown, 20)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	twice(t, told, again)
}

// ended waits for a Host that does not open.
func (s *shopOnDisk) ended() error {
	select {
	case <-s.host.Ready():
		return nil
	case <-s.done():
		return s.stop()
	}
}

func (s *shopOnDisk) done() <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		_, _ = s.host.Topics()
		_, _ = s.host.Grant(context.Background()) // returns when the Host is open, or has ended
	}()
	return c
}

func TestAWitnessThatIsGoneOrOld(t *testing.T) {
	dir, _, told := backedUp(t)
	witness := filepath.Join(dir, "witness")
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(witness)); err != nil {
		t.Fatal(err)
	}
	s := onDisk(t, dir, told)
	s.people(200, 210)
	s.people(210, 220)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for name, hurt := range map[string]func() error{
		"an older one": func() error { return os.CopyFS(witness, os.DirFS(old)) },
		"none":         func() error { return nil },
		"a torn one": func() error {
			return errors.Join(os.MkdirAll(witness, 0o700), os.WriteFile(filepath.Join(witness, "000001"), []byte("otn"), 0o600))
		},
	} {
		if err := errors.Join(os.RemoveAll(witness), hurt()); err != nil {
			t.Fatal(err)
		}
		if err := onDisk(t, dir, taker()).ended(); !errors.Is(err, otn.ErrStore) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every bit that flips in the log or in a table is noticed, at the latest by verify, or changes nothing.
func TestFlippedBits(t *testing.T) {
	dir, _, _ := backedUp(t)
	whole, err := core.VerifyStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	noticed, harmless := 0, 0
	err = filepath.WalkDir(filepath.Join(dir, "store"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".log" && filepath.Ext(path) != ".sst" {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		for at := int64(0); at < fi.Size(); at += 1 + fi.Size()/40 {
			flip(t, path, at)
			report, err := core.VerifyStore(t.Context(), dir)
			switch {
			case errors.Is(err, otn.ErrStore):
				noticed++
			case err == nil && report.Consents == whole.Consents && report.Writes == whole.Writes:
				harmless++
			default:
				t.Errorf("%s at %d: %+v, %v", filepath.Base(path), at, report, err)
			}
			flip(t, path, at)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d noticed, %d harmless", noticed, harmless)
	if noticed == 0 {
		t.Error("no damage was noticed")
	}
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	b[0] ^= 0x10
	if err == nil {
		_, err = f.WriteAt(b[:], at)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func largest(t *testing.T, dir string) (name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(-1)
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && fi.Size() > size {
			name, size = filepath.Join(dir, e.Name()), fi.Size()
		}
	}
	return name
}

// A backup is made while messages go out, and is one moment of it.
func TestBackupUnderLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	told := taker()
	s := onDisk(t, dir, told)
	s.price("500.00 USD")
	s.people(0, 2000)
	s.price("400.00 USD")
	for i := range 3 {
		backup := filepath.Join(t.TempDir(), fmt.Sprint(i))
		made, err := s.host.Backup(t.Context(), backup)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := core.VerifyBackup(t.Context(), backup, otn.Secret{}); err != nil {
			t.Error(err)
		}
		c := made.Topics["price-drop"]
		want(t, "everybody", c.Waiting+c.Claimed+c.Sent, 2000)
	}
	s.told(2000)
	if _, err := s.host.Backup(t.Context(), dir); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("into a folder that holds something: %v", err)
	}
	if _, err := s.host.Backup(t.Context(), "backup"); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("a relative path: %v", err)
	}
}
