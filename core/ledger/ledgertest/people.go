// What is known of one person over all their consents.

package ledgertest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// onePersonsStory counts a person's waiting consents and their messages through every end that a consent can have.
func onePersonsStory(t *testing.T, b *bench) {
	given := func(i int, line ledger.Line, expires time.Duration) otn.Consent {
		c := b.consent(100+i, line)
		c.Subscriber.ID = "ann"
		c.ExpiresAt = b.now.Add(expires)
		b.grantOne(c)
		return c
	}
	const long = 1000 * time.Hour
	sent, doubtful, refused := given(0, drop, long), given(1, other, long), given(2, shop, long)
	given(3, ledger.Line{Topic: "drop", Subject: "sku-3"}, long)
	given(4, ledger.Line{Topic: "drop", Subject: "sku-4"}, time.Hour)
	b.grant(1, drop) // somebody else
	person := b.Person(sent.Channel, "ann")
	story := func(what string, waiting int64, since time.Time, told ...time.Time) {
		t.Helper()
		for range 2 {
			n, err := b.WaitingOf(person, b.now)
			b.must(err)
			got, err := b.MessagesTo(person, since)
			b.must(err)
			if n != waiting || !slices.EqualFunc(got, told, time.Time.Equal) {
				t.Fatalf("%s: %d wait, told at %v; want %d, %v", what, n, got, waiting, told)
			}
			b.again()
		}
	}
	story("at first", 5, time.Time{})
	one := func(name string, c otn.Consent, line ledger.Line, o otn.Outcome) *ledger.Claim {
		claim := b.candidates(name, 1, line)
		claim.Members = slices.DeleteFunc(claim.Members, func(m ledger.Member) bool { return m.Token != c.Token.ID() })
		b.commit(&ledger.Batch{Claims: []*ledger.Claim{claim}})
		n, err := b.WaitingOf(person, b.now)
		b.must(err)
		told, err := b.MessagesTo(person, time.Time{})
		b.must(err)
		if len(told) == 0 || !told[len(told)-1].Equal(b.now) {
			t.Fatalf("%s: one on its way is not counted from its claim: %v, %d wait", name, told, n)
		}
		b.settle(claim, o)
		return claim
	}
	first := b.now
	one("a", sent, drop, otn.Sent)
	b.now = b.now.Add(10 * time.Minute)
	second := b.now
	doubt := one("b", doubtful, other, otn.Unknown)
	b.now = b.now.Add(10 * time.Minute)
	one("c", refused, shop, otn.Refused)
	story("two told, one refused", 2, time.Time{}, first, second)
	story("behind the first", 2, first, second)
	story("behind both", 2, second)
	b.must(b.Resolve(t.Context(), otn.NewDeliveryID(doubt.Run, doubt.Members[0].Person), ledger.Result{Outcome: otn.Deferred, At: b.now}, false))
	story("the doubt was none", 3, time.Time{}, first)
	b.now = b.now.Add(2 * time.Hour)
	story("one has expired", 2, time.Time{}, first)

	all, err := b.Of(person)
	b.must(err)
	seen := ledger.GiverOf(person, all)
	decided := func(as ledger.Giver) error {
		return b.Commit(t.Context(), &ledger.Batch{People: []ledger.Giver{as}, Docs: []*ledger.Doc{{Key: "decided", Expect: ledger.Any, Value: []byte("x")}}})
	}
	b.must(decided(seen))
	given(5, drop, long)
	if err := decided(seen); !errors.Is(err, otn.ErrConflict) {
		t.Fatalf("decided before the last consent was given: %v", err)
	}
	if err := decided(ledger.Giver{Person: b.Person(sent.Channel, "ben")}); err != nil {
		t.Fatalf("of somebody who never gave one: %v", err)
	}
}
