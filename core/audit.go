// The audit log: what operators and keys did, each entry bound to the one before by its hash.

package core

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// AuditEntry is one act of an operator or a key. It holds no secret, and names a person by PersonName alone.
type AuditEntry struct {
	N       uint64    `json:"n"`                 // its place, from 1; result of Record
	At      time.Time `json:"at"`                // zero in Record: now
	Key     string    `json:"key,omitempty"`     // id of the key
	From    string    `json:"from,omitempty"`    // address of the caller
	Act     string    `json:"act"`               // the operation, as in approve-run
	What    string    `json:"what,omitempty"`    // what it was done to
	Request string    `json:"request,omitempty"` // id of the request
	Outcome string    `json:"outcome"`           // done; else the code of the problem
	Hash    string    `json:"hash"`              // SHA-256 of the hash before and this entry, in hex; result of Record
}

// AuditQuery selects entries, newest first.
type AuditQuery struct {
	Key, Act string
	Cursor   string
	Limit    int
}

// The documents of the log: one for each entry, its end, and the acts that are under way.
const (
	auditPrefix = "audit/"
	auditHead   = "audit-head"
	openPrefix  = "audit-open/"
)

// maxWhat bounds each text of an entry.
const maxWhat = 512

type auditHash [sha256.Size]byte

// trail writes the log. Entries that come at once are written at once.
type trail struct {
	queue   sync.Mutex
	waiting []*auditing

	writing sync.Mutex // held by who writes; guards what follows
	n       uint64
	hash    auditHash
}

// auditing is an entry that is to be written, with the documents that become true with it.
type auditing struct {
	entry AuditEntry
	docs  []*ledger.Doc
	done  bool
	err   error
}

// auditRow is an entry as it is hashed and kept: all but the hash.
type auditRow struct {
	N       uint64    `json:"n"`
	At      time.Time `json:"at"`
	Key     string    `json:"key,omitempty"`
	From    string    `json:"from,omitempty"`
	Act     string    `json:"act"`
	What    string    `json:"what,omitempty"`
	Request string    `json:"request,omitempty"`
	Outcome string    `json:"outcome"`
}

func auditKey(n uint64) string { return fmt.Sprintf("%s%016x", auditPrefix, n) }

// chained is the hash of an entry behind another.
func chained(before auditHash, row []byte) (h auditHash) {
	return sha256.Sum256(append(before[:], row...))
}

// headRow is where the log ends.
type headRow struct {
	N    uint64 `json:"n"`
	Hash string `json:"hash"`
}

// load finds the end of the log, and records what was under way when an earlier Host died: nobody can tell how it ended.
func (t *trail) load(ctx context.Context, l *ledger.Ledger, now time.Time) error {
	head, there, err := l.Doc(auditHead)
	if err != nil {
		return err
	}
	if there {
		var row headRow
		if err := json.Unmarshal(head.Value, &row); err != nil {
			return fmt.Errorf("audit: %w: %w", err, otn.ErrStore)
		}
		t.n = row.N
		_, _ = hex.Decode(t.hash[:], []byte(row.Hash)) // what is not right with it VerifyAudit tells
	}
	for { // an end that lags behind the entries is one that somebody changed: none is written over
		docs, err := l.Docs(auditPrefix, auditKey(t.n), 1000)
		if err != nil {
			return err
		}
		if len(docs) == 0 {
			return errors.Join(t.lost(ctx, l, !there && t.n > 0, now), t.recover(ctx, l, now))
		}
		last := docs[len(docs)-1]
		if t.n, err = strconv.ParseUint(strings.TrimPrefix(last.Key, auditPrefix), 16, 64); err != nil {
			return fmt.Errorf("audit: %s: %w", last.Key, otn.ErrStore)
		}
		copy(t.hash[:], last.Value)
	}
}

// lost notes, for good, that the end of the log was taken away: entries behind it may have been too.
func (t *trail) lost(ctx context.Context, l *ledger.Ledger, is bool, now time.Time) error {
	if !is {
		return nil
	}
	return t.write(ctx, l, &auditing{entry: AuditEntry{At: now, Act: "open-store", What: "what says where the audit log ends was missing", Outcome: "unknown"}})
}

// recover ends the acts that were under way.
func (t *trail) recover(ctx context.Context, l *ledger.Ledger, now time.Time) error {
	for {
		docs, err := l.Docs(openPrefix, "", 100)
		if err != nil || len(docs) == 0 {
			return err
		}
		for _, d := range docs {
			a := &auditing{docs: []*ledger.Doc{{Key: d.Key, Expect: ledger.Any}}}
			if err := json.Unmarshal(d.Value, &a.entry); err != nil {
				return fmt.Errorf("audit: %s: %w: %w", d.Key, err, otn.ErrStore)
			}
			a.entry.At, a.entry.Outcome = now, "unknown"
			if err := t.write(ctx, l, a); err != nil {
				return err
			}
		}
	}
}

// write appends an entry. It is on disk when it returns.
func (t *trail) write(ctx context.Context, l *ledger.Ledger, a *auditing) error {
	t.queue.Lock()
	t.waiting = append(t.waiting, a)
	t.queue.Unlock()
	t.writing.Lock()
	defer t.writing.Unlock()
	if a.done { // somebody wrote it along with theirs
		return a.err
	}
	t.queue.Lock()
	all := t.waiting
	t.waiting = nil
	t.queue.Unlock()
	err := t.append(context.WithoutCancel(ctx), l, all) // it is not one caller's alone
	for _, one := range all {
		one.done, one.err = true, err
	}
	return err
}

// append writes entries in one batch.
func (t *trail) append(ctx context.Context, l *ledger.Ledger, all []*auditing) error {
	n, hash := t.n, t.hash
	var b ledger.Batch
	for _, a := range all {
		n++
		e := &a.entry
		e.N, e.At = n, e.At.UTC().Truncate(time.Millisecond)
		for _, text := range []*string{&e.Key, &e.From, &e.Act, &e.What, &e.Request, &e.Outcome} {
			*text = strings.ToValidUTF8((*text)[:min(len(*text), maxWhat)], "")
		}
		row := mustJSON(auditRow{e.N, e.At, e.Key, e.From, e.Act, e.What, e.Request, e.Outcome})
		hash = chained(hash, row)
		e.Hash = hex.EncodeToString(hash[:])
		b.Docs = append(b.Docs, &ledger.Doc{Key: auditKey(n), Value: append(hash[:], row...), Expect: ledger.Fresh})
		b.Docs = append(b.Docs, a.docs...)
	}
	b.Docs = append(b.Docs, &ledger.Doc{Key: auditHead, Value: mustJSON(headRow{n, hex.EncodeToString(hash[:])}), Expect: ledger.Any})
	if err := l.Commit(ctx, &b); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	t.n, t.hash = n, hash
	return nil
}

// Forbidden is the outcome of a call that its key may not make.
const Forbidden = "forbidden"

// Record appends an entry to the audit log; it is on disk when Record returns. Nothing ever changes or takes away one.
//
// A key that may not make a call could fill the disk by making it: of one key's Forbidden calls of one operation within an hour the
// first is written, and then each whose number is a power of ten, with that number.
func (h *Host) Record(ctx context.Context, e AuditEntry) error {
	if err := h.await(ctx); err != nil {
		return err
	}
	if e.At.IsZero() {
		e.At = h.config.Clock.Now()
	}
	if e.Outcome == Forbidden {
		n, write := h.refusals.count(e.Key, e.Act, e.At)
		if !write {
			return nil
		}
		if n > 1 {
			e.What = fmt.Sprintf("number %d of this hour: %s", n, e.What)
		}
	}
	if err := h.trail.write(ctx, h.ledger, &auditing{entry: e}); err != nil {
		return fmt.Errorf("core: %w", err)
	}
	return nil
}

// refusalsIn is how long the Forbidden calls of a key are counted together.
const refusalsIn = time.Hour

// refusals counts the Forbidden calls of keys. There are as many counts as keys have operations.
type refusals struct {
	mu     sync.Mutex
	counts map[[2]string]refusal // by key and operation
}

type refusal struct {
	since time.Time
	n     int
}

// count is the number of a call within its hour, and whether it is written.
func (r *refusals) count(key, act string, at time.Time) (n int, write bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[[2]string]refusal{}
	}
	c := r.counts[[2]string{key, act}]
	if c.n == 0 || at.Sub(c.since) >= refusalsIn {
		c = refusal{since: at}
	}
	c.n++
	r.counts[[2]string{key, act}] = c
	tens := 1
	for tens < c.n {
		tens *= 10
	}
	return c.n, tens == c.n
}

// PersonName names a person where no id of theirs may stand: a keyed hash of it, the same each time.
func (h *Host) PersonName(channel, subscriber string) string {
	if subscriber == "" || h.isOpen() != nil {
		return ""
	}
	id := h.ledger.Person(channel, subscriber)
	return "person:" + id.String()
}

// Audit lists entries, newest first. One call looks at a bounded number of them: it can return fewer than the limit, with a
// next. Errors: otn.ErrInvalid for a cursor that is none.
func (h *Host) Audit(q AuditQuery) (list []AuditEntry, next string, err error) {
	if err := h.isOpen(); err != nil {
		return nil, "", err
	}
	h.trail.writing.Lock()
	below := h.trail.n + 1
	h.trail.writing.Unlock()
	if q.Cursor != "" {
		if below, err = strconv.ParseUint(q.Cursor, 10, 64); err != nil || below == 0 {
			return nil, "", fmt.Errorf("core: audit: cursor %q: %w", q.Cursor, otn.ErrInvalid)
		}
	}
	limit := limitOf(q.Limit)
	for looked := 0; below > 1 && len(list) < limit && looked < 10*maxLimit; looked += maxLimit {
		from := max(below, maxLimit+1) - maxLimit
		docs, err := h.ledger.Docs(auditPrefix, auditKey(from-1), int(below-from))
		if err != nil {
			return nil, "", fmt.Errorf("core: audit: %w", err)
		}
		slices.Reverse(docs)
		for _, d := range docs {
			e, _, err := readAudit(d)
			if err != nil {
				return nil, "", fmt.Errorf("core: audit: %w", err)
			}
			if e.N >= below || q.Key != "" && e.Key != q.Key || q.Act != "" && e.Act != q.Act {
				continue
			}
			if list = append(list, e); len(list) == limit {
				return list, nextAudit(e.N), nil
			}
		}
		below = from
	}
	return list, nextAudit(below), nil
}

// nextAudit is the cursor behind an entry, "" behind the first.
func nextAudit(n uint64) string {
	if n <= 1 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// readAudit reads the document of an entry, and what was hashed. N is that of its place.
func readAudit(d ledger.Doc) (e AuditEntry, row []byte, err error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(d.Key, auditPrefix), 16, 64)
	if err != nil || len(d.Value) < sha256.Size {
		return e, nil, fmt.Errorf("entry %s cannot be read: %w", d.Key, otn.ErrStore)
	}
	row = d.Value[sha256.Size:]
	if err := json.Unmarshal(row, &e); err != nil {
		return AuditEntry{N: n}, row, nil // what it says cannot be read: VerifyAudit tells
	}
	e.N, e.Hash = n, hex.EncodeToString(d.Value[:sha256.Size])
	return e, row, nil
}
