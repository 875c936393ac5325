// Consents in bulk: taken in row by row with a word on each, and given out with their tokens, which leaves a trace.

package core

import (
	"context"
	"fmt"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// GrantedEach is what became of one of several consents.
type GrantedEach struct {
	Granted
	Err error // why it was not taken; nil: it was
}

// GrantEach keeps consents of which some may be at fault: each is taken or refused by itself, those that are taken together
// become true together. Their Tags are then added to those of their people. Dry keeps nothing and says what would become of
// each. Of two with one token the first counts. Errors: those of the store.
func (h *Host) GrantEach(ctx context.Context, dry bool, consents ...otn.Consent) ([]GrantedEach, error) {
	if err := h.await(ctx); err != nil {
		return nil, err
	}
	out := make([]GrantedEach, len(consents))
	var good []otn.Consent
	var at []int
	for i := range consents {
		if out[i].Err = h.acceptable(&consents[i]); out[i].Err == nil {
			good, at = append(good, consents[i]), append(at, i)
		}
	}
	if dry {
		return out, h.wouldGrant(out, good, at)
	}
	granted, err := h.Grant(ctx, good...)
	for i, g := range granted {
		out[at[i]].Granted = g
	}
	if err != nil {
		return out, err
	}
	return out, h.tagEach(ctx, out, good, at)
}

// wouldGrant says which tokens are new.
func (h *Host) wouldGrant(out []GrantedEach, good []otn.Consent, at []int) error {
	seen := map[otn.TokenID]bool{}
	for i := range good {
		id := good[i].Token.ID()
		known, err := h.ledger.Knows(id)
		if err != nil {
			return err
		}
		out[at[i]].Granted = Granted{ID: id.String(), Added: !known && !seen[id]}
		seen[id] = true
	}
	return nil
}

// ExportedEntry is the kind of the journal's entries that say that consents were given out with their tokens.
const ExportedEntry = "consents.exported"

// Exported is the body of such an entry.
type Exported struct {
	From     string `json:"from,omitempty"` // the cursor
	Consents int    `json:"consents"`
}

// Export gives out the consents that wait, with their tokens and their people's tags, in the order in which they were granted.
// That it did is in the journal before it returns. Errors: otn.ErrInvalid for a cursor.
func (h *Host) Export(ctx context.Context, cursor string, limit int) (list []otn.Consent, next string, err error) {
	if err := h.await(ctx); err != nil {
		return nil, "", err
	}
	consents, next, err := h.consentsWhere(ConsentQuery{State: string(ledger.Waiting), Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, "", fmt.Errorf("core: export: %w", err)
	}
	for i := range consents {
		c := consents[i].Consent
		if c.Tags, _, err = h.tagsOf(consents[i].Person); err != nil {
			return nil, "", fmt.Errorf("core: export: %w", err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, next, nil
	}
	h.config.Log.Warn("consents were given out with their tokens", "consents", len(list))
	entry := &ledger.Entry{At: h.config.Clock.Now(), Kind: ExportedEntry, Body: mustJSON(Exported{cursor, len(list)})}
	return list, next, h.ledger.Commit(ctx, &ledger.Batch{Events: []*ledger.Entry{entry}})
}

// wellTimed refuses a consent whose end is not behind its begin.
func wellTimed(c *otn.Consent) error {
	if !c.ExpiresAt.IsZero() && !c.ExpiresAt.After(c.GrantedAt) {
		return fmt.Errorf("core: it expires before it was granted: %w", otn.ErrInvalid)
	}
	return nil
}
