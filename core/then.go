// What a topic says right after a consent: once, into the open window, without a token.

package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// thenKept says that something was said after a consent. Without an outcome nobody can tell: it is being said, or the
// daemon died right then. It is never said again.
type thenKept struct {
	At      time.Time    `json:"at"`
	Outcome *otn.Outcome `json:"outcome,omitempty"`
}

// reply is what is to be said after a consent.
type reply struct {
	then    *intake.Then
	consent *ledger.Consent
	message otn.Message
	off     time.Time  // not now: then
	window  ledger.Doc // of the person, as it was
	silence ledger.Doc // likewise
}

// carryThen says what a topic says after a consent. It leaves the timer on disk where ctx ends first.
func (h *Host) carryThen(ctx context.Context, t ledger.Timer) error {
	store := context.WithoutCancel(ctx)
	done := &ledger.Batch{Done: []ledger.TimerID{t.TimerID}}
	s, err := intake.ReadThen(t)
	if err != nil {
		return err
	}
	for turned := false; ; turned = true {
		r, because, err := h.toSay(ctx, s)
		switch {
		case err != nil:
			return err
		case r == nil:
			return h.ledger.Commit(store, done)
		case because != "":
			done.Decisions = append(done.Decisions, r.story(h.config.Clock.Now(), nil, because))
			return h.ledger.Commit(store, done)
		case !r.off.IsZero():
			return h.sayLater(store, t, s, r.off)
		case turned:
			if err := h.say(store, t, r); !errors.Is(err, otn.ErrConflict) {
				return err
			}
		case !h.dispatch.Turn(ctx, s.Channel):
			return nil
		}
	}
}

// toSay looks at what is to be said with the facts as they are now. because says why it is not; without a reply there is nothing to say.
func (h *Host) toSay(ctx context.Context, s *intake.Then) (r *reply, because string, err error) {
	c, ok, err := h.ledger.Consent(s.Consent)
	if err != nil || !ok || c.State != ledger.Waiting && c.State != ledger.Claimed {
		return nil, "", err // it is spent or ended: what it was for has happened
	}
	if _, said, err := h.ledger.Doc(intake.ThenKey(c.Person, c.ID)); err != nil || said {
		return nil, "", err
	}
	topic, ok := h.Rules().Topic(c.Topic)
	if !ok && s.Follow == "" {
		return nil, "", nil
	}
	r = &reply{then: s, consent: &c}
	now := h.config.Clock.Now()
	if because, err = h.maySpeak(r, now); because != "" || err != nil {
		return r, because, err
	}
	can, err := h.dispatch.Can(ctx, s.Channel)
	if err != nil { // it is down: when it is there again
		r.off = now.Add(putOffWaits[0])
		return r, "", nil
	}
	if !can.Replies {
		return r, "the channel says nothing without a token", nil
	}
	if d, off := h.rested(s.Channel, c.Person, now); off {
		r.off = d.again
		return r, "", nil
	}
	if s.Follow != "" {
		return r, "", nil
	}
	snap, err := h.subjectOf(topic, c.Subject)
	if err != nil {
		return r, "", err
	}
	r.message, ok, err = h.Rules().Then(&c.Consent, snap, &can)
	switch {
	case err != nil && !errors.Is(err, otn.ErrStore):
		return r, inWords(err), nil
	case err != nil || !ok:
		return nil, "", err
	}
	return r, "", nil
}

// maySpeak says why nothing may be said to somebody now, "" where it may, and notes what it found.
func (h *Host) maySpeak(r *reply, now time.Time) (because string, err error) {
	var silent bool
	if silent, r.silence, err = intake.Silent(h.ledger, r.consent.Person, r.consent.Topic); err != nil || silent {
		return inWords(otn.ErrRefused), err
	}
	var window intake.Open
	window, r.window, err = h.windowOf(r.consent.Person)
	if !closing(window).After(now) {
		return "the window has closed", err
	}
	return "", err
}

// sayLater sets the timer anew; it is for maySpeak to see whether the window is still open then.
func (h *Host) sayLater(ctx context.Context, t ledger.Timer, s *intake.Then, due time.Time) error {
	err := h.ledger.Commit(ctx, &ledger.Batch{Done: []ledger.TimerID{t.TimerID}, Timers: []ledger.Timer{s.Timer(due)}})
	h.ticked()
	return err
}

// say says it. That it is said is on disk before. Errors: otn.ErrConflict when somebody else says it, or changed what it was
// decided from.
func (h *Host) say(ctx context.Context, t ledger.Timer, r *reply) error {
	c, now := r.consent, h.config.Clock.Now()
	kept := &ledger.Doc{Key: intake.ThenKey(c.Person, c.ID), Value: mustJSON(thenKept{At: now}), Expect: ledger.Fresh}
	begun := &ledger.Batch{Docs: []*ledger.Doc{kept, still(r.window), still(r.silence)}, Done: []ledger.TimerID{t.TimerID}}
	if err := h.ledger.Commit(ctx, begun); err != nil {
		return err
	}
	_, answer := h.dispatch.Reply(ctx, otn.Delivery{
		ID: dispatch.ReplyID(c.ID, subjectNamed(c), c.Person, c.GrantedAt), Channel: r.then.Channel, Reply: true, Subscriber: c.Subscriber,
		Follow: r.then.Follow, Message: r.message, Attempt: r.then.Tries + 1,
	})
	return h.said(ctx, kept, r, answer)
}

// said writes down how it ended. What certainly did not leave is said later.
func (h *Host) said(ctx context.Context, kept *ledger.Doc, r *reply, answer error) error {
	now := h.config.Clock.Now()
	outcome, se := otn.OutcomeOf(answer)
	end := &ledger.Doc{Key: kept.Key, Rev: kept.Rev, Value: mustJSON(thenKept{At: now, Outcome: &outcome})}
	b := &ledger.Batch{Docs: []*ledger.Doc{end}}
	if outcome == otn.Deferred && !errors.Is(answer, otn.ErrOutsideWindow) {
		next := *r.then
		next.Tries++
		end.Value = nil
		b.Timers = append(b.Timers, next.Timer(now.Add(waitOf(se, r.then.Tries))))
	} else {
		b.Decisions = append(b.Decisions, r.story(now, answer, ""))
	}
	if err := h.ledger.Commit(ctx, b); errors.Is(err, otn.ErrConflict) {
		return nil // they were erased meanwhile: of what was said to them nothing is kept
	} else if err != nil {
		return err
	}
	if len(b.Timers) > 0 {
		h.ticked()
	}
	return h.shut(ctx, r.window, answer)
}

// story is for why.
func (r *reply) story(now time.Time, answer error, because string) ledger.Decision {
	c := r.consent
	d := ledger.Decision{Line: ledger.Line{Topic: c.Topic, Subject: c.Subject}, Person: c.Person, At: now, Because: because, Facts: mustJSON(story{Kind: thenStory})}
	if because != "" {
		return d
	}
	outcome, se := otn.OutcomeOf(answer)
	d.Facts = mustJSON(story{Kind: thenStory, Outcome: &outcome})
	switch outcome {
	case otn.Sent:
		d.Verdict, d.Because = otn.Yes, fmt.Sprintf("%q", r.message.Text)
		if f := r.then.Follow; f != "" {
			d.Because = "the channel went on with " + f
		}
	case otn.Unknown:
		d.Verdict, d.Because = otn.Failed, "nobody can tell whether it arrived: "+words(se)
	default:
		d.Because = "it certainly did not arrive: " + words(se)
	}
	return d
}

// subjectNamed is what a consent is about, for an id: the kind does not matter there.
func subjectNamed(c *ledger.Consent) otn.Subject { return otn.Subject{ID: c.Subject} }
