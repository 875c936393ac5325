// A plugin that hangs, dies or talks rubbish in each of its calls, one after the other: the caller is answered in time.

package plugins_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// hanger holds every webhook, ask and link as long as it is told, or for ever.
var hanger = channel.Plugin[hold]{Name: "hanger", Version: "1.0.0", New: func(_ context.Context, c hold, _ channel.Setup) (any, error) { return c, nil }}

type hold struct {
	For channel.Duration `json:"for,omitempty"`
}

func (h hold) wait() {
	if h.For == 0 {
		select {}
	}
	time.Sleep(time.Duration(h.For))
}

func (h hold) Receive(context.Context, otn.Request) (otn.Response, []otn.Record, error) {
	h.wait()
	return otn.Response{Status: http.StatusTeapot}, nil, nil
}
func (h hold) Ask(context.Context, otn.Ask) (otn.Receipt, error)       { h.wait(); return otn.Receipt{}, nil }
func (h hold) Link(context.Context, string) (string, error)            { h.wait(); return "", nil }
func (h hold) Validate(context.Context) error                          { h.wait(); return nil }
func (h hold) Send(context.Context, otn.Delivery) (otn.Receipt, error) { return otn.Receipt{}, nil }

// odd is a plugin that is odd in one call.
type odd struct {
	wire.UnimplementedPluginServer
	in string
}

func (o odd) Describe(context.Context, *wire.DescribeRequest) (*wire.Description, error) {
	if o.in == "hangs in Describe" {
		select {}
	}
	return &wire.Description{Name: "odd", Version: "1", Capabilities: &wire.Capabilities{Sends: true, MaxInFlight: 4}}, nil
}

func (o odd) Configure(context.Context, *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	switch o.in {
	case "hangs in Configure":
		select {}
	case "dies in Configure":
		_, _ = syscall.Write(2, []byte("cannot bear it\n")) // go-plugin has put a pipe into the place of os.Stderr
		os.Exit(4)
	case "errs in Configure":
		return nil, rpc.Error(codes.Internal, "not today")
	}
	return &wire.ConfigureResponse{}, nil
}

func (o odd) Health(context.Context, *wire.HealthRequest) (*wire.HealthResponse, error) {
	if o.in == "hangs in Health" {
		select {}
	}
	return &wire.HealthResponse{}, nil
}

func (o odd) Drain(context.Context, *wire.DrainRequest) (*wire.DrainResponse, error) {
	if o.in == "hangs in Drain" {
		select {}
	}
	return &wire.DrainResponse{}, nil
}

func (o odd) Send(stream wire.Plugin_SendServer) error {
	if o.in == "grants nothing" {
		select {}
	}
	if o.in == "grants too much" {
		return stream.Send(&wire.ResultFrame{Credits: wire.MaxCredits + 1})
	}
	if err := stream.Send(&wire.ResultFrame{Credits: 4}); err != nil {
		return err
	}
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		for _, d := range frame.GetDeliveries() {
			r := &wire.Result{Seq: d.GetSeq(), Outcome: wire.Outcome_OUTCOME_SENT}
			if o.in == "sends a frame too large" {
				r.Detail = strings.Repeat("x", wire.MaxFrame)
			}
			if err := stream.Send(&wire.ResultFrame{Results: []*wire.Result{r}}); err != nil {
				return err
			}
		}
	}
}

// What a process cannot get over before it is ready costs its start, and the reason is told.
func TestNotReadyInTime(t *testing.T) {
	for in, want := range map[string]string{
		"hangs in Describe": "not ready after 2s: describe:", "hangs in Configure": "not ready after 2s: configure:", "dies in Configure": `exit status 4; its last line: "cannot bear it"`,
		"errs in Configure": "not today", "grants nothing": "not ready after 2s: open the stream", "grants too much": "its first frame grants 4097 credits",
		"another protocol": "shake hands:",
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			patience := 20 * time.Second
			if strings.Contains(want, "after 2s") {
				patience = 2 * time.Second
			}
			p := launch(t, plugins.Spec{Command: self(t, in), StartTimeout: patience, Backoff: time.Hour})
			until(t, "given up", inPhase(p, plugins.Backoff))
			if err := p.State().Err; !strings.Contains(err.Error(), want) {
				t.Errorf("it says %q, want %q", err, want)
			}
			_, err := p.Send(t.Context(), delivery(1))
			if outcome, _ := otn.OutcomeOf(err); outcome != otn.Deferred {
				t.Errorf("Send: %v", err)
			}
		})
	}
}

func TestHangInHealthEndsTheProcess(t *testing.T) {
	p := launch(t, plugins.Spec{Command: self(t, "hangs in Health"), Health: 10 * time.Millisecond, HealthWait: 20 * time.Millisecond, Backoff: time.Hour})
	until(t, "ended", inPhase(p, plugins.Backoff))
	if err := p.State().Err; !strings.Contains(err.Error(), "whether it lives") {
		t.Errorf("ended with %v", err)
	}
}

func TestHangInDrainDoesNotHoldUpTheEnd(t *testing.T) {
	p, stop := run(t, plugins.Spec{Command: self(t, "hangs in Drain"), Grace: 100 * time.Millisecond, Kill: 100 * time.Millisecond})
	ready(t, p)
	pid, began := p.State().PID, time.Now()
	stop()
	if took := time.Since(began); took > 5*time.Second || !gone(pid)() {
		t.Errorf("the stop took %s", took)
	}
}

// Calls that somebody waits for are given up in time, and cost nothing else.
func TestHangInACall(t *testing.T) {
	p := launch(t, plugins.Spec{Command: self(t, "hanger"), Call: 100 * time.Millisecond})
	ready(t, p)
	if _, _, err := p.Receive(t.Context(), otn.Request{Method: http.MethodPost}); !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("Receive: %v", err)
	}
	if _, err := p.Link(t.Context(), "notify.x"); !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("Link: %v", err)
	}
	if err := p.Validate(t.Context()); !errors.Is(err, otn.ErrUnavailable) {
		t.Errorf("Validate: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := p.Ask(ctx, otn.Ask{ID: "1"})
	if outcome, _ := otn.OutcomeOf(err); outcome != otn.Unknown {
		t.Errorf("Ask: %v", err)
	}
	if _, err := p.Send(t.Context(), delivery(1)); err != nil || p.State().Restarts != 0 {
		t.Errorf("Send beside them: %v", err)
	}
}

// A frame that is too large ends the stream: what was in flight is unknown, and the next process takes over.
func TestAFrameTooLargeEndsTheProcess(t *testing.T) {
	p := launch(t, plugins.Spec{Command: self(t, "sends a frame too large"), Backoff: time.Hour})
	ready(t, p)
	_, err := p.Send(t.Context(), delivery(1))
	if outcome, _ := otn.OutcomeOf(err); outcome != otn.Unknown {
		t.Errorf("Send: %v", err)
	}
	until(t, "ended", inPhase(p, plugins.Backoff))
	if err := p.State().Err; !strings.Contains(err.Error(), "larger than max") {
		t.Errorf("ended with %v", err)
	}
}

// A hundred megabytes on stdout behind the handshake block nobody, fill no memory and no log.
func TestRubbishOnStdout(t *testing.T) {
	l := newLog(t)
	p := launch(t, plugins.Spec{Command: self(t, "gushes"), Log: l.slog()})
	ready(t, p)
	before := heap()
	until(t, "it is through", func() bool {
		_, err := p.Send(t.Context(), delivery(1))
		return err == nil && strings.Contains(l.String(), "lines are dropped")
	})
	if grown := int64(heap() - before); grown > 16<<20 || len(l.String()) > 4<<20 {
		t.Errorf("%d bytes of memory and %d of log", grown, len(l.String()))
	}
	until(t, "the dropped are counted", func() bool { return p.Metrics().Dropped > 1000 || p.State().Phase != plugins.Ready })
}

// gush prints to the first stdout behind the handshake.
func gush(stdout *os.File) {
	line := append(bytes.Repeat([]byte("\xffxx{"), 250), '\n')
	for range 100_000 {
		_, _ = stdout.Write(line)
	}
	_, _ = stdout.WriteString("done\n")
}
