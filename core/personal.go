// What is known of a person beside their consents, and the story of what they were asked and told: for rules, and for why.

package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// The kinds of decisions that are about one person.
const (
	askStory  = "ask"
	thenStory = "then"
	tagStory  = "tags"
)

// story is what a decision about one person holds beside its words.
type story struct {
	Kind    string       `json:"kind"`
	Outcome *otn.Outcome `json:"outcome,omitempty"` // of what was made
}

// personFacts is what a condition may know of a person.
func (h *Host) personFacts(channel string, p otn.PersonID, now time.Time) (otn.Person, error) {
	who := otn.Person{Channel: channel}
	consents, err := h.ledger.Of(p)
	if err != nil {
		return who, err
	}
	for i := range consents {
		c := &consents[i]
		if !waits(c, now) {
			continue
		}
		who.Consents++
		if c.TZ != "" {
			who.TZ = c.TZ
		}
		if c.Locale != "" {
			who.Locale = c.Locale
		}
	}
	who.Tags, _, err = h.tagsOf(p)
	return who, err
}

// inWords says why somebody is not asked.
func inWords(err error) string {
	for _, w := range []struct {
		err   error
		words string
	}{
		{otn.ErrOutsideWindow, "the window in which they may be asked has closed"},
		{otn.ErrAlreadyGiven, "they wait for it already"},
		{otn.ErrAlreadyAsked, "they were asked for it in the last 24 hours"},
		{otn.ErrRefused, "they want to hear no more"},
		{otn.ErrExpired, "it came too late"},
	} {
		if errors.Is(err, w.err) {
			return w.words
		}
	}
	return err.Error()
}

// notAsked is for why: an ask that was not made.
func notAsked(p otn.PersonID, rule, topic, subject string, now time.Time, v otn.Verdict, because string) ledger.Decision {
	return ledger.Decision{
		Line: ledger.Line{Topic: topic, Subject: subject}, Person: p, At: now, Rule: rule, Verdict: v, Because: because,
		Facts: mustJSON(story{Kind: askStory}),
	}
}

// story is for why: how an ask ended that a channel was given.
func (a *asking) story(now time.Time, answer error) ledger.Decision {
	outcome, se := otn.OutcomeOf(answer)
	d := notAsked(a.person, a.rule, a.ask.Topic, a.ask.Subject, now, otn.No, "")
	d.Facts = mustJSON(story{Kind: askStory, Outcome: &outcome})
	switch {
	case outcome == otn.Sent:
		d.Verdict, d.Because = otn.Yes, fmt.Sprintf("%q", a.ask.Title)
	case outcome == otn.Unknown:
		d.Verdict, d.Because = otn.Failed, "nobody can tell whether it arrived, so it is not asked again in this window: "+words(se)
	case errors.Is(answer, otn.ErrOutsideWindow):
		d.Because = "the platform says that the window has closed: " + words(se)
	case errors.Is(answer, otn.ErrAlreadyAsked):
		d.Because = "the platform says that they were asked already: " + words(se)
	default:
		d.Because = "it certainly did not arrive: " + words(se)
	}
	return d
}

// personal is what happened to a person beside their consents: asks, what was said after a consent, tags.
func (h *Host) personal(p otn.PersonID, rule string) ([]Reason, error) {
	var all []Reason
	decisions, err := h.ledger.DecisionsOf(p, reasonsAtMost)
	if err != nil {
		return nil, err
	}
	for _, d := range decisions {
		if rule == "" || d.Rule == rule {
			all = append(all, reasonOf(d))
		}
	}
	more, err := h.openAsks(p)
	if err != nil {
		return nil, err
	}
	for _, r := range more {
		if rule == "" || r.Rule == rule {
			all = append(all, r)
		}
	}
	return all, nil
}

// reasonOf tells a decision about one person.
func reasonOf(d ledger.Decision) Reason {
	r := Reason{At: d.At, Rule: d.Rule, Topic: d.Line.Topic, Subject: d.Line.Subject, Verdict: d.Verdict.String(), Because: d.Because}
	var s story
	if json.Unmarshal(d.Facts, &s) != nil {
		return r
	}
	did, not := "asked", "not asked"
	if s.Kind == thenStory {
		did, not = "said", "not said"
	}
	switch {
	case s.Kind == tagStory:
		r.Verdict = "tagged"
	case s.Kind == intake.LateStory:
		r.Verdict = "not delivered"
	case d.Verdict == otn.Yes:
		r.Verdict = did
	case s.Outcome != nil && *s.Outcome == otn.Unknown:
		r.Verdict = otn.Unknown.String()
	case s.Kind != "":
		r.Verdict = not
		if d.Verdict == otn.Undecided || d.Verdict == otn.Failed {
			r.Because = d.Verdict.String() + ": " + d.Because
		}
	}
	return r
}

// openAsks are the asks that have not ended: those to come, and those of which nobody knows whether they were made. What was
// being said after a consent is told likewise.
func (h *Host) openAsks(p otn.PersonID) ([]Reason, error) {
	var all []Reason
	planned, err := h.ledger.Docs(intake.PlannedOf(p), "", maxLimit)
	if err != nil {
		return nil, err
	}
	for _, doc := range planned {
		ask, err := intake.ReadPlanned(h.ledger, doc)
		if err != nil {
			return nil, err
		}
		r := Reason{At: ask.Due, Rule: ask.Rule, Topic: ask.Topic, Subject: ask.Subject, Verdict: "planned", Because: "on " + ask.On + "; decided then"}
		if ask.Off != "" {
			r.Because += ": " + ask.Off
		}
		all = append(all, r)
	}
	asked, err := h.asksOf(p)
	for _, a := range asked {
		if a.Outcome == nil {
			all = append(all, Reason{At: a.At, Rule: a.Rule, Topic: a.Topic, Subject: a.Subject, Verdict: otn.Unknown.String(),
				Because: "it was being asked and no answer came"})
		}
	}
	if err != nil {
		return nil, err
	}
	said, err := h.ledger.Docs(intake.ThenPrefix+p.String()+"/", "", maxLimit)
	for _, doc := range said {
		var s thenKept
		if err := json.Unmarshal(doc.Value, &s); err != nil {
			return nil, err
		}
		if s.Outcome == nil {
			all = append(all, Reason{At: s.At, Verdict: otn.Unknown.String(), Because: "what follows a consent was being said and no answer came"})
		}
	}
	return all, err
}

// asksOf are the asks that a person got, the last one for each topic and subject.
func (h *Host) asksOf(p otn.PersonID) (list []askKept, err error) {
	docs, err := h.ledger.Docs(askedOf(p), "", maxLimit)
	if err != nil {
		return nil, err
	}
	for _, doc := range docs {
		var a askKept
		if err := json.Unmarshal(doc.Value, &a); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}
