// How the rules are seen from the data path: they decide about events and consents, and change nothing.

package otn

import "time"

// Rules is one immutable version of a merchant's rules. All methods may be called from many goroutines.
type Rules interface {
	// Version is a hash of the sources and params: the same text has the same version everywhere.
	Version() string
	// Source is what Restore needs to make this version again.
	Source() []byte
	// Restore compiles what Source of some version returned, so that a run is finished by the rules that made it.
	Restore(source []byte) (Rules, error)

	// Topics lists what people can ask for; List lists the rules. Both in the order of the files.
	Topics() []Topic
	Topic(id string) (Topic, bool)
	List() []Rule
	// Trigger types the fields of a trigger by its declaration. Errors: ErrNotFound for a name that is not declared, ErrInvalid
	// also where it names a person and should not, or should and does not.
	Trigger(t Trigger) (Trigger, error)

	// Match decides the shared half of every rule that is on the event, or of e.Rule alone when it is set.
	// last gives the facts of a rule's last decision about this subject, where the ledger holds them.
	Match(e Event, last func(rule string) (Last, bool)) []Match
	// Open begins decisions about consents from the facts of one moment. The Page belongs to one goroutine.
	Open(f Facts) (Page, error)

	// Once is this version with one more rule, made from an operator's send. Its only match is an Event of kind SendAsked.
	// Of the defaults of the file that declares the topic it keeps per_subscriber and pause_above, which protect people, and
	// neither hours nor per_run: the operator chose the moment and was told how many it reaches.
	// Errors: *rules.Error in all their number, ErrUnknownTopic.
	Once(s Send) (Rules, error)
	// Ask renders the title of a topic's request for consent about a subject. Errors: ErrUnknownTopic, ErrInvalid when it is over 65 characters or needs a fact that is not known.
	Ask(topic string, s Snapshot) (string, error)
	// Then renders what a topic says right after a consent, inside the open window; not ok where it says nothing.
	Then(c *Consent, s Snapshot, can *Capabilities) (Message, bool, error)

	// Asks lists when people are asked by themselves. MayAsk decides for one person, and says why not.
	Asks() []AskRule
	MayAsk(f AskFacts) (Verdict, string)
}

// Rule is what the data path needs to know of one rule.
type Rule struct {
	ID         string
	Topic      string
	Kind       Kind     // of the topic's subject
	On         []string // item.changed, collection.changed, trigger.NAME
	Cron       string   // five fields or @every, "" for none
	TZ         string   // the zone in which Cron is read
	State      bool     // fires when it becomes true, rather than at each event for which it is true
	NeedsSub   bool     // its when looks at the consent
	When       string   // as written, "" for always
	File       string
	Line       int
	AtMatters  bool // its when looks at the moment: the same facts can decide otherwise later
	FirstFires bool // first: fire

	Compares []string // answers that its when compares with something shared: Page.Ranges may name them

	NeedsPerson bool      // it looks at what a Person has beside the consent: tags, how many consents wait
	Once        time.Time // decided a single time at this moment; zero: never by itself
	SkipMissed  bool      // missed: skip: a cron line or a once that passed while nobody looked is left out
	Plan        Plan
}

// Last is what a rule knew when it last decided about a subject.
type Last struct {
	At  time.Time
	Now Snapshot

	// Cleared says that nothing counts as true before: the rule tells everybody for whom it is true now.
	Cleared bool `json:",omitempty"`
}

// Verdict is a decision. The zero Verdict is No.
type Verdict uint8

// The verdicts. Only Yes spends a token.
const (
	No        Verdict = iota
	Yes               // tell
	Undecided         // a fact was not known
	Failed            // the evaluation was an error: two currencies, division by zero, out of fuel
	Holds             // a state rule: it was true before and is no news
)

var verdictNames = [...]string{"no", "yes", "undecided", "failed", "holds"}

// String is the verdict's name in lower case.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "failed"
}

// MarshalText gives String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what String wrote.
func (v *Verdict) UnmarshalText(b []byte) error {
	for i, n := range verdictNames {
		if n == string(b) {
			*v = Verdict(i)
			return nil
		}
	}
	return ErrInvalid
}

// Match is what one rule says of one event, before any consent is looked at.
type Match struct {
	Rule    Rule
	Verdict Verdict // Yes: the waiting consents of the line are worth looking at
	Because string  // in words, when it is not Yes
	Last    Last    // a state rule: what it is compared with; a run keeps it
}

// Facts is all that a decision is made from, but the consent.
type Facts struct {
	Rule    string
	At      time.Time // the moment of the decision
	Now     Snapshot  // as it is
	Was     Snapshot  // before the event, as in the run
	First   bool
	Last    Last // a state rule: its last decision before the run
	Trigger *Trigger
}

// Page decides and renders for many consents from the same Facts. It belongs to one goroutine.
type Page interface {
	// Select decides for one consent. It keeps nothing of c, and reads neither its token nor its subscriber.
	Select(c *Consent) Verdict
	// Because says in words why the last Select gave what it gave: "item.stock is not known".
	Because() string
	// Render gives the message as this subscriber gets it through an instance that can do can.
	// Errors: ErrInvalid when the message cannot be made for this consent.
	Render(c *Consent, can *Capabilities) (Message, error)
	// Explain gives the value of each sub-expression for one consent, in words, a line each.
	Explain(c *Consent) []string

	// Ranges narrow whom Select can say Yes to, or anything but No: each by itself, with the facts of this Page, the most
	// promising first. Everybody whom Select does not answer with No is inside of all of them. None: everybody has to be looked at.
	Ranges() []AnswerRange

	// Size is how many the next wave may tell. Errors: ErrInvalid where it cannot be decided.
	Size() (int64, error)
	// Ends is the moment behind which nothing is sent. Errors: ErrInvalid where it cannot be decided.
	Ends() (time.Time, error)
	// Rank is the place of a consent before its age counts: 0 comes first.
	Rank(c *Consent) int
}

// Send is an operator's own message: to everybody who waits for a topic and subject, now or at a time.
type Send struct {
	ID      string  `json:"id"` // of the one rule it becomes; unique
	Topic   string  `json:"topic"`
	Where   string  `json:"where,omitempty"` // an expression over sub and item, "" for all
	Message Message `json:"message"`         // its texts may hold ${…}
}
