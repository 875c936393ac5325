// Indexes by answer: a range of a line is the line, narrowed, whatever happened to it.

package ledgertest

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

var byTarget = ledger.Indexed{Topic: "drop", Answer: "target"}

// answerOf draws an answer of any type, often one of few, sometimes none; ok is false for an answer that is not given.
func answerOf(rng *rand.Rand) (v otn.Value, ok bool) {
	n := rng.Int64N(7) - 2
	switch rng.IntN(10) {
	case 0:
		return otn.Value{}, false
	case 1:
		return otn.Value{}, true
	case 2:
		return otn.BoolValue(n > 0), true
	case 3:
		return otn.IntValue(n << (8 * rng.IntN(8))), true
	case 4:
		return otn.FloatValue([]float64{0, math.Copysign(0, -1), 0.5, -1.5, math.Inf(1), math.NaN(), 1e300}[n+2]), true
	case 5:
		return otn.StringValue([]string{"", "a", "a\x00", "a\x00b", "ab", "é", "0123456789012345678901234567890123456789012345678901234567890" + fmt.Sprint(n)}[n+2]), true
	case 6:
		return otn.TimeValue(start.Add(time.Duration(n) * time.Hour * 24 * 365 * 20)), true
	case 7:
		return otn.MoneyValue(otn.Money{Minor: n * 100, Currency: "EUR"}), true
	}
	return otn.MoneyValue(otn.Money{Minor: n * 100, Currency: "USD"}), true
}

// orderOf compares two values of one type, by what they are.
func orderOf(a, b otn.Value) int {
	switch a.Type() {
	case otn.Float:
		return cmp.Compare(a.Float(), b.Float())
	case otn.String:
		return cmp.Compare(a.Text(), b.Text())
	case otn.MoneyType:
		return cmp.Compare(a.Money().Minor, b.Money().Minor)
	case otn.Time:
		return a.Time().Compare(b.Time())
	case otn.Bool:
		return cmp.Compare(fmt.Sprint(a.Bool()), fmt.Sprint(b.Bool()))
	}
	return cmp.Compare(a.Int(), b.Int())
}

// insideOf is what an AnswerRange says, slowly. Texts are in no order: all of them may count as inside of what is not one text.
func insideOf(in otn.AnswerRange, c *otn.Consent) (must, may bool) {
	v, given := c.Answer(in.Answer)
	switch {
	case !given:
		return in.Absent, in.Absent
	case v.Type() != in.Type || in.Type == otn.Float && math.IsNaN(v.Float()):
		return true, true
	case in.Type == otn.MoneyType && in.Currency != "" && v.Money().Currency != in.Currency:
		return true, true
	}
	for _, s := range in.Spans {
		low := s.Low == (otn.Value{}) || orderOf(v, s.Low) >= 0
		high := s.High == (otn.Value{}) || orderOf(v, s.High) <= 0
		any := in.Type == otn.String && s.Low != s.High
		must, may = must || low && high, may || low && high || any
	}
	return must, may
}

// rangeOf draws a range.
func rangeOf(rng *rand.Rand, answer string) otn.AnswerRange {
	in := otn.AnswerRange{Answer: answer, Absent: rng.IntN(2) == 0}
	var borders []otn.Value
	for len(borders) < 4 {
		v, ok := answerOf(rng)
		if !ok || v.Type() == otn.NoType || v.Type() == otn.Float && math.IsNaN(v.Float()) || len(borders) > 0 && (v.Type() != in.Type || v.Money().Currency != in.Currency) {
			continue
		}
		in.Type, in.Currency = v.Type(), v.Money().Currency
		borders = append(borders, v)
	}
	spans := []otn.Span{{}, {Low: borders[0]}, {High: borders[1]}, {Low: borders[2], High: borders[3]}, {Low: borders[0], High: borders[0]}}
	for range rng.IntN(3) {
		in.Spans = append(in.Spans, spans[rng.IntN(len(spans))])
	}
	return in
}

// ranges checks some ranges of a line against a scan of it.
func (b *bench) ranges(rng *rand.Rand, line ledger.Line, answer string) {
	b.t.Helper()
	for range 20 {
		in := rangeOf(rng, answer)
		after, below := rng.Uint64N(b.Head()/2+1), b.Head()+1-rng.Uint64N(b.Head()/2+1)
		var must, may, got []uint64
		_, _, err := b.Scan(line, after, below, 1<<30, b.now, func(c *ledger.Candidate) bool {
			ok, maybe := insideOf(in, &c.Consent)
			if ok {
				must = append(must, c.Seq)
			}
			if maybe {
				may = append(may, c.Seq)
			}
			return true
		})
		b.must(err)
		stop := rng.IntN(len(must) + 2)
		last, done, found, err := b.Range(line, in, after, below, 1<<30, b.now, func(c *ledger.Candidate) bool {
			got = append(got, c.Seq)
			return len(got) != stop
		})
		b.must(err)
		if !found || done != (stop == 0 || len(got) < stop) || len(got) > 0 && last < got[len(got)-1] || last >= below && last != after {
			b.t.Fatalf("%+v: found %v, done %v, last %d, stopped at %d of %d", in, found, done, last, stop, len(got))
		}
		if !done {
			must, may = upTo(must, last), upTo(may, last)
		}
		if !slices.IsSorted(got) || !subset(must, got) || !subset(got, may) {
			b.t.Fatalf("%+v in %d..%d: got %v, want %v, at most %v", in, after, below, got, must, may)
		}
	}
}

func upTo(seqs []uint64, last uint64) []uint64 {
	i, _ := slices.BinarySearch(seqs, last+1)
	return seqs[:i]
}

func subset(a, of []uint64) bool {
	for _, n := range a {
		if _, ok := slices.BinarySearch(of, n); !ok {
			return false
		}
	}
	return true
}

// answered grants n consents with drawn answers, every third of a person who has another.
func (b *bench) answered(rng *rand.Rand, n int, line ledger.Line) {
	b.t.Helper()
	batch := &ledger.Batch{}
	for range n {
		c := b.consent(b.made, line)
		b.made++
		if b.made%3 == 0 {
			c.Subscriber.ID = fmt.Sprint("friend", b.made%21)
			c.PriceThen, c.TZ, c.Ask, c.Ref = otn.Money{Minor: 5, Currency: "USD"}, "UTC", "?", "r"
		}
		if v, ok := answerOf(rng); ok {
			c.Answers = []otn.Named{{Name: "other", Value: otn.IntValue(1)}, {Name: "target", Value: v}}
		}
		if b.made%7 == 0 {
			c.ExpiresAt = b.now.Add(time.Hour)
		}
		batch.Grants = append(batch.Grants, &ledger.Grant{Consent: c})
	}
	b.commit(batch)
}

func (b *bench) index(wanted ...ledger.Indexed) {
	b.t.Helper()
	b.must(b.Index(b.t.Context(), wanted))
}

func (b *bench) backfilled() {
	b.t.Helper()
	for more := true; more; {
		var err error
		more, err = b.Backfill(b.t.Context())
		b.must(err)
	}
}

// whole compares every row of the store with the others.
func (b *bench) whole() {
	b.t.Helper()
	r, err := ledger.Inspect(b.t.Context(), b.engine, b.key)
	b.must(err)
	if len(r.Faults) > 0 {
		b.t.Fatalf("%d faults: %v", len(r.Faults)+r.More, r.Faults)
	}
}

// ends lets consents leave in every way there is, and some come back.
func (b *bench) ends(rng *rand.Rand, round int) {
	b.t.Helper()
	c := b.candidates(fmt.Sprint("r", round), 1, drop)
	c.Members = c.Members[:min(len(c.Members), 30)]
	b.commit(&ledger.Batch{Claims: []*ledger.Claim{c}})
	b.ranges(rng, drop, "target")
	b.settle(c, otn.Sent, otn.Refused, otn.Unknown, otn.Deferred, otn.Invalid, otn.Unknown)
	doubts, err := b.Doubts(otn.DeliveryID{}, 100)
	b.must(err)
	for i, d := range doubts {
		b.must(b.Resolve(b.t.Context(), d.ID, ledger.Result{Outcome: []otn.Outcome{otn.Deferred, otn.Sent, otn.Unknown}[i%3], At: b.now}, false))
	}
	for i, w := range b.waiting(drop) {
		if i%9 == 4 {
			b.must(b.Withdraw(b.t.Context(), w.ID, b.now))
		}
	}
}

func rangesOfLines(t *testing.T, b *bench) {
	rng := rand.New(rand.NewPCG(3, 4))
	b.index(byTarget)
	for round := range 4 {
		b.answered(rng, 120, drop)
		b.answered(rng, 20, other)
		b.answered(rng, 20, shop)
		b.backfilled()
		b.ranges(rng, drop, "target")
		b.ends(rng, round)
		b.ranges(rng, drop, "target")
		b.ranges(rng, other, "target")
		b.whole()
		[]func(){b.again, b.kill, b.cut, b.again}[round]()
		b.ranges(rng, drop, "target")
	}
	b.now = b.now.Add(2 * time.Hour)
	if n, err := b.Sweep(t.Context(), b.now, 1000); err != nil || n == 0 {
		t.Fatalf("%d expired, %v", n, err)
	}
	b.ranges(rng, drop, "target")
	b.whole()
	all := otn.AnswerRange{Answer: "target", Type: otn.Int, Spans: []otn.Span{{}}, Absent: true}
	for most, want := range map[int]bool{len(b.waiting(drop)): true, len(b.waiting(drop)) - 1: false} {
		_, _, found, err := b.Range(drop, all, 0, b.Head()+1, most, b.now, func(*ledger.Candidate) bool {
			if !want {
				t.Error("too many are inside, and some were shown")
			}
			return true
		})
		if err != nil || found != want {
			t.Errorf("at most %d: found %v, %v", most, found, err)
		}
	}
	if _, done, found, err := b.Range(ledger.Line{Topic: "drop", Subject: "nobody"}, all, 0, 99, 1, b.now, nil); !done || !found || err != nil {
		t.Error("a line on which nobody ever waited")
	}
}

// An index that is wanted late is not used before everybody who waited is in it, whatever dies meanwhile.
func lateIndexes(t *testing.T, b *bench) {
	rng := rand.New(rand.NewPCG(5, 6))
	b.answered(rng, 2500, drop)
	b.answered(rng, 900, other)
	held, kept := b.candidates("held", 1, drop), b.candidates("kept", 1, drop)
	held.Members, kept.Members = held.Members[:300], kept.Members[300:600]
	b.commit(&ledger.Batch{Claims: []*ledger.Claim{held, kept}})
	b.index(byTarget, ledger.Indexed{Topic: "news", Answer: "size"})
	parts := 0
	for !b.HasIndex(byTarget) {
		if _, _, found, err := b.Range(drop, otn.AnswerRange{Answer: "target"}, 0, 99, 1<<30, b.now, nil); found || err != nil {
			t.Fatalf("an index that is not complete was used: %v", err)
		}
		b.answered(rng, 50, drop)
		if parts == 0 { // gone before they are indexed; kept goes by a death
			b.settle(held, otn.Sent, otn.Deferred, otn.Unknown)
			for i, w := range b.waiting(drop) {
				if i%50 == 0 {
					b.must(b.Withdraw(t.Context(), w.ID, b.now))
				}
			}
		}
		if _, err := b.Backfill(t.Context()); err != nil {
			t.Fatal(err)
		}
		[]func(){b.cut, b.kill, func() {}}[parts%3]()
		if parts++; parts > 20 {
			t.Fatal("it never ends")
		}
	}
	if parts < 3 {
		t.Fatalf("it was made in %d parts", parts)
	}
	b.ranges(rng, drop, "target")
	b.ranges(rng, other, "target")
	b.backfilled()
	b.whole()

	b.index(ledger.Indexed{Topic: "drop", Answer: "other"})
	if b.HasIndex(byTarget) {
		t.Error("an index that is not wanted any more is there")
	}
	b.answered(rng, 10, drop)
	b.whole()
	b.again()
	before := b.Writes()
	b.index(ledger.Indexed{Topic: "drop", Answer: "other"})
	if b.Writes() != before {
		t.Error("wanting what is there changed something")
	}
	b.index(byTarget)
	if b.HasIndex(byTarget) {
		t.Error("an index that came back is complete before anybody was looked at")
	}
	b.backfilled()
	b.ranges(rng, drop, "target")
	b.whole()
}
