// The author's side of the border, called as a host would and as it should not.

package channel

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	rpc "google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gate holds every send until it is opened.
type gate struct {
	inside chan string   // who came in
	open   chan struct{} // closed or fed to let out
	closed atomic.Int32
}

func newGate() *gate { return &gate{inside: make(chan string, 100), open: make(chan struct{})} }

func (g *gate) Send(ctx context.Context, d otn.Delivery) (otn.Receipt, error) {
	g.inside <- d.Subscriber.ID
	select {
	case <-g.open:
		return otn.Receipt{ProviderID: d.Subscriber.ID}, nil
	case <-ctx.Done():
		return otn.Receipt{}, ctx.Err()
	}
}

func (g *gate) Ask(ctx context.Context, _ otn.Ask) (otn.Receipt, error) {
	return otn.Receipt{}, &otn.SendError{Outcome: otn.Refused, Code: "closed", Err: otn.ErrOutsideWindow}
}

func (g *gate) Close() error { g.closed.Add(1); return nil }

type gateConfig struct {
	Name string `json:"name"`
}

// serveGates serves a plugin whose instances are gates by name.
func serveGates(t *testing.T, gates map[string]*gate) wire.PluginClient {
	t.Helper()
	p := Plugin[gateConfig]{Name: "gate", Version: "1.0.0", Capabilities: otn.Capabilities{MaxInFlight: 3}, New: func(_ context.Context, c gateConfig, _ Setup) (any, error) {
		if g := gates[c.Name]; g != nil {
			return g, nil
		}
		return nil, Fault("name", "no such gate")
	}}
	s := newServer(p, slog.New(slog.DiscardHandler), func() {})
	listener := bufconn.Listen(1 << 20)
	server := wire.NewServer(nil)
	wire.RegisterPluginServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return wire.NewPluginClient(conn)
}

func configure(t *testing.T, c wire.PluginClient, revision, gate string) []*wire.ConfigFault {
	t.Helper()
	r, err := c.Configure(t.Context(), &wire.ConfigureRequest{Instance: "shop", Revision: revision, Config: []byte(`{"name":"` + gate + `"}`)})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetFaults()
}

func send(t *testing.T, stream wire.Plugin_SendClient, seq uint64, instance string) {
	t.Helper()
	d := wire.FromDelivery(&otn.Delivery{Channel: instance, Subscriber: otn.Subscriber{ID: "222"}})
	d.Seq = seq
	if err := stream.Send(&wire.SendFrame{Deliveries: []*wire.Delivery{d}}); err != nil {
		t.Fatal(err)
	}
}

func openSend(t *testing.T, c wire.PluginClient) wire.Plugin_SendClient {
	t.Helper()
	stream, err := c.Send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil || first.GetCredits() != 3 {
		t.Fatalf("the first frame grants %d, %v", first.GetCredits(), err)
	}
	return stream
}

func TestAHostThatSendsTooMuchLosesTheStream(t *testing.T) {
	for name, seqs := range map[string][]uint64{"one more than granted": {1, 2, 3, 4}, "a seq twice": {1, 1}} {
		g := newGate()
		c := serveGates(t, map[string]*gate{"a": g})
		configure(t, c, "1", "a")
		stream := openSend(t, c)
		for _, seq := range seqs {
			send(t, stream, seq, "shop")
		}
		if _, err := stream.Recv(); rpc.Code(err) != codes.FailedPrecondition {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNotAnInstanceOrNotADelivery(t *testing.T) {
	c := serveGates(t, map[string]*gate{"a": newGate()})
	configure(t, c, "1", "a")
	stream := openSend(t, c)
	send(t, stream, 1, "nowhere")
	frame, err := stream.Recv()
	if err != nil || frame.GetResults()[0].GetCode() != "unknown_instance" || frame.GetResults()[0].GetOutcome() != wire.Outcome_OUTCOME_INVALID {
		t.Errorf("an unknown instance: %v, %v", frame, err)
	}
	if err := stream.Send(&wire.SendFrame{Deliveries: []*wire.Delivery{{Seq: 2, Instance: "shop"}}}); err != nil {
		t.Fatal(err)
	}
	if frame, err = stream.Recv(); err != nil || frame.GetResults()[0].GetCode() != "malformed" {
		t.Errorf("a delivery without an id: %v, %v", frame, err)
	}
	if _, err := c.Receive(t.Context(), &wire.ReceiveRequest{Instance: "nowhere"}); rpc.Code(err) != codes.NotFound {
		t.Errorf("a webhook of an unknown instance: %v", err)
	}
}

// The host's end of the stream ends when everything is answered, and a cancel ends one delivery alone.
func TestCancelAndTheEndOfAStream(t *testing.T) {
	g := newGate()
	c := serveGates(t, map[string]*gate{"a": g})
	configure(t, c, "1", "a")
	stream := openSend(t, c)
	send(t, stream, 1, "shop")
	send(t, stream, 2, "shop")
	<-g.inside
	<-g.inside
	if err := stream.Send(&wire.SendFrame{Cancels: []uint64{1, 99}}); err != nil {
		t.Fatal(err)
	}
	frame, err := stream.Recv()
	if err != nil || len(frame.GetResults()) != 1 || frame.GetResults()[0].GetSeq() != 1 || frame.GetResults()[0].GetOutcome() != wire.Outcome_OUTCOME_UNKNOWN {
		t.Errorf("the cancelled delivery: %v, %v", frame, err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	close(g.open)
	if frame, err = stream.Recv(); err != nil || frame.GetResults()[0].GetSeq() != 2 || frame.GetResults()[0].GetOutcome() != wire.Outcome_OUTCOME_SENT {
		t.Errorf("the other one: %v, %v", frame, err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}

func TestGiveUpEndsADelivery(t *testing.T) {
	g := newGate()
	c := serveGates(t, map[string]*gate{"a": g})
	configure(t, c, "1", "a")
	stream := openSend(t, c)
	d := wire.FromDelivery(&otn.Delivery{Channel: "shop"})
	d.Seq, d.GiveUp = 1, wire.FromTime(time.Now().Add(20*time.Millisecond))
	if err := stream.Send(&wire.SendFrame{Deliveries: []*wire.Delivery{d}}); err != nil {
		t.Fatal(err)
	}
	if frame, err := stream.Recv(); err != nil || frame.GetResults()[0].GetOutcome() != wire.Outcome_OUTCOME_UNKNOWN {
		t.Errorf("got %v, %v", frame, err)
	}
}

func TestDrainStartsNothingAndWaits(t *testing.T) {
	g := newGate()
	c := serveGates(t, map[string]*gate{"a": g})
	configure(t, c, "1", "a")
	stream := openSend(t, c)
	send(t, stream, 1, "shop")
	<-g.inside
	r, err := c.Drain(t.Context(), &wire.DrainRequest{GraceNs: int64(10 * time.Millisecond)})
	if err != nil || r.GetAbandoned() != 1 || r.GetFinished() != 0 {
		t.Errorf("a short drain: %v, %v", r, err)
	}
	send(t, stream, 2, "shop")
	if frame, err := stream.Recv(); err != nil || frame.GetResults()[0].GetCode() != "draining" || frame.GetResults()[0].GetOutcome() != wire.Outcome_OUTCOME_DEFERRED {
		t.Errorf("a delivery after the drain began: %v, %v", frame, err)
	}
	close(g.open)
	if r, err = c.Drain(t.Context(), &wire.DrainRequest{GraceNs: int64(time.Minute)}); err != nil || r.GetAbandoned() != 0 {
		t.Errorf("a long drain: %v, %v", r, err)
	}
	if frame, err := stream.Recv(); err != nil || frame.GetResults()[0].GetOutcome() != wire.Outcome_OUTCOME_SENT {
		t.Errorf("what was started: %v, %v", frame, err)
	}
}

// A new configuration takes over at once; the instance before it is closed when its last call has ended.
func TestConfigureReplaces(t *testing.T) {
	a, b := newGate(), newGate()
	c := serveGates(t, map[string]*gate{"a": a, "b": b})
	configure(t, c, "1", "a")
	stream := openSend(t, c)
	send(t, stream, 1, "shop")
	<-a.inside
	if faults := configure(t, c, "2", "z"); len(faults) != 1 || faults[0].GetPath() != "name" {
		t.Errorf("a bad configuration: %v", faults)
	}
	if faults := configure(t, c, "3", "b"); faults != nil {
		t.Fatal(faults)
	}
	configure(t, c, "3", "z") // the same revision changes nothing
	send(t, stream, 2, "shop")
	<-b.inside
	if a.closed.Load() != 0 {
		t.Error("the first instance was closed with a call inside")
	}
	close(a.open)
	for end := time.After(5 * time.Second); a.closed.Load() == 0; {
		select {
		case <-end:
			t.Fatal("the first instance was never closed")
		case <-time.After(time.Millisecond):
		}
	}
	close(b.open)
	if b.closed.Load() != 0 || a.closed.Load() != 1 {
		t.Errorf("closed %d and %d times", a.closed.Load(), b.closed.Load())
	}
}

func TestAskKeepsItsCause(t *testing.T) {
	c := serveGates(t, map[string]*gate{"a": newGate()})
	configure(t, c, "1", "a")
	r, err := c.Ask(t.Context(), &wire.AskRequest{Instance: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.ToResult(r); !errors.Is(err, otn.ErrOutsideWindow) {
		t.Errorf("got %v", err)
	}
}

func TestHostHandlerKeepsLinesShort(t *testing.T) {
	var out strings.Builder
	slog.New(hostHandler(&out)).Debug("long", "text", strings.Repeat("é", maxAttr), "secret", otn.NewSecret("s3cret"))
	if len(out.String()) > maxAttr+200 || strings.Contains(out.String(), "s3cret") || !strings.Contains(out.String(), `"level":"DEBUG"`) {
		t.Errorf("a line of %d bytes", len(out.String()))
	}
}

// bare implements nothing but Channel, and panics.
type bare struct{}

func (bare) Send(context.Context, otn.Delivery) (otn.Receipt, error) { panic("s3cret") }

func TestInstanceGuards(t *testing.T) {
	p := Plugin[nothing]{Name: "bare", Version: "1.0.0", New: func(context.Context, nothing, Setup) (any, error) { return bare{}, nil }}
	i, err := p.Open(t.Context(), nil, Setup{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = i.Send(t.Context(), otn.Delivery{})
	if outcome, se := otn.OutcomeOf(err); outcome != otn.Unknown || se.Code != "panic" || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a panic: %v", err)
	}
	_, err = i.Send(t.Context(), otn.Delivery{Deadline: time.Now().Add(-time.Second)})
	if outcome, se := otn.OutcomeOf(err); outcome != otn.Deferred || se.Code != "expired" {
		t.Errorf("a late delivery: %v", err)
	}
	_, err = i.Ask(t.Context(), otn.Ask{})
	if outcome, se := otn.OutcomeOf(err); outcome != otn.Invalid || se.Scope != otn.ChannelScope {
		t.Errorf("an ask: %v", err)
	}
	if resp, records, err := i.Receive(t.Context(), otn.Request{}); err != nil || records != nil || resp.Status != 404 {
		t.Errorf("a webhook: %v, %v", resp, err)
	}
	if d, err := i.Describe(t.Context()); err != nil || d.Name != "bare" || !d.Capabilities.Sends || d.Capabilities.Asks || d.Capabilities.Receives {
		t.Errorf("describe: %+v, %v", d, err)
	}
	if err := i.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
