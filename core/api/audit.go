// The calls about the audit log: what operators and keys did, and whether it is all there.

package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
)

// audit registers the calls about the audit log.
func (d *door) audit(a huma.API) {
	get(a, core.ScopeAdmin, "audit", "/v1/audit", "What operators and keys did, newest first", d.listAudit)
	get(a, core.ScopeAdmin, "verify-audit", "/v1/audit/verification", "Whether every entry of the audit log is what was written", d.verifyAudit)
}

// Audit is a page of the audit log.
type Audit struct {
	Entries []core.AuditEntry `json:"entries"`
	Next    string            `json:"next,omitempty"`
}

type auditIn struct {
	Page
	Key string `query:"key" maxLength:"64" doc:"Of this key, by its id."`
	Act string `query:"act" maxLength:"64" doc:"Of this operation, as in approve-run."`
}

func (d *door) listAudit(ctx context.Context, in *auditIn) (*body[Audit], error) {
	list, next, err := d.host.Audit(core.AuditQuery{Key: in.Key, Act: in.Act, Cursor: in.Cursor, Limit: in.Limit})
	return reply(ctx, d, Audit{full(list), next}, err)
}

type verifyIn struct {
	N    uint64 `query:"n" doc:"The number of an entry that is known from an earlier verification."`
	Hash string `query:"hash" maxLength:"64" doc:"Its hash."`
}

func (d *door) verifyAudit(ctx context.Context, in *verifyIn) (*body[core.AuditReport], error) {
	r, err := d.host.VerifyAudit(ctx, in.N, in.Hash)
	return reply(ctx, d, r, err)
}
