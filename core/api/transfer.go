// Consents in bulk: a batch of rows taken in, a page given out with its tokens.

package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// How many consents one call takes in, and how many one gives out.
const (
	MaxBatch  = 2000
	MaxExport = 1000
)

// transfer registers the calls that move consents in bulk.
func (d *door) transfer(a huma.API) {
	o := posted("grant-batch", "/v1/consents/batch", "Import granted tokens",
		"Idempotent by the tokens. Each row is taken or refused by itself and has its answer, in their order; all that are taken are on disk when the call answers. dry_run keeps nothing and says what would become of each.", http.StatusOK)
	o.SkipValidateBody = true // each row is read by itself, once
	register(a, o, core.ScopeSubmit, true, d.grantBatch)
	post(a, core.ScopeAdmin, exportID, "/v1/consents/export", "Consents that wait, with their tokens",
		"The tokens are secrets: whoever has one can spend it. Each page that is given out is noted in the journal. The rows are those of an import.", http.StatusOK, d.exportConsents)
}

type batchIn struct {
	Idempotent
	Body BatchBody
}

// BatchBody is several granted tokens from elsewhere.
type BatchBody struct {
	Consents []GrantRow `json:"consents" minItems:"1" maxItems:"2000"`
	DryRun   bool       `json:"dry_run,omitempty"`
}

// BatchAnswer says what became of each row, in their order.
type BatchAnswer struct {
	Results []BatchResult `json:"results"`
}

// BatchResult is what became of one row: taken, known, or refused with a code.
type BatchResult struct {
	ID     string `json:"id,omitempty"`
	Added  bool   `json:"added"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
}

func (d *door) grantBatch(ctx context.Context, in *batchIn) (*answer[BatchAnswer], error) {
	if n := len(in.Body.Consents); n == 0 || n > MaxBatch {
		return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("consents has %d rows, a call takes 1 to %d", n, MaxBatch))
	}
	results := make([]BatchResult, len(in.Body.Consents))
	accounts := map[string]account{}
	consents, at := make([]otn.Consent, 0, len(results)), make([]int, 0, len(results))
	for i, row := range in.Body.Consents {
		c, err := d.row(ctx, row, accounts)
		if errors.Is(err, otn.ErrUnavailable) {
			return nil, d.problem(ctx, err)
		}
		if results[i].refuse(err); err == nil {
			consents, at = append(consents, c), append(at, i)
		}
	}
	granted, err := d.host.GrantEach(ctx, in.Body.DryRun, consents...)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	for k, g := range granted {
		r := &results[at[k]]
		r.ID, r.Added = g.ID, g.Added
		r.refuse(g.Err)
	}
	about(ctx, "%d of %d rows, dry_run=%v", len(consents), len(results), in.Body.DryRun)
	return &answer[BatchAnswer]{http.StatusOK, BatchAnswer{results}}, nil
}

// refuse notes why a row is not taken.
func (r *BatchResult) refuse(err error) {
	if err == nil {
		return
	}
	r.Code, r.Detail = "invalid", err.Error()
	for _, c := range codes() {
		if errors.Is(err, c.err) {
			r.Code = c.code
			return
		}
	}
}

// account is what a channel's tokens are bound to, or why that is not known.
type account struct {
	id  string
	err error
}

// row makes a consent of a row.
func (d *door) row(ctx context.Context, row GrantRow, accounts map[string]account) (otn.Consent, error) {
	b, err := row.read()
	if err != nil {
		return otn.Consent{}, err
	}
	of, ok := accounts[b.Channel]
	if !ok {
		of.id, of.err = d.account(ctx, b.Channel)
		accounts[b.Channel] = of
	}
	if of.err != nil {
		return otn.Consent{}, of.err
	}
	if err := core.CheckTags(b.Tags...); err != nil {
		return otn.Consent{}, err
	}
	c, err := b.consent(of.id)
	c.Tags = b.Tags
	return c, err
}

type exportIn struct {
	Idempotent
	Body ExportBody
}

// ExportBody asks for a page of consents with their tokens.
type ExportBody struct {
	Cursor string `json:"cursor,omitempty" maxLength:"1024" doc:"The next of the page before."`
	Limit  int    `json:"limit,omitempty" minimum:"0" maximum:"1000" doc:"How many at most; 0 is 100."`
}

// ExportAnswer is a page of them. Next is the cursor of the following one, left out on the last.
type ExportAnswer struct {
	Consents []ExportRow `json:"consents"`
	Next     string      `json:"next,omitempty"`
}

// ExportRow is a consent as an import takes it.
type ExportRow struct {
	Channel   string            `json:"channel"`
	Recipient string            `json:"recipient"`
	Topic     string            `json:"topic"`
	Subject   string            `json:"subject,omitempty"`
	Token     string            `json:"token"`
	GrantedAt time.Time         `json:"granted_at"`
	ExpiresAt time.Time         `json:"expires_at"`
	PriceThen otn.Money         `json:"price_then,omitzero"`
	TZ        string            `json:"tz,omitempty"`
	Locale    string            `json:"locale,omitempty"`
	Ask       string            `json:"ask,omitempty"`
	Ref       string            `json:"ref,omitempty"`
	Answers   map[string]string `json:"answers,omitempty"`
	Tags      []string          `json:"tags,omitempty"`
}

func (d *door) exportConsents(ctx context.Context, in *exportIn) (*answer[ExportAnswer], error) {
	list, next, err := d.host.Export(ctx, in.Body.Cursor, in.Body.Limit)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	rows := make([]ExportRow, len(list))
	for i := range list {
		c := &list[i]
		rows[i] = ExportRow{
			Channel: c.Channel, Recipient: c.Subscriber.ID, Topic: c.Topic, Subject: c.Subject, Token: c.Token.Reveal(), GrantedAt: c.GrantedAt, ExpiresAt: c.ExpiresAt,
			PriceThen: c.PriceThen, TZ: c.TZ, Locale: c.Locale, Ask: c.Ask, Ref: c.Ref, Tags: c.Tags,
		}
		for _, a := range c.Answers {
			if rows[i].Answers == nil {
				rows[i].Answers = map[string]string{}
			}
			rows[i].Answers[a.Name] = a.Value.String()
		}
	}
	about(ctx, "%d consents with their tokens", len(rows))
	return &answer[ExportAnswer]{http.StatusOK, ExportAnswer{rows, next}}, nil
}
