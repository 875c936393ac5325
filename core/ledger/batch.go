// What must become true together: a Batch, and the things it can hold.

package ledger

import (
	"crypto/sha256"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Batch is a set of changes that become true together, or not at all. Fill it, give it to Commit once, read the results
// back from its members. One sequence numbers everything: a batch takes the numbers from Seq on, one for each event and
// each consent it adds (in this order: events, then grants), at least one.
type Batch struct {
	Docs      []*Doc        // documents, each with the revision it expects
	People    []Giver       // whose consents the batch was decided from
	Events    []*Entry      // into the journal
	Grants    []*Grant      // consents
	Timers    []Timer       // to set
	Done      []TimerID     // to delete: a timer goes in the batch that does its work
	Decisions []Decision    // for why
	Claims    []*Claim      // tokens to take
	Settles   []*Settlement // and how they ended
	Proofs    []*Proof      // that deliveries left
	Withdrawn []otn.TokenID // tokens whose consents are to end, as the other members say: the witness remembers them
	Old       []*Old        // what is too old to be kept: to delete
	Forget    []otn.RunID   // runs that are forgotten: attempts that left the token whole are to delete
	Redone    []otn.RunID   // runs whose Redo is taken up with this batch: the next Open does not list it again

	// Lazy lets the batch become durable with the next one that is synced: for settlements, which Recover can find again.
	Lazy bool

	Seq uint64 // result: the first of the batch's numbers
}

// Doc is one document under a text key. Values are the caller's own; nothing personal may be in a key.
type Doc struct {
	Key    string
	Value  []byte // nil deletes
	Rev    uint64 // the revision that the caller has read, 0 for none; after Commit the new one (the batch's Seq)
	Expect Expect
	Buried bool // of a deletion: the witness remembers it, for a backup that still holds the document
	Kept   bool // result of Once: there was one already and it was left as it is
}

// DocID names a document where its key may not stand: the begin of the key's SHA-256.
type DocID [12]byte

// DocIDOf is the id of a document's key.
func DocIDOf(key string) DocID {
	sum := sha256.Sum256([]byte(key))
	return DocID(sum[:len(DocID{})])
}

// Expect is what a Doc wants to find.
type Expect uint8

// The expectations. Same is the default: anything but Rev is ErrConflict for the whole batch.
const (
	Same  Expect = iota // the revision in Rev
	Any                 // whatever is there is replaced
	Once                // nothing: a document that is there already stays, and Kept says so
	Fresh               // nothing: a document that is there already is ErrConflict for the whole batch
	Still               // as Same, and nothing is written: the batch was decided from it
)

// Giver is a person whose consents were looked at: one that they gave since is ErrConflict for the whole batch.
type Giver struct {
	Person otn.PersonID
	Last   uint64 // the Seq of the last consent that was seen, 0 for none
}

// Entry is one row of the journal.
type Entry struct {
	Seq  uint64 // result of Commit
	Rev  uint64 // the Seq of its batch, which is the Rev of the documents written with it
	At   time.Time
	Kind string // an otn.EventKind, or GrantEntry, or an act of an operator
	Body []byte // JSON; nothing personal
}

// GrantEntry is the journal's kind for a consent. The ledger writes these itself, under the consent's own number; Body is GrantBody.
const GrantEntry = "grant"

// GrantBody is the body of a GrantEntry.
type GrantBody struct {
	Token   otn.TokenID `json:"token"`
	Topic   string      `json:"topic"`
	Subject string      `json:"subject,omitempty"`
	First   bool        `json:"first,omitempty"` // nobody waited on this line before
}

// Grant is one consent to be kept.
type Grant struct {
	Consent otn.Consent // its Token must not be empty; GrantedAt is set
	Added   bool        // result: false when this token was granted before, whatever became of it
	Seq     uint64      // result: its place, when Added
}

// Timer is something due later. (Due, ID) is its identity: the same again changes nothing.
type Timer struct {
	TimerID
	Kind string
	Body []byte
}

// TimerID names a timer.
type TimerID struct {
	Due time.Time
	ID  string
}

// Line is one waiting list: the consents of one topic and subject. Subject is empty for a topic without subject.
type Line struct{ Topic, Subject string }

// Decision is why something happened or did not: about a whole line, or about one person.
type Decision struct {
	Line    Line
	Person  otn.PersonID // zero: about everybody on the line
	At      time.Time
	Rule    string
	Run     otn.RunID // zero: no run was made
	Verdict otn.Verdict
	Because string
	Facts   []byte // what it was decided from, as the caller encodes it; may be empty
}

// Claim takes tokens for a page of a run. After Commit, Members holds those that were won.
type Claim struct {
	Run     otn.RunID
	Page    uint64 // unique in the run
	Line    Line
	Channel string
	Account string
	At      time.Time
	Facts   []byte   // what the texts are rendered from, so that a resend carries the identical text
	Members []Member // in: the candidates; out: those won, in the same order

	marks Marks
}

// Member is one token of a claim.
type Member struct {
	Seq     uint64
	Token   otn.TokenID
	Person  otn.PersonID
	Attempt int // 1 for the first
}

// Settlement says how each member of a claim ended. A claim is settled once, whole.
type Settlement struct {
	Claim   *Claim
	Results []Result // one for each member
}

// Result is how one delivery ended.
type Result struct {
	Untouched  bool // never handed to the channel: waits again, and no delivery is recorded
	Outcome    otn.Outcome
	At         time.Time
	Code       string
	Detail     string
	ProviderID string
}

// Proof is that a delivery left, whatever is believed of it: a doubt ends as sent, and so does a consent that waits again after
// an attempt that was called put off, not valid or lost. One that is on its way is told by its document: see EchoKey.
type Proof struct {
	Delivery   otn.DeliveryID
	At         time.Time
	Code       string
	ProviderID string

	Ended bool        // result: it ended something
	Was   otn.Outcome // result, where it did: what was believed
}

// Marks remember, through the death of the process, how far each member of an open claim had got.
// Set must have taken effect for a reader after kill -9 when it returns; it need not survive a power loss.
type Marks interface {
	Set(i int, m Mark)
	Get(i int) Mark
}

// Mark is how far one member had got.
type Mark uint8

// The marks. From MarkSent on, the mark holds the outcome itself.
const (
	MarkUntouched Mark = iota
	MarkHanded         // given to the channel, no answer yet
	MarkSent
	MarkRefused
	MarkDeferred
	MarkInvalid
	MarkUnknown
)

// Provable reports whether a proof that member i left says more than its result.
func (c *Claim) Provable(i int, r *Result) bool { return provable(c.Members[i].Attempt, r) }

// Handed notes that member i is about to be given to the channel. Call it before Send.
func (c *Claim) Handed(i int) { c.marks.Set(i, MarkHanded) }

// Answered notes what the channel answered for member i. Call it as soon as Send returns.
func (c *Claim) Answered(i int, o otn.Outcome) {
	marks := [...]Mark{otn.Unknown: MarkUnknown, otn.Sent: MarkSent, otn.Refused: MarkRefused, otn.Deferred: MarkDeferred, otn.Invalid: MarkInvalid}
	c.marks.Set(i, marks[o])
}
