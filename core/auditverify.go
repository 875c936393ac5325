// Whether the audit log is what was written: every entry, its place, and the end.

package core

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/onetimenotify/otn/core/ledger"
)

// AuditReport is what became of the audit log.
type AuditReport struct {
	Entries uint64       `json:"entries"` // found
	Last    uint64       `json:"last"`    // the number of the last one
	Hash    string       `json:"hash"`    // of the last one: whoever keeps it elsewhere can tell later that nothing before was rewritten
	Faults  []AuditFault `json:"faults"`
	More    int          `json:"more,omitempty"` // faults beyond those listed
}

// AuditFault is an entry that is not what was written.
type AuditFault struct {
	N    uint64 `json:"n"`
	What string `json:"what"`
}

// maxFaults bounds a report.
const maxFaults = 100

func (r *AuditReport) fault(n uint64, format string, args ...any) {
	if len(r.Faults) == maxFaults {
		r.More++
		return
	}
	r.Faults = append(r.Faults, AuditFault{n, fmt.Sprintf(format, args...)})
}

// VerifyAudit reads the whole audit log and finds entries that were changed, taken away or moved. anchor is the number of an
// entry that is known from elsewhere, with its hash; 0 for none.
func (h *Host) VerifyAudit(ctx context.Context, anchor uint64, hash string) (AuditReport, error) {
	r := AuditReport{Faults: []AuditFault{}}
	if err := h.isOpen(); err != nil {
		return r, err
	}
	h.trail.writing.Lock() // nothing is appended between the end and the entries
	end, there, err := h.ledger.Doc(auditHead)
	last := h.trail.n
	h.trail.writing.Unlock()
	if err != nil {
		return r, err
	}
	v := verifier{report: &r, anchor: anchor, hash: strings.ToLower(hash)}
	for after := ""; ctx.Err() == nil; {
		docs, err := h.ledger.Docs(auditPrefix, after, 1000)
		if err != nil {
			return r, err
		}
		for _, d := range docs {
			if d.Key <= auditKey(last) {
				v.entry(d)
			}
		}
		if len(docs) < 1000 || docs[len(docs)-1].Key > auditKey(last) {
			v.end(end, there)
			return r, nil
		}
		after = docs[len(docs)-1].Key
	}
	return r, ctx.Err()
}

// verifier goes through the log from its beginning.
type verifier struct {
	report *AuditReport
	before auditHash
	anchor uint64
	hash   string
	seen   bool // the anchor
}

func (v *verifier) entry(d ledger.Doc) {
	r := v.report
	e, row, err := readAudit(d)
	if err != nil {
		r.fault(r.Last+1, "%s", err)
		return
	}
	hash := auditHash(d.Value)
	switch missing := e.N - r.Last - 1; {
	case missing == 1:
		r.fault(r.Last+1, "it is missing")
	case missing > 1:
		r.fault(r.Last+1, "it is missing, and all up to %d", e.N-1)
	case placed(row) != e.N:
		r.fault(e.N, "in its place stands entry %d", placed(row))
	case chained(v.before, row) != hash:
		r.fault(e.N, "it is not what was written, or the one before it is not")
	}
	if e.N == v.anchor {
		v.seen = true
		if v.hash != hex.EncodeToString(hash[:]) {
			r.fault(e.N, "its hash is not the one that is known of it")
		}
	}
	v.before = hash
	r.Entries++
	r.Last, r.Hash = e.N, hex.EncodeToString(hash[:])
}

// placed is the number that an entry gives itself, 0 when it cannot be read.
func placed(row []byte) uint64 {
	var own struct {
		N uint64 `json:"n"`
	}
	if json.Unmarshal(row, &own) != nil {
		return 0
	}
	return own.N
}

// end compares the last entry with what the store says of the end.
func (v *verifier) end(d ledger.Doc, there bool) {
	r := v.report
	var head headRow
	switch {
	case !there && r.Entries == 0:
	case !there:
		r.fault(r.Last, "what says where the log ends is missing")
	case json.Unmarshal(d.Value, &head) != nil:
		r.fault(r.Last, "what says where the log ends cannot be read")
	case head.N > r.Last:
		r.fault(r.Last+1, "it is missing, and all up to the end, %d", head.N)
	case head.N < r.Last:
		r.fault(head.N+1, "it stands behind the end of the log")
	case head.Hash != r.Hash:
		r.fault(r.Last, "it is not the entry with which the log ended")
	}
	if v.anchor != 0 && !v.seen {
		r.fault(v.anchor, "it is missing, and is known from elsewhere")
	}
}
