// A plugin under a debugger: attached, left alone whatever it does, and there for the next host.

package plugins_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
)

// debugged is a mock that somebody runs by hand, with what it printed for otn.
func debugged(t *testing.T) (*exec.Cmd, plugins.Attached) {
	t.Helper()
	cmd := exec.Command(self(t, "")[0])
	cmd.Env = append(os.Environ(), "OTN_DEBUG=1")
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line := regexp.MustCompile(`OTN_REATTACH='(.*)' otn serve`)
	for s := bufio.NewScanner(stderr); s.Scan(); {
		if found := line.FindStringSubmatch(s.Text()); found != nil {
			all, err := plugins.Attachments(found[1])
			if a, ok := all["mock"]; ok && err == nil && a.PID == cmd.Process.Pid {
				return cmd, a
			}
			t.Fatalf("it printed %s: %v", s.Text(), err)
		}
	}
	t.Fatal("it said nothing of how to attach to it")
	return nil, plugins.Attached{}
}

// One host after the other attaches to it, sends, and leaves it as it was; in the end it leaves nothing behind.
func TestAttach(t *testing.T) {
	cmd, at := debugged(t)
	for n := range 3 {
		p, stop := run(t, plugins.Spec{Attach: &at, Command: []string{"/nowhere/mock"}, Lock: "/nowhere/lock"})
		ready(t, p)
		if s := p.State(); s.PID != cmd.Process.Pid {
			t.Errorf("it is process %d, want %d", s.PID, cmd.Process.Pid)
		}
		if _, err := p.Send(t.Context(), delivery(n)); err != nil {
			t.Errorf("Send of host %d: %v", n, err)
		}
		if err := p.Replace(t.Context()); err != nil {
			t.Errorf("Replace: %v", err)
		}
		if _, err := p.Send(t.Context(), delivery(100+n)); err != nil {
			t.Errorf("Send of host %d after it attached once more: %v", n, err)
		}
		stop()
		if gone(cmd.Process.Pid)() {
			t.Fatal("a host that stopped took it along")
		}
	}
	p := launch(t, plugins.Spec{Attach: &at})
	ready(t, p)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(at.Addr)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is still there: %v", err)
	}
	until(t, "the host sees that it is gone", inPhase(p, plugins.Backoff))
	if _, err := p.Send(t.Context(), delivery(200)); err == nil {
		t.Error("a delivery to nobody was accepted")
	}
}

// At a breakpoint it answers nothing, and nobody ends it for that.
func TestAttachedAtABreakpoint(t *testing.T) {
	cmd, at := debugged(t)
	p := launch(t, plugins.Spec{Attach: &at, Health: time.Millisecond, HealthWait: time.Millisecond, Hang: time.Millisecond})
	ready(t, p)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "it stands", func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		return err == nil && strings.Contains(string(state), ") T ")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Send(ctx, delivery(1)); err == nil {
		t.Error("a delivery to a stopped plugin was accepted")
	}
	if s := p.State(); s.Phase != plugins.Ready || s.Restarts != 0 {
		t.Errorf("it was not left alone: %+v", s)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(t.Context(), delivery(2)); err != nil {
		t.Errorf("Send when it goes on: %v", err)
	}
}

// Secrets go to nobody else: a socket that others could have made is not spoken to, and one that nobody answers is tried again and again.
func TestAttachToWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir() // 0755, as far as the umask lets it
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody was let in
	for addr, want := range map[string]string{filepath.Join(dir, "none"): "no such file", file: "is no socket", socket: "others can look into"} {
		p := launch(t, plugins.Spec{Attach: &plugins.Attached{PID: 1, Addr: addr}})
		until(t, "it is tried again: "+want, func() bool {
			s := p.State()
			return s.Phase == plugins.Backoff && strings.Contains(s.Err.Error(), want)
		})
	}
	for text, want := range map[string]string{"": "", "{": "is not the line", `{"sms":{"pid":7}}`: "no absolute path", `{"sms":{"pid":7,"addr":"rel/s"}}`: "no absolute path"} {
		all, err := plugins.Attachments(text)
		if want == "" && (err != nil || len(all) != 0) || want != "" && (!errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v %v", text, all, err)
		}
	}
}
