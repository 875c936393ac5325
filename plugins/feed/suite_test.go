// What every polled source owes its host, for each format; whatever bytes a server sends; and a feed of any size.

package feed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channeltest"
	"github.com/onetimenotify/otn/plugins/feed"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

func TestPollerSuite(t *testing.T) {
	for name, c := range map[string]struct{ config, file string }{
		"google xml": {googleFeed, "google.xml"}, "google tsv": {googleFeed, "google.tsv"}, "products.json": {products, "shopify_products.json"},
		"cents": {shopifyFeed, "shopify_product_js_cents.json"}, "csv": {table, "google.tsv"}, "rss": {rssFeed, "rss.2_second_fetch.xml"},
	} {
		t.Run(name, func(t *testing.T) {
			config, body := c.config, fixture(t, c.file)
			if config == table {
				config += `,"comma":"tab"`
			}
			channeltest.RunPoller(t, func(t testing.TB) channeltest.Poller { return serving(t, config, body).source },
				channeltest.Breaks("ends half way", func(t testing.TB) channeltest.Poller {
					return answering(t, config, func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Content-Length", fmt.Sprint(len(body)))
						_, _ = io.WriteString(w, body[:len(body)/2])
					}).source
				}),
				channeltest.Breaks("hangs", func(t testing.TB) channeltest.Poller {
					return answering(t, config+`,"timeout":"200ms"`, func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.WriteString(w, body[:len(body)/2])
						w.(http.Flusher).Flush()
						<-r.Context().Done()
					}).source
				}),
				channeltest.Breaks("never ends", func(t testing.TB) channeltest.Poller {
					return answering(t, config+`,"max_size":1000000`, func(w http.ResponseWriter, r *http.Request) {
						for r.Context().Err() == nil {
							if _, err := io.WriteString(w, body+"\n"); err != nil {
								return
							}
						}
					}).source
				}),
			)
		})
	}
}

// What the source tells is the same on the host's side of the process border.
func TestRecordsCrossTheBorder(t *testing.T) {
	for _, c := range []struct{ config, file string }{{googleFeed + `,"attrs":["condition"]`, "google.xml"}, {products, "shopify_products.json"}, {rssFeed, "rss.2_second_fetch.xml"}} {
		s := serving(t, c.config, fixture(t, c.file))
		if c.config == rssFeed {
			s.serve(fixture(t, "rss.1_first_fetch.xml"))
			s.poll()
			s.serve(fixture(t, c.file))
		}
		s.poll()
		for _, r := range s.records {
			if r.Observation != nil {
				r.Observation.Source = ""
			}
			m, err := wire.FromRecord(r)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := wire.ToRecord(m); err != nil || !reflect.DeepEqual(got, r) {
				t.Errorf("%s: %v\ngot  %+v\nwant %+v", c.file, err, got, r)
			}
		}
	}
}

// fuzz reads whatever bytes there are: nothing panics, what is told can cross the border, and what failed is not whole.
func fuzz(f *testing.F, c feed.Config, seeds ...string) {
	c.URL = "https://shop.example/products.json"
	source, err := feed.New(c)
	if err != nil {
		f.Fatal(err)
	}
	source.SetClock(func() time.Time { return clock })
	for _, s := range seeds {
		f.Add([]byte(s), "text/plain; charset=utf-8")
		f.Add([]byte(s[:len(s)/2]), "")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		items, whole := 0, false
		err := source.Decode(strings.NewReader(string(body)), contentType, func(r otn.Record) error {
			m, err := wire.FromRecord(r)
			if err == nil {
				_, err = proto.Marshal(m)
			}
			if err != nil {
				t.Errorf("%+v cannot cross: %v", r, err)
			}
			if r.Observation != nil {
				items++
			}
			if whole = r.Whole != nil; whole && r.Whole.Items != items {
				t.Errorf("%d items call themselves %d", items, r.Whole.Items)
			}
			return nil
		})
		if whole != (err == nil && c.Format != "rss") {
			t.Errorf("whole: %v, %v", whole, err)
		}
	})
}

func FuzzGoogleXML(f *testing.F) {
	fuzz(f, feed.Config{Format: "google", Attrs: []string{"condition"}}, fixture(f, "google.xml"), fixture(f, "google.truncated.xml"), gitem(fmt.Sprintf(november, "2026-11-22/2026-11-23")))
}

func FuzzGoogleTSV(f *testing.F) {
	fuzz(f, feed.Config{Format: "google"}, fixture(f, "google.tsv"), "id\tprice\n\"a\t1,099 JPY\n")
}

func FuzzCSV(f *testing.F) {
	fuzz(f, feed.Config{Format: "csv", Currency: "USD"}, "id,price,stock,attrs.x,tags\na,1.00,3,\"y\n\",b|c\n", "id;title\n")
}

func FuzzShopify(f *testing.F) {
	fuzz(f, feed.Config{Format: "shopify", Currency: "USD"}, fixture(f, "shopify_products.json"), fixture(f, "shopify_product_js_cents.json"), `{"product":{"id":1,"variants":[{"id":2}]}}`)
}

func FuzzRSS(f *testing.F) {
	fuzz(f, feed.Config{Format: "rss", Trigger: "news"}, fixture(f, "rss.1_first_fetch.xml"), fixture(f, "rss.2_second_fetch.xml"), `<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id></entry></feed>`)
}

// A cursor is whatever somebody kept: it is read, or it is the beginning.
func FuzzCursor(f *testing.F) {
	s := serving(f, rssFeed, fixture(f, "rss.1_first_fetch.xml"))
	s.poll()
	f.Add(s.cursor)
	f.Add(`{"k":"x","s":"AAA="}`)
	f.Fuzz(func(t *testing.T, cursor string) {
		if next, err := s.source.Poll(t.Context(), cursor, func(otn.Record) error { return nil }); err != nil || len(next) > otn.MaxCursor {
			t.Errorf("%q: %d bytes, %v", cursor, len(next), err)
		}
	})
}

// endless makes a feed of so many bytes, about a kilobyte an item.
type endless struct {
	item func(n int) string
	tail string
	left int
	n    int
	text string
}

func (e *endless) Read(b []byte) (int, error) {
	if e.text == "" {
		switch {
		case e.left > 0:
			e.text = e.item(e.n)
			e.n++
			e.left -= len(e.text)
		case e.tail != "":
			e.text, e.tail = e.tail, ""
		default:
			return 0, io.EOF
		}
	}
	n := copy(b, e.text)
	e.text = e.text[n:]
	return n, nil
}

// large are the feeds by name, each with its items.
func large(size int) map[string]struct {
	config feed.Config
	body   io.Reader
} {
	long := strings.Repeat("A coat for the harbour. ", 40)
	type of = struct {
		config feed.Config
		body   io.Reader
	}
	return map[string]of{
		"xml": {feed.Config{Format: "google"}, io.MultiReader(strings.NewReader(`<rss xmlns:g="http://base.google.com/ns/1.0"><channel>`), &endless{left: size, tail: "</channel></rss>", item: func(n int) string {
			return fmt.Sprintf("<item><g:id>sku-%d</g:id><g:price>149.00 USD</g:price><g:availability>in stock</g:availability><description>%s</description></item>", n, long)
		}})},
		"tsv": {feed.Config{Format: "google"}, io.MultiReader(strings.NewReader("id\tprice\tdescription\n"), &endless{left: size, item: func(n int) string { return fmt.Sprintf("sku-%d\t149.00 USD\t%s\n", n, long) }})},
		"json": {feed.Config{Format: "shopify", Currency: "USD"}, io.MultiReader(strings.NewReader(`{"products":[{"id":1,"variants":[]}`), &endless{left: size, tail: "]}", item: func(n int) string {
			return fmt.Sprintf(`,{"id":%d,"body_html":%q,"variants":[{"id":%d,"price":"149.00"}]}`, n, long, n)
		}})},
	}
}

// read reads a large feed, and gives the most memory that it took beyond what was there.
func read(t testing.TB, c feed.Config, body io.Reader) (items int, most uint64) {
	t.Helper()
	c.URL, c.MaxSize = "https://shop.example/products.json", 1<<30
	source, err := feed.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before := m.HeapAlloc
	err = source.Decode(body, "", func(r otn.Record) error {
		if items++; items%5000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc-min(before, m.HeapAlloc))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return items, most
}

// Memory does not grow with the file: an item that was told leaves its hash.
func TestLargeFeedsAreReadInBoundedMemory(t *testing.T) {
	for name, f := range large(24 << 20) {
		items, most := read(t, f.config, f.body)
		if items < 20_000 || most > 4<<20 {
			t.Errorf("%s: %d records, %d bytes at most", name, items, most)
		}
	}
}

func BenchmarkLargeFeed(b *testing.B) {
	for _, name := range []string{"xml", "tsv", "json"} {
		b.Run(name, func(b *testing.B) {
			const size = 200 << 20
			b.SetBytes(size)
			for b.Loop() {
				f := large(size)[name]
				items, most := read(b, f.config, f.body)
				b.ReportMetric(float64(most)/(1<<20), "MiB-live")
				b.ReportMetric(float64(items), "items")
			}
		})
	}
}

// The host that stops the poll is told what it said itself.
func TestStoppedByItsHost(t *testing.T) {
	s := serving(t, googleFeed, fixture(t, "google.xml"))
	full := errors.New("full")
	if _, err := s.source.Poll(context.WithoutCancel(t.Context()), "", func(otn.Record) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}
