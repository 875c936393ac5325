// One entry of a block while it is laid out: its dashes, its key, and its value over as many lines as that has.

package rules

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// writing is the line that is being laid out.
type writing struct {
	*layout
	raw   string // the line of the file, without trailing space
	line  int    // its number, from 1
	first int    // its old indentation
	pos   int    // where reading stands in it, in bytes
	lead  int    // its new indentation
	done  strings.Builder

	parent, base int  // of the block that the value belongs to: its old column, and its new one
	inside       bool // a value goes on: its blank lines count
	over         bool // the last line is written
}

// take begins to read the next line.
func (w *writing) take() {
	w.raw = strings.TrimRight(w.lines[w.next], " \t")
	w.next++
	w.line = w.next
	w.first = indentOf(w.raw)
	w.pos = w.first
}

func (w *writing) put(s string) { w.done.WriteString(s) }
func (w *writing) rest() string { return w.raw[w.pos:] }

// copy writes n bytes as they are.
func (w *writing) copy(n int) {
	w.put(w.raw[w.pos : w.pos+n])
	w.pos += n
}

func (w *writing) skip() {
	for w.pos < len(w.raw) && (w.raw[w.pos] == ' ' || w.raw[w.pos] == '\t') {
		w.pos++
	}
}

// open enters the block that begins where reading stands.
func (w *writing) open(list bool) {
	to := w.enter(w.pos, list)
	if w.lead < 0 {
		w.lead = to
	}
	if list {
		w.parent, w.base = w.pos, to
	}
}

// flush ends the line that is being written, with the comment behind it.
func (w *writing) flush() {
	out := laid{text: strings.TrimRight(strings.Repeat(" ", max(w.lead, 0))+w.done.String(), " ")}
	if w.skip(); w.rest() != "" {
		out.comment = w.rest()
		out.was = utf8.RuneCountInString(w.raw[:w.pos])
		out.at = max(out.was+w.lead-w.first, utf8.RuneCountInString(out.text)+2)
		w.pos = len(w.raw)
	}
	if w.inside {
		w.out = append(w.out, out)
	} else {
		w.emit(out)
	}
	w.inside = true
	w.done.Reset()
}

// wrap ends the line that is being written and goes on with the next one.
func (w *writing) wrap(lead int) {
	w.flush()
	w.take()
	w.lead = lead
}

// entry lays out "key: value", or a value alone.
func (w *writing) entry() {
	if end := keyEnd(w.rest()); end >= 0 {
		top := w.levels[len(w.levels)-1]
		w.parent, w.base = top.col, top.to
		w.put(strings.TrimRight(w.raw[w.pos:w.pos+end], " ") + ":")
		w.pos += end + 1
		if w.skip(); w.rest() != "" && w.rest()[0] != '#' {
			w.put(" ")
		}
	}
	w.value()
}

// keyEnd is where the colon of "key:" stands, or -1.
func keyEnd(s string) int {
	i := 0
	switch s[0] {
	case '"', '\'':
		if i = quoteEnd(s) + 1; i == 0 {
			return -1
		}
		for i < len(s) && s[i] == ' ' {
			i++
		}
		if i < len(s) && colon(s, i) {
			return i
		}
		return -1
	case '{', '[', '|', '>':
		return -1
	}
	for ; i < len(s) && !behindSpace(s, i); i++ {
		if colon(s, i) {
			return i
		}
	}
	return -1
}

// colon reports a : that ends a key.
func colon(s string, i int) bool {
	return s[i] == ':' && (i+1 == len(s) || s[i+1] == ' ' || s[i+1] == '\t')
}

// behindSpace reports a # that begins a comment.
func behindSpace(s string, i int) bool {
	return s[i] == '#' && i > 0 && (s[i-1] == ' ' || s[i-1] == '\t')
}

// quoteEnd is where the quoted scalar that s begins with ends, or -1 when it goes on in another line.
func quoteEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[i] != s[0]:
		case s[0] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		default:
			return i
		}
	}
	return -1
}

// value lays out the value that begins where reading stands.
func (w *writing) value() {
	if w.rest() == "" {
		return
	}
	switch w.rest()[0] {
	case '#':
	case '{', '[':
		w.flow()
	case '"', '\'':
		w.quotes(w.base + 2)
	case '|', '>':
		w.verbatim()
	default:
		w.plain()
	}
}

// quotes copies a quoted scalar, over as many lines as it has.
func (w *writing) quotes(lead int) {
	mark := w.rest()[:1]
	end := quoteEnd(w.rest())
	for end < 0 && w.next < len(w.lines) {
		w.put(w.rest())
		w.pos = len(w.raw)
		w.wrap(lead)
		if end = quoteEnd(mark + w.rest()); end > 0 {
			end--
		}
	}
	if end < 0 {
		end = len(w.rest()) - 1
	}
	w.copy(end + 1)
}

// plain lays out a scalar without quotes, over as many lines as it has.
func (w *writing) plain() {
	end := len(w.rest())
	for i := range w.rest() {
		if behindSpace(w.rest(), i) {
			end = i
			break
		}
	}
	text := strings.TrimRight(w.rest()[:end], " \t")
	if q, ok := w.quoted[spot{w.line, text}]; ok {
		w.put(q)
		w.pos += len(text)
		return
	}
	w.copy(len(text))
	for w.skip(); w.rest() == "" && w.goesOn(); {
		for strings.TrimSpace(w.lines[w.next]) == "" {
			w.wrap(0)
		}
		w.wrap(w.base + 2)
		w.copy(len(w.rest()))
	}
}

// goesOn reports that the next line that is not blank belongs to the plain scalar that is being written.
func (w *writing) goesOn() bool {
	for _, line := range w.lines[w.next:] {
		if body := strings.TrimSpace(line); body != "" {
			return indentOf(line) > w.parent && body[0] != '#'
		}
	}
	return false
}

var blockHeader = regexp.MustCompile(`^([|>])([+-]?)([1-9]?)([+-]?)`)

// verbatim lays out a block text: its | or >, and its lines, which keep what they are indented beyond the first.
func (w *writing) verbatim() {
	m := blockHeader.FindStringSubmatch(w.rest())
	w.pos += len(m[0])
	w.put(m[1])
	lines, from := w.below()
	ends := m[2]
	if m[3] != "" || m[4] != "" || ends == "+" {
		w.odd = append(w.odd, place{w.line, utf8.RuneCountInString(w.raw[:w.pos]), 1})
	}
	n := len(lines)
	if n > 0 && w.next+n == len(w.lines) && strings.TrimSpace(lines[n-1]) != "" {
		ends = "-" // the file ends in the middle of its last line, and the text with it
	}
	w.put(ends)
	w.flush()
	w.over = true
	for n > 0 && strings.TrimSpace(lines[n-1]) == "" {
		n--
	}
	for _, line := range lines[:n] {
		text := ""
		if len(line) > from {
			text = strings.Repeat(" ", w.base+2) + line[from:]
		}
		w.out = append(w.out, laid{text: text})
	}
	w.next += n
}

// below are the lines of a block text, and how far it is indented: as its first line is, which must be deeper than its key.
func (w *writing) below() (lines []string, from int) {
	n, from := w.next, w.parent+1
	for first := true; n < len(w.lines); n++ {
		if strings.TrimSpace(w.lines[n]) == "" {
			continue
		}
		if indentOf(w.lines[n]) < from {
			break
		}
		if first {
			from, first = indentOf(w.lines[n]), false
		}
	}
	return w.lines[w.next:n], from
}
