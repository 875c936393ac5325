// otn consents import: tokens that were granted elsewhere, read row by row and taken in batch by batch.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/api"
)

// How an import goes: batches read ahead, the size of one, and how often its state is written down.
const (
	importAhead = 2
	importBytes = 512 << 10
	importSaves = time.Second
)

// imported says what became of an import, and how far it is.
type imported struct {
	Added   int64 `json:"added"`
	Known   int64 `json:"known"`
	Refused int64 `json:"refused"`
}

func (k *call) importConsents() *cobra.Command {
	format, dry := "", false
	cmd := &cobra.Command{
		Use: "import FILE|-", Short: "Take in tokens that were granted elsewhere", Args: cobra.ExactArgs(1),
		Long: "Take in tokens that were granted elsewhere: JSON objects (a list, or one per line) or CSV, with channel, recipient, topic,\n" +
			"subject, token, granted_at, answers (in CSV a column answers.NAME each), and tags, which are added to the person's (in CSV\n" +
			"with | between them); also expires_at, price_then, tz, locale, ask and ref, as an export with tokens writes them. A token\n" +
			"that is known changes nothing but the tags.\n\n" +
			"A row that is refused is told with its line and does not stop the others. An import that was interrupted goes on where it\n" +
			"was when it is run again with the same file; nothing is lost or taken twice by it.",
		Example: "  otn consents import tokens.csv\n  otn consents import tokens.jsonl --dry-run",
		RunE: k.does(func(ctx context.Context, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			rows, err := k.openRows(args[0], format)
			if err != nil {
				return err
			}
			defer rows.Close() //nolint:errcheck // only read
			i := &importer{name: args[0], rows: rows, dry: dry, say: k.say, now: time.Now, post: func(ctx context.Context, b any, a *api.BatchAnswer) error {
				return c.Post(ctx, "/v1/consents/batch", "", b, a)
			}}
			if !dry && args[0] != "-" {
				i.state = stateOf(k.config.Data, args[0])
			}
			if f, ok := k.stderr.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
				i.bar = &bar{w: k.stderr, total: rows.size, now: time.Now}
			}
			return k.imported(i, i.run(ctx))
		}),
	}
	cmd.Flags().Var(&choice{value: &format, known: []string{"json", "jsonl", "csv"}}, "format", "json, jsonl or csv; left out: by the file's name or its first character")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "take nothing in, and tell every line that would be refused")
	return cmd
}

// imported tells how an import ended.
func (k *call) imported(i *importer, err error) error {
	taken := i.done.Added + i.done.Known
	if err != nil {
		if taken+i.done.Refused == 0 {
			return err
		}
		return &coded{code: i.stopped(err), err: fmt.Errorf("%d consents were taken and %d refused before: %w", taken, i.done.Refused, err), hint: "run it again: it goes on from there"}
	}
	if i.first != nil && taken == 0 { // each was told
		return said(exitCode(i.first))
	}
	t := &table{head: []string{"ADDED", "KNOWN"}}
	t.add(number(i.done.Added), number(i.done.Known))
	if err := k.show(i.done, t); err != nil {
		return err
	}
	if i.dry {
		k.say("otn: nothing was taken in: this was a dry run")
	}
	if i.done.Refused == 0 {
		return nil
	}
	k.say("otn: %d of %d consents were refused", i.done.Refused, taken+i.done.Refused)
	return said(exitPartly)
}

// faultOf says what is wrong with a row that the daemon refused, with the nearest known name where a field is misspelled. It
// quotes no value: a token is among them.
func faultOf(text []byte) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return errors.New("not a JSON object")
	}
	known := []string{"channel", "recipient", "topic", "subject", "token", "granted_at", "answers", "tags", "expires_at", "price_then", "tz", "locale", "ask", "ref"}
	for _, field := range sortedKeys(fields) {
		if err := knownField(field, known); err != nil {
			return err
		}
	}
	return nil
}

// consentCells names the cells of a consent's line.
func consentCells(head, cells []string) map[string]any {
	object := csvObject(head, cells, "answers")
	if tags, ok := object["tags"].(string); ok {
		object["tags"] = strings.Split(tags, "|")
	}
	if given, ok := object["answers"].(string); ok && json.Valid([]byte(given)) { // as an export writes them
		object["answers"] = json.RawMessage(given)
	}
	return object
}

// knownField refuses a field that nobody reads.
func knownField(field string, known []string) error {
	if slices.Contains(known, field) {
		return nil
	}
	if near := config.Nearest(field, known); near != "" {
		return fmt.Errorf("unknown field %q, did you mean %q?", field, near)
	}
	return fmt.Errorf("unknown field %q", field)
}

// refusal is one row's answer as an error, with the status that its code has by itself.
func (i *importer) refusal(r api.BatchResult, text []byte) error {
	if r.Code == "invalid" {
		if err := faultOf(text); err != nil {
			return err
		}
	}
	status := http.StatusConflict
	switch r.Code {
	case "not_found", "unknown_topic":
		status = http.StatusNotFound
	case "invalid", "no_token":
		status = http.StatusUnprocessableEntity
	}
	return api.Problem{Status: status, Code: r.Code, Detail: r.Detail}
}

// stopped is the exit code of an import that stopped half way.
func (i *importer) stopped(err error) int {
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	return exitPartly
}
