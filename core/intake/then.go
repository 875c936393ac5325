// What a topic says right after a consent: a timer that is due at once, so that the door itself says nothing.

package intake

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// ThenTimer is the kind of the timers of what is said after a consent. The Host takes them.
const ThenTimer = "then"

// thenWithin is how long ago a consent may have been given for its topic to say something still.
const thenWithin = time.Hour

// ThenKey is the document that something was said after a consent: it is there before it is said.
func ThenKey(p otn.PersonID, c otn.TokenID) string { return ThenPrefix + p.String() + "/" + c.String() }

// ThenPrefix is where those documents are kept.
const ThenPrefix = "then/"

// Then is the body of such a timer.
type Then struct {
	Channel string      `json:"channel"`
	Consent otn.TokenID `json:"consent"`
	Tries   int         `json:"tries,omitempty"`
	Follow  string      `json:"follow,omitempty"` // what the channel does, in place of what the topic says
}

// Timer is when it is said.
func (s *Then) Timer(due time.Time) ledger.Timer {
	return ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: ThenPrefix + s.Consent.String()}, Kind: ThenTimer, Body: encode(s)}
}

// ReadThen reads a timer that Timer made. Errors: otn.ErrStore.
func ReadThen(t ledger.Timer) (*Then, error) {
	s := new(Then)
	if err := json.Unmarshal(t.Body, s); err != nil {
		return nil, fmt.Errorf("intake: a timer of what is said after a consent: %w: %w", err, otn.ErrStore)
	}
	return s, nil
}

// then sees to what follows a new consent, what its channel does or what its topic says, if its person's window is open. Whether and what is said is decided
// when the timer is taken up.
func (w *writer) then(c *otn.Consent) error {
	follow := c.Follow
	if len(follow) > otn.MaxFollow {
		follow = ""
	}
	if w.now.Sub(c.GrantedAt) > thenWithin || follow == "" && (c.Topic == "" || !speaks(w.in.Rules(), c)) {
		return nil
	}
	doc, ok, err := w.doc(WindowKey(w.in.Ledger.Person(w.instance, c.Subscriber.ID)))
	if err != nil || !ok {
		return err
	}
	var open Open
	if err := json.Unmarshal(doc.Value, &open); err != nil || !open.Until.After(w.now) {
		return err
	}
	s := Then{Channel: w.instance, Consent: c.Token.ID(), Follow: follow}
	w.batch.Timers = append(w.batch.Timers, s.Timer(w.now))
	return nil
}

// speaks reports whether a topic says something after a consent at all.
func speaks(r otn.Rules, c *otn.Consent) bool {
	_, ok, err := r.Then(c, otn.Snapshot{}, &otn.Capabilities{})
	return ok || err != nil
}
