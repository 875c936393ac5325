// The daemon's numbers, as Prometheus reads them.

// Package metrics keeps what a daemon tells of itself in a Prometheus registry of its own. How many series there are follows
// from the configuration and the rules alone: no label is a person, an item, a run, or a text that came from outside.
package metrics

import (
	"net/http"
	"regexp"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
)

// Setup is what a Metrics is made of.
type Setup struct {
	Version   string
	Instances []Instance
	// Disk tells how many bytes are free where the store is, and how many there are. nil: not told.
	Disk func() (free, size uint64, err error)
}

// Instance is one channel or source of the configuration.
type Instance struct {
	Name    string
	Plugin  string // the plugin's name, without the folder that it lies in
	Channel bool   // it is not a source
	State   func() plugins.State
	Metrics func() plugins.Metrics // nil for one without a process
}

// Host is what is asked how it stands, at each scrape. *core.Host is one.
type Host interface {
	Ready() <-chan struct{}
	Standing() (core.Standing, error)
}

// Metrics is the otn.Meter of a daemon, and answers its scrapes.
type Metrics struct {
	registry *prometheus.Registry
	standing *standing
	path     path
}

var _ otn.Meter = (*Metrics)(nil)

// New makes the metrics of a daemon. Nothing is ready yet: see Watch.
func New(s Setup) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), standing: &standing{disk: s.Disk}}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "otn_build_info", Help: "1, with the program's version.", ConstLabels: prometheus.Labels{"version": s.Version, "go": runtime.Version()},
	}, func() float64 { return 1 })
	m.registry.MustRegister(
		build, m.standing, &processes{s.Instances},
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/gomemlimit:bytes$`)})),
	)
	m.path.register(m.registry, s.Instances)
	return m
}

// Watch lets the scrapes ask a host from now on.
func (m *Metrics) Watch(h Host) { m.standing.host.Store(&h) }

// Step counts a step of the data path.
func (m *Metrics) Step(s otn.Step) { m.path.step(s) }

// ServeHTTP answers a scrape. What cannot be read now is left out, and the rest is told.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapesAtOnce, Timeout: scrapeTimeout, EnableOpenMetrics: true,
	}).ServeHTTP(w, r)
}

// The bounds of scraping.
const (
	scrapesAtOnce = 4
	scrapeTimeout = 10 * time.Second
)
