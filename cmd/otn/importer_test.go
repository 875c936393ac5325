// An import that is interrupted anywhere goes on where it was: nothing is lost and nothing counted twice.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/api"
)

// taker is a daemon that knows tokens, and is gone after some calls.
type taker struct {
	mu    sync.Mutex
	known map[string]bool
	order []string // as they were taken first
	calls int
	after int // calls; 0: never gone
	stop  func()
}

func (s *taker) post(ctx context.Context, body any, a *api.BatchAnswer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.calls++; s.after > 0 && s.calls > s.after {
		s.stop()
		return ctx.Err()
	}
	for _, text := range body.(map[string]any)["consents"].([]json.RawMessage) {
		var r struct{ Token, Topic string }
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		if r.Topic == "malformed" {
			return api.Problem{Status: 422, Code: "invalid"}
		}
		if !s.known[r.Token] {
			s.order = append(s.order, r.Token)
		}
		a.Results = append(a.Results, api.BatchResult{Added: !s.known[r.Token]})
		s.known[r.Token] = true
	}
	return nil
}

func TestImportGoesOn(t *testing.T) {
	const rows = 60_000
	for _, format := range []string{"jsonl", "json", "csv"} {
		dir := t.TempDir()
		file := filepath.Join(dir, "tokens."+format)
		if err := os.WriteFile(file, []byte(consentsOf(format, rows)), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &taker{known: map[string]bool{}}
		starts := 0
		for ; starts < 100; starts++ {
			ctx, stop := context.WithCancel(t.Context())
			s.stop, s.calls, s.after = stop, 0, 25
			i, err := importOf(ctx, dir, file, s)
			stop()
			if err == nil {
				if i.done != (imported{Added: rows - 1, Refused: 1}) && i.done != (imported{Added: rows - 1 - i.done.Known, Known: i.done.Known, Refused: 1}) {
					t.Errorf("%s: %+v", format, i.done)
				}
				if i.first != nil && !strings.Contains(i.first.Error(), fmt.Sprintf(":%d: ", lineIn(format, 77))) {
					t.Errorf("%s: the fault is told as %v", format, i.first)
				}
				break
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "import-*.json")); len(left) != 1 && starts > 0 {
				t.Fatalf("%s: no state after an interruption: %v", format, left)
			}
		}
		if len(s.known) != rows-1 || starts < 2 {
			t.Errorf("%s: %d tokens after %d interruptions", format, len(s.known), starts)
		}
		for i, token := range s.order {
			if row := i + truth(i >= 77); token != fmt.Sprint("tok-", row) {
				t.Fatalf("%s: %s was taken in the place of row %d", format, token, row)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "import-*")); len(left) != 0 {
			t.Errorf("%s: left: %v", format, left)
		}
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Another file of the same name begins anew.
func TestImportOfAnotherFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tokens.jsonl")
	s := &taker{known: map[string]bool{}}
	for _, rows := range []int{12_000, 9_000} {
		if err := os.WriteFile(file, []byte(consentsOf("jsonl", rows)), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		s.stop, s.calls, s.after = stop, 0, 5
		if rows == 9_000 {
			clear(s.known)
			s.after = 0
		}
		_, _ = importOf(ctx, dir, file, s)
		stop()
	}
	if len(s.known) != 8_999 {
		t.Errorf("%d tokens of the second file", len(s.known))
	}
}

func importOf(ctx context.Context, dir, file string, s *taker) (*importer, error) {
	k := &call{}
	rows, err := k.openRows(file, "")
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // only read
	i := &importer{name: file, rows: rows, post: s.post, state: stateOf(dir, file), say: func(string, ...any) {}, now: time.Now}
	return i, i.run(ctx)
}

// consentsOf makes rows of which the 77th is refused by a call whole.
func consentsOf(format string, rows int) string {
	var b strings.Builder
	if format == "csv" {
		b.WriteString("channel,recipient,topic,token\n")
	}
	if format == "json" {
		b.WriteString("[\n")
	}
	for i := range rows {
		topic := "news"
		if i == 77 {
			topic = "malformed"
		}
		switch format {
		case "csv":
			fmt.Fprintf(&b, "shop,p%d,%s,tok-%d\n", i, topic, i)
		default:
			fmt.Fprintf(&b, `{"channel":"shop","recipient":"p%d","topic":"%s","token":"tok-%d"}`, i, topic, i)
			if format == "json" && i < rows-1 {
				b.WriteString(",")
			}
			b.WriteString("\n")
		}
	}
	if format == "json" {
		b.WriteString("]\n")
	}
	return b.String()
}

func lineIn(format string, i int) int {
	if format == "jsonl" {
		return i + 1
	}
	return i + 2
}
