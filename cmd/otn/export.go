// otn consents export: everything but the tokens, or with them what an import takes.

package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
)

// exporting is what export was told.
type exporting struct {
	format, file string
	tokens       bool
	filter       []string // of the query, in pairs
}

func (k *call) exportConsents() *cobra.Command {
	x := exporting{}
	var topic, subject, state string
	cmd := &cobra.Command{
		Use: "export", Short: "Write consents as CSV or JSONL", Args: cobra.NoArgs,
		Long: "Write consents as CSV or JSONL, in the order in which they were granted. A token is a secret and is not in it.\n\n" +
			"--with-tokens writes the consents that wait, with their tokens, as otn consents import takes them in elsewhere. Whoever has\n" +
			"a token can spend it: the daemon notes in its journal that they were given out, and the file is for its owner alone.",
		Example: "  otn consents export > consents.csv\n  otn consents export --with-tokens --file tokens.jsonl",
		RunE: k.does(func(ctx context.Context, _ []string) error {
			x.filter = []string{"topic", topic, "subject", subject, "state", state}
			if x.tokens && topic+subject+state != "" {
				return usage("--with-tokens writes all consents that wait: leave out --topic, --subject and --state")
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			return k.export(ctx, c, x)
		}),
	}
	f := cmd.Flags()
	f.Var(&choice{value: &x.format, known: []string{"csv", "jsonl"}}, "format", "csv or jsonl; left out: by the file's name, else csv")
	f.StringVar(&x.file, "file", "", "write to this `file`, which must not be there yet, instead of the standard output")
	f.BoolVar(&x.tokens, "with-tokens", false, "what an import takes, secrets included")
	f.StringVar(&topic, "topic", "", "of this topic")
	f.StringVar(&subject, "subject", "", "about this item or collection")
	f.StringVar(&state, "state", "", "waiting, claimed, sent, refused, unknown, expired or withdrawn")
	return cmd
}

func (k *call) export(ctx context.Context, c *api.Client, x exporting) (err error) {
	if x.format == "" && strings.HasSuffix(x.file, ".jsonl") {
		x.format = "jsonl"
	}
	out := k.stdout
	if x.file != "" {
		f, err := os.OpenFile(x.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
		out = f
	}
	to := newSheet(out, x)
	n := 0
	for cursor, more := "", true; more; more = cursor != "" {
		var rows []any
		if rows, cursor, err = exportPage(ctx, c, x, cursor); err != nil {
			break
		}
		for _, r := range rows {
			if err = to.write(r); err != nil {
				return err
			}
		}
		n += len(rows)
	}
	if err := errors.Join(err, to.flush()); err != nil {
		return fmt.Errorf("after %d consents: %w", n, err)
	}
	k.say("otn: %d consents", n)
	return nil
}

// exportPage reads some rows, and the cursor of the next.
func exportPage(ctx context.Context, c *api.Client, x exporting, cursor string) (rows []any, next string, err error) {
	if x.tokens {
		var page api.ExportAnswer
		err := c.Post(ctx, "/v1/consents/export", "", api.ExportBody{Cursor: cursor, Limit: api.MaxExport}, &page)
		for i := range page.Consents {
			rows = append(rows, &page.Consents[i])
		}
		return rows, page.Next, err
	}
	var page api.Consents
	err = c.Get(ctx, "/v1/consents", query(append(x.filter, "cursor", cursor, "limit", "1000")...), &page)
	for i := range page.Consents {
		rows = append(rows, &page.Consents[i])
	}
	return rows, page.Next, err
}

// sheet writes rows in one of the formats.
type sheet struct {
	buffer *bufio.Writer
	lines  *json.Encoder
	cells  *csv.Writer
	tokens bool
	headed bool
}

func newSheet(w io.Writer, x exporting) *sheet {
	s := &sheet{buffer: bufio.NewWriter(w), tokens: x.tokens}
	if x.format == "jsonl" {
		s.lines = json.NewEncoder(s.buffer)
		s.lines.SetEscapeHTML(false)
	} else {
		s.cells = csv.NewWriter(s.buffer)
	}
	return s
}

func (s *sheet) write(r any) error {
	if s.lines != nil {
		return s.lines.Encode(r)
	}
	if !s.headed {
		s.headed = true
		head := []string{"id", "state", "channel", "subscriber", "topic", "subject", "granted_at", "expires_at", "price_then", "ref", "run", "answers"}
		if s.tokens {
			head = []string{"channel", "recipient", "topic", "subject", "token", "granted_at", "expires_at", "price_then", "tz", "locale", "ask", "ref", "answers", "tags"}
		}
		if err := s.cells.Write(head); err != nil {
			return err
		}
	}
	switch r := r.(type) {
	case *core.ConsentView:
		return s.cells.Write([]string{r.ID, r.State, r.Channel, r.Subscriber, r.Topic, r.Subject, stamp(r.GrantedAt), stamp(r.ExpiresAt), r.PriceThen.String(), r.Ref, r.Run, answersCell(r.Answers)})
	case *api.ExportRow:
		return s.cells.Write([]string{r.Channel, r.Recipient, r.Topic, r.Subject, r.Token, stamp(r.GrantedAt), stamp(r.ExpiresAt), r.PriceThen.String(), r.TZ, r.Locale, r.Ask, r.Ref, answersCell(r.Answers), strings.Join(r.Tags, "|")})
	}
	return nil
}

func (s *sheet) flush() error {
	if s.cells != nil {
		s.cells.Flush()
	}
	return s.buffer.Flush()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// answersCell is a JSON object, empty for no answers.
func answersCell(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	text, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return string(text)
}
