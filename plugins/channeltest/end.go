// What a program owes at its end, and when somebody ends it: nothing lost, nothing left, nobody else let in.

package channeltest

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

func (x *trial) drains(t T) {
	b := x.configured(t)
	var l *line
	if x.about.GetCapabilities().GetSends() {
		l = x.open(t, b)
		l.one(wire.FromDelivery(new(x.delivery(1))))
	}
	ctx, cancel := b.soon(t)
	defer cancel()
	answer, err := b.calls.Drain(ctx, &wire.DrainRequest{GraceNs: int64(x.Patience / 2)})
	if err != nil {
		t.Fatalf("Drain: %s", b.why(err))
	}
	if answer.GetAbandoned() != 0 {
		t.Errorf("Drain abandoned %d deliveries, and none was in flight", answer.GetAbandoned())
	}
	if l == nil {
		return
	}
	if r := l.one(wire.FromDelivery(new(x.delivery(2)))); r.GetOutcome() != wire.Outcome_OUTCOME_DEFERRED {
		t.Errorf("a delivery after Drain is %s, want deferred", r.GetOutcome())
	}
}

func (x *trial) heedsNoSignal(t T) {
	b := x.configured(t)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(b.PID(), s); err != nil {
			t.Fatal(err)
		}
		if gone(b, 150*time.Millisecond) == nil {
			t.Fatalf("%s ended it: a host that is stopped still waits for what its plugins have in flight", s)
		}
	}
	ctx, cancel := b.soon(t)
	defer cancel()
	if _, err := b.calls.Health(ctx, &wire.HealthRequest{}); err != nil {
		t.Errorf("Health after signals: %s", b.why(err))
	}
}

func (x *trial) endsWithHost(t T) {
	b := x.configured(t)
	b.HangUp()
	if err := gone(b, x.Patience/2); err != nil {
		t.Errorf("its stdin was closed, and %v: a host that is killed would leave it behind", err)
	}
}

func (x *trial) leavesNothing(t T) {
	b := x.configured(t)
	b.HangUp()
	_ = gone(b, x.Patience/2)
	socket := b.Addr().String()
	b.Close()
	for _, pid := range holders(filepath.Dir(socket)) {
		t.Errorf("process %d, which it started, is still there", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// holders are the processes that were started with a socket folder in their environment. Where there is no /proc, none is found.
func holders(dir string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if env, err := os.ReadFile(path); err == nil && pid != os.Getpid() && bytes.Contains(env, []byte("TMPDIR="+dir+"\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (x *trial) keepsStdout(t T) {
	b := x.configured(t)
	can := x.about.GetCapabilities()
	if can.GetSends() {
		x.open(t, b).one(wire.FromDelivery(new(x.delivery(1))))
	}
	ctx, cancel := b.soon(t)
	defer cancel()
	if can.GetReceives() {
		_, _ = b.calls.Receive(ctx, &wire.ReceiveRequest{Instance: instance, Method: "GET"})
	}
	time.Sleep(quiet / 3) // what was printed is read by then
	if n := b.Printed(); n > 0 {
		t.Errorf("it printed %d lines to stdout: after the handshake stdout is to stay silent, stderr is the log", n)
	}
}

func (x *trial) refusesStrangers(t T) {
	b := x.configured(t)
	for name, c := range map[string]credentials.TransportCredentials{
		"without TLS":           insecure.NewCredentials(),
		"without a certificate": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}), //nolint:gosec // a stranger does not ask who it speaks to
	} {
		conn, err := grpc.NewClient("passthrough:///plugin", grpc.WithTransportCredentials(c), grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, b.Addr().Network(), b.Addr().String())
		}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), x.Patience/2)
		if _, err := wire.NewPluginClient(conn).Describe(ctx, &wire.DescribeRequest{}); err == nil {
			t.Errorf("it answers a stranger %s", name)
		}
		cancel()
		_ = conn.Close()
	}
}

// comesBack kills the process while it has deliveries, and sees each answered once and the next process take over.
func (x *trial) comesBack(t T) {
	p := x.run(t)
	if !x.about.GetCapabilities().GetSends() {
		x.kill(t, p)
		return
	}
	const senders = 32
	first := make(chan struct{}, senders)
	ctx, cancel := context.WithTimeout(t.Context(), 2*x.Patience)
	defer cancel()
	var tasks sync.WaitGroup
	answers := make([]int, senders)
	for i := range senders {
		tasks.Go(func() {
			for n := range 4 {
				_, _ = p.Send(ctx, x.delivery(i*4+n))
				answers[i]++
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	<-first
	x.kill(t, p)
	tasks.Wait()
	for i, n := range answers {
		if n != 4 {
			t.Errorf("sender %d had %d answers", i, n)
		}
	}
	if _, err := p.Send(ctx, x.delivery(1000)); err != nil {
		t.Errorf("the first delivery to the new process: %v", err)
	}
}

// kill ends the process hard and waits for the next one.
func (x *trial) kill(t T, p *plugins.Process) {
	t.Helper()
	before := p.State().PID
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * x.Patience); ; <-tick.C {
		s := p.State()
		if s.Phase == plugins.Ready && s.PID != before {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it did not come back: %s, %v", s.Phase, s.Err)
		}
	}
}
