// The lines of a file, one by one, with new indentation: blocks by the column they stood in, texts as they are.

package rules

import (
	"strings"
	"unicode/utf8"
)

// layout lays out the lines of a file that was read as YAML before.
type layout struct {
	lines  []string
	quoted map[spot]string // scalars that are written in quotes

	next   int // the line that is read next, from 0
	levels []level
	out    []laid
	blank  bool    // a blank line comes before the next one
	odd    []place // block texts with a number or a + in their first line
}

// level is a block that is open: the column it stands in, and the one it comes to stand in.
type level struct {
	col, to int
	list    bool
}

// laid is a line that is done, without the comment behind it.
type laid struct {
	text    string
	comment string
	was, at int // the column of the comment, from 0: in the file, and where it would stand now
}

// text lays out the whole file.
func (l *layout) text() string {
	for l.next < len(l.lines) {
		switch line := strings.TrimRight(l.lines[l.next], " \t"); {
		case line == "":
			l.blank = true
			l.next++
		case strings.TrimLeft(line, " \t")[0] == '#':
			l.remark(line)
		case line == "---" || strings.HasPrefix(line, "--- "):
			l.emit(laid{text: line})
			l.next++
		default:
			l.block()
		}
	}
	return l.joined()
}

// joined writes the lines; comments that stood below each other still do.
func (l *layout) joined() string {
	var b strings.Builder
	for i := 0; i < len(l.out); {
		end, col := i, 0
		for end < len(l.out) && l.out[end].comment != "" && l.out[end].was == l.out[i].was {
			col = max(col, l.out[end].at)
			end++
		}
		for end = max(end, i+1); i < end; i++ {
			b.WriteString(l.out[i].text)
			if c := l.out[i].comment; c != "" {
				b.WriteString(strings.Repeat(" ", col-utf8.RuneCountInString(l.out[i].text)) + c)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func (l *layout) emit(line laid) {
	if l.blank && len(l.out) > 0 {
		l.out = append(l.out, laid{})
	}
	l.blank = false
	l.out = append(l.out, line)
}

// indentOf is how far a line is indented.
func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// remark lays out a comment on a line of its own: like what comes next, unless it ends a block that is deeper.
func (l *layout) remark(line string) {
	col, next := indentOf(line), l.following()
	at := l.destination(next.col, next.list)
	for i := len(l.levels) - 1; i >= 0; i-- {
		if have := l.levels[i]; have.col <= col {
			if have.col > next.col {
				at = have.to
			}
			break
		}
	}
	l.emit(laid{text: strings.Repeat(" ", at) + strings.TrimLeft(line, " \t")})
	l.next++
}

// following is where the next line that is neither blank nor a comment begins.
func (l *layout) following() level {
	for _, line := range l.lines[l.next:] {
		if body := strings.TrimSpace(line); body != "" && body[0] != '#' {
			return level{col: indentOf(line), list: isDash(body)}
		}
	}
	return level{}
}

func isDash(body string) bool { return body == "-" || strings.HasPrefix(body, "- ") }

// destination is the column to which a block at col comes, without opening it.
func (l *layout) destination(col int, list bool) int {
	have := l.levels
	defer func() { l.levels = have }()
	l.levels = append([]level(nil), have...)
	return l.enter(col, list)
}

// enter closes the blocks that are deeper than col and opens one at it, unless it is open. It returns its new column.
func (l *layout) enter(col int, list bool) int {
	for len(l.levels) > 0 {
		top := l.levels[len(l.levels)-1]
		if top.col < col || top.col == col && (top.list == list || list) {
			break
		}
		l.levels = l.levels[:len(l.levels)-1]
	}
	to := 0
	if n := len(l.levels); n > 0 {
		top := l.levels[n-1]
		if top.col == col && top.list == list {
			return top.to
		}
		to = top.to + 2
	}
	l.levels = append(l.levels, level{col, to, list})
	return to
}

// block lays out a line of the block structure, and the lines that its value goes on for.
func (l *layout) block() {
	w := writing{layout: l, lead: -1}
	w.take()
	for isDash(w.rest()) {
		w.open(true)
		w.put("-")
		w.pos++
		if w.skip(); w.rest() == "" || w.rest()[0] == '#' {
			break
		}
		w.put(" ")
	}
	if rest := w.rest(); rest != "" && rest[0] != '#' {
		w.open(false)
		w.entry()
	}
	if !w.over {
		w.flush()
	}
}
