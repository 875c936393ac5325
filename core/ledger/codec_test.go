// Every packed form: what was packed is read back, and no bytes make a reader panic.

package ledger

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/onetimenotify/otn/core/otn"
)

func TestOrdSortsAsNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyNumber().Draw(t, "a"), anyNumber().Draw(t, "b")
		ka, kb := appendOrd(nil, a), appendOrd(nil, b)
		if got, want := bytes.Compare(ka, kb), compareSeq(a, b); got != want {
			t.Fatalf("%x %x: %d, want %d", ka, kb, got, want)
		}
		r := reader{b: ka}
		if n := r.ord(); n != a || !r.done() {
			t.Fatalf("%d came back as %d", a, n)
		}
	})
}

func anyNumber() *rapid.Generator[uint64] {
	return rapid.Custom(func(t *rapid.T) uint64 {
		return rapid.Uint64().Draw(t, "n") >> rapid.IntRange(0, 63).Draw(t, "shift")
	})
}

func anyTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-9e9, 9e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
}

func TestKeysComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := place{anyNumber().Draw(t, "line"), anyNumber().Draw(t, "seq")}
		id := pageID{page: anyNumber().Draw(t, "page")}
		copy(id.run[:], rapid.SliceOfN(rapid.Byte(), runSize, runSize).Draw(t, "run"))
		if line, block, got, ok := readEndedKey(endedKey(p, id)); !ok || line != p.line || block != p.seq>>blockBits || got != id {
			t.Fatalf("ended: %d %d %v %v", line, block, got, ok)
		}
		if got, ok := readPageKey(pageKey(spaceOpen, id)); !ok || got != id {
			t.Fatalf("page: %v %v", got, ok)
		}
		d := rapid.Uint32().Draw(t, "day")
		if topic, day, got, ok := readExpiryKey(appendExpiryKey(nil, p.seq, d, p)); !ok || topic != p.seq || day != d || got != p {
			t.Fatalf("expiry: %d %d %v %v", topic, day, got, ok)
		}
		if seq, ok := readSeq(consentKey(p), len(numberKey(spaceConsent, p.line))); !ok || seq != p.seq {
			t.Fatalf("consent: %d %v", seq, ok)
		}
		timer := TimerID{Due: anyTime().Draw(t, "due"), ID: rapid.String().Draw(t, "id")}
		if got, ok := readTimerKey(timerKey(timer)); !ok || !got.Due.Equal(timer.Due) || got.ID != timer.ID {
			t.Fatalf("timer: %v %v", got, ok)
		}
		later := TimerID{Due: timer.Due.Add(time.Nanosecond)}
		if bytes.Compare(timerKey(timer), timerKey(later)) >= 0 {
			t.Fatal("a later timer sorts first")
		}
	})
}

func TestAfter(t *testing.T) {
	for _, c := range []struct{ prefix, want string }{{"a", "b"}, {"a\xff", "b"}, {"a\xff\xff", "b"}, {"ab", "ac"}} {
		if got := after([]byte(c.prefix)); string(got) != c.want {
			t.Errorf("after %q: %q, want %q", c.prefix, got, c.want)
		}
	}
	if after([]byte{0xff}) != nil {
		t.Error("there is nothing behind all keys")
	}
}

func anyEntry(block uint64) *rapid.Generator[entry] {
	return rapid.Custom(func(t *rapid.T) entry {
		e := entry{seq: block<<blockBits | rapid.Uint64Range(0, 1<<blockBits-1).Draw(t, "seq"), fate: fate(rapid.IntRange(0, int(fates)-1).Draw(t, "fate")),
			granted: rapid.Int64Range(0, 1<<50).Draw(t, "granted"), at: rapid.Int64Range(0, 1<<50).Draw(t, "at"), attempts: rapid.IntRange(1, 3).Draw(t, "attempts"),
			code: rapid.String().Draw(t, "code"), detail: rapid.String().Draw(t, "detail"), provider: rapid.String().Draw(t, "provider")}
		copy(e.token[:], rapid.SliceOfN(rapid.Byte(), tokenSize, tokenSize).Draw(t, "token"))
		copy(e.person[:], rapid.SliceOfN(rapid.Byte(), personSize, personSize).Draw(t, "person"))
		if e.first = e.at; e.attempts > 1 {
			e.first = rapid.Int64Range(0, 1<<50).Draw(t, "first")
		}
		return e
	})
}

func TestEntriesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		block := anyNumber().Draw(t, "block") >> blockBits
		want := rapid.SliceOfN(anyEntry(block), 1, 20).Draw(t, "entries")
		channel := rapid.String().Draw(t, "channel")
		var got []entry
		ok := readBlock(packBlock(channel, want), block, func(c string, e *entry) bool {
			if c != channel {
				t.Fatalf("channel %q", c)
			}
			got = append(got, *e)
			return true
		})
		if !ok || !slices.Equal(got, want) {
			t.Fatalf("%v\n%+v\nwant\n%+v", ok, got, want)
		}
		tried := triedRow{entry: want[0], line: 7, channel: channel, outcome: otn.Deferred}
		if back, ok := readTried(packTried(&tried)); !ok || back != tried {
			t.Fatalf("%+v\nwant\n%+v", back, tried)
		}
		doubt := doubtRow{triedRow: tried, page: 3, day: 9, probably: true, row: []byte("row")}
		if back, ok := readDoubt(packDoubt(&doubt)); !ok || !reflect.DeepEqual(back, doubt) {
			t.Fatalf("%+v\nwant\n%+v", back, doubt)
		}
	})
}

func testLedger(t testing.TB) *Ledger {
	s, err := newSafe(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return &Ledger{safe: s}
}

func TestRowsComeBack(t *testing.T) {
	l := testLedger(t)
	values := []otn.Value{{}, otn.BoolValue(true), otn.IntValue(math.MinInt64), otn.FloatValue(-0.25), otn.StringValue("ä"), otn.MoneyValue(otn.Money{Minor: -1, Currency: "EUR"}), otn.TimeValue(time.Unix(1, 2))}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 40, 60)
		c := otn.Consent{Channel: text.Draw(t, "channel"), Topic: "topic", Subject: "subject", Ask: text.Draw(t, "ask"), Ref: text.Draw(t, "ref"), TZ: text.Draw(t, "tz"), Locale: text.Draw(t, "locale"),
			Token:      otn.NewToken(text.Draw(t, "account"), rapid.OneOf(text, rapid.StringMatching(`[0-9]{1,20}`)).Draw(t, "secret")),
			Subscriber: otn.Subscriber{ID: rapid.OneOf(text, rapid.StringMatching(`[0-9]{1,20}`)).Draw(t, "id"), Address: otn.NewSecret(text.Draw(t, "address"))},
			GrantedAt:  time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(t, "granted")).UTC(), ExpiresAt: time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(t, "expires")).UTC()}
		if rapid.Bool().Draw(t, "priced") {
			c.PriceThen = otn.Money{Minor: rapid.Int64().Draw(t, "minor"), Currency: "USD"}
		}
		for _, v := range rapid.SliceOfN(rapid.SampledFrom(values), 0, 5).Draw(t, "answers") {
			c.Answers = append(c.Answers, otn.Named{Name: text.Draw(t, "name"), Value: v})
		}
		id, p := c.Token.ID(), l.Person(c.Channel, c.Subscriber.ID)
		row, err := l.packRow(nil, &c, id, p)
		if err != nil {
			t.Fatal(err)
		}
		k := Candidate{Consent: otn.Consent{Topic: c.Topic, Subject: c.Subject}}
		var seen texts
		if !readRow(row, &k, &seen) || k.ID != id || k.person != p {
			t.Fatalf("row of %+v", c)
		}
		if err := l.unseal(&k); err != nil {
			t.Fatal(err)
		}
		if k.Token.Reveal() != c.Token.Reveal() || k.Subscriber.Address.Reveal() != c.Subscriber.Address.Reveal() || k.Token.Account() != c.Token.Account() {
			t.Fatal("secrets changed")
		}
		k.Token, c.Token, k.Subscriber.Address, c.Subscriber.Address = otn.Token{}, otn.Token{}, otn.Secret{}, otn.Secret{}
		if !reflect.DeepEqual(k.Consent, c) {
			t.Fatalf("\n%+v\nwant\n%+v", k.Consent, c)
		}
	})
}

// TestSealIsBound: a sealed part belongs to its token; changed in any byte, or moved, it does not open.
func TestSealIsBound(t *testing.T) {
	l := testLedger(t)
	c := otn.Consent{Token: otn.NewToken("p", "secret"), Subscriber: otn.Subscriber{ID: "anna"}}
	id := c.Token.ID()
	sealed, err := l.safe.seal(nil, id, packPlain(nil, &c))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.safe.open(nil, id, sealed); err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		bent := slices.Clone(sealed)
		bent[i] ^= 1
		if _, err := l.safe.open(nil, id, bent); err == nil {
			t.Fatalf("opens with byte %d changed", i)
		}
	}
	id[0] ^= 1
	if _, err := l.safe.open(nil, id, sealed); err == nil {
		t.Fatal("opens for another token")
	}
	if _, err := testLedger(t).safe.open(nil, c.Token.ID(), sealed); err == nil {
		t.Fatal("opens with another key")
	}
}

// FuzzReaders throws bytes at everything that reads keys and rows.
func FuzzReaders(f *testing.F) {
	l := testLedger(f)
	c := otn.Consent{Token: otn.NewToken("p", "12"), Subscriber: otn.Subscriber{ID: "1"}, Answers: []otn.Named{{Name: "a", Value: otn.IntValue(1)}}, GrantedAt: time.Unix(1, 0), ExpiresAt: time.Unix(2, 0)}
	row, err := l.packRow(nil, &c, c.Token.ID(), otn.PersonID{1})
	if err != nil {
		f.Fatal(err)
	}
	e := entry{seq: 1, attempts: 2, code: "c"}
	d := Decision{Line: Line{"t", "s"}, At: time.Unix(1, 0), Facts: []byte("f")}
	for _, seed := range [][]byte{nil, row, packBlock("m", []entry{e}), packTried(&triedRow{entry: e}), packDoubt(&doubtRow{row: row}), packDecision(&d),
		packResend(&resend{facts: []byte("f")}), endedKey(place{1, 2}, pageID{}), timerKey(TimerID{Due: time.Unix(1, 0), ID: "x"}), packIndex(&index{Indexed: Indexed{"t", "a"}}),
		appendAnswerKey(nil, 1, place{2, 3}, otn.MoneyValue(otn.Money{Minor: 5, Currency: "USD"}), true), appendExpiryKey(nil, 1, 2, place{3, 4})} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var seen texts
		var k Candidate
		if readRow(b, &k, &seen) {
			_ = l.unseal(&k)
			readTimes(b)
			if got := unpackAnswers(packedAnswers(b)); !reflect.DeepEqual(got, k.Answers) && len(got)+len(k.Answers) > 0 {
				t.Fatalf("answers %v, read alone %v", k.Answers, got)
			}
		}
		readBlock(b, 3, func(_ string, e *entry) bool { _ = e.fate.state(); return true })
		if tr, ok := readTried(b); ok {
			if back, ok := readTried(packTried(&tr)); !ok || back.seq != tr.seq || back.token != tr.token {
				t.Fatalf("%+v is packed as %+v", tr, back)
			}
		}
		readDoubt(b)
		readResend(b)
		readDecision(b)
		readPage(b, b)
		readPageKey(b)
		readEndedKey(b)
		readExpiryKey(b)
		readAnswerKey(b)
		_ = newLedger(nil).loadIndex(numberKey(spaceIndex, 1), b)
		readTimerKey(b)
		readSeq(b, 2)
		r := reader{b: b}
		r.time()
		r.place()
	})
}
