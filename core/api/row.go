// A row of a batch: kept as it came, read once, described for the document.

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core/otn"
)

// GrantRow is one GrantBody as JSON.
type GrantRow []byte

// UnmarshalJSON keeps the text.
func (g *GrantRow) UnmarshalJSON(b []byte) error { *g = append((*g)[:0], b...); return nil }

// MarshalJSON gives the text.
func (g GrantRow) MarshalJSON() ([]byte, error) { return g, nil }

// Schema is that of a GrantBody.
func (GrantRow) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[GrantBody](), true, "GrantBody")
}

// read reads a row. What it says of one that is at fault quotes nothing of it: a token is in it. Errors: otn.ErrInvalid.
func (g GrantRow) read() (b GrantBody, err error) {
	d := json.NewDecoder(bytes.NewReader(g))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return b, fmt.Errorf("%s: %w", unreadable(err), otn.ErrInvalid)
	}
	return b, b.check()
}

// unreadable says what is wrong with the JSON of a row.
func unreadable(err error) string {
	var wrong *json.UnmarshalTypeError
	var moment *time.ParseError
	switch text := err.Error(); {
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Sprintf("%s: %s where %s is wanted", wrong.Field, strings.Fields(wrong.Value)[0], wrong.Type)
	case errors.As(err, &wrong):
		return "a field, or the row, is of another type than it has to be"
	case errors.As(err, &moment):
		return "granted_at, or expires_at, is no time as in 2026-11-27T09:00:00Z"
	case strings.HasPrefix(text, "json: unknown field "):
		return strings.TrimPrefix(text, "json: ")
	}
	return "not a consent as a JSON object"
}

// check refuses what the document says cannot be.
func (b *GrantBody) check() error {
	for _, f := range []struct {
		name, text  string
		least, most int
	}{
		{"channel", b.Channel, 1, 1 << 20}, {"recipient", b.Recipient, 1, 128}, {"topic", b.Topic, 1, 1 << 20}, {"token", b.Token, 1, 1 << 20},
		{"tz", b.TZ, 0, 64}, {"locale", b.Locale, 0, 64}, {"ask", b.Ask, 0, 1000}, {"ref", b.Ref, 0, 1000}, {"price_then", string(b.PriceThen), 0, 4096},
	} {
		if len(f.text) < f.least {
			return fmt.Errorf("%s is missing: %w", f.name, otn.ErrInvalid)
		}
		if len(f.text) > f.most {
			return fmt.Errorf("%s has %d bytes, %d at most: %w", f.name, len(f.text), f.most, otn.ErrInvalid)
		}
	}
	for name, v := range b.Answers {
		if len(v) > 4096 {
			return fmt.Errorf("answer %s has %d bytes, 4096 at most: %w", name, len(v), otn.ErrInvalid)
		}
	}
	if len(b.Tags) > 64 {
		return fmt.Errorf("%d tags, 64 at most: %w", len(b.Tags), otn.ErrInvalid)
	}
	return nil
}

// consent is the row as the host takes it.
func (b *GrantBody) consent(account string) (otn.Consent, error) {
	c := otn.Consent{
		Token: otn.NewToken(account, b.Token), Channel: b.Channel, Subscriber: otn.Subscriber{ID: b.Recipient}, Topic: b.Topic, Subject: b.Subject,
		Answers: named(b.Answers), GrantedAt: b.GrantedAt, ExpiresAt: b.ExpiresAt, TZ: b.TZ, Locale: b.Locale, Ask: b.Ask, Ref: b.Ref,
	}
	if b.TZ != "" {
		if _, err := time.LoadLocation(b.TZ); err != nil {
			return c, fmt.Errorf("tz %q: %w", b.TZ, otn.ErrInvalid)
		}
	}
	if b.PriceThen == "" {
		return c, nil
	}
	var err error
	if c.PriceThen, err = otn.ParseMoney(string(b.PriceThen)); err != nil {
		return c, fmt.Errorf("price_then: %w: %w", err, otn.ErrInvalid)
	}
	return c, nil
}
