// When to start again, when to wait and when to leave a plugin alone; and what of its output is logged.

package plugins

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func filled() *Spec {
	s := &Spec{}
	s.fill()
	return s
}

func TestBackoffDoublesAndEndsInQuarantine(t *testing.T) {
	c := crashes{spec: filled()}
	now := time.Unix(0, 0)
	for n, want := range []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second} {
		phase, pause := c.add(now, 0)
		if phase != Backoff || pause > want || pause < want*4/5 {
			t.Errorf("crash %d: %s for %s, want about %s", n+1, phase, pause, want)
		}
		now = now.Add(time.Second)
	}
	if phase, _ := c.add(now, 0); phase != Quarantined {
		t.Errorf("after five crashes it is in %s", phase)
	}
}

func TestCrashesAreForgotten(t *testing.T) {
	c := crashes{spec: filled()}
	now := time.Unix(0, 0)
	for n := range 100 {
		if phase, pause := c.add(now, 0); phase != Backoff || pause > 30*time.Second || n > 8 && pause < 24*time.Second {
			t.Fatalf("crash %d: %s for %s", n, phase, pause)
		}
		now = now.Add(3 * time.Minute)
	}
	if _, pause := c.add(now, time.Hour); pause > 250*time.Millisecond {
		t.Errorf("after an hour ready the pause is %s", pause)
	}
}

// logged is what a sink makes of lines.
func logged(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	newSink(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), new(meter)).read(strings.NewReader(text))
	return out.String()
}

func TestLines(t *testing.T) {
	for in, want := range map[string]string{
		`{"time":"x","level":"WARN","msg":"slow","n":1,"to":"a b"}`: "level=WARN msg=slow n=1 to=\"a b\"\n",
		`{"@level":"trace","@message":"hi","@timestamp":"x"}`:       "level=DEBUG msg=hi\n",
		`{"@message":5}`:               "level=INFO msg=\"{\\\"@message\\\":5}\"\n",
		`{"level":7,"msg":"odd"}`:      "level=INFO msg=odd level=7\n",
		"plain":                        "level=INFO msg=plain\n",
		"\n \n":                        "",
		"cut off":                      "level=INFO msg=\"cut off\"\n",
		"panic: oh\n\ngoroutine 1:\n":  "level=ERROR msg=\"panic: oh\"\nlevel=ERROR msg=\"goroutine 1:\"\n",
		"bell \a and \x1b[31mcolour\n": "level=INFO msg=\"bell \\a and \\x1b[31mcolour\"\n",
		"bad \xff\n":                   "level=INFO msg=\"bad �\"\n",
	} {
		if got := logged(t, in); got != want {
			t.Errorf("%q is logged as\n%q, want\n%q", in, got, want)
		}
	}
	if got := logged(t, strings.Repeat("x", 10*maxLine)+"\nnext\n"); len(got) > maxLine+100 || !strings.HasSuffix(got, "msg=next\n") {
		t.Errorf("a long line is logged as %d bytes", len(got))
	}
}

func TestTooManyLines(t *testing.T) {
	var out bytes.Buffer
	s := newSink(slog.New(slog.NewTextHandler(&out, nil)), new(meter))
	now := time.Unix(1, 0)
	for range 10_000 {
		s.line([]byte("again"), now)
	}
	if n := strings.Count(out.String(), "again"); n != lineBurst || strings.Count(out.String(), "lines are dropped") != 1 {
		t.Errorf("%d lines are logged, want %d and one word about it", n, lineBurst)
	}
	s.line([]byte("later"), now.Add(time.Second))
	if !strings.Contains(out.String(), "lines_dropped=9500") || !strings.Contains(out.String(), "later") {
		t.Error("nobody is told how many lines are missing")
	}
}

func TestLastWords(t *testing.T) {
	s := newSink(slog.New(slog.DiscardHandler), new(meter))
	if s.lastWords() != "" {
		t.Error("it spoke")
	}
	s.read(io.MultiReader(strings.NewReader("first\n"+strings.Repeat("é", maxWords)+"\n"), errReader{}))
	if w := s.lastWords(); len(w) > maxWords+len("…") || !strings.HasPrefix(w, "éé") || strings.ContainsRune(w, '�') {
		t.Errorf("last words %q", w)
	}
	s.read(strings.NewReader("panic: oh\ngoroutine 1\nmain.go:5\n"))
	if w := s.lastWords(); w != "panic: oh" {
		t.Errorf("last words of a panic %q", w)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("broken pipe") }
