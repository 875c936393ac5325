// The codes of reasons: why somebody was not told, or not yet. They are stable: tests of merchants and scripts go by them.

package core

import (
	"regexp"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// The codes of reasons; Reasons says what each means. A delivery has the name of its outcome.
const (
	WhenFalse    = "when_false"
	Undecided    = "undecided"
	Failed       = "failed"
	FirstSight   = "first_sight"
	WasTrue      = "was_true"
	NoLongerTrue = "no_longer_true"
	TooLate      = "too_late"
	NoTopic      = "no_topic"
	OtherConsent = "other_consent"
	OtherPerson  = "other_person"
	OtherRun     = "other_run"
	OtherAccount = dispatch.OtherAccount
	LeftAlone    = "left_alone"
	Paused       = "paused"
	OnHold       = dispatch.OnHold
	HoldBroken   = dispatch.HoldBroken
	Gathering    = dispatch.OnGathering
	QuietHours   = dispatch.OutsideHours
	Spread       = dispatch.OnSpread
	Limit        = dispatch.LimitReached
	NextWave     = dispatch.NextWave
	NotAfter     = dispatch.Ended
	Cancelled    = dispatch.ByOperator
	Turn         = "turn"
	Expired      = string(ledger.Expired)
	Withdrawn    = string(ledger.Withdrawn)
	Stopped      = "stopped"
)

// Reasons lists the codes with what each says.
func Reasons() map[string]string {
	return map[string]string{
		WhenFalse:    "the condition is false for them",
		Undecided:    "a fact that the condition needs is not known",
		Failed:       "the condition or the text could not be evaluated",
		FirstSight:   "the subject was seen for the first time",
		WasTrue:      "it was true before: no news",
		NoLongerTrue: "it was true, and is no more now that their turn has come",
		TooLate:      "the consent came after the event",
		NoTopic:      "they agreed to nothing that the rules declare",
		OtherConsent: "another consent of the person was used: one message per person and run",
		OtherPerson:  "the trigger named somebody else",
		OtherRun:     "the consent was used by another run",
		OtherAccount: "the consent was given to another account of the channel",
		LeftAlone:    "the channel wants the person left alone for a while",
		Paused:       "the run waits for an operator",
		OnHold:       "the rule holds: it must stay true for a while first",
		HoldBroken:   "it did not stay true for as long as the rule holds",
		Gathering:    "the rule gathers what each person is told of",
		QuietHours:   "outside the hours in which messages go out",
		Spread:       "the messages of the run are spread over time",
		Limit:        "as many messages as the rule allows were sent: to the person, or by the run",
		NextWave:     "left for the next wave",
		NotAfter:     "the moment behind which nothing is sent has passed",
		Cancelled:    "an operator cancelled the run",
		Turn:         "their turn has not come yet",
		Expired:      "the consent has expired",
		Withdrawn:    "the consent was withdrawn",
		Stopped:      "they wanted to hear no more",

		otn.Refused.String():  "the platform refused for good",
		otn.Deferred.String(): "put off, nothing left",
		otn.Invalid.String():  "the message or the configuration is at fault, nothing left",
		otn.Unknown.String():  "nobody can tell whether it arrived",
		"sending":             "on its way",
	}
}

// InZone writes the moments in a reason's words, which are in UTC, as show does.
func InZone(words string, show func(time.Time) string) string {
	utc := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	return utc.ReplaceAllStringFunc(words, func(text string) string {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return text
		}
		return show(t)
	})
}
