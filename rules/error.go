// Faults in rule files: where, what, why and what to do, with the source line and a caret.

package rules

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"golang.org/x/text/width"

	"github.com/onetimenotify/otn/core/otn"
)

// Severity says whether a fault stops a file from being used.
type Severity uint8

// The severities.
const (
	Fault   Severity = iota // the file is refused
	Warning                 // the file works, and probably not as meant
	Note                    // the file works as meant, and this is worth knowing
)

// String is "error", "warning" or "note".
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Note:
		return "note"
	}
	return "error"
}

// MarshalText gives String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Error is one fault of a rule file.
type Error struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`    // from 1
	Col      int      `json:"col"`     // from 1, in runes; 0: the whole line is meant
	Width    int      `json:"width"`   // runes that the fault covers, at least 1
	Code     string   `json:"code"`    // stable: see Codes
	Message  string   `json:"message"` // what is wrong, in the words of the file
	Hint     string   `json:"hint"`    // what to write instead, where that is known
	Source   string   `json:"source"`  // the line of the file, without its end
	Severity Severity `json:"severity"`
}

// Error gives the place, the message and the code, and on further lines the source, a caret and the hint.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Place())
	b.WriteString(": ")
	if e.Severity != Fault {
		b.WriteString(e.Severity.String() + ": ")
	}
	fmt.Fprintf(&b, "%s [%s]", e.Message, e.Code)
	if e.Source != "" {
		fmt.Fprintf(&b, "\n    %s", e.Source)
		if shown := len([]rune(e.Source)); e.Col > 0 && e.Col <= shown+4 { // a long line is shown in part
			b.WriteString("\n    " + caret(e.Source, e.Col, e.Width))
		}
	}
	if e.Hint != "" {
		b.WriteString("\n    hint: " + e.Hint)
	}
	return b.String()
}

// Is makes a fault an otn.ErrInvalid: what was written is not valid.
func (e *Error) Is(target error) bool { return target == otn.ErrInvalid }

// Place is "file:line:col", with what of it is known.
func (e *Error) Place() string {
	switch {
	case e.Line == 0:
		return e.File
	case e.Col == 0:
		return fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Col)
}

// caret is the line under source that points at col: tabs stay tabs, wide runes take two cells.
func caret(source string, col, runes int) string {
	var b strings.Builder
	i := 0
	for _, r := range source {
		i++
		switch {
		case i < col && r == '\t':
			b.WriteByte('\t')
		case i < col:
			b.WriteString(strings.Repeat(" ", cells(r)))
		case i < col+max(runes, 1):
			b.WriteString(strings.Repeat("^", max(cells(r), 1)))
		}
	}
	if i < col {
		b.WriteString(strings.Repeat(" ", col-1-i) + "^")
	}
	return b.String()
}

// cells is how many columns of a terminal a rune takes.
func cells(r rune) int {
	switch k := width.LookupRune(r).Kind(); {
	case combines(r):
		return 0
	case k == width.EastAsianWide || k == width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Errors are all faults of a set of files, in the order of files and lines. It is never empty.
type Errors []*Error

// Error gives every fault, one below the other.
func (es Errors) Error() string {
	texts := make([]string, len(es))
	for i, e := range es {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap gives each fault to errors.Is and errors.As.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// Faults takes the faults out of an error of Compile or Once.
func Faults(err error) []*Error {
	var all Errors
	if errors.As(err, &all) {
		return all
	}
	return nil
}

// inOrder sorts by file as given, then by line and column, and drops exact repeats.
func inOrder(es []*Error, files []File) []*Error {
	rank := make(map[string]int, len(files))
	for i, f := range files {
		rank[f.Name] = i
	}
	sort.SliceStable(es, func(i, j int) bool {
		a, b := es[i], es[j]
		if rank[a.File] != rank[b.File] {
			return rank[a.File] < rank[b.File]
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Col < b.Col
	})
	out := es[:0]
	for i, e := range es {
		if i == 0 || *e != *es[i-1] {
			out = append(out, e)
		}
	}
	return out
}
