// How things stand at a scrape: the host, the disk, the processes.

package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/plugins"
)

// undeclared is the label under which topics are counted together that the rules do not declare.
const undeclared = "(undeclared)"

// desc describes one metric. They are values and not in a variable: nothing is global.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// The metrics of a standing.
func ready() *prometheus.Desc {
	return desc("otn_ready", "1 when the store is open and an earlier daemon's claims are settled, else 0.")
}
func consentsTotal() *prometheus.Desc {
	return desc("otn_consents_total", "Consents that the store has ever taken, as it counts them.")
}
func consents() *prometheus.Desc {
	return desc("otn_topic_consents", "Consents of a topic by where they stand.", "topic", "state")
}
func expiring() *prometheus.Desc {
	return desc("otn_consents_expiring", "Consents that wait and expire within 30 days.", "topic")
}
func unknown() *prometheus.Desc {
	return desc("otn_unknown_deliveries", "Deliveries that nobody can tell about: their tokens are locked.")
}
func behind() *prometheus.Desc {
	return desc("otn_journal_behind", "Entries of the journal that are not decided yet, 1000 at most.")
}
func journalLag() *prometheus.Desc {
	return desc("otn_journal_lag_seconds", "How old the oldest entry of the journal is that is not decided yet.")
}
func due() *prometheus.Desc {
	return desc("otn_timers_due", "Timers that are due and whose work is not done, 1000 at most.")
}
func timerLag() *prometheus.Desc {
	return desc("otn_timer_lag_seconds", "For how long the oldest of the timers has been due whose work is not done.")
}
func runLag() *prometheus.Desc {
	return desc("otn_run_lag_seconds", "For how long the oldest work has been due that a channel has not come to the end of.", "channel")
}
func paused() *prometheus.Desc {
	return desc("otn_channel_paused", "1 while nothing is sent through a channel: its platform wants a rest, or an operator.", "channel")
}
func diskFree() *prometheus.Desc {
	return desc("otn_disk_free_bytes", "Bytes that the daemon may still write where the store is.")
}
func diskSize() *prometheus.Desc {
	return desc("otn_disk_size_bytes", "Bytes of the disk where the store is.")
}

// standing asks the host at each scrape.
type standing struct {
	host atomic.Pointer[Host]
	disk func() (free, size uint64, err error)
}

// Describe implements prometheus.Collector.
func (s *standing) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		ready(), consentsTotal(), consents(), expiring(), unknown(), behind(), journalLag(), due(), timerLag(), runLag(), paused(), diskFree(), diskSize(),
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s *standing) Collect(to chan<- prometheus.Metric) {
	if s.disk != nil {
		if free, size, err := s.disk(); err == nil {
			gauge(to, diskFree(), float64(free))
			gauge(to, diskSize(), float64(size))
		}
	}
	host := s.host.Load()
	if host == nil || !isReady(*host) {
		gauge(to, ready(), 0)
		return
	}
	now, err := (*host).Standing()
	if err != nil {
		gauge(to, ready(), 0)
		return
	}
	gauge(to, ready(), 1)
	gauge(to, behind(), float64(now.Behind))
	gauge(to, journalLag(), now.BehindSince.Seconds())
	gauge(to, due(), float64(now.Due))
	gauge(to, timerLag(), now.DueSince.Seconds())
	for name, late := range now.Late {
		gauge(to, runLag(), late.Seconds(), name)
		gauge(to, paused(), one(now.Paused[name]), name)
	}
	topics(to, now)
}

func isReady(h Host) bool {
	select {
	case <-h.Ready():
		return true
	default:
		return false
	}
}

// topics tells the consents of each topic that the rules declare, and those of all others together.
func topics(to chan<- prometheus.Metric, now core.Standing) {
	var rest core.TopicView
	var total, doubts, restExpiring int64
	others := false
	for _, t := range now.Topics {
		total += t.Waiting + t.Claimed + t.Sent + t.Refused + t.Unknown + t.Expired + t.Withdrawn
		doubts += t.Unknown
		if !t.Undeclared {
			topic(to, t.ID, t, now.Expiring[t.ID])
			continue
		}
		others = true
		restExpiring += now.Expiring[t.ID]
		rest.Waiting += t.Waiting
		rest.Claimed += t.Claimed
		rest.Sent += t.Sent
		rest.Refused += t.Refused
		rest.Unknown += t.Unknown
		rest.Expired += t.Expired
		rest.Withdrawn += t.Withdrawn
	}
	if others {
		topic(to, undeclared, rest, restExpiring)
	}
	to <- prometheus.MustNewConstMetric(consentsTotal(), prometheus.CounterValue, float64(total))
	gauge(to, unknown(), float64(doubts))
}

func topic(to chan<- prometheus.Metric, id string, t core.TopicView, soon int64) {
	for state, n := range map[string]int64{
		"waiting": t.Waiting, "claimed": t.Claimed, "sent": t.Sent, "refused": t.Refused, "unknown": t.Unknown, "expired": t.Expired, "withdrawn": t.Withdrawn,
	} {
		gauge(to, consents(), float64(n), id, state)
	}
	gauge(to, expiring(), float64(soon), id)
}

func gauge(to chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// The metrics of a process.
func phase() *prometheus.Desc {
	return desc("otn_plugin_state", "1 for where an instance stands in its supervision, 0 for the others.", "instance", "plugin", "state")
}
func restarts() *prometheus.Desc {
	return desc("otn_plugin_restarts_total", "Starts of an instance's process after the first.", "instance")
}
func crashes() *prometheus.Desc {
	return desc("otn_plugin_crashes_total", "Processes that ended unasked, could not be had or had to be ended.", "instance")
}
func replaced() *prometheus.Desc {
	return desc("otn_plugin_replaced_total", "Processes that took the place of a running one.", "instance")
}
func dropped() *prometheus.Desc {
	return desc("otn_plugin_dropped_lines_total", "Lines of an instance's output that were too many to log.", "instance")
}
func inFlight() *prometheus.Desc {
	return desc("otn_plugin_in_flight", "Deliveries that an instance has taken and not answered.", "instance")
}
func answered() *prometheus.Desc {
	return desc("otn_plugin_answers_total", "Answers of an instance to deliveries.", "instance", "outcome")
}
func heard() *prometheus.Desc {
	return desc("otn_plugin_heard_records_total", "Records that an instance which listens has heard and that are on disk.", "instance")
}
func lookups() *prometheus.Desc {
	return desc("otn_plugin_lookups_total", "Doubtful deliveries that an instance's platform was asked about.", "instance")
}
func latency() *prometheus.Desc {
	return desc("otn_plugin_answer_seconds", "How long an instance's process takes for a delivery, across the border and back.", "instance")
}

func phases() []plugins.Phase {
	return []plugins.Phase{plugins.Starting, plugins.Ready, plugins.Backoff, plugins.Misconfigured, plugins.Quarantined, plugins.Stopped}
}

// processes asks the supervision at each scrape.
type processes struct{ list []Instance }

// Describe implements prometheus.Collector.
func (p *processes) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{phase(), restarts(), crashes(), replaced(), dropped(), inFlight(), heard(), lookups(), answered(), latency()} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (p *processes) Collect(to chan<- prometheus.Metric) {
	for _, i := range p.list {
		state := i.State()
		for _, ph := range phases() {
			gauge(to, phase(), one(state.Phase == ph), i.Name, i.Plugin, string(ph))
		}
		count(to, restarts(), int64(state.Restarts), i.Name)
		if i.Metrics == nil {
			continue
		}
		m := i.Metrics()
		count(to, crashes(), m.Crashes, i.Name)
		count(to, replaced(), m.Replaced, i.Name)
		count(to, dropped(), m.Dropped, i.Name)
		gauge(to, inFlight(), float64(m.InFlight), i.Name)
		count(to, heard(), m.Heard, i.Name)
		count(to, lookups(), m.Lookups, i.Name)
		if !i.Channel {
			continue
		}
		for _, o := range outcomes() {
			count(to, answered(), m.Answers[o], i.Name, o.String())
		}
		to <- histogramOf(m.Latency, i.Name)
	}
}

func count(to chan<- prometheus.Metric, d *prometheus.Desc, n int64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

// histogramOf adds a plugin's buckets up, as Prometheus wants them.
func histogramOf(h plugins.Histogram, name string) prometheus.Metric {
	sums, all := map[float64]uint64{}, uint64(0)
	for i, bound := range plugins.Bounds() {
		all += uint64(h.Counts[i])
		sums[bound.Seconds()] = all
	}
	all += uint64(h.Counts[len(h.Counts)-1]) // beyond the last bound
	return prometheus.MustNewConstHistogram(latency(), all, h.Sum.Seconds(), sums, name)
}
