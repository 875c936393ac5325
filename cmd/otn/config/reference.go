// References in the file: ${env:NAME} and ${file:PATH} stand for what they name, $${ for a plain ${.

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret is how long a file that a reference names may be: 64 KiB.
const maxSecret = 64 << 10

// resolve replaces the references in text, which stands at o under key. A fault gives nil.
func (l *loader) resolve(text string, o origin, key string) any {
	if !strings.Contains(text, "${") {
		l.origins[key] = o
		return text
	}
	var b strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			b.WriteString(rest)
			break
		}
		if strings.HasSuffix(before, "$") { // $${ is a plain ${
			b.WriteString(before + "{")
			rest = after
			continue
		}
		name, tail, closed := strings.Cut(after, "}")
		value, why, hint := l.lookup(name, key)
		if !closed {
			why, hint = "a reference without its }", "write ${env:NAME}, or $${ for a plain ${"
		}
		if why != "" {
			l.fault(o, why, hint)
			return nil
		}
		o.secret, o.written = true, text
		b.WriteString(before + value)
		rest = tail
	}
	l.origins[key] = o
	return b.String()
}

// lookup finds what ${kind:name} stands for, or says why it cannot and what to do.
func (l *loader) lookup(ref, key string) (value, why, hint string) {
	kind, name, _ := strings.Cut(ref, ":")
	settings := strings.HasPrefix(key, "channels.") || strings.HasPrefix(key, "sources.")
	switch {
	case kind != "env" && kind != "file" || name == "":
		return "", fmt.Sprintf("unknown reference ${%s}", ref), "known are ${env:NAME} and ${file:PATH}; write $${ for a plain ${"
	case l.Part != Whole && settings:
		return "", "", ""
	case kind == "file":
		text, err := readSecret(l.path(name))
		if err != nil {
			return "", err.Error(), "the path is relative to the configuration file"
		}
		return text, "", ""
	}
	value, ok := l.env[name]
	if !ok {
		return "", fmt.Sprintf("the environment variable %s is not set", name), "export it, or use ${file:PATH}"
	}
	return value, "", ""
}

// readSecret reads a small file without its last newline.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", bare(err)
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", bare(err)
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s: larger than 64 KiB", path)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// bare is an error of the file system without the system call: path: why.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}

// path makes a path of the file absolute in the file's folder.
func (l *loader) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(l.dir, p)
}
