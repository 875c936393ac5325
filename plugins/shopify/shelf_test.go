// The fixtures and their signatures, and a shop whose webhooks end in a catalog.

package shopify_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/internal/sourcetest"
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

func open(t testing.TB, config string) *channel.Instance {
	t.Helper()
	return sourcetest.Open(t, shopify.Plugin, config)
}

const plain = `{"secrets":["` + secret + `"],"currency":"USD","shop":"` + domain + `"}`

type shop struct{ *sourcetest.Shelf }

func newShop(t testing.TB, config string) shop {
	t.Helper()
	return shop{sourcetest.NewShelf(t, open(t, config))}
}

// send gives the source a body signed by Shopify's secret, and the catalog what the source tells.
func (s shop) send(topic string, body []byte) []otn.Event { return s.Take(signed(topic, body)) }

func usd(minor int64) otn.Money { return otn.Money{Minor: minor, Currency: "USD"} }

func pieces(i *otn.Item) (int64, bool) { return i.Stock, i.Known.Has(otn.FactStock) }
