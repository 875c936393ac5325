// What the operator's door tells a supervisor and Prometheus of a daemon that runs.

package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
)

// runs is a daemon that runs until the test ends, with its doors.
func runs(t *testing.T, d *daemon) (at doors) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	open, ended := make(chan doors, 1), make(chan error, 1)
	d.ready = func(at doors) { open <- at }
	go func() { ended <- d.run(ctx, ctx) }()
	select {
	case err := <-ended:
		stop()
		t.Fatal(err)
	case at = <-open:
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return at
}

// ask gets a page of the operator's door.
func ask(t *testing.T, at doors, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at.Admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// isUp waits for the daemon's channel.
func isUp(t *testing.T, c *api.Client) {
	t.Helper()
	eventually(t, func() bool {
		var page api.Channels
		return c.Get(t.Context(), "/v1/channels", nil, &page) == nil && page.Channels[0].State == "ready"
	})
}

// A daemon that runs tells what it did, what its channel's process did, and nobody's name.
func TestScrapeOfADaemon(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	k, d := hanging(t)
	at := runs(t, d)
	c, err := k.client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.HTTP.CloseIdleConnections()
	isUp(t, c)
	for path, body := range map[string]string{
		"/v1/observations": `{"observations":[{"id":"SKU-1","title":"Coat","url":"https://shop.example/coat","price":"120.00 USD"}]}`,
		"/v1/consents":     `{"channel":"shop","recipient":"someone-in-particular","topic":"price-drop","subject":"SKU-1","token":"t-canary"}`,
	} {
		var answer any
		if err := c.Post(t.Context(), path, "", raw(body), &answer); err != nil {
			t.Fatal(err)
		}
	}
	has := func(lines ...string) bool {
		_, text := ask(t, at, "/metrics")
		for _, l := range lines {
			if !strings.Contains(text, "\n"+l+"\n") {
				return false
			}
		}
		return true
	}
	eventually(t, func() bool {
		return has("otn_ready 1", "otn_consents_total 1", `otn_topic_consents{state="waiting",topic="price-drop"} 1`,
			`otn_plugin_state{instance="shop",plugin="mock",state="ready"} 1`, `otn_plugin_restarts_total{instance="shop"} 0`, "otn_journal_behind 0")
	})
	_, text := ask(t, at, "/metrics")
	for _, secret := range []string{"someone-in-particular", "t-canary", "SKU-1"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is told to whoever scrapes", secret)
		}
	}
	for _, name := range []string{"otn_store_write_seconds_count 0", "otn_witness_write_seconds_count 0", "otn_disk_free_bytes 0"} {
		if strings.Contains(text, "\n"+name+"\n") {
			t.Errorf("nothing was measured: %s", name)
		}
	}
}

// With a collector, the daemon's steps arrive there: the ends of the path, in one trace, and nobody's name.
func TestTracesOfADaemon(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	got := make(chan string, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	t.Cleanup(collector.Close)
	k, d := hanging(t)
	k.config.Traces = collector.URL
	if d.traces = k.traces(); d.traces == nil {
		t.Fatal("an endpoint is configured, and nothing is traced")
	}
	ctx, stop := context.WithCancel(t.Context())
	open, ended := make(chan doors, 1), make(chan error, 1)
	d.ready = func(at doors) { open <- at }
	go func() { ended <- d.run(ctx, t.Context()) }()
	<-open
	c, err := k.client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.HTTP.CloseIdleConnections()
	isUp(t, c)
	var answer any
	if err := c.Post(t.Context(), "/v1/consents", "", raw(`{"channel":"shop","recipient":"someone-in-particular","topic":"price-drop","subject":"SKU-1","token":"t-canary"}`), &answer); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	close(got)
	all := ""
	for text := range got {
		all += text
	}
	if !strings.Contains(all, "take") || !strings.Contains(all, "otn.instance") {
		t.Errorf("nothing arrived: %q", all)
	}
	for _, secret := range []string{"someone-in-particular", "t-canary"} {
		if strings.Contains(all, secret) {
			t.Errorf("%s is told to the collector", secret)
		}
	}
}

// Traces are off until somebody says where they go.
func TestTracesAreOff(t *testing.T) {
	k, _ := hanging(t)
	for _, c := range []struct {
		endpoint string
		env      []string
		on       bool
		keep     float64
	}{
		{"", nil, false, 0},
		{"http://127.0.0.1:4318", nil, true, 1},
		{"", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"}, true, 1},
		{"", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:4318/v1/traces", "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1"}, true, 0.1},
		{"http://127.0.0.1:4318", []string{"OTEL_TRACES_SAMPLER=always_off"}, true, 0},
		{"http://127.0.0.1:4318", []string{"OTEL_SDK_DISABLED=true"}, false, 0},
		{"http://127.0.0.1:4318", []string{"OTEL_TRACES_EXPORTER=none"}, false, 0},
	} {
		k.env, k.config.Traces = c.env, c.endpoint
		s := k.traces()
		if s != nil != c.on || s != nil && (s.Keep != c.keep || s.Endpoint != c.endpoint) {
			t.Errorf("%q %v: %+v", c.endpoint, c.env, s)
		}
	}
}

// Ready says what is missing, and that a channel that is down makes nobody unready.
func TestReadyz(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	_, d := hanging(t)
	at := runs(t, d)
	if code, text := ask(t, at, "/livez"); code != http.StatusOK || text != "alive\n" {
		t.Errorf("/livez: %d %q", code, text)
	}
	if code, text := ask(t, at, "/readyz"); code != http.StatusOK || text != "ready\n" {
		t.Errorf("/readyz: %d %q", code, text)
	}
	var state readiness
	eventually(t, func() bool {
		_, text := ask(t, at, "/readyz?verbose")
		state = readiness{}
		return json.Unmarshal([]byte(text), &state) == nil && !slices.ContainsFunc(state.Checks, func(c check) bool { return !c.OK })
	})
	if !state.Ready || len(state.Checks) != 2 || state.Checks[0].Name != "store" || !state.Checks[0].Needed || state.Checks[1].Name != "shop" || state.Checks[1].Needed {
		t.Errorf("got %+v", state)
	}
}

// down is an instance in quarantine.
type down struct{ living }

func (down) State() plugins.State { return plugins.State{Phase: plugins.Quarantined} }

func TestNotReadyYet(t *testing.T) {
	host, err := core.New(core.Config{Memory: core.NewMemory(), Rules: rulesOf(t)})
	if err != nil {
		t.Fatal(err)
	}
	h := &health{host: host, processes: map[string]living{"shop": down{}}, mayScrape: func(*http.Request) bool { return true }}
	mux := http.NewServeMux()
	h.register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "not ready: store is being opened\n" || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz?verbose", nil))
	var state readiness
	if err := json.Unmarshal(w.Body.Bytes(), &state); err != nil || state.Ready || w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %+v %v", w.Code, state, err)
	}
	if shop := state.Checks[1]; shop.OK || shop.Found != "is quarantined" {
		t.Errorf("the channel: %+v", shop)
	}
}

// Where others reach the operator's door, its numbers are for who has a key that may read.
func TestScrapeWantsAKey(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	host, err := core.New(core.Config{Memory: core.NewMemory(), Rules: rulesOf(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-host.Ready()
	secret := func(scopes ...core.Scope) string {
		_, key, err := host.CreateKey(t.Context(), core.KeyRequest{Name: "a key", Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		return key.Reveal()
	}
	h := &health{host: host, scrapes: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "numbers") })}
	for _, c := range []struct {
		at, from, forwarded, header string
		want                        int
	}{
		{"127.0.0.1", "127.0.0.1:4", "", "", http.StatusOK},
		{"::1", "[::1]:4", "", "", http.StatusOK},
		{"10.0.0.7", "10.0.0.7:4", "", "", http.StatusUnauthorized},
		{"10.0.0.7", "127.0.0.1:4", "", "Bearer ", http.StatusUnauthorized},
		{"10.0.0.7", "10.0.0.8:4", "", "Bearer " + secret(core.ScopeSubmit), http.StatusUnauthorized},
		{"10.0.0.7", "10.0.0.8:4", "", "Basic " + secret(core.ScopeRead), http.StatusUnauthorized},
		{"10.0.0.7", "10.0.0.8:4", "", "Bearer " + secret(core.ScopeRead), http.StatusOK},
		{"0.0.0.0", "127.0.0.1:4", "", "", http.StatusUnauthorized},
		{"127.0.0.1", "127.0.0.1:4", "203.0.113.9", "", http.StatusUnauthorized}, // through a trusted proxy on this machine
		{"127.0.0.1", "127.0.0.1:4", "127.0.0.1, 203.0.113.9", "", http.StatusUnauthorized},
		{"127.0.0.1", "127.0.0.1:4", "203.0.113.9", "Bearer " + secret(core.ScopeRead), http.StatusOK},
	} {
		h.mayScrape = scrapers(&net.TCPAddr{IP: net.ParseIP(c.at), Port: 8081}, host)
		r, w := httptest.NewRequest(http.MethodGet, "/metrics", nil), httptest.NewRecorder()
		r.RemoteAddr = c.from
		r.Header.Set("Authorization", c.header)
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		proxied([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, http.HandlerFunc(h.metrics)).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("at %s from %s for %q with %.10q: %d, want %d", c.at, c.from, c.forwarded, c.header, w.Code, c.want)
		}
	}
}

func rulesOf(t *testing.T) otn.Rules {
	t.Helper()
	_, d := hanging(t)
	return d.rules
}
