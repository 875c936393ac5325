// A shop's webhooks all the way into a catalog: what would become an event.

package shopify_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/catalog"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/shopify"
)

const (
	secret  = "shpss_fixture_secret"
	rotated = "shpss_fixture_secret_rotated"
	small   = "9007199254741001" // the variant S
	medium  = "9007199254741003" // the variant M
	winter  = "5003720921449519"
	domain  = "harbor-pine.myshopify.com"
)

var clock = time.Date(2026, 11, 22, 14, 30, 0, 0, time.UTC)

type vector struct {
	ID, File, Expect string
	Headers          map[string]string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	var all struct{ Vectors []vector }
	if err := json.Unmarshal(fixture(t, "vectors"), &all); err != nil {
		t.Fatal(err)
	}
	return all.Vectors
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// open opens a source as the host does, from its configuration in JSON.
func open(t testing.TB, config string) *channel.Instance {
	t.Helper()
	i, err := shopify.Plugin.Open(t.Context(), []byte(config), channel.Setup{Instance: "store"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

const plain = `{"secrets":["` + secret + `"],"currency":"USD","shop":"` + domain + `"}`

// shop is a source and the catalog behind it.
type shop struct {
	t        testing.TB
	source   *channel.Instance
	catalog  *catalog.Catalog
	docs     map[string]ledger.Doc
	answered otn.Response
	records  []otn.Record
}

func newShop(t testing.TB, config string) *shop {
	s := &shop{t: t, source: open(t, config), docs: map[string]ledger.Doc{}}
	s.catalog = catalog.New(s)
	return s
}

func (s *shop) Doc(key string) (ledger.Doc, bool, error) {
	doc, ok := s.docs[key]
	return doc, ok, nil
}

func (s *shop) Docs(prefix, after string, limit int) (docs []ledger.Doc, err error) {
	for _, key := range slices.Sorted(maps.Keys(s.docs)) {
		if strings.HasPrefix(key, prefix) && key > after && len(docs) < limit {
			docs = append(docs, s.docs[key])
		}
	}
	return docs, nil
}

// send gives the source a body signed by Shopify's secret, and the catalog what the source tells.
func (s *shop) send(topic string, body []byte) []otn.Event {
	s.t.Helper()
	var err error
	s.answered, s.records, err = s.source.Receive(s.t.Context(), signed(topic, body))
	if err != nil {
		s.t.Fatal(err)
	}
	b := &ledger.Batch{}
	for _, r := range s.records {
		if r.Observation == nil {
			continue
		}
		r.Observation.Source = "store"
		if _, err := s.catalog.Observe(b, clock, *r.Observation); err != nil {
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

func (s *shop) item(id string) otn.Item {
	s.t.Helper()
	snap, ok, err := s.catalog.Snapshot(otn.Subject{Kind: otn.ItemKind, ID: id})
	if err != nil || !ok {
		s.t.Fatalf("item %s: %v, %v", id, ok, err)
	}
	return *snap.Item
}

func usd(minor int64) otn.Money { return otn.Money{Minor: minor, Currency: "USD"} }

func pieces(i otn.Item) (int64, bool) { return i.Stock, i.Known.Has(otn.FactStock) }
