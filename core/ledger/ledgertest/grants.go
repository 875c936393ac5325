// Grants, scans and numbers.

package ledgertest

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

func grantOnce(t *testing.T, b *bench) {
	c := b.consent(0, drop)
	twice := &ledger.Batch{Grants: []*ledger.Grant{{Consent: c}, {Consent: c}}}
	b.commit(twice)
	if !twice.Grants[0].Added || twice.Grants[1].Added {
		t.Fatal("twice in one batch: want the first added, the second not")
	}
	never := func(state string) {
		t.Helper()
		b.again()
		if b.grantOne(c) != 0 {
			t.Fatalf("a token that is %s was added again", state)
		}
	}
	never("waiting")
	page := b.claim("r", 1, drop)
	if b.grantOne(c) != 0 {
		t.Fatal("a token that is claimed was added again")
	}
	b.settle(page, otn.Unknown)
	never("unknown")
	b.must(b.Resolve(t.Context(), otn.NewDeliveryID(page.Run, page.Members[0].Person), ledger.Result{Outcome: otn.Sent, At: b.now}, false))
	never("sent")
	b.counts("drop", ledger.Counts{Sent: 1})

	c = b.consent(1, drop)
	b.grantOne(c)
	b.must(b.Withdraw(t.Context(), c.Token.ID(), b.now))
	never("withdrawn")
	c = b.consent(2, drop)
	b.grantOne(c)
	b.settle(b.claim("r", 2, drop), otn.Refused)
	never("refused")

	empty := b.consent(3, drop)
	empty.Token = otn.NewToken("page", "")
	if err := b.Commit(t.Context(), &ledger.Batch{Grants: []*ledger.Grant{{Consent: empty}}}); !errors.Is(err, otn.ErrNoToken) {
		t.Fatalf("a consent without a token: %v", err)
	}
}

func contradictions(t *testing.T, b *bench) {
	b.grant(2, drop)
	claim := b.candidates("r", 1, drop)
	claim.Members = append(claim.Members, claim.Members[0])
	late := b.consent(9, drop)
	late.GrantedAt = time.Time{}
	for name, batch := range map[string]*ledger.Batch{
		"a doc twice":        {Docs: []*ledger.Doc{{Key: "k", Value: []byte("1")}, {Key: "k", Value: []byte("2")}}},
		"a member twice":     {Claims: []*ledger.Claim{claim}},
		"a grant without at": {Grants: []*ledger.Grant{{Consent: late}}},
		"a grant entry":      {Events: []*ledger.Entry{{Kind: ledger.GrantEntry}}},
		"too few results":    {Settles: []*ledger.Settlement{{Claim: claim}}},
	} {
		head := b.Head()
		if err := b.Commit(t.Context(), batch); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if b.Head() != head {
			t.Errorf("%s took a number", name)
		}
	}
}

func numbers(t *testing.T, b *bench) {
	b.grant(3, drop)
	before := b.Head()
	batch := &ledger.Batch{
		Docs:   []*ledger.Doc{{Key: "d", Value: []byte("v")}},
		Events: []*ledger.Entry{{At: b.now, Kind: "item.changed", Body: []byte(`{"a":1}`)}, {At: b.now.Add(time.Nanosecond), Kind: "cron"}},
		Grants: []*ledger.Grant{{Consent: b.consent(100, drop)}, {Consent: b.consent(0, drop)}, {Consent: b.consent(101, shop)}},
	}
	b.commit(batch)
	if batch.Seq != before+1 || batch.Docs[0].Rev != batch.Seq || b.Head() != before+4 {
		t.Fatalf("seq %d, rev %d, head %d behind %d", batch.Seq, batch.Docs[0].Rev, b.Head(), before)
	}
	b.again()
	entries, err := b.Journal(before, 100)
	b.must(err)
	want := []ledger.Entry{
		{Seq: before + 1, Rev: before + 1, At: b.now, Kind: "item.changed", Body: []byte(`{"a":1}`)},
		{Seq: before + 2, Rev: before + 1, At: b.now.Add(time.Nanosecond), Kind: "cron"},
		{Seq: before + 3, Rev: before + 1, At: b.now, Kind: "grant", Body: []byte(`{"token":"` + batch.Grants[0].Consent.Token.ID().String() + `","topic":"drop","subject":"sku-1"}`)},
		{Seq: before + 4, Rev: before + 1, At: b.now, Kind: "grant", Body: []byte(`{"token":"` + batch.Grants[2].Consent.Token.ID().String() + `","topic":"news","first":true}`)},
	}
	for i := range entries {
		if len(entries[i].Body) == 0 {
			entries[i].Body = nil
		}
	}
	if !reflect.DeepEqual(entries, want) {
		t.Fatalf("journal\n%+v\nwant\n%+v", entries, want)
	}
	if batch.Grants[0].Seq != before+3 || batch.Grants[1].Added || batch.Grants[2].Seq != before+4 {
		t.Fatal("a grant's place is not its number in the journal")
	}
	if none, err := b.Journal(math.MaxUint64, 2); err != nil || len(none) != 0 {
		t.Errorf("behind the largest number: %v, %v", none, err)
	}
	if some, err := b.Journal(before+1, 2); err != nil || len(some) != 2 || some[0].Seq != before+2 {
		t.Fatalf("journal behind a number with a limit: %v %v", some, err)
	}
	alone := &ledger.Batch{Timers: []ledger.Timer{{TimerID: ledger.TimerID{Due: b.now, ID: "t"}}}}
	b.commit(alone)
	if alone.Seq != before+5 || b.Head() != before+5 {
		t.Fatalf("a batch without events took %d, head %d", alone.Seq, b.Head())
	}
	nothing := &ledger.Batch{Grants: []*ledger.Grant{{Consent: b.consent(100, drop)}}}
	b.commit(nothing)
	if nothing.Seq != 0 || b.Head() != before+5 {
		t.Fatal("a batch that changed nothing took a number")
	}
}

func sealed(t *testing.T, b *bench) {
	at := b.now.Add(123 * time.Millisecond)
	for i, c := range []otn.Consent{
		{Token: otn.NewToken("1122334455", "9876543210987654321"), Channel: "messenger", Subscriber: otn.Subscriber{ID: "1234567890123456"}, Topic: "drop", Subject: "sku", Ref: "notify.drop.sku"},
		{Token: otn.NewToken("p", "0123"), Channel: "m", Subscriber: otn.Subscriber{ID: "007"}, Topic: "drop"},
		{Token: otn.NewToken("p", "9223372036854775808"), Channel: "m", Subscriber: otn.Subscriber{ID: "9223372036854775807"}, Topic: "", Ref: "free text"},
		{Token: otn.NewToken("p", "opaque-κ"), Channel: "m", Subscriber: otn.Subscriber{ID: "anna@example.org", Address: otn.NewSecret("https://push.example/x")},
			Topic: "drop", Subject: "sku", Ask: "Tell me", Ref: "notify.drop.sku?size=M", TZ: "Europe/Berlin", Locale: "de-DE", PriceThen: otn.Money{Minor: -9900, Currency: "USD"},
			ExpiresAt: at.Add(24 * time.Hour), Answers: []otn.Named{
				{Name: "b", Value: otn.BoolValue(true)}, {Name: "f", Value: otn.FloatValue(0.5)}, {Name: "i", Value: otn.IntValue(-7)},
				{Name: "m", Value: otn.MoneyValue(otn.Money{Minor: 5000, Currency: "EUR"})}, {Name: "n"}, {Name: "s", Value: otn.StringValue("M")}, {Name: "t", Value: otn.TimeValue(at)}}},
	} {
		c.GrantedAt = at
		c.Seq = b.grantOne(c)
		if c.ExpiresAt.IsZero() {
			c.ExpiresAt = at.Add(otn.TokenLife)
		}
		got, ok, err := b.Candidate(ledger.Line{Topic: c.Topic, Subject: c.Subject}, c.Seq, b.now)
		if err != nil || !ok {
			t.Fatalf("%d: %v %v", i, ok, err)
		}
		if !got.Token.IsZero() || got.Subscriber.ID != "" {
			t.Fatal("a candidate comes unsealed")
		}
		p, err := b.Unseal(got)
		b.must(err)
		if p != b.Person(c.Channel, c.Subscriber.ID) || p != got.Person() || got.ID != c.Token.ID() {
			t.Fatalf("%d: a person or a token has two names", i)
		}
		if got.Token.Account() != c.Token.Account() || got.Token.Reveal() != c.Token.Reveal() || got.Subscriber.Address.Reveal() != c.Subscriber.Address.Reveal() {
			t.Fatalf("%d: token or address changed", i)
		}
		got.Token, c.Token, got.Subscriber.Address, c.Subscriber.Address = otn.Token{}, otn.Token{}, otn.Secret{}, otn.Secret{}
		if !reflect.DeepEqual(got.Consent, c) {
			t.Fatalf("%d:\n%+v\nwant\n%+v", i, got.Consent, c)
		}
	}
}

func oldestFirst(t *testing.T, b *bench) {
	var want []uint64
	for range 40 {
		want = append(want, b.grant(7, drop)...)
		b.grant(3, other)
	}
	if got := places(b.waiting(drop)); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	var got []uint64
	var lookedAt []int
	for at, done := uint64(0), false; !done; {
		var err error
		n := 0
		at, done, err = b.Scan(drop, at, want[200], 30, b.now, func(c *ledger.Candidate) bool { n++; got = append(got, c.Seq); return true })
		b.must(err)
		lookedAt = append(lookedAt, n)
	}
	if !slices.Equal(got, want[:200]) || slices.Max(lookedAt) > 30 {
		t.Fatalf("in pieces below a number: %d of 200, pieces %v", len(got), lookedAt)
	}
	last, done, err := b.Scan(drop, want[4], want[9], 100, b.now, func(c *ledger.Candidate) bool { return false })
	if err != nil || done || last != want[5] {
		t.Fatalf("stopped by the caller: last %d, done %v, %v; want %d", last, done, err, want[5])
	}
	if _, done, err := b.Scan(ledger.Line{Topic: "nobody"}, 0, 99, 1, b.now, nil); !done || err != nil {
		t.Fatal("a line on which nobody ever waited")
	}
	if b.Waiting(drop) != 280 || len(b.Lines("drop")) != 2 || len(b.Lines("none")) != 0 {
		t.Fatal("counts of lines")
	}
}

func places(cs []*ledger.Candidate) (seqs []uint64) {
	for _, c := range cs {
		seqs = append(seqs, c.Seq)
	}
	return seqs
}
