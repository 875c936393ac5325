// What is old and matters no more is cleared away.

package intake

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// askedFor is how long an ask that was made is remembered, for why.
const askedFor = 90 * 24 * time.Hour

// Forget clears away what no longer matters at a moment: the keys of records, windows that closed and what was said after
// consents, a week later; asks that waited for a window in vain; asks that were made, three months later. Nothing of it
// is read again before that.
func (in *Intake) Forget(ctx context.Context, now time.Time) error {
	for prefix, end := range map[string]func(ledger.Doc) time.Time{
		SeenPrefix:   func(d ledger.Doc) time.Time { return read[time.Time](d).Add(SeenFor) },
		windowPrefix: func(d ledger.Doc) time.Time { return read[Open](d).Until.Add(SeenFor) },
		laterPrefix:  func(d ledger.Doc) time.Time { return read[later](d).GiveUp },
		ThenPrefix:   func(d ledger.Doc) time.Time { return read[happened](d).At.Add(SeenFor) },
		AskedPrefix:  func(d ledger.Doc) time.Time { return read[happened](d).At.Add(askedFor) },
	} {
		if err := in.forget(ctx, prefix, func(d ledger.Doc) bool { return end(d).Before(now) }); err != nil {
			return err
		}
	}
	return nil
}

// happened is the one thing that matters here of a document that the Host keeps.
type happened struct {
	At time.Time `json:"at"`
}

// read reads a document; one that cannot be read is as old as can be.
func read[T any](d ledger.Doc) (v T) {
	if json.Unmarshal(d.Value, &v) != nil {
		var none T
		return none
	}
	return v
}

// forget deletes the documents under a prefix that are old.
func (in *Intake) forget(ctx context.Context, prefix string, old func(ledger.Doc) bool) error {
	after := ""
	for {
		docs, err := in.Ledger.Docs(prefix, after, 1000)
		if err != nil || len(docs) == 0 {
			return err
		}
		after = docs[len(docs)-1].Key
		var b ledger.Batch
		for _, d := range docs {
			if old(d) {
				b.Docs = append(b.Docs, &ledger.Doc{Key: d.Key, Rev: d.Rev})
			}
		}
		if len(b.Docs) == 0 {
			continue
		}
		if err := in.Ledger.Commit(ctx, &b); err != nil && !errors.Is(err, otn.ErrConflict) {
			return err // of a conflict: the next time will do
		}
	}
}
