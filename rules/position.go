// From a rune of a scalar's text to its place in the file, through every style of YAML.

package rules

import (
	"strings"
	"unicode/utf8"
)

// within gives the place of width runes of a scalar that begin at rune offset off of its text. Where the style
// does not allow to tell, or the file does not show there what the text says, it is the whole line.
func (s *source) within(n *node, off, width int) place {
	width = max(width, 1)
	switch n.style {
	case literal:
		return s.inBlock(n, off, width)
	case single, double:
		return s.inQuotes(n, off, width)
	case plain:
		p := place{n.at.line, n.at.col + off, width}
		if strings.HasPrefix(s.from(n.at.line, n.at.col), n.text) {
			return p
		}
	}
	return place{line: n.at.line}
}

// from is line n from a column on.
func (s *source) from(line, col int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	text := s.lines[line-1]
	for i := 1; i < col && text != ""; i++ {
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	return text
}

// inBlock counts from the line of the | on; the file's line ends with the line of the text, behind its indentation.
func (s *source) inBlock(n *node, off, width int) place {
	lines := strings.Split(n.text, "\n")
	l, c := 0, off
	for l < len(lines)-1 && c > utf8.RuneCountInString(lines[l]) {
		c -= utf8.RuneCountInString(lines[l]) + 1
		l++
	}
	at := n.at.line + 1 + l
	if l == len(lines)-1 && lines[l] == "" && l > 0 { // the end of the text: point behind its last line
		l, at = l-1, at-1
		c = utf8.RuneCountInString(lines[l])
	}
	if at > len(s.lines) {
		return place{line: n.at.line}
	}
	raw := s.lines[at-1]
	if !strings.HasSuffix(raw, lines[l]) || strings.Trim(raw[:len(raw)-len(lines[l])], " ") != "" {
		return place{line: at}
	}
	return place{at, len(raw) - len(lines[l]) + c + 1, width}
}

// inQuotes walks the raw text, in which ” and \" are one rune of the value.
func (s *source) inQuotes(n *node, off, width int) place {
	raw := []rune(s.from(n.at.line, n.at.col))
	value := []rune(n.text)
	if len(raw) == 0 || raw[0] != '\'' && raw[0] != '"' {
		return place{line: n.at.line}
	}
	i, from := 1, -1
	for v := 0; v <= len(value); v++ {
		if v == off {
			from = i
		}
		if v == off+width && from >= 0 {
			return place{n.at.line, n.at.col + from, i - from}
		}
		if v < len(value) {
			size := quotedRune(raw, i, value[v])
			if size == 0 {
				break
			}
			i += size
		}
	}
	if from >= 0 {
		return place{n.at.line, n.at.col + from, 1}
	}
	return place{line: n.at.line}
}

// quotedRune is how many runes of the file stand for one rune of a quoted value; 0 when they do not.
func quotedRune(raw []rune, i int, want rune) int {
	if i >= len(raw) {
		return 0
	}
	if raw[0] == '\'' && raw[i] == '\'' {
		if i+1 < len(raw) && raw[i+1] == '\'' {
			return 2
		}
		return 0
	}
	if raw[0] == '"' && raw[i] == '\\' && i+1 < len(raw) {
		switch raw[i+1] {
		case 'x':
			return 4
		case 'u':
			return 6
		case 'U':
			return 10
		}
		return 2
	}
	if raw[i] != want {
		return 0
	}
	return 1
}
