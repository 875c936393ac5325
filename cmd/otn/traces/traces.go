// Traces: one trace follows a webhook to the messages that it caused.

// Package traces sends what a daemon tells of its steps to an OpenTelemetry collector, by OTLP over HTTP. A trace's id follows from the
// number of the write that brought the cause, a span's from its place in the path: so nothing of them is kept beside the data, and a
// run that goes on after a restart is still the same trace. No person, token or text is in a span.
package traces

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/onetimenotify/otn/core/otn"
)

// Setup is what a Tracer is made of.
type Setup struct {
	Endpoint string  // of the collector, as http://127.0.0.1:4318; empty: what the variables OTEL_EXPORTER_OTLP_… say
	Version  string  // of the program
	Store    string  // the store's folder: it keeps the traces of several daemons apart
	Keep     float64 // the share of traces that are kept, 0 to 1: whole ones, chosen by their id
	Log      *slog.Logger
}

// How large a trace may become: of each of a run's first pages its first members.
const (
	maxPage   = 64
	maxMember = 16
)

// Tracer is an otn.Meter that makes spans. It drops what a collector does not take in time.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	salt     [sha256.Size]byte
}

var _ otn.Meter = (*Tracer)(nil)

// New makes a Tracer, and starts the goroutine that sends: Close ends it. The variables OTEL_EXPORTER_OTLP_… of the specification hold
// for whatever Setup does not say, headers and certificates among them.
func New(ctx context.Context, s Setup) (*Tracer, error) {
	var options []otlptracehttp.Option
	if s.Endpoint != "" {
		u, err := url.Parse(s.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("traces: %w", err)
		}
		if u.Path == "" || u.Path == "/" {
			u = u.JoinPath("v1", "traces")
		}
		options = append(options, otlptracehttp.WithEndpointURL(u.String()))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return newTracer(s, sdk.WithBatcher(&careful{SpanExporter: exporter, log: s.Log})), nil
}

// newTracer makes a Tracer that hands its spans to whom the option names.
func newTracer(s Setup, to sdk.TracerProviderOption) *Tracer {
	host, _ := os.Hostname() // without one the folder alone names the daemon
	about := resource.NewSchemaless(
		attribute.String("service.name", "otn"), attribute.String("service.version", s.Version), attribute.String("service.instance.id", host+":"+s.Store),
	)
	p := sdk.NewTracerProvider(to, sdk.WithResource(about), sdk.WithIDGenerator(given{}), sdk.WithSampler(sdk.TraceIDRatioBased(s.Keep)))
	return &Tracer{provider: p, tracer: p.Tracer("github.com/onetimenotify/otn"), salt: sha256.Sum256([]byte(host + "\x00" + s.Store))}
}

// Close sends what is left, for as long as ctx lets it, and ends.
func (t *Tracer) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Step makes a span of a step that belongs to a cause.
func (t *Tracer) Step(s otn.Step) {
	p, ok := t.place(s)
	if !ok {
		return
	}
	var ctx context.Context = p
	if p.parent.IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: p.trace, SpanID: p.parent, TraceFlags: trace.FlagsSampled}))
	}
	_, span := t.tracer.Start(ctx, s.Kind.String(), trace.WithTimestamp(s.Began), trace.WithSpanKind(kindOf(s.Kind)), trace.WithAttributes(attributes(s)...))
	if s.Failed || s.Kind == otn.SendStep && s.Outcome != otn.Sent {
		span.SetStatus(codes.Error, "")
	}
	span.End(trace.WithTimestamp(s.Began.Add(s.Took)))
}

// place is where a span belongs.
type place struct {
	trace  trace.TraceID
	id     trace.SpanID
	parent trace.SpanID
}

// placeKey is the key of a place in a context.
type placeKey struct{}

// A place is a context that holds itself, so that the generator of ids finds it, and that nothing ends.
func (p place) Deadline() (time.Time, bool) { return time.Time{}, false }
func (p place) Done() <-chan struct{}       { return nil }
func (p place) Err() error                  { return nil }
func (p place) Value(key any) any {
	if key == (placeKey{}) {
		return p
	}
	return nil
}

// place finds where a step belongs; not ok for one without a cause, or one too many.
func (t *Tracer) place(s otn.Step) (p place, ok bool) {
	page := s.Page & 0xffffffff // of the lane: its name is above
	switch {
	case s.Write == 0 && s.Run == (otn.RunID{}):
		return p, false
	case s.Kind == otn.SendStep && s.Member >= maxMember, page > maxPage:
		return p, false
	}
	cause := t.hash("run trace", s.Run[:])
	if s.Write != 0 {
		cause = t.hash("write", number(s.Write))
	}
	copy(p.trace[:], cause[:])
	hook, take := t.span("hook", number(s.Write)), t.span("take", number(s.Write))
	run := t.span("run", s.Run[:])
	claim := t.span("claim", s.Run[:], number(s.Page))
	switch s.Kind {
	case otn.HookStep:
		p.id = hook
	case otn.TakeStep:
		if p.id = take; s.Hooked {
			p.parent = hook
		}
	case otn.MatchStep:
		p.id, p.parent = t.span("match", number(s.Write), number(s.Event)), take
	case otn.RunStep:
		if p.id = run; s.Write != 0 {
			p.parent = t.span("match", number(s.Write), number(s.Event))
		}
	case otn.ClaimStep:
		p.id, p.parent = claim, run
	case otn.SettleStep:
		p.id, p.parent = t.span("settle", s.Run[:], number(s.Page)), claim
	case otn.SendStep:
		if p.id, p.parent = t.span("send", s.Run[:], number(s.Page), number(uint64(s.Member)), number(uint64(s.Began.UnixNano()))), claim; s.Page == 0 {
			p.parent = run
		}
	default:
		return p, false
	}
	return p, true
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func (t *Tracer) span(what string, parts ...[]byte) (id trace.SpanID) {
	sum := t.hash(what, parts...)
	copy(id[:], sum[:])
	return id
}

func (t *Tracer) hash(what string, parts ...[]byte) [sha256.Size]byte {
	text := append(append(make([]byte, 0, 96), t.salt[:]...), what...)
	for _, p := range parts {
		text = append(append(text, 0), p...)
	}
	return sha256.Sum256(text)
}

func kindOf(k otn.StepKind) trace.SpanKind {
	switch k {
	case otn.HookStep:
		return trace.SpanKindServer
	case otn.SendStep:
		return trace.SpanKindClient
	}
	return trace.SpanKindInternal
}

// attributes are what is known of a step.
func attributes(s otn.Step) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, 8)
	text := func(key, value string) {
		if value != "" {
			list = append(list, attribute.String(key, value))
		}
	}
	text("otn.instance", s.Instance)
	text("otn.rule", s.Rule)
	text("otn.topic", s.Topic)
	if s.Run != (otn.RunID{}) {
		text("otn.run", s.Run.String())
	}
	if s.N > 0 {
		list = append(list, attribute.Int("otn.count", s.N))
	}
	switch s.Kind {
	case otn.SendStep:
		text("otn.outcome", s.Outcome.String())
	case otn.HookStep:
		list = append(list, attribute.Int("http.response.status_code", s.Status))
	}
	return list
}

// given gives each span the ids of its place.
type given struct{}

// NewIDs implements sdk.IDGenerator.
func (given) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	p, _ := ctx.Value(placeKey{}).(place)
	return p.trace, p.id
}

// NewSpanID implements sdk.IDGenerator.
func (given) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	p, _ := ctx.Value(placeKey{}).(place)
	return p.id
}

// careful is an exporter whose failures are told, once in a while.
type careful struct {
	sdk.SpanExporter
	log  *slog.Logger
	told time.Time // of the one goroutine that exports
}

// quiet is how long a collector that is down is not spoken of again.
const quiet = 10 * time.Minute

// ExportSpans implements sdk.SpanExporter. What could not be sent is gone: traces hold up nothing.
func (c *careful) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := c.SpanExporter.ExportSpans(ctx, spans); err != nil && time.Since(c.told) > quiet {
		c.told = time.Now()
		c.log.Warn("the collector takes no traces; they are dropped", "spans", len(spans), "error", err)
	}
	return nil
}
