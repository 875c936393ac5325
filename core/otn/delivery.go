// Deliveries and how they end: one run for one subscriber, with one outcome.

package otn

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// RunID names a run: the Unix second of its cause, so that ids sort by time, and a hash of rule, subject and cause.
type RunID [13]byte

// NewRunID derives the id of the one run that (rule, subject, cause) can have. at is the moment of the cause.
func NewRunID(rule string, s Subject, cause string, at time.Time) RunID {
	h := sha256.Sum256([]byte(rule + "\x00" + string(s.Kind) + "\x00" + s.ID + "\x00" + cause))
	var id RunID
	var t [8]byte
	binary.BigEndian.PutUint64(t[:], uint64(max(at.Unix(), 0)))
	copy(id[:5], t[3:])
	copy(id[5:], h[:])
	return id
}

// PersonID stands for a subscriber wherever a key or a list needs one: a keyed hash (HMAC) of channel and id.
type PersonID [12]byte

// DeliveryID names the one delivery that a person can have in a run: both ids, side by side.
type DeliveryID [25]byte

// NewDeliveryID joins a run and a person.
func NewDeliveryID(r RunID, p PersonID) (id DeliveryID) {
	copy(id[:13], r[:])
	copy(id[13:], p[:])
	return id
}

// Run and Person take a delivery's id apart.
func (id DeliveryID) Run() (r RunID)       { copy(r[:], id[:13]); return r }
func (id DeliveryID) Person() (p PersonID) { copy(p[:], id[13:]); return p }

// The ids print and parse as lower-case base32.
func (id RunID) String() string                           { return ids.EncodeToString(id[:]) }
func (id RunID) MarshalText() ([]byte, error)             { return []byte(id.String()), nil }
func (id *RunID) UnmarshalText(b []byte) error            { return readID(id[:], string(b)) }
func (id PersonID) String() string                        { return ids.EncodeToString(id[:]) }
func (id PersonID) MarshalText() ([]byte, error)          { return []byte(id.String()), nil }
func (id *PersonID) UnmarshalText(b []byte) error         { return readID(id[:], string(b)) }
func (id DeliveryID) String() string                      { return ids.EncodeToString(id[:]) }
func (id DeliveryID) MarshalText() ([]byte, error)        { return []byte(id.String()), nil }
func (id *DeliveryID) UnmarshalText(b []byte) error       { return readID(id[:], string(b)) }
func ParseRunID(s string) (id RunID, err error)           { return id, readID(id[:], s) }
func ParseDeliveryID(s string) (id DeliveryID, err error) { return id, readID(id[:], s) }

// Delivery is one message on its way to one subscriber, as a channel gets it.
type Delivery struct {
	ID         DeliveryID // stable over attempts and crashes; travels in the message's metadata where the platform has one
	Channel    string     // instance
	Token      Token
	Reply      bool   // an answer into the subscriber's open window, which spends nothing: Token is empty
	Follow     string // of a reply: the channel's own Follow of a Consent, and no Message
	Subscriber Subscriber
	Message    Message
	Attempt    int       // 1 for the first
	Deadline   time.Time // do not start after it
}

// Receipt is what a platform said when it accepted a message.
type Receipt struct {
	ProviderID string
	Code       string // "duplicate" where the platform had taken this delivery before; otherwise mostly empty
}

// Outcome is how a delivery ended, and with it what becomes of the token.
type Outcome uint8

// The outcomes. Unknown is the zero value, on purpose: nobody can tell whether the message left.
const (
	Unknown  Outcome = iota // claimed and locked
	Sent                    // spent: the platform accepted the message
	Refused                 // ended: this token or this subscriber can never be reached
	Deferred                // whole, waits again: certainly nothing left
	Invalid                 // whole, the run pauses: the message or the configuration is at fault
)

var outcomeNames = [...]string{"unknown", "sent", "refused", "deferred", "invalid"}

// String is the outcome's name in lower case. An outcome that does not exist reads as unknown.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return outcomeNames[Unknown]
}

// MarshalText gives String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what String wrote; any other text is Unknown.
func (o *Outcome) UnmarshalText(b []byte) error {
	*o = Unknown
	for i, n := range outcomeNames {
		if n == string(b) {
			*o = Outcome(i)
		}
	}
	return nil
}

// Scope is what a Deferred or an Invalid holds back.
type Scope uint8

// The scopes.
const (
	MessageScope    Scope = iota // this delivery alone; of an Invalid: the message is at fault
	SubscriberScope              // everything to this subscriber
	ChannelScope                 // everything through this instance; of an Invalid: the configuration is at fault
)

var scopeNames = [...]string{"message", "subscriber", "channel"}

// String is the scope's name in lower case.
func (s Scope) String() string {
	if int(s) < len(scopeNames) {
		return scopeNames[s]
	}
	return scopeNames[MessageScope]
}
