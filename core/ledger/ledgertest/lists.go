// Lists of consents: a line's own way gives what the journal gives, page by page, from any cursor.

package ledgertest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// paged reads a query in pages of a size, none larger.
func (b *bench) paged(q ledger.ConsentQuery, size int) (all []ledger.Consent) {
	b.t.Helper()
	q.Limit = size
	for pages := 0; ; pages++ {
		some, next, err := b.Consents(q)
		b.must(err)
		if len(some) > size || pages > 10_000 || next != 0 && next <= q.Cursor {
			b.t.Fatalf("%+v: %d consents on a page, next %d", q, len(some), next)
		}
		all = append(all, some...)
		if next == 0 {
			return all
		}
		q.Cursor = next
	}
}

func lists(t *testing.T, b *bench) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for round := range 6 {
		b.grant(300+rng.IntN(900), drop)
		b.grant(rng.IntN(50), other)
		b.grant(rng.IntN(20), shop)
		c := b.candidates(fmt.Sprint("r", round), 1, drop)
		c.Members = slices.DeleteFunc(c.Members, func(ledger.Member) bool { return rng.IntN(3) > 0 })
		b.commit(&ledger.Batch{Claims: []*ledger.Claim{c}})
		if round < 5 { // the last stays claimed
			b.settle(c, otn.Sent, otn.Refused, otn.Unknown, otn.Deferred)
		}
		for _, w := range b.waiting(drop)[:7] {
			b.must(b.Withdraw(t.Context(), w.ID, b.now))
		}
	}
	all := b.paged(ledger.ConsentQuery{}, 1000)
	if !slices.IsSortedFunc(all, func(x, y ledger.Consent) int { return cmp.Compare(x.Seq, y.Seq) }) {
		t.Error("not in the order in which they were granted")
	}
	for _, line := range []ledger.Line{drop, other, shop, {Topic: "drop"}, {Topic: "none"}, {Subject: other.Subject}} {
		for _, state := range []ledger.State{"", ledger.Waiting, ledger.Claimed, ledger.Spent, ledger.Ended, ledger.Doubtful, ledger.Expired, ledger.Withdrawn} {
			q := ledger.ConsentQuery{Topic: line.Topic, Subject: line.Subject, State: state}
			var want []string
			for _, c := range all {
				if (line.Topic == "" || c.Topic == line.Topic) && (line.Subject == "" || c.Subject == line.Subject) && (state == "" || c.State == state) {
					want = append(want, fmt.Sprint(c.Seq, c.State, c.Token, c.Subscriber.ID, c.Run, c.GrantedAt))
				}
			}
			for _, size := range []int{1000, 7} {
				var got []string
				for _, c := range b.paged(q, size) {
					got = append(got, fmt.Sprint(c.Seq, c.State, c.Token, c.Subscriber.ID, c.Run, c.GrantedAt))
				}
				if !slices.Equal(got, want) {
					t.Errorf("%+v in pages of %d: %d consents, want %d", q, size, len(got), len(want))
				}
			}
		}
	}
}
