// Faults of a configuration: where, what, the line with a caret, and what to do.

package config

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// Fault is one thing wrong. Line and Col count from 1, in characters; 0 when it is in no file.
type Fault struct {
	File    string `json:"file"` // or the variable or flag that holds it
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do, or the nearest name
	Source  string `json:"-"`              // the line of the file
}

// Faults are all that is wrong with a configuration.
type Faults []Fault

// Error gives one fault as text: file:line:col: message, then the line with a caret, then the hint.
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Col)
	}
	b.WriteString(": " + f.Message)
	if f.Line > 0 && f.Source != "" {
		gutter := fmt.Sprintf("%5d", f.Line)
		fmt.Fprintf(&b, "\n%s | %s\n%s | %s^", gutter, f.Source, strings.Repeat(" ", len(gutter)), indent(f.Source, f.Col-1))
	}
	if f.Hint != "" {
		b.WriteString("\n      " + f.Hint)
	}
	return b.String()
}

// Error gives all faults, an empty line between them.
func (fs Faults) Error() string {
	texts := make([]string, len(fs))
	for i, f := range fs {
		texts[i] = f.Error()
	}
	return strings.Join(texts, "\n\n")
}

func (fs Faults) sort() {
	sort.SliceStable(fs, func(i, j int) bool {
		a, b := fs[i], fs[j]
		if a.File != b.File {
			return a.File < b.File
		}
		return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col
	})
}

// indent is as wide as the first n characters of line: a tab stays a tab.
func indent(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Nearest is the candidate that was probably meant by name, or "".
func Nearest(name string, candidates []string) string {
	best, least := "", max(2, utf8.RuneCountInString(name)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the single characters to change, add or take away, a swap of neighbours being one.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
