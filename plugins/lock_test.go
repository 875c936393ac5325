// What is pinned runs, and nothing else does: a changed file, one that the lock does not name, one put there in the last moment.

package plugins_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
)

// pinned puts a plugin of its own into a folder and pins it there.
func pinned(t *testing.T) (program, lock string) {
	t.Helper()
	dir := t.TempDir()
	program, lock = filepath.Join(dir, "mock"), filepath.Join(dir, "plugins.lock")
	copySelf(t, program, 0o755)
	if _, err := plugins.WriteLock(lock, []string{program}); err != nil {
		t.Fatal(err)
	}
	return program, lock
}

func TestWhatIsPinnedRuns(t *testing.T) {
	program, lock := pinned(t)
	p := launch(t, plugins.Spec{Command: []string{program, "mock"}, Lock: lock})
	ready(t, p)
	if _, err := p.Send(t.Context(), delivery(1)); err != nil {
		t.Errorf("Send: %v", err)
	}
	if _, err := exec.LookPath("sha256sum"); err != nil {
		return
	}
	check := exec.Command("sha256sum", "-c", "plugins.lock")
	check.Dir = filepath.Dir(lock)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum -c: %s %v", out, err)
	}
}

func TestWhatIsNotPinnedDoesNotRun(t *testing.T) {
	program, lock := pinned(t)
	other := filepath.Join(filepath.Dir(program), "other")
	copySelf(t, other, 0o755)
	changed := func() {
		f, err := os.OpenFile(program, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString("x")
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	changed()
	for want, path := range map[string]string{"it was changed, so it is not run; `otn plugins lock` takes": program, "is not in " + lock: other} {
		p := launch(t, plugins.Spec{Command: []string{path, "mock"}, Lock: lock})
		if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), want) || p.State().Phase != plugins.Misconfigured {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	// The change was the operator's own.
	if _, err := plugins.WriteLock(lock, []string{program}); err != nil {
		t.Fatal(err)
	}
	p := launch(t, plugins.Spec{Command: []string{program, "mock"}, Lock: lock})
	ready(t, p)
}

// The file that was hashed is the one that runs, though another be put in its place between.
func TestTheHashedFileIsTheOneThatRuns(t *testing.T) {
	program, lock := pinned(t)
	run, err := plugins.Pinned(t.Context(), program, lock)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(program), os.WriteFile(program, []byte("#!/bin/sh\necho swapped\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	run.Env = []string{"OTN_PLUGIN=tell-me-once"}
	out, err := run.CombinedOutput()
	if err == nil || strings.Contains(string(out), "swapped") || !strings.Contains(string(out), "no licence found") {
		t.Errorf("it ran %q, %v", out, err)
	}
}

// A script's interpreter wants its path: it is hashed all the same.
func TestScriptsArePinnedToo(t *testing.T) {
	dir := t.TempDir()
	script, lock := filepath.Join(dir, "wrap"), filepath.Join(dir, "plugins.lock")
	text := "#!/bin/sh\ncd \"$(dirname \"$0\")\" && exec " + self(t, "")[0] + " mock\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := plugins.WriteLock(lock, []string{script}); err != nil {
		t.Fatal(err)
	}
	ready(t, launch(t, plugins.Spec{Command: []string{script}, Lock: lock}))
	if err := os.WriteFile(script, []byte(text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := launch(t, plugins.Spec{Command: []string{script}, Lock: lock})
	if err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "it was changed") {
		t.Errorf("a changed script: %v", err)
	}
}

func TestLockFiles(t *testing.T) {
	dir := t.TempDir()
	lock := filepath.Join(dir, "plugins.lock")
	if _, err := plugins.ReadLock(lock); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no lock: %v", err)
	}
	sum := strings.Repeat("ab", 32)
	for text, line := range map[string]string{sum + "\n": ":1:", "# pinned\n\n" + sum[1:] + "  x\n": ":3:", sum + "  \n": ":1:", "x" + sum[1:] + "  y": ":1:"} {
		if err := os.WriteFile(lock, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := plugins.ReadLock(lock); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), lock+line) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.WriteFile(lock, []byte("# kept by hand\n"+strings.ToUpper(sum)+" *sub/a\n"+sum+"  /b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := plugins.ReadLock(lock)
	if err != nil || l.Sum("/nowhere") != "" {
		t.Errorf("%v", err)
	}
	changes, err := plugins.WriteLock(lock, nil)
	if err != nil || len(changes) != 2 || changes[0].Program != "/b" || changes[1].Program != "sub/a" || changes[1].Before != sum || changes[1].Sum != "" {
		t.Errorf("%+v, %v", changes, err)
	}
	if text, err := os.ReadFile(lock); err != nil || len(bytes.TrimSpace(text)) > 0 {
		t.Errorf("the lock says %q, %v", text, err)
	}
	if _, err := plugins.WriteLock(lock, []string{filepath.Join(dir, "none")}); err == nil {
		t.Error("what is not there was pinned")
	}
}
