// What happened when, counted by the quarter of an hour.

package ledgertest

import (
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// since lists the quarters from the first moment of a test on, with the hours since then in the place of moments.
func (b *bench) since() map[float64]ledger.Quarter {
	b.t.Helper()
	out := make(map[float64]ledger.Quarter)
	for _, q := range b.Quarters(time.Time{}, b.now.Add(24*time.Hour)) {
		h := q.From.Sub(start).Hours()
		if q.From.IsZero() {
			h = -1
		}
		q.From = time.Time{}
		out[h] = q
	}
	return out
}

func (b *bench) quarters(want map[float64]ledger.Quarter) {
	b.t.Helper()
	got := b.since()
	for h, q := range got {
		if q != want[h] {
			b.t.Errorf("%v hours later: %+v, want %+v", h, q, want[h])
		}
		delete(want, h)
	}
	for h, q := range want {
		b.t.Errorf("%v hours later nothing is counted, want %+v", h, q)
	}
	b.whole()
}

func quarters(t *testing.T, b *bench) {
	b.grant(6, drop)
	old := b.consent(100, shop)
	old.GrantedAt = start.Add(-3 * time.Hour)
	b.grantOne(old)
	b.grantOne(old) // known: counted once
	b.now = start.Add(time.Hour + 14*time.Minute)
	c := b.claim("r", 1, drop)
	s := b.settle(c, otn.Sent, otn.Refused, otn.Unknown, otn.Unknown, otn.Unknown, otn.Deferred)
	b.must(b.Commit(t.Context(), &ledger.Batch{Settles: []*ledger.Settlement{s}})) // again: counted once
	b.quarters(map[float64]ledger.Quarter{-3: {Granted: 1}, 0: {Granted: 6}, 1: {Sent: 1, Refused: 1, Unknown: 3}})

	// What is settled later moves from where it was counted, whatever was tried meanwhile.
	b.now = start.Add(5 * time.Hour)
	ids := [3]otn.DeliveryID{}
	for i := range ids {
		ids[i] = otn.NewDeliveryID(run("r"), c.Members[2+i].Person)
		b.must(b.Retry(t.Context(), ids[i], b.now.Add(-time.Hour)))
	}
	b.must(b.Resolve(t.Context(), ids[0], ledger.Result{Outcome: otn.Sent, At: b.now}, false))
	b.must(b.Resolve(t.Context(), ids[1], ledger.Result{Outcome: otn.Deferred, At: b.now}, false))
	b.must(b.Resolve(t.Context(), ids[2], ledger.Result{Outcome: otn.Unknown, At: b.now}, true))
	b.quarters(map[float64]ledger.Quarter{-3: {Granted: 1}, 0: {Granted: 6}, 1: {Sent: 1, Refused: 1, Unknown: 1}, 5: {Sent: 1}})

	// Withdrawn, expired, erased; and all of it is on disk.
	b.must(b.Withdraw(t.Context(), old.Token.ID(), b.now))
	for _, i := range []int{3, 4} {
		_, err := b.Erase(t.Context(), ledger.Erasure{Person: c.Members[i].Person, At: b.now.Add(time.Hour)})
		b.must(err)
	}
	b.kill()
	want := func() map[float64]ledger.Quarter {
		return map[float64]ledger.Quarter{-3: {Granted: 1}, 0: {Granted: 6}, 1: {Sent: 1, Refused: 1}, 5: {Sent: 1, Withdrawn: 1}, 6: {Withdrawn: 2}}
	}
	b.now = start.Add(48 * time.Hour)
	b.quarters(want())
	b.now = start.Add(390 * 24 * time.Hour)
	b.grantOne(b.consent(200, shop)) // so that the clock is believed
	_, err := b.Sweep(t.Context(), b.now, 100)
	b.must(err)
	year := want()
	year[365*24], year[390*24] = ledger.Quarter{Expired: 1}, ledger.Quarter{Granted: 1} // it expired when it did, not when that was noticed
	b.quarters(year)

	// What is older than is kept apart becomes one, also when it comes in late.
	b.now = start.Add(500 * 24 * time.Hour)
	old = b.consent(201, shop)
	old.GrantedAt, old.ExpiresAt = start, b.now.Add(time.Hour)
	b.grantOne(b.consent(202, shop))
	b.grantOne(old)
	b.kill()
	b.quarters(map[float64]ledger.Quarter{-1: {Granted: 8, Sent: 2, Refused: 1, Withdrawn: 3}, 365 * 24: {Expired: 1}, 390 * 24: {Granted: 1}, 500 * 24: {Granted: 1}})
}
