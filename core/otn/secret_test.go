// Secrets and tokens in every way that something can be printed.

package otn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const canary = "canary-8100000000000000001"

func TestSecretsDoNotPrintThemselves(t *testing.T) {
	type nested struct {
		Secret  Secret
		Token   Token
		pointer *Secret
		hidden  Secret
		token   Token
	}
	s, token := NewSecret(canary), NewToken("page", canary)
	n := nested{s, token, &s, s, token}
	consent := Consent{Token: token, Subscriber: Subscriber{ID: "ann", Address: s}}
	var out strings.Builder
	for _, v := range []any{s, &s, token, &token, n, &n, []Secret{s}, map[string]Token{"a": token}, consent, &consent, Delivery{Token: token}, []any{n},
		errors.Join(fmt.Errorf("with %v", token)), nested{}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	var log bytes.Buffer
	for _, l := range []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))} {
		l.Info("seen", "secret", s, "token", token, "nested", n, "consent", consent, slog.Group("g", "token", token))
	}
	for _, text := range []string{out.String(), log.String()} {
		if strings.Contains(text, "canary") || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", "canary")) {
			t.Errorf("a secret got out:\n%s", text)
		}
	}
	if s.Reveal() != canary || token.Reveal() != canary {
		t.Error("Reveal does not")
	}
	if !strings.Contains(out.String(), token.ID().String()) {
		t.Error("a token does not show its id")
	}
}

func TestSecretIsReadAsText(t *testing.T) {
	var c struct{ Key Secret }
	if err := json.Unmarshal([]byte(`{"Key":"s3cret"}`), &c); err != nil || c.Key.Reveal() != "s3cret" || c.Key.IsZero() {
		t.Error(c.Key.IsZero(), err)
	}
	if !(Secret{}).IsZero() || !(Token{}).IsZero() {
		t.Error("nothing is something")
	}
}

func TestTokenIDs(t *testing.T) {
	a := NewToken("page", "1").ID()
	if a != NewToken("page", "1").ID() {
		t.Error("equal tokens have two ids")
	}
	for _, other := range []Token{NewToken("page", "2"), NewToken("other", "1"), NewToken("pag", "e1"), NewToken("page\x001", "")} {
		if other.ID() == a {
			t.Errorf("%s of %q has the id of another", other, other.Account())
		}
	}
	if back, err := ParseTokenID(a.String()); err != nil || back != a || len(a.String()) != 20 {
		t.Errorf("%s: %v, %v", a, back, err)
	}
	for _, bad := range []string{"", "x", strings.Repeat("i", 20), a.String() + "0", strings.ToUpper(a.String()) + "!"} {
		if _, err := ParseTokenID(bad); err == nil {
			t.Errorf("%q is an id", bad)
		}
	}
}
