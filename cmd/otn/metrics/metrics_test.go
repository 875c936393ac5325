// Every metric by name and help, and how many series there can be.

package metrics_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/cmd/otn/metrics"
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
)

// host stands as it is told.
type host struct {
	ready chan struct{}
	now   core.Standing
	err   error
}

func (h *host) Ready() <-chan struct{}           { return h.ready }
func (h *host) Standing() (core.Standing, error) { return h.now, h.err }

func open() *host {
	h := &host{ready: make(chan struct{}), now: core.Standing{
		Topics: []core.TopicView{
			{ID: "price-drop", Waiting: 5, Sent: 3, Unknown: 1}, {ID: "old", Undeclared: true, Waiting: 2, Unknown: 1}, {ID: "older", Undeclared: true, Expired: 4},
		},
		Expiring: map[string]int64{"price-drop": 2, "old": 1},
		Behind:   7, BehindSince: 90 * time.Second, Due: 3, DueSince: time.Minute,
		Late: map[string]time.Duration{"shop": 40 * time.Second}, Paused: map[string]bool{"shop": true},
	}}
	close(h.ready)
	return h
}

// daemon has a channel with a process, one without, and a source.
func daemon() *metrics.Metrics {
	numbers := func() plugins.Metrics {
		m := plugins.Metrics{Starts: 3, Crashes: 2, Replaced: 1, Dropped: 4, InFlight: 6, Heard: 11, Lookups: 12}
		m.Answers[otn.Sent] = 5
		m.Latency.Counts[0], m.Latency.Counts[5], m.Latency.Counts[16], m.Latency.Sum = 1, 2, 2, 70*time.Second
		return m
	}
	state := func(p plugins.Phase) func() plugins.State {
		return func() plugins.State { return plugins.State{Phase: p, Restarts: 2} }
	}
	return metrics.New(metrics.Setup{Version: "1.2.3", Disk: func() (free, size uint64, err error) { return 5 << 30, 20 << 30, nil }, Instances: []metrics.Instance{
		{Name: "shop", Plugin: "messenger", Channel: true, State: state(plugins.Ready), Metrics: numbers},
		{Name: "inside", Plugin: "mock", Channel: true, State: state(plugins.Quarantined)},
		{Name: "store", Plugin: "shopify", State: state(plugins.Backoff), Metrics: numbers},
	}})
}

// scrape reads all lines.
func scrape(t *testing.T, m *metrics.Metrics) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d, %v", w.Code, err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// ours are the lines about the daemon's own metrics.
func ours(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, "otn_") })
}

// Names and helps do not change by accident: dashboards and alerts of others use them.
func TestEveryMetric(t *testing.T) {
	m := daemon()
	m.Watch(open())
	var got strings.Builder
	for _, l := range ours(scrape(t, m)) {
		if help, ok := strings.CutPrefix(l, "# HELP "); ok {
			fmt.Fprintln(&got, help)
		}
		if kind, ok := strings.CutPrefix(l, "# TYPE "); ok {
			fmt.Fprintln(&got, "\t"+strings.Fields(kind)[1])
		}
	}
	const golden = "testdata/metrics.txt"
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("%s says otherwise; the daemon tells:\n%s", golden, got.String())
	}
}

// What the host and the processes say is what is told.
func TestValues(t *testing.T) {
	m := daemon()
	m.Watch(open())
	m.Step(otn.Step{Kind: otn.SendStep, Instance: "shop", Outcome: otn.Sent, Took: 20 * time.Millisecond})
	m.Step(otn.Step{Kind: otn.SendStep, Instance: "shop", Outcome: otn.Unknown, Took: 20 * time.Millisecond})
	m.Step(otn.Step{Kind: otn.HookStep, Instance: "store", Status: 401, Took: time.Millisecond})
	m.Step(otn.Step{Kind: otn.HookStep, Instance: "store", Status: 202, Took: time.Millisecond})
	m.Step(otn.Step{Kind: otn.HookStep, Instance: "store", Status: 413, Took: time.Millisecond})
	m.Step(otn.Step{Kind: otn.HookStep, Instance: "store", Status: 503, Took: time.Millisecond})
	m.Step(otn.Step{Kind: otn.TakeStep, Instance: "api", N: 4, Took: time.Millisecond})
	m.Step(otn.Step{Kind: otn.MatchStep, N: 2, Took: 3 * time.Microsecond})
	m.Step(otn.Step{Kind: otn.AskStep, Instance: "shop", Outcome: otn.Refused})
	m.Step(otn.Step{Kind: otn.ReplyStep, Instance: "inside", Outcome: otn.Sent})
	m.Step(otn.Step{Kind: otn.ClaimStep, Instance: "shop", Took: time.Millisecond})
	m.Step(otn.Step{Kind: otn.SettleStep, Instance: "shop", Took: time.Millisecond})
	m.Step(otn.Step{Kind: otn.RunStep, Took: 2 * time.Hour})
	m.Step(otn.Step{Kind: otn.StoreStep, N: 9, Took: 2 * time.Millisecond})
	m.Step(otn.Step{Kind: otn.WitnessStep, Took: time.Millisecond})
	m.Step(otn.Step{Kind: otn.TroubleStep})
	lines := scrape(t, m)
	for _, want := range []string{
		`otn_build_info{go="`,
		"otn_ready 1",
		"otn_consents_total 16",
		`otn_topic_consents{state="waiting",topic="price-drop"} 5`,
		`otn_topic_consents{state="waiting",topic="(undeclared)"} 2`,
		`otn_topic_consents{state="expired",topic="(undeclared)"} 4`,
		`otn_consents_expiring{topic="price-drop"} 2`,
		`otn_consents_expiring{topic="(undeclared)"} 1`,
		"otn_unknown_deliveries 2",
		"otn_journal_behind 7",
		"otn_journal_lag_seconds 90",
		"otn_timers_due 3",
		"otn_timer_lag_seconds 60",
		`otn_run_lag_seconds{channel="shop"} 40`,
		`otn_channel_paused{channel="shop"} 1`,
		"otn_disk_free_bytes 5.36870912e+09",
		"otn_disk_size_bytes 2.147483648e+10",
		`otn_deliveries_total{channel="shop",outcome="sent"} 1`,
		`otn_deliveries_total{channel="shop",outcome="unknown"} 1`,
		`otn_deliveries_total{channel="inside",outcome="sent"} 0`,
		`otn_send_seconds_count{channel="shop"} 2`,
		`otn_send_seconds_bucket{channel="shop",le="0.01"} 0`,
		`otn_send_seconds_bucket{channel="shop",le="0.025"} 2`,
		`otn_hook_seconds_count{answer="forged",instance="store"} 1`,
		`otn_hook_seconds_count{answer="accepted",instance="store"} 1`,
		`otn_hook_seconds_count{answer="malformed",instance="store"} 1`,
		`otn_hook_seconds_count{answer="unavailable",instance="store"} 1`,
		`otn_records_total{instance="api"} 4`,
		`otn_take_seconds_count{instance="api"} 1`,
		"otn_runs_total 2",
		"otn_match_seconds_count 1",
		`otn_run_seconds_bucket{le="3600"} 0`,
		`otn_run_seconds_bucket{le="21600"} 1`,
		`otn_claim_seconds_count{channel="shop"} 1`,
		`otn_settle_seconds_count{channel="shop"} 1`,
		`otn_asks_total{channel="shop",outcome="refused"} 1`,
		`otn_replies_total{channel="inside",outcome="sent"} 1`,
		"otn_store_rows_total 9",
		"otn_store_write_seconds_count 1",
		"otn_witness_write_seconds_count 1",
		"otn_store_troubles_total 1",
		`otn_plugin_heard_records_total{instance="shop"} 11`,
		`otn_plugin_lookups_total{instance="shop"} 12`,
		`otn_plugin_state{instance="shop",plugin="messenger",state="ready"} 1`,
		`otn_plugin_state{instance="shop",plugin="messenger",state="quarantined"} 0`,
		`otn_plugin_state{instance="inside",plugin="mock",state="quarantined"} 1`,
		`otn_plugin_restarts_total{instance="store"} 2`,
		`otn_plugin_crashes_total{instance="shop"} 2`,
		`otn_plugin_replaced_total{instance="shop"} 1`,
		`otn_plugin_dropped_lines_total{instance="shop"} 4`,
		`otn_plugin_in_flight{instance="shop"} 6`,
		`otn_plugin_answers_total{instance="shop",outcome="sent"} 5`,
		`otn_plugin_answer_seconds_bucket{instance="shop",le="0.0001"} 1`,
		`otn_plugin_answer_seconds_bucket{instance="shop",le="30"} 3`,
		`otn_plugin_answer_seconds_count{instance="shop"} 5`,
		`otn_plugin_answer_seconds_sum{instance="shop"} 70`,
		"go_gc_gomemlimit_bytes ",
	} {
		if !slices.ContainsFunc(lines, func(l string) bool {
			return l == want || strings.HasSuffix(want, `="`) && strings.HasPrefix(l, want) || strings.HasSuffix(want, " ") && strings.HasPrefix(l, want)
		}) {
			t.Errorf("no line %s", want)
		}
	}
}

// Whatever comes from outside makes no series: neither people, items and runs, nor names that are not configured.
func TestSeriesFollowFromTheConfiguration(t *testing.T) {
	m, h := daemon(), open()
	m.Watch(h)
	before := len(ours(scrape(t, m)))
	for i := range 2000 {
		text := fmt.Sprint("stranger-", i)
		h.now.Topics = append(h.now.Topics, core.TopicView{ID: text, Undeclared: true, Waiting: 1})
		for kind := range otn.TroubleStep + 3 {
			for _, instance := range []string{"shop", "store", text} {
				m.Step(otn.Step{
					Kind: kind, Instance: instance, Rule: text, Topic: text, Outcome: otn.Outcome(i % 9), Status: i, N: 1, Write: uint64(i), Event: uint64(i), Page: uint64(i), Member: i,
					Run: otn.NewRunID(text, otn.Subject{}, text, time.Time{}), Took: time.Duration(i),
				})
			}
		}
	}
	after := ours(scrape(t, m))
	if len(after) != before {
		t.Errorf("%d lines before, %d after", before, len(after))
	}
	if slices.ContainsFunc(after, func(l string) bool { return strings.Contains(l, "stranger") }) {
		t.Error("a text from outside is a label")
	}
}

// Before the host is ready, and when it cannot tell how it stands, that is what is told, and nothing stale.
func TestNotReady(t *testing.T) {
	m := daemon()
	for _, h := range []*host{nil, {ready: make(chan struct{})}, func() *host { h := open(); h.err = otn.ErrStore; return h }()} {
		if h != nil {
			m.Watch(h)
		}
		lines := scrape(t, m)
		if !slices.Contains(lines, "otn_ready 0") {
			t.Error("it does not say that it is not ready")
		}
		if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "otn_consents") || strings.HasPrefix(l, "otn_topic") }) {
			t.Error("it counts consents all the same")
		}
	}
}

// What one message costs to be counted: it is allocated for nothing.
func BenchmarkStep(b *testing.B) {
	m := daemon()
	s := otn.Step{Kind: otn.SendStep, Instance: "shop", Rule: "price-drop", Topic: "price-drop", Outcome: otn.Sent, Took: 20 * time.Millisecond, N: 1}
	b.ReportAllocs()
	for b.Loop() {
		m.Step(s)
	}
}
