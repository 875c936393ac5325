// plugins.lock: the hash of each program that may run. Its lines are those of sha256sum, so that sha256sum -c reads it too.

package plugins

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// Lock is the content of a plugins.lock: a SHA-256 for each program, which is named by its path from the lock's own folder.
type Lock struct {
	dir  string
	sums map[string]string // by absolute path
}

// ReadLock reads a lock. Errors: those of the file system, fs.ErrNotExist among them, and otn.ErrInvalid with the line's number.
func ReadLock(path string) (*Lock, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l, err := newLock(path)
	if err != nil {
		return nil, err
	}
	for n, s := 1, bufio.NewScanner(bytes.NewReader(text)); s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		sum, name, ok := strings.Cut(line, " ")
		name = strings.TrimLeft(name, " *")
		if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size || name == "" {
			return nil, fmt.Errorf("%s:%d: want a SHA-256 in hexadecimal, two spaces and the program's path: %w", path, n, otn.ErrInvalid)
		}
		l.sums[l.absolute(name)] = strings.ToLower(sum)
	}
	return l, nil
}

func newLock(path string) (*Lock, error) {
	dir, err := resolved(filepath.Dir(path))
	return &Lock{dir: dir, sums: map[string]string{}}, err
}

// resolved is a path without symbolic links, absolute.
func resolved(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func (l *Lock) absolute(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(l.dir, name)
}

// Sum is the hash that a program must have, "" for one that the lock does not name.
func (l *Lock) Sum(program string) string {
	path, err := resolved(program)
	if err != nil {
		return ""
	}
	return l.sums[path]
}

// Holds reports whether a program has the hash that the lock says. Errors: those of the file system.
func (l *Lock) Holds(program string) (bool, error) {
	sum, err := sumOf(program)
	return err == nil && sum == l.Sum(program), err
}

// Change is what a new lock says of a program, beside what the old one said.
type Change struct {
	Program  string // its path from the lock's folder
	Sum      string // "" for one that is named no more
	Before   string // "" for one that was not named
	Absolute string // the path
}

// WriteLock pins programs as they are now, and no others. It replaces the file in one step, and tells every program that either lock
// names. A lock that cannot be read is replaced; a program that find would refuse is not pinned and is an error.
func WriteLock(path string, programs []string) ([]Change, error) {
	l, err := newLock(path)
	if err != nil {
		return nil, err
	}
	for _, p := range programs {
		file, err := find([]string{p}, "")
		if err != nil {
			return nil, err
		}
		sum, err := sumOf(file.path)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(file.path, "\n\\") {
			return nil, fmt.Errorf("%q has a line break or a backslash in its path: %w", file.path, otn.ErrInvalid)
		}
		l.sums[file.path] = sum
	}
	before := map[string]string{}
	if old, err := ReadLock(path); err == nil {
		before = old.sums
	}
	return l.changes(before), l.write(path)
}

func (l *Lock) changes(before map[string]string) []Change {
	all := maps.Clone(before)
	maps.Copy(all, l.sums)
	var list []Change
	for _, path := range slices.Sorted(maps.Keys(all)) {
		list = append(list, Change{l.name(path), l.sums[path], before[path], path})
	}
	return list
}

// name is a path as the lock writes it: relative where it is below the lock's folder.
func (l *Lock) name(path string) string {
	if rel, err := filepath.Rel(l.dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

func (l *Lock) write(path string) error {
	var b strings.Builder
	for _, program := range slices.Sorted(maps.Keys(l.sums)) {
		fmt.Fprintf(&b, "%s  %s\n", l.sums[program], l.name(program))
	}
	if err := os.WriteFile(path+".new", []byte(b.String()), 0o644); err != nil { //nolint:gosec // who may read the programs may read their hashes
		return err
	}
	return os.Rename(path+".new", path)
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	return sumOfFile(f)
}

func sumOfFile(f io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
