// Bad input: refused before the host sees any of it, each in its own way.

package api_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/api"
)

// nested is a value below so many others.
func nested(open, inner, end string, depth int) string {
	return strings.Repeat(open, depth) + inner + strings.Repeat(end, depth)
}

func TestBadBodies(t *testing.T) {
	const ask, observe, sends = "/v1/asks", "/v1/observations", "/v1/sends"
	good := `{"channel":"shop","recipient":"2","topic":"t"}`
	for name, c := range map[string]struct {
		path, body, kind string
		status           int
		code             string
	}{
		"larger than a mebibyte":       {observe, `{"observations":[{"id":"` + strings.Repeat("x", 1<<20) + `"}]}`, "", 413, "too_large"},
		"too large for a call without": {"/v1/runs/r1/approve", strings.Repeat(" ", 1<<20+1), "", 413, "too_large"},
		"lists in lists":               {observe, `{"observations":` + nested("[", "", "]", 100_000) + `}`, "", 400, "malformed"},
		"objects in objects":           {sends, nested(`{"a":`, "1", "}", 100_000), "", 400, "malformed"},
		"deep within an observation":   {observe, `{"observations":[{"id":"A","tags":` + nested("[", "", "]", 33) + `}]}`, "", 400, "malformed"},
		"deep and never closed":        {ask, strings.Repeat("[", 1<<19), "", 400, "malformed"},
		"brackets in a text":           {ask, `{"channel":"shop","recipient":"` + strings.Repeat("[", 64) + `\"","topic":"t"}`, "", 202, ""},
		"two documents":                {ask, good + good, "", 400, "malformed"},
		"rubbish behind":               {ask, good + "x", "", 400, "malformed"},
		"not JSON":                     {ask, "channel: shop", "", 400, "malformed"},
		"nothing":                      {ask, "", "", 400, "malformed"},
		"null":                         {ask, "null", "", 422, "invalid"},
		"a list":                       {ask, "[]", "", 422, "invalid"},
		"an unknown field":             {ask, `{"channel":"shop","recipient":"2","topic":"t","admin":true}`, "", 422, "invalid"},
		"a form of a web page":         {ask, "channel=shop", "application/x-www-form-urlencoded", 415, "unsupported_media_type"},
		"a plain text of a web page":   {ask, good, "text/plain", 415, "unsupported_media_type"},
		"a thousand and one":           {observe, `{"observations":[` + strings.Repeat(`{"id":"A"},`, 1000) + `{"id":"A"}]}`, "", 422, "invalid"},
		"a long name":                  {ask, `{"channel":"shop","recipient":"` + strings.Repeat("2", 129) + `","topic":"t"}`, "", 422, "invalid"},
		"a number out of all bounds":   {"/v1/rules/replay", `{"people":1e400}`, "", 400, "malformed"},
		"a moment that is none":        {sends, `{"topic":"t","message":{"text":"x"},"at":"tomorrow"}`, "", 422, "invalid"},
	} {
		f := &fake{}
		headers := []string{}
		if c.kind != "" {
			headers = []string{"Content-Type", c.kind}
		}
		status, text, _ := call(t, open(t, f), "POST", c.path, c.body, headers...)
		if status != c.status || !strings.Contains(text, c.code) || c.status != 202 && f.got != nil {
			t.Errorf("%s: %d %.200s, the host got %v", name, status, text, f.got)
		}
	}
}

// What a path names is one name, whatever is in it, and leads nowhere else.
func TestBadPaths(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       []int
		got          any
	}{
		{"GET", "/v1/consents/..%2F..%2Fkeys", []int{200}, nil},
		{"GET", "/v1/consents/../keys", []int{307, 200}, nil}, // a client that cleans its path asks for the keys, with its own key
		{"GET", "/v1//keys", []int{307, 301, 404, 200}, nil},
		{"GET", "/v1/consents/%00", []int{200, 422}, nil},
		{"GET", "/v1/consents/" + strings.Repeat("x", 129), []int{422}, nil},
		{"GET", "/v1/consents/" + strings.Repeat("x", 8000), []int{422}, nil},
		{"DELETE", "/v1/subscribers/shop/", []int{404}, nil},
		{"DELETE", "/v1/subscribers/shop", []int{404, 405}, nil},
		{"DELETE", "/v1/subscribers/..%2Fshop/222", []int{200}, "erase ../shop 222"},
		{"DELETE", "/v1/runs/r1", []int{405}, nil},
		{"POST", "/v1/topics", []int{405}, nil},
		{"TRACE", "/v1/topics", []int{405}, nil},
		{"GET", "/v1/runs/r1/approve", []int{405}, nil},
		{"GET", "/debug/pprof/", []int{404}, nil},
		{"GET", "/v1", []int{404}, nil},
		{"GET", "/openapi.json/../v1/topics", []int{307, 301, 404, 200}, nil},
	} {
		f := &fake{}
		status, text, _ := call(t, open(t, f), c.method, c.path, "", "X-HTTP-Method-Override", "DELETE")
		if !strings.Contains(fmt.Sprint(c.status), fmt.Sprint(status)) || fmt.Sprint(f.got) != fmt.Sprint(c.got) {
			t.Errorf("%s %.60s: %d %.200s, the host got %v", c.method, c.path, status, text, f.got)
		}
	}
	// A path that begins like the document, as it is on the wire, opens nothing to strangers.
	for _, path := range []string{"/openapi.json/../v1/topics", "/openapi/../v1/topics", "/openapi.json%2F..%2Fv1%2Ftopics", "/openapi"} {
		f := &fake{}
		if status, text := rawGet(t, open(t, f).Listener.Addr().String(), path); status == 200 || f.got != nil {
			t.Errorf("%s: a stranger is answered with %d %.100s", path, status, text)
		}
	}
}

// rawGet asks without a key for a path as it is written.
func rawGet(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's connection
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// A body that breaks off, and one that comes too slowly: the host hears of neither.
func TestBrokenBodies(t *testing.T) {
	f := &fake{}
	s := httptest.NewUnstartedServer(api.New(f, api.Options{Log: slog.New(slog.DiscardHandler)}))
	s.Config.ReadTimeout = 200 * time.Millisecond
	s.Start()
	defer s.Close()
	for name, c := range map[string]struct {
		end    func(net.Conn)
		status int
	}{
		"breaks off":         {func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }, 400},
		"is shorter":         {func(c net.Conn) { _, _ = io.WriteString(c, "}\r\n\r\n"); _ = c.(*net.TCPConn).CloseWrite() }, 400},
		"comes after a year": {func(net.Conn) {}, 408},
	} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "POST /v1/runs/r1/approve HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", key)
		c.end(conn)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != c.status || f.got != nil {
			t.Errorf("%s: %v %v, the host got %v", name, resp, err, f.got)
		}
		_ = conn.Close()
	}
}
