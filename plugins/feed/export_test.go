// What the tests need of the inside: the clock, and a decoder without a server.

package feed

import (
	"io"
	"net/http"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// SetClock gives a feed a clock.
func (f *Feed) SetClock(now func() time.Time) { f.now = now }

// Decode reads a body as a poll does that a server answers with it.
func (f *Feed) Decode(body io.Reader, contentType string, yield func(otn.Record) error) error {
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(body), ContentLength: -1, ProtoMajor: 2}
	p, err := f.open(answer, false, f.config.MaxSize)
	if err != nil {
		return err
	}
	t := &telling{yield: yield, now: f.now(), seen: map[uint64]struct{}{}}
	switch f.config.Format {
	case "rss":
		_, err = f.rss(p, t, cursor{Key: f.key})
		return err
	case "csv":
		err = f.csv(p, t)
	case "shopify":
		_, _, err = f.storefront(p, t, map[id]bool{})
	default:
		err = f.google(p, t)
	}
	if err != nil {
		return err
	}
	return t.whole()
}
