// One request for consent, from the decision to its answer: whoever wants it, it is on disk before it is made.

package core

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// windowMargin is the time before its end at which a window counts as closed, so that nothing arrives too late.
const windowMargin = 5 * time.Minute

// askKept is a request for consent that was made. Without an outcome nobody can tell whether it was: it is being made, or
// the daemon died right then.
type askKept struct {
	At      time.Time    `json:"at"`
	Rule    string       `json:"rule,omitempty"`
	Topic   string       `json:"topic,omitempty"`
	Subject string       `json:"subject,omitempty"`
	Title   string       `json:"title,omitempty"`
	Outcome *otn.Outcome `json:"outcome,omitempty"`
	Code    string       `json:"code,omitempty"`
}

// Ask requests a subscriber's consent, once for each topic and subject in an open window. Errors: otn.ErrNotFound for the
// channel, otn.ErrUnknownTopic, otn.ErrAlreadyGiven, otn.ErrAlreadyAsked, otn.ErrOutsideWindow, otn.ErrRefused for somebody who
// wants to hear no more, otn.ErrInvalid for a title over 65 characters, and the *otn.SendError of the channel.
func (h *Host) Ask(ctx context.Context, r AskRequest) (otn.Receipt, error) {
	if err := h.await(ctx); err != nil {
		return otn.Receipt{}, err
	}
	asker, err := h.asker(r.Channel)
	if err != nil {
		return otn.Receipt{}, err
	}
	now := h.config.Clock.Now()
	ask, err := h.request(r, now)
	if err != nil {
		return otn.Receipt{}, fmt.Errorf("core: ask %s: %w", r.Topic, err)
	}
	return h.carry(ctx, asker, ask)
}

func (h *Host) asker(channel string) (otn.Asker, error) {
	asker, ok := h.config.Channels[channel].(otn.Asker)
	if !ok {
		return nil, fmt.Errorf("core: channel %q that can ask: %w", channel, otn.ErrNotFound)
	}
	return asker, nil
}

// carry makes an ask that an operator or a bot wants, if the subscriber may be asked, at the channel's pace.
func (h *Host) carry(ctx context.Context, asker otn.Asker, ask otn.Ask) (otn.Receipt, error) {
	a := &asking{asker: asker, ask: ask, person: h.ledger.Person(ask.Channel, ask.Subscriber.ID)}
	fail := func(err error) (otn.Receipt, error) {
		return otn.Receipt{}, fmt.Errorf("core: ask %s: %w", ask.Topic, err)
	}
	if _, err := h.mayAsk(a.person, &ask, h.config.Clock.Now()); err != nil {
		return fail(err)
	}
	if !h.dispatch.Turn(ctx, ask.Channel) {
		return fail(&otn.SendError{Outcome: otn.Deferred, Code: "no_turn", Err: context.Cause(ctx)})
	}
	var err error = otn.ErrConflict
	for errors.Is(err, otn.ErrConflict) { // it may have waited, and what it is decided from may change until it is begun
		now := h.config.Clock.Now()
		if a.on, err = h.mayAsk(a.person, &ask, now); err == nil {
			a.ask.Deadline = now.Add(dispatch.SendTimeout)
			err = h.begin(ctx, a, now)
		}
	}
	if err != nil {
		return fail(err)
	}
	receipt, err := h.make(ctx, a)
	return receipt, errors.Join(err, h.answered(ctx, a, err, nil))
}

// asking is one request for consent on its way.
type asking struct {
	asker  otn.Asker
	ask    otn.Ask
	person otn.PersonID
	rule   string        // the ask of the rules that it is; "": an operator's or a bot's
	with   *ledger.Batch // what becomes true with it being made, before it is
	on     grounds
	kept   *ledger.Doc // that it was made
}

// grounds are what an ask was decided from, as it was then.
type grounds struct {
	last    ledger.Doc // the ask of the same before this one
	window  ledger.Doc
	silence ledger.Doc
	given   ledger.Giver
}

// begin writes down that an ask is made: from here on it is never made again by itself, unless its channel says that it
// certainly was not. Errors: otn.ErrConflict when somebody else asks for the same, or changed what it was decided from.
func (h *Host) begin(ctx context.Context, a *asking, now time.Time) error {
	a.kept = &ledger.Doc{Key: askKey(a.person, &a.ask), Rev: a.on.last.Rev, Value: mustJSON(askKept{At: now, Rule: a.rule, Topic: a.ask.Topic, Subject: a.ask.Subject, Title: a.ask.Title})}
	b := &ledger.Batch{}
	if a.with != nil {
		*b = *a.with
	}
	b.Docs = append(b.Docs, a.kept, still(a.on.window), still(a.on.silence))
	b.People = append(b.People, a.on.given)
	return h.ledger.Commit(ctx, b)
}

// still is a document that a batch was decided from.
func still(d ledger.Doc) *ledger.Doc {
	d.Expect = ledger.Still
	return &d
}

// make makes an ask, and measures it.
func (h *Host) make(ctx context.Context, a *asking) (otn.Receipt, error) {
	began := h.config.Clock.Now()
	r, err := a.make(ctx)
	h.asked(began, a, err)
	return r, err
}

// make calls the channel, once. One that panics harms this ask only. A caller who goes away does not end it.
func (a *asking) make(ctx context.Context) (r otn.Receipt, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dispatch.SendTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = &otn.SendError{Outcome: otn.Unknown, Code: "panic", Err: fmt.Errorf("the channel panicked: %v", p)}
		}
	}()
	return a.asker.Ask(ctx, a.ask)
}

// answered writes down how an ask ended. What certainly was not made may be made again: by whoever asks again, or at the
// moment that again names, where it is not nil.
func (h *Host) answered(ctx context.Context, a *asking, answer error, again *intake.Planned) error {
	ctx = context.WithoutCancel(ctx)
	now := h.config.Clock.Now()
	outcome, se := otn.OutcomeOf(answer)
	undo := &ledger.Doc{Key: a.kept.Key, Rev: a.kept.Rev}
	b := &ledger.Batch{Docs: []*ledger.Doc{undo}}
	if outcome == otn.Sent || outcome == otn.Unknown || errors.Is(answer, otn.ErrAlreadyAsked) {
		var kept askKept
		if err := json.Unmarshal(a.kept.Value, &kept); err != nil {
			return err
		}
		kept.Outcome = &outcome
		if se != nil {
			kept.Code = se.Code
		}
		undo.Value = mustJSON(kept)
	}
	plain := *b
	if again != nil {
		doc, err := again.Doc(h.ledger, 0)
		if err != nil {
			return err
		}
		b.Docs, b.Timers = append(b.Docs, doc), append(b.Timers, again.Timer(h.ledger))
	} else {
		b.Decisions = append(b.Decisions, a.story(now, answer))
		plain.Decisions = b.Decisions
	}
	err := h.ledger.Commit(ctx, b)
	if errors.Is(err, otn.ErrConflict) && again != nil { // they did the same again meanwhile: that one counts
		err = h.ledger.Commit(ctx, &plain)
	}
	if err == nil && len(b.Timers) > 0 {
		h.ticked()
	}
	if err != nil && !errors.Is(err, otn.ErrConflict) {
		return err
	}
	return h.shut(ctx, a.on.window, answer)
}

// shut closes a window of which the platform says that it is closed, unless it was opened again meanwhile.
func (h *Host) shut(ctx context.Context, window ledger.Doc, answer error) error {
	if !errors.Is(answer, otn.ErrOutsideWindow) || window.Rev == 0 {
		return nil
	}
	err := h.ledger.Commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{{Key: window.Key, Rev: window.Rev}}})
	if errors.Is(err, otn.ErrConflict) {
		return nil
	}
	return err
}

func askKey(p otn.PersonID, a *otn.Ask) string {
	if a.Topic == "" {
		return askedOf(p) + "/" + otn.ShortRef(a.Ref)
	}
	return askedOf(p) + a.Topic + "/" + a.Subject
}

// askedOf is where the asks that a person got are kept.
func askedOf(p otn.PersonID) string { return intake.AskedPrefix + p.String() + "/" }

// request makes the ask with its title rendered.
func (h *Host) request(r AskRequest, now time.Time) (otn.Ask, error) {
	rules := h.Rules()
	topic, ok := rules.Topic(r.Topic)
	if !ok {
		return otn.Ask{}, fmt.Errorf("%q: %w", r.Topic, otn.ErrUnknownTopic)
	}
	if err := subjectFits(topic, r.Subject); err != nil {
		return otn.Ask{}, err
	}
	snap, err := h.subjectOf(topic, r.Subject)
	if err != nil {
		return otn.Ask{}, err
	}
	title := strings.TrimSpace(r.Title)
	if title == "" {
		if title, err = rules.Ask(r.Topic, snap); err != nil {
			return otn.Ask{}, err
		}
	}
	if len([]rune(title)) > otn.MaxAskTitle {
		return otn.Ask{}, fmt.Errorf("the title has %d characters, %d at most: %w", len([]rune(title)), otn.MaxAskTitle, otn.ErrInvalid)
	}
	return newAsk(r, title, otn.FormatRef(otn.Ref{Topic: r.Topic, Subject: r.Subject, Answers: r.Answers}), now), nil
}

// subjectOf is a topic's subject as it is now; nothing for a topic without one.
func (h *Host) subjectOf(t otn.Topic, id string) (otn.Snapshot, error) {
	if t.Subject == otn.NoSubject {
		return otn.Snapshot{}, nil
	}
	snap, _, err := h.catalog.Snapshot(otn.Subject{Kind: t.Subject, ID: id})
	return snap, err
}

func newAsk(r AskRequest, title, ref string, now time.Time) otn.Ask {
	return otn.Ask{
		ID: rand.Text(), Channel: r.Channel, Subscriber: otn.Subscriber{ID: r.Recipient}, Topic: r.Topic, Subject: r.Subject, Title: title,
		Ref: ref, Deadline: now.Add(dispatch.SendTimeout),
	}
}

// mayAsk says whether a person may be asked now: they do not want to hear no more, no consent waits already, the window is
// open, and nobody asked in it. It gives what it found, which nobody may change before the ask is begun.
func (h *Host) mayAsk(p otn.PersonID, a *otn.Ask, now time.Time) (on grounds, err error) {
	var silent bool
	if silent, on.silence, err = intake.Silent(h.ledger, p, a.Topic); err != nil {
		return on, err
	}
	if silent {
		return on, fmt.Errorf("this person wants to hear no more: %w", otn.ErrRefused) // not by their id: the answer to a call is kept, and outlives them
	}
	consents, err := h.ledger.Of(p)
	if err != nil {
		return on, err
	}
	on.given = ledger.GiverOf(p, consents)
	for i := range consents {
		if c := &consents[i]; a.Topic != "" && c.Topic == a.Topic && c.Subject == a.Subject && waits(c, now) {
			return on, otn.ErrAlreadyGiven
		}
	}
	var window intake.Open
	if window, on.window, err = h.windowOf(p); err != nil {
		return on, err
	}
	if !closing(window).After(now) {
		return on, otn.ErrOutsideWindow
	}
	var asked bool
	if on.last, asked, err = h.ledger.Doc(askKey(p, a)); err != nil || !asked {
		return on, err
	}
	var before askKept
	if err := json.Unmarshal(on.last.Value, &before); err != nil {
		return on, err
	}
	if now.Sub(before.At) < otn.WindowLength {
		return on, otn.ErrAlreadyAsked
	}
	return on, nil
}

// waits reports whether a consent waits to be spent.
func waits(c *ledger.Consent, now time.Time) bool {
	return c.State == ledger.Waiting && c.ExpiresAt.After(now)
}

// windowOf is a person's window with its document, the zero one where none was ever open.
func (h *Host) windowOf(p otn.PersonID) (w intake.Open, doc ledger.Doc, err error) {
	doc, ok, err := h.ledger.Doc(intake.WindowKey(p))
	if err == nil && ok {
		err = json.Unmarshal(doc.Value, &w)
	}
	return w, doc, err
}

// closing is when a window counts as closed.
func closing(w intake.Open) time.Time { return w.Until.Add(-windowMargin) }
