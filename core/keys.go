// The keys of the operator's door: who may ask what of the Host. Only hashes are kept.

package core

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Scope is a kind of calls that a key may make.
type Scope string

// The scopes.
const (
	ScopeRead   Scope = "read"   // look at everything but keys, tokens and the audit log
	ScopeSubmit Scope = "submit" // say what is known: observations, triggers, consents, tags
	ScopeSend   Scope = "send"   // reach people: asks, sends, runs, doubtful deliveries
	ScopeAdmin  Scope = "admin"  // everything
)

// Scopes lists the scopes.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeSubmit, ScopeSend, ScopeAdmin} }

// Key is a key of the operator's door, without its secret.
type Key struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Scopes    []Scope   `json:"scopes"`
	CreatedAt time.Time `json:"created_at,omitzero"` // zero: the program's own key
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
	LastUsed  time.Time `json:"last_used,omitzero"`  // to the hour
}

// May reports whether the key may make calls of a scope. ScopeAdmin is all of them.
func (k Key) May(s Scope) bool {
	return slices.Contains(k.Scopes, s) || slices.Contains(k.Scopes, ScopeAdmin)
}

// KeyRequest says what a new key is.
type KeyRequest struct {
	Name      string // for people, at most 64 characters
	Scopes    []Scope
	ExpiresAt time.Time // zero: never
}

// How much is kept of keys, and how exactly their last use is.
const (
	maxKeys    = 1000
	maxKeyName = 64
	usedWithin = time.Hour
	keyPrefix  = "key/"
)

// keyRow is a key on disk.
type keyRow struct {
	Key
	Sum []byte `json:"sum"` // SHA-256 of the whole text: it holds 256 random bits, so that nothing slower is needed
}

// heldKey is a key in memory.
type heldKey struct {
	keyRow
	rev  uint64 // of its document; 0: it has none
	used bool   // LastUsed is newer than on disk
}

// keyring is every key, in memory.
type keyring struct {
	writing sync.Mutex // held by who changes documents
	mu      sync.RWMutex
	held    map[string]*heldKey // by id
}

// load reads the keys from disk.
func (k *keyring) load(l *ledger.Ledger) error {
	docs, err := l.Docs(keyPrefix, "", maxKeys+1)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held == nil {
		k.held = map[string]*heldKey{}
	}
	for _, d := range docs {
		held := &heldKey{rev: d.Rev}
		if err := json.Unmarshal(d.Value, &held.keyRow); err != nil {
			return fmt.Errorf("key %s: %w: %w", d.Key, err, otn.ErrStore)
		}
		k.held[held.ID] = held
	}
	return nil
}

// keyID is the id in the text of a key, which is otn_KIND_ID_SECRET.
func keyID(text string) (string, bool) {
	parts := strings.SplitN(text, "_", 4)
	if len(parts) != 4 || parts[0] != "otn" || parts[2] == "" || len(parts[3]) < 32 {
		return "", false
	}
	return parts[2], true
}

// Trust lets a key of the program's own in, with every scope, as long as the Host lives. It stands in no document.
// Errors: otn.ErrInvalid for a text that is no key.
func (h *Host) Trust(name string, secret otn.Secret) error {
	id, ok := keyID(secret.Reveal())
	if !ok {
		return fmt.Errorf("core: key %s is not of the form otn_KIND_ID_SECRET: %w", name, otn.ErrInvalid)
	}
	sum := sha256.Sum256([]byte(secret.Reveal()))
	h.keys.mu.Lock()
	defer h.keys.mu.Unlock()
	if h.keys.held == nil {
		h.keys.held = map[string]*heldKey{}
	}
	h.keys.held[id] = &heldKey{keyRow: keyRow{Key: Key{ID: id, Name: name, Scopes: Scopes()}, Sum: sum[:]}}
	return nil
}

// Authorize says whose secret this is. It reads no disk. Errors: otn.ErrUnauthorized, whatever is wrong with it;
// otn.ErrUnavailable before the Host is open.
func (h *Host) Authorize(secret otn.Secret) (Key, error) {
	if err := h.isOpen(); err != nil {
		return Key{}, err
	}
	id, ok := keyID(secret.Reveal())
	if !ok {
		return Key{}, fmt.Errorf("core: key: %w", otn.ErrUnauthorized)
	}
	sum := sha256.Sum256([]byte(secret.Reveal()))
	now := h.config.Clock.Now()
	h.keys.mu.RLock()
	held, known := h.keys.held[id]
	good := known && subtle.ConstantTimeCompare(held.Sum, sum[:]) == 1 && (held.ExpiresAt.IsZero() || now.Before(held.ExpiresAt))
	var key Key
	if good {
		key = held.Key
	}
	h.keys.mu.RUnlock()
	if !good {
		return Key{}, fmt.Errorf("core: key: %w", otn.ErrUnauthorized)
	}
	if now.Sub(key.LastUsed) >= usedWithin {
		key.LastUsed = h.keyUsed(id, now)
	}
	return key, nil
}

// keyUsed notes that a key is used, and lets the clock goroutine write it down.
func (h *Host) keyUsed(id string, now time.Time) time.Time {
	now = now.UTC().Truncate(usedWithin)
	h.keys.mu.Lock()
	defer h.keys.mu.Unlock()
	if held := h.keys.held[id]; held != nil && held.LastUsed.Before(now) {
		held.LastUsed = now
		if held.rev != 0 {
			held.used = true
			h.ticked()
		}
	}
	return now
}

// writeUses writes down which keys were used. One that was changed meanwhile is left as it is.
func (h *Host) writeUses(ctx context.Context) error {
	h.keys.mu.RLock()
	var used []string
	for id, held := range h.keys.held {
		if held.used {
			used = append(used, id)
		}
	}
	h.keys.mu.RUnlock()
	if len(used) == 0 {
		return nil
	}
	h.keys.writing.Lock()
	defer h.keys.writing.Unlock()
	for _, id := range used {
		if err := h.writeUse(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) writeUse(ctx context.Context, id string) error {
	h.keys.mu.Lock()
	held := h.keys.held[id]
	if held == nil { // revoked meanwhile
		h.keys.mu.Unlock()
		return nil
	}
	held.used = false
	doc := &ledger.Doc{Key: keyPrefix + id, Value: mustJSON(held.keyRow), Rev: held.rev}
	h.keys.mu.Unlock()
	if err := h.ledger.Commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{doc}, Lazy: true}); err != nil {
		return err
	}
	h.keys.mu.Lock()
	defer h.keys.mu.Unlock()
	held.rev = doc.Rev
	return nil
}

// Keys lists the keys, the program's own first, then the oldest first.
func (h *Host) Keys() ([]Key, error) {
	if err := h.isOpen(); err != nil {
		return nil, err
	}
	h.keys.mu.RLock()
	defer h.keys.mu.RUnlock()
	list := make([]Key, 0, len(h.keys.held))
	for _, held := range h.keys.held {
		key := held.Key
		key.Scopes = slices.Clone(key.Scopes)
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// CreateKey makes a key. Its secret is given here and nowhere else: the store keeps a hash.
// Errors: otn.ErrInvalid, otn.ErrRefused when there are too many.
func (h *Host) CreateKey(ctx context.Context, r KeyRequest) (Key, otn.Secret, error) {
	if err := h.await(ctx); err != nil {
		return Key{}, otn.Secret{}, err
	}
	now := h.config.Clock.Now().UTC().Truncate(time.Millisecond)
	if err := r.check(now); err != nil {
		return Key{}, otn.Secret{}, fmt.Errorf("core: key: %w", err)
	}
	h.keys.writing.Lock()
	defer h.keys.writing.Unlock()
	h.keys.mu.RLock()
	count := len(h.keys.held)
	h.keys.mu.RUnlock()
	if count >= maxKeys {
		return Key{}, otn.Secret{}, fmt.Errorf("core: there are %d keys, revoke some first: %w", count, otn.ErrRefused)
	}
	id, text := newKeyText()
	sum := sha256.Sum256([]byte(text))
	held := &heldKey{keyRow: keyRow{Key: Key{ID: id, Name: r.Name, Scopes: orderedScopes(r.Scopes), CreatedAt: now, ExpiresAt: r.ExpiresAt.UTC()}, Sum: sum[:]}}
	if r.ExpiresAt.IsZero() {
		held.ExpiresAt = time.Time{}
	}
	doc := &ledger.Doc{Key: keyPrefix + id, Value: mustJSON(held.keyRow), Expect: ledger.Fresh}
	if err := h.ledger.Commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{doc}}); err != nil {
		return Key{}, otn.Secret{}, fmt.Errorf("core: key: %w", err)
	}
	held.rev = doc.Rev
	h.keys.mu.Lock()
	defer h.keys.mu.Unlock()
	h.keys.held[id] = held
	return held.Key, otn.NewSecret(text), nil
}

// RevokeKey lets a key in no more, also when a backup is restored that still knows it and the witness is there. Errors: otn.ErrNotFound; otn.ErrRefused for the program's own key.
func (h *Host) RevokeKey(ctx context.Context, id string) error {
	if err := h.await(ctx); err != nil {
		return err
	}
	h.keys.writing.Lock()
	defer h.keys.writing.Unlock()
	h.keys.mu.RLock()
	held := h.keys.held[id]
	h.keys.mu.RUnlock()
	switch {
	case held == nil:
		return fmt.Errorf("core: key %q: %w", id, otn.ErrNotFound)
	case held.rev == 0:
		return fmt.Errorf("core: key %s is the program's own, %s; for another one take the file away and start again: %w", id, held.Name, otn.ErrRefused)
	}
	if err := h.ledger.Commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{{Key: keyPrefix + id, Expect: ledger.Any, Buried: true}}}); err != nil {
		return fmt.Errorf("core: key %s: %w", id, err)
	}
	h.keys.mu.Lock()
	defer h.keys.mu.Unlock()
	delete(h.keys.held, id)
	return nil
}

// revokeAgain deletes the keys that were revoked after a backup was made, and counts those that are left.
func revokeAgain(ctx context.Context, l *ledger.Ledger, buried []ledger.DocID) (revoked, left int, err error) {
	docs, err := l.Docs(keyPrefix, "", maxKeys+1)
	if err != nil {
		return 0, 0, err
	}
	var b ledger.Batch
	for _, d := range docs {
		if slices.Contains(buried, ledger.DocIDOf(d.Key)) {
			b.Docs = append(b.Docs, &ledger.Doc{Key: d.Key, Rev: d.Rev, Buried: true})
		}
	}
	revoked, left = len(b.Docs), len(docs)-len(b.Docs)
	if revoked > 0 {
		err = l.Commit(ctx, &b)
	}
	return revoked, left, err
}

// check finds what is wrong with a request.
func (r *KeyRequest) check(now time.Time) error {
	var faults []error
	switch {
	case strings.TrimSpace(r.Name) == "":
		faults = append(faults, errors.New("it wants a name"))
	case utf8.RuneCountInString(r.Name) > maxKeyName, !utf8.ValidString(r.Name), strings.ContainsFunc(r.Name, func(c rune) bool { return !unicode.IsPrint(c) }):
		faults = append(faults, fmt.Errorf("its name has more than %d characters, or some that do not print", maxKeyName))
	}
	if len(r.Scopes) == 0 {
		faults = append(faults, errors.New("it wants a scope: read, submit, send or admin"))
	}
	for _, s := range r.Scopes {
		if !slices.Contains(Scopes(), s) {
			faults = append(faults, fmt.Errorf("scope %q: want read, submit, send or admin", s))
		}
	}
	if !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(now) {
		faults = append(faults, fmt.Errorf("%s has passed", r.ExpiresAt.Format(time.RFC3339)))
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %w", errors.Join(faults...), otn.ErrInvalid)
	}
	return nil
}

// orderedScopes is the scopes once each, in their own order.
func orderedScopes(given []Scope) (out []Scope) {
	for _, s := range Scopes() {
		if slices.Contains(given, s) {
			out = append(out, s)
		}
	}
	return out
}

// newKeyText is otn_live_ID_SECRET. The id names the key where it must be spoken of; the secret has 256 random bits.
func newKeyText() (id, text string) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails, by its contract
	id = strings.ToLower(rand.Text()[:12])
	return id, "otn_live_" + id + "_" + base64.RawURLEncoding.EncodeToString(secret[:])
}
