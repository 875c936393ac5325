// What keeps secrets from the disk: keys derived from the master key, one for each consent, and names for people.

package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

const (
	masterSize = 32
	saltSize   = 4
	sealTag    = 16
	sealExtra  = saltSize + sealTag // what sealing adds to a text
)

// consentSeal is the additional data of a sealed consent: kind and schema version, so that no other kind of row can stand in.
var consentSeal = [...]byte{'c', rowVersion}

// NewKey makes a master key as the key file holds it: 32 random bytes in hex.
func NewKey() otn.Secret {
	b := make([]byte, masterSize)
	_, _ = rand.Read(b) // never fails, by its contract
	return otn.NewSecret(hex.EncodeToString(b))
}

// safe holds the keys derived from the master key.
type safe struct {
	person []byte       // names people
	check  []byte       // proves to a later Open that the key is the same
	data   cipher.Block // derives data keys
}

func newSafe(key otn.Secret) (*safe, error) {
	master, err := hex.DecodeString(strings.TrimSpace(key.Reveal()))
	if err != nil || len(master) != masterSize {
		return nil, fmt.Errorf("the key is not %d bytes in hex: %w", masterSize, otn.ErrInvalid)
	}
	var derived [3][]byte
	for i, use := range []string{"otn person 1", "otn check 1", "otn data 1"} {
		if derived[i], err = hkdf.Key(sha256.New, master, nil, use, masterSize); err != nil {
			return nil, err
		}
	}
	data, err := aes.NewCipher(derived[2])
	if err != nil {
		return nil, err
	}
	return &safe{person: derived[0], check: derived[1], data: data}, nil
}

// Person names a subscriber: a keyed hash of channel and id.
func (l *Ledger) Person(channel, subscriber string) otn.PersonID {
	h := hmac.New(sha256.New, l.safe.person)
	_, _ = h.Write([]byte(channel))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(subscriber))
	var sum [sha256.Size]byte
	var p otn.PersonID
	copy(p[:], h.Sum(sum[:0]))
	return p
}

// seal appends a new salt, then plain sealed under the key that salt and token id make, and returns b. The salt is new for
// each sealing and the token id is the nonce, so that no key and nonce are used twice even when a grant is tried again.
func (s *safe) seal(b []byte, id otn.TokenID, plain []byte) ([]byte, error) {
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // never fails, by its contract
	aead, err := s.dataCipher(id, salt[:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(append(b, salt[:]...), id[:], plain, consentSeal[:]), nil
}

// open gives the text back that seal sealed: sealed is the salt and what follows.
func (s *safe) open(dst []byte, id otn.TokenID, sealed []byte) ([]byte, error) {
	if len(sealed) < sealExtra {
		return nil, errDamaged
	}
	aead, err := s.dataCipher(id, sealed[:saltSize])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(dst, id[:], sealed[saltSize:], consentSeal[:])
	if err != nil {
		return nil, errDamaged
	}
	return plain, nil
}

// dataCipher is the cipher of one consent: its key is token id and salt, one block, under the key of all data keys.
func (s *safe) dataCipher(id otn.TokenID, salt []byte) (cipher.AEAD, error) {
	var key [aes.BlockSize]byte
	copy(key[:tokenSize], id[:])
	copy(key[tokenSize:], salt)
	s.data.Encrypt(key[:], key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// errDamaged marks a row that cannot be read: it was written by another version, or changed behind the ledger's back.
var errDamaged = fmt.Errorf("a row cannot be read: %w", otn.ErrStore)
