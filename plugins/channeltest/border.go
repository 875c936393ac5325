// What a program owes at the border itself: handshake, description, configuration, and a stream that keeps its word.

package channeltest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// border is one process of the program and the calls to it.
type border struct {
	*plugins.Probe
	calls    wire.PluginClient
	patience time.Duration
}

// look launches the program until the check is over.
func (x *trial) look(t T) *border {
	t.Helper()
	p, err := plugins.Look(t.Context(), x.spec())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return &border{p, wire.NewPluginClient(p.Conn()), x.Patience}
}

// configured launches the program and gives it its configuration.
func (x *trial) configured(t T) *border {
	t.Helper()
	b := x.look(t)
	if faults := b.configure(t, instance, "1", x.Config); len(faults) > 0 {
		t.Fatalf("it does not accept its configuration: %s", listed(faults))
	}
	return b
}

// soon bounds a call.
func (b *border) soon(t T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), b.patience)
}

// why says what became of a call: mostly that the process is gone.
func (b *border) why(err error) string {
	select {
	case <-b.Exited():
		return "its process ended (" + rpc.Convert(err).Message() + ")"
	case <-time.After(100 * time.Millisecond):
		return rpc.Convert(err).Message()
	}
}

func (b *border) configure(t T, name, revision string, config []byte) []*wire.ConfigFault {
	t.Helper()
	ctx, cancel := b.soon(t)
	defer cancel()
	answer, err := b.calls.Configure(ctx, &wire.ConfigureRequest{Instance: name, Revision: revision, Config: config, PublicUrl: "https://shop.example/hooks/" + name})
	if err != nil {
		t.Fatalf("Configure with %s: %s; a fault of the configuration is an answer, not an error", config, b.why(err))
	}
	return answer.GetFaults()
}

func listed(faults []*wire.ConfigFault) string {
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = strings.TrimPrefix(f.GetPath()+": "+f.GetMessage(), ": ")
	}
	return strings.Join(texts, "; ")
}

func (x *trial) launches(t T) { x.look(t) }

func (x *trial) describes(t T) {
	b := x.look(t)
	ctx, cancel := b.soon(t)
	defer cancel()
	about, err := b.calls.Describe(ctx, &wire.DescribeRequest{})
	if err != nil {
		t.Fatalf("Describe: %s", b.why(err))
	}
	if about.GetName() == "" || about.GetVersion() == "" {
		t.Errorf("it has the name %q and the version %q", about.GetName(), about.GetVersion())
	}
	if len(about.GetName()) > wire.MaxDetail || len(about.GetVersion()) > wire.MaxDetail {
		t.Errorf("its name or its version has more than %d bytes", wire.MaxDetail)
	}
	c := about.GetCapabilities()
	if c.GetMaxInFlight() < 0 || c.GetMaxInFlight() > wire.MaxCredits || c.GetMaxMessage() < 0 || !(c.GetRate() >= 0) {
		t.Errorf("its limits are out of range: %d in flight (at most %d), %d bytes a message, %g a second", c.GetMaxInFlight(), wire.MaxCredits, c.GetMaxMessage(), c.GetRate())
	}
	x.about = about
}

func (x *trial) hasSchema(t T) {
	text := x.about.GetSchema()
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		x.Config = orEmpty(x.Config)
		t.Fatalf("its schema is no JSON object: %v", err)
	}
	if x.Config == nil {
		made, err := Sample(text)
		if err != nil {
			t.Errorf("no configuration could be made from its schema: %v", err)
		}
		x.Config = made
	}
	x.Config = orEmpty(x.Config)
	found, err := plugins.Check(text, x.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		t.Errorf("the configuration does not fit its schema: %s", d)
	}
}

func orEmpty(c json.RawMessage) json.RawMessage {
	if len(bytes.TrimSpace(c)) == 0 {
		return json.RawMessage("{}")
	}
	return c
}

// canary stands where a secret could.
const canary = "s3cret-canary"

func (x *trial) refusesConfig(t T) {
	b := x.look(t)
	bad := []string{`[]`, `{`, `"` + canary + `"`}
	if odd := `{"no_such_key_":"` + canary + `"}`; x.misfits(odd) {
		bad = append(bad, odd)
	}
	for _, config := range bad {
		faults := b.configure(t, instance, "bad"+config, []byte(config))
		if len(faults) == 0 {
			t.Errorf("it accepts %s, which does not fit its schema", config)
		}
		if strings.Contains(listed(faults), canary) {
			t.Errorf("a fault quotes the value, which may be a secret: %s", listed(faults))
		}
	}
	if faults := b.configure(t, instance, "good", x.Config); len(faults) > 0 {
		t.Errorf("after that it does not accept its configuration: %s", listed(faults))
	}
}

func (x *trial) misfits(config string) bool {
	found, err := plugins.Check(x.about.GetSchema(), []byte(config))
	return err == nil && len(found) > 0
}

func (x *trial) acceptsConfig(t T) {
	b := x.configured(t)
	ctx, cancel := b.soon(t)
	defer cancel()
	about, err := b.calls.Describe(ctx, &wire.DescribeRequest{Instance: instance})
	if err != nil {
		t.Fatalf("Describe of the instance: %s", b.why(err))
	}
	if about.GetName() != x.about.GetName() || about.GetVersion() != x.about.GetVersion() {
		t.Errorf("the instance calls itself %q %q, the plugin %q %q", about.GetName(), about.GetVersion(), x.about.GetName(), x.about.GetVersion())
	}
	x.about = about
}

func (x *trial) validates(t T) {
	b := x.look(t)
	look := func(config []byte) []*wire.ConfigFault {
		ctx, cancel := b.soon(t)
		defer cancel()
		answer, err := b.calls.Validate(ctx, &wire.ValidateRequest{Instance: instance, Config: config})
		if rpc.Code(err) == codes.Unimplemented {
			t.Skip("it has no Validate: its schema alone is looked at")
		}
		if err != nil {
			t.Fatalf("Validate: %s", b.why(err))
		}
		return answer.GetFaults()
	}
	if faults := look(x.Config); len(faults) > 0 {
		t.Errorf("it finds faults in its configuration: %s", listed(faults))
	}
	if faults := look([]byte("[]")); len(faults) == 0 {
		t.Error("it finds no fault in []")
	}
	ctx, cancel := b.soon(t)
	defer cancel()
	if _, err := b.calls.Describe(ctx, &wire.DescribeRequest{Instance: instance}); err == nil {
		t.Error("the instance is there after Validate, which is to change nothing")
	}
}

func (x *trial) reconfigures(t T) {
	b := x.configured(t)
	for _, revision := range []string{"1", "2", "1"} {
		if faults := b.configure(t, instance, revision, x.Config); len(faults) > 0 {
			t.Errorf("revision %s: %s", revision, listed(faults))
		}
	}
	ctx, cancel := b.soon(t)
	defer cancel()
	if _, err := b.calls.Describe(ctx, &wire.DescribeRequest{Instance: instance}); err != nil {
		t.Errorf("Describe after that: %s", b.why(err))
	}
}

func (x *trial) knowsInstances(t T) {
	b := x.configured(t)
	ctx, cancel := b.soon(t)
	defer cancel()
	if _, err := b.calls.Describe(ctx, &wire.DescribeRequest{Instance: "nobody"}); err == nil {
		t.Error("it describes an instance that it was never given")
	}
	if x.about.GetCapabilities().GetReceives() {
		if _, err := b.calls.Receive(ctx, &wire.ReceiveRequest{Instance: "nobody", Method: "POST"}); err == nil {
			t.Error("it receives for an instance that it was never given")
		}
	}
	if x.about.GetCapabilities().GetMultiInstance() {
		if faults := b.configure(t, "second", "1", x.Config); len(faults) > 0 {
			t.Errorf("it says multi_instance, and does not take a second one: %s", listed(faults))
		}
	}
	if !x.about.GetCapabilities().GetSends() {
		return
	}
	s := x.open(t, b)
	d := wire.FromDelivery(new(x.delivery(1)))
	d.Instance = "nobody"
	if r := s.one(d); r.GetOutcome() != wire.Outcome_OUTCOME_INVALID || r.GetScope() != wire.Scope_SCOPE_CHANNEL {
		t.Errorf("a delivery for an instance that it was never given is %s of %s, want invalid of the channel", r.GetOutcome(), r.GetScope())
	}
	if x.about.GetCapabilities().GetMultiInstance() {
		d := wire.FromDelivery(new(x.delivery(2)))
		d.Instance = "second"
		if r := s.one(d); r.GetOutcome() == wire.Outcome_OUTCOME_INVALID && r.GetScope() == wire.Scope_SCOPE_CHANNEL {
			t.Errorf("a delivery for its second instance is %s: %s", r.GetOutcome(), r.GetDetail())
		}
	}
}

func (x *trial) lives(t T) {
	b := x.configured(t)
	for range 3 {
		ctx, cancel := b.soon(t)
		_, err := b.calls.Health(ctx, &wire.HealthRequest{Instance: instance})
		cancel()
		if err != nil {
			t.Fatalf("Health: %s", b.why(err))
		}
	}
}

// delivery is the n-th delivery, ready to be sent.
func (x *trial) delivery(n int) otn.Delivery {
	s := suite{make: x.Deliver}
	d := s.delivery(n)
	d.Channel = instance
	return d
}

// line is the stream of deliveries, kept by hand.
type line struct {
	t       T
	b       *border
	stream  wire.Plugin_SendClient
	credits int64
	seq     uint64
	open    map[uint64]bool // written and not answered
	sent    int             // answers that were "sent"
}

// open opens the stream and reads the credits.
func (x *trial) open(t T, b *border) *line {
	t.Helper()
	if !x.about.GetCapabilities().GetSends() {
		t.Skip("it delivers nothing")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*b.patience)
	t.Cleanup(cancel)
	stream, err := b.calls.Send(ctx)
	if err != nil {
		t.Fatalf("Send: %s", b.why(err))
	}
	l := &line{t: t, b: b, stream: stream, open: map[uint64]bool{}}
	first := l.recv()
	if c := first.GetCredits(); c < 1 || c > wire.MaxCredits {
		t.Fatalf("its first frame grants %d credits, want 1 to %d", c, wire.MaxCredits)
	}
	if n := len(first.GetResults()); n > 0 {
		t.Fatalf("its first frame has %d results before anything was sent", n)
	}
	l.credits = first.GetCredits()
	return l
}

// recv waits for a frame.
func (l *line) recv() *wire.ResultFrame {
	l.t.Helper()
	type got struct {
		frame *wire.ResultFrame
		err   error
	}
	ch := make(chan got, 1)
	go func() {
		f, err := l.stream.Recv()
		ch <- got{f, err}
	}()
	select {
	case g := <-ch:
		if g.err != nil {
			l.t.Fatalf("the stream ended: %s", l.b.why(g.err))
		}
		return g.frame
	case <-time.After(l.b.patience):
		l.t.Fatalf("no frame within %s, with %d deliveries unanswered", l.b.patience, len(l.open))
		return nil
	}
}

// send writes deliveries, each with a seq of its own.
func (l *line) send(all ...*wire.Delivery) {
	l.t.Helper()
	for _, d := range all {
		l.seq++
		d.Seq = l.seq
		l.open[d.Seq] = true
	}
	if err := l.stream.Send(&wire.SendFrame{Deliveries: all}); err != nil {
		l.recv() // says why
	}
}

// take reads a frame and looks at every result in it.
func (l *line) take() []*wire.Result {
	l.t.Helper()
	frame := l.recv()
	for _, r := range frame.GetResults() {
		if !l.open[r.GetSeq()] {
			l.t.Fatalf("it answered seq %d, which is not open: each delivery is answered once", r.GetSeq())
		}
		delete(l.open, r.GetSeq())
		l.judge(r)
	}
	return frame.GetResults()
}

// judge looks at the words of a result.
func (l *line) judge(r *wire.Result) {
	l.t.Helper()
	_, outcome := wire.Outcome_name[int32(r.GetOutcome())]
	_, scope := wire.Scope_name[int32(r.GetScope())]
	switch {
	case !outcome || !scope:
		l.t.Errorf("a result has the outcome %d and the scope %d, which do not exist", r.GetOutcome(), r.GetScope())
	case r.GetAfterNs() < 0:
		l.t.Errorf("a result wants to wait %s", time.Duration(r.GetAfterNs()))
	case len(r.GetDetail()) > wire.MaxDetail || len(r.GetCode()) > wire.MaxDetail || len(r.GetProviderId()) > wire.MaxDetail:
		l.t.Errorf("a result has a detail of %d, a code of %d and a provider id of %d bytes, %d at most", len(r.GetDetail()), len(r.GetCode()), len(r.GetProviderId()), wire.MaxDetail)
	case r.GetOutcome() == wire.Outcome_OUTCOME_SENT:
		l.sent++
	}
}

// one sends a delivery and waits for its answer.
func (l *line) one(d *wire.Delivery) *wire.Result {
	l.t.Helper()
	l.send(d)
	for {
		for _, r := range l.take() {
			if r.GetSeq() == d.GetSeq() {
				return r
			}
		}
	}
}

func (x *trial) grants(t T) { x.open(t, x.configured(t)) }

// many is how many deliveries are sent through the stream, if they all go in good time.
const many = 5000

func (x *trial) answersSeqs(t T) {
	l := x.open(t, x.configured(t))
	end := time.Now().Add(x.Patience)
	n := 0
	for n < many && (n < flood || time.Now().Before(end)) {
		room := min(int(l.credits)-len(l.open), wire.MaxBatch, many-n)
		if room == 0 {
			l.take()
			continue
		}
		frame := make([]*wire.Delivery, room)
		for i := range frame {
			frame[i] = wire.FromDelivery(new(x.delivery(n)))
			n++
		}
		l.send(frame...)
	}
	for len(l.open) > 0 {
		l.take()
	}
	if l.sent != n {
		t.Errorf("%d of %d messages were accepted: give it a configuration with which it accepts every message", l.sent, n)
	}
}

// large is the size of a delivery that every plugin takes, unless it says otherwise, in bytes.
const large = 5 << 20

func (x *trial) takesLarge(t T) {
	l := x.open(t, x.configured(t))
	size := large
	if limit := int(x.about.GetCapabilities().GetMaxMessage()); limit > 0 {
		size = min(size, limit/2)
	}
	d := wire.FromDelivery(new(x.delivery(1)))
	d.Message = wire.FromDelivery(&otn.Delivery{Message: otn.Message{Text: strings.Repeat("x", size)}}).Message
	if r := l.one(d); r.GetOutcome() == wire.Outcome_OUTCOME_UNKNOWN {
		t.Errorf("a message of %d bytes is unknown [%s]: %s", size, r.GetCode(), r.GetDetail())
	}
	l.one(wire.FromDelivery(new(x.delivery(2))))
}

func (x *trial) answersCancelled(t T) {
	l := x.open(t, x.configured(t))
	d := wire.FromDelivery(new(x.delivery(1)))
	d.GiveUp = wire.FromTime(time.Now().Add(x.Patience))
	l.send(d)
	if err := l.stream.Send(&wire.SendFrame{Cancels: []uint64{d.GetSeq(), 1 << 40}}); err != nil {
		t.Fatalf("a cancel: %s", l.b.why(err))
	}
	for len(l.open) > 0 {
		l.take()
	}
	l.one(wire.FromDelivery(new(x.delivery(2))))
}

// listensOnce: a second listening beside the first is turned away, and one that the host says nothing to goes on telling nothing.
func (x *trial) listensOnce(t T) {
	if !x.about.GetCapabilities().GetListens() {
		t.Skip("it does not listen")
	}
	b := x.configured(t)
	open := func() (wire.Plugin_ListenClient, context.CancelFunc) {
		ctx, cancel := context.WithTimeout(t.Context(), b.patience)
		stream, err := b.calls.Listen(ctx)
		if err == nil {
			err = stream.Send(&wire.ListenFrame{Instance: instance})
		}
		if err != nil {
			cancel()
			t.Fatalf("Listen: %s", b.why(err))
		}
		return stream, cancel
	}
	first, stop := open()
	told, begun := make(chan int, 1), make(chan struct{})
	go func() { // and keeps nothing
		n := 0
		for {
			frame, err := first.Recv()
			if err != nil {
				break
			}
			if frame.GetEnd() == nil {
				if n++; n == 1 {
					close(begun)
				}
			}
		}
		told <- n
	}()
	select {
	case <-begun:
	case <-time.After(5 * quiet): // it has nothing to tell, and listens by now
	}
	second, cancel := open()
	if frame, err := second.Recv(); err == nil && frame.GetEnd() == nil {
		t.Error("a second listening is told things beside the first")
	} else if rpc.Code(err) == codes.DeadlineExceeded {
		t.Error("a second listening beside the first is not turned away")
	}
	cancel()
	stop()
	if n := <-told; n > 1 {
		t.Errorf("it told %d times, and its host had kept nothing: each waits for the word that the one before is on disk", n)
	}
}

var errStays = errors.New("it is still there")

func gone(b *border, within time.Duration) error {
	select {
	case <-b.Exited():
		return nil
	case <-time.After(within):
		return fmt.Errorf("after %s %w", within, errStays)
	}
}
