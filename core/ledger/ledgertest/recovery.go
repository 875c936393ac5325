// Deaths, and what is left to doubt.

package ledgertest

import (
	"errors"
	"slices"
	"testing"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// marked claims seven and lets each come as far as one of the marks.
func marked(b *bench) (*ledger.Claim, []uint64) {
	seqs := b.grant(7, drop)
	c := b.claim("r", 1, drop)
	for i, o := range []otn.Outcome{otn.Sent, otn.Refused, otn.Deferred, otn.Invalid, otn.Unknown} {
		c.Handed(i + 2)
		c.Answered(i+2, o)
	}
	c.Handed(1)
	return c, seqs
}

func recoverMarks(t *testing.T, b *bench) {
	c, seqs := marked(b)
	waiting := []uint64{seqs[0], seqs[4], seqs[5]}
	b.kill()
	r := b.Recovered()
	if r.Claims != 1 || r.Whole != 1 || r.Settled != 4 || r.Doubtful != 2 {
		t.Fatalf("%+v", r)
	}
	if len(r.Redo) != 1 || r.Redo[0].Run != c.Run || r.Redo[0].Line != drop || r.Redo[0].Channel != "m" || !slices.Equal(r.Redo[0].Seqs, waiting) {
		t.Fatalf("redo %+v, want %v", r.Redo, waiting)
	}
	check := func() {
		t.Helper()
		if got := places(b.waiting(drop)); !slices.Equal(got, waiting) {
			t.Fatalf("waiting %v, want %v", got, waiting)
		}
		for i, want := range []otn.Outcome{1: otn.Unknown, 2: otn.Sent, 3: otn.Refused, 4: otn.Deferred, 5: otn.Invalid, 6: otn.Unknown} {
			d, ok, err := b.Told(c.Run, c.Members[i].Person)
			if err != nil || ok != (i != 0) || ok && (d.Outcome != want || d.Code != "recovered" || d.Open) {
				t.Fatalf("%d: %+v %v %v", i, d, ok, err)
			}
		}
		b.counts("drop", ledger.Counts{Waiting: 3, Sent: 1, Refused: 1, Unknown: 2})
	}
	check()
	b.kill() // a second death finds nothing more to do
	if r := b.Recovered(); r.Claims != 0 || r.Whole+r.Settled+r.Doubtful != 0 {
		t.Fatalf("%+v", r)
	}
	check()
}

func recoverCut(t *testing.T, b *bench) {
	c, _ := marked(b)
	b.cut()
	if r := b.Recovered(); r.Claims != 1 || r.Doubtful != 7 || len(r.Redo) != 0 {
		t.Fatalf("%+v", r)
	}
	b.counts("drop", ledger.Counts{Unknown: 7})
	for i := range c.Members {
		if d, ok, err := b.Told(c.Run, c.Members[i].Person); err != nil || !ok || d.Outcome != otn.Unknown {
			t.Fatalf("%+v %v %v", d, ok, err)
		}
	}
	b.cut()
	b.counts("drop", ledger.Counts{Unknown: 7})
}

func redone(t *testing.T, b *bench) {
	_, seqs := marked(b)
	b.kill()
	b.kill() // nobody took it up
	r := b.Recovered()
	if len(r.Redo) != 1 || !slices.Equal(r.Redo[0].Seqs, []uint64{seqs[0], seqs[4], seqs[5]}) {
		t.Fatalf("redo %+v", r.Redo)
	}
	b.commit(&ledger.Batch{Redone: []otn.RunID{run("r")}})
	b.kill()
	if r := b.Recovered(); len(r.Redo) != 0 {
		t.Fatalf("taken up, and listed again: %+v", r.Redo)
	}
}

func doubts(t *testing.T, b *bench) {
	seqs := b.grant(4, drop)
	c := b.claim("r", 1, drop)
	b.settle(c, otn.Unknown)
	b.again()
	list, err := b.Doubts(otn.DeliveryID{}, 3)
	b.must(err)
	rest, err := b.Doubts(list[2].ID, 3)
	b.must(err)
	if len(list) != 3 || len(rest) != 1 || len(b.waiting(drop)) != 0 {
		t.Fatalf("%d and %d doubts", len(list), len(rest))
	}
	id := func(i int) otn.DeliveryID { return otn.NewDeliveryID(c.Run, c.Members[i].Person) }
	d, k, ok, err := b.Doubt(id(0))
	if err != nil || !ok || d.Account != "page" || string(d.Facts) != "facts" || !d.FactsAt.Equal(b.now) || d.Attempts != 1 || d.Line != drop || d.Channel != "m" {
		t.Fatalf("%+v %v %v", d, ok, err)
	}
	if k.Token.Reveal() != b.consent(0, drop).Token.Reveal() || k.Subscriber.ID != "99000000" || k.Seq != seqs[0] {
		t.Fatal("a doubt without its consent")
	}
	b.now = b.now.Add(1e9)
	b.must(b.Retry(t.Context(), id(0), b.now))
	b.must(b.Resolve(t.Context(), id(0), ledger.Result{Outcome: otn.Unknown, At: b.now, Code: "used"}, true))
	b.again()
	d, _, _, err = b.Doubt(id(0))
	if err != nil || d.Attempts != 2 || !d.At.Equal(b.now) || !d.Probably || d.Code != "used" || !d.First.Equal(start) {
		t.Fatalf("after a resend: %+v %v", d, err)
	}
	b.must(b.Resolve(t.Context(), id(0), ledger.Result{Outcome: otn.Sent, At: b.now, ProviderID: "mid.late"}, false))
	b.must(b.Resolve(t.Context(), id(1), ledger.Result{Outcome: otn.Deferred, At: b.now, Code: "lost"}, false))
	b.counts("drop", ledger.Counts{Waiting: 1, Sent: 1, Unknown: 2})
	if got, _, _ := b.Delivery(id(0)); got.Outcome != otn.Sent || got.Attempts != 2 || got.ProviderID != "mid.late" {
		t.Fatalf("%+v", got)
	}
	if got, _, _ := b.Delivery(id(1)); got.Outcome != otn.Deferred || got.Code != "lost" {
		t.Fatalf("%+v", got)
	}
	if got := places(b.waiting(drop)); !slices.Equal(got, seqs[1:2]) {
		t.Fatalf("waiting %v, want its old place %v", got, seqs[1:2])
	}
	for _, act := range []func(otn.DeliveryID) error{
		func(id otn.DeliveryID) error { return b.Retry(t.Context(), id, b.now) },
		func(id otn.DeliveryID) error {
			return b.Resolve(t.Context(), id, ledger.Result{Outcome: otn.Sent}, false)
		},
	} {
		for _, gone := range []otn.DeliveryID{id(0), id(1), {}} {
			if err := act(gone); !errors.Is(err, otn.ErrNotFound) {
				t.Fatalf("a doubt that has ended: %v", err)
			}
		}
	}
	if err := b.Resolve(t.Context(), id(2), ledger.Result{Outcome: otn.Refused}, false); !errors.Is(err, otn.ErrInvalid) {
		t.Fatalf("refused ends no doubt: %v", err)
	}
	if _, _, ok, err := b.Doubt(id(0)); ok || err != nil {
		t.Fatal("a doubt that has ended is there")
	}
	if again := b.claim("s", 1, drop); len(again.Members) != 1 {
		t.Fatal("what an operator called lost cannot be claimed")
	} else {
		b.settle(again, otn.Sent)
	}
	b.must(b.Resolve(t.Context(), id(2), ledger.Result{Outcome: otn.Sent, At: b.now}, false))
	b.must(b.Resolve(t.Context(), id(3), ledger.Result{Outcome: otn.Sent, At: b.now}, false))
	b.counts("drop", ledger.Counts{Sent: 4})
}

func echo(t *testing.T, b *bench) {
	b.grant(2, drop)
	c := b.claim("r", 1, drop)
	id := otn.NewDeliveryID(c.Run, c.Members[0].Person)
	b.commit(&ledger.Batch{Docs: []*ledger.Doc{{Key: ledger.EchoKey(id), Value: []byte("mid"), Expect: ledger.Once}}})
	c.Handed(0)
	c.Handed(1)
	b.kill()
	b.counts("drop", ledger.Counts{Sent: 1, Unknown: 1})
	if d, _, _ := b.Delivery(id); d.Outcome != otn.Sent {
		t.Fatalf("%+v", d)
	}
}

// proof ends what waits again after an attempt, once, and nothing that is on its way or was never tried.
func proof(t *testing.T, b *bench) {
	b.grant(3, drop)
	prove := func(c *ledger.Claim, i int) *ledger.Proof {
		p := &ledger.Proof{Delivery: otn.NewDeliveryID(c.Run, c.Members[i].Person), At: b.now, Code: "echo", ProviderID: "mid"}
		b.commit(&ledger.Batch{Proofs: []*ledger.Proof{p, {Delivery: p.Delivery, At: b.now}}})
		return p
	}
	c := b.claim("r", 1, drop)
	if p := prove(c, 0); p.Ended {
		t.Fatalf("one that is on its way: %+v", p)
	}
	b.settle(c, otn.Deferred, otn.Unknown, otn.Invalid)
	for i, was := range []otn.Outcome{otn.Deferred, otn.Unknown} {
		if p := prove(c, i); !p.Ended || p.Was != was {
			t.Fatalf("%s: %+v", was, p)
		}
	}
	if p := prove(c, 0); p.Ended {
		t.Fatalf("proven twice: %+v", p)
	}
	for range 2 {
		b.counts("drop", ledger.Counts{Sent: 2, Waiting: 1})
		if left := b.waiting(drop); len(left) != 1 {
			t.Fatalf("%d wait", len(left))
		}
		list, err := b.Deliveries(c.Run, otn.DeliveryID{}, 10)
		if b.must(err); len(list) != 3 {
			t.Fatalf("deliveries: %+v", list)
		}
		b.again()
	}
	again := b.claim("r", 2, drop)
	again.Members[0].Attempt = 2
	if p := prove(again, 0); p.Ended {
		t.Fatalf("one that is on its way again: %+v", p)
	}
	b.settle(again, otn.Sent)
	b.counts("drop", ledger.Counts{Sent: 3})
}

func wrongKey(t *testing.T, b *bench) {
	b.grant(1, drop)
	b.must(b.Close())
	for name, c := range map[string]struct {
		key  otn.Secret
		want error
	}{"another": {ledger.NewKey(), otn.ErrKey}, "no key": {otn.NewSecret("hunter2"), otn.ErrInvalid}, "empty": {otn.Secret{}, otn.ErrInvalid}} {
		e, err := b.store.Open()
		b.must(err)
		_, err = ledger.Open(t.Context(), e, c.key, b.now)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	b.open()
	if len(b.waiting(drop)) != 1 {
		t.Fatal("the right key after wrong ones")
	}
}
