// Sealed texts: what is personal in a document or a timer that cannot do without it.

package ledger

import (
	"crypto/rand"
	"fmt"

	"github.com/onetimenotify/otn/core/otn"
)

// textSeal is the additional data of a sealed text, so that no other kind of row can stand in.
var textSeal = [...]byte{'t', rowVersion}

// SealText makes a text unreadable on disk. Each call gives other bytes. OpenText reads them again.
func (l *Ledger) SealText(plain []byte) ([]byte, error) {
	head := make([]byte, tokenSize+saltSize, tokenSize+sealExtra+len(plain))
	_, _ = rand.Read(head) // never fails, by its contract
	aead, err := l.safe.dataCipher(otn.TokenID(head[:tokenSize]), head[tokenSize:])
	if err != nil {
		return nil, fmt.Errorf("ledger: seal: %w", err)
	}
	return aead.Seal(head, head[:tokenSize], plain, textSeal[:]), nil
}

// OpenText gives back what SealText sealed. Errors: otn.ErrStore for anything else.
func (l *Ledger) OpenText(sealed []byte) ([]byte, error) {
	const head = tokenSize + saltSize
	if len(sealed) < head+sealTag {
		return nil, fmt.Errorf("ledger: open: %w", errDamaged)
	}
	aead, err := l.safe.dataCipher(otn.TokenID(sealed[:tokenSize]), sealed[tokenSize:head])
	if err != nil {
		return nil, fmt.Errorf("ledger: open: %w", err)
	}
	plain, err := aead.Open(nil, sealed[:tokenSize], sealed[head:], textSeal[:])
	if err != nil {
		return nil, fmt.Errorf("ledger: open: %w", errDamaged)
	}
	return plain, nil
}
