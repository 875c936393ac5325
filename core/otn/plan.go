// How a run is carried out over time: what it waits for, how many it tells at once, in which order and at which hours.

package otn

import "time"

// Plan is how the runs of one rule are carried out, as far as it is the same for everybody. The zero Plan tells everybody
// at once, oldest first. What depends on the facts is asked of the Page: Size, Ends, Rank.
type Plan struct {
	Hold     time.Duration `json:"hold,omitempty"`     // how long somebody must stay selected before anybody is told
	Coalesce time.Duration `json:"coalesce,omitempty"` // how long one person's matches of the rule are gathered into one gallery
	Every    time.Duration `json:"every,omitempty"`    // between two waves; 0: no waves. How many a wave tells is Page.Size
	Newest   bool          `json:"newest,omitempty"`   // newest first
	Ranked   bool          `json:"ranked,omitempty"`   // Page.Rank comes before the age
	Hours    Hours         `json:"hours,omitzero"`
	Spread   time.Duration `json:"spread,omitempty"` // over which the messages of a run are spread evenly
	Ends     bool          `json:"ends,omitempty"`   // nothing is sent behind Page.Ends
	Limits   Limits        `json:"limits,omitzero"`

	WhileTrue bool `json:"while_true,omitempty"` // a consent that is given while the condition holds is told at once
}

// Budgeted reports that the runs count whom they tell: in waves, or up to a limit.
func (p *Plan) Budgeted() bool { return p.Every > 0 || p.Limits.PerRun > 0 }

// Hours are the hours of a day in which messages may go out, in minutes of the local day. From and To are both 0 for the
// whole day; a To before From reaches over midnight.
type Hours struct {
	From       int    `json:"from,omitempty"`
	To         int    `json:"to,omitempty"`
	TZ         string `json:"tz,omitempty"`         // IANA zone
	Subscriber bool   `json:"subscriber,omitempty"` // each in the subscriber's own zone; TZ where that is not known
	Skip       bool   `json:"skip,omitempty"`       // whose hour it is not waits for another event, rather than for the hour
}

// Set reports whether there are hours to keep.
func (h Hours) Set() bool { return h.From != h.To }

// Open reports whether a local time is within the hours, From included and To not, and when they begin next. Clock and
// days are those of at's own location: hours whose beginning the clocks skip begin when they have skipped it, and hours
// that come twice count both times.
func (h Hours) Open(at time.Time) (open bool, next time.Time) {
	if h.has(at) {
		return true, at
	}
	for {
		begin := at.Add(h.until(at))
		_, change := at.ZoneBounds() // up to there the clock runs evenly
		switch {
		case change.IsZero() || begin.Before(change):
			return false, begin
		case h.has(change):
			return false, change
		}
		at = change
	}
}

func (h Hours) has(at time.Time) bool {
	minute := at.Hour()*60 + at.Minute()
	if h.From <= h.To {
		return !h.Set() || minute >= h.From && minute < h.To
	}
	return minute >= h.From || minute < h.To
}

// until is how long it is to From on a clock that runs evenly.
func (h Hours) until(at time.Time) time.Duration {
	const day = 24 * time.Hour
	since := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second + time.Duration(at.Nanosecond())
	return (time.Duration(h.From)*time.Minute - since + day) % day
}

// Limits bound what a rule may send. Zero is no limit.
type Limits struct {
	PerRun       int64         `json:"per_run,omitempty"`        // messages of one run
	Messages     int           `json:"messages,omitempty"`       // to one subscriber, through this rule and all others, …
	Within       time.Duration `json:"within,omitempty"`         // … in this time
	PauseShare   float64       `json:"pause_share,omitempty"`    // a run that would reach more than this share of who waits on its line, …
	PauseAtLeast int64         `json:"pause_at_least,omitempty"` // … and more than this many, waits for an operator before its first send
}

// Pauses reports whether a run that reaches so many of those who wait needs an operator's word first.
func (l *Limits) Pauses(reaches, waiting int64) bool {
	return (l.PauseShare > 0 || l.PauseAtLeast > 0) && reaches > l.PauseAtLeast && float64(reaches) > l.PauseShare*float64(waiting)
}

// AskRule says when people are asked for consent by themselves, always inside their open window.
type AskRule struct {
	ID    string
	Topic string        // empty: on a referral, the one that the link names
	On    string        // window.opened, referral, trigger.NAME
	After time.Duration // after what it is on, by a timer on disk
	When  string        // as written, "" for always
	File  string
	Line  int
}

// The causes of an AskRule, beside trigger.NAME.
const (
	WindowOpened = "window.opened"
	Referred     = "referral"
)

// AskFacts is what an AskRule decides from.
type AskFacts struct {
	Rule    string
	At      time.Time
	Person  Person
	Ref     *Ref     // of a referral
	Rest    string   // of a referral: what its ref says beyond topic and subject, or the whole of one that names no topic
	Trigger *Trigger // of a trigger
	Now     Snapshot // the subject that is asked about, where there is one
}

// Person is what a condition may know of a subscriber beside one consent.
type Person struct {
	Channel  string
	TZ       string // IANA zone, where known
	Locale   string // BCP 47 tag, where known
	Tags     []string
	Consents int64 // that wait now, of all topics
}
