// One poll of a source: fetched whole, looked at, and only then written, with the cursor in the last batch.

package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

const (
	// pollTimeout bounds one poll.
	pollTimeout = 30 * time.Minute
	// recordsAtOnce is how many records of a poll are written in one batch.
	recordsAtOnce = 200
	// absentFor is in how many full snapshots in a row an item is missing before it counts as gone.
	absentFor = 3
	// A snapshot in which more than one item in shrinkPart is missing, and more than one in all, is refused.
	shrinkPart = 5
	// maxItemID bounds the ids of items that are remembered, in bytes: the catalog takes no longer ones.
	maxItemID = 256
	// maxPollError bounds what is kept of an error, in bytes.
	maxPollError = 512
)

// errTooLong is a poll that did not end.
var errTooLong = fmt.Errorf("it took longer than %s", pollTimeout)

// errShrank is a snapshot that lost too much to be believed.
var errShrank = errors.New("the snapshot was refused")

// round is one poll from beginning to end.
type round struct {
	*poller
	state  pollState
	accept bool             // a snapshot that shrank is taken
	done   []ledger.TimerID // why it is polled
	staged *staged
	marks  map[string]uint64 // items whose mark changes, by id: see polledKey
}

// poll fetches, writes, and sets the next moment. A poll that fails leaves nothing but its error. Errors: otn.ErrStore, and ctx's.
func (r *round) poll(ctx context.Context) error {
	r.state.Began = r.host.config.Clock.Now()
	next, err := r.fetch(ctx)
	if err == nil {
		err = r.write(ctx, next)
	}
	if err == nil || ctx.Err() != nil || errors.Is(err, otn.ErrStore) {
		return err
	}
	return r.fail(ctx, err)
}

// fetch stages what the source yields.
func (r *round) fetch(ctx context.Context) (next string, err error) {
	r.staged = newStaged()
	ctx, cancel := context.WithTimeoutCause(ctx, pollTimeout, errTooLong)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r.host.config.Log.Error("a poller panicked", "instance", r.name, "panic", p)
			err = errors.New("the poller panicked")
		}
	}()
	next, err = r.from.Poll(ctx, r.state.Cursor, r.staged.add)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", err
	}
	if len(next) > otn.MaxCursor {
		return "", fmt.Errorf("its cursor has %d bytes, at most %d: %w", len(next), otn.MaxCursor, otn.ErrInvalid)
	}
	return next, r.staged.end()
}

// write makes the poll true: what is missing, its records, and in the last batch the cursor, the state and the next timer.
func (r *round) write(ctx context.Context, next string) error {
	r.marks = map[string]uint64{}
	s := &r.state
	s.Changed, s.Notes, s.Note = 0, 0, ""
	if whole := r.staged.whole; whole != nil {
		s.Whole++
		gone, err := r.compare(ctx, whole.Same)
		if err == nil {
			err = r.takeAway(ctx, gone)
		}
		if err == nil {
			err = r.markMissing(ctx)
		}
		if err != nil {
			return err
		}
	}
	last, err := r.records(ctx)
	if err != nil {
		return err
	}
	before := s.Due
	s.Due = r.line.Next(r.host.config.Clock.Now())
	s.Cursor, s.Good, s.Failures, s.Error, s.Refused = next, s.Began, 0, "", false
	marks := r.marksOf(last)
	with := func(b *ledger.Batch, so intake.Result) {
		marks(b, so)
		r.conclude(b, r.counted(so), before)
	}
	if _, err := r.host.intake.WriteWith(ctx, r.name, with, last...); err != nil {
		return err
	}
	r.host.ticked()
	r.host.config.Log.Debug("polled", "instance", r.name, "records", r.staged.records, "items", s.Items, "absent", s.Absent)
	return nil
}

// conclude adds the state to a batch, with the timer of the next poll in place of those that this one was made for, and of
// the line's own when somebody asked before it was due.
func (r *round) conclude(b *ledger.Batch, s pollState, before time.Time) {
	b.Docs = append(b.Docs, r.doc(s))
	b.Timers = append(b.Timers, r.timer(s.Due))
	b.Done = append(b.Done, r.done...)
	if !before.Equal(s.Due) {
		b.Done = append(b.Done, r.timerID(before))
	}
}

// records writes all records but the last ones, which it gives back.
func (r *round) records(ctx context.Context) ([]otn.Record, error) {
	var chunk []otn.Record
	err := r.staged.each(func(rec otn.Record) error {
		if rec.Note != nil {
			r.state.note(1, rec.Note.Text)
		}
		if len(chunk) == recordsAtOnce {
			so, err := r.host.intake.WriteWith(ctx, r.name, r.marksOf(chunk), chunk...)
			if err != nil {
				return err
			}
			r.state, chunk = r.counted(so), nil
		}
		chunk = append(chunk, rec)
		return ctx.Err()
	})
	return chunk, err
}

// counted is the state with what became of records.
func (r *round) counted(so intake.Result) pollState {
	s := r.state
	s.Changed += so.Changed
	s.note(so.Refused, "a record was refused; the log says why")
	return s
}

func (s *pollState) note(n int, text string) {
	if s.Notes += n; n > 0 && s.Note == "" {
		s.Note = clipped(text)
	}
}

// marksOf are the marks of the items that records of a full snapshot tell of.
func (r *round) marksOf(records []otn.Record) intake.Together {
	var docs []ledger.Doc
	seen := map[string]bool{}
	for _, rec := range records {
		id := itemOf(rec)
		if r.staged.whole == nil || id == "" || len(id) > maxItemID || seen[id] {
			continue
		}
		seen[id] = true
		doc := ledger.Doc{Key: polledKey(r.name, id), Value: mustJSON(0), Expect: ledger.Once}
		if _, back := r.marks[id]; back {
			doc.Expect = ledger.Any
		}
		docs = append(docs, doc)
	}
	return add(docs)
}

// add adds documents to a batch; one that is built anew gets fresh ones.
func add(docs []ledger.Doc) intake.Together {
	return func(b *ledger.Batch, _ intake.Result) {
		for _, d := range docs {
			b.Docs = append(b.Docs, &d)
		}
	}
}

// fail keeps why a poll failed, and when it is tried again. The cursor stays.
func (r *round) fail(ctx context.Context, why error) error {
	state, err := r.read() // as it was before the poll
	if err != nil {
		return err
	}
	before, text := state.Due, clipped(why.Error())
	fresh := state.Error != text
	state.Began, state.Error, state.Refused = r.state.Began, text, errors.Is(why, errShrank)
	state.Failures++
	wait := again(state.Failures, why)
	state.Due = r.host.config.Clock.Now().Add(wait)
	if fresh {
		r.host.config.Log.Warn("a poll failed", "instance", r.name, "error", text, "again_in", wait)
	}
	var b ledger.Batch
	r.conclude(&b, state, before)
	if err := r.host.ledger.Commit(ctx, &b); err != nil {
		return err
	}
	r.host.ticked()
	return nil
}

func clipped(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxPollError)], "")
	return strings.Join(strings.Fields(s), " ")
}

// polledKey is the mark of an item that a source told in a full snapshot: 0, or the number of the first snapshot in a row in
// which it was missing.
func polledKey(source, item string) string { return polledPrefix(source) + item }
func polledPrefix(source string) string    { return "polled/" + source + "/" }

// compare holds the snapshot against the items known from earlier ones: which are back, which are missing, which are gone.
// A snapshot that misses too many of them is refused, unless an operator accepts it.
func (r *round) compare(ctx context.Context, same bool) (gone []string, err error) {
	s := &r.state
	if same && s.Absent == 0 {
		return nil, nil
	}
	known, missing := 0, 0
	err = r.eachKnown(ctx, func(id string, since uint64) {
		known++
		if r.staged.has(id) || same && since == 0 {
			if since > 0 {
				r.marks[id] = 0
			}
			return
		}
		missing++
		if since == 0 {
			since = s.Whole
			r.marks[id] = since
		}
		if s.Whole-since+1 >= absentFor {
			gone = append(gone, id)
		}
	})
	if err != nil {
		return nil, err
	}
	if !same && !r.accept && missing > 1 && missing*shrinkPart > known {
		return nil, fmt.Errorf("%w: %d of %d items are missing in it, and nothing of it was taken; if the shop did take them away, accept it once with `otn sources poll %s --accept`", errShrank, missing, known, r.name)
	}
	s.Items, s.Absent = known-len(gone), missing-len(gone)
	if !same {
		s.Items += r.staged.items() - (known - missing)
	}
	return gone, nil
}

// eachKnown yields every item known from earlier snapshots, with the first snapshot in a row in which it was missing, or 0.
func (r *round) eachKnown(ctx context.Context, yield func(id string, since uint64)) error {
	prefix := polledPrefix(r.name)
	for after := ""; ctx.Err() == nil; {
		docs, err := r.host.ledger.Docs(prefix, after, 1000)
		if err != nil || len(docs) == 0 {
			return err
		}
		for _, doc := range docs {
			var since uint64
			if err := json.Unmarshal(doc.Value, &since); err != nil {
				return fmt.Errorf("core: %s: %w: %w", doc.Key, err, otn.ErrStore)
			}
			yield(doc.Key[len(prefix):], since)
		}
		after = docs[len(docs)-1].Key
	}
	return ctx.Err()
}

// takeAway tells the catalog which items are gone, as of the version that the source last told of each: one that comes back
// as it was is no older than that. Like all of a round, it can be repeated.
func (r *round) takeAway(ctx context.Context, gone []string) error {
	for ids := range slices.Chunk(gone, recordsAtOnce) {
		docs, records := make([]ledger.Doc, len(ids)), make([]otn.Record, len(ids))
		for i, id := range ids {
			asOf, err := r.host.catalog.ToldAt(r.name, otn.Subject{Kind: otn.ItemKind, ID: id})
			if err != nil {
				return err
			}
			records[i].Observation = &otn.Observation{AsOf: asOf, Gone: true, Item: &otn.Item{ID: id}}
			docs[i] = ledger.Doc{Key: polledKey(r.name, id), Expect: ledger.Any}
		}
		so, err := r.host.intake.WriteWith(ctx, r.name, add(docs), records...)
		if err != nil {
			return err
		}
		r.state = r.counted(so)
	}
	return nil
}

// markMissing notes since which snapshot the items are missing that are missing now. Those that are back are marked with
// their records.
func (r *round) markMissing(ctx context.Context) error {
	var docs []ledger.Doc
	for id, since := range r.marks {
		if since > 0 {
			docs = append(docs, ledger.Doc{Key: polledKey(r.name, id), Value: mustJSON(since), Expect: ledger.Any})
		}
	}
	for some := range slices.Chunk(docs, recordsAtOnce) {
		if _, err := r.host.intake.WriteWith(ctx, r.name, add(some)); err != nil {
			return err
		}
	}
	return nil
}
