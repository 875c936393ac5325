// otn observe: observations from a file, as JSON, JSON lines or CSV.

package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
)

// maxInput is the largest file that is read: 256 MiB.
const maxInput = 256 << 20

// A call of the door takes at most this many observations, and this many bytes of them.
const (
	batchCount = 500
	batchBytes = 700 << 10
)

// row is one record of an input, with the line where it begins.
type row struct {
	line int
	text []byte // a JSON object
}

func (k *call) observe() *cobra.Command {
	format := ""
	cmd := &cobra.Command{
		Use: "observe FILE|-", GroupID: "do", Short: "Say what the shop has now", Args: cobra.ExactArgs(1),
		Long: "Say what the shop has now. The file holds JSON objects (one, a list, or one per line) or CSV whose first line names the fields.\n" +
			"All of it is checked before anything is sent. Fields left out, and empty cells, keep their last value.",
		Example: "  otn observe items.csv\n  echo '{\"id\":\"SKU-1\",\"price\":\"99.00 USD\",\"stock\":3}' | otn observe -",
		RunE: k.does(func(ctx context.Context, args []string) error {
			text, err := k.input(ctx, args[0])
			if err != nil {
				return err
			}
			rows, err := rowsOf(text, formatOf(format, args[0], text))
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if err := checkRows(args[0], rows); err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			return k.submit(ctx, c, rows)
		}),
	}
	cmd.Flags().Var(&choice{value: &format, known: []string{"json", "jsonl", "csv"}}, "format", "json, jsonl or csv; left out: by the file's name or its first character")
	return cmd
}

// unless gives what f gives, or the end of ctx when that comes first: f is left alone then, and ends with the program.
func unless[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// input reads a file, or standard input for "-".
func (k *call) input(ctx context.Context, name string) ([]byte, error) {
	return unless(ctx, func() ([]byte, error) { return k.readInput(name) })
}

func (k *call) readInput(name string) ([]byte, error) {
	r := k.stdin
	if name != "-" {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, &coded{exitNotFound, fmt.Errorf("%s: no such file", name), ""}
		}
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // only read
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("%s: larger than 256 MiB", name)
	}
	return text, err
}

func formatOf(given, name string, text []byte) string {
	ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), ".")
	first := bytes.TrimLeft(text, " \t\r\n\ufeff")
	switch {
	case given != "":
		return given
	case ext == "json" || ext == "jsonl" || ext == "csv":
		return ext
	case len(first) > 0 && (first[0] == '{' || first[0] == '['):
		return "json"
	}
	return "csv"
}

// rowsOf splits an input into its records.
func rowsOf(text []byte, format string) ([]row, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if format == "csv" {
		return csvRows(text, csvObservation)
	}
	return jsonRows(text)
}

// jsonRows reads objects one after another, lists of objects, and {"observations":[…]}.
func jsonRows(text []byte) ([]row, error) {
	var rows []row
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		start := d.InputOffset()
		var raw json.RawMessage
		err := d.Decode(&raw)
		line := 1 + bytes.Count(text[:start], []byte("\n")) + bytes.Count(leading(text[start:]), []byte("\n"))
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: not JSON: %w", line, err)
		}
		var whole struct {
			Observations []json.RawMessage `json:"observations"`
		}
		list := []json.RawMessage{raw}
		if raw[0] == '[' {
			err = json.Unmarshal(raw, &list)
		} else if json.Unmarshal(raw, &whole) == nil && whole.Observations != nil {
			list = whole.Observations
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		for _, one := range list {
			at := line
			if i := bytes.Index(raw, one); i > 0 && len(list) > 1 {
				at += bytes.Count(raw[:i], []byte("\n"))
			}
			rows = append(rows, row{at, one})
		}
	}
}

func leading(text []byte) []byte { return text[:len(text)-len(bytes.TrimLeft(text, " \t\r\n"))] }

// csvRows makes an object of each line.
func csvRows(text []byte, object func(head, cells []string) map[string]any) ([]row, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rows []row
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		one, err := json.Marshal(object(head, cells))
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{line, one})
	}
}

// csvObservation makes an observation of a line: a list is split at |, a column attrs.NAME is an attr, an empty cell is not told.
func csvObservation(head, cells []string) map[string]any {
	object := csvObject(head, cells, "attrs")
	for name, v := range object {
		cell, _ := v.(string)
		switch name {
		case "tags", "collections", "items", "refs":
			object[name] = strings.Split(cell, "|")
		case "stock", "sellable", "published", "gone":
			object[name] = bareCell(cell)
		}
	}
	return object
}

// csvObject names the cells of a line; the columns GROUP.NAME go together under GROUP.
func csvObject(head, cells []string, group string) map[string]any {
	object, inner := map[string]any{}, map[string]any{}
	for i, name := range head {
		name, cell := strings.TrimSpace(name), strings.TrimSpace(cells[i])
		if cell == "" {
			continue
		}
		if part, ok := strings.CutPrefix(name, group+"."); ok {
			inner[part] = cell
			object[group] = inner
		} else {
			object[name] = cell
		}
	}
	return object
}

// bareCell is a number, true or false where the cell is one, and its text where it is not: the reader says what is wrong with it.
func bareCell(cell string) any {
	var v any
	d := json.NewDecoder(strings.NewReader(strings.ToLower(cell)))
	d.UseNumber()
	if d.Decode(&v) != nil || d.More() {
		return cell
	}
	return v
}

// maxFaults is how many faults of one input are told.
const maxFaults = 20

// checkRows reads every row and tells all faults at once, each with its line.
func checkRows(name string, rows []row) error {
	var faults []string
	for _, r := range rows {
		if _, err := otn.DecodeObservation(r.text); err != nil {
			faults = append(faults, fmt.Sprintf("%s:%d: %s", name, r.line, err))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	more := ""
	if extra := len(faults) - maxFaults; extra > 0 {
		more = fmt.Sprintf("\nand %d more", extra)
	}
	text := strings.Join(faults[:min(len(faults), maxFaults)], "\n") + more
	return &coded{exitFailed, errors.New(text), "nothing was sent"}
}

// partly is the exit code of work that stopped half way.
func partly(ctx context.Context) int {
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return exitPartly
}

// submit sends the rows in batches. A failure in between is partly done, and says how far it came.
func (k *call) submit(ctx context.Context, c *api.Client, rows []row) error {
	var total api.ObserveAnswer
	for start := 0; start < len(rows); {
		end, size := start, 0
		for end < len(rows) && end-start < batchCount && (size == 0 || size+len(rows[end].text) < batchBytes) {
			size += len(rows[end].text)
			end++
		}
		batch := make([]api.Observation, 0, end-start)
		for _, r := range rows[start:end] {
			batch = append(batch, r.text)
		}
		var a api.ObserveAnswer
		err := c.Post(ctx, "/v1/observations", "", map[string]any{"observations": batch}, &a)
		if err != nil && start > 0 {
			return &coded{partly(ctx), fmt.Errorf("%d of %d observations were taken: %w", start, len(rows), err), "run it again: what was taken changes nothing the second time"}
		}
		if err != nil {
			return err
		}
		total.Accepted += a.Accepted
		total.Changed += a.Changed
		start = end
	}
	t := &table{head: []string{"ACCEPTED", "CHANGED"}}
	t.add(number(total.Accepted), number(total.Changed))
	return k.show(total, t)
}
