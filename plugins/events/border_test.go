// What the source tells is the same on the host's side of the process border.

package events_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

func TestRecordsCrossTheBorder(t *testing.T) {
	source, ok := open(t, sesame), otn.Response{Status: http.StatusOK}
	for _, body := range []string{
		`{"id":"A","price":"1.500 KWD","stock":null,"tags":["x"],"attrs":{"a":null,"b":0.5,"c":{"time":"2026-12-01T10:00:00Z"},"d":{"money":"5 JPY"}},"refs":["r"],"parts":{"p":null,"q":0}}`,
		`{"kind":"collection","id":"winter","items":["A","B"],"launch_at":"2026-12-01T10:00:00Z","gone":true}`,
		`{"group":"coats","gone":true}`,
		`{"trigger":"doors_open","subject":"A","channel":"shop","recipient":"222","fields":{"note":"gate 4"}}`,
		`{"specversion":"1.0","type":"t","source":"s","id":"1","time":"2026-11-22T11:00:00.5Z","data":{"ref":"r","parts":{"p":3}}}`,
	} {
		want := accepted(t, source, post(body))
		resp, got, err := wire.ToResponse(wire.FromResponse(ok, want, nil))
		if err != nil || resp.Status != ok.Status || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", body, err, got, want)
		}
	}
}
