// What a person leaves: nothing in the rows, the ids of their tokens, and counts that agree.

package ledgertest

import (
	"errors"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// erased: somebody with a consent in every state is erased; the others stay as they were.
func erased(t *testing.T, b *bench) {
	person := otn.Subscriber{ID: "99000777"}
	one := func(i int) otn.Consent {
		c := b.consent(1000+i, drop)
		c.Subscriber = person
		return c
	}
	b.index(ledger.Indexed{Topic: "drop", Answer: "target"})
	b.backfilled()
	b.grant(3, drop)
	b.grantOne(one(1))
	sent := b.claim("sent", 1, drop)
	b.settle(sent, otn.Sent, otn.Sent, otn.Sent, otn.Sent)
	b.grantOne(one(2))
	b.settle(b.claim("unknown", 1, drop), otn.Unknown)
	b.grantOne(one(3))
	b.settle(b.claim("deferred", 1, drop), otn.Deferred)
	b.grantOne(one(4))
	kept := b.grant(2, drop)
	p := b.Person("m", person.ID)
	line := ledger.Decision{Line: drop, At: b.now, Because: "about the line"}
	b.commit(&ledger.Batch{
		Docs:      []*ledger.Doc{{Key: "tags/" + p.String(), Value: []byte("x")}, {Key: "tags/another", Value: []byte("x")}, {Key: "wish", Value: []byte("x")}},
		Timers:    []ledger.Timer{{TimerID: ledger.TimerID{Due: b.now.Add(time.Hour), ID: "theirs"}, Kind: "k"}},
		Decisions: []ledger.Decision{line, {Line: drop, Person: p, At: b.now}, {Line: drop, Person: p, At: b.now.Add(-48 * time.Hour)}},
	})
	before := b.Topics()["drop"]
	x := ledger.Erasure{Person: p, At: b.now, Docs: []string{"tags/" + p.String()}, Wish: "wish", Timers: []ledger.TimerID{{Due: b.now.Add(time.Hour), ID: "theirs"}}}

	held := b.claim("held", 1, drop)
	done, err := b.Erase(b.t.Context(), x)
	b.must(err)
	if done.Held != 1 || done.Consents != 3 {
		t.Fatalf("with one under a claim: %+v", done)
	}
	if _, there, err := b.Doc("wish"); !there || err != nil {
		t.Fatalf("the wish is gone before its end: %v", err)
	}
	b.settle(held, otn.Deferred)
	traces, err := b.Traces(x)
	b.must(err)
	done, err = b.Erase(b.t.Context(), x)
	b.must(err)
	if done.Held != 0 || done.Consents != 1 {
		t.Fatalf("then: %+v", done)
	}
	b.must(b.Purge(b.t.Context(), traces))
	for range 2 {
		left(t, b, p, one, kept)
		counts := b.Topics()["drop"]
		counts.NextExpiry = time.Time{}
		if want := (ledger.Counts{Waiting: before.Waiting - 2, Sent: before.Sent, Withdrawn: 3}); counts != want {
			t.Errorf("counts: %+v, want %+v", counts, want)
		}
		b.whole()
		b.kill()
	}
}

func left(t *testing.T, b *bench, p otn.PersonID, one func(int) otn.Consent, kept []uint64) {
	t.Helper()
	list, err := b.Of(p)
	b.must(err)
	decisions, err := b.DecisionsOf(p, 10)
	b.must(err)
	doubts, err := b.Doubts(otn.DeliveryID{}, 10)
	b.must(err)
	timers, err := b.Timers(ledger.TimerID{}, 10)
	b.must(err)
	if len(list)+len(decisions)+len(doubts)+len(timers) > 0 {
		t.Errorf("left: %v %v %v %v", list, decisions, doubts, timers)
	}
	for _, name := range []string{"sent", "unknown", "deferred", "held"} {
		if d, ok, err := b.Told(run(name), p); ok || err != nil {
			t.Errorf("run %s told them: %+v, %v", name, d, err)
		}
		all, err := b.Deliveries(run(name), otn.DeliveryID{}, 10)
		b.must(err)
		for _, d := range all {
			if d.ID.Person() == p {
				t.Errorf("run %s lists them: %+v", name, d)
			}
		}
	}
	for i := 1; i <= 4; i++ {
		id := one(i).Token.ID()
		if _, ok, err := b.Consent(id); ok || err != nil {
			t.Errorf("consent %d is there: %v", i, err)
		}
		if err := b.Withdraw(b.t.Context(), id, b.now); !errors.Is(err, otn.ErrNotFound) {
			t.Errorf("withdraw %d: %v", i, err)
		}
		if seq := b.grantOne(one(i)); seq != 0 {
			t.Errorf("token %d was granted again", i)
		}
	}
	var docs []string
	all, err := b.Docs("", "", 10)
	b.must(err)
	for _, d := range all {
		docs = append(docs, d.Key)
	}
	if len(docs) != 1 || docs[0] != "tags/another" {
		t.Errorf("documents: %v", docs)
	}
	lines, err := b.LineDecisions(drop, time.Time{}, time.Time{}, 10)
	b.must(err)
	if len(lines) != 1 {
		t.Errorf("decisions about the line: %v", lines)
	}
	for i, c := range b.waiting(drop) {
		if i >= len(kept) || c.Seq != kept[i] {
			t.Errorf("who waits: %d", c.Seq)
		}
	}
}
