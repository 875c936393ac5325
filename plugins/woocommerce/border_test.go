// What the source tells is the same on the host's side of the process border.

package woocommerce_test

import (
	"testing"

	"github.com/onetimenotify/otn/plugins/internal/sourcetest"
)

func TestRecordsCrossTheBorder(t *testing.T) {
	source := open(t, plain)
	for _, file := range []string{base, scheduled, onSale, parent, variation, backorder, "product_deleted.json"} {
		t.Run(file, func(t *testing.T) {
			sourcetest.CrossesBorder(t, source, signed(topicOf(file), fixture(t, file)))
		})
	}
}
