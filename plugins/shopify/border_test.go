// What the source tells is the same on the host's side of the process border.

package shopify_test

import (
	"reflect"
	"testing"

	"github.com/onetimenotify/otn/plugins/internal/wire"
)

func TestRecordsCrossTheBorder(t *testing.T) {
	source := open(t, plain[:len(plain)-1]+`,"locations":["24826418","24826420"]}`)
	for topic, body := range map[string][]byte{
		"products/update": fixture(t, "products_update.2_price_drop"), "products/create": fixture(t, "products_update.5_draft_not_buyable"),
		"variants/in_stock": fixture(t, "variants_in_stock"), "inventory_levels/update": fixture(t, "inventory_levels_update.loc24826420"),
		"collections/update": fixture(t, "collections_update.published"), "collections/create": fixture(t, "collections_create.unpublished"),
		"products/delete": []byte(`{"id":9007199254740993}`), "collections/delete": []byte(`{"id":5003720921449519}`), "customers/redact": fixture(t, "customers_redact"),
	} {
		resp, want, err := source.Receive(t.Context(), signed(topic, body))
		if err != nil || len(want) == 0 {
			t.Fatal(topic, resp.Status, err)
		}
		_, got, err := wire.ToResponse(wire.FromResponse(resp, want, nil))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", topic, err, got, want)
			for n := range got {
				if got[n].Observation != nil {
					t.Logf("got  %+v %+v\nwant %+v %+v", got[n].Observation, got[n].Observation.Item, want[n].Observation, want[n].Observation.Item)
				}
			}
		}
	}
}
