// What is run, what it may see, and where its socket lives.

package plugins

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/onetimenotify/otn/core/otn"
)

// program is a file that may be run.
type program struct {
	path   string
	pinned *os.File // the very file that was hashed, open: it is the one to run; nil: the path is run
}

// close lets go of the file. A program that was started runs on without it.
func (p *program) close() {
	if p.pinned != nil {
		_ = p.pinned.Close()
	}
}

// find gives the program's file. It refuses one that somebody else could have changed, and one that the lock at that path does not
// name with the hash it has; lock is "" where no hash is asked for. The caller closes it.
// Errors: otn.ErrInvalid with what mends it, and those of the file system.
func find(command []string, lock string) (*program, error) {
	if len(command) == 0 || !strings.ContainsRune(command[0], filepath.Separator) {
		return nil, fmt.Errorf("the plugin's command %q is no path: %w", strings.Join(command, " "), otn.ErrInvalid)
	}
	path, err := resolved(command[0])
	if err != nil {
		return nil, err
	}
	file, err := os.Stat(path)
	if err != nil || isSelf(file) {
		return &program{path: path}, err
	}
	if err := trusted(path, file); err != nil {
		return nil, err
	}
	if lock == "" {
		return &program{path: path}, nil
	}
	return pin(path, lock)
}

// trusted refuses a file that cannot be run, or that others could have changed.
func trusted(path string, file os.FileInfo) error {
	if !file.Mode().IsRegular() {
		return fmt.Errorf("%s cannot be executed: it is no file: %w", path, otn.ErrInvalid)
	}
	if file.Mode()&0o111 == 0 {
		return fmt.Errorf("%s cannot be executed (%s); chmod +x mends it: %w", path, file.Mode(), otn.ErrInvalid)
	}
	if file.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		return fmt.Errorf("%s is setuid or setgid (%s), so it is not run; chmod ug-s mends it: %w", path, file.Mode(), otn.ErrInvalid)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if err := onlyOurs(path, file); err != nil {
		return err
	}
	return onlyOurs(filepath.Dir(path), dir)
}

// pin compares the file with the lock. A lock that is not there pins nothing.
func pin(path, lock string) (*program, error) {
	l, err := ReadLock(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return &program{path: path}, nil
	}
	if err != nil {
		return nil, err
	}
	want := l.Sum(path)
	if want == "" {
		return nil, fmt.Errorf("%s is not in %s, so it is not run; `otn plugins lock` adds it, if you trust it: %w", path, lock, otn.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	p := &program{path: path, pinned: f}
	got, err := sumOfFile(f)
	if err == nil && got != want {
		err = fmt.Errorf("%s has the hash %s…, and %s says %s…: it was changed, so it is not run; `otn plugins lock` takes the change, if it was yours: %w",
			path, got[:12], lock, want[:12], otn.ErrInvalid)
	}
	if err == nil {
		err = p.runnable()
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// runnable keeps the open file where the system can run it: on Linux, and no script, whose interpreter wants its path. Elsewhere the
// path is run, which nobody else can write.
func (p *program) runnable() error {
	head := make([]byte, 2)
	if _, err := p.pinned.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if runtime.GOOS != "linux" || string(head) == "#!" {
		p.close()
		p.pinned = nil
	}
	return nil
}

// isSelf reports whether a file is the program that runs now: a plugin that is built in needs no more trust than we have.
func isSelf(file os.FileInfo) bool {
	own, err := os.Executable()
	if err != nil {
		return false
	}
	self, err := os.Stat(own)
	return err == nil && os.SameFile(self, file)
}

// onlyOurs refuses what others than root and ourselves can write.
func onlyOurs(path string, info os.FileInfo) error {
	sticky := info.IsDir() && info.Mode()&os.ModeSticky != 0
	if info.Mode()&0o022 != 0 && !sticky {
		return fmt.Errorf("others can write %s (%s), so it is not run; chmod go-w mends it: %w", path, info.Mode(), otn.ErrInvalid)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to uid %d, so it is not run; chown to uid %d or to root mends it: %w", path, st.Uid, os.Geteuid(), otn.ErrInvalid)
	}
	return nil
}

// hostEnv is what a plugin sees of the host's environment.
func hostEnv(more []string) []string {
	var env []string
	for _, name := range append([]string{"PATH", "TZ", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR"}, more...) {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// maxSocketDir leaves room, in the 104 bytes that a socket's path can have everywhere, for the names that go-plugin adds.
const maxSocketDir = 64

// socketDir makes the folder that is an instance's alone for its socket, and sweeps what a host that died left in it.
func socketDir(dir, name string) (path string, remove func(), err error) {
	path = filepath.Join(dir, name)
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if dir == "" || len(path) > maxSocketDir || filepath.Base(path) != name {
		path, err = os.MkdirTemp("", "otn-")
		return path, func() { _ = os.RemoveAll(path) }, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", nil, err
	}
	stale, err := os.ReadDir(path)
	for _, old := range stale {
		_ = os.RemoveAll(filepath.Join(path, old.Name()))
	}
	return path, func() { _ = os.Remove(path) }, err
}
