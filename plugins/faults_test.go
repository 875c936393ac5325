// A bad plugin harms only itself: whatever it does, calls are answered, the host goes on, and nothing is left of it.

package plugins_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/mock"
)

// until polls what another process does.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never: %s", what)
		}
	}
}

func inPhase(p *plugins.Process, phase plugins.Phase) func() bool {
	return func() bool { return p.State().Phase == phase }
}

func gone(pid int) func() bool {
	return func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(state), ") Z ")
	}
}

// copySelf puts this binary somewhere else: it is then no part of the host any more.
func copySelf(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	self, err := os.ReadFile(self(t, "")[0])
	if err == nil {
		err = os.WriteFile(path, self, 0o700)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatCannotBeTrustedIsNotRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mock")
	for want, command := range map[string][]string{
		"no such file": {filepath.Join(dir, "none")},
		"no path":      {"mock"},
		"\"\" is no":   {},
		"cannot be":    {dir},
	} {
		p := launch(t, plugins.Spec{Command: command})
		if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), want) || p.State().Phase != plugins.Misconfigured {
			t.Errorf("%q: %v, want %q", command, err, want)
		}
	}
	copySelf(t, path, 0o600)
	p := launch(t, plugins.Spec{Command: []string{path, "mock"}})
	for _, c := range []struct {
		file, dir os.FileMode
		want      string
	}{
		{0o600, 0o755, "cannot be executed"}, {0o775, 0o755, "others can write"}, {0o757, 0o755, "others can write"},
		{os.ModeSetuid | 0o755, 0o755, "setuid"}, {0o755, 0o777, "others can write"},
	} {
		if err := errors.Join(os.Chmod(dir, c.dir), os.Chmod(path, c.file)); err != nil {
			t.Fatal(err)
		}
		until(t, "misconfigured for "+c.want, func() bool {
			p.Release()
			s := p.State()
			return s.Phase == plugins.Misconfigured && strings.Contains(s.Err.Error(), c.want)
		})
	}
	if err := errors.Join(os.Chmod(path, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	p.Release()
	until(t, "ready once the file is mended", inPhase(p, plugins.Ready))
}

func TestL12_CrashLoopEndsInQuarantine(t *testing.T) {
	l := newLog(t)
	p := launch(t, plugins.Spec{Command: self(t, "dies"), Backoff: time.Millisecond, Log: l.slog()})
	until(t, "quarantined", inPhase(p, plugins.Quarantined))
	s := p.State()
	if s.Restarts != 4 || !s.Next.IsZero() || s.PID != 0 || s.Err.Error() != `the plugin's process ended: exit status 7; its last line: "no licence found"` {
		t.Errorf("state %+v", s)
	}
	if err := p.Ready(t.Context()); err == nil {
		t.Error("Ready waits for a plugin that is quarantined")
	}
	if !strings.Contains(l.String(), "plugin quarantined") {
		t.Error("nobody was told")
	}
	_, err := p.Send(t.Context(), delivery(1))
	if outcome, se := otn.OutcomeOf(err); outcome != otn.Deferred || se.Scope != otn.ChannelScope {
		t.Errorf("Send: %v", err)
	}
	p.Release()
	until(t, "started again after its release", func() bool { return p.State().Restarts == 9 && p.State().Phase == plugins.Quarantined })
}

func TestAProcessThatNeverGetsReadyIsKilled(t *testing.T) {
	for name, why := range map[string]string{"silent": "not ready after 3s", "chatty": "Hello! I am a plugin.", "endless": "shake hands: ", "deaf": "configure: "} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := launch(t, plugins.Spec{Command: self(t, name), StartTimeout: 3 * time.Second, Backoff: time.Hour})
			until(t, "given up", inPhase(p, plugins.Backoff))
			if err := p.State().Err; !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
				t.Errorf("it says %q, want %q in it", err, why)
			}
		})
	}
}

// A host that is stopped while a plugin starts, or waits to be started again, does not wait with it.
func TestStopBeforeReady(t *testing.T) {
	for name, phase := range map[string]plugins.Phase{"silent": plugins.Starting, "dies": plugins.Backoff} {
		p, stop := run(t, plugins.Spec{Command: self(t, name), StartTimeout: time.Hour, Backoff: time.Hour})
		until(t, string(phase), inPhase(p, phase))
		began := time.Now()
		stop()
		if took := time.Since(began); took > 5*time.Second || p.State().Phase != plugins.Stopped {
			t.Errorf("%s: the stop took %s and left it %s", name, took, p.State().Phase)
		}
		if err := p.Ready(t.Context()); !errors.Is(err, otn.ErrUnavailable) {
			t.Errorf("%s: Ready of what is stopped: %v", name, err)
		}
	}
}

// results sends n deliveries at once and gives their outcomes in order of the deliveries, each once.
func results(t *testing.T, p *plugins.Process, ctx context.Context, n int) func() []otn.Outcome {
	var tasks sync.WaitGroup
	outcomes := make([]otn.Outcome, n)
	answers := make([]int, n)
	for i := range n {
		tasks.Go(func() {
			_, err := p.Send(ctx, delivery(i))
			outcomes[i], _ = otn.OutcomeOf(err)
			answers[i]++
		})
	}
	return func() []otn.Outcome {
		t.Helper()
		tasks.Wait()
		for i, a := range answers {
			if a != 1 {
				t.Errorf("delivery %d was answered %d times", i, a)
			}
		}
		return outcomes
	}
}

func count(all []otn.Outcome, want otn.Outcome) (n int) {
	for _, o := range all {
		if o == want {
			n++
		}
	}
	return n
}

// A crash with 50 in flight: unknown are those that the plugin had, the others certainly did not leave.
func TestCrashAnswersEachInFlightOnce(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.jsonl")
	p := launch(t, plugins.Spec{Backoff: time.Millisecond, Config: config(t, mock.Config{Out: out, MaxInFlight: 20, Script: []mock.Step{{Do: mock.AcceptHang, Times: 20}}})})
	ready(t, p)
	wait := results(t, p, t.Context(), 50)
	accepted := func() []mock.Line {
		lines, _ := mock.ReadFile(out)
		return lines
	}
	until(t, "20 accepted", func() bool { return len(accepted()) == 20 })
	if err := syscall.Kill(p.State().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	outcomes := wait()
	if u, d := count(outcomes, otn.Unknown), count(outcomes, otn.Deferred); u != 20 || d != 30 {
		t.Errorf("%d unknown and %d deferred, want 20 and 30", u, d)
	}
	for _, l := range accepted() {
		if n := int(l.Delivery[0]); outcomes[n] != otn.Unknown {
			t.Errorf("delivery %d left and is %s", n, outcomes[n])
		}
	}
	until(t, "ready again", func() bool { s := p.State(); return s.Phase == plugins.Ready && s.Restarts == 1 })
}

func TestHangInSendIsUnknownAndFreesItsPlace(t *testing.T) {
	p := launch(t, plugins.Spec{Config: config(t, mock.Config{MaxInFlight: 1, Script: []mock.Step{{Do: mock.Hang, Times: 1}}})})
	ready(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	outcomes := results(t, p, ctx, 3)()
	if count(outcomes, otn.Unknown) != 1 || count(outcomes, otn.Deferred)+count(outcomes, otn.Sent) != 2 {
		t.Errorf("got %v, want one unknown and no other that may have left", outcomes)
	}
	if _, err := p.Send(t.Context(), delivery(9)); err != nil {
		t.Errorf("the next delivery: %v", err)
	}
	if s := p.State(); s.Restarts != 0 {
		t.Errorf("it was restarted: %v", s.Err)
	}
}

// A caller that gives up without a deadline frees the plugin's place too.
func TestCancelReachesThePlugin(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.jsonl")
	p := launch(t, plugins.Spec{Config: config(t, mock.Config{Out: out, MaxInFlight: 1, Script: []mock.Step{{Do: mock.AcceptHang, Times: 1}}})})
	ready(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	wait := results(t, p, ctx, 1)
	until(t, "the plugin has it", func() bool { lines, _ := mock.ReadFile(out); return len(lines) == 1 })
	cancel()
	if got := wait(); got[0] != otn.Unknown {
		t.Errorf("got %v, want unknown", got)
	}
	if _, err := p.Send(t.Context(), delivery(9)); err != nil {
		t.Errorf("the next delivery: %v", err)
	}
}

// A plugin that holds what nobody waits for any more has lost its places for good: it is replaced.
func TestAPluginThatNeverAnswersIsReplaced(t *testing.T) {
	p := launch(t, plugins.Spec{Command: self(t, "stubborn"), Hang: 50 * time.Millisecond, Health: 20 * time.Millisecond, Backoff: time.Millisecond})
	ready(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := results(t, p, ctx, 2)(); count(got, otn.Unknown) != 1 || count(got, otn.Deferred) != 1 {
		t.Errorf("got %v, want one unknown and one deferred", got)
	}
	until(t, "restarted", func() bool { s := p.State(); return s.Phase == plugins.Ready && s.Restarts == 1 })
}

func TestAFrozenPluginIsReplaced(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.jsonl")
	p := launch(t, plugins.Spec{Health: 20 * time.Millisecond, HealthWait: 100 * time.Millisecond, Backoff: time.Millisecond, Config: config(t, mock.Config{Out: out, Script: []mock.Step{{Do: mock.AcceptHang, Times: 1}}})})
	ready(t, p)
	pid := p.State().PID
	wait := results(t, p, t.Context(), 1)
	until(t, "the plugin has it", func() bool { lines, _ := mock.ReadFile(out); return len(lines) == 1 })
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if got := wait(); got[0] != otn.Unknown {
		t.Errorf("got %v, want unknown", got)
	}
	until(t, "restarted", func() bool { s := p.State(); return s.Phase == plugins.Ready && s.PID != pid })
	if !gone(pid)() {
		t.Error("the frozen process is still there")
	}
}

func TestAFrozenPluginDoesNotHoldUpTheEnd(t *testing.T) {
	p, stop := run(t, plugins.Spec{Grace: 50 * time.Millisecond, Kill: 50 * time.Millisecond})
	ready(t, p)
	pid := p.State().PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > 2*time.Second || !gone(pid)() {
		t.Errorf("the stop took %s, gone: %v", took, gone(pid)())
	}
	if s := p.State(); s.Phase != plugins.Stopped || s.PID != 0 {
		t.Errorf("state %+v", s)
	}
}

// What the plugin has when the host stops is answered; what it has not goes back at once.
func TestStopLetsInFlightEnd(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.jsonl")
	p, stop := run(t, plugins.Spec{Config: config(t, mock.Config{Out: out, MaxInFlight: 5, Script: []mock.Step{{Do: mock.Slow, After: channel.Duration(300 * time.Millisecond)}}})})
	defer stop()
	ready(t, p)
	wait := results(t, p, t.Context(), 8)
	until(t, "all handed in", func() bool { return p.State().InFlight == 8 })
	stop()
	outcomes := wait()
	lines, err := mock.ReadFile(out)
	if err != nil || len(lines) < 5 || count(outcomes, otn.Sent) != len(lines) || count(outcomes, otn.Deferred) != 8-len(lines) {
		t.Errorf("%v, %d left, %v", outcomes, len(lines), err)
	}
}

// A plugin heeds no SIGTERM: systemd would end it in the middle of a send that the host wants answered.
func TestSIGTERMEndsNothing(t *testing.T) {
	p := launch(t, plugins.Spec{})
	ready(t, p)
	pid := p.State().PID
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		if _, err := p.Send(t.Context(), delivery(1)); err != nil || p.State().PID != pid {
			t.Fatalf("Send: %v, %+v", err, p.State())
		}
	}
}

func TestRubbishOnStderr(t *testing.T) {
	l := newLog(t)
	p := launch(t, plugins.Spec{Command: self(t, "loud"), Log: l.slog()})
	ready(t, p)
	if _, err := p.Send(t.Context(), delivery(1)); err != nil {
		t.Errorf("Send: %v", err)
	}
	if n := len(l.String()); n > 1<<20 {
		t.Errorf("the log grew by %d bytes", n)
	}
}

func TestWhatAPluginPrintsIsLogged(t *testing.T) {
	l := newLog(t)
	p := launch(t, plugins.Spec{Command: self(t, "printer"), Log: l.slog()})
	ready(t, p)
	_, err := p.Send(t.Context(), delivery(1))
	if outcome, se := otn.OutcomeOf(err); outcome != otn.Deferred || se.Code != "not_sent" || !strings.Contains(err.Error(), "no paper") {
		t.Errorf("Send: %v", err)
	}
	until(t, "the lines are in the log", func() bool {
		text := l.String()
		return strings.Contains(text, `level=INFO msg="printed It is back."`) && strings.Contains(text, "level=WARN msg=warned") && strings.Contains(text, "lines are dropped")
	})
	if strings.Contains(l.String(), delivery(1).Token.Reveal()) {
		t.Error("the token is in the log")
	}
}

func TestAnswersToNothingEndTheProcess(t *testing.T) {
	p := launch(t, plugins.Spec{Command: self(t, "rogue"), Backoff: time.Hour})
	ready(t, p)
	if _, err := p.Send(t.Context(), delivery(1)); err != nil {
		t.Errorf("the first answer is the answer: %v", err)
	}
	until(t, "ended", inPhase(p, plugins.Backoff))
	if err := p.State().Err; err == nil || !strings.Contains(err.Error(), "does not have") {
		t.Errorf("ended with %v", err)
	}
}

func TestWhatCannotCrossIsInvalid(t *testing.T) {
	p := launch(t, plugins.Spec{Config: config(t, mock.Config{MaxInFlight: 1, MaxMessage: 1000})})
	ready(t, p)
	for code, text := range map[string]string{"not_utf8": "\xff", "too_large": strings.Repeat("x", 1000)} {
		d := delivery(1)
		d.Message.Text = text
		_, err := p.Send(t.Context(), d)
		if outcome, se := otn.OutcomeOf(err); outcome != otn.Invalid || se.Scope != otn.MessageScope || se.Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	if _, _, err := p.Receive(t.Context(), otn.Request{Body: make([]byte, 20<<20)}); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("Receive: %v", err)
	}
	if _, err := p.Send(t.Context(), delivery(2)); err != nil {
		t.Errorf("the next delivery: %v", err)
	}
}

// A grandchild that holds the pipes neither delays the end nor outlives it.
func TestGrandchildrenEndWithTheirParent(t *testing.T) {
	child := orphan(t, "parent")
	until(t, "the grandchild is gone", gone(child))
}

// One that left the group is out of reach, and delays nothing all the same.
func TestARunawayGrandchildDelaysNothing(t *testing.T) {
	child := orphan(t, "daemon")
	if gone(child)() {
		t.Error("the grandchild did not run away")
	}
	_ = syscall.Kill(child, syscall.SIGKILL)
	until(t, "the grandchild is gone", gone(child))
}

// orphan kills a plugin that has a grandchild with its pipes, sees that the end is noticed, and gives the grandchild's id.
func orphan(t *testing.T, name string) int {
	t.Helper()
	l := newLog(t)
	p := launch(t, plugins.Spec{Command: self(t, name), Log: l.slog(), Backoff: time.Hour})
	ready(t, p)
	var child int
	until(t, "the grandchild is there", func() bool {
		_, after, ok := strings.Cut(l.String(), "grandchild ")
		if ok {
			_, err := fmt.Sscan(strings.SplitN(after, `"`, 2)[0], &child)
			return err == nil
		}
		return false
	})
	began := time.Now()
	if err := syscall.Kill(p.State().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "the end is seen", inPhase(p, plugins.Backoff))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end was seen after %s", took)
	}
	return child
}

func TestAPluginSeesNothingOfTheHost(t *testing.T) {
	t.Setenv("OTN_CANARY", "s3cret-env")
	t.Setenv("OTN_PROXY", "http://proxy")
	p := launch(t, plugins.Spec{Command: self(t, "nobody"), Env: []string{"OTN_PROXY"}, PublicURL: "https://s3cret-url"})
	ready(t, p)
	resp, _, err := p.Receive(t.Context(), otn.Request{})
	seen := string(resp.Body)
	if err != nil || strings.Contains(seen, "s3cret") || !strings.Contains(seen, "OTN_PROXY=http://proxy") || !strings.Contains(seen, "PATH=") {
		t.Errorf("it sees %s, %v", seen, err)
	}
	if _, err := p.Send(t.Context(), delivery(1)); err == nil || !strings.Contains(err.Error(), "cannot_send") {
		t.Errorf("Send through who cannot: %v", err)
	}
}

// A plugin whose disk is full says so of each message, and lives on.
func TestDiskFullInThePlugin(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.jsonl")
	p := launch(t, plugins.Spec{Command: self(t, "full disk"), Config: config(t, map[string]any{"out": out})})
	ready(t, p)
	for n := range 3 {
		_, err := p.Send(t.Context(), delivery(n))
		if outcome, _ := otn.OutcomeOf(err); outcome == otn.Sent || err == nil || !strings.Contains(err.Error(), "file too large") {
			t.Errorf("a message that could not be written is %s: %v", outcome, err)
		}
	}
	if text, err := os.ReadFile(out); err != nil || len(text) > 0 {
		t.Errorf("its disk took %d bytes: %v", len(text), err)
	}
	if s := p.State(); s.Phase != plugins.Ready || s.Restarts != 0 {
		t.Errorf("the plugin is %+v", s)
	}
}

// A host that dies takes its plugins with it, and the next one sweeps what it left.
func TestPluginsEndWithTheirHost(t *testing.T) {
	dir, err := os.MkdirTemp("", "otn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	host := exec.Command(self(t, "")[0])
	host.Env = append(os.Environ(), shortHost+"="+dir)
	out, err := host.StdoutPipe()
	if err == nil {
		err = host.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, _ := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid == 0 || gone(pid)() {
		t.Fatalf("no plugin: %q %v", line, err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = host.Wait()
	until(t, "the plugin is gone", gone(pid))
	left, _ := os.ReadDir(filepath.Join(dir, "shop"))
	if len(left) == 0 {
		t.Fatal("nothing was left to sweep")
	}
	p, stop := run(t, plugins.Spec{Dir: dir})
	ready(t, p)
	if now, _ := os.ReadDir(filepath.Join(dir, "shop")); len(now) != 1 || now[0].Name() == left[0].Name() {
		t.Errorf("the socket folder has %v", now)
	}
	stop()
	if now, _ := os.ReadDir(dir); len(now) != 0 {
		t.Errorf("left behind: %v", now)
	}
}

// 30 launches, half of them crashing: no goroutine, file, process or socket folder is left. goleak looks at the goroutines.
func TestNothingIsLeft(t *testing.T) {
	dir, err := os.MkdirTemp("", "otn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cycle := func(crash bool) {
		p, stop := run(t, plugins.Spec{Dir: dir, Backoff: time.Hour, Config: config(t, mock.Config{Script: []mock.Step{{Do: mock.Crash, Match: "die"}}})})
		defer stop()
		ready(t, p)
		pid := p.State().PID
		d := delivery(1)
		if crash {
			d.Message.Text = "die"
		}
		_, _ = p.Send(t.Context(), d)
		if crash {
			until(t, "its end is seen", inPhase(p, plugins.Backoff))
		}
		stop()
		if !gone(pid)() {
			t.Error("a process is left")
		}
	}
	cycle(true)
	before, goroutines := files(t), runtime.NumGoroutine()
	for n := range 30 {
		cycle(n%2 == 0)
	}
	until(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	if after := files(t); after > before {
		t.Errorf("%d files are open, %d before", after, before)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func files(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(open)
}

func TestRunTwice(t *testing.T) {
	p := launch(t, plugins.Spec{})
	ready(t, p)
	if err := p.Run(t.Context()); !errors.Is(err, plugins.ErrRunning) {
		t.Errorf("a second Run: %v", err)
	}
}
