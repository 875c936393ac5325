// What the ledger costs on a real disk, beside a probe of the disk itself taken in the same run.

package pebble_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/ledger/pebble"
	"github.com/onetimenotify/otn/core/otn"
)

// probe appends 4 KiB and syncs, over and over: so many a second is what the disk can do.
func probe(b *testing.B, dir string) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "probe"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	block := make([]byte, 4096)
	began := time.Now()
	n := 0
	for ; time.Since(began) < 200*time.Millisecond; n++ {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	rate := float64(n) / time.Since(began).Seconds()
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return rate
}

func openDisk(b testing.TB, dir string, key otn.Secret) *ledger.Ledger {
	b.Helper()
	e, err := pebble.Open(filepath.Join(dir, "d"), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	l, err := ledger.Open(b.Context(), e, key, noon)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// real is a consent as a Messenger shop gets it: ids of 16 and 19 digits, spread over time, with the price then.
func real(i int) otn.Consent {
	mixed := (uint64(i) + 1) * 0x9e3779b97f4a7c15
	return otn.Consent{Token: otn.NewToken("104857600", fmt.Sprint(1e18+mixed%8e18)), Channel: "messenger",
		Subscriber: otn.Subscriber{ID: fmt.Sprint(uint64(1e15) + mixed*31%uint64(9e15))},
		Topic:      line.Topic, Subject: line.Subject, Ref: "notify.drop.sku", GrantedAt: noon.Add(time.Duration(i) * 1500 * time.Millisecond), PriceThen: otn.Money{Minor: int64(9900 + i%37*100), Currency: "USD"}}
}

func load(b testing.TB, l *ledger.Ledger, n int) {
	b.Helper()
	var wg sync.WaitGroup
	var next atomic.Int64
	const page = 1000
	for range 2 {
		wg.Go(func() {
			for {
				from := int(next.Add(page)) - page
				if from >= n {
					return
				}
				batch := &ledger.Batch{}
				for i := from; i < min(from+page, n); i++ {
					batch.Grants = append(batch.Grants, &ledger.Grant{Consent: real(i)})
				}
				if err := l.Commit(context.Background(), batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkGrant(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			dir := b.TempDir()
			l := openDisk(b, dir, ledger.NewKey())
			rate := probe(b, dir)
			var next atomic.Int64
			var wg sync.WaitGroup
			spent, writes := cpuTime(), l.Writes()
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := l.Commit(context.Background(), &ledger.Batch{Grants: []*ledger.Grant{{Consent: real(int(i))}}}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			perSecond := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(perSecond, "grants/s")
			b.ReportMetric(float64((cpuTime()-spent).Nanoseconds())/1e3/float64(b.N), "cpu-us/grant")
			b.ReportMetric(float64(b.N)/float64(l.Writes()-writes), "grants/group")
			b.ReportMetric(rate, "fsyncs/s")
			b.ReportMetric(perSecond/rate, "grants/fsync")
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkClaimSettle scans, claims and settles pages of 1,000, one goroutine scanning ahead, settlements riding with the next claim.
func BenchmarkClaimSettle(b *testing.B) {
	for _, page := range []int{100, 1000} {
		b.Run(fmt.Sprint(page), func(b *testing.B) {
			dir := b.TempDir()
			l := openDisk(b, dir, ledger.NewKey())
			load(b, l, b.N)
			rate := probe(b, dir)
			spent := cpuTime()
			b.ResetTimer()
			runAll(b, l, page)
			b.StopTimer()
			b.ReportMetric(float64((cpuTime()-spent).Nanoseconds())/1e3/float64(b.N), "cpu-us/token")
			perSecond := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(perSecond, "tokens/s")
			b.ReportMetric(rate, "fsyncs/s")
			b.ReportMetric(perSecond/rate/float64(page), "of_page*fsync")
			if got := l.Topics()[line.Topic].Sent; got != int64(b.N) {
				b.Fatalf("sent %d of %d", got, b.N)
			}
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func runAll(b *testing.B, l *ledger.Ledger, page int) {
	pages := make(chan *ledger.Claim, 4)
	run := otn.NewRunID("r", otn.Subject{}, "e", noon)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(pages)
		claim := func(n uint64) *ledger.Claim {
			return &ledger.Claim{Run: run, Page: n, Line: line, Channel: "messenger", Account: "104857600", At: noon, Members: make([]ledger.Member, 0, page)}
		}
		n := uint64(0)
		c := claim(n)
		for at, done := uint64(0), false; !done; {
			var err error
			at, done, err = l.Scan(line, at, l.Head()+1, 20*page, noon, func(k *ledger.Candidate) bool {
				if c.Members = append(c.Members, ledger.Member{Seq: k.Seq, Token: k.ID, Person: k.Person(), Attempt: 1}); len(c.Members) == page {
					pages <- c
					n++
					c = claim(n)
				}
				return true
			})
			if err != nil {
				b.Error(err)
				return
			}
		}
		pages <- c
	})
	var settle []*ledger.Settlement
	for c := range pages {
		if err := l.Commit(context.Background(), &ledger.Batch{Claims: []*ledger.Claim{c}, Settles: settle}); err != nil {
			b.Fatal(err)
		}
		s := &ledger.Settlement{Claim: c, Results: make([]ledger.Result, len(c.Members))}
		for i := range c.Members {
			c.Handed(i)
			c.Answered(i, otn.Sent)
			s.Results[i] = ledger.Result{Outcome: otn.Sent, At: noon}
		}
		settle = []*ledger.Settlement{s}
	}
	if err := l.Commit(context.Background(), &ledger.Batch{Settles: settle}); err != nil {
		b.Fatal(err)
	}
	wg.Wait()
}

func BenchmarkScan(b *testing.B) {
	const n = 300_000
	dir := b.TempDir()
	key := ledger.NewKey()
	l := openDisk(b, dir, key)
	load(b, l, n)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	if err := pebble.Compact(filepath.Join(dir, "d")); err != nil {
		b.Fatal(err)
	}
	l = openDisk(b, dir, key)
	b.ReportAllocs()
	for b.Loop() {
		seen := 0
		_, _, err := l.Scan(line, 0, l.Head()+1, 2*n, noon, func(*ledger.Candidate) bool { seen++; return true })
		if err != nil || seen != n {
			b.Fatal(seen, err)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds()/1e6, "M_candidates/s")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkIndex loads consents, each with a target, with and without an index by it: what a consent costs, and its grant.
func BenchmarkIndex(b *testing.B) {
	const n = 200_000
	for _, indexed := range []bool{false, true} {
		b.Run(fmt.Sprint(indexed), func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				l := openDisk(b, dir, ledger.NewKey())
				if indexed {
					if err := l.Index(b.Context(), []ledger.Indexed{{Topic: line.Topic, Answer: "target"}}); err != nil {
						b.Fatal(err)
					}
				}
				spent := cpuTime()
				for from := 0; from < n; from += 1000 {
					batch := &ledger.Batch{}
					for i := range 1000 {
						c := real(from + i)
						c.Answers = []otn.Named{{Name: "target", Value: otn.MoneyValue(otn.Money{Minor: int64((from+i)*7919%20_000) + 1000, Currency: "USD"})}}
						batch.Grants = append(batch.Grants, &ledger.Grant{Consent: c})
					}
					if err := l.Commit(context.Background(), batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((cpuTime()-spent).Nanoseconds())/1e3/n, "cpu-us/grant")
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
				if err := pebble.Compact(filepath.Join(dir, "d")); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(tables(b, dir))/n, "B/consent")
				spaces, err := pebble.Spaces(filepath.Join(dir, "d"))
				if err != nil {
					b.Fatal(err)
				}
				b.Logf("bytes by keyspace: %v", spaces)
			}
		})
	}
}

// cpuTime is what this process has used of its processors: it says more than the clock while others use them too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMillion loads a million consents and reports what they cost: disk after compaction, opening, memory.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		dir := b.TempDir()
		key := ledger.NewKey()
		l := openDisk(b, dir, key)
		began := time.Now()
		load(b, l, n)
		b.ReportMetric(n/time.Since(began).Seconds(), "grants/s")
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		if err := pebble.Compact(filepath.Join(dir, "d")); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(tables(b, dir))/n, "B/consent")
		spaces, err := pebble.Spaces(filepath.Join(dir, "d"))
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("bytes by keyspace: %v", spaces)
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began = time.Now()
		l = openDisk(b, dir, key)
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms_open")
		if _, _, err := l.Scan(line, 0, l.Head()+1, 2*n, noon, func(*ledger.Candidate) bool { return true }); err != nil {
			b.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.Sys)/1e6, "MB_sys")
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func tables(b *testing.B, dir string) (size int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (filepath.Ext(path) == ".sst" || filepath.Ext(path) == ".blob") {
			var fi fs.FileInfo
			if fi, err = d.Info(); err == nil {
				size += fi.Size()
			}
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
