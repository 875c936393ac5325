// A ledger of maps, with the revisions and the refusals of the real one.

package catalog_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/catalog"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

var start = time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)

type shelf struct {
	t       testing.TB
	docs    map[string]ledger.Doc
	journal []ledger.Entry
	seq     uint64
	catalog *catalog.Catalog
}

func newShelf(t testing.TB) *shelf {
	s := &shelf{t: t, docs: make(map[string]ledger.Doc)}
	s.catalog = catalog.New(s)
	return s
}

func (s *shelf) Doc(key string) (ledger.Doc, bool, error) {
	doc, ok := s.docs[key]
	return doc, ok, nil
}

func (s *shelf) Docs(prefix, after string, limit int) ([]ledger.Doc, error) {
	var docs []ledger.Doc
	for _, key := range slices.Sorted(maps.Keys(s.docs)) {
		if strings.HasPrefix(key, prefix) && key > after && len(docs) < limit {
			docs = append(docs, s.docs[key])
		}
	}
	return docs, nil
}

func (s *shelf) commit(b *ledger.Batch) error {
	for _, doc := range b.Docs {
		if doc.Expect == ledger.Same && s.docs[doc.Key].Rev != doc.Rev {
			return otn.ErrConflict
		}
	}
	b.Seq = s.seq + 1
	s.seq += max(1, uint64(len(b.Events)))
	for _, doc := range b.Docs {
		doc.Rev = b.Seq
		if s.docs[doc.Key] = *doc; doc.Value == nil {
			delete(s.docs, doc.Key)
		}
	}
	for i, e := range b.Events {
		e.Seq, e.Rev = b.Seq+uint64(i), b.Seq
		s.journal = append(s.journal, *e)
	}
	return nil
}

// observe commits one batch of observations and gives the events it made.
func (s *shelf) observe(at time.Time, obs ...otn.Observation) []otn.Event {
	s.t.Helper()
	b, from := &ledger.Batch{}, len(s.journal)
	if _, err := s.catalog.Observe(b, at, obs...); err != nil {
		s.t.Fatal(err)
	}
	if err := s.commit(b); err != nil {
		s.t.Fatal(err)
	}
	var events []otn.Event
	for _, e := range s.journal[from:] {
		event, err := catalog.Decode(e)
		if err != nil {
			s.t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

func (s *shelf) item(id string) otn.Item {
	s.t.Helper()
	snap, ok, err := s.catalog.Snapshot(otn.Subject{Kind: otn.ItemKind, ID: id})
	if err != nil || !ok {
		s.t.Fatalf("item %s: %v, %v", id, ok, err)
	}
	return *snap.Item
}

func usd(s string) otn.Money {
	m, err := otn.ParseMoney(s + " USD")
	if err != nil {
		panic(err)
	}
	return m
}

func priced(id, price string, asOf time.Time) otn.Observation {
	return otn.Observation{Source: "store", AsOf: asOf, Item: &otn.Item{ID: id, Known: otn.FactPrice, Price: usd(price)}}
}

func stocked(id string, n int64, asOf time.Time) otn.Observation {
	return otn.Observation{Source: "store", AsOf: asOf, Item: &otn.Item{ID: id, Known: otn.FactStock, Stock: n}}
}

func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func pieces(n int64) *int64 { return &n }
