// The audit log: in order, found out when it is tampered with, and silent about people.

package core_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
)

func TestAudit(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		ctx := context.Background()
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				if err := w.host.Record(ctx, core.AuditEntry{Key: fmt.Sprint("k", i%2), From: "192.0.2.1", Act: "pause-run", What: fmt.Sprint("r", i), Request: "q", Outcome: "done"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.restart()
		if err := w.host.Record(ctx, core.AuditEntry{Act: "last", What: strings.Repeat("x", 5000), Outcome: "done"}); err != nil {
			t.Fatal(err)
		}
		report, err := w.host.VerifyAudit(ctx, 0, "")
		if err != nil || report.Entries != 51 || report.Last != 51 || len(report.Faults) != 0 {
			t.Fatalf("%+v %v", report, err)
		}
		seen, cursor := uint64(52), ""
		for pages := 0; ; pages++ {
			list, next, err := w.host.Audit(core.AuditQuery{Cursor: cursor, Limit: 7})
			if err != nil || len(list) == 0 || len(list) > 7 {
				t.Fatalf("page %d: %d entries, %v", pages, len(list), err)
			}
			for _, e := range list {
				if e.N != seen-1 || e.At.IsZero() || e.Hash == "" || len(e.What) > 512 {
					t.Errorf("behind %d comes %+v", seen, e)
				}
				seen = e.N
			}
			if cursor = next; next == "" {
				break
			}
		}
		if seen != 1 {
			t.Errorf("the last is %d", seen)
		}
		if list, _, err := w.host.Audit(core.AuditQuery{Key: "k1"}); err != nil || len(list) != 25 {
			t.Errorf("%d entries of a key, %v", len(list), err)
		}
		if list, _, err := w.host.Audit(core.AuditQuery{Act: "last"}); err != nil || len(list) != 1 {
			t.Errorf("%d entries of an act, %v", len(list), err)
		}
		if _, _, err := w.host.Audit(core.AuditQuery{Cursor: "x"}); err == nil {
			t.Error("a cursor that is none")
		}
	})
}

// A key that may not make a call fills no disk with its tries, and the log tells how many there were.
func TestForbiddenCallsAreThinned(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		try := func(key string, times int) {
			t.Helper()
			for range times {
				if err := w.host.Record(t.Context(), core.AuditEntry{Key: key, Act: "send", What: "news", Outcome: core.Forbidden}); err != nil {
					t.Fatal(err)
				}
			}
		}
		try("weak", 1234)
		try("other", 1)
		time.Sleep(time.Hour)
		try("weak", 2)
		list, _, err := w.host.Audit(core.AuditQuery{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			got = append(got, e.Key+" "+e.What)
		}
		want := []string{"weak news", "other news", "weak number 1000 of this hour: news", "weak number 100 of this hour: news", "weak number 10 of this hour: news", "weak news"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// What somebody with access to the store does to the log is found and named.
func TestAuditTampered(t *testing.T) {
	key := func(n int) string { return fmt.Sprintf("audit/%016x", n) }
	set := func(k string, v []byte) *ledger.Doc { return &ledger.Doc{Key: k, Value: v, Expect: ledger.Any} }
	for name, c := range map[string]struct {
		tamper func(doc func(string) []byte) []*ledger.Doc
		want   string
	}{
		"nothing": {func(func(string) []byte) []*ledger.Doc { return nil }, ""},
		"changed": {func(doc func(string) []byte) []*ledger.Doc {
			return []*ledger.Doc{set(key(3), []byte(strings.Replace(string(doc(key(3))), "act3", "act9", 1)))}
		}, "3 it is not what was written"},
		"removed": {func(func(string) []byte) []*ledger.Doc { return []*ledger.Doc{set(key(3), nil)} }, "3 it is missing"},
		"swapped": {func(doc func(string) []byte) []*ledger.Doc {
			return []*ledger.Doc{set(key(3), doc(key(4))), set(key(4), doc(key(3)))}
		}, "3 in its place stands entry 4|4 in its place stands entry 3"},
		"first removed": {func(func(string) []byte) []*ledger.Doc { return []*ledger.Doc{set(key(1), nil)} }, "1 it is missing"},
		"last removed": {func(func(string) []byte) []*ledger.Doc {
			return []*ledger.Doc{set(key(5), nil), set(key(6), nil)}
		}, "5 it is missing, and all up to the end, 6"},
		"end removed": {func(func(string) []byte) []*ledger.Doc { return []*ledger.Doc{set("audit-head", nil)} }, ""}, // an entry says so
		"end and last removed, with a known entry": {func(func(string) []byte) []*ledger.Doc {
			return []*ledger.Doc{set(key(6), nil), set("audit-head", nil)}
		}, "6 its hash is not the one that is known of it"},
		"unreadable": {func(func(string) []byte) []*ledger.Doc { return []*ledger.Doc{set(key(2), []byte("x"))} }, "2 entry "},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				ctx := context.Background()
				for i := range 6 {
					if err := w.host.Record(ctx, core.AuditEntry{Act: fmt.Sprint("act", i+1), Outcome: "done"}); err != nil {
						t.Fatal(err)
					}
				}
				before, err := w.host.VerifyAudit(ctx, 0, "")
				if err != nil || len(before.Faults) > 0 {
					t.Fatal(before, err)
				}
				w.stop()
				w.tamper(c.tamper)
				w.start()
				known, hash := uint64(0), ""
				if strings.Contains(name, "known") {
					known, hash = before.Last, before.Hash
				}
				after, err := w.host.VerifyAudit(ctx, known, hash)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range after.Faults {
					got = append(got, fmt.Sprint(f.N, " ", f.What))
				}
				if text := strings.Join(got, "|"); !strings.HasPrefix(text, c.want) || c.want == "" && text != "" {
					t.Errorf("found %q, want %q", text, c.want)
				}
				if strings.HasPrefix(name, "end") {
					list, _, err := w.host.Audit(core.AuditQuery{Act: "open-store"})
					if err != nil || len(list) != 1 {
						t.Errorf("%+v %v", list, err)
					}
				}
			})
		})
	}
}

// tamper changes documents behind the Host's back.
func (w *world) tamper(change func(doc func(string) []byte) []*ledger.Doc) {
	w.t.Helper()
	engine, err := pebble.Open("data", pebble.Options{FS: w.disk, Marks: w.marks, Still: true})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := ledger.Open(context.Background(), engine, w.key, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	docs := change(func(key string) []byte {
		d, _, err := l.Doc(key)
		if err != nil {
			w.t.Error(err)
		}
		return d.Value
	})
	if err := l.Commit(context.Background(), &ledger.Batch{Docs: docs}); err != nil {
		w.t.Error(err)
	}
	if err := l.Close(); err != nil {
		w.t.Error(err)
	}
}

// kept shows the documents under a prefix, behind the Host's back.
func (w *world) kept(prefix string, show func(value []byte)) {
	w.t.Helper()
	engine, err := pebble.Open("data", pebble.Options{FS: w.disk, Marks: w.marks, Still: true})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := ledger.Open(context.Background(), engine, w.key, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	docs, err := l.Docs(prefix, "", 100)
	if err != nil {
		w.t.Error(err)
	}
	for _, d := range docs {
		show(d.Value)
	}
	if err := l.Close(); err != nil {
		w.t.Error(err)
	}
}

// The log outlives the people in it: it names them by a keyed hash alone.
func TestAuditSurvivesErasure(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.start()
		ctx := context.Background()
		w.grant("maria-canary", "news", "")
		name := w.host.PersonName("shop", "maria-canary")
		if strings.Contains(name, "maria") || name != w.host.PersonName("shop", "maria-canary") || name == w.host.PersonName("shop", "maria") {
			t.Error(name)
		}
		if err := w.host.Record(ctx, core.AuditEntry{Act: "tag", What: name, Outcome: "done"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.host.Erase(ctx, "shop", "maria-canary"); err != nil {
			t.Fatal(err)
		}
		report, err := w.host.VerifyAudit(ctx, 0, "")
		if err != nil || report.Entries != 1 || len(report.Faults) > 0 {
			t.Errorf("%+v %v", report, err)
		}
	})
}
