// otn consents import: tokens that were granted elsewhere.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/api"
)

// importers is how many calls go on at once: the store writes them down together.
const importers = 16

// imported says what became of an import.
type imported struct {
	Added int64 `json:"added"`
	Known int64 `json:"known"`
}

func (k *call) importConsents() *cobra.Command {
	format := ""
	cmd := &cobra.Command{
		Use: "import FILE|-", Short: "Take in tokens that were granted elsewhere", Args: cobra.ExactArgs(1),
		Long: "Take in tokens that were granted elsewhere: JSON objects (a list, or one per line) or CSV, with channel, recipient, topic,\n" +
			"subject, token, granted_at, answers (in CSV a column answers.NAME each), and tags, which are added to the person's (in CSV\n" +
			"with | between them). A token that is known changes nothing but the tags.",
		Example: "  otn consents import tokens.csv",
		RunE: k.does(func(ctx context.Context, args []string) error {
			text, err := k.input(ctx, args[0])
			if err != nil {
				return err
			}
			list, err := grants(args[0], text, formatOf(format, args[0], text))
			if err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			return k.grantAll(ctx, c, args[0], list)
		}),
	}
	cmd.Flags().Var(&choice{value: &format, known: []string{"json", "jsonl", "csv"}}, "format", "json, jsonl or csv; left out: by the file's name or its first character")
	return cmd
}

// grants checks that each row is an object with the fields of an import. It quotes no value: a token is among them.
func grants(name string, text []byte, format string) ([]row, error) {
	rows, err := importRows(text, format)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	known := []string{"channel", "recipient", "topic", "subject", "token", "granted_at", "answers", "tags"}
	for _, r := range rows {
		var fields map[string]json.RawMessage
		if json.Unmarshal(r.text, &fields) != nil {
			return nil, fmt.Errorf("%s:%d: not a JSON object", name, r.line)
		}
		for _, want := range []string{"channel", "recipient", "topic", "token"} {
			if len(fields[want]) <= 2 {
				return nil, fmt.Errorf("%s:%d: %s is missing", name, r.line, want)
			}
		}
		for _, field := range sortedKeys(fields) {
			if err := knownField(field, known); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, r.line, err)
			}
		}
	}
	return rows, nil
}

// importRows splits an input into its records.
func importRows(text []byte, format string) ([]row, error) {
	if format != "csv" {
		return rowsOf(text, format)
	}
	return csvRows(bytes.TrimPrefix(text, []byte("\ufeff")), consentCells)
}

// consentCells names the cells of a consent's line.
func consentCells(head, cells []string) map[string]any {
	object := csvObject(head, cells, "answers")
	if tags, ok := object["tags"].(string); ok {
		object["tags"] = strings.Split(tags, "|")
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

// grantAll imports one by one, several at once. A row that is refused is told and does not stop the others; a daemon that
// does not answer does.
func (k *call) grantAll(ctx context.Context, c *api.Client, name string, list []row) error {
	var done imported
	var refused []error
	var mu sync.Mutex
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(importers)
	for _, one := range list {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error {
			var a api.GrantAnswer
			err := c.Post(inner, "/v1/consents", "", json.RawMessage(one.text), &a)
			var p api.Problem
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.As(err, &p) && p.Status < http.StatusInternalServerError && p.Status != http.StatusUnauthorized:
				refused = append(refused, fmt.Errorf("%s:%d: %w", name, one.line, err))
			case err != nil:
				return err
			case a.Added:
				done.Added++
			default:
				done.Known++
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		if done.Added+done.Known == 0 {
			return err
		}
		return &coded{partly(ctx), fmt.Errorf("%d of %d consents were taken: %w", done.Added+done.Known, len(list), err), "run it again: a token that is known changes nothing"}
	}
	t := &table{head: []string{"ADDED", "KNOWN"}}
	t.add(number(done.Added), number(done.Known))
	if err := k.show(done, t); err != nil {
		return err
	}
	return k.refusals(refused, len(list))
}

// refusals tells which rows were refused: partly done, or the fault itself when that is all of them.
func (k *call) refusals(refused []error, of int) error {
	if len(refused) == 0 {
		return nil
	}
	slices.SortFunc(refused, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if len(refused) == of {
		return refused[0]
	}
	for _, err := range refused[:min(len(refused), maxFaults)] {
		k.say("%s", err)
	}
	k.say("otn: %d of %d consents were refused", len(refused), of)
	return said(exitPartly)
}
