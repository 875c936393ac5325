// A source as the host opens it, its webhooks all the way into a catalog, and across the process border.

// Package sourcetest is for the tests of sources: what becomes of a shop's webhooks. No program imports it.
package sourcetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/catalog"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Open opens a source as the host does, from its configuration in JSON.
func Open(t testing.TB, p channel.Program, config string) *channel.Instance {
	t.Helper()
	i, err := p.Open(t.Context(), []byte(config), channel.Setup{Instance: "store"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Sign is the base64 of an HMAC-SHA256.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Shelf is a source and the catalog behind it. Records are not deduplicated by their keys: what comes twice is told twice,
// so that a test sees what the versions alone keep away.
type Shelf struct {
	Source   *channel.Instance
	Answered otn.Response // to the last call
	Records  []otn.Record // of the last call

	t       testing.TB
	catalog *catalog.Catalog
	docs    documents
}

// NewShelf begins with an empty catalog.
func NewShelf(t testing.TB, source *channel.Instance) *Shelf {
	docs := documents{}
	return &Shelf{Source: source, t: t, docs: docs, catalog: catalog.New(docs)}
}

// Take gives the source a call and the catalog, at the moment of the call, what the source tells. It gives what would be
// decided about.
func (s *Shelf) Take(r otn.Request) []otn.Event {
	s.t.Helper()
	var err error
	s.Answered, s.Records, err = s.Source.Receive(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.Keep(r.At)
}

// Keep gives the catalog the records, at a moment. It gives what would be decided about.
func (s *Shelf) Keep(now time.Time) []otn.Event {
	s.t.Helper()
	b := &ledger.Batch{}
	for _, record := range s.Records {
		if record.Observation == nil {
			continue
		}
		record.Observation.Source = "store"
		if _, err := s.catalog.Observe(b, now, *record.Observation); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, doc := range b.Docs {
		doc.Rev++
		s.docs[doc.Key] = *doc
	}
	var events []otn.Event
	for n, e := range b.Events {
		e.Seq, e.Rev = uint64(n+1), 1
		event, err := catalog.Decode(*e)
		if err != nil {
			s.t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

// Snapshot gives a subject as it is now.
func (s *Shelf) Snapshot(subject otn.Subject) (otn.Snapshot, bool) {
	s.t.Helper()
	snap, ok, err := s.catalog.Snapshot(subject)
	if err != nil {
		s.t.Fatal(err)
	}
	return snap, ok
}

// Item gives an item that must be known.
func (s *Shelf) Item(id string) *otn.Item {
	s.t.Helper()
	snap, ok := s.Snapshot(otn.Subject{Kind: otn.ItemKind, ID: id})
	if !ok {
		s.t.Fatalf("there is no item %s", id)
	}
	return snap.Item
}

// CrossesBorder fails the test unless the call yields records that are the same on the host's side of the process border.
func CrossesBorder(t testing.TB, source *channel.Instance, r otn.Request) {
	t.Helper()
	resp, want, err := source.Receive(t.Context(), r)
	if err != nil || len(want) == 0 {
		t.Fatal(resp.Status, len(want), err)
	}
	_, got, err := wire.ToResponse(wire.FromResponse(resp, want, nil))
	if err == nil && reflect.DeepEqual(got, want) {
		return
	}
	t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	for n := range got {
		if got[n].Observation != nil {
			t.Logf("got  %+v %+v\nwant %+v %+v", got[n].Observation, got[n].Observation.Item, want[n].Observation, want[n].Observation.Item)
		}
	}
}

// documents are what a catalog reads, in memory.
type documents map[string]ledger.Doc

// Doc gives one document.
func (d documents) Doc(key string) (ledger.Doc, bool, error) {
	doc, ok := d[key]
	return doc, ok && doc.Value != nil, nil
}

// Docs gives documents in the order of their keys.
func (d documents) Docs(prefix, after string, limit int) (docs []ledger.Doc, err error) {
	for _, key := range slices.Sorted(maps.Keys(d)) {
		if strings.HasPrefix(key, prefix) && key > after && d[key].Value != nil && len(docs) < limit {
			docs = append(docs, d[key])
		}
	}
	return docs, nil
}
