// How far a long command is: on disk, so that it goes on from there, and on a terminal.

package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// importState is the file that says how far an import is.
type importState struct {
	path string
	importAt
}

// importAt is what is in it.
type importAt struct {
	File  string `json:"file"`
	Stamp string `json:"stamp"` // size and time of the file: another one begins anew
	Rows  int64  `json:"rows"`  // answered, all of them
	imported
}

// stateOf is the state of the import of a file, in the data folder.
func stateOf(data, name string) *importState {
	if full, err := filepath.Abs(name); err == nil {
		name = full
	}
	sum := sha256.Sum256([]byte(name))
	return &importState{path: filepath.Join(data, "import-"+hex.EncodeToString(sum[:8])+".json"), importAt: importAt{File: name}}
}

// load reads how far an earlier import of these rows was; nothing when there was none.
func (s *importState) load(rows *rowReader) (importAt, error) {
	if s == nil {
		return importAt{}, nil
	}
	s.Stamp = rows.stamp
	text, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return importAt{}, nil
	}
	var at importAt
	if err != nil || json.Unmarshal(text, &at) != nil || at.File != s.File || at.Stamp != s.Stamp {
		return importAt{}, err
	}
	s.importAt = at
	return at, nil
}

// at notes that all rows up to a number are answered.
func (s *importState) at(rows int64, done imported) {
	if s != nil {
		s.Rows, s.imported = rows, done
	}
}

// save writes it, whole or not at all. Before the first answer there is nothing to be written.
func (s *importState) save() error {
	if s.Rows == 0 {
		return nil
	}
	text, err := json.Marshal(s.importAt)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(s.path+".new", s.path)
}

// remove ends it: the file was read to its end.
func (s *importState) remove() error {
	if s == nil {
		return nil
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func sortedRefusals(list []refused) []refused {
	slices.SortStableFunc(list, func(a, b refused) int { return cmp.Compare(a.line, b.line) })
	return list
}

// bar is one line of a terminal, written over and over. A nil bar shows nothing.
type bar struct {
	w     io.Writer
	total int64 // bytes; 0: not known
	now   func() time.Time

	began, shown time.Time
	first        int64 // rows that were there when it began
}

// barEvery is how often it is written.
const barEvery = 200 * time.Millisecond

func (b *bar) show(offset int64, done imported) {
	if b == nil {
		return
	}
	now, rows := b.now(), done.Added+done.Known+done.Refused
	if b.began.IsZero() {
		b.began, b.first = now, rows
	}
	if now.Sub(b.shown) < barEvery {
		return
	}
	b.shown = now
	text := fmt.Sprintf("%d rows", rows)
	if b.total > 0 {
		const width = 30
		full := int(min(offset, b.total) * width / b.total)
		text = fmt.Sprintf("[%-*s] %3d%% %s", width, strings.Repeat("#", full), min(offset, b.total)*100/b.total, text)
	}
	if past := now.Sub(b.began).Seconds(); past > 1 {
		text += fmt.Sprintf(", %.0f/s", float64(rows-b.first)/past)
	}
	_, _ = fmt.Fprintf(b.w, "\r\x1b[K%s", text)
}

// clear makes room for a line of words.
func (b *bar) clear() {
	if b != nil {
		_, _ = io.WriteString(b.w, "\r\x1b[K")
	}
}

func (b *bar) end() { b.clear() }
