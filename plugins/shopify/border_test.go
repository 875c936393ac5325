// What the source tells is the same on the host's side of the process border.

package shopify_test

import (
	"testing"

	"github.com/onetimenotify/otn/plugins/internal/sourcetest"
)

func TestRecordsCrossTheBorder(t *testing.T) {
	source := open(t, plain[:len(plain)-1]+`,"locations":["24826418","24826420"]}`)
	for topic, body := range map[string][]byte{
		"products/update": fixture(t, "products_update.2_price_drop"), "products/create": fixture(t, "products_update.5_draft_not_buyable"),
		"variants/in_stock": fixture(t, "variants_in_stock"), "inventory_levels/update": fixture(t, "inventory_levels_update.loc24826420"),
		"collections/update": fixture(t, "collections_update.published"), "collections/create": fixture(t, "collections_create.unpublished"),
		"products/delete": []byte(`{"id":9007199254740993}`), "collections/delete": []byte(`{"id":5003720921449519}`), "customers/redact": fixture(t, "customers_redact"),
	} {
		t.Run(topic, func(t *testing.T) { sourcetest.CrossesBorder(t, source, signed(topic, body)) })
	}
}
