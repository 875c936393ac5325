// The calls about the keys of the door itself: list, create, revoke.

package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
)

// keys registers the calls about keys.
func (d *door) keys(a huma.API) {
	get(a, core.ScopeAdmin, "keys", "/v1/keys", "The keys of this door, without their secrets", d.listKeys)
	post(a, core.ScopeAdmin, "create-key", "/v1/keys", "Make a key",
		"Its secret is in this answer and nowhere else: the store keeps a hash. read looks; submit says what is known; send reaches people; admin is everything.", http.StatusCreated, d.createKey)
	remove(a, core.ScopeAdmin, "revoke-key", "/v1/keys/{id}", "Let a key in no more", "At once. The program's own key, in its file, is refused.", d.revokeKey)
}

// Keys is the keys as they are listed.
type Keys struct {
	Keys []core.Key `json:"keys"`
}

func (d *door) listKeys(ctx context.Context, _ *none) (*body[Keys], error) {
	list, err := d.host.Keys()
	return reply(ctx, d, Keys{full(list)}, err)
}

// KeyBody says what a new key is.
type KeyBody struct {
	Name      string       `json:"name" minLength:"1" maxLength:"64" doc:"For people."`
	Scopes    []core.Scope `json:"scopes" minItems:"1" maxItems:"4" enum:"read,submit,send,admin"`
	ExpiresAt time.Time    `json:"expires_at,omitzero" doc:"Left out: never."`
}

type keyIn struct {
	Idempotent
	Body KeyBody
}

// NewKey is a key with its secret, which is shown once.
type NewKey struct {
	core.Key
	Secret string `json:"secret" doc:"As in Authorization: Bearer SECRET. It is shown here and never again."`
}

func (d *door) createKey(ctx context.Context, in *keyIn) (*answer[NewKey], error) {
	b := in.Body
	key, secret, err := d.host.CreateKey(ctx, core.KeyRequest{Name: b.Name, Scopes: b.Scopes, ExpiresAt: b.ExpiresAt})
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	about(ctx, "%s %v", key.ID, key.Scopes)
	return &answer[NewKey]{http.StatusCreated, NewKey{key, secret.Reveal()}}, nil
}

// Revoked names a key that is let in no more.
type Revoked struct {
	ID string `json:"id"`
}

func (d *door) revokeKey(ctx context.Context, in *byID) (*body[Revoked], error) {
	return reply(ctx, d, Revoked{in.ID}, d.host.RevokeKey(ctx, in.ID))
}
