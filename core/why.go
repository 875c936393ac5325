// Why somebody did or did not get a message: from what was decided and recorded, decided once more for this one person.

package core

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// reasonsAtMost bounds the decisions looked at for one consent.
const reasonsAtMost = 200

// Why tells everything that is known of a person's consents and what became of them, of what they were asked, and why not,
// oldest first. rule, when it is not empty, leaves out what other rules and asks decided. Errors: otn.ErrNotFound for somebody
// of whom nothing is known.
func (h *Host) Why(channel, subscriber, rule string) (Why, error) {
	if err := h.isOpen(); err != nil {
		return Why{}, err
	}
	person := h.ledger.Person(channel, subscriber)
	consents, err := h.ledger.Of(person)
	if err != nil {
		return Why{}, err
	}
	w := Why{Channel: channel, Subscriber: subscriber}
	if w.Reasons, err = h.personal(person, rule); err != nil {
		return Why{}, err
	}
	if len(consents) == 0 && len(w.Reasons) == 0 {
		return Why{}, fmt.Errorf("core: nothing is known of %s through %s: %w", subscriber, channel, otn.ErrNotFound)
	}
	for i := range consents {
		c := &consents[i]
		w.Consents = append(w.Consents, consentView(c))
		reasons, err := h.reasons(person, c, rule)
		if err != nil {
			return Why{}, err
		}
		w.Reasons = append(w.Reasons, reasons...)
	}
	slices.SortStableFunc(w.Reasons, func(a, b Reason) int { return a.At.Compare(b.At) })
	return w, nil
}

// reasons is the story of one consent: as long as it waited, each decision about its line was about it.
func (h *Host) reasons(p otn.PersonID, c *ledger.Consent, rule string) ([]Reason, error) {
	if c.State == ledger.Waiting && !waits(c, h.config.Clock.Now()) { // and nobody has swept it up yet
		gone := *c
		gone.State, gone.Left = ledger.Expired, c.ExpiresAt
		c = &gone
	}
	story := []Reason{granted(c)}
	decisions, err := h.ledger.LineDecisions(ledger.Line{Topic: c.Topic, Subject: c.Subject}, c.GrantedAt, lastOf(c), reasonsAtMost)
	if err != nil {
		return nil, err
	}
	for _, d := range decisions {
		if rule != "" && d.Rule != rule {
			continue
		}
		r := about(c, d.At)
		r.Rule, r.Verdict, r.Because = d.Rule, d.Verdict.String(), d.Because
		if err := h.retell(p, c, d, &r); err != nil {
			return nil, err
		}
		story = append(story, r)
	}
	if r, ended, err := h.unused(p, c); err != nil || ended {
		return append(story, r), err
	}
	return story, nil
}

// about is a reason about a consent.
func about(c *ledger.Consent, at time.Time) Reason {
	return Reason{At: at, Topic: c.Topic, Subject: c.Subject, Consent: c.ID.String()}
}

// lastOf is when a consent was decided about for the last time; zero while it waits. Its end is known to the millisecond.
func lastOf(c *ledger.Consent) time.Time {
	if c.Left.IsZero() {
		return time.Time{}
	}
	return c.Left.Add(time.Millisecond)
}

func granted(c *ledger.Consent) Reason {
	r := about(c, c.GrantedAt)
	r.Verdict, r.Because = "granted", "agreed to be told once"
	if c.Topic == "" {
		r.Because, r.Code = "agreed, but to no topic that the rules declare: nothing can be sent until it is assigned one", NoTopic
	}
	return r
}

// unused tells of the end of a consent that expired, or was withdrawn.
func (h *Host) unused(p otn.PersonID, c *ledger.Consent) (Reason, bool, error) {
	r := about(c, c.Left)
	if r.Verdict = string(c.State); c.State != ledger.Expired && c.State != ledger.Withdrawn {
		return r, false, nil
	}
	r.Because, r.Code = Reasons()[r.Verdict], r.Verdict
	if r.Verdict == Expired {
		r.Because += ": nothing can be sent for it any more"
		return r, true, nil
	}
	stops, err := intake.Stops(h.ledger, p)
	for _, topic := range []string{c.Topic, ""} {
		if at, stopped := stops[topic]; stopped && !at.Before(c.GrantedAt) && at.Before(lastOf(c)) {
			r.Because, r.Code = Reasons()[Stopped], Stopped
		}
	}
	return r, true, err
}

// retell says what a decision meant for one person: how their delivery ended, or what their own half of the rule gave.
func (h *Host) retell(p otn.PersonID, c *ledger.Consent, d ledger.Decision, r *Reason) error {
	var from dispatch.Decided
	if len(d.Facts) > 0 {
		if err := json.Unmarshal(d.Facts, &from); err != nil {
			return err
		}
	}
	r.Code = codeOf(d.Verdict, from.Facts)
	if d.Run != (otn.RunID{}) {
		r.Run = d.Run.String()
		told, ok, err := h.ledger.Told(d.Run, p)
		if err != nil {
			return err
		}
		if ok && told.Token == c.ID {
			r.Verdict, r.Because, r.At = outcome(told), deliveryWords(told), told.At
			r.Code = r.Verdict
			return nil
		}
		if ok {
			r.no("another consent of the same person was used: one message per person and run", OtherConsent)
			return nil
		}
	}
	return h.again(p, c, d, from, r)
}

// again decides once more, from the same facts, for this consent. Of one that has ended nobody knows any more what it asked
// for: of it only that is said which was the same for everybody.
func (h *Host) again(p otn.PersonID, c *ledger.Consent, d ledger.Decision, from dispatch.Decided, r *Reason) error {
	if from.Version == "" {
		return nil
	}
	page, err := h.dispatch.Open(from)
	if err != nil {
		r.Because = fmt.Sprintf("cannot be told any more: %v", err)
		return nil
	}
	var unwritten error
	whole := !c.Token.IsZero()
	if whole {
		if err := h.dispatch.Meet(&c.Consent, p, h.config.Clock.Now()); err != nil {
			return err
		}
		r.Values = page.Explain(&c.Consent)
	}
	if d.Verdict != otn.Yes {
		return nil
	}
	if whole {
		verdict := page.Select(&c.Consent)
		r.Verdict, r.Because, r.Code = verdict.String(), page.Because(), codeOf(verdict, from.Facts)
		if verdict != otn.Yes {
			return nil
		}
		_, unwritten = page.Render(&c.Consent, nil)
	}
	if d.Run == (otn.RunID{}) {
		r.Because, r.Code = d.Because, OnHold // by an earlier run: no other decision to tell makes none
		return nil
	}
	return h.turn(p, c, d.Run, unwritten, r)
}

// no says that a consent is not told by a run, and why.
func (r *Reason) no(because, code string) { r.Verdict, r.Because, r.Code = "no", because, code }

// wait says that the turn of a consent has not come, and why.
func (r *Reason) wait(because, code string) { r.Because, r.Code = because, code }

// turn says what became of somebody whom a decision meant, and whom its run has not told.
func (h *Host) turn(p otn.PersonID, c *ledger.Consent, id otn.RunID, unwritten error, r *Reason) error {
	run, err := h.dispatch.Stand(id)
	if err != nil {
		return err
	}
	made, _, err := h.dispatch.Run(id)
	if err != nil {
		return err
	}
	until, held := h.dispatch.Held(p, h.config.Clock.Now())
	switch {
	case made.Person != nil && *made.Person != p, made.Only != 0 && made.Only != c.Seq:
		r.no("it was about somebody else", OtherPerson)
		if made.Trigger != nil {
			r.Because = "the trigger named somebody else"
		}
		return nil
	case c.Seq >= made.Below:
		r.no("the consent came after the event", TooLate)
		return nil
	case run.State == dispatch.IsCancelled:
		r.no("the run was cancelled: "+run.Why, run.Code)
		return nil
	case !c.Left.IsZero():
		r.no("the consent was used by another run", OtherRun)
		if c.State == ledger.Expired || c.State == ledger.Withdrawn {
			r.no("not told by it; what the consent asked for was forgotten at its end: "+Reasons()[string(c.State)], string(c.State))
		}
		return nil
	case run.State == dispatch.IsPaused:
		r.wait("its turn did not come: the run is paused: "+run.Why, Paused)
		return nil
	case run.Code == OnHold, run.Code == Gathering:
		r.wait("its turn has not come yet: "+run.Why, run.Code)
		return nil
	case held && c.State == ledger.Waiting:
		r.wait("left alone until "+until.UTC().Format(time.RFC3339)+", as the channel asked", LeftAlone)
		return nil
	}
	if with, told, err := h.dispatch.With(id, p); err != nil || told {
		r.no("told of it in the message "+with.String()+", which gathered what there was; this consent waits on", OtherConsent)
		return err
	}
	return h.stillMeant(c, made, run, unwritten, r)
}

// stillMeant says why somebody whom a run looked at was passed over: for now, or by it. unwritten is why their message
// cannot be made, nil where it can.
func (h *Host) stillMeant(c *ledger.Consent, made *dispatch.Run, run dispatch.Standing, unwritten error, r *Reason) error {
	open := run.State == dispatch.IsRunning || run.State == dispatch.IsWaiting
	if c.State != ledger.Waiting {
		r.no("the consent was used by another run", OtherRun)
		if open {
			r.wait("its turn has not come yet", Turn)
		}
		return nil
	}
	meant, why, until, err := h.dispatch.Look(made, c.Seq, h.config.Clock.Now(), !open)
	switch {
	case err != nil:
		return err
	case !meant:
		r.no("no longer true when its turn came", NoLongerTrue)
		if why.Words != "" {
			r.Because += ": " + why.Words
		}
	case !h.dispatch.Spends(c.Channel, c.Token):
		r.no(dispatch.AnotherAccount, OtherAccount)
	case why != (dispatch.Why{}) && until.IsZero():
		r.no(why.Words, why.Code)
	case open:
		r.comes(run, why, until)
	case run.Code == Limit, run.Code == NotAfter, run.Code == OtherAccount:
		r.no(run.Why, run.Code)
	case unwritten != nil:
		r.Verdict, r.Because, r.Code = "failed", strings.TrimSuffix(unwritten.Error(), ": "+otn.ErrInvalid.Error()), Failed
	default:
		r.no("no longer true when its turn came", NoLongerTrue)
	}
	return nil
}

// comes says when the turn of somebody comes in a run that goes on: by what holds them back themselves, or all of it.
func (r *Reason) comes(run dispatch.Standing, why dispatch.Why, until time.Time) {
	switch at := until.UTC().Format(time.RFC3339); {
	case why.Code == Limit:
		r.wait("left alone until "+at+", after as many messages as the rule allows", Limit)
	case why.Code != "":
		r.wait(why.Words+": its turn comes at "+at, why.Code)
	case run.Until.IsZero():
		r.wait("its turn has not come yet", Turn)
	default:
		r.wait("its turn has not come yet: "+run.Why+" begins at "+run.Until.UTC().Format(time.RFC3339), cmp.Or(run.Code, Turn))
	}
}

// codeOf is the code of a decision from facts.
func codeOf(v otn.Verdict, f otn.Facts) string {
	switch v {
	case otn.Undecided:
		return Undecided
	case otn.Failed:
		return Failed
	case otn.Holds:
		if f.First || f.Last.Now.IsZero() && f.Last.At.IsZero() {
			return FirstSight
		}
		return WasTrue
	case otn.Yes:
		return ""
	}
	return WhenFalse
}

// deliveryWords is how a delivery ended, in words.
func deliveryWords(d ledger.Delivery) string {
	words := map[otn.Outcome]string{
		otn.Sent: "the platform accepted the message", otn.Refused: "the platform refused for good", otn.Deferred: "put off, nothing left",
		otn.Invalid: "the message or the configuration is at fault, nothing left", otn.Unknown: "nobody can tell whether it arrived",
	}[d.Outcome]
	if d.Open {
		words = "on its way"
	}
	if d.Probably {
		words = "probably delivered: the platform says that the token is used"
	}
	if d.Code != "" && d.Outcome != otn.Sent {
		words += " [" + d.Code + "]"
	}
	if d.Detail != "" {
		words += ": " + d.Detail
	}
	return words
}
