// Calls of the operator's door: each that changes something is in the audit log, and one that is repeated under the same
// idempotency key is answered as before.

package core

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// KeepAnswers is how long the answer to a call with an idempotency key is kept.
const KeepAnswers = 24 * time.Hour

// The errors of Begin.
var (
	ErrUnderWay  = errors.New("the same call is under way")
	ErrOtherCall = errors.New("this idempotency key was used for another call")
)

const repeatPrefix = "repeat/"

// Call is a call that changes something, or that may be repeated, or both.
type Call struct {
	Entry  AuditEntry // what is recorded of it; without Act nothing is
	Repeat string     // its idempotency key; empty: none
	Asked  []byte     // a hash of what is asked: the same key with another one is another call
}

// CallAnswer is what a call was answered with. The zero one binds the key to the call and keeps nothing: repeated, it happens again.
type CallAnswer struct {
	Status int
	Type   string // of Body
	Body   []byte
}

// Begun is a call that is under way, until EndCall.
type Begun struct {
	call   Call
	at     time.Time
	repeat string // the document of its key; empty: none
}

// calls are those with a key that are under way.
type calls struct {
	mu  sync.Mutex
	now map[string]bool
}

func (c *calls) enter(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now[key] {
		return false
	}
	if c.now == nil {
		c.now = map[string]bool{}
	}
	c.now[key] = true
	return true
}

func (c *calls) leave(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.now, key)
}

// repeatRow is a call with an idempotency key, on disk.
type repeatRow struct {
	At     time.Time `json:"at"`
	Asked  []byte    `json:"asked"`
	Status int       `json:"status,omitempty"` // 0: it was begun, and has not ended
	Type   string    `json:"type,omitempty"`
	Sealed []byte    `json:"sealed,omitempty"` // the body, which may hold a secret or name a person
}

// BeginCall lets a call happen, or gives the answer that an earlier one with the same idempotency key got.
//
// What it writes is durable no later than whatever the call writes after it: the store's log has one order. So when the
// process dies in the middle, either nothing of the call is there, or it is known to have begun: the next start records it
// in the audit log with the outcome unknown, and the same call under the same key happens again, which is safe because
// every call of the door is: a trigger and a send keep the key themselves, and the others do by nature nothing twice.
// Errors: ErrUnderWay, ErrOtherCall.
func (h *Host) BeginCall(ctx context.Context, c Call) (*Begun, *CallAnswer, error) {
	if err := h.await(ctx); err != nil {
		return nil, nil, err
	}
	b := &Begun{call: c, at: h.config.Clock.Now().UTC()}
	batch := &ledger.Batch{Lazy: true}
	if c.Entry.Act != "" {
		b.call.Entry.At = b.at
		batch.Docs = append(batch.Docs, &ledger.Doc{Key: openPrefix + c.Entry.Request, Value: mustJSON(b.call.Entry), Expect: ledger.Any})
	}
	if c.Repeat == "" {
		return b, nil, h.writeCall(ctx, batch)
	}
	name := sha256.Sum256([]byte(c.Entry.Key + "\x00" + c.Repeat))
	b.repeat = repeatPrefix + hex.EncodeToString(name[:16])
	if !h.calls.enter(b.repeat) {
		return nil, nil, ErrUnderWay
	}
	kept, err := h.kept(b)
	if err == nil && kept == nil {
		batch.Docs = append(batch.Docs, &ledger.Doc{Key: b.repeat, Value: mustJSON(repeatRow{At: b.at, Asked: c.Asked}), Expect: ledger.Any})
		err = h.writeCall(ctx, batch)
	}
	if err != nil || kept != nil {
		h.calls.leave(b.repeat)
		return nil, kept, err
	}
	return b, nil, nil
}

func (h *Host) writeCall(ctx context.Context, batch *ledger.Batch) error {
	if len(batch.Docs) == 0 {
		return nil
	}
	if err := h.ledger.Commit(ctx, batch); err != nil {
		return fmt.Errorf("core: a call could not be recorded: %w", err)
	}
	return nil
}

// kept is the answer that a call got before; nil when it got none.
func (h *Host) kept(b *Begun) (*CallAnswer, error) {
	doc, there, err := h.ledger.Doc(b.repeat)
	if err != nil || !there {
		return nil, err
	}
	var row repeatRow
	if err := json.Unmarshal(doc.Value, &row); err != nil {
		return nil, fmt.Errorf("core: what is kept of a call cannot be read: %w: %w", err, otn.ErrStore)
	}
	switch {
	case b.at.Sub(row.At) >= KeepAnswers:
		return nil, nil
	case string(row.Asked) != string(b.call.Asked):
		return nil, ErrOtherCall
	case row.Status == 0:
		return nil, nil
	}
	body, err := h.ledger.OpenText(row.Sealed)
	if err != nil {
		return nil, fmt.Errorf("core: what is kept of a call cannot be read: %w", err)
	}
	return &CallAnswer{row.Status, row.Type, body}, nil
}

// EndCall records how a call ended: what it was done to and its outcome, in the audit log, and its answer for whoever repeats
// it. A nil answer is one that is not kept: the same call may happen again. It is on disk when EndCall returns.
func (h *Host) EndCall(ctx context.Context, b *Begun, what, outcome string, a *CallAnswer) error {
	ctx = context.WithoutCancel(ctx)
	var docs []*ledger.Doc
	if b.repeat != "" {
		defer h.calls.leave(b.repeat)
	}
	if b.repeat != "" && (a == nil || a.Status != 0) { // what was written at its beginning stays else
		doc := &ledger.Doc{Key: b.repeat, Expect: ledger.Any}
		if a != nil {
			sealed, err := h.ledger.SealText(a.Body)
			if err != nil {
				return fmt.Errorf("core: a call could not be recorded: %w", err)
			}
			doc.Value = mustJSON(repeatRow{b.at, b.call.Asked, a.Status, a.Type, sealed})
		}
		docs = append(docs, doc)
	}
	e := b.call.Entry
	if e.Act == "" {
		return h.endPlain(ctx, docs)
	}
	docs = append(docs, &ledger.Doc{Key: openPrefix + e.Request, Expect: ledger.Any})
	e.At, e.Outcome = h.config.Clock.Now(), outcome
	if what != "" {
		e.What = what
	}
	if err := h.trail.write(ctx, h.ledger, &auditing{entry: e, docs: docs}); err != nil {
		return fmt.Errorf("core: a call could not be recorded: %w", err)
	}
	return nil
}

func (h *Host) endPlain(ctx context.Context, docs []*ledger.Doc) error {
	if len(docs) == 0 {
		return nil
	}
	return h.writeCall(ctx, &ledger.Batch{Docs: docs})
}

// forgetCalls deletes the answers that are older than KeepAnswers.
func (h *Host) forgetCalls(ctx context.Context, now time.Time) error {
	for after := ""; ; {
		docs, err := h.ledger.Docs(repeatPrefix, after, 1000)
		if err != nil || len(docs) == 0 {
			return err
		}
		after = docs[len(docs)-1].Key
		var b ledger.Batch
		for _, d := range docs {
			var row repeatRow
			if json.Unmarshal(d.Value, &row) != nil || now.Sub(row.At) >= KeepAnswers {
				b.Docs = append(b.Docs, &ledger.Doc{Key: d.Key, Rev: d.Rev})
			}
		}
		if len(b.Docs) == 0 {
			continue
		}
		if err := h.ledger.Commit(ctx, &b); err != nil && !errors.Is(err, otn.ErrConflict) { // one in use again is left for the next time
			return err
		}
	}
}
