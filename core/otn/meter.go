// What a Host tells of its own work while it does it: the steps of the data path, for curves and traces.

package otn

import "time"

// Meter is told of each step that has ended. It is called from many goroutines, in the middle of the work: it must be
// quick and must not wait. A Host without one measures nothing.
type Meter interface {
	Step(s Step)
}

// StepKind is which part of the data path a Step is.
type StepKind uint8

// The steps, in the order of the path.
const (
	HookStep    StepKind = iota // a webhook, from its arrival to its answer
	TakeStep                    // the records of a webhook, a poll or an operator's call, until they are on disk
	MatchStep                   // one event was held against the rules
	RunStep                     // a run, from its cause until nobody is left
	ClaimStep                   // the tokens of a page were taken, on disk
	SendStep                    // one message, from the channel's call to its answer
	SettleStep                  // a page, from its last answer until what it came to is on disk
	AskStep                     // one request for consent, from the channel's call to its answer
	ReplyStep                   // one reply into an open window
	StoreStep                   // one write of the store, until it is on disk where it is to be
	WitnessStep                 // the same write's entry in the witness
	TroubleStep                 // the store said that something is wrong that it can live with; it takes no time
)

var stepNames = [...]string{"hook", "take", "match", "run", "claim", "send", "settle", "ask", "reply", "store", "witness", "trouble"}

// String is the step's name in lower case.
func (k StepKind) String() string {
	if int(k) < len(stepNames) {
		return stepNames[k]
	}
	return ""
}

// Step is one step that has ended. No part of it names a person, and none is a text that came from outside: what stands in
// it is in the configuration or the rules, or is a number. Write, Event, Run, Page and Member say where in the path it belongs:
// a step of the same Write, or of the same Run where there is none, has the same cause.
type Step struct {
	Kind     StepKind
	Instance string // the channel or source; "api" for what an operator's call brought; "" where there is none
	Rule     string
	Topic    string
	Began    time.Time
	Took     time.Duration
	N        int     // how many: records taken, runs begun, members of a page, rows written
	Outcome  Outcome // of a SendStep, AskStep or ReplyStep
	Status   int     // of a HookStep: the HTTP status of its answer
	Failed   bool    // it ended with an error
	Hooked   bool    // of a TakeStep: it is part of a webhook, whose HookStep follows

	Write  uint64 // the number of the write that brought the cause; 0: none did, as for a cron line
	Event  uint64 // the event's number in the journal
	Run    RunID
	Page   uint64 // of a run's lane
	Member int    // of a page
}
