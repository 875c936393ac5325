// Ordered answers sort as the values do, and are told apart.

package ledger

import (
	"bytes"
	"cmp"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// someValue makes a value of a type from what a fuzzer gives.
func someValue(t byte, n int64, s string) otn.Value {
	switch otn.Type(t % 7) {
	case otn.Bool:
		return otn.BoolValue(n > 0)
	case otn.Int:
		return otn.IntValue(n)
	case otn.Float:
		return otn.FloatValue(math.Float64frombits(uint64(n)))
	case otn.String:
		return otn.StringValue(s)
	case otn.MoneyType:
		return otn.MoneyValue(otn.Money{Minor: n, Currency: s})
	case otn.Time:
		return otn.TimeValue(time.Unix(0, n))
	}
	return otn.Value{}
}

// sameSection reports whether two values can be compared, and how they do.
func sameSection(a, b otn.Value) (order int, ok bool) {
	if a.Type() != b.Type() || a.Type() == otn.NoType || a.Money().Currency != b.Money().Currency {
		return 0, false
	}
	switch a.Type() {
	case otn.Float:
		return cmp.Compare(a.Float(), b.Float()), !math.IsNaN(a.Float()) && !math.IsNaN(b.Float())
	case otn.String: // in no order
		return 0, a == b
	case otn.MoneyType:
		return cmp.Compare(a.Money().Minor, b.Money().Minor), true
	case otn.Time:
		return a.Time().Compare(b.Time()), true
	case otn.Bool:
		return int(truth(a.Bool()) - truth(b.Bool())), true
	}
	return cmp.Compare(a.Int(), b.Int()), true
}

// FuzzOrdered packs two values: they sort as they compare, equal or not, and each is inside the section of its type only.
func FuzzOrdered(f *testing.F) {
	for _, n := range []int64{0, 1, -1, 255, 256, -256, -257, math.MaxInt64, math.MinInt64, int64(math.Float64bits(0.5)), int64(math.Float64bits(math.NaN()))} {
		for t := range byte(7) {
			f.Add(t, n, "", t, n+1, "a\x00", uint64(n))
			f.Add(t, n, strings.Repeat("x", 50), t, -n, strings.Repeat("x", 51), uint64(7))
			f.Add(t, n, "USD", t, n/256, "USD", uint64(7))
			f.Add(t, n, "EU", t+1, n, "EUR", uint64(7))
		}
	}
	f.Add(byte(otn.Float), int64(math.MinInt64), "", byte(otn.Float), int64(0), "", uint64(7)) // the two zeros
	f.Fuzz(func(t *testing.T, ta byte, na int64, sa string, tb byte, nb int64, sb string, seq uint64) {
		a, b := someValue(ta, na, sa), someValue(tb, nb, sb)
		pa, pb := appendOrdered(nil, a, true), appendOrdered(nil, b, true)
		got := bytes.Compare(pa, pb)
		if want, ok := sameSection(a, b); ok && got != want && (got != 0 || max(len(sa), len(sb)) <= longestCurrency) {
			t.Fatalf("%v and %v compare %d, packed %d: %x %x", a, b, want, got, pa, pb)
		}
		if got != 0 && (bytes.HasPrefix(pa, pb) || bytes.HasPrefix(pb, pa)) {
			t.Fatalf("%v begins as %v: %x %x", a, b, pa, pb)
		}
		for _, v := range []otn.Value{a, b} {
			in := bytes.HasPrefix(pa, orderedSection(nil, v.Type(), v.Money().Currency))
			odd := pa[0] == orderOdd
			if same := a.Type() == v.Type() && (a.Money().Currency == v.Money().Currency || v.Money().Currency == ""); in != (same && !odd || odd && v.Type() == otn.NoType) && len(sa)+len(sb) < longestCurrency {
				t.Fatalf("%v in the section of %v: %v", a, v, in)
			}
		}
		p := place{seq >> 3, seq}
		key := appendAnswerKey(nil, seq>>5, p, a, true)
		if index, back, ok := readAnswerKey(key); !ok || index != seq>>5 || back != p {
			t.Fatalf("key of %v at %v reads as %v", a, p, back)
		}
		readAnswerKey([]byte(sa + sb))
	})
}

func TestAbsentComesFirst(t *testing.T) {
	absent := appendOrdered(nil, otn.Value{}, false)
	for class := range byte(7) {
		if p := appendOrdered(nil, someValue(class, -5, ""), true); bytes.Compare(absent, p) >= 0 || p[0] <= orderAbsent || p[0] >= orderEnd {
			t.Errorf("class %d: %x", class, p)
		}
	}
}
