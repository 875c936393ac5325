// Documents are counted as they come and go.

package ledgertest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/onetimenotify/otn/core/ledger"
)

func tracked(t *testing.T, b *bench) {
	put := func(key string, value []byte, e ledger.Expect) {
		b.must(b.Commit(t.Context(), &ledger.Batch{Docs: []*ledger.Doc{{Key: key, Value: value, Expect: e}}}))
	}
	put("open/1", []byte("x"), ledger.Any)
	put("opener", []byte("x"), ledger.Any)
	if n := b.Tracked("open/"); n != 0 {
		t.Errorf("%d before it is tracked", n)
	}
	b.must(b.Track("open/"))
	counted := func(want int64, when string) {
		t.Helper()
		docs, err := b.Docs("open/", "", 1000)
		b.must(err)
		if n := b.Tracked("open/"); n != want || n != int64(len(docs)) {
			t.Errorf("%s: %d are counted, %d are there, want %d", when, n, len(docs), want)
		}
	}
	counted(1, "tracked")
	put("open/1", []byte("y"), ledger.Any)
	put("open/1", []byte("z"), ledger.Once)
	put("open/2", []byte("z"), ledger.Fresh)
	put("opened", []byte("z"), ledger.Fresh)
	counted(2, "one more")
	put("open/3", nil, ledger.Any)
	put("open/1", nil, ledger.Any)
	put("open/1", nil, ledger.Any)
	counted(1, "one less")
	_, err := b.Erase(t.Context(), ledger.Erasure{Person: b.Person("m", "1"), At: b.now, Docs: []string{"open/2", "open/9"}})
	b.must(err)
	counted(0, "erased")

	// From many hands at once, in groups, and counted anew meanwhile.
	var wg sync.WaitGroup
	for hand := range 4 {
		wg.Go(func() {
			for i := range 50 {
				doc := &ledger.Doc{Key: fmt.Sprintf("open/%d", (i*7+hand)%40), Expect: ledger.Any}
				if i%3 > 0 {
					doc.Value = []byte("v")
				}
				if err := b.Commit(t.Context(), &ledger.Batch{Docs: []*ledger.Doc{doc}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		b.must(b.Track("open/"))
	}
	wg.Wait()
	docs, err := b.Docs("open/", "", 1000)
	b.must(err)
	counted(int64(len(docs)), "from many hands")
}
