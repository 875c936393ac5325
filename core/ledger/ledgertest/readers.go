// Documents, timers, decisions, expiry, and what an operator reads.

package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

func documents(t *testing.T, b *bench) {
	put := func(d ledger.Doc) (ledger.Doc, error) {
		err := b.Commit(t.Context(), &ledger.Batch{Docs: []*ledger.Doc{&d}})
		return d, err
	}
	conflict := func(d ledger.Doc) {
		t.Helper()
		head := b.Head()
		if _, err := put(d); !errors.Is(err, otn.ErrConflict) || b.Head() != head {
			t.Fatalf("%+v: %v, head %d to %d", d, err, head, b.Head())
		}
	}
	d, err := put(ledger.Doc{Key: "a", Value: []byte("1")})
	b.must(err)
	conflict(ledger.Doc{Key: "a", Value: []byte("x")})
	conflict(ledger.Doc{Key: "a", Value: []byte("x"), Rev: d.Rev + 1})
	conflict(ledger.Doc{Key: "a", Value: []byte("x"), Expect: ledger.Fresh})
	conflict(ledger.Doc{Key: "new", Value: []byte("x"), Rev: 1})
	conflict(ledger.Doc{Key: "a", Rev: d.Rev - 1, Expect: ledger.Still})
	conflict(ledger.Doc{Key: "new", Rev: 1, Expect: ledger.Still})
	head := b.Head()
	for _, same := range []ledger.Doc{{Key: "a", Rev: d.Rev, Expect: ledger.Still}, {Key: "new", Expect: ledger.Still}} {
		still, err := put(same)
		if now, _, _ := b.Doc(same.Key); err != nil || still.Rev != same.Rev || now.Rev != same.Rev || b.Head() != head {
			t.Fatalf("still: %+v is %+v, %v, head %d to %d", still, now, err, head, b.Head())
		}
	}
	kept, err := put(ledger.Doc{Key: "a", Value: []byte("x"), Expect: ledger.Once})
	if err != nil || !kept.Kept || kept.Rev != d.Rev {
		t.Fatalf("once: %+v %v", kept, err)
	}
	once, err := put(ledger.Doc{Key: "once", Value: []byte{}, Expect: ledger.Once})
	if err != nil || once.Kept || once.Rev == 0 {
		t.Fatalf("once, new: %+v %v", once, err)
	}
	d.Value = []byte("2")
	d, err = put(d)
	b.must(err)
	_, err = put(ledger.Doc{Key: "a", Value: []byte("3"), Expect: ledger.Any})
	b.must(err)
	conflict(d)
	b.again()
	got, ok, err := b.Doc("a")
	if err != nil || !ok || string(got.Value) != "3" || got.Rev <= d.Rev {
		t.Fatalf("%+v %v %v", got, ok, err)
	}
	gone, err := put(ledger.Doc{Key: "a", Rev: got.Rev})
	if err != nil || gone.Rev != 0 {
		t.Fatalf("delete: %+v %v", gone, err)
	}
	if _, ok, _ := b.Doc("a"); ok {
		t.Fatal("deleted and there")
	}
	if got, ok, err := b.Doc("once"); err != nil || !ok || got.Value == nil || len(got.Value) != 0 {
		t.Fatalf("an empty document: %+v %v %v", got, ok, err)
	}
	for _, k := range []string{"p/a", "p/b", "p/c", "q", "p", "p\xff", "p\xff\xff"} {
		_, err := put(ledger.Doc{Key: k, Value: []byte(k)})
		b.must(err)
	}
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          string
	}{{"p/", "", 9, "[p/a p/b p/c]"}, {"p/", "p/a", 1, "[p/b]"}, {"p/", "p/c", 9, "[]"}, {"p/", "a", 9, "[p/a p/b p/c]"}, {"p\xff", "", 9, "[p\xff p\xff\xff]"}} {
		docs, err := b.Docs(c.prefix, c.after, c.limit)
		b.must(err)
		keys := []string{}
		for _, d := range docs {
			keys = append(keys, d.Key)
		}
		if fmt.Sprint(keys) != c.want {
			t.Errorf("docs %q behind %q: %q, want %q", c.prefix, c.after, keys, c.want)
		}
	}
}

// conflicts counts with compare-and-set from many goroutines: each success counts once, each refusal not at all.
func conflicts(t *testing.T, b *bench) {
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for i := range 20 {
				own := &ledger.Doc{Key: fmt.Sprintf("own/%d/%d", k, i), Value: []byte("x")}
				if err := b.Commit(context.Background(), &ledger.Batch{Docs: []*ledger.Doc{own}}); err != nil {
					t.Error(err)
				}
				for {
					d, _, err := b.Doc("n")
					if err != nil {
						t.Error(err)
						return
					}
					d.Value = append(d.Value, '.')
					err = b.Commit(context.Background(), &ledger.Batch{Docs: []*ledger.Doc{&d}, Events: []*ledger.Entry{{Kind: "n"}}})
					if err == nil {
						break
					}
					if !errors.Is(err, otn.ErrConflict) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	d, _, err := b.Doc("n")
	b.must(err)
	entries, err := b.Journal(0, 1000)
	b.must(err)
	own, err := b.Docs("own/", "", 1000)
	b.must(err)
	if len(d.Value) != 160 || len(entries) != 160 || len(own) != 160 {
		t.Fatalf("counted %d, journal %d, own %d; want 160 each", len(d.Value), len(entries), len(own))
	}
}

// timersChanged: who follows the timers hears of each change once, in order, with the ids that Due gives; or that there were too many.
func timersChanged(t *testing.T, b *bench) {
	moment := b.now.Add(time.Minute + 123456789*time.Nanosecond).In(time.FixedZone("far", 3600))
	one := ledger.Timer{TimerID: ledger.TimerID{Due: moment, ID: "one"}, Kind: "k", Body: []byte("body")}
	b.commit(&ledger.Batch{Timers: []ledger.Timer{one}})
	due, err := b.Due(b.now.Add(time.Hour), 10)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	b.commit(&ledger.Batch{Done: []ledger.TimerID{one.TimerID}})
	b.commit(&ledger.Batch{Timers: []ledger.Timer{one}})
	want := []ledger.TimerChange{{Timer: due[0]}, {Timer: ledger.Timer{TimerID: due[0].TimerID}, Gone: true}, {Timer: due[0]}}
	if got, all := b.TimersChanged(); !all || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v, want %+v", got, all, want)
	}
	if got, all := b.TimersChanged(); !all || len(got) > 0 {
		t.Errorf("told again: %+v %v", got, all)
	}
	for i := range 21 {
		batch := &ledger.Batch{Lazy: true}
		for k := range 1000 {
			batch.Timers = append(batch.Timers, ledger.Timer{TimerID: ledger.TimerID{Due: b.now, ID: fmt.Sprint(i, k)}})
		}
		b.commit(batch)
	}
	if got, all := b.TimersChanged(); all || len(got) > 0 {
		t.Errorf("%d of 21,000 are told as all of them", len(got))
	}
	if got, all := b.TimersChanged(); !all || len(got) > 0 {
		t.Errorf("behind too many: %+v %v", got, all)
	}
}

func timers(t *testing.T, b *bench) {
	at := func(s int, id string) ledger.Timer {
		return ledger.Timer{TimerID: ledger.TimerID{Due: b.now.Add(time.Duration(s) * time.Second), ID: id}, Kind: "k", Body: []byte(id)}
	}
	if _, ok, err := b.NextDue(); ok || err != nil {
		t.Fatal("a timer in an empty store")
	}
	early := at(0, "early")
	early.Due = time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)
	b.commit(&ledger.Batch{Timers: []ledger.Timer{at(5, "five"), at(1, "b"), at(1, "a"), at(1, "a"), early, at(3600, "far")}})
	b.again()
	next, ok, err := b.NextDue()
	if err != nil || !ok || !next.Equal(early.Due) {
		t.Fatalf("next %v %v %v", next, ok, err)
	}
	due := func(s, limit int) (out string) {
		ts, err := b.Due(b.now.Add(time.Duration(s)*time.Second), limit)
		b.must(err)
		for _, d := range ts {
			out += d.ID + " "
			if string(d.Body) != d.ID || d.Kind != "k" {
				t.Fatalf("timer %+v", d)
			}
		}
		return out
	}
	if got := due(1, 9); got != "early a b " {
		t.Fatalf("due %q", got)
	}
	if got := due(1, 2); got != "early a " {
		t.Fatalf("due, at most two: %q", got)
	}
	b.commit(&ledger.Batch{Done: []ledger.TimerID{early.TimerID, at(1, "a").TimerID, at(9, "none").TimerID}, Timers: []ledger.Timer{at(2, "new")}})
	if got := due(9, 9); got != "b new five " {
		t.Fatalf("due %q", got)
	}
	b.commit(&ledger.Batch{Done: []ledger.TimerID{at(1, "b").TimerID, at(2, "new").TimerID}})
	if got := due(2, 9); got != "" {
		t.Fatalf("due %q", got)
	}
	b.commit(&ledger.Batch{Timers: []ledger.Timer{at(1, "late"), early}}) // before all that was found empty
	if got := due(5, 9); got != "early late five " {
		t.Fatalf("due %q", got)
	}
}

func decisions(t *testing.T, b *bench) {
	anna := b.Person("m", "anna")
	batch := &ledger.Batch{}
	for d := range 40 {
		at := b.now.Add(time.Duration(d) * 7 * time.Hour)
		batch.Decisions = append(batch.Decisions,
			ledger.Decision{Line: drop, Person: anna, At: at, Rule: "r", Run: run("r"), Verdict: otn.Yes, Because: fmt.Sprint(d), Facts: []byte{1, byte(d)}},
			ledger.Decision{Line: drop, Person: b.Person("m", "bob"), At: at, Because: "bob"},
			ledger.Decision{Line: drop, At: at, Rule: "r", Verdict: otn.Undecided, Because: fmt.Sprint(d)},
			ledger.Decision{Line: other, At: at, Because: "other"})
	}
	b.commit(batch)
	b.again()
	words := func(ds []ledger.Decision, err error) (out []string) {
		b.must(err)
		for _, d := range ds {
			out = append(out, d.Because)
		}
		return out
	}
	if got := words(b.DecisionsOf(anna, 3)); !slices.Equal(got, []string{"39", "38", "37"}) {
		t.Fatalf("newest first: %v", got)
	}
	all, err := b.DecisionsOf(anna, 100)
	b.must(err)
	if d := all[0]; len(all) != 40 || d.Line != drop || d.Person != anna || d.Rule != "r" || d.Run != run("r") || d.Verdict != otn.Yes || d.Facts[1] != 39 || !d.At.Equal(b.now.Add(39*7*time.Hour)) {
		t.Fatalf("%d, first %+v", len(all), d)
	}
	if got := words(b.LineDecisions(drop, b.now.Add(37*7*time.Hour), time.Time{}, 100)); !slices.Equal(got, []string{"39", "38", "37"}) {
		t.Fatalf("of a line since: %v", got)
	}
	if got := words(b.LineDecisions(drop, b.now.Add(3*7*time.Hour), b.now.Add(5*7*time.Hour), 100)); !slices.Equal(got, []string{"5", "4", "3"}) {
		t.Fatalf("of a line between: %v", got)
	}
	if got := words(b.LineDecisions(drop, time.Time{}, b.now.Add(5*7*time.Hour-1), 2)); !slices.Equal(got, []string{"4", "3"}) {
		t.Fatalf("of a line until: %v", got)
	}
	b.must(b.Trim(t.Context(), b.now.Add(30*7*time.Hour)))
	if got := words(b.DecisionsOf(anna, 100)); len(got) != 10 || got[9] != "30" {
		t.Fatalf("after trimming: %v", got)
	}
	if got := words(b.LineDecisions(drop, time.Time{}, time.Time{}, 100)); len(got) != 10 {
		t.Fatalf("of a line after trimming: %v", got)
	}
}

func expiry(t *testing.T, b *bench) {
	short := func(i int, life time.Duration) uint64 {
		c := b.consent(1000+i, drop)
		c.ExpiresAt = c.GrantedAt.Add(life)
		return b.grantOne(c)
	}
	long := b.grant(2, drop)
	soon := []uint64{short(0, time.Hour), short(1, 2*time.Hour), short(2, time.Hour)}
	if got := b.Topics()["drop"].NextExpiry; !got.Equal(b.now.Truncate(24 * time.Hour)) {
		t.Fatalf("next expiry %v", got)
	}
	claim := &ledger.Claim{Run: run("r"), Page: 1, Line: drop, At: b.now, Members: []ledger.Member{{Seq: soon[2], Token: b.consent(1002, drop).Token.ID()}}}
	b.commit(&ledger.Batch{Claims: []*ledger.Claim{claim}})
	b.now = b.now.Add(time.Hour)
	if got := places(b.waiting(drop)); !slices.Equal(got, []uint64{long[0], long[1], soon[1]}) {
		t.Fatalf("a scan at the hour shows %v", got)
	}
	sweep := func(want int) {
		t.Helper()
		n, err := b.Sweep(t.Context(), b.now, 100)
		if err != nil || n != want {
			t.Fatalf("swept %d, %v; want %d", n, err, want)
		}
	}
	sweep(1) // the claimed one stays
	sweep(0)
	b.counts("drop", ledger.Counts{Waiting: 3, Claimed: 1, Expired: 1})
	b.settle(claim, otn.Deferred)
	sweep(1)
	b.now = b.now.Add(time.Hour)
	sweep(1)
	b.again()
	b.counts("drop", ledger.Counts{Waiting: 2, Expired: 3})
	if b.grantOne(b.consent(1000, drop)) != 0 {
		t.Fatal("an expired token was added again")
	}
	for range 13 { // a year, month by month
		b.now = b.now.AddDate(0, 0, 29)
		_, err := b.Sweep(t.Context(), b.now, 100)
		b.must(err)
	}
	b.counts("drop", ledger.Counts{Expired: 5})
	if got := b.Topics()["drop"].NextExpiry; !got.IsZero() {
		t.Fatalf("next expiry %v of nobody", got)
	}
}

// many expire on one day, more than are looked at together, and a limit takes them in parts.
func manyExpire(t *testing.T, b *bench) {
	const n = 2500
	for from := 0; from < n; from += 500 {
		batch := &ledger.Batch{}
		for i := from; i < from+500; i++ {
			c := b.consent(i, []ledger.Line{drop, other}[i%2])
			c.ExpiresAt = b.now.Add(time.Duration(1+i%3*24) * time.Hour)
			batch.Grants = append(batch.Grants, &ledger.Grant{Consent: c})
		}
		b.commit(batch)
	}
	b.now = b.now.Add(25 * time.Hour)
	total := 0
	for {
		n, err := b.Sweep(t.Context(), b.now, 300)
		b.must(err)
		if n > 300 {
			t.Fatalf("swept %d, limit 300", n)
		}
		if total += n; n == 0 {
			break
		}
	}
	if want := (n+2)/3 + (n+1)/3; total != want {
		t.Fatalf("swept %d, want %d", total, want)
	}
	b.counts("drop", ledger.Counts{Waiting: int64(n - total), Expired: int64(total)})
}

func wrongClock(t *testing.T, b *bench) {
	b.grant(3, drop)
	if n, err := b.Sweep(t.Context(), b.now.AddDate(2, 0, 0), 100); n != 0 || err != nil {
		t.Fatalf("a clock two years ahead ended %d: %v", n, err)
	}
	b.counts("drop", ledger.Counts{Waiting: 3})
	if n, err := b.Sweep(t.Context(), b.now.AddDate(-1, 0, 0), 100); n != 0 || err != nil {
		t.Fatalf("a clock behind ended %d: %v", n, err)
	}
}

func withdraw(t *testing.T, b *bench) {
	b.grant(3, drop)
	id := func(i int) otn.TokenID { return b.consent(i, drop).Token.ID() }
	b.must(b.Withdraw(t.Context(), id(1), b.now))
	for _, c := range []struct {
		id   otn.TokenID
		want error
	}{{id(1), otn.ErrSpent}, {id(77), otn.ErrNotFound}} {
		if err := b.Withdraw(t.Context(), c.id, b.now); !errors.Is(err, c.want) {
			t.Fatalf("%v, want %v", err, c.want)
		}
	}
	c := b.claim("r", 1, drop)
	if len(c.Members) != 2 {
		t.Fatal("a withdrawn consent was claimed")
	}
	if err := b.Withdraw(t.Context(), id(0), b.now); !errors.Is(err, otn.ErrSpent) {
		t.Fatalf("a claimed consent: %v", err)
	}
	b.settle(c, otn.Sent)
	b.counts("drop", ledger.Counts{Sent: 2, Withdrawn: 1})
}

func states(t *testing.T, b *bench) {
	anna := func(i int) otn.Consent {
		c := b.consent(i, ledger.Line{Topic: "drop", Subject: fmt.Sprint("s", i)})
		c.Subscriber.ID = "anna"
		return c
	}
	var want []ledger.State
	for i, o := range []otn.Outcome{otn.Sent, otn.Refused, otn.Unknown, otn.Deferred} {
		c := anna(i)
		b.grantOne(c)
		b.settle(b.claim("r", uint64(i), ledger.Line{Topic: c.Topic, Subject: c.Subject}), o)
		want = append(want, [...]ledger.State{ledger.Spent, ledger.Ended, ledger.Doubtful, ledger.Waiting}[i])
	}
	b.grantOne(anna(4))
	b.must(b.Withdraw(t.Context(), anna(4).Token.ID(), b.now))
	b.grantOne(anna(5))
	b.claim("r", 5, ledger.Line{Topic: "drop", Subject: "s5"})
	want = append(want, ledger.Withdrawn, ledger.Claimed)
	b.made = 100
	b.grant(1, shop)
	of, err := b.Of(b.Person("m", "anna"))
	b.must(err)
	if len(of) != 6 {
		t.Fatalf("%d consents of anna", len(of))
	}
	for i, c := range of {
		if c.State != want[i] || c.ID != anna(i).Token.ID() || c.Subject != fmt.Sprint("s", i) || !c.GrantedAt.Equal(b.now) || c.Channel != "m" {
			t.Fatalf("%d: %+v", i, c)
		}
		whole := c.State == ledger.Waiting || c.State == ledger.Claimed || c.State == ledger.Doubtful
		if left := c.State == ledger.Spent || c.State == ledger.Ended || c.State == ledger.Withdrawn; c.Left.Equal(b.now) != left || c.Left.IsZero() == left {
			t.Fatalf("%s: left at %v", c.State, c.Left)
		}
		if (c.Subscriber.ID == "anna") != whole || (c.Token.Reveal() == anna(i).Token.Reveal()) != whole {
			t.Fatalf("%s: what is sealed is gone once a consent has ended, and not before", c.State)
		}
		if (c.Run == run("r")) != (i != 3 && i != 4) {
			t.Fatalf("%s: run %v", c.State, c.Run)
		}
		one, ok, err := b.Consent(c.ID)
		if err != nil || !ok || one.State != c.State || one.Seq != c.Seq {
			t.Fatalf("by its token: %+v %v %v", one, ok, err)
		}
	}
	if _, ok, err := b.Consent(otn.TokenID{1}); ok || err != nil {
		t.Fatal("a token that nobody granted")
	}
	for _, q := range []struct {
		q    ledger.ConsentQuery
		want int
	}{{ledger.ConsentQuery{Limit: 2}, 7}, {ledger.ConsentQuery{Topic: "drop", Limit: 100}, 6}, {ledger.ConsentQuery{Topic: "drop", Subject: "s2", Limit: 1}, 1},
		{ledger.ConsentQuery{Topic: "news", Limit: 1}, 1}, {ledger.ConsentQuery{State: ledger.Waiting, Limit: 1}, 2}} {
		if got := b.consents(q.q); len(got) != q.want {
			t.Fatalf("%+v: %d, want %d", q.q, len(got), q.want)
		}
	}
	b.agree()
}

func deliveryPages(t *testing.T, b *bench) {
	want := make(map[otn.DeliveryID]bool)
	for page := range uint64(5) {
		b.grant(30, drop)
		c := b.claim("r", page, drop)
		for _, m := range c.Members {
			want[otn.NewDeliveryID(c.Run, m.Person)] = true
		}
		switch page {
		case 4:
		case 3:
			b.settle(c, otn.Deferred, otn.Invalid)
			retry := &ledger.Claim{Run: c.Run, Page: 99, Line: drop, At: b.now}
			for _, m := range c.Members[:10] {
				m.Attempt = 2
				retry.Members = append(retry.Members, m)
			}
			b.commit(&ledger.Batch{Claims: []*ledger.Claim{retry}})
			b.settle(b.claim("else", 1, drop), otn.Sent)
		default:
			b.settle(c, otn.Sent, otn.Refused, otn.Unknown)
		}
	}
	for _, limit := range []int{1, 7, 1000} {
		got := make(map[otn.DeliveryID]bool)
		for at := (otn.DeliveryID{}); ; {
			ds, err := b.Deliveries(run("r"), at, limit)
			b.must(err)
			for _, d := range ds {
				if got[d.ID] {
					t.Fatalf("twice in the list: %+v", d)
				}
				one, ok, err := b.Delivery(d.ID)
				if err != nil || !ok || one != d {
					t.Fatalf("%+v, alone %+v %v %v", d, one, ok, err)
				}
				got[d.ID] = true
				at = d.ID
			}
			if len(ds) < limit {
				break
			}
		}
		if len(got) != len(want) {
			t.Fatalf("by %d: %d deliveries, want %d", limit, len(got), len(want))
		}
	}
	if _, err := b.Deliveries(run("r"), otn.NewDeliveryID(run("r"), otn.PersonID{9}), 1); !errors.Is(err, otn.ErrNotFound) {
		t.Fatalf("behind a delivery that is none: %v", err)
	}
}
