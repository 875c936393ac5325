// Who may come into the console: the all-scope key of the data folder, and a line of the log for what they do.

package main

import (
	"context"
	"crypto/subtle"
	"log/slog"

	web "github.com/onetimenotify/otn/core/console"
	"github.com/onetimenotify/otn/core/otn"
)

// keyhole knows one key.
type keyhole struct {
	key otn.Secret
	log *slog.Logger
}

// Authorize compares in constant time.
func (k keyhole) Authorize(secret otn.Secret) (web.Key, error) {
	if k.key.IsZero() || subtle.ConstantTimeCompare([]byte(secret.Reveal()), []byte(k.key.Reveal())) != 1 {
		return web.Key{}, otn.ErrRefused
	}
	return web.Key{ID: "admin", Name: "the daemon's own key", Scopes: []web.Scope{web.ScopeRead, web.ScopeSubmit, web.ScopeSend, web.ScopeAdmin}}, nil
}

// Record writes an act into the log.
func (k keyhole) Record(_ context.Context, a web.Act) error {
	k.log.Info("an operator acted", "act", a.Act, "what", a.What, "key", a.Key, "from", a.From, "request_id", a.Request, "outcome", a.Outcome)
	return nil
}
