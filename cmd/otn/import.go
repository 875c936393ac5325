// otn consents import: tokens that were granted elsewhere.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"

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
			"subject, token, granted_at, and answers (in CSV a column answers.NAME each). A token that is known changes nothing.",
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
			return k.grantAll(ctx, c, list)
		}),
	}
	cmd.Flags().Var(&choice{value: &format, known: []string{"json", "jsonl", "csv"}}, "format", "json, jsonl or csv; left out: by the file's name or its first character")
	return cmd
}

// grants checks that each row is an object with the fields of an import. It quotes no value: a token is among them.
func grants(name string, text []byte, format string) ([]json.RawMessage, error) {
	rows, err := importRows(text, format)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	known := []string{"channel", "recipient", "topic", "subject", "token", "granted_at", "answers"}
	list := make([]json.RawMessage, len(rows))
	for i, r := range rows {
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
		list[i] = r.text
	}
	return list, nil
}

// importRows splits an input into its records.
func importRows(text []byte, format string) ([]row, error) {
	if format != "csv" {
		return rowsOf(text, format)
	}
	return csvRows(bytes.TrimPrefix(text, []byte("\ufeff")), func(head, cells []string) map[string]any { return csvObject(head, cells, "answers") })
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

// grantAll imports one by one, several at once. It stops at the first failure and says how far it came.
func (k *call) grantAll(ctx context.Context, c *api.Client, list []json.RawMessage) error {
	var added, known atomic.Int64
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(importers)
	for _, one := range list {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error {
			var a api.GrantAnswer
			if err := c.Post(inner, "/v1/consents", "", one, &a); err != nil {
				return err
			}
			if a.Added {
				added.Add(1)
			} else {
				known.Add(1)
			}
			return nil
		})
	}
	err := g.Wait()
	done := imported{added.Load(), known.Load()}
	if err != nil && done.Added+done.Known > 0 {
		return &coded{partly(ctx), fmt.Errorf("%d of %d consents were taken: %w", done.Added+done.Known, len(list), err), "run it again: a token that is known changes nothing"}
	}
	if err != nil {
		return err
	}
	t := &table{head: []string{"ADDED", "KNOWN"}}
	t.add(number(done.Added), number(done.Known))
	return k.show(done, t)
}
