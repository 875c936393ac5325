// Secrets that cannot be printed by accident: Secret, and Token, which buys one message.

package otn

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a secret would have been printed.
const redacted = "[redacted]"

// Secret is a text that never prints itself: every way to print, log or marshal it gives "[redacted]".
// Reveal alone gives the text. The zero Secret is empty.
type Secret struct{ text sealed }

// sealed hides a text behind a pointer: fmt calls no method on an unexported field of somebody else's
// struct, and prints a pointer there as an address.
type sealed struct{ text *string }

func seal(text string) sealed { return sealed{&text} }

func (s sealed) reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// NewSecret seals text.
func NewSecret(text string) Secret { return Secret{seal(text)} }

// Reveal returns the secret itself. Call it where the secret is used, never where it is shown.
func (s Secret) Reveal() string { return s.text.reveal() }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String, Format, GoString, LogValue and MarshalText all give "[redacted]".
func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, redacted) }

// UnmarshalText reads a secret from a configuration.
func (s *Secret) UnmarshalText(b []byte) error { s.text = seal(string(b)); return nil }

// Token is the secret that buys one message: what the platform gave for one consent, bound to the
// account (a page id, say) that got it. Printed in any way it shows only its ID.
type Token struct {
	account string
	secret  sealed
}

// TokenIDSize is the length of a token's id in bytes.
const TokenIDSize = 12

// TokenID names a token without revealing it: the first 12 bytes of SHA-256(account, 0, secret).
type TokenID [TokenIDSize]byte

// NewToken binds a platform's secret to the account that got it.
func NewToken(account, secret string) Token { return Token{account, seal(secret)} }

// Account is the account that got the token and alone can spend it.
func (t Token) Account() string { return t.account }

// Reveal returns the platform's own text of the token, for the channel that spends it.
func (t Token) Reveal() string { return t.secret.reveal() }

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t.Reveal() == "" }

// ID is the token's public name. Equal tokens of one account have equal ids.
func (t Token) ID() TokenID {
	h := sha256.New()
	_, _ = io.WriteString(h, t.account)
	_, _ = h.Write([]byte{0})
	_, _ = io.WriteString(h, t.Reveal())
	var id TokenID
	copy(id[:], h.Sum(nil))
	return id
}

// String, Format, GoString, LogValue and MarshalText show the id, never the secret.
func (t Token) String() string               { return "token:" + t.ID().String() }
func (t Token) GoString() string             { return t.String() }
func (t Token) LogValue() slog.Value         { return slog.StringValue(t.String()) }
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
func (t Token) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, t.String()) }

// ids are written in lower-case base32 without padding: safe in paths, metadata and shells.
var ids = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// String gives the id as 20 characters.
func (id TokenID) String() string { return ids.EncodeToString(id[:]) }

// MarshalText gives the same text as String.
func (id TokenID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what String wrote.
func (id *TokenID) UnmarshalText(b []byte) error { return readID(id[:], string(b)) }

// ParseTokenID reads what TokenID.String wrote.
func ParseTokenID(s string) (id TokenID, err error) { return id, readID(id[:], s) }

func readID(dst []byte, s string) error {
	b, err := ids.DecodeString(s)
	if err != nil || len(b) != len(dst) {
		return fmt.Errorf("%q is no id: %w", s, errBadID)
	}
	copy(dst, b)
	return nil
}

var errBadID = errors.New("want the characters 0-9 a-z without i l o u, as otn prints them")
