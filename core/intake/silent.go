// Who wants to hear no more: remembered, so that nobody asks them or says anything until they take it back.

package intake

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// silence is what a person wants to hear no more of, by topic, and since when; under "" it is everything.
type silence map[string]time.Time

// SilenceKey is the document of a person's wish to hear no more.
func SilenceKey(p otn.PersonID) string { return "silent/" + p.String() }

// Silent reports whether a person wants to hear no more of a topic, or of anything, and gives the document that says so.
func Silent(l *ledger.Ledger, p otn.PersonID, topic string) (silent bool, doc ledger.Doc, err error) {
	s, doc, err := stops(l, p)
	_, all := s[""]
	_, one := s[topic]
	return all || one, doc, err
}

// Stops is what a person wants to hear no more of, by topic, and since when; under "" it is everything.
func Stops(l *ledger.Ledger, p otn.PersonID) (map[string]time.Time, error) {
	s, _, err := stops(l, p)
	return s, err
}

func stops(l *ledger.Ledger, p otn.PersonID) (s silence, doc ledger.Doc, err error) {
	doc, ok, err := l.Doc(SilenceKey(p))
	if err == nil && ok {
		s, err = readSilence(doc)
	}
	return s, doc, err
}

func readSilence(d ledger.Doc) (s silence, err error) {
	if err := json.Unmarshal(d.Value, &s); err != nil {
		return nil, fmt.Errorf("intake: a wish to hear no more: %w: %w", err, otn.ErrStore)
	}
	return s, nil
}

// silent remembers a stop of a moment, or forgets the earlier ones: who resumes a topic after a stop of everything hears of
// everything again.
func (w *writer) silent(s otn.Stop, at time.Time) error {
	key := SilenceKey(w.in.Ledger.Person(w.instance, s.Subscriber.ID))
	doc, ok, err := w.doc(key)
	if err != nil || !ok && s.Resume {
		return err
	}
	have := silence{}
	if ok {
		if have, err = readSilence(doc); err != nil {
			return err
		}
	}
	if !s.Resume {
		have[s.Topic] = latest(have[s.Topic], at)
	} else {
		maps.DeleteFunc(have, func(topic string, since time.Time) bool {
			return (s.Topic == "" || topic == s.Topic || topic == "") && !since.After(at)
		})
	}
	next := &ledger.Doc{Key: key, Rev: doc.Rev}
	if len(have) > 0 {
		next.Value = encode(have)
	}
	w.put(next)
	return nil
}
