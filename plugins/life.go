// One life of a plugin's process: launched, configured, watched, and ended so that nothing of it is left.

package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
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
	conn   *grpc.ClientConn
	calls  wire.PluginClient
	stream *stream
	polls  polls
	about  otn.Description
}

var (
	errStopping = errors.New("the plugin is being stopped")
	errHealth   = errors.New("the plugin did not answer whether it lives")
	errHung     = errors.New("the plugin held a call long after its time")
)

// live is one life: until ctx is done (nil), or the plugin ends or has to be ended (why).
func (p *Process) live(ctx context.Context) error {
	dir, remove, err := socketDir(p.spec.Dir, p.spec.Name)
	if err != nil {
		return fault{err}
	}
	defer remove()
	l, err := launch(ctx, &p.spec, dir)
	if err != nil {
		return err
	}
	p.set(func(s *State) {
		s.Phase, s.PID = Ready, l.child.pid()
		p.life, p.about = l, &l.about
	})
	p.spec.Log.Info("plugin ready", "pid", l.child.pid(), "version", l.about.Version)
	err = l.watch(ctx)
	p.mu.Lock()
	p.life = nil
	p.mu.Unlock()
	if err == nil {
		l.drain(ctx)
	}
	l.end(err == nil)
	return err
}

// launch starts a process and configures it. When it fails, nothing is left.
func launch(ctx context.Context, spec *Spec, dir string) (*life, error) {
	file, err := find(spec.Command)
	if err != nil {
		return nil, fault{err}
	}
	l := &life{spec: spec, child: newChild(file, spec.Command[1:], hostEnv(spec.Env), newSink(spec.Log))}
	starting, cancel := context.WithTimeout(ctx, spec.StartTimeout)
	defer cancel()
	keep := context.AfterFunc(starting, l.child.kill)
	err = l.connect(starting, dir)
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
	l.conn, err = wire.Dial(addr, config.TLSConfig)
	return err
}

// connect brings a new process to the point where it takes calls.
func (l *life) connect(ctx context.Context, dir string) error {
	if err := l.shake(dir); err != nil {
		return err
	}
	l.calls = wire.NewPluginClient(l.conn)
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

// watch returns nil when ctx is done, or why the process ended or has to be ended.
func (l *life) watch(ctx context.Context) error {
	tick := time.NewTicker(l.spec.Health)
	defer tick.Stop()
	for misses := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-l.child.exited:
			return l.child.reason()
		case <-l.stream.done:
			return l.broken()
		case now := <-tick.C:
			answer, healthy := l.healthy(ctx)
			if then := now.Add(-l.spec.Hang); l.stream.hung(then) || l.polls.hung(answer.GetPolling(), then) {
				return errHung
			}
			if misses++; healthy {
				misses = 0
			}
			if misses == maxMisses {
				return errHealth
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

// drain lets what the plugin has be answered; what is queued goes back at once.
func (l *life) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.spec.Grace)
	defer cancel()
	settled := l.stream.settled(errStopping)
	answer, err := l.calls.Drain(ctx, &wire.DrainRequest{GraceNs: int64(l.spec.Grace)})
	if err != nil {
		l.spec.Log.Warn("plugin did not drain", "error", err)
		return
	}
	if n := answer.GetAbandoned(); n > 0 {
		l.spec.Log.Warn("deliveries are left without an answer: nobody can tell about them", "deliveries", n)
		return
	}
	select {
	case <-settled:
	case <-l.stream.done:
	case <-ctx.Done():
	}
}

// end ends the process: asked first when it is gentle, killed with its whole group when it does not heed. Nothing of it is left,
// however far it came.
func (l *life) end(gentle bool) {
	if l.stream != nil {
		l.stream.close()
	}
	l.child.hangUp()
	if gentle {
		select {
		case <-l.child.exited:
		case <-time.After(l.spec.Kill):
		}
	}
	l.child.kill()
	if l.conn != nil {
		_ = l.conn.Close()
	}
	if l.child.dir != "" {
		_ = os.RemoveAll(l.child.dir)
	}
}
