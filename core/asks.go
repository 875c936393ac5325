// Asks that happen by themselves: decided when their moment has come, with the facts then, and told in why either way.

package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// The waits of asks and replies that a channel put off, by attempt; the last one holds for all that follow, until the window closes.
var (
	putOffWaits    = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}
	leftAloneWaits = []time.Duration{6 * time.Hour, 24 * time.Hour}
	lookAgain      = 15 * time.Minute // how often a channel that rests for no named time is looked at
)

// rests are the channels that want not to be asked through, and until when. A channel that may not ask may still send.
type rests struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (r *rests) rest(channel string, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[string]time.Time{}
	}
	if until.After(r.until[channel]) {
		r.until[channel] = until
	}
}

func (r *rests) of(channel string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until[channel]
}

// carryPlanned decides about an ask whose moment has come, and makes it. It leaves the timer on disk where ctx ends first.
func (h *Host) carryPlanned(ctx context.Context, t ledger.Timer) error {
	store := context.WithoutCancel(ctx)
	for turned := false; ; {
		p, doc, ok, err := intake.PlannedDue(h.ledger, t)
		if err != nil {
			return err
		}
		if !ok {
			return h.ledger.Commit(store, &ledger.Batch{Done: []ledger.TimerID{t.TimerID}})
		}
		a, v, err := h.decide(p)
		if err != nil {
			return err
		}
		switch {
		case !v.again.IsZero() || v.waits:
			err = h.putOff(store, t, p, doc, v)
		case v.verdict != otn.Yes:
			err = h.giveUp(store, t, p, doc, v)
		case !turned: // and then once more: the facts may have changed while it waited for its turn
			if turned = h.dispatch.Turn(ctx, p.Channel); !turned {
				return nil
			}
			continue
		default:
			err = h.makePlanned(store, t, p, doc, a)
		}
		if !errors.Is(err, otn.ErrConflict) {
			return err
		}
	}
}

// decision is what came of looking at a planned ask.
type decision struct {
	verdict otn.Verdict
	because string
	again   time.Time  // looked at again then
	waits   bool       // for a window to open
	window  ledger.Doc // of the person, as it was
}

func no(because string) decision { return decision{verdict: otn.No, because: because} }

// decide looks at a planned ask with the facts as they are now.
func (h *Host) decide(p *intake.Planned) (*asking, decision, error) {
	now := h.config.Clock.Now()
	rules := h.Rules()
	rule, ok := askRule(rules, p.Rule)
	if !ok || rule.On != p.On {
		return nil, no("the rules do not ask this any more"), nil
	}
	topic, ok := rules.Topic(topicOf(rule, p))
	if !ok {
		return nil, no("the rules do not declare the topic " + topicOf(rule, p)), nil
	}
	person := h.ledger.Person(p.Channel, p.Subscriber)
	a := &asking{person: person, rule: p.Rule}
	a.asker, ok = h.config.Channels[p.Channel].(otn.Asker)
	if !ok {
		return nil, no("the channel " + p.Channel + " cannot ask"), nil
	}
	about := otn.Ask{Channel: p.Channel, Subscriber: otn.Subscriber{ID: p.Subscriber}, Topic: topic.ID, Subject: p.Subject}
	var err error
	if a.on, err = h.mayAsk(person, &about, now); err != nil {
		d, err := h.mayNot(p, person, err, now)
		return nil, d, err
	}
	if d, off := h.rested(p.Channel, person, now); off {
		return nil, d, nil
	}
	if until := h.rests.of(p.Channel); until.After(now) {
		return nil, decision{again: until, because: "the channel takes no asks for now"}, nil
	}
	if d, err := h.maySay(p, topic, person, now); err != nil || d.verdict != otn.Yes {
		return nil, d, err
	}
	a.ask, err = h.request(AskRequest{Channel: p.Channel, Recipient: p.Subscriber, Topic: topic.ID, Subject: p.Subject, Answers: p.Answers}, now)
	if err != nil && !errors.Is(err, otn.ErrStore) {
		return nil, no(inWords(err)), nil
	}
	return a, decision{verdict: otn.Yes}, err
}

// topicOf is what a planned ask is about: as the rules say now, else as the link said.
func topicOf(r otn.AskRule, p *intake.Planned) string {
	if r.Topic != "" {
		return r.Topic
	}
	return p.Topic
}

func askRule(r otn.Rules, id string) (otn.AskRule, bool) {
	for _, a := range r.Asks() {
		if a.ID == id {
			return a, true
		}
	}
	return otn.AskRule{}, false
}

// mayNot is why somebody may not be asked. Who came through a link while no window was open is asked when one opens, within a day.
func (h *Host) mayNot(p *intake.Planned, person otn.PersonID, why error, now time.Time) (decision, error) {
	switch {
	case errors.Is(why, otn.ErrOutsideWindow):
		window, doc, err := h.windowOf(person)
		if err != nil {
			return decision{}, err
		}
		d := no(inWords(why))
		if window.Until.IsZero() {
			d.because = "no window was open"
		}
		if p.Off != "" && !p.Waits {
			d.because += ", after it was put off: " + p.Off
		}
		if p.On == otn.Referred && !closing(window).After(p.At) && now.Before(p.At.Add(otn.WindowLength)) {
			d.waits, d.again, d.window = true, p.At.Add(otn.WindowLength), doc
			d.because = "no window is open"
		}
		return d, nil
	case errors.Is(why, otn.ErrAlreadyGiven), errors.Is(why, otn.ErrAlreadyAsked), errors.Is(why, otn.ErrRefused):
		return no(inWords(why)), nil
	}
	return decision{}, why
}

// rested reports whether nothing leaves through a channel for now, or a person is to be left alone.
func (h *Host) rested(channel string, person otn.PersonID, now time.Time) (d decision, off bool) {
	if until, held := h.dispatch.Held(person, now); held {
		d = decision{again: until, because: "the channel wants them left alone"}
	} else if pause, resting := h.dispatch.Resting(channel); resting {
		d = decision{again: pause.Until, because: "the channel rests: " + pause.Reason}
		if pause.Until.IsZero() {
			d.again = now.Add(lookAgain)
		}
	}
	return d, !d.again.IsZero()
}

// maySay asks the rules, with all that they may know of the person and of what the ask is on.
func (h *Host) maySay(p *intake.Planned, topic otn.Topic, person otn.PersonID, now time.Time) (decision, error) {
	who, err := h.personFacts(p.Channel, person, now)
	if err != nil {
		return decision{}, err
	}
	snap, err := h.subjectOf(topic, p.Subject)
	if err != nil {
		return decision{}, err
	}
	v, because := h.Rules().MayAsk(otn.AskFacts{Rule: p.Rule, At: now, Person: who, Ref: p.Ref, Rest: p.Rest, Trigger: p.Trigger, Now: snap})
	return decision{verdict: v, because: because}, nil
}

// putOff moves a planned ask to a later moment, but not behind the end of the window: there it is decided for the last time.
func (h *Host) putOff(ctx context.Context, t ledger.Timer, p *intake.Planned, doc ledger.Doc, d decision) error {
	next := *p
	next.Due, next.Off = d.again, d.because
	b := &ledger.Batch{Done: []ledger.TimerID{t.TimerID}}
	if d.waits {
		next.Waits = true
		same := d.window // a window that opens in this moment would not see that the ask waits
		same.Key, same.Expect = intake.WindowKey(h.ledger.Person(p.Channel, p.Subscriber)), ledger.Same
		b.Docs = append(b.Docs, &same)
	} else if err := h.withinWindow(&next); err != nil {
		return err
	}
	moved, err := next.Doc(h.ledger, doc.Rev)
	if err != nil {
		return err
	}
	b.Docs = append(b.Docs, moved)
	b.Timers = append(b.Timers, next.Timer(h.ledger))
	if err := h.ledger.Commit(ctx, b); err != nil {
		return err
	}
	h.ticked()
	return nil
}

// withinWindow brings the moment of an ask forward to the end of its person's window.
func (h *Host) withinWindow(p *intake.Planned) error {
	window, _, err := h.windowOf(h.ledger.Person(p.Channel, p.Subscriber))
	if end := closing(window); p.Due.After(end) {
		p.Due = end
	}
	return err
}

// giveUp ends a planned ask that is not made, and says why.
func (h *Host) giveUp(ctx context.Context, t ledger.Timer, p *intake.Planned, doc ledger.Doc, d decision) error {
	rule, _ := askRule(h.Rules(), p.Rule)
	return h.ledger.Commit(ctx, &ledger.Batch{
		Done: []ledger.TimerID{t.TimerID},
		Docs: []*ledger.Doc{{Key: doc.Key, Rev: doc.Rev}},
		Decisions: []ledger.Decision{
			notAsked(h.ledger.Person(p.Channel, p.Subscriber), p.Rule, topicOf(rule, p), p.Subject, h.config.Clock.Now(), d.verdict, d.because),
		},
	})
}

// makePlanned makes a planned ask: what was planned ends in the batch that says that it is made. One that certainly was not
// made is planned anew, as long as its window is open.
func (h *Host) makePlanned(ctx context.Context, t ledger.Timer, p *intake.Planned, doc ledger.Doc, a *asking) error {
	a.with = &ledger.Batch{Done: []ledger.TimerID{t.TimerID}, Docs: []*ledger.Doc{{Key: doc.Key, Rev: doc.Rev}}}
	now := h.config.Clock.Now()
	a.ask.Deadline = now.Add(dispatch.SendTimeout)
	if err := h.begin(ctx, a, now); err != nil {
		return err
	}
	_, answer := h.make(ctx, a)
	again, err := h.anew(p, answer)
	if err != nil {
		return err
	}
	if err := h.answered(ctx, a, answer, again); err != nil {
		return err
	}
	if outcome, se := otn.OutcomeOf(answer); outcome != otn.Sent && again == nil {
		h.config.Log.Warn("an ask did not go through", "channel", p.Channel, "ask", p.Rule, "outcome", outcome, "code", se.Code)
	}
	return nil
}

// anew is a planned ask once more, after an answer that says that it certainly was not made; nil where it is given up.
func (h *Host) anew(p *intake.Planned, answer error) (*intake.Planned, error) {
	outcome, se := otn.OutcomeOf(answer)
	switch {
	case se == nil, errors.Is(answer, otn.ErrOutsideWindow), errors.Is(answer, otn.ErrAlreadyAsked):
		return nil, nil
	case outcome == otn.Deferred, outcome == otn.Invalid && se.Scope == otn.ChannelScope: // somebody may put the configuration right
	default:
		return nil, nil
	}
	next := *p
	next.Tries++
	next.Off = words(se)
	now := h.config.Clock.Now()
	next.Due = now.Add(waitOf(se, p.Tries))
	switch se.Scope {
	case otn.ChannelScope:
		h.rests.rest(p.Channel, next.Due)
	case otn.SubscriberScope:
		next.NotBefore = next.Due
	case otn.MessageScope:
	}
	window, _, err := h.windowOf(h.ledger.Person(p.Channel, p.Subscriber))
	if err != nil || !closing(window).After(next.Due) {
		return nil, err
	}
	return &next, nil
}

// waitOf is how long to wait after an answer that put something off: what the channel says, else by the attempt.
func waitOf(se *otn.SendError, tries int) time.Duration {
	if se.After > 0 {
		return max(se.After, time.Second)
	}
	waits := putOffWaits
	if se.Scope == otn.SubscriberScope {
		waits = leftAloneWaits
	}
	return waits[min(tries, len(waits)-1)]
}

// words is what a channel answered, for people.
func words(se *otn.SendError) string {
	if se.Code == "" {
		return fmt.Sprint(se.Outcome)
	}
	return fmt.Sprintf("%s [%s]", se.Outcome, se.Code)
}
