// Package ledgertest is what every engine owes the ledger, as one suite: whatever keeps the bytes, the promises hold.
package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Store is a store that a test can open, hurt, and open again.
type Store interface {
	// Open opens what is there; the first time, a new store.
	Open() (ledger.Engine, error)
	// Kill leaves what a process leaves that is killed at this moment: everything written, and the marks.
	Kill()
	// Cut leaves what a power cut leaves: what was durable, perhaps more, and no marks.
	Cut()
}

// Run runs the suite. make gives a new, empty store.
func Run(t *testing.T, make func(t *testing.T) Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"a token is granted once", grantOnce},
		{"a batch that contradicts itself is refused", contradictions},
		{"numbers are one order", numbers},
		{"what was sealed comes back", sealed},
		{"oldest first", oldestFirst},
		{"one winner among many claimers", oneWinner},
		{"a page is claimed once and settled once", pageOnce},
		{"what did not leave keeps its place", keepsPlace},
		{"one message for a person in a run", onePerson},
		{"documents compare and set", documents},
		{"documents are counted", tracked},
		{"a conflict harms nobody else", conflicts},
		{"timers", timers},
		{"timers that were set and deleted", timersChanged},
		{"decisions", decisions},
		{"expired consents leave", expiry},
		{"many expire on one day", manyExpire},
		{"a wrong clock ends nothing", wrongClock},
		{"withdrawn consents leave", withdraw},
		{"what a person was told and waits for", onePersonsStory},
		{"consents in every state", states},
		{"one line is listed as all are", lists},
		{"an erased person leaves nothing", erased},
		{"deliveries page by page", deliveryPages},
		{"a killed process is recovered by its marks", recoverMarks},
		{"a power cut makes the page doubtful", recoverCut},
		{"work to look at again is not forgotten", redone},
		{"a doubt ends by proof or by hand", doubts},
		{"every quarter of an hour is counted", quarters},
		{"an echo that came first", echo},
		{"a proof of what was not believed", proof},
		{"another key is refused", wrongKey},
		{"lazy settlements ride with the next", lazy},
		{"a range of a line is the line, narrowed", rangesOfLines},
		{"an index that is wanted late", lateIndexes},
		{"random work, random deaths", randomDeaths},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{t: t, store: make(t), key: ledger.NewKey(), now: start}
			b.open()
			t.Cleanup(func() { _ = b.Close() })
			c.test(t, b)
		})
	}
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var (
	drop  = ledger.Line{Topic: "drop", Subject: "sku-1"}
	other = ledger.Line{Topic: "drop", Subject: "sku-2"}
	shop  = ledger.Line{Topic: "news"}
)

// bench is a ledger on a store, with the shortcuts that tests need.
type bench struct {
	*ledger.Ledger
	t      *testing.T
	store  Store
	engine ledger.Engine
	key    otn.Secret
	now    time.Time
	made   int
}

func (b *bench) open() {
	b.t.Helper()
	e, err := b.store.Open()
	if err != nil {
		b.t.Fatal(err)
	}
	b.engine = e
	if b.Ledger, err = ledger.Open(b.t.Context(), e, b.key, b.now); err != nil {
		b.t.Fatal(err)
	}
}

// again closes and opens; kill and cut do it the hard way.
func (b *bench) again() { b.must(b.Close()); b.open() }
func (b *bench) kill()  { b.store.Kill(); b.must(b.Close()); b.open() }
func (b *bench) cut()   { b.store.Cut(); b.must(b.Close()); b.open() }

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) commit(batch *ledger.Batch) {
	b.t.Helper()
	b.must(b.Commit(b.t.Context(), batch))
}

// consent is the i-th consent of a test: every consent its own person.
func (b *bench) consent(i int, line ledger.Line) otn.Consent {
	return otn.Consent{Token: otn.NewToken("page", fmt.Sprintf("10%08d", i)), Channel: "m", Subscriber: otn.Subscriber{ID: fmt.Sprint(99_000_000 + i)},
		Topic: line.Topic, Subject: line.Subject, GrantedAt: b.now}
}

// grant adds n consents to a line and returns their places.
func (b *bench) grant(n int, line ledger.Line) (seqs []uint64) {
	b.t.Helper()
	batch := &ledger.Batch{}
	for range n {
		batch.Grants = append(batch.Grants, &ledger.Grant{Consent: b.consent(b.made, line)})
		b.made++
	}
	b.commit(batch)
	for _, g := range batch.Grants {
		if !g.Added {
			b.t.Fatal("a new token was not added")
		}
		seqs = append(seqs, g.Seq)
	}
	return seqs
}

// grantOne adds one consent and returns its place; not added is place 0.
func (b *bench) grantOne(c otn.Consent) uint64 {
	b.t.Helper()
	g := &ledger.Grant{Consent: c}
	b.commit(&ledger.Batch{Grants: []*ledger.Grant{g}})
	if g.Added != (g.Seq != 0) {
		b.t.Fatalf("Added %v with Seq %d", g.Added, g.Seq)
	}
	return g.Seq
}

// waiting lists what a scan of the whole line shows, unsealed.
func (b *bench) waiting(line ledger.Line) (out []*ledger.Candidate) {
	b.t.Helper()
	_, done, err := b.Scan(line, 0, b.Head()+1, 1<<30, b.now, func(c *ledger.Candidate) bool {
		k := c.Keep()
		_, err := b.Unseal(k)
		b.must(err)
		out = append(out, k)
		return true
	})
	b.must(err)
	if !done {
		b.t.Fatal("a scan without a limit is not done")
	}
	return out
}

func run(name string) otn.RunID { return otn.NewRunID(name, otn.Subject{}, "e1", start) }

// candidates makes a claim of all that waits on a line.
func (b *bench) candidates(name string, page uint64, line ledger.Line) *ledger.Claim {
	b.t.Helper()
	c := &ledger.Claim{Run: run(name), Page: page, Line: line, Channel: "m", Account: "page", At: b.now, Facts: []byte("facts")}
	for _, k := range b.waiting(line) {
		c.Members = append(c.Members, ledger.Member{Seq: k.Seq, Token: k.ID, Attempt: 1})
	}
	return c
}

// claim claims all that waits on a line.
func (b *bench) claim(name string, page uint64, line ledger.Line) *ledger.Claim {
	b.t.Helper()
	c := b.candidates(name, page, line)
	b.commit(&ledger.Batch{Claims: []*ledger.Claim{c}})
	return c
}

// settle ends a claim with the outcomes in turn.
func (b *bench) settle(c *ledger.Claim, outcomes ...otn.Outcome) *ledger.Settlement {
	b.t.Helper()
	s := &ledger.Settlement{Claim: c}
	for i := range c.Members {
		s.Results = append(s.Results, ledger.Result{Outcome: outcomes[i%len(outcomes)], At: b.now, Code: "c", ProviderID: fmt.Sprint("mid.", i)})
	}
	b.commit(&ledger.Batch{Settles: []*ledger.Settlement{s}})
	return s
}

// counts checks a topic's counts, and that they agree with every other way to count.
func (b *bench) counts(topic string, want ledger.Counts) {
	b.t.Helper()
	got := b.Topics()[topic]
	got.NextExpiry = time.Time{}
	if got != want {
		b.t.Fatalf("counts of %s: %+v, want %+v", topic, got, want)
	}
	b.agree()
}

// agree checks that the counts in memory are those of the rows, line by line and state by state.
func (b *bench) agree() {
	b.t.Helper()
	counted := make(map[string]*ledger.Counts)
	waiting := make(map[ledger.Line]int64)
	for _, c := range b.consents(ledger.ConsentQuery{Limit: 100}) {
		k := counted[c.Topic]
		if k == nil {
			k = &ledger.Counts{}
			counted[c.Topic] = k
		}
		switch c.State {
		case ledger.Waiting:
			k.Waiting++
			waiting[ledger.Line{Topic: c.Topic, Subject: c.Subject}]++
		case ledger.Claimed:
			k.Claimed++
		case ledger.Spent:
			k.Sent++
		case ledger.Ended:
			k.Refused++
		case ledger.Doubtful:
			k.Unknown++
		case ledger.Expired:
			k.Expired++
		case ledger.Withdrawn:
			k.Withdrawn++
		}
	}
	for topic, k := range b.Topics() {
		k.NextExpiry = time.Time{}
		if counted[topic] == nil || *counted[topic] != k {
			b.t.Fatalf("%s: the counts say %+v, the rows %+v", topic, k, counted[topic])
		}
		for _, line := range b.Lines(topic) {
			if b.Waiting(line) != waiting[line] {
				b.t.Fatalf("%v: %d wait, by the rows %d", line, b.Waiting(line), waiting[line])
			}
		}
	}
}

// consents reads a query to its end.
func (b *bench) consents(q ledger.ConsentQuery) (all []ledger.Consent) {
	b.t.Helper()
	for {
		some, next, err := b.Consents(q)
		b.must(err)
		all = append(all, some...)
		if next == 0 {
			return all
		}
		q.Cursor = next
	}
}
