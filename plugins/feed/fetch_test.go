// The fetch: conditional, bounded, within one host, and nowhere it should not go.

package feed_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/feed"
)

// tagged serves a file that has an ETag, and says when it is the same.
func tagged(t testing.TB, config, body string) *shop {
	t.Helper()
	return answering(t, config, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, body)
	})
}

// What did not change is not fetched again, by either validator. A cursor of another configuration asks for the whole.
func TestConditionalRequests(t *testing.T) {
	s := tagged(t, googleFeed, fixture(t, "google.tsv"))
	s.first()
	for range 2 {
		s.poll()
		if w := s.whole(); !w.Same || len(s.records) != 1 {
			t.Errorf("got %+v", s.records)
		}
	}
	s.open(googleFeed + `,"currency":"USD"`)
	if s.poll(); s.whole().Same {
		t.Error("another configuration takes what the old one read")
	}
	modified := "Sun, 22 Nov 2026 10:00:00 GMT"
	s = answering(t, googleFeed, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", modified)
		if r.Header.Get("If-Modified-Since") == modified {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "id\na\n")
	})
	s.first()
	if s.poll(); !s.whole().Same {
		t.Error("If-Modified-Since is not sent")
	}
	// A file that was written in the second of the answer can be another one in the same second.
	modified = clock.Format(http.TimeFormat)
	for ago, kept := range map[time.Duration]bool{0: false, 999 * time.Millisecond: false, time.Second: true} {
		s.handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Last-Modified", modified)
			w.Header().Set("Date", clock.Add(ago).Format(http.TimeFormat))
			_, _ = io.WriteString(w, "id\na\n")
		})
		s.cursor, s.asked = "", nil
		s.poll()
		s.poll()
		if got := s.asked[1].Header.Get("If-Modified-Since"); (got != "") != kept {
			t.Errorf("%s after the change: it asks %q", ago, got)
		}
	}
	s.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	s.cursor = ""
	if err := s.try(); err == nil {
		t.Error("a server that answers 304 to who did not ask")
	}
}

// A feed that is cut short fires nothing, wherever it is cut.
func TestP20_ATruncatedFeedFiresNothing(t *testing.T) {
	for _, c := range []struct{ config, file string }{{googleFeed, "google.xml"}, {products, "shopify_products.json"}, {shopifyFeed, "shopify_product_js_cents.json"}} {
		whole := strings.TrimSpace(fixture(t, c.file))
		s := serving(t, c.config, whole)
		for n := range len(whole) {
			s.serve(whole[:n])
			err := s.try()
			if err == nil {
				t.Errorf("%s: %d bytes of %d are taken for the whole", c.file, n, len(whole))
			}
			for _, r := range s.records {
				if r.Whole != nil {
					t.Errorf("%s: %d bytes of %d call themselves whole", c.file, n, len(whole))
				}
			}
		}
	}
	// What ends well and has lost two of three items says so; that is for the host to refuse.
	s := serving(t, googleFeed, fixture(t, "google.truncated.xml"))
	s.first()
	if s.whole() != (otn.Whole{Items: 1}) {
		t.Errorf("whole %+v", s.whole())
	}
	s = serving(t, googleFeed, "id\ttitle\tprice\na\tCoat\t1.00 USD\nb\tHat")
	if err := s.try(); err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("a table that is cut in a line: %v", err)
	}
}

// A connection that breaks is a file that is cut, also where no form could tell.
func TestBrokenConnections(t *testing.T) {
	const lines = "id\ttitle\na\tCoat\nb\tHat\n"
	for name, answer := range map[string]string{
		"a length that is not kept": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + lines,
		"a chunk too few":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(lines), lines),
		"no end of a line":          "HTTP/1.0 200 OK\r\n\r\n" + lines + "c\tMu",
		"packing without its end":   "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + packed(lines)[:30],
		"no packing at all":         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + lines,
		"another packing":           "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n" + lines,
		"half an answer":            "HTTP/1.1 200",
	} {
		s := answering(t, googleFeed, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		})
		if err := s.try(); err == nil {
			t.Errorf("%s: %+v", name, s.records)
		}
	}
}

func packed(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func TestPackedFeeds(t *testing.T) {
	text := fixture(t, "google.tsv")
	for name, answer := range map[string]func(w http.ResponseWriter){
		"by the server": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, packed(text))
		},
		"as a file": func(w http.ResponseWriter) { _, _ = io.WriteString(w, packed(text)) },
		"both": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, packed(packed(text)))
		},
	} {
		s := answering(t, googleFeed, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("it asks for %q", r.Header.Get("Accept-Encoding"))
			}
			answer(w)
		})
		s.first()
		if s.whole().Items != 2 {
			t.Errorf("%s: %d items", name, s.whole().Items)
		}
	}
}

// A bomb ends at its ratio, whatever max_size allows, and any file ends at max_size.
func TestP39_SizeIsBounded(t *testing.T) {
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	_, _ = io.WriteString(z, "id\ttitle\n")
	for range 200_000 {
		_, _ = io.WriteString(z, "a\t"+strings.Repeat("x", 1000)+"\n")
	}
	_ = z.Close()
	for name, encoding := range map[string]string{"a file": "", "an answer": "gzip"} {
		s := answering(t, googleFeed+`,"max_size":1000000000`, func(w http.ResponseWriter, _ *http.Request) {
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
			}
			_, _ = w.Write(bomb.Bytes())
		})
		if err := s.try(); err == nil || !strings.Contains(err.Error(), "packed 200 times") {
			t.Errorf("%s of %d bytes: %v", name, bomb.Len(), err)
		}
	}
	s := answering(t, googleFeed+`,"max_size":100000`, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "id\ttitle\n")
		for n := 0; r.Context().Err() == nil; n++ {
			if _, err := fmt.Fprintf(w, "item-%d\tx\n", n); err != nil {
				return
			}
		}
	})
	if err := s.try(); err == nil || !strings.Contains(err.Error(), "larger than max_size (100000 bytes)") || len(s.records) > 20_000 {
		t.Errorf("a file without end: %d records, %v", len(s.records), err)
	}
	s = serving(t, googleFeed+`,"max_size":100`, "id\n"+strings.Repeat("a", 200))
	if err := s.try(); err == nil || !strings.Contains(err.Error(), "max_size") {
		t.Errorf("a file of 203 bytes: %v", err)
	}
}

// A server that hangs, before its answer or in it, ends at the time limit.
func TestP39_TimeIsBounded(t *testing.T) {
	for name, begin := range map[string]string{"before its answer": "", "in its answer": "id\ttitle\na\tb\n"} {
		s := answering(t, googleFeed+`,"timeout":"100ms"`, func(w http.ResponseWriter, r *http.Request) {
			if begin != "" {
				_, _ = io.WriteString(w, begin)
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		})
		if err := s.try(); err == nil || !strings.Contains(err.Error(), "it took longer than 100ms") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Redirects are followed within the host, and nowhere else.
func TestP39_RedirectsStayOnTheHost(t *testing.T) {
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere = append(elsewhere, r.URL.String()) }))
	defer other.Close()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(other.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	target := ""
	s := answering(t, googleFeed+`,"user":"ann","password":"s3cret"`, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "s3cret" {
			t.Errorf("%s comes as %q", r.URL, user)
		}
		switch {
		case r.URL.Path == "/there":
			_, _ = io.WriteString(w, "id\na\n")
		case strings.HasPrefix(r.URL.Path, "/round"):
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		default:
			http.Redirect(w, r, target, http.StatusFound)
		}
	})
	target = "/there"
	s.first()
	if s.whole().Items != 1 {
		t.Error("a redirect within the host is not followed")
	}
	for to, why := range map[string]string{
		"http://localhost:" + port + "/x": "another host", other.URL + "/x": "another port", "http://169.254.169.254/latest": "another host", "/round": "more than 5",
		"file:///etc/passwd": "another host", "https://127.0.0.1/x": "another port",
	} {
		target = to
		if err := s.try(); err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("to %s: %v", to, err)
		}
	}
	if len(elsewhere) > 0 {
		t.Errorf("it was led to %q", elsewhere)
	}
}

// Addresses that are not public are refused at the connection, whatever way they are written, unless the operator allows
// them; a cloud's own never.
func TestP39_PrivateAddressesAreRefused(t *testing.T) {
	s := serving(t, googleFeed, "id\na\n")
	port := s.server.Listener.Addr().(*net.TCPAddr).Port
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "[::]",
		"[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "255.255.255.255",
	} {
		s.open(fmt.Sprintf(googleFeed+`,"allow_private":false,"url":"http://%s:%d/feed?key=s3cret","timeout":"5s"`, host, port))
		err := s.try()
		if !errors.Is(err, otn.ErrRefused) || !strings.Contains(err.Error(), "allow_private") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", host, err)
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("it connected %d times", len(s.asked))
	}
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "0.0.0.0", "224.0.0.1"} {
		s.open(fmt.Sprintf(googleFeed+`,"url":"http://%s:%d/feed","timeout":"5s"`, host, port))
		if err := s.try(); !errors.Is(err, otn.ErrRefused) {
			t.Errorf("%s where private addresses are allowed: %v", host, err)
		}
	}
	s.open(fmt.Sprintf(googleFeed+`,"url":"http://localhost:%d/feed"`, port))
	s.first()
}

// An answer that is no file is said with its number, and with the time that the server asks for.
func TestAnswersThatAreNoFile(t *testing.T) {
	for status, after := range map[int]string{200: "", 204: "", 206: "", 401: "", 404: "", 410: "", 429: "120", 500: "", 503: clock.Add(time.Hour).Format(http.TimeFormat)} {
		s := answering(t, googleFeed, func(w http.ResponseWriter, _ *http.Request) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(status)
		})
		err := s.try()
		if err == nil || status != 200 && !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("%d: %v", status, err)
		}
		wait := map[int]time.Duration{429: 2 * time.Minute, 503: time.Hour}[status]
		if se := (*otn.SendError)(nil); errors.As(err, &se) != (wait > 0) || se != nil && se.After != wait {
			t.Errorf("%d: %v", status, err)
		}
	}
	s := serving(t, googleFeed, "")
	s.server.Close()
	if err := s.try(); err == nil || strings.Contains(err.Error(), "/feed") || !strings.HasPrefix(err.Error(), "feed: 127.0.0.1:") {
		t.Errorf("a server that is away: %v", err)
	}
}

// Character sets: the mark knows best, then the server, then the file, then the configuration.
func TestCharsets(t *testing.T) {
	latin := func(s string) string { return must(charmap.ISO8859_1.NewEncoder().String(s)) }
	utf16 := func(s string) string {
		return must(unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(s))
	}
	little := func(s string) string {
		return must(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(s))
	}
	xml := func(declared string) string {
		return `<?xml version="1.0"` + declared + `?><rss><channel><item><id>a</id><title>Café</title></item></channel></rss>`
	}
	const lines = "id\ttitle\na\tCafé\n"
	for name, c := range map[string]struct{ config, header, body string }{
		"declared":                {googleFeed, "", latin(xml(` encoding="ISO-8859-1"`))},
		"utf-8":                   {googleFeed, "", xml(` encoding="utf-8"`)},
		"the server":              {googleFeed, "text/xml; charset=iso-8859-1", latin(xml(""))},
		"the server knows better": {googleFeed, "text/xml; charset=utf-8", xml(` encoding="ISO-8859-1"`)},
		"the mark":                {googleFeed, "text/xml; charset=iso-8859-1", utf16(xml(` encoding="UTF-16"`))},
		"the little mark":         {googleFeed, "", little(xml(` encoding="UTF-16"`))},
		"utf-8 with a mark":       {googleFeed, "", "\ufeff" + xml(` encoding="UTF-8"`)},
		"the configuration":       {googleFeed + `,"charset":"windows-1252"`, "", latin(xml(""))},
		"the file knows better":   {googleFeed + `,"charset":"windows-1251"`, "", latin(xml(` encoding="latin1"`))},
		"a table":                 {googleFeed, "", lines},
		"a table with a mark":     {googleFeed, "", "\ufeff" + lines},
		"a table in UTF-16":       {googleFeed, "", little(lines)},
		"a table of a server":     {googleFeed, "text/plain; charset=ISO-8859-1", latin(lines)},
		"a table of ours":         {googleFeed + `,"charset":"iso-8859-1"`, "", latin(lines)},
		"an odd server":           {googleFeed, "text/plain; charset=klingon", lines},
		"JSON":                    {shopifyFeed, "", "\ufeff" + `{"product":{"id":1,"title":"Café","variants":[{"id":7,"sku":"a"}]}}`},
	} {
		s := answering(t, c.config, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.header)
			_, _ = io.WriteString(w, c.body)
		})
		if err := s.try(); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := s.records[0].Observation.Item.Title; got != "Café" {
			t.Errorf("%s: %q", name, got)
		}
	}
	s := serving(t, googleFeed, latin(lines))
	s.first()
	if got := s.item("a").Title; got != "Caf\uFFFD" {
		t.Errorf("what nobody tells: %q", got)
	}
	s.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="klingon"?><rss/>`)
	})
	if err := s.try(); err == nil || !strings.Contains(err.Error(), "klingon") {
		t.Errorf("a character set that nobody knows: %v", err)
	}
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

// Every fault of a configuration is found, at its field, and nothing is fetched by it.
func TestConfigurationsThatCannotBe(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                               "format: is required; url: is required",
		`{"format":"google","url":"shop"}`: "url: want an address",
		`{"format":"google","url":"ftp://shop.example/x"}`:                                                      "url: want an address",
		`{"format":"google","url":"https://ann:s3cret@shop.example/x"}`:                                         "url: holds a user",
		`{"format":"html","url":"https://shop.example/x"}`:                                                      "format: want one of",
		`{"format":"shopify","url":"https://shop.example/products.json"}`:                                       "currency: is missing",
		`{"format":"rss","url":"https://shop.example/x"}`:                                                       "trigger: is missing",
		`{"format":"google","url":"https://shop.example/x","trigger":"news"}`:                                   "trigger: is for format rss",
		`{"format":"google","url":"https://shop.example/x","currency":"EURO","charset":"klingon","user":"ann"}`: "currency: \"EURO\" is no ISO 4217 code; charset: \"klingon\" is not known; user: user and password go together",
		`{"format":"csv","url":"https://shop.example/x","columns":{"prize":"Price"}}`:                           "columns.prize: is no fact",
		`{"format":"google","url":"https://shop.example/x","id":"sku","comma":";","attrs":[]}`:                  "id: is for format shopify; comma: is for format csv",
	} {
		_, err := feed.Plugin.Open(t.Context(), []byte(config), channel.Setup{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
	if _, err := feed.New(feed.Config{Format: "google", URL: "https://shop.example/feed.xml"}); err != nil {
		t.Errorf("from a program of one's own: %v", err)
	}
	if _, err := feed.New(feed.Config{Format: "html", URL: "https://shop.example/feed.xml"}); err == nil {
		t.Error("a format that does not exist")
	}
	// A host that gives up in the middle is heeded.
	s := answering(t, googleFeed, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := s.source.Poll(ctx, "", func(otn.Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
