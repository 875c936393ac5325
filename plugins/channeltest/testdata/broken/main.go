// Plugins that are wrong in one thing each: the first argument says in which. Without one it is right.

// Command broken is every broken plugin that the conformance suite is to catch.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/onetimenotify/otn/plugins/internal/wire"
)

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "sleeper", "silent":
		time.Sleep(20 * time.Second)
	case "exits":
		fmt.Fprintln(os.Stderr, "no licence found")
		os.Exit(7)
	case "greets":
		fmt.Println("Hello! I am a plugin.")
	case "another protocol":
		fmt.Printf("1|9|unix|%s/none|grpc|\n", os.Getenv("PLUGIN_UNIX_SOCKET_DIR"))
		time.Sleep(time.Hour)
	case "no TLS":
		_ = os.Unsetenv("PLUGIN_CLIENT_CERT")
	case "family":
		cmd := exec.Command(os.Args[0], "sleeper")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		_ = cmd.Start()
	}
	if mode != "a signal ends it" {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	}
	if mode != "outlives its host" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	s := &server{mode: mode, open: map[string]bool{}, took: map[string]bool{}}
	options := wire.NewServer
	if mode == "small frames" {
		options = func(o []grpc.ServerOption) *grpc.Server { return grpc.NewServer(o...) } // 4 MiB, as gRPC has it
	}
	s.stdout = os.Stdout
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: wire.Handshake(), VersionedPlugins: wire.Versions(s), GRPCServer: options, Logger: hclog.NewNullLogger()})
}

// server is a plugin that accepts everything, written without the kit.
type server struct {
	wire.UnimplementedPluginServer
	mode   string
	stdout *os.File

	mu       sync.Mutex
	open     map[string]bool
	draining bool
	took     map[string]bool // ids
	heard    int             // who listens now
}

func (s *server) is(mode string) bool { return s.mode == mode }

const schema = `{"type":"object","additionalProperties":false,"required":["name"],"properties":{"name":{"type":"string"}}}`

func (s *server) Describe(_ context.Context, r *wire.DescribeRequest) (*wire.Description, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is("needs a configuration") && len(s.open) == 0 || r.GetInstance() != "" && !s.open[r.GetInstance()] {
		return nil, status.Error(codes.NotFound, "no such instance")
	}
	d := &wire.Description{Name: "broken", Version: "1.0.0", Schema: []byte(schema), Capabilities: &wire.Capabilities{
		Sends: true, Receives: true, MaxInFlight: 8, MultiInstance: true, Listens: true, Lookups: true,
	}}
	switch s.mode {
	case "nameless":
		d.Name = ""
	case "boasts":
		d.Capabilities.MaxInFlight = 1 << 40
	case "no schema":
		d.Schema = []byte("see the README")
	case "bad schema":
		d.Schema = []byte(`{"type":"text"}`)
	case "two names":
		if r.GetInstance() != "" {
			d.Name = "other"
		}
	}
	return d, nil
}

func (s *server) faults(config []byte) []*wire.ConfigFault {
	var c struct {
		Name *string `json:"name"`
	}
	d := json.NewDecoder(bytes.NewReader(config))
	d.DisallowUnknownFields()
	err := d.Decode(&c)
	switch {
	case s.is("takes any configuration"):
		return nil
	case s.is("takes no configuration"):
		return []*wire.ConfigFault{{Message: "no"}}
	case s.is("tells secrets") && err != nil:
		return []*wire.ConfigFault{{Message: "cannot read " + string(config)}}
	case err != nil || c.Name == nil:
		return []*wire.ConfigFault{{Path: "name", Message: "is required"}}
	}
	return nil
}

func (s *server) Configure(_ context.Context, r *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	faults := s.faults(r.GetConfig())
	switch {
	case s.is("dies of a configuration") && len(faults) > 0:
		os.Exit(2)
	case s.is("errors for faults") && len(faults) > 0:
		return nil, status.Error(codes.InvalidArgument, "bad configuration")
	case s.is("never configured"):
		select {}
	case s.is("configured once") && s.open[r.GetInstance()]:
		return &wire.ConfigureResponse{Faults: []*wire.ConfigFault{{Message: "already configured"}}}, nil
	}
	if len(faults) == 0 {
		s.mu.Lock()
		s.open[r.GetInstance()] = true
		s.mu.Unlock()
	}
	return &wire.ConfigureResponse{Faults: faults}, nil
}

func (s *server) Validate(ctx context.Context, r *wire.ValidateRequest) (*wire.ValidateResponse, error) {
	if s.is("validates for real") {
		_, _ = s.Configure(ctx, &wire.ConfigureRequest{Instance: r.GetInstance(), Config: r.GetConfig()})
	}
	return &wire.ValidateResponse{Faults: s.faults(r.GetConfig())}, nil
}

func (s *server) Receive(_ context.Context, r *wire.ReceiveRequest) (*wire.ReceiveResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.open[r.GetInstance()]:
		return nil, status.Error(codes.NotFound, "no such instance")
	case s.is("takes any webhook"):
		return &wire.ReceiveResponse{HttpStatus: 200}, nil
	case s.is("prints"):
		_, _ = fmt.Fprintln(s.stdout, "a webhook came")
	}
	return &wire.ReceiveResponse{HttpStatus: 405}, nil
}

// Listen tells two things, each when the one before is kept, and stays.
func (s *server) Listen(stream wire.Plugin_ListenServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	known, free := s.begin(first.GetInstance())
	for range 50 { // the one before may be about to return
		if !known || free {
			break
		}
		time.Sleep(10 * time.Millisecond)
		known, free = s.begin(first.GetInstance())
	}
	switch {
	case !known:
		return status.Error(codes.NotFound, "no such instance")
	case !free:
		return status.Error(codes.FailedPrecondition, "somebody listens")
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.heard--
	}()
	if s.is("stays on") {
		defer func() { select {} }()
	}
	at := 0
	if s.is("wants its place") {
		if _, err := fmt.Sscan(first.GetCursor(), &at); err != nil && first.GetCursor() != "" {
			return status.Error(codes.InvalidArgument, "no place of mine")
		}
	}
	for n := at; n < 2; n++ {
		frame := &wire.HeardFrame{Seq: uint64(n + 1), Next: fmt.Sprint(n + 1), Records: []*wire.Record{{What: &wire.Record_Note{Note: &wire.Note{Text: "heard"}}}}}
		if err := stream.Send(frame); err != nil {
			return err
		}
		if s.is("tells on") {
			continue
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// begin counts somebody who listens.
func (s *server) begin(instance string) (known, free bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, free = s.open[instance], s.heard == 0 || s.is("listens to all")
	if known && free {
		s.heard++
	}
	return known, free
}

func (s *server) Lookup(_ context.Context, d *wire.Delivery) (*wire.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	took := s.took[string(d.GetId())] && !s.is("denies what it sent") || s.is("claims what it never got")
	if took {
		return &wire.Result{Outcome: wire.Outcome_OUTCOME_SENT}, nil
	}
	return &wire.Result{Outcome: wire.Outcome_OUTCOME_DEFERRED}, nil
}

func (s *server) Health(context.Context, *wire.HealthRequest) (*wire.HealthResponse, error) {
	if s.is("no word of health") {
		select {}
	}
	return &wire.HealthResponse{}, nil
}

func (s *server) Drain(context.Context, *wire.DrainRequest) (*wire.DrainResponse, error) {
	if s.is("never drains") {
		select {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = !s.is("goes on after Drain")
	return &wire.DrainResponse{}, nil
}

func (s *server) Send(stream wire.Plugin_SendServer) error {
	first := &wire.ResultFrame{Credits: 8}
	switch s.mode {
	case "no credits":
		first.Credits = 0
	case "keeps its credits":
		select {}
	case "answers first":
		first.Results = []*wire.Result{{Seq: 1}}
	}
	if err := stream.Send(first); err != nil {
		return err
	}
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		answers := &wire.ResultFrame{}
		for _, d := range frame.GetDeliveries() {
			answers.Results = append(answers.Results, s.results(d)...)
		}
		if s.is("cancels the stream") && len(frame.GetCancels()) > 0 {
			return status.Error(codes.Canceled, "as you wish")
		}
		if err := stream.Send(answers); err != nil {
			return err
		}
	}
}

// results are the answers to a delivery: one, unless this is what is wrong.
func (s *server) results(d *wire.Delivery) []*wire.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &wire.Result{Seq: d.GetSeq(), Outcome: wire.Outcome_OUTCOME_SENT}
	deadline := wire.ToTime(d.GetDeadline())
	switch {
	case len(d.GetId()) != 25 || d.GetMessage() == nil:
		r.Outcome = wire.Outcome_OUTCOME_INVALID
	case !s.open[d.GetInstance()] && !s.is("serves anybody"):
		r.Outcome, r.Scope = wire.Outcome_OUTCOME_INVALID, wire.Scope_SCOPE_CHANNEL
	case s.draining:
		r.Outcome, r.Scope, r.Code = wire.Outcome_OUTCOME_DEFERRED, wire.Scope_SCOPE_CHANNEL, "draining"
	case !deadline.IsZero() && time.Now().After(deadline) && !s.is("late"):
		r.Outcome, r.Code = wire.Outcome_OUTCOME_DEFERRED, "expired"
	}
	if r.GetOutcome() == wire.Outcome_OUTCOME_SENT {
		s.took[string(d.GetId())] = true
	}
	nth := d.GetSeq() % 10
	switch {
	case s.is("refuses") && nth == 9:
		r.Outcome = wire.Outcome_OUTCOME_REFUSED
	case s.is("forgets") && nth == 9:
		return nil
	case s.is("answers twice") && nth == 9:
		return slices.Repeat([]*wire.Result{r}, 2)
	case s.is("answers others") && nth == 9:
		r.Seq += 1000
	case s.is("odd outcomes") && nth == 9:
		r.Scope = 99
	case s.is("talks") && nth == 9:
		r.Detail = strings.Repeat("x", 10_000)
	case s.is("dies of emptiness") && d.GetMessage().GetText() == "":
		os.Exit(2)
	}
	return []*wire.Result{r}
}
