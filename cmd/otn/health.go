// What a supervisor and Prometheus ask at the operator's door: /livez, /readyz, /metrics.

package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/onetimenotify/otn/cmd/otn/metrics"
	"github.com/onetimenotify/otn/cmd/otn/traces"
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
)

// health answers for a daemon.
type health struct {
	host      *core.Host
	processes map[string]living
	scrapes   http.Handler
	mayScrape func(r *http.Request) bool
}

// check is one look at the daemon. One that is not needed makes nobody unready: a channel that is down harms itself alone.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"`
	Found  string `json:"found"`
}

// readiness is the answer of /readyz?verbose.
type readiness struct {
	Ready  bool    `json:"ready"`
	Checks []check `json:"checks"`
}

// register adds the three to the operator's door. None but /metrics wants a key: they tell states, and no text of anybody.
func (h *health) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", h.ready)
	mux.HandleFunc("GET /metrics", h.metrics)
}

func (h *health) metrics(w http.ResponseWriter, r *http.Request) {
	if !h.mayScrape(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		answer(w, http.StatusUnauthorized, "a key is wanted: Authorization: Bearer KEY")
		return
	}
	h.scrapes.ServeHTTP(w, r)
}

// ready says whether the daemon takes calls, and if not what it waits for. With ?verbose it tells each check as JSON.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	state := readiness{Ready: true, Checks: h.checks()}
	var missing []string
	for _, c := range state.Checks {
		if c.Needed && !c.OK {
			state.Ready = false
			missing = append(missing, c.Name+" "+c.Found)
		}
	}
	status := http.StatusOK
	if !state.Ready {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.URL.Query().Has("verbose"):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(state)
	case state.Ready:
		answer(w, status, "ready")
	default:
		answer(w, status, "not ready: "+strings.Join(missing, "; "))
	}
}

// checks looks at what the daemon needs, and at its instances.
func (h *health) checks() []check {
	store := check{Name: "store", Needed: true, Found: "is being opened"}
	select {
	case <-h.host.Ready():
		store.OK, store.Found = true, "is open, and what an earlier daemon left is settled"
		if _, err := h.host.Topics(); err != nil {
			store.OK, store.Found = false, "is closed"
		}
	default:
	}
	list := []check{store}
	for _, name := range sortedKeys(h.processes) {
		state := h.processes[name].State()
		list = append(list, check{Name: name, OK: state.Phase == plugins.Ready, Found: "is " + string(state.Phase)})
	}
	return list
}

// measure makes the metrics of a daemon with these processes.
func (d *daemon) measure(processes map[string]living) *metrics.Metrics {
	s := metrics.Setup{Version: d.version, Disk: func() (free, size uint64, err error) { return diskBytes(d.config.Data) }}
	channels := map[string]bool{}
	for _, i := range d.config.Channels {
		channels[i.Name] = true
	}
	for _, i := range append(append(d.config.Channels[:0:0], d.config.Channels...), d.config.Sources...) {
		one := metrics.Instance{Name: i.Name, Plugin: filepath.Base(i.Plugin), Channel: channels[i.Name], State: processes[i.Name].State}
		if p, ok := processes[i.Name].(*plugins.Process); ok {
			one.Metrics = p.Metrics
		}
		s.Instances = append(s.Instances, one)
	}
	return metrics.New(s)
}

// meters tells several meters the same.
type meters []otn.Meter

// Step implements otn.Meter.
func (all meters) Step(s otn.Step) {
	for _, m := range all {
		m.Step(s)
	}
}

// trace adds traces to what is measured, where they are wanted. What it returns sends what is left of them; a collector that does not
// answer holds up no stop.
func (d *daemon) trace(ctx context.Context, measured otn.Meter) (all otn.Meter, stop func(hurry context.Context), err error) {
	if d.traces == nil {
		return measured, func(context.Context) {}, nil
	}
	s := *d.traces
	s.Version, s.Store, s.Log = d.version, d.config.Data, d.log
	tracer, err := traces.New(context.WithoutCancel(ctx), s)
	if err != nil {
		return nil, nil, &coded{exitConfig, err, "put traces.endpoint right, or take it away"}
	}
	return meters{measured, tracer}, func(hurry context.Context) {
		ctx, cancel := context.WithTimeout(hurry, lastTraces)
		defer cancel()
		if err := tracer.Close(ctx); err != nil {
			d.log.Debug("the last traces were not sent", "error", err)
		}
	}, nil
}

// lastTraces is how long a stop waits for the collector.
const lastTraces = 2 * time.Second

// scrapers says who may read /metrics: whoever is on this machine, where only it reaches the door, else who has a key that may read.
// Whom a trusted proxy on this machine hands on is not on it.
func scrapers(at net.Addr, host *core.Host) func(r *http.Request) bool {
	tcp, ok := at.(*net.TCPAddr)
	within := ok && tcp.IP.IsLoopback()
	return func(r *http.Request) bool {
		if from, known := addressOf(r.RemoteAddr); within && known && from.IsLoopback() {
			return true
		}
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		key, err := host.Authorize(otn.NewSecret(given))
		return ok && err == nil && key.May(core.ScopeRead)
	}
}
