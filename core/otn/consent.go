// Who is told about what: subscribers, topics, consents, and the requests for consent.

package otn

import "time"

// Subscriber is whom a channel knows: an id of at most 128 bytes, and an address where the channel
// needs more than the id to reach somebody. Both are personal data and are sealed on disk.
type Subscriber struct {
	ID      string
	Address Secret
}

// Kind is what a topic, a trigger or an event is about.
type Kind string

// The kinds of subject. NoSubject is a topic about the shop as a whole.
const (
	NoSubject      Kind = "none"
	ItemKind       Kind = "item"
	CollectionKind Kind = "collection"
)

// Subject names an Item or a Collection by its id. The zero Subject is none.
type Subject struct {
	Kind Kind
	ID   string
}

// Use is what the platforms allow one-time messages for.
type Use string

// The uses. Source: Messenger Platform policy and FAQ.
const (
	PriceDrop        Use = "price_drop"
	BackInStock      Use = "back_in_stock"
	CollectionLaunch Use = "collection_launch"
	TicketsAvailable Use = "tickets_available"
)

// Topic is what people can ask to be told about.
type Topic struct {
	ID      string
	Use     Use
	Subject Kind
	Ask     string  // the title of the request for consent, as the rule file writes it, with its ${…}
	Answers []Field // what a consent may carry, typed
}

// Answer finds the declaration of an answer.
func (t Topic) Answer(name string) (Field, bool) {
	for _, f := range t.Answers {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// TokenLife is how long a token can be spent after it was granted. Source: Messenger FAQ.
const TokenLife = 365 * 24 * time.Hour

// MaxFollow is how long a Consent's Follow may be, in bytes.
const MaxFollow = 256

// Consent is a subscriber's agreement to be told once about one topic and subject.
type Consent struct {
	Token      Token
	Channel    string // the instance it came through and will be sent through
	Subscriber Subscriber
	Topic      string  // empty: the payload named no topic; kept, never sent, until an operator assigns one
	Subject    string  // the subject's id; empty for a topic without subject
	Answers    []Named // in the order of names; an answer that did not parse stays a string
	Ask        string  // the title that the person saw, where known
	Ref        string  // the payload as the platform returned it

	GrantedAt time.Time
	ExpiresAt time.Time // zero when given: the ledger sets GrantedAt + TokenLife
	PriceThen Money     // the item's price when they agreed; no amount when it was not known
	TZ        string    // IANA zone of the subscriber, where known
	Locale    string    // BCP 47 tag of the subscriber, where known

	// Mint says that the platform knows no tokens: the Host makes one, which is spent like any other. In a [Record] alone, whose Key must
	// not be empty. Where topic and ref are empty, the consent answers what its subscriber was asked last.
	Mint bool

	// Follow is what the channel itself does right after the consent, in its own words, in place of what the topic says: it comes back in
	// one Delivery with Reply, into the open window. In a [Record] alone; longer than MaxFollow it is left out.
	Follow string

	Seq uint64 // its place in the waiting list, given at the grant: older consents have smaller ones

	// Of the person, filled in for rules that look at them (Rule.NeedsPerson), and never stored with the consent.
	Tags    []string // set by the operator
	Waiting int64    // how many consents of this person wait now
}

// Answer gives an answer by name.
func (c *Consent) Answer(name string) (Value, bool) {
	for _, a := range c.Answers {
		if a.Name == name {
			return a.Value, true
		}
	}
	return Value{}, false
}

// Ask is a request for consent, sent inside the subscriber's open window.
//
// In a [Record] it is an ask that somebody outside wants: Subscriber, Title, Ref and NotBefore are set, the rest is the
// Host's. A Ref that names a declared topic needs no Title; any other goes out with its Title and comes back as it is.
type Ask struct {
	ID         string // stable over attempts
	Channel    string
	Subscriber Subscriber
	Topic      string
	Subject    string
	Title      string    // at most 65 characters, rendered
	Ref        string    // what the platform returns with the consent: see FormatRef
	NotBefore  time.Time // of one that is wanted: not earlier; zero: at once
	Deadline   time.Time
}

// WindowLength is how long a window stays open after what opened it, where the platform says nothing else.
// Source: Messenger Platform policy, standard messaging window.
const WindowLength = 24 * time.Hour

// Window is the time in which a subscriber may be asked.
type Window struct {
	Channel    string
	Subscriber Subscriber
	Until      time.Time
	Cause      string // message, postback, referral, plugin, reaction
}
