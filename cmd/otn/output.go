// Output: data on stdout as a table, JSON or YAML.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// The formats of -o.
const (
	asTable = "table"
	asJSON  = "json"
	asYAML  = "yaml"
)

// table is rows under a heading, where there is one. A row of one cell is a line of its own.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// note puts a line between the rows.
func (t *table) note(text string) { t.rows = append(t.rows, []string{text}) }

// write prints the table with two spaces between columns.
func (t *table) write(w io.Writer) error {
	widths := make([]int, len(t.head))
	all := t.rows
	if len(t.head) > 0 {
		all = append([][]string{t.head}, t.rows...)
	}
	for _, row := range all {
		if len(row) != len(t.head) {
			continue
		}
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range all {
		if len(row) != len(t.head) {
			b.WriteString(printable(strings.Join(row, "  ")) + "\n")
			continue
		}
		line := ""
		for i, cell := range row {
			line += printable(cell) + strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell))+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable keeps what others wrote from moving the cursor: a control character becomes a space.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// show prints v in the wanted format; t is its table.
func (c *call) show(v any, t *table) error {
	switch c.format {
	case asJSON:
		return c.write(v)
	case asYAML:
		text, err := json.Marshal(v)
		if err == nil {
			text, err = yaml.JSONToYAML(text)
		}
		if err != nil {
			return err
		}
		_, err = c.stdout.Write(text)
		return err
	}
	if len(t.rows) == 0 {
		c.say("otn: there are none")
		return nil
	}
	return t.write(c.stdout)
}

// write prints v as JSON.
func (c *call) write(v any) error {
	e := json.NewEncoder(c.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// say writes words for people.
func (c *call) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.stderr, format+"\n", args...)
}

// moment is a time in the operator's zone, "-" for none.
func (c *call) moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	zone := time.UTC
	if c.config != nil {
		zone = c.config.Zone
	}
	return t.In(zone).Truncate(time.Second).Format(time.RFC3339)
}

func number[N int | int64 | uint64](n N) string { return fmt.Sprintf("%d", n) }

// dash is s, or "-" where a column would be empty.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
