// The child process, as go-plugin's runner: its own group, stdin as its lifeline, and pipes that nothing it does can block or crash.

package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// reading is how long what a dead process wrote is still read: a grandchild may hold its pipes open for ever.
const reading = 200 * time.Millisecond

// child is one process. It is started once.
type child struct {
	program *program
	args    []string
	env     []string
	work    string // its working directory
	dir     string // of its socket; made by go-plugin
	sink    *sink
	printed atomic.Int64 // lines on stdout after the handshake

	cmd      *exec.Cmd
	lifeline *os.File // held open as long as the host lives
	first    *io.PipeReader
	firstW   *io.PipeWriter
	silence  *io.PipeReader // what go-plugin reads as stderr
	silenceW *io.PipeWriter
	readers  sync.WaitGroup
	exited   chan struct{} // closed when the process is gone and its output is read

	mu    sync.Mutex
	alive bool
	over  bool // killed, perhaps before it was started
}

var _ runner.Runner = (*child)(nil)

func newChild(p *program, args, env []string, work string, s *sink) *child {
	c := &child{program: p, args: args, env: env, work: work, sink: s, exited: make(chan struct{})}
	c.first, c.firstW = io.Pipe()
	c.silence, c.silenceW = io.Pipe()
	return c
}

// prepare takes go-plugin's part of the environment and the folder of the socket.
func (c *child) prepare(env []string, dir string) {
	c.dir = dir
	c.env = append(append(c.env, env...), "TMPDIR="+dir)
}

// Start launches the process. The lines it prints go to the log, but for the first of stdout: the handshake.
func (c *child) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return errStopping
	}
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return err
	}
	stdout, outW, err := os.Pipe()
	if err != nil {
		closeAll(stdin, lifeline)
		return err
	}
	stderr, errW, err := os.Pipe()
	if err != nil {
		closeAll(stdin, lifeline, stdout, outW)
		return err
	}
	c.cmd = c.command(context.WithoutCancel(ctx))
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = stdin, outW, errW
	err = c.cmd.Start()
	c.program.close()
	closeAll(stdin, outW, errW)
	if err != nil {
		closeAll(lifeline, stdout, stderr)
		return err
	}
	c.alive, c.lifeline = true, lifeline
	c.readers.Go(func() { c.readOut(stdout) })
	c.readers.Go(func() { c.sink.read(stderr) })
	go c.reap(stdout, stderr)
	return nil
}

// command is the program as it is started: of one that was hashed the very file, whatever is at its path by now.
func (c *child) command(ctx context.Context) *exec.Cmd {
	run := c.program.path
	if c.program.pinned != nil {
		run = "/proc/self/fd/3" // the child's, where the first of ExtraFiles is
	}
	cmd := exec.CommandContext(ctx, run, c.args...) //nolint:gosec // the operator names the program, and find has looked at its file
	cmd.Args[0] = c.program.path
	if c.program.pinned != nil {
		cmd.ExtraFiles = []*os.File{c.program.pinned}
	}
	cmd.Env, cmd.Dir = c.env, c.work
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// readOut gives the first line to go-plugin and the rest to the log.
func (c *child) readOut(stdout *os.File) {
	lines := newLines(stdout)
	line, err := lines.next()
	if err == nil {
		_, _ = c.firstW.Write(append(line, '\n'))
	}
	_ = c.firstW.Close()
	for {
		line, err := lines.next()
		if err != nil {
			c.sink.reportDropped()
			return
		}
		c.printed.Add(1)
		c.sink.line(line, time.Now())
	}
}

// reap waits for the process to end, takes its group down with it, and reads what is left without waiting for who may hold the pipes.
func (c *child) reap(stdout, stderr *os.File) {
	_ = c.cmd.Wait()
	c.mu.Lock()
	c.alive = false
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	c.mu.Unlock()
	_ = stdout.SetReadDeadline(time.Now().Add(reading))
	_ = stderr.SetReadDeadline(time.Now().Add(reading))
	_ = c.first.CloseWithError(io.EOF) // an unread handshake is nobody's any more
	c.readers.Wait()
	closeAll(stdout, stderr)
	c.hangUp()
	_ = c.silenceW.Close()
	close(c.exited)
}

// hangUp closes the lifeline: the plugin is to end by itself.
func (c *child) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lifeline != nil {
		_ = c.lifeline.Close()
		c.lifeline = nil
	}
}

// kill ends the process and its whole group, and waits until it is gone. A process that was never started is gone.
func (c *child) kill() {
	c.mu.Lock()
	c.over = true
	if c.alive {
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	}
	started := c.cmd != nil && c.cmd.Process != nil
	c.mu.Unlock()
	if started {
		<-c.exited
	}
}

// reason says how the process ended. Call it after exited.
func (c *child) reason() error {
	how := "the plugin's process ended"
	if state := c.cmd.ProcessState; state != nil {
		how += ": " + state.String()
	}
	if words := c.sink.lastWords(); words != "" {
		return fmt.Errorf("%s; its last line: %q", how, words)
	}
	return errors.New(how)
}

// endedAlone reports whether the process ended by itself. Call it after kill.
func (c *child) endedAlone() bool {
	return c.cmd != nil && c.cmd.ProcessState != nil && c.cmd.ProcessState.Exited()
}

func (c *child) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil || c.cmd.Process == nil {
		return 0
	}
	return c.cmd.Process.Pid
}

// Wait waits until the process is gone.
func (c *child) Wait(ctx context.Context) error {
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill ends the process with its group.
func (c *child) Kill(context.Context) error { c.kill(); return nil }

// Stdout carries the handshake and ends.
func (c *child) Stdout() io.ReadCloser { return c.first }

// Stderr carries nothing and ends with the process: go-plugin's parser of it can be made to panic.
func (c *child) Stderr() io.ReadCloser { return c.silence }

// Name is the program's path.
func (c *child) Name() string { return c.program.path }

// ID is the process id, "" before the start.
func (c *child) ID() string {
	if pid := c.pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return ""
}

// Diagnose adds nothing: who reports a failed start knows the last line that the plugin wrote.
func (c *child) Diagnose(context.Context) string { return "" }

// PluginToHost leaves an address as it is: both sides see the same files.
func (c *child) PluginToHost(network, addr string) (string, string, error) { return network, addr, nil }

// HostToPlugin leaves an address as it is.
func (c *child) HostToPlugin(network, addr string) (string, string, error) { return network, addr, nil }
