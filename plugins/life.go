// One life of a plugin's process: launched, configured, watched, and ended so that nothing of it is left.

package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// maxMisses of the health question in a row end a process.
const maxMisses = 3

// life is one process from launch to end.
type life struct {
	spec   *Spec
	child  *child
	addr   net.Addr
	conn   *grpc.ClientConn
	calls  wire.PluginClient
	stream *stream
	polls  polls
	about  otn.Description
	inside sync.WaitGroup // calls that go to it; raised under the Process's lock while it is the one in place

	leaving chan struct{} // closed when it is to go: who listens listens to the next one
}

var (
	errStopping = errors.New("the plugin is being stopped")
	errReplaced = errors.New("another process takes its place")
	errHealth   = errors.New("the plugin did not answer whether it lives")
	errHung     = errors.New("the plugin held a call long after its time")
)

// live is one life, and those that take its place beside it: until ctx is done (nil), or the plugin ends or has to be ended (why).
func (p *Process) live(ctx context.Context) error {
	dir, remove, err := socketDir(p.spec.Dir, p.spec.Name)
	if err != nil {
		return fault{err}
	}
	defer remove()
	l, err := p.launch(ctx, dir)
	if err != nil {
		return err
	}
	var leaving sync.WaitGroup // processes that were replaced, and finish what they have
	defer leaving.Wait()
	p.install(l)
	for {
		replace, err := l.watch(ctx, p.replace)
		if replace == nil {
			p.mu.Lock()
			p.life = nil
			p.mu.Unlock()
			if err == nil {
				close(l.leaving)
				l.drain(ctx, errStopping)
			}
			l.end(err == nil)
			return err
		}
		next, err := p.launch(ctx, dir)
		if err != nil {
			replace <- err
			p.spec.Log.Warn("another process could not take the running one's place, which stays", "error", err)
			continue
		}
		old := l
		l = next
		p.meter.replaced.Add(1)
		p.install(l)
		close(old.leaving)
		replace <- nil
		leaving.Go(func() {
			old.drain(ctx, errReplaced)
			old.end(true)
		})
	}
}

// install makes a life the one that calls go to.
func (p *Process) install(l *life) {
	p.set(func(s *State) {
		s.Phase, s.PID = Ready, l.pid()
		p.life, p.about = l, &l.about
	})
	p.spec.Log.Info("plugin ready", "pid", l.pid(), "version", l.about.Version)
}

// launch starts a process and configures it. When it fails, nothing is left.
func (p *Process) launch(ctx context.Context, dir string) (*life, error) {
	p.meter.starts.Add(1)
	if p.spec.Attach != nil {
		p.spec.Log.Warn("plugin is attached, not launched: it is under a debugger, and neither pinned nor watched", "pid", p.spec.Attach.PID)
		return attach(ctx, &p.spec, &p.meter)
	}
	return start(ctx, &p.spec, &p.meter, dir, (*life).connect)
}

// start launches a process, shakes hands with it and does what then says. When anything fails, nothing is left.
func start(ctx context.Context, spec *Spec, m *meter, dir string, then func(*life, context.Context) error) (*life, error) {
	file, err := find(spec.Command, spec.Lock)
	if err != nil {
		return nil, fault{err}
	}
	l := &life{spec: spec, child: newChild(file, spec.Command[1:], hostEnv(spec.Env), spec.WorkDir, newSink(spec.Log, m)), leaving: make(chan struct{})}
	starting, cancel := context.WithTimeout(ctx, spec.StartTimeout)
	defer cancel()
	keep := context.AfterFunc(starting, l.child.kill)
	if err = l.shake(dir); err == nil {
		err = then(l, starting)
	}
	if !keep() && err == nil {
		err = context.Cause(starting)
	}
	if err != nil {
		l.end(false)
		return nil, l.explain(starting, err)
	}
	return l, nil
}

// shake starts the process and opens a connection that nobody else can read or speak on.
func (l *life) shake(dir string) error {
	config := &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Versions(nil),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, tmp string) (runner.Runner, error) {
			l.child.prepare(cmd.Env, tmp)
			return l.child, nil
		},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: dir},
		StartTimeout:     l.spec.StartTimeout,
		Logger:           hclog.NewNullLogger(),
	}
	addr, err := plugin.NewClient(config).Start()
	if err != nil {
		said := strings.ToValidUTF8(err.Error(), "") // with whatever the plugin printed
		return fmt.Errorf("shake hands: %s", head(strings.Join(strings.Fields(said), " ")))
	}
	l.addr = addr
	if l.conn, err = wire.Dial(addr, config.TLSConfig); err == nil {
		l.calls = wire.NewPluginClient(l.conn)
	}
	return err
}

// connect brings a new process to the point where it takes calls.
func (l *life) connect(ctx context.Context) error {
	if err := l.configure(ctx); err != nil {
		return err
	}
	about, err := l.calls.Describe(ctx, &wire.DescribeRequest{Instance: l.spec.Name})
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	l.about = wire.ToDescription(about)
	streaming, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stream, err = openStream(streaming, stop, l.calls)
	return err
}

func (l *life) configure(ctx context.Context) error {
	sum := sha256.Sum256(append([]byte(l.spec.PublicURL+"\x00"), l.spec.Config...))
	answer, err := l.calls.Configure(ctx, &wire.ConfigureRequest{
		Instance: l.spec.Name, Revision: hex.EncodeToString(sum[:8]), Config: l.spec.Config, PublicUrl: l.spec.PublicURL,
	})
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if err := wire.ToConfigError(answer.GetFaults()); err != nil {
		return fault{err}
	}
	return nil
}

// explain says why a process could not be had: its own last words tell more than the connection's.
func (l *life) explain(ctx context.Context, err error) error {
	if f := (fault{}); errors.As(err, &f) {
		return err
	}
	if l.child.endedAlone() {
		return l.child.reason()
	}
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = fmt.Errorf("not ready after %s: %w", l.spec.StartTimeout, err)
	}
	if words := l.child.sink.lastWords(); words != "" {
		return fmt.Errorf("%w; its last line: %q", err, words)
	}
	return err
}

// watch returns nil when ctx is done, why the process ended or has to be ended, or a wish that it be replaced.
func (l *life) watch(ctx context.Context, replace <-chan chan<- error) (chan<- error, error) {
	tick := time.NewTicker(l.spec.Health)
	defer tick.Stop()
	for misses := 0; ; {
		select {
		case <-ctx.Done():
			return nil, nil
		case r := <-replace:
			return r, nil
		case <-l.child.exited:
			return nil, l.child.reason()
		case <-l.stream.done:
			return nil, l.broken()
		case now := <-tick.C:
			if l.spec.Attach != nil {
				continue // it may stand at a breakpoint
			}
			answer, healthy := l.healthy(ctx)
			if then := now.Add(-l.spec.Hang); l.stream.hung(then) || l.polls.hung(answer.GetPolling(), then) {
				return nil, errHung
			}
			if misses++; healthy {
				misses = 0
			}
			if misses == maxMisses {
				return nil, errHealth
			}
		}
	}
}

func (l *life) healthy(ctx context.Context) (*wire.HealthResponse, bool) {
	ctx, cancel := context.WithTimeout(ctx, l.spec.HealthWait)
	defer cancel()
	answer, err := l.calls.Health(ctx, &wire.HealthRequest{Instance: l.spec.Name})
	return answer, err == nil || rpc.Code(err) == codes.Unimplemented
}

// broken says why the stream ended: mostly because the process did.
func (l *life) broken() error {
	select {
	case <-l.child.exited:
		return l.child.reason()
	case <-time.After(reading):
		return l.stream.why()
	}
}

// drain lets what a plugin that is to go has be answered; what is queued goes back at once.
func (l *life) drain(ctx context.Context, why error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.spec.Grace)
	defer cancel()
	settled := l.stream.settled(why)
	if l.spec.Attach == nil && !l.drained(ctx) {
		return
	}
	select {
	case <-settled:
	case <-l.stream.done:
	case <-ctx.Done():
	}
	outside := make(chan struct{})
	go func() {
		defer close(outside)
		l.inside.Wait()
	}()
	select {
	case <-outside:
	case <-ctx.Done():
	}
}

// drained asks the plugin to start nothing new and to end what it has. It reports whether nothing was left.
func (l *life) drained(ctx context.Context) bool {
	answer, err := l.calls.Drain(ctx, &wire.DrainRequest{GraceNs: int64(l.spec.Grace)})
	if err != nil {
		l.spec.Log.Warn("plugin did not drain", "error", err)
		return false
	}
	if n := answer.GetAbandoned(); n > 0 {
		l.spec.Log.Warn("deliveries are left without an answer: nobody can tell about them", "deliveries", n)
		return false
	}
	return true
}

// end ends the process: asked first when it is gentle, killed with its whole group when it does not heed. Nothing of it is left,
// however far it came.
func (l *life) end(gentle bool) {
	if l.stream != nil {
		l.stream.close()
	}
	l.child.hangUp()
	if gentle && l.spec.Attach == nil {
		select {
		case <-l.child.exited:
		case <-time.After(l.spec.Kill):
		}
	}
	l.child.kill()
	l.child.program.close() // of one that was never started
	if l.conn != nil {
		_ = l.conn.Close()
	}
	if l.child.dir != "" {
		_ = os.RemoveAll(l.child.dir)
	}
}
