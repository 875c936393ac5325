// The import itself: rows in batches, one after the other, each made ready while the one before is taken in; and how far it came on disk.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/onetimenotify/otn/core/api"
)

// importer takes rows in.
type importer struct {
	name  string
	rows  *rowReader
	post  func(ctx context.Context, body any, a *api.BatchAnswer) error
	dry   bool
	state *importState // nil: nothing is written down
	bar   *bar         // nil: nobody looks
	say   func(format string, args ...any)
	now   func() time.Time

	done  imported
	first error // the first refusal
	saved time.Time
}

// batch is some rows on their way.
type batch struct {
	rows   []row
	ends   int64 // the number of the last row, and where it ends in the file
	offset int64
	wrong  []refused // rows that were not taken
	got    imported
}

// refused is a row that is not taken.
type refused struct {
	line int
	err  error
}

// run takes in what is left of the rows. After an error what was answered before it is counted and written down.
func (i *importer) run(ctx context.Context) error {
	skip, err := i.resume()
	if err != nil {
		return err
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	queue := make(chan *batch, importAhead)
	read := make(chan error, 1)
	go func() { read <- i.read(inner, skip, queue) }()
	var failed error
	for b := range queue { // in order: who agreed first is told first
		if failed == nil {
			failed = i.send(ctx, b, b.rows)
		}
		if failed != nil {
			stop() // those behind it are not sent
			continue
		}
		i.count(b)
	}
	if err := <-read; failed == nil {
		failed = err
	}
	if failed != nil {
		return errors.Join(failed, i.save(true))
	}
	i.bar.end()
	return i.state.remove()
}

// resume finds where an interrupted import of the same file was.
func (i *importer) resume() (skip int64, err error) {
	at, err := i.state.load(i.rows)
	if err != nil || at.Rows == 0 {
		return 0, err
	}
	i.done = at.imported
	i.say("otn: going on behind row %d", at.Rows)
	return at.Rows, nil
}

// read makes batches of the rows, a few ahead of what is sent.
func (i *importer) read(ctx context.Context, skip int64, queue chan<- *batch) error {
	defer close(queue)
	for ctx.Err() == nil {
		b, err := i.gather(&skip)
		if len(b.rows) > 0 {
			queue <- b
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
	}
	return context.Cause(ctx)
}

// gather reads the rows of one batch.
func (i *importer) gather(skip *int64) (*batch, error) {
	b := &batch{}
	size := 0
	for len(b.rows) < api.MaxBatch && size < importBytes {
		r, err := i.rows.next()
		if err != nil {
			return b, err
		}
		if i.rows.count <= *skip {
			continue
		}
		b.ends, b.offset = i.rows.count, i.rows.offset()
		b.rows = append(b.rows, r)
		size += len(r.text)
	}
	return b, nil
}

// send makes the call for some rows. A call that is refused whole is made again in halves, until it is clear which row it is.
func (i *importer) send(ctx context.Context, b *batch, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	list := make([]json.RawMessage, len(rows))
	for k := range rows {
		list[k] = rows[k].text
	}
	var a api.BatchAnswer
	err := i.post(ctx, map[string]any{"consents": list, "dry_run": i.dry}, &a)
	var p api.Problem
	switch {
	case errors.As(err, &p) && p.Status < http.StatusInternalServerError && p.Status != http.StatusUnauthorized:
		if len(rows) == 1 {
			b.wrong = append(b.wrong, refused{rows[0].line, err})
			return nil
		}
		if err := i.send(ctx, b, rows[:len(rows)/2]); err != nil {
			return err
		}
		return i.send(ctx, b, rows[len(rows)/2:])
	case err != nil:
		return err
	case len(a.Results) != len(rows):
		return fmt.Errorf("the daemon answered %d rows of %d", len(a.Results), len(rows))
	}
	for k, r := range a.Results {
		switch {
		case r.Code != "":
			b.wrong = append(b.wrong, refused{rows[k].line, i.refusal(r, rows[k].text)})
		case r.Added:
			b.got.Added++
		default:
			b.got.Known++
		}
	}
	return nil
}

// count takes the answers of a batch that is done, and of all before it.
func (i *importer) count(b *batch) {
	i.done.Added += b.got.Added
	i.done.Known += b.got.Known
	for _, w := range sortedRefusals(b.wrong) {
		err := fmt.Errorf("%s:%d: %w", i.name, w.line, w.err)
		if i.done.Refused++; i.first == nil {
			i.first = err
		}
		if i.dry || i.done.Refused <= maxFaults {
			i.bar.clear()
			i.say("%s", err)
		}
	}
	i.state.at(b.ends, i.done)
	i.bar.show(b.offset, i.done)
	_ = i.save(false) // the last one is told
}

// save writes down how far it is, now and then, or last of all.
func (i *importer) save(last bool) error {
	if i.state == nil || !last && i.now().Sub(i.saved) < importSaves {
		return nil
	}
	i.saved = i.now()
	return i.state.save()
}
