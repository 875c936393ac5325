// Why somebody did or did not get a message: from what was decided and recorded, decided once more for this one person.

package core

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
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

// reasons is the story of one consent.
func (h *Host) reasons(p otn.PersonID, c *ledger.Consent, rule string) ([]Reason, error) {
	story := []Reason{{At: c.GrantedAt, Topic: c.Topic, Subject: c.Subject, Consent: c.ID.String(), Verdict: "granted", Because: granted(c)}}
	decisions, err := h.ledger.LineDecisions(ledger.Line{Topic: c.Topic, Subject: c.Subject}, c.GrantedAt, reasonsAtMost)
	if err != nil {
		return nil, err
	}
	for _, d := range decisions {
		if d.At.Before(c.GrantedAt) || rule != "" && d.Rule != rule {
			continue
		}
		r := Reason{At: d.At, Rule: d.Rule, Topic: c.Topic, Subject: c.Subject, Consent: c.ID.String(), Verdict: d.Verdict.String(), Because: d.Because}
		if err := h.retell(p, c, d, &r); err != nil {
			return nil, err
		}
		story = append(story, r)
	}
	if c.State == ledger.Expired || c.State == ledger.Withdrawn {
		story = append(story, Reason{At: c.ExpiresAt, Topic: c.Topic, Subject: c.Subject, Consent: c.ID.String(), Verdict: string(c.State),
			Because: "the consent is " + string(c.State), Code: string(c.State)})
	}
	return story, nil
}

func granted(c *ledger.Consent) string {
	if c.Topic == "" {
		return "agreed, but to no topic that the rules declare: nothing can be sent until it is assigned one"
	}
	return "agreed to be told once"
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
			r.Verdict, r.Because, r.Code = "no", "another consent of the same person was used: one message per person and run", OtherConsent
			return nil
		}
	}
	return h.again(p, c, d, from, r)
}

// again decides once more, from the same facts, for this consent.
func (h *Host) again(p otn.PersonID, c *ledger.Consent, d ledger.Decision, from dispatch.Decided, r *Reason) error {
	if from.Version == "" {
		return nil
	}
	page, err := h.dispatch.Open(from)
	if err != nil {
		r.Because = fmt.Sprintf("cannot be told any more: %v", err)
		return nil
	}
	if err := h.dispatch.Meet(&c.Consent, p, h.config.Clock.Now()); err != nil {
		return err
	}
	r.Values = page.Explain(&c.Consent)
	if d.Verdict != otn.Yes {
		return nil
	}
	verdict := page.Select(&c.Consent)
	r.Verdict, r.Because, r.Code = verdict.String(), page.Because(), codeOf(verdict, from.Facts)
	if verdict != otn.Yes {
		return nil
	}
	if d.Run == (otn.RunID{}) {
		r.Because, r.Code = d.Because, waitCode(d.Because)
		return nil
	}
	_, unwritten := page.Render(&c.Consent, nil)
	return h.turn(p, c, d.Run, unwritten, r)
}

// turn says what became of somebody whom a decision meant, and whom its run has not told.
func (h *Host) turn(p otn.PersonID, c *ledger.Consent, id otn.RunID, unwritten error, r *Reason) error {
	run, err := h.RunByID(r.Run)
	if err != nil {
		return err
	}
	made, _, err := h.dispatch.Run(id)
	if err != nil {
		return err
	}
	waits := c.State == ledger.Waiting
	until, held := h.dispatch.Held(p, h.config.Clock.Now())
	switch {
	case made.Person != nil && *made.Person != p, made.Only != 0 && made.Only != c.Seq:
		r.Verdict, r.Because, r.Code = "no", "it was about somebody else", OtherPerson
		if made.Trigger != nil {
			r.Because = "the trigger named somebody else"
		}
		return nil
	case c.Seq >= made.Below:
		r.Verdict, r.Because, r.Code = "no", "the consent came after the event", TooLate
		return nil
	case run.State == dispatch.IsPaused:
		r.Because, r.Code = "its turn did not come: the run is paused: "+run.Why, Paused
		return nil
	case run.State == dispatch.IsHolding, run.State == dispatch.IsWaiting && run.Sent+run.Unknown+run.Refused == 0 && run.Seen == 0:
		r.Because, r.Code = "its turn has not come yet: "+run.Why, waitCode(run.Why)
		return nil
	case run.State == dispatch.IsCancelled:
		r.Verdict, r.Because, r.Code = "no", "the run was cancelled: "+run.Why, waitCode(run.Why)
		if r.Code == Turn {
			r.Code = Cancelled
		}
		return nil
	case held && waits:
		r.Because, r.Code = "left alone until "+until.UTC().Format(time.RFC3339)+", as the channel asked", LeftAlone
		return nil
	}
	if with, told, err := h.dispatch.With(id, p); err != nil || told {
		r.Verdict, r.Because, r.Code = "no", "told of it in the message "+with.String()+", which gathered what there was; this consent waits on", OtherConsent
		return err
	}
	return h.stillMeant(p, c, made, run, unwritten, r)
}

// stillMeant says why somebody whom a run looked at was passed over: for now, or by it. unwritten is why their message
// cannot be made, nil where it can.
func (h *Host) stillMeant(p otn.PersonID, c *ledger.Consent, made *dispatch.Run, run RunView, unwritten error, r *Reason) error {
	open := run.State == dispatch.IsRunning || run.State == dispatch.IsWaiting
	if c.State != ledger.Waiting {
		r.Verdict, r.Because, r.Code = "no", "the consent was used by another run", OtherRun
		if open {
			r.Because, r.Code = "its turn has not come yet", Turn
		}
		if c.State == ledger.Expired || c.State == ledger.Withdrawn {
			r.Because, r.Code = "the consent is "+string(c.State), string(c.State)
		}
		return nil
	}
	meant, why, until, err := h.dispatch.Look(made, c.Seq, h.config.Clock.Now())
	switch {
	case err != nil:
		return err
	case !meant:
		r.Verdict, r.Because, r.Code = "no", "no longer true when its turn came", NoLongerTrue
		if why != "" {
			r.Because += ": " + why
		}
	case open && !until.IsZero():
		r.Because, r.Code = why+": its turn comes at "+until.UTC().Format(time.RFC3339), waitCode(why)
		if strings.HasPrefix(why, "left alone") {
			r.Because = "left alone until " + until.UTC().Format(time.RFC3339) + ", after as many messages as the rule allows"
		}
	case open && why != "":
		r.Verdict, r.Because, r.Code = "no", why, waitCode(why)
	case open && run.Until.IsZero():
		r.Because, r.Code = "its turn has not come yet", Turn
	case open:
		r.Because, r.Code = "its turn has not come yet: "+run.Why+" begins at "+run.Until.UTC().Format(time.RFC3339), waitCode(run.Why)
	case waitCode(run.Why) == NotAfter:
		r.Verdict, r.Because, r.Code = "no", run.Why, NotAfter
	case unwritten != nil:
		r.Verdict, r.Because, r.Code = "failed", strings.TrimSuffix(unwritten.Error(), ": "+otn.ErrInvalid.Error()), Failed
	case why != "":
		r.Verdict, r.Because, r.Code = "no", why, waitCode(why)
	case run.Why != "":
		r.Verdict, r.Because, r.Code = "no", run.Why, waitCode(run.Why)
	default:
		r.Verdict, r.Because, r.Code = "no", "no longer true when its turn came", NoLongerTrue
	}
	return nil
}

// waitCode is the code of what dispatch says of a run, or of somebody's turn in it.
func waitCode(words string) string {
	for _, w := range []struct{ begins, code string }{
		{"held until", OnHold}, {"everybody whom it selects is held", OnHold}, {"the condition did not stay true", HoldBroken},
		{"gathers", Gathering}, {"spread over", Spread}, {"outside the hours", QuietHours}, {"left alone", Limit}, {"its limit of", Limit},
		{"nothing is sent after", NotAfter}, {"the next wave", NextWave},
	} {
		if strings.HasPrefix(words, w.begins) {
			return w.code
		}
	}
	return Turn
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
