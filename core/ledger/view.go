// What readers of the ledger get: candidates, deliveries, doubts, counts.

package ledger

import (
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Candidate is a waiting consent as a scan shows it: everything a rule may look at, with token and subscriber still sealed.
// A scan reuses it: keep a copy (Keep) of what should outlive the callback.
type Candidate struct {
	otn.Consent
	ID       otn.TokenID
	Siblings bool // this person has, or had, another consent on the same line: see Ledger.Siblings

	account string
	person  otn.PersonID
	sealed  []byte
}

// Person is who it is, by the id that needs no unsealing.
func (c *Candidate) Person() otn.PersonID { return c.person }

// Keep is a copy that outlives the scan.
func (c *Candidate) Keep() *Candidate {
	kept := *c
	kept.Answers = slices.Clone(c.Answers)
	kept.sealed = slices.Clone(c.sealed)
	return &kept
}

// State is where a consent stands.
type State string

// The states of a consent.
const (
	Waiting   State = "waiting"
	Claimed   State = "claimed"
	Spent     State = "sent"
	Ended     State = "refused"
	Doubtful  State = "unknown"
	Expired   State = "expired"
	Withdrawn State = "withdrawn"
)

// Consent is one consent with its state, for an operator. Its token is never revealed.
type Consent struct {
	otn.Consent // Token and Subscriber filled; whoever prints it sees the token's id only
	ID          otn.TokenID
	Person      otn.PersonID
	State       State
	Run         otn.RunID // where State is not Waiting
	Left        time.Time // when it left its line for good, to the millisecond; zero while it waits, is claimed or in doubt
}

// Delivery is one run for one person, and how it ended or stands.
type Delivery struct {
	ID         otn.DeliveryID
	Token      otn.TokenID
	Line       Line
	Channel    string
	Outcome    otn.Outcome
	Open       bool // claimed and not settled: Outcome says nothing yet
	Probably   bool // unknown, and the platform says the token is used: it probably arrived
	Attempts   int
	First      time.Time // of the first attempt
	At         time.Time // of the last
	Code       string
	Detail     string
	ProviderID string
}

// Doubt is an unknown delivery with all that a resend needs.
type Doubt struct {
	Delivery
	Account string
	Facts   []byte    // of its claim
	FactsAt time.Time // of its claim
}

// Counts are how many consents of a topic stand where.
type Counts struct {
	Waiting, Claimed, Sent, Refused, Unknown, Expired, Withdrawn int64
	NextExpiry                                                   time.Time // zero: none
}

// Recovery is what Open found of a daemon that died.
type Recovery struct {
	Claims   int // open claims
	Whole    int // tokens that had not left: waiting again
	Settled  int // tokens whose answer was known
	Doubtful int // tokens nobody can tell about: unknown
	// Redo are the members that wait again or whose retry was lost, run by run: dispatch looks at them anew.
	Redo []Redo
}

// Redo is a part of a run that must be looked at again.
type Redo struct {
	Run     otn.RunID
	Line    Line
	Channel string
	Seqs    []uint64
}
