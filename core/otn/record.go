// Records: what an instance's webhook, poll or listening yields. The host writes them down before it answers.

package otn

import "time"

// Record is one thing an instance learned. Exactly one of the pointers is set. Key, with the instance, is what it is
// deduplicated by: the same key again changes nothing. An empty Key is a record that is harmless to repeat.
type Record struct {
	Key string
	At  time.Time // the source's own time of it; zero when it told none

	Consent     *Consent       // granted; its token must not be empty, unless the Host is to mint one
	Ask         *Ask           // wanted: the Host sends it once the record is on disk, if the subscriber may be asked then
	Window      *Window        // opened, until
	Referral    *Referral      // somebody came through a link
	Echo        *Echo          // the platform shows one of our messages
	Stop        *Stop          // somebody wants no more, or wants again
	Notice      *ChannelNotice // the platform warned, blocked or unblocked the account
	Observation *Observation
	Trigger     *Trigger
	Note        *Note  // seen and not used: counted and logged
	Whole       *Whole // of a poll, as its last record: there are no items but those that it yielded
}

// Whole marks a poll as a full snapshot: it yielded every item that the source has, so that one which it did not yield is
// missing. A poll that fails has none, and one that yields only what changed has none.
type Whole struct {
	Items int  // observations of items that the poll yielded: a snapshot that lost some on the way is refused
	Same  bool // the source has what it had at the last snapshot, and no item was yielded again; Items is 0
}

// Referral is an entry through a link that names a topic and a subject: whoever it is, is asked about them.
type Referral struct {
	Channel    string
	Subscriber Subscriber
	Ref        string
}

// EchoKind is what an Echo proves.
type EchoKind string

// The kinds of Echo. All three prove that the message was sent, FailedLater that it was sent and did not arrive.
const (
	Echoed      EchoKind = "echo"
	Delivered   EchoKind = "delivered"
	Read        EchoKind = "read"
	FailedLater EchoKind = "failed"
)

// Echo is proof that a delivery left: the platform gives back the delivery id that the message carried.
type Echo struct {
	Kind       EchoKind
	Delivery   DeliveryID
	ProviderID string
}

// Stop is a subscriber's wish to hear no more of one topic, or of all (Topic empty); Resume takes it back.
type Stop struct {
	Channel    string
	Subscriber Subscriber
	Topic      string
	Resume     bool
}

// NoticeLevel is how grave a ChannelNotice is.
type NoticeLevel string

// The levels. Blocked pauses the channel, Unblocked resumes it.
const (
	Warned    NoticeLevel = "warned"
	Blocked   NoticeLevel = "blocked"
	Unblocked NoticeLevel = "unblocked"
)

// ChannelNotice is the platform's word about the whole account.
type ChannelNotice struct {
	Channel string
	Level   NoticeLevel
	Reason  string
}

// Note is something a plugin understood and had no use for: an unknown event, a malformed consent.
type Note struct {
	Code string // stable, snake_case, bounded: it becomes a metric label
	Text string // for the operator; no secret, no personal data
}

// Trigger is a named event from outside, with its fields.
type Trigger struct {
	Name       string
	Subject    string // the id of an item, where the trigger declares one
	Channel    string // with Subscriber: the person it names, where it names one
	Subscriber Subscriber
	Fields     []Named // typed by the rules' declaration; text where the source knows no types
	Key        string  // idempotency key; empty: none
}

// EventKind is what happened.
type EventKind string

// The kinds of Event. A trigger is on "trigger." + its name; cron decides one rule.
const (
	ItemChanged       EventKind = "item.changed"
	CollectionChanged EventKind = "collection.changed"
	Triggered         EventKind = "trigger"
	CronDue           EventKind = "cron"
	SendAsked         EventKind = "send"
)

// Event is a subject as it is and as it was, or a named Trigger, or a moment that a rule waited for.
type Event struct {
	Seq     uint64    // its place in the journal; 0 for cron
	Kind    EventKind // what happened
	At      time.Time // when otn recorded it
	Subject Subject
	Now     Snapshot
	Was     Snapshot // at first sight equal to Now
	First   bool     // first sight of the subject
	Trigger *Trigger
	Rule    string // cron and send: the one rule it is for
	Cause   string // what makes a run of it unique: "e" + Seq, "c" + instant, or a caller's key
}
