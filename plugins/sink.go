// What a plugin prints becomes lines of the host's log: cut to length, rate limited, and never trusted.

package plugins

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxLine   = 16 << 10 // bytes of a line; the rest of it is dropped
	maxWords  = 256      // bytes of a plugin's words that an error repeats
	maxFields = 32       // of a structured line
	lineRate  = 100      // lines per second, in the long run
	lineBurst = 500      // lines at once
)

// lines cuts a stream into lines of bounded length. The excess of a long one is dropped.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) lines { return lines{bufio.NewReaderSize(r, maxLine)} }

// next gives a line without its end. It belongs to the caller until the next call. Errors: the reader's.
func (l lines) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		if err != nil {
			err = nil // the end is met again by the next call
		}
	}
	if err != nil && len(line) > 0 {
		err = nil
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// sink is where the lines of one process go.
type sink struct {
	log   *slog.Logger
	meter *meter

	mu      sync.Mutex
	tokens  float64
	at      time.Time
	dropped int
	crying  bool // a Go panic is being printed: every line of it is an error
	last    string
}

func newSink(log *slog.Logger, m *meter) *sink { return &sink{log: log, meter: m, tokens: lineBurst} }

// read logs every line of r until it ends.
func (s *sink) read(r io.Reader) { s.lines(newLines(r)) }

func (s *sink) lines(l lines) {
	for {
		line, err := l.next()
		if err != nil {
			s.reportDropped()
			return
		}
		s.line(line, time.Now())
	}
}

// line logs one line, unless there were too many.
func (s *sink) line(line []byte, now time.Time) {
	if len(bytes.TrimSpace(line)) == 0 || !s.allow(now) {
		return
	}
	text := strings.ToValidUTF8(string(line), "�")
	level, msg, fields, ok := parse(line)
	s.mu.Lock()
	if !ok {
		msg, level = text, slog.LevelInfo
		if strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ") {
			s.crying, s.last = true, head(text)
		}
	}
	if s.crying {
		level = max(level, slog.LevelError)
	} else {
		s.last = head(msg)
	}
	s.mu.Unlock()
	s.print(level, msg, fields)
}

// print logs at one of the four levels that everybody knows.
func (s *sink) print(level slog.Level, msg string, fields []any) {
	print := s.log.Debug
	switch {
	case level >= slog.LevelError:
		print = s.log.Error
	case level >= slog.LevelWarn:
		print = s.log.Warn
	case level >= slog.LevelInfo:
		print = s.log.Info
	}
	print(msg, fields...)
}

// allow takes one of the lines that may still be logged. It says when it begins to drop lines, and how many they were when it ends.
func (s *sink) allow(now time.Time) bool {
	s.mu.Lock()
	if !s.at.IsZero() {
		s.tokens = min(lineBurst, s.tokens+max(now.Sub(s.at), 0).Seconds()*lineRate)
	}
	s.at = now
	ok := s.tokens >= 1
	if ok {
		s.tokens--
	} else {
		s.dropped++
	}
	first := s.dropped == 1
	s.mu.Unlock()
	if ok {
		s.reportDropped()
	} else if first {
		s.log.Warn("the plugin prints too much: lines are dropped")
	}
	return ok
}

func (s *sink) reportDropped() {
	s.mu.Lock()
	n := s.dropped
	s.dropped = 0
	s.mu.Unlock()
	if n > 0 {
		s.meter.dropped.Add(int64(n))
		s.log.Warn("the plugin printed too much", "lines_dropped", n)
	}
}

// lastWords is the last line that was logged, or the first of a panic.
func (s *sink) lastWords() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// parse reads a structured line, as log/slog and go-hclog write them.
func parse(line []byte) (slog.Level, string, []any, bool) {
	var m map[string]any
	if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &m) != nil {
		return 0, "", nil, false
	}
	msg, ok := pick(m, "msg", "@message")
	if !ok {
		return 0, "", nil, false
	}
	var level slog.Level
	name, _ := pick(m, "level", "@level")
	if name == "trace" || level.UnmarshalText([]byte(name)) != nil && name != "" {
		level = slog.LevelDebug
	}
	for _, known := range []string{"time", "@timestamp", "@module"} {
		delete(m, known)
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	fields := make([]any, 0, min(len(names), maxFields))
	for _, name := range names[:min(len(names), maxFields)] {
		fields = append(fields, slog.Any(name, m[name]))
	}
	return level, msg, fields, true
}

// pick takes a text out of a line by the first of its names that is there.
func pick(m map[string]any, names ...string) (string, bool) {
	for _, name := range names {
		if text, ok := m[name].(string); ok {
			delete(m, name)
			return text, true
		}
	}
	return "", false
}

func head(s string) string {
	if len(s) <= maxWords {
		return s
	}
	cut := maxWords
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
