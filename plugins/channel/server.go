// The plugin's side of the calls: instances by name, each call guarded and counted.

package channel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// closing is how long an author's Close may hold up the end of the process.
const closing = time.Second

// server holds the open instances of one process.
type server struct {
	wire.UnimplementedPluginServer
	program Program
	log     *slog.Logger
	own     func() // gives stdout and stderr back to the process
	polls   atomic.Int64

	mu       sync.Mutex
	open     map[string]*opened
	inFlight int           // sends and asks
	idle     chan struct{} // closed when inFlight comes to 0 while draining
	draining bool
}

// opened is an instance with the calls that are inside it.
type opened struct {
	*Instance
	revision string
	calls    sync.WaitGroup // raised under the server's lock, while the instance is in its map
	polling  chan struct{}  // has room for the one poll
	hearing  chan struct{}  // and for the one listening
}

func newServer(p Program, log *slog.Logger, own func()) *server {
	return &server{program: p, log: log, own: own, open: map[string]*opened{}, idle: make(chan struct{})}
}

// Describe answers for the plugin, or for an open instance.
func (s *server) Describe(ctx context.Context, r *wire.DescribeRequest) (*wire.Description, error) {
	about := s.program.Describe()
	if r.GetInstance() != "" {
		i, err := s.enter(r.GetInstance())
		if err != nil {
			return nil, err
		}
		defer i.calls.Done()
		if about, err = i.Describe(ctx); err != nil {
			return nil, rpc.Error(codes.Internal, err.Error())
		}
	}
	return wire.FromDescription(&about), nil
}

// Configure opens an instance and closes the one it replaces when the calls inside it have ended.
func (s *server) Configure(ctx context.Context, r *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	s.own()
	name := r.GetInstance()
	s.mu.Lock()
	old := s.open[name]
	s.mu.Unlock()
	if old != nil && old.revision == r.GetRevision() {
		return &wire.ConfigureResponse{}, nil
	}
	at := Setup{Instance: name, PublicURL: r.GetPublicUrl(), Log: s.log}
	i, err := s.program.Open(context.WithoutCancel(ctx), r.GetConfig(), at) // the instance outlives the call
	if err != nil {
		return &wire.ConfigureResponse{Faults: wire.FromDiagnostics(wire.Diagnose(err))}, nil
	}
	s.mu.Lock()
	s.open[name] = &opened{Instance: i, revision: r.GetRevision(), polling: make(chan struct{}, 1), hearing: make(chan struct{}, 1)}
	s.mu.Unlock()
	if old != nil {
		go s.retire(old)
	}
	return &wire.ConfigureResponse{}, nil
}

// Validate opens an instance that nobody else sees, lets it ask its platform where that is wanted, and closes it.
func (s *server) Validate(ctx context.Context, r *wire.ValidateRequest) (*wire.ValidateResponse, error) {
	s.own()
	i, err := s.program.Open(ctx, r.GetConfig(), Setup{Instance: r.GetInstance(), PublicURL: r.GetPublicUrl(), Log: s.log})
	if err != nil {
		return &wire.ValidateResponse{Faults: wire.FromDiagnostics(wire.Diagnose(err))}, nil
	}
	defer i.Close() //nolint:errcheck // it was only tried
	if !r.GetDeep() {
		return &wire.ValidateResponse{}, nil
	}
	err = i.Validate(ctx)
	if errors.Is(err, otn.ErrNotFound) {
		return &wire.ValidateResponse{}, nil
	}
	answer := &wire.ValidateResponse{Deep: true}
	if err != nil {
		answer.Faults = wire.FromDiagnostics(wire.Diagnose(err))
	}
	return answer, nil
}

func (s *server) retire(i *opened) {
	i.calls.Wait()
	if err := i.Close(); err != nil {
		s.log.Warn("close", "error", err)
	}
}

// enter finds an instance and counts a call inside it. The caller ends it with calls.Done.
func (s *server) enter(name string) (*opened, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.open[name]
	if i == nil {
		return nil, rpc.Errorf(codes.NotFound, "no instance %q is configured", name)
	}
	i.calls.Add(1)
	return i, nil
}

// start enters an instance for a send or an ask. Errors: *otn.SendError, certainly not sent.
func (s *server) start(name string) (*opened, error) {
	s.mu.Lock()
	draining := s.draining
	if !draining {
		s.inFlight++
	}
	s.mu.Unlock()
	if draining {
		return nil, &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, Code: "draining"}
	}
	i, err := s.enter(name)
	if err != nil {
		s.end()
		return nil, &otn.SendError{Outcome: otn.Invalid, Scope: otn.ChannelScope, Code: "unknown_instance", Err: fmt.Errorf("no instance %q is configured", name)}
	}
	return i, nil
}

func (s *server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	s.settle()
}

// settle tells a waiting Drain that nothing is in flight. The lock is held.
func (s *server) settle() {
	if s.draining && s.inFlight == 0 {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
}

// Ask sends a request for consent.
func (s *server) Ask(ctx context.Context, r *wire.AskRequest) (*wire.Result, error) {
	i, err := s.start(r.GetInstance())
	if err != nil {
		return wire.FromResult(0, otn.Receipt{}, err), nil
	}
	defer s.end()
	defer i.calls.Done()
	receipt, err := i.Ask(ctx, wire.ToAsk(r))
	return wire.FromResult(0, receipt, err), nil
}

// Lookup asks what became of a delivery.
func (s *server) Lookup(ctx context.Context, r *wire.Delivery) (*wire.Result, error) {
	i, err := s.enter(r.GetInstance())
	if err != nil {
		return nil, err
	}
	defer i.calls.Done()
	d, err := wire.ToDelivery(r)
	if err != nil {
		return nil, rpc.Error(codes.InvalidArgument, err.Error())
	}
	receipt, err := i.Lookup(ctx, d)
	return wire.FromResult(0, receipt, err), nil
}

// Link makes a link that leads people to an instance.
func (s *server) Link(ctx context.Context, r *wire.LinkRequest) (*wire.LinkResponse, error) {
	i, err := s.enter(r.GetInstance())
	if err != nil {
		return nil, err
	}
	defer i.calls.Done()
	return wire.FromLink(i.Link(ctx, r.GetRef())), nil
}

// Receive decodes a webhook call.
func (s *server) Receive(ctx context.Context, r *wire.ReceiveRequest) (*wire.ReceiveResponse, error) {
	i, err := s.enter(r.GetInstance())
	if err != nil {
		return nil, err
	}
	defer i.calls.Done()
	return wire.FromResponse(i.Receive(ctx, wire.ToRequest(r))), nil
}

// Health answers as long as the process can.
func (s *server) Health(context.Context, *wire.HealthRequest) (*wire.HealthResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &wire.HealthResponse{InFlight: int64(s.inFlight), Polling: s.polls.Load()}, nil
}

// Drain starts nothing new and waits for what was started.
func (s *server) Drain(ctx context.Context, r *wire.DrainRequest) (*wire.DrainResponse, error) {
	s.mu.Lock()
	s.draining = true
	before := s.inFlight
	s.settle()
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.GetGraceNs()))
	defer cancel()
	select {
	case <-s.idle:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &wire.DrainResponse{Finished: int64(max(before-s.inFlight, 0)), Abandoned: int64(s.inFlight)}, nil
}

// credits is how many deliveries the process takes at once: as many as its most capable instance.
func (s *server) credits(ctx context.Context) int {
	s.mu.Lock()
	all := make([]*opened, 0, len(s.open))
	for _, i := range s.open {
		all = append(all, i)
	}
	s.mu.Unlock()
	most := 1
	for _, i := range all {
		if about, err := i.Describe(ctx); err == nil {
			most = max(most, wire.Credits(&about.Capabilities))
		}
	}
	return most
}

// close closes every instance, and waits for none longer than closing.
func (s *server) close() {
	s.mu.Lock()
	all := s.open
	s.open = map[string]*opened{}
	s.mu.Unlock()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for _, i := range all {
			if err := i.Close(); err != nil {
				s.log.Warn("close", "error", err)
			}
		}
	}()
	select {
	case <-closed:
	case <-time.After(closing):
	}
}
