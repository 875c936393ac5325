// The stream of deliveries against a plugin that a test plays: each delivery one answer, in whatever order things happen.

package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// far is the plugin's end of a stream.
type far struct {
	grpc.ClientStream
	ctx     context.Context
	results chan *wire.ResultFrame
	broken  chan struct{}
	arrived chan struct{}

	mu      sync.Mutex
	got     []uint64 // seqs, not yet answered
	at      map[uint64]string
	cancels []uint64
	largest int
	frames  int
	over    bool // more than was granted
	credits int
	refuses bool // every frame
}

func newFar(credits int) *far {
	f := &far{results: make(chan *wire.ResultFrame, 1000), broken: make(chan struct{}), arrived: make(chan struct{}, 1), at: map[uint64]string{}, credits: credits}
	f.results <- &wire.ResultFrame{Credits: int64(credits)}
	return f
}

// farCalls opens the stream on a far end.
type farCalls struct {
	wire.PluginClient
	far *far
}

func (c farCalls) Send(ctx context.Context, _ ...grpc.CallOption) (grpc.BidiStreamingClient[wire.SendFrame, wire.ResultFrame], error) {
	c.far.ctx = ctx
	return c.far, nil
}

func (f *far) Context() context.Context { return f.ctx }

func (f *far) Send(frame *wire.SendFrame) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuses {
		return io.ErrClosedPipe
	}
	f.frames++
	f.largest = max(f.largest, proto.Size(frame))
	for _, d := range frame.GetDeliveries() {
		f.got = append(f.got, d.GetSeq())
		f.at[d.GetSeq()] = d.GetSubscriber().GetId()
	}
	f.over = f.over || len(f.got) > f.credits
	f.cancels = append(f.cancels, frame.GetCancels()...)
	select {
	case f.arrived <- struct{}{}:
	default:
	}
	return nil
}

func (f *far) Recv() (*wire.ResultFrame, error) {
	select {
	case r := <-f.results:
		return r, nil
	case <-f.broken:
		return nil, io.ErrUnexpectedEOF
	case <-f.ctx.Done():
		return nil, f.ctx.Err()
	}
}

// take picks n of the deliveries that the plugin has.
func (f *far) take(n int) []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, len(f.got))
	taken := f.got[:n:n]
	f.got = f.got[n:]
	return taken
}

// await picks up to n of the deliveries that the plugin has, when it has any.
func (f *far) await(n int) []uint64 {
	for {
		if seqs := f.take(n); len(seqs) > 0 {
			return seqs
		}
		<-f.arrived
	}
}

func (f *far) has(who string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.at {
		if id == who {
			return true
		}
	}
	return false
}

func (f *far) answer(seqs []uint64) {
	frame := &wire.ResultFrame{}
	for _, seq := range seqs {
		frame.Results = append(frame.Results, &wire.Result{Seq: seq, Outcome: wire.Outcome_OUTCOME_SENT})
	}
	if len(seqs) > 0 {
		f.results <- frame
	}
}

func begin(t rapid.TB, f *far) *stream {
	ctx, stop := context.WithCancel(context.Background())
	s, err := openStream(ctx, stop, farCalls{far: f})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func to(who string) *wire.Delivery {
	return wire.FromDelivery(&otn.Delivery{Subscriber: otn.Subscriber{ID: who}, Message: otn.Message{Text: "It is back."}})
}

// Whatever is sent, answered, cancelled and broken in whatever order: each delivery has one answer, what reached the plugin
// unanswered is Unknown, what did not is Deferred, and the plugin never has more than it granted.
func TestStreamAnswersEachOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFar(rapid.IntRange(1, 5).Draw(t, "credits"))
		s := begin(t, f)
		var tasks sync.WaitGroup
		var mu sync.Mutex
		outcomes, sent, cancels := map[string][]otn.Outcome{}, 0, []context.CancelFunc{}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				who := fmt.Sprint(sent)
				sent++
				ctx, cancel := context.WithCancel(context.Background())
				cancels = append(cancels, cancel)
				tasks.Go(func() {
					_, err := s.send(ctx, to(who), 0)
					o, _ := otn.OutcomeOf(err)
					mu.Lock()
					defer mu.Unlock()
					outcomes[who] = append(outcomes[who], o)
				})
			},
			"answer": func(t *rapid.T) { f.answer(f.take(rapid.IntRange(1, 3).Draw(t, "n"))) },
			"cancel": func(t *rapid.T) {
				if len(cancels) > 0 {
					cancels[rapid.IntRange(0, len(cancels)-1).Draw(t, "which")]()
				}
			},
		})
		close(f.broken)
		tasks.Wait()
		s.close()
		for _, cancel := range cancels {
			cancel()
		}
		for n := range sent {
			who := fmt.Sprint(n)
			switch got := outcomes[who]; {
			case len(got) != 1:
				t.Fatalf("delivery %s has the answers %v", who, got)
			case got[0] == otn.Deferred && f.has(who):
				t.Fatalf("delivery %s reached the plugin and is deferred", who)
			case got[0] != otn.Deferred && !f.has(who):
				t.Fatalf("delivery %s never reached the plugin and is %s", who, got[0])
			}
		}
		if f.over {
			t.Fatalf("the plugin had more than the %d it granted", f.credits)
		}
	})
}

// Frames carry what is queued, and never more than a connection takes.
func TestFramesArePackedAndBounded(t *testing.T) {
	f := newFar(500)
	s := begin(t, f)
	defer s.close()
	var calls []*call
	for n := range 300 {
		d := to(fmt.Sprint(n))
		if n >= 290 {
			d.Message.Text = strings.Repeat("x", 3<<20)
		}
		d.Seq = uint64(n + 1)
		calls = append(calls, &call{delivery: d, size: proto.Size(d), answer: make(chan answer, 1)})
	}
	s.mu.Lock()
	s.queue = append(s.queue, calls...) // all at once
	s.signal()
	s.mu.Unlock()
	for answered := 0; answered < 300; {
		seqs := f.await(300)
		answered += len(seqs)
		f.answer(seqs)
	}
	if f.largest > wire.MaxFrame || f.frames > 300/wire.MaxBatch+1+10/2 {
		t.Errorf("%d frames, the largest of %d bytes", f.frames, f.largest)
	}
}

// What nobody waits for any more when its turn comes is not written.
func TestLateOnesAreNotWritten(t *testing.T) {
	f := newFar(1)
	s := begin(t, f)
	defer s.close()
	c := &call{delivery: to("late"), giveUp: time.Now().Add(-time.Millisecond), answer: make(chan answer, 1)}
	if err := s.enqueue(c); err != nil {
		t.Fatal(err)
	}
	if outcome, _ := otn.OutcomeOf((<-c.answer).err); outcome != otn.Deferred || f.has("late") {
		t.Errorf("it is %s, written: %v", outcome, f.has("late"))
	}
}

func TestPluginsThatBreakTheRules(t *testing.T) {
	for name, frame := range map[string]*wire.ResultFrame{
		"no credits":          {},
		"credits without end": {Credits: 1 << 31},
		"credits below zero":  {Credits: -1},
		"results at once":     {Credits: 1, Results: []*wire.Result{{}}},
	} {
		f := newFar(1)
		<-f.results
		f.results <- frame
		ctx, stop := context.WithCancel(t.Context())
		if s, err := openStream(ctx, stop, farCalls{far: f}); !errors.Is(err, errProtocol) {
			t.Errorf("%s: %v", name, err)
			s.close()
		}
	}
	for name, seqs := range map[string][]uint64{"an answer to nothing": {7}, "an answer twice": {1, 1}} {
		f := newFar(1)
		s := begin(t, f)
		answered := make(chan error)
		go func() { _, err := s.send(t.Context(), to("222"), 0); answered <- err }()
		f.await(1)
		f.answer(seqs)
		err := <-answered
		<-s.done
		if !errors.Is(s.why(), errProtocol) {
			t.Errorf("%s: the stream goes on: %v", name, s.why())
		}
		if outcome, _ := otn.OutcomeOf(err); (seqs[0] == 1) != (outcome == otn.Sent) || outcome == otn.Deferred {
			t.Errorf("%s: %v", name, err)
		}
		s.close()
	}
}

// A frame that could not be written ends the stream: what was in it may have left.
func TestAFrameThatIsNotWritten(t *testing.T) {
	f := newFar(1)
	f.refuses = true
	s := begin(t, f)
	defer s.close()
	_, err := s.send(t.Context(), to("1"), 0)
	if outcome, _ := otn.OutcomeOf(err); outcome != otn.Unknown {
		t.Errorf("what was in the frame: %v", err)
	}
	_, err = s.send(t.Context(), to("2"), 0)
	if outcome, se := otn.OutcomeOf(err); outcome != otn.Deferred || se.Scope != otn.ChannelScope {
		t.Errorf("the next: %v", err)
	}
}

// A late answer gives the place back and changes nothing else.
func TestLateAnswers(t *testing.T) {
	f := newFar(1)
	s := begin(t, f)
	defer s.close()
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error)
	go func() { _, err := s.send(ctx, to("1"), 0); answered <- err }()
	late := f.await(1)
	cancel()
	if outcome, _ := otn.OutcomeOf(<-answered); outcome != otn.Unknown {
		t.Errorf("the first is %s", outcome)
	}
	if !s.hung(time.Now().Add(time.Hour)) || s.hung(time.Now().Add(-time.Hour)) {
		t.Error("it is not known for how long it has been held")
	}
	go func() { _, err := s.send(t.Context(), to("2"), 0); answered <- err }()
	f.answer(late)
	f.answer(f.await(1))
	if err := <-answered; err != nil || s.hung(time.Now().Add(time.Hour)) {
		t.Errorf("the second: %v", err)
	}
}
