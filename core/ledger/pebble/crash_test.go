// A crash at every single write of a scenario, with none, half and all of what was not synced kept.

package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/ledgertest"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	line = ledger.Line{Topic: "drop", Subject: "sku"}
)

// world is what lies outside the disk while a scenario runs: what was acknowledged, and what the platform took.
type world struct {
	mu       sync.Mutex
	granted  []otn.TokenID
	docs     map[string]uint64
	entries  uint64 // the last journal number that was acknowledged
	settled  map[otn.TokenID]otn.Outcome
	accepted map[otn.TokenID]int
	at       int // the write at which the crash is taken, 0: none
	writes   int
	crash    func(w *world)
}

func newWorld() *world {
	return &world{docs: make(map[string]uint64), settled: make(map[otn.TokenID]otn.Outcome), accepted: make(map[otn.TokenID]int)}
}

func (w *world) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// MaybeError counts the writes and takes the crash before one of them.
func (w *world) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writes++; w.writes == w.at {
		w.crash(w)
	}
	return nil
}

func (w *world) String() string { return "crash" }

func consent(i int) otn.Consent {
	return otn.Consent{Token: otn.NewToken("page", fmt.Sprintf("55%06d", i)), Channel: "m", Subscriber: otn.Subscriber{ID: fmt.Sprintf("person-%06d", i)},
		Topic: line.Topic, Subject: line.Subject, GrantedAt: noon, Answers: []otn.Named{{Name: "target", Value: otn.IntValue(int64(i))}}}
}

// indexes changes its mind about what is wanted, in the middle of the rounds.
func indexes(l *ledger.Ledger, round int) error {
	wanted := map[int][]ledger.Indexed{1: {{Topic: line.Topic, Answer: "target"}}, 4: {{Topic: line.Topic, Answer: "size"}, {Topic: line.Topic, Answer: "target"}}, 5: {{Topic: line.Topic, Answer: "size"}}}
	if w, changed := wanted[round]; changed {
		if err := l.Index(context.Background(), w); err != nil {
			return err
		}
	}
	if round == 1 || round == 3 {
		return nil // what is granted now is indexed by its grant
	}
	_, err := l.Backfill(context.Background())
	return err
}

// scenario grants, writes documents and events, claims, sends, settles and resolves, one thing after the other.
func scenario(l *ledger.Ledger, w *world) error {
	ctx := context.Background()
	for round := range 6 {
		b := &ledger.Batch{
			Docs:   []*ledger.Doc{{Key: fmt.Sprint("d", round), Value: []byte("v")}},
			Events: []*ledger.Entry{{At: noon, Kind: "item.changed"}},
			Timers: []ledger.Timer{{TimerID: ledger.TimerID{Due: noon, ID: fmt.Sprint(round)}}},
		}
		for i := range 6 {
			b.Grants = append(b.Grants, &ledger.Grant{Consent: consent(round*10 + i)})
		}
		if err := l.Commit(ctx, b); err != nil {
			return err
		}
		w.note(func() {
			w.docs[b.Docs[0].Key], w.entries = b.Docs[0].Rev, l.Head()
			for _, g := range b.Grants {
				w.granted = append(w.granted, g.Consent.Token.ID())
			}
		})
		if err := page(l, w, otn.NewRunID("r", otn.Subject{}, "e", noon), uint64(round), 5); err != nil {
			return err
		}
		if err := indexes(l, round); err != nil {
			return err
		}
	}
	list, err := l.Doubts(otn.DeliveryID{}, 100)
	if err != nil {
		return err
	}
	for i, d := range list {
		r := ledger.Result{Outcome: []otn.Outcome{otn.Unknown, otn.Sent}[i%2], At: noon}
		if w.took(d.Token) == 0 && r.Outcome == otn.Sent {
			r.Outcome = otn.Deferred
		}
		if err := l.Resolve(ctx, d.ID, r, true); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) took(id otn.TokenID) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accepted[id]
}

// page claims up to n, sends each, and settles: some sent, some refused, some unknown that left, some unknown that did not, some deferred.
func page(l *ledger.Ledger, w *world, run otn.RunID, number uint64, n int) error {
	c := &ledger.Claim{Run: run, Page: number, Line: line, Channel: "m", Account: "page", At: noon, Facts: []byte("f")}
	_, _, err := l.Scan(line, 0, l.Head()+1, 1000, noon, func(k *ledger.Candidate) bool {
		c.Members = append(c.Members, ledger.Member{Seq: k.Seq, Token: k.ID})
		return len(c.Members) < n
	})
	if err != nil || len(c.Members) == 0 {
		return err
	}
	if err := l.Commit(context.Background(), &ledger.Batch{Claims: []*ledger.Claim{c}}); err != nil {
		return err
	}
	s := &ledger.Settlement{Claim: c}
	for i, m := range c.Members {
		c.Handed(i)
		kind := (int(number) + i) % 5
		if kind < 2 || kind == 3 {
			w.note(func() { w.accepted[m.Token]++ })
		}
		o := []otn.Outcome{otn.Sent, otn.Sent, otn.Refused, otn.Unknown, otn.Deferred}[kind]
		c.Answered(i, o)
		s.Results = append(s.Results, ledger.Result{Outcome: o, At: noon})
	}
	if err := l.Commit(context.Background(), &ledger.Batch{Settles: []*ledger.Settlement{s}, Lazy: number%3 == 2}); err != nil {
		return err
	}
	if number%3 != 2 {
		w.note(func() {
			for i, m := range c.Members {
				w.settled[m.Token] = s.Results[i].Outcome
			}
		})
	}
	return nil
}

// left is what a crash left, and what the world knew at that moment.
type left struct {
	fs    *vfs.MemFS
	marks *pebble.Memory
	world *world
}

// play runs the scenario and takes a crash at the k-th write. It returns nothing when there are fewer writes.
func play(t *testing.T, key otn.Secret, k, percent int, marked bool) (*left, int) {
	mem, marks := vfs.NewCrashableMem(), pebble.NewMemory()
	var found *left
	w := newWorld()
	w.at = k
	w.crash = func(w *world) {
		found = &left{marks: pebble.NewMemory(), world: w.clone()}
		found.fs = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rngFor(k)})
		if marked {
			found.marks = marks.Clone()
		}
	}
	e, err := pebble.Open("otn", pebble.Options{FS: wrap(mem, w), Marks: marks, Still: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), e, key, noon)
	if err == nil {
		err = errors.Join(scenario(l, w), l.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return found, w.writes
}

func (w *world) clone() *world {
	c := newWorld()
	c.granted, c.entries = append(c.granted, w.granted...), w.entries
	for k, v := range w.docs {
		c.docs[k] = v
	}
	for k, v := range w.settled {
		c.settled[k] = v
	}
	for k, v := range w.accepted {
		c.accepted[k] = v
	}
	return c
}

// check opens what the crash left: nothing acknowledged is missing, and working off what waits tells nobody twice.
func (f *left) check(t *testing.T, key otn.Secret) {
	t.Helper()
	e, err := pebble.Open("otn", pebble.Options{FS: f.fs, Marks: f.marks, Still: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), e, key, noon)
	if err != nil {
		t.Fatal(err)
	}
	w := f.world
	for k, rev := range w.docs {
		if d, ok, err := l.Doc(k); err != nil || !ok || d.Rev != rev {
			t.Fatalf("doc %s at %d: %+v %v %v", k, rev, d, ok, err)
		}
	}
	if l.Head() < w.entries {
		t.Fatalf("the journal ends at %d, %d was acknowledged", l.Head(), w.entries)
	}
	for id, o := range w.settled {
		c, ok, err := l.Consent(id)
		if err != nil || !ok || o == otn.Sent && c.State != ledger.Spent || o == otn.Refused && c.State != ledger.Ended {
			t.Fatalf("%s was settled %s and is %s (%v)", id, o, c.State, err)
		}
	}
	f.weigh(t, l)
	inspect(t, e, key)
	for more := true; more; {
		if more, err = l.Backfill(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for n := uint64(0); l.Waiting(line) > 0; n++ {
		if err := page(l, w, otn.NewRunID("after", otn.Subject{}, "e", noon), n*5+n%2, 7); err != nil {
			t.Fatal(err)
		}
	}
	f.weigh(t, l)
	inspect(t, e, key)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// inspect compares every row with the others: each index is what a rebuild would make it.
func inspect(t *testing.T, e ledger.Engine, key otn.Secret) {
	t.Helper()
	r, err := ledger.Inspect(t.Context(), e, key)
	if err != nil || len(r.Faults) > 0 {
		t.Fatal(r.Faults, err)
	}
}

func (f *left) weigh(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	p := ledgertest.NewPlatform()
	for id, n := range f.world.accepted {
		for range n {
			p.Accept(id)
		}
	}
	ledgertest.Balance(t, l, p, f.world.granted)
}

func TestCrashAtEveryWrite(t *testing.T) {
	key := ledger.NewKey()
	_, writes := play(t, key, 0, 0, false)
	stride := 1
	if testing.Short() || raced {
		stride = 7
	}
	runs := 0
	for k := 1; k <= writes; k += stride {
		for _, c := range []struct {
			percent int
			marked  bool
		}{{0, false}, {50, false}, {100, false}, {100, true}} {
			f, _ := play(t, key, k, c.percent, c.marked)
			if f == nil {
				continue // this time the store did with fewer writes
			}
			f.check(t, key)
			if t.Failed() {
				t.Fatalf("crash at write %d, %d %% kept, marks kept: %v", k, c.percent, c.marked)
			}
			runs++
		}
	}
	t.Logf("%d writes, %d crashes", writes, runs)
}

func wrap(mem *vfs.MemFS, w *world) vfs.FS { return errorfs.Wrap(mem, w) }

func rngFor(k int) *rand.Rand { return rand.New(rand.NewPCG(uint64(k), 7)) }
