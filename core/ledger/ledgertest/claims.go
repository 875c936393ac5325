// Claims and settlements.

package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

func oneWinner(t *testing.T, b *bench) {
	b.grant(300, drop)
	all := b.candidates("", 0, drop).Members
	var mu sync.Mutex
	winners := make(map[uint64][]string)
	var wg sync.WaitGroup
	for k := range 24 {
		wg.Go(func() {
			for page := range uint64(6) {
				c := &ledger.Claim{Run: run(fmt.Sprint("r", k)), Page: page, Line: drop, Channel: "m", At: b.now, Members: slices.Clone(all[page*50 : page*50+50])}
				if err := b.Commit(context.Background(), &ledger.Batch{Claims: []*ledger.Claim{c}}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, m := range c.Members {
					winners[m.Seq] = append(winners[m.Seq], fmt.Sprint(k, "/", page))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(winners) != 300 {
		t.Fatalf("%d of 300 were won", len(winners))
	}
	for seq, by := range winners {
		if len(by) != 1 {
			t.Fatalf("%d was won by %v", seq, by)
		}
	}
	if len(b.waiting(drop)) != 0 || b.Waiting(drop) != 0 {
		t.Fatal("a scan shows what is claimed")
	}
	b.counts("drop", ledger.Counts{Claimed: 300})
}

func pageOnce(t *testing.T, b *bench) {
	b.grant(3, drop)
	c := b.claim("r", 1, drop)
	if len(c.Members) != 3 || c.Members[0].Person != b.Person("m", "99000000") {
		t.Fatalf("claimed %+v", c.Members)
	}
	late := b.candidates("r", 1, drop)
	late.Members = slices.Clone(c.Members)
	if err := b.Commit(t.Context(), &ledger.Batch{Claims: []*ledger.Claim{late}}); !errors.Is(err, otn.ErrRepeat) {
		t.Fatalf("the same page while it is open: %v", err)
	}
	late.Page = 2
	head := b.Head()
	b.commit(&ledger.Batch{Claims: []*ledger.Claim{late}})
	if len(late.Members) != 0 || b.Head() != head {
		t.Fatal("a claim that won nothing wrote something")
	}
	s := b.settle(c, otn.Sent)
	for i := range s.Results {
		s.Results[i].Outcome = otn.Deferred
	}
	b.commit(&ledger.Batch{Settles: []*ledger.Settlement{s}})
	b.counts("drop", ledger.Counts{Sent: 3})
	late.Page, late.Members = 1, slices.Clone(c.Members)
	if err := b.Commit(t.Context(), &ledger.Batch{Claims: []*ledger.Claim{late}}); !errors.Is(err, otn.ErrRepeat) {
		t.Fatalf("the same page after it was settled: %v", err)
	}
	c.Answered(0, otn.Unknown) // late word from a channel: no effect, no crash

	b.grant(1, drop)
	claim := b.candidates("r", 3, drop)
	claim.Members[0].Token[0] ^= 1
	b.commit(&ledger.Batch{Claims: []*ledger.Claim{claim}})
	if len(claim.Members) != 0 {
		t.Fatal("won with another token's id")
	}
}

func keepsPlace(t *testing.T, b *bench) {
	seqs := b.grant(4, drop)
	c := b.claim("r", 1, drop)
	s := &ledger.Settlement{Claim: c, Results: []ledger.Result{
		{Outcome: otn.Deferred, At: b.now, Code: "slow", Detail: "later"}, {Outcome: otn.Invalid, At: b.now, Code: "bad"}, {Untouched: true, At: b.now}, {Outcome: otn.Sent, At: b.now}}}
	b.commit(&ledger.Batch{Settles: []*ledger.Settlement{s}})
	check := func() {
		t.Helper()
		if got := places(b.waiting(drop)); !slices.Equal(got, seqs[:3]) {
			t.Fatalf("waiting %v, want %v", got, seqs[:3])
		}
		d, ok, err := b.Told(c.Run, c.Members[0].Person)
		if err != nil || !ok || d.Outcome != otn.Deferred || d.Code != "slow" || d.Detail != "later" || d.Attempts != 1 || d.Line != drop {
			t.Fatalf("%+v %v %v", d, ok, err)
		}
		if _, ok, _ := b.Told(c.Run, c.Members[2].Person); ok {
			t.Fatal("a member that nobody touched has a delivery")
		}
	}
	check()
	b.again()
	check()
	b.counts("drop", ledger.Counts{Waiting: 3, Sent: 1})

	first := b.now
	b.now = b.now.Add(1e9)
	again := &ledger.Claim{Run: c.Run, Page: 2, Line: drop, Channel: "m", At: b.now, Members: []ledger.Member{{Seq: seqs[0], Token: c.Members[0].Token, Attempt: 2}}}
	b.commit(&ledger.Batch{Claims: []*ledger.Claim{again}})
	if d, _, _ := b.Told(c.Run, c.Members[0].Person); !d.Open || d.Attempts != 2 {
		t.Fatalf("an open retry: %+v", d)
	}
	if _, ok, _ := b.Candidate(drop, seqs[0], b.now); ok {
		t.Fatal("a claimed consent is a candidate")
	}
	b.settle(again, otn.Sent)
	d, ok, err := b.Delivery(otn.NewDeliveryID(c.Run, c.Members[0].Person))
	if err != nil || !ok || d.Outcome != otn.Sent || d.Attempts != 2 || !d.First.Equal(first) || !d.At.Equal(b.now) {
		t.Fatalf("%+v %v %v", d, ok, err)
	}
	b.counts("drop", ledger.Counts{Waiting: 2, Sent: 2})
}

func onePerson(t *testing.T, b *bench) {
	pair := func(i int) (seqs []uint64) {
		for k := range 2 {
			c := b.consent(i+k, drop)
			c.Subscriber.ID = fmt.Sprint("person", i)
			c.ExpiresAt = c.GrantedAt.Add(otn.TokenLife).AddDate(0, 0, -k)
			seqs = append(seqs, b.grantOne(c))
		}
		return seqs
	}
	lone := b.grant(1, drop)
	seqs := pair(100)
	for _, c := range b.waiting(drop) {
		if c.Siblings != (c.Seq != lone[0]) {
			t.Fatalf("%d: siblings %v", c.Seq, c.Siblings)
		}
	}
	p := b.Person("m", "person100")
	got, err := b.Siblings(p, drop, b.now)
	b.must(err)
	if !slices.Equal(places(got), []uint64{seqs[1], seqs[0]}) {
		t.Fatalf("siblings %v, want the one that expires first first", places(got))
	}
	c := b.claim("r", 1, drop)
	if len(c.Members) != 2 || c.Members[1].Seq != seqs[0] {
		t.Fatalf("a page took %+v: the same person twice", c.Members)
	}
	if late := b.claim("r", 2, drop); len(late.Members) != 0 {
		t.Fatal("a person has an open delivery in the run and was claimed for it again")
	}
	b.settle(c, otn.Sent, otn.Unknown)
	if late := b.claim("r", 3, drop); len(late.Members) != 0 {
		t.Fatal("a person may have been reached in the run and was claimed for it again")
	}
	if d, ok, err := b.Told(c.Run, p); err != nil || !ok || d.Outcome != otn.Unknown {
		t.Fatalf("%+v %v %v", d, ok, err)
	}
	if next := b.claim("s", 1, drop); len(next.Members) != 1 {
		t.Fatal("another run cannot use the second consent")
	} else {
		b.settle(next, otn.Refused)
	}
	seqs = pair(200)
	first := b.candidates("q", 1, drop)
	first.Members = first.Members[:1]
	b.commit(&ledger.Batch{Claims: []*ledger.Claim{first}})
	b.settle(first, otn.Refused)
	if second := b.claim("q", 2, drop); len(second.Members) != 1 || second.Members[0].Seq != seqs[1] {
		t.Fatal("the first ended refused: the second may be tried")
	}
}

func lazy(t *testing.T, b *bench) {
	b.grant(2, drop)
	c := b.claim("r", 1, drop)
	c.Answered(0, otn.Sent)
	c.Answered(1, otn.Sent)
	s := &ledger.Settlement{Claim: c, Results: []ledger.Result{{Outcome: otn.Sent, At: b.now}, {Outcome: otn.Sent, At: b.now}}}
	b.commit(&ledger.Batch{Settles: []*ledger.Settlement{s}, Lazy: true})
	b.counts("drop", ledger.Counts{Sent: 2})
	b.commit(&ledger.Batch{}) // nothing of its own, but what waits becomes durable
	b.cut()
	b.counts("drop", ledger.Counts{Sent: 2})
}
