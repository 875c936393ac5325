// A rule file as text: its lines, its limits, and where a fault in it is shown.

package rules

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// File is one rule file: a name for messages, and its text.
type File struct {
	Name   string `json:"name"`
	Source []byte `json:"source"`
}

// MaxFile is the size of the largest rule file, in bytes.
const MaxFile = 1 << 20

// source is a file that is being read, with the faults found so far.
type source struct {
	name   string
	text   string
	lines  []string
	faults []*Error
	spent  []spent // the expressions that were compiled
	sent   bool    // made from an operator's send
}

func newSource(f File) *source {
	text := bytes.TrimPrefix(f.Source, []byte("\ufeff"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return &source{name: f.Name, text: string(text), lines: strings.Split(string(text), "\n")}
}

// place is a spot of a file: line and column from 1, in runes. Column 0 means the whole line.
type place struct{ line, col, width int }

const (
	maxFaults = 1000 // noted of one file
	maxWords  = 500  // runes of a message or a hint, which may quote the file
)

// fault notes one fault and shows its line.
func (s *source) fault(p place, code, message, hint string) *Error {
	e := &Error{File: s.name, Line: p.line, Col: p.col, Width: max(p.width, 1), Code: code, Message: cut(message, maxWords), Hint: cut(hint, maxWords)}
	if len(s.faults) < maxFaults {
		e.Source = s.line(p.line)
		s.faults = append(s.faults, e)
	}
	return e
}

func (s *source) warn(p place, code, message, hint string) {
	s.fault(p, code, message, hint).Severity = Warning
}

// line is line n for showing: no end, no control characters, at most 400 runes.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	shown := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s.lines[n-1], "\uFFFD"))
	if utf8.RuneCountInString(shown) > 400 {
		shown = string([]rune(shown)[:399]) + "…"
	}
	return strings.TrimRight(shown, " \t")
}

// readable checks the limits that come before any parser.
func (s *source) readable() bool {
	if len(s.text) > MaxFile {
		s.fault(place{}, codeTooLarge, "the file is larger than 1 MiB", "split it: several files make one set of rules")
		return false
	}
	for i, line := range s.lines {
		col := 0
		for j, r := range line {
			col++
			_, size := utf8.DecodeRuneInString(line[j:])
			if r == utf8.RuneError && size == 1 {
				s.fault(place{i + 1, col, 1}, codeEncoding, "this is not UTF-8", "save the file as UTF-8")
				return false
			}
			if unicode.IsControl(r) && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
				s.fault(place{i + 1, col, 1}, codeEncoding, "an invisible control character", "delete it")
				return false
			}
		}
	}
	return true
}
