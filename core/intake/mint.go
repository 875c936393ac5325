// Consents of platforms that know no tokens: the door makes one, so that each is spent for one message like any other.

package intake

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// answerTime is for how long a word that names nothing answers the last ask.
const answerTime = 7 * 24 * time.Hour

// mint gives a consent its token, and what it answers where it names nothing itself. The same record always gets the same token. One
// that says what waits already is known: who writes YES twice is told once.
func (w *writer) mint(c *otn.Consent, key string) (known bool, err error) {
	if key == "" {
		return false, fmt.Errorf("a consent without a token wants a key: %w", otn.ErrInvalid)
	}
	person := w.in.Ledger.Person(w.instance, c.Subscriber.ID)
	if c.Topic == "" && c.Ref == "" {
		if err := w.answersLast(c, person); err != nil {
			return false, err
		}
	}
	if err := w.meant(c); err != nil {
		return false, err
	}
	known, err = w.waitsAlready(c, person)
	if known || err != nil {
		if known {
			w.result.Duplicates++
		}
		return known, err
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{"otn mint 1", w.instance, c.Subscriber.ID, key}, "\x00")))
	c.Token = otn.NewToken(c.Token.Account(), "minted."+strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20])))
	c.Mint = false
	return false, nil
}

// meant takes topic, subject and answers from the ref, where the record names no topic itself.
func (w *writer) meant(c *otn.Consent) error {
	if c.Topic != "" || c.Ref == "" {
		return nil
	}
	ref, known, err := w.in.Meaning(c.Ref)
	if err != nil || !known {
		return err
	}
	c.Topic, c.Subject = ref.Topic, ref.Subject
	for name, answer := range ref.Answers {
		c.Answers = append(c.Answers, otn.Named{Name: name, Value: otn.StringValue(answer)})
	}
	return nil
}

// answersLast takes topic and subject from what the person was asked last, if that is not too long ago.
func (w *writer) answersLast(c *otn.Consent, p otn.PersonID) error {
	var last struct {
		At             time.Time
		Topic, Subject string
	}
	prefix, after := AskedPrefix+p.String()+"/", ""
	for {
		docs, err := w.in.Ledger.Docs(prefix, after, 1000)
		if err != nil {
			return err
		}
		if len(docs) == 0 {
			break
		}
		for _, d := range docs {
			var asked struct {
				At      time.Time `json:"at"`
				Topic   string    `json:"topic"`
				Subject string    `json:"subject"`
			}
			if json.Unmarshal(d.Value, &asked) == nil && asked.Topic != "" && asked.At.After(last.At) {
				last.At, last.Topic, last.Subject = asked.At, asked.Topic, asked.Subject
			}
			after = d.Key
		}
	}
	if w.now.Sub(last.At) < answerTime {
		c.Topic, c.Subject = last.Topic, last.Subject
	}
	return nil
}

// waitsAlready reports whether the person has a consent for the same that waits or is on its way.
func (w *writer) waitsAlready(c *otn.Consent, p otn.PersonID) (bool, error) {
	if c.Topic == "" {
		return false, nil
	}
	for _, g := range w.batch.Grants {
		if o := &g.Consent; o.Subscriber.ID == c.Subscriber.ID && o.Topic == c.Topic && o.Subject == c.Subject {
			return true, nil
		}
	}
	all, err := w.in.Ledger.Of(p)
	if err != nil {
		return false, err
	}
	w.batch.People = append(w.batch.People, ledger.GiverOf(p, all))
	for i := range all {
		o := &all[i]
		living := o.State == ledger.Waiting && o.ExpiresAt.After(w.now) || o.State == ledger.Claimed
		if living && o.Topic == c.Topic && o.Subject == c.Subject {
			return true, nil
		}
	}
	return false, nil
}
