// What the Host shows: topics, consents, runs, deliveries and the reasons, as an operator reads them.

package core

import (
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// TopicView is one topic and how many consents stand where.
type TopicView struct {
	ID         string    `json:"id"`
	Use        otn.Use   `json:"use"`
	Subject    otn.Kind  `json:"subject"`
	Waiting    int64     `json:"waiting"`
	Claimed    int64     `json:"claimed"`
	Sent       int64     `json:"sent"`
	Refused    int64     `json:"refused"`
	Unknown    int64     `json:"unknown"`
	Expired    int64     `json:"expired"`
	Withdrawn  int64     `json:"withdrawn"`
	NextExpiry time.Time `json:"next_expiry,omitzero"`
	Undeclared bool      `json:"undeclared,omitempty"` // consents are kept for it, the rules do not declare it
}

// ConsentView is one consent. The token is never shown; ID is its public name.
type ConsentView struct {
	ID         string            `json:"id"`
	State      string            `json:"state"` // waiting claimed sent refused unknown expired withdrawn
	Channel    string            `json:"channel"`
	Subscriber string            `json:"subscriber"`
	Topic      string            `json:"topic"`
	Subject    string            `json:"subject,omitempty"`
	Answers    map[string]string `json:"answers,omitempty"`
	PriceThen  otn.Money         `json:"price_then,omitzero"`
	GrantedAt  time.Time         `json:"granted_at"`
	ExpiresAt  time.Time         `json:"expires_at"`
	Ref        string            `json:"ref,omitempty"`
	Run        string            `json:"run,omitempty"` // the run that spent it, or holds it
}

// ConsentQuery selects consents. Empty fields select everything.
type ConsentQuery struct {
	Topic, Subject, State string
	Channel, Subscriber   string // both or none: one person's consents
	Cursor                string
	Limit                 int // 0: 100; at most 1,000
}

// RunView is one run: a match being carried out.
type RunView struct {
	ID        string    `json:"id"`
	State     string    `json:"state"` // holding waiting running paused done cancelled
	Rule      string    `json:"rule"`
	Version   string    `json:"version"` // of the rules that made it
	Topic     string    `json:"topic"`
	Subject   string    `json:"subject,omitempty"`
	Cause     string    `json:"cause"` // what made it, in words: "item.changed", "trigger.new_post", "cron", "send"
	At        time.Time `json:"at"`
	Seen      int64     `json:"seen"`     // consents looked at
	Selected  int64     `json:"selected"` // for whom the rule said yes
	Sent      int64     `json:"sent"`
	Refused   int64     `json:"refused"`
	Deferred  int64     `json:"deferred"` // attempts that were put off
	Unknown   int64     `json:"unknown"`
	Undecided int64     `json:"undecided"`
	Failed    int64     `json:"failed"`         // evaluations that were errors
	Wave      int       `json:"wave,omitempty"` // of a rule that tells in waves: which one, from 1
	Until     time.Time `json:"until,omitzero"` // when it goes on by itself, where that is known
	Why       string    `json:"why,omitempty"`  // it stands still, or ended before everybody was told

	WantsApproval bool `json:"wants_approval,omitempty"` // paused before its first send: it is approved, not resumed
}

// RunQuery selects runs, newest first.
type RunQuery struct {
	Rule, State string
	Cursor      string
	Limit       int
}

// DeliveryView is one run for one person.
type DeliveryView struct {
	ID         string    `json:"id"`
	Run        string    `json:"run"`
	Rule       string    `json:"rule"`
	Channel    string    `json:"channel"`
	Subscriber string    `json:"subscriber"`
	Topic      string    `json:"topic"`
	Subject    string    `json:"subject,omitempty"`
	Consent    string    `json:"consent"`
	Outcome    string    `json:"outcome"` // sent refused deferred invalid unknown, or sending
	Probably   bool      `json:"probably_delivered,omitempty"`
	Attempts   int       `json:"attempts"`
	First      time.Time `json:"first_at"`
	At         time.Time `json:"at"`
	Code       string    `json:"code,omitempty"`
	Detail     string    `json:"detail,omitempty"`
	ProviderID string    `json:"provider_id,omitempty"`
}

// DeliveryQuery selects deliveries: of a run, of a person, or all that are unknown (Outcome "unknown" alone).
type DeliveryQuery struct {
	Run                 string
	Channel, Subscriber string
	Outcome             string
	Cursor              string
	Limit               int
}

// Reason is one line of why: what became of one consent, or of one event for it.
type Reason struct {
	At      time.Time `json:"at"`
	Rule    string    `json:"rule,omitempty"`
	Topic   string    `json:"topic"`
	Subject string    `json:"subject,omitempty"`
	Consent string    `json:"consent,omitempty"`
	Run     string    `json:"run,omitempty"`
	Verdict string    `json:"verdict"` // sent, unknown, …: how a delivery ended; else yes no undecided failed holds; granted for the consent itself; planned asked, not asked, said, not said, tagged
	Because string    `json:"because"`
	Code    string    `json:"code,omitempty"`   // of Because, stable: see Reasons
	Values  []string  `json:"values,omitempty"` // what each part of the rule's when was worth
}

// Why is everything that is known of why a person got or did not get a message, oldest first.
type Why struct {
	Channel    string        `json:"channel"`
	Subscriber string        `json:"subscriber"`
	Consents   []ConsentView `json:"consents"`
	Reasons    []Reason      `json:"reasons"`
}

// AskRequest asks a subscriber for consent.
type AskRequest struct {
	Channel   string            `json:"channel"`
	Recipient string            `json:"recipient"`
	Topic     string            `json:"topic"`
	Subject   string            `json:"subject,omitempty"`
	Title     string            `json:"title,omitempty"` // empty: the topic's own
	Answers   map[string]string `json:"answers,omitempty"`
}

// SendRequest is an operator's own message to those who wait for a topic.
type SendRequest struct {
	Topic       string      `json:"topic"`
	Subject     string      `json:"subject,omitempty"`
	AllSubjects bool        `json:"all_subjects,omitempty"`
	Message     otn.Message `json:"message"`
	Where       string      `json:"where,omitempty"`
	At          time.Time   `json:"at,omitzero"` // zero: now
	DryRun      bool        `json:"dry_run,omitempty"`
	Key         string      `json:"-"` // idempotency key; empty: a new one
}

// SendAnswer says what a send will do.
type SendAnswer struct {
	ID        string    `json:"id"`
	Runs      []string  `json:"runs,omitempty"` // made now
	At        time.Time `json:"at,omitzero"`    // when it is due, for a scheduled one
	Reaches   int64     `json:"reaches"`        // how many waiting consents it would spend now
	Duplicate bool      `json:"duplicate,omitempty"`
}

// InstanceView is a channel or a source as it stands.
type InstanceView struct {
	Name      string    `json:"name"`
	Plugin    string    `json:"plugin"`
	Version   string    `json:"version,omitempty"`
	State     string    `json:"state"` // ready, starting, degraded, quarantined, paused, stopped
	Account   string    `json:"account,omitempty"`
	Rate      float64   `json:"rate,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	Poll      *PollView `json:"poll,omitempty"` // of a source that is polled

	Listen *ListenView `json:"listen,omitempty"` // of an instance that listens
}

// ListenView is how an instance listens. Its numbers are since the daemon started.
type ListenView struct {
	Listening bool      `json:"listening"`         // right now
	Since     time.Time `json:"since,omitzero"`    // the last beginning
	Heard     time.Time `json:"heard_at,omitzero"` // the last record
	Records   int       `json:"records"`           // heard and written down
	Refused   int       `json:"refused,omitempty"` // of them those that could not be used; the log says why
	Failures  int       `json:"failures"`          // endings in a row without a record between
	Error     string    `json:"error,omitempty"`   // why the last one ended
	Next      time.Time `json:"next_at,omitzero"`  // when it begins anew, while it does not listen
}

// PollView is how the polls of a source go.
type PollView struct {
	Line     string    `json:"line"` // cron
	TZ       string    `json:"tz,omitempty"`
	Next     time.Time `json:"next_at"`
	Polling  bool      `json:"polling,omitempty"`  // right now
	Began    time.Time `json:"polled_at,omitzero"` // the last one, good or bad: its beginning
	Good     time.Time `json:"good_at,omitzero"`   // the last one that was good
	Failures int       `json:"failures"`           // in a row
	Refused  bool      `json:"refused,omitempty"`  // the last snapshot had shrunk too sharply to be believed
	Items    int       `json:"items"`              // known from full snapshots
	Absent   int       `json:"absent,omitempty"`   // of them missing in the last one, and not yet given up
	Changed  int       `json:"changed"`            // observations of the last good poll that changed something
	Notes    int       `json:"notes,omitempty"`    // what the last good poll could not use
	Note     string    `json:"note,omitempty"`     // the first of it
}

// RuleView is one rule of the version that decides now.
type RuleView struct {
	ID      string    `json:"id"`
	Topic   string    `json:"topic"`
	On      []string  `json:"on,omitempty"`
	Cron    string    `json:"cron,omitempty"`
	Once    time.Time `json:"once,omitzero"`
	State   bool      `json:"state"` // it is about a state: it fires when it becomes true
	When    string    `json:"when,omitempty"`
	File    string    `json:"file,omitempty"`
	Line    int       `json:"line,omitempty"`
	Waiting int64     `json:"waiting"` // consents of its topic
}

// RulesView is the version that decides now.
type RulesView struct {
	Version string     `json:"version"`
	Rules   []RuleView `json:"rules"`
}
