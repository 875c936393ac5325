// A collector gets one trace from a webhook to its messages, bounded, and nothing secret in it.

package traces

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/core/otn"
)

// tracer is one whose spans stay in memory.
func tracer(t *testing.T, store string) (*Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	memory := tracetest.NewInMemoryExporter()
	tr := newTracer(Setup{Version: "1.2.3", Store: store, Keep: 1}, sdk.WithSyncer(memory))
	t.Cleanup(func() { _ = tr.Close(context.Background()) })
	return tr, memory
}

func runID(cause string) otn.RunID {
	return otn.NewRunID("price-drop", otn.Subject{Kind: otn.ItemKind, ID: "coat"}, cause, time.Unix(1_800_000_000, 0))
}

// aWebhook is what a Host tells of a webhook of which a run with two messages comes, in the order in which steps end.
func aWebhook(write uint64) []otn.Step {
	at := time.Unix(1_800_000_000, 0)
	run, page := runID("e7"), uint64(0xabcdef12<<32|1)
	return []otn.Step{
		{Kind: otn.TakeStep, Instance: "store", Write: write, Began: at, Took: time.Millisecond, N: 1, Hooked: true},
		{Kind: otn.HookStep, Instance: "store", Write: write, Began: at, Took: 2 * time.Millisecond, Status: 202},
		{Kind: otn.MatchStep, Write: write, Event: 7, Began: at, Took: time.Microsecond, N: 1},
		{Kind: otn.ClaimStep, Instance: "shop", Write: write, Run: run, Rule: "price-drop", Topic: "price-drop", Page: page, Began: at, N: 2},
		{Kind: otn.SendStep, Instance: "shop", Write: write, Run: run, Page: page, Member: 0, Began: at, Outcome: otn.Sent},
		{Kind: otn.SendStep, Instance: "shop", Write: write, Run: run, Page: page, Member: 1, Began: at, Outcome: otn.Refused},
		{Kind: otn.SettleStep, Instance: "shop", Write: write, Run: run, Page: page, Began: at, N: 2},
		{Kind: otn.RunStep, Write: write, Event: 7, Run: run, Began: at, Took: time.Second},
	}
}

func TestOneTraceFollowsAWebhook(t *testing.T) {
	tr, memory := tracer(t, "a")
	for _, s := range aWebhook(5) {
		tr.Step(s)
	}
	spans := memory.GetSpans()
	byID, byName := map[string]string{}, map[string]tracetest.SpanStub{}
	for _, s := range spans {
		if s.SpanContext.TraceID() != spans[0].SpanContext.TraceID() || !s.SpanContext.IsValid() {
			t.Errorf("%s is in trace %s", s.Name, s.SpanContext.TraceID())
		}
		if other, twice := byID[s.SpanContext.SpanID().String()]; twice {
			t.Errorf("%s has the id of %s", s.Name, other)
		}
		byID[s.SpanContext.SpanID().String()] = s.Name
		byName[s.Name] = s
	}
	if len(spans) != 8 {
		t.Fatalf("%d spans, want 8", len(spans))
	}
	for name, parent := range map[string]string{"hook": "", "take": "hook", "match": "take", "run": "match", "claim": "run", "send": "claim", "settle": "claim"} {
		if got := byID[byName[name].Parent.SpanID().String()]; got != parent {
			t.Errorf("%s is below %q, want %q", name, got, parent)
		}
	}
	if hook := byName["hook"]; hook.EndTime.Sub(hook.StartTime) != 2*time.Millisecond {
		t.Errorf("the webhook took %s", hook.EndTime.Sub(hook.StartTime))
	}
}

// After a restart, and in any order, the same place has the same ids; another daemon, cause or run has others.
func TestIdsFollowFromThePlace(t *testing.T) {
	ids := func(store string, write uint64) string {
		tr, memory := tracer(t, store)
		steps := aWebhook(write)
		for i := range steps {
			tr.Step(steps[len(steps)-1-i])
		}
		var all []string
		for _, s := range memory.GetSpans() {
			all = append(all, s.SpanContext.TraceID().String()+s.SpanContext.SpanID().String())
		}
		return strings.Join(all, " ")
	}
	once := ids("a", 5)
	if ids("a", 5) != once {
		t.Error("the same steps have other ids")
	}
	for _, other := range []string{ids("b", 5), ids("a", 6)} {
		if other[:32] == once[:32] {
			t.Error("another daemon or cause has the same trace")
		}
	}
}

// A run that no webhook caused is a trace of its own; what has no cause makes none.
func TestRunsWithoutAWebhook(t *testing.T) {
	tr, memory := tracer(t, "a")
	tr.Step(otn.Step{Kind: otn.RunStep, Run: runID("cron")})
	tr.Step(otn.Step{Kind: otn.SendStep, Run: runID("cron"), Began: time.Unix(1, 0)}) // a doubt that is sent again
	tr.Step(otn.Step{Kind: otn.RunStep, Run: runID("another")})
	tr.Step(otn.Step{Kind: otn.StoreStep, N: 4})
	tr.Step(otn.Step{Kind: otn.HookStep, Status: 401})
	tr.Step(otn.Step{Kind: otn.AskStep, Instance: "shop"})
	spans := memory.GetSpans()
	if len(spans) != 3 || spans[0].SpanContext.TraceID() != spans[1].SpanContext.TraceID() || spans[0].SpanContext.TraceID() == spans[2].SpanContext.TraceID() {
		t.Fatalf("got %d spans: %v", len(spans), spans)
	}
	if spans[1].Parent.SpanID() != spans[0].SpanContext.SpanID() {
		t.Error("the send is not below its run")
	}
}

// A run of a million makes no trace of a million spans.
func TestTraceIsBounded(t *testing.T) {
	tr, memory := tracer(t, "a")
	for page := range uint64(200) {
		at := uint64(0xfeedbeef)<<32 | page + 1
		tr.Step(otn.Step{Kind: otn.ClaimStep, Write: 5, Run: runID("e7"), Page: at})
		for member := range 1000 {
			tr.Step(otn.Step{Kind: otn.SendStep, Write: 5, Run: runID("e7"), Page: at, Member: member})
		}
		tr.Step(otn.Step{Kind: otn.SettleStep, Write: 5, Run: runID("e7"), Page: at})
	}
	if n, want := len(memory.GetSpans()), maxPage*(maxMember+2); n != want {
		t.Errorf("%d spans, want %d", n, want)
	}
}

// A trace is kept whole or not at all.
func TestShareOfTraces(t *testing.T) {
	memory := tracetest.NewInMemoryExporter()
	tr := newTracer(Setup{Keep: 0.25}, sdk.WithSyncer(memory))
	defer tr.Close(context.Background()) //nolint:errcheck // nothing is left
	for write := range uint64(400) {
		for _, s := range aWebhook(write + 1) {
			tr.Step(s)
		}
	}
	spans := map[string]int{}
	for _, s := range memory.GetSpans() {
		spans[s.SpanContext.TraceID().String()]++
	}
	if n := len(spans); n < 60 || n > 140 {
		t.Errorf("%d of 400 traces were kept", n)
	}
	for id, n := range spans {
		if n != 8 {
			t.Errorf("trace %s has %d of 8 spans", id, n)
		}
	}
}

// What arrives at a collector is OTLP at its path, with the daemon's name; a collector that fails is told of once, and costs nothing.
func TestCollector(t *testing.T) {
	defer goleak.VerifyNone(t)
	var mu sync.Mutex
	var got, path string
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		got, path = got+string(body), r.URL.Path
		mu.Unlock()
		w.WriteHeader(http.StatusOK)
	}))
	defer collector.Close()
	tr, err := New(t.Context(), Setup{Endpoint: collector.URL, Version: "1.2.3", Store: "/srv/otn/data", Keep: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range aWebhook(5) {
		tr.Step(s)
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if path != "/v1/traces" {
		t.Errorf("it came to %q", path)
	}
	for _, part := range []string{"service.name", "1.2.3", "otn.rule", "price-drop", runID("e7").String(), "refused"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in what the collector got", part)
		}
	}
}

func TestCollectorThatIsDown(t *testing.T) {
	defer goleak.VerifyNone(t)
	collector := httptest.NewServer(http.NotFoundHandler())
	defer collector.Close()
	var log strings.Builder
	tr, err := New(t.Context(), Setup{Endpoint: collector.URL, Keep: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		tr.Step(aWebhook(5)[0])
		if err := tr.provider.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "the collector takes no traces"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}

func BenchmarkStep(b *testing.B) {
	tr := newTracer(Setup{Keep: 1}, sdk.WithBatcher(tracetest.NewNoopExporter()))
	defer tr.Close(context.Background()) //nolint:errcheck // nothing is left
	s := aWebhook(5)[4]
	b.ReportAllocs()
	for b.Loop() {
		tr.Step(s)
	}
}
