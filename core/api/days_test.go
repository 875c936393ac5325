// The call that tells days: dates are those of the host's zone.

package api_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// Days answers the moments it was asked for.
func (f *fake) Days(from, to time.Time) ([]core.Day, error) {
	if f.err != nil {
		return nil, f.err
	}
	return []core.Day{{Date: from.Format(time.RFC3339), Granted: 3}, {Date: to.Format(time.RFC3339), Sent: 2}}, nil
}

func (f *fake) Zone() *time.Location { return time.FixedZone("Far/East", 13*3600) }

func TestDays(t *testing.T) {
	door := open(t, &fake{})
	status, text, _ := call(t, door, "GET", "/v1/days?from=2026-11-01&to=2026-11-02", "")
	if status != 200 || !strings.Contains(text, `"zone":"Far/East"`) || !strings.Contains(text, `"date":"2026-11-01T12:00:00+13:00","granted":3`) ||
		!strings.Contains(text, `"date":"2026-11-02T12:00:00+13:00"`) || !strings.Contains(text, `"sent":2`) {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ = call(t, door, "GET", "/v1/days", ""); status != 200 || strings.Count(text, "0001-01-01") != 2 {
		t.Errorf("left out: %d %s", status, text)
	}
	for _, bad := range []string{"from=yesterday", "to=2026-13-01", "from=2026-11-31&to=2026-12-02"} {
		if status, text, _ := call(t, door, "GET", "/v1/days?"+bad, ""); status != 422 {
			t.Errorf("%s: %d %s", bad, status, text)
		}
	}
	door = open(t, &fake{err: errors.Join(otn.ErrInvalid)})
	if status, text, _ := call(t, door, "GET", "/v1/days", ""); status != 422 || !strings.Contains(text, `"invalid"`) {
		t.Errorf("too many: %d %s", status, text)
	}
}
