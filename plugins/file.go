// What is run, what it may see, and where its socket lives.

package plugins

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/onetimenotify/otn/core/otn"
)

// find gives the program's file. It refuses one that somebody else could have changed. Errors: otn.ErrInvalid, and those of the file system.
func find(command []string) (string, error) {
	if len(command) == 0 || !strings.ContainsRune(command[0], filepath.Separator) {
		return "", fmt.Errorf("the plugin's command %q is no path: %w", strings.Join(command, " "), otn.ErrInvalid)
	}
	path, err := filepath.EvalSymlinks(command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", err
	}
	file, err := os.Stat(path)
	if err != nil || isSelf(file) {
		return path, err
	}
	if !file.Mode().IsRegular() || file.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s cannot be executed: %w", path, otn.ErrInvalid)
	}
	if file.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		return "", fmt.Errorf("%s is setuid or setgid: %w", path, otn.ErrInvalid)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	if err := onlyOurs(path, file); err != nil {
		return "", err
	}
	return path, onlyOurs(filepath.Dir(path), dir)
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
		return fmt.Errorf("%s belongs to uid %d, so it is not run: %w", path, st.Uid, otn.ErrInvalid)
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
