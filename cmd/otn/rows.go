// Rows of an input, one after the other, in steady memory.

package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// rowReader reads the consents of an input as JSON objects.
type rowReader struct {
	io.Closer
	count  int64 // rows that were read
	size   int64 // of the file, 0 where it is not known
	stamp  string
	offset func() int64
	read   func() (row, error)
}

// next reads a row; io.EOF behind the last.
func (r *rowReader) next() (row, error) {
	one, err := r.read()
	if err == nil {
		r.count++
	}
	return one, err
}

// openRows opens a file, or standard input for "-".
func (k *call) openRows(name, format string) (*rowReader, error) {
	out := &rowReader{Closer: io.NopCloser(nil)}
	in := k.stdin
	if name != "-" {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, &coded{exitNotFound, fmt.Errorf("%s: no such file", name), ""}
		}
		if err != nil {
			return nil, err
		}
		fi, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		in, out.Closer, out.size = f, f, fi.Size()
		out.stamp = fmt.Sprintf("%d %d", fi.Size(), fi.ModTime().UnixNano())
	}
	b := bufio.NewReaderSize(in, 64<<10)
	if bom, _ := b.Peek(3); string(bom) == "\ufeff" {
		_, _ = b.Discard(3)
	}
	first, _ := b.Peek(512) // what is wrong with it, reading says
	if formatOf(format, name, first) == "csv" {
		out.readCSV(b)
	} else {
		out.readJSON(b)
	}
	return out, nil
}

// readCSV reads lines under a heading.
func (r *rowReader) readCSV(in io.Reader) {
	c := csv.NewReader(in)
	c.TrimLeadingSpace, c.ReuseRecord = true, true
	var head []string
	r.offset = c.InputOffset
	r.read = func() (row, error) {
		for {
			cells, err := c.Read()
			if err != nil {
				return row{}, err
			}
			if head == nil {
				head = append(head, cells...)
				continue
			}
			line, _ := c.FieldPos(0)
			text, err := json.Marshal(consentCells(head, cells))
			return row{line, text}, err
		}
	}
}

// readJSON reads objects one after another, and those of lists.
func (r *rowReader) readJSON(in io.Reader) {
	lines := &lineCounter{r: in}
	d := json.NewDecoder(lines)
	depth := 0
	r.offset = d.InputOffset
	r.read = func() (row, error) {
		for {
			if depth > 0 && !d.More() {
				if _, err := d.Token(); err != nil {
					return row{}, lines.fault(d, err)
				}
				depth = 0
			}
			if depth == 0 && lines.opens(d) {
				if _, err := d.Token(); err != nil {
					return row{}, lines.fault(d, err)
				}
				depth = 1
				continue
			}
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return row{}, lines.fault(d, err)
			}
			return row{lines.at(d.InputOffset() - int64(len(raw))), raw}, nil
		}
	}
}

// lineCounter knows on which line a place of an input is.
type lineCounter struct {
	r      io.Reader
	read   int64
	past   int     // lines before the breaks
	breaks []int64 // that nobody asked behind yet
}

func (l *lineCounter) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	for i := range n {
		if b[i] == '\n' {
			l.breaks = append(l.breaks, l.read+int64(i))
		}
	}
	l.read += int64(n)
	return n, err
}

// at is the line of a place that is not before one asked for earlier.
func (l *lineCounter) at(offset int64) int {
	k := 0
	for k < len(l.breaks) && l.breaks[k] < offset {
		k++
	}
	l.breaks, l.past = l.breaks[k:], l.past+k
	return l.past + 1
}

// opens reports whether a list comes next.
func (l *lineCounter) opens(d *json.Decoder) bool {
	if !d.More() {
		return false
	}
	b := make([]byte, 512)
	n, _ := d.Buffered().Read(b)
	rest := bytes.TrimLeft(b[:n], " \t\r\n")
	return len(rest) > 0 && rest[0] == '['
}

// fault says on which line reading ended, and quotes nothing of it.
func (l *lineCounter) fault(d *json.Decoder, err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("line %d: not JSON: %w", l.at(d.InputOffset()), err)
}
