// One person, whole: window, tags, consents, messages, asks, and what happened in the order in which it did.

package core

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// SubscriberView is everything that is known of a person.
type SubscriberView struct {
	Channel    string         `json:"channel"`
	Subscriber string         `json:"subscriber"`
	Tags       []string       `json:"tags"`
	Window     *WindowView    `json:"window,omitempty"`
	Silent     []string       `json:"silent,omitempty"` // topics that they want to hear no more of; "*" is everything
	Consents   []ConsentView  `json:"consents"`
	Deliveries []DeliveryView `json:"deliveries"`
	Asks       []AskView      `json:"asks"` // the last one for each topic and subject
	Timeline   []Moment       `json:"timeline"`
}

// WindowView is the time in which a person may be asked.
type WindowView struct {
	Until time.Time `json:"until"`
	Cause string    `json:"cause,omitempty"`
	Open  bool      `json:"open"` // a little before its end it counts as closed
}

// AskView is a request for consent that was made.
type AskView struct {
	At      time.Time `json:"at"`
	Rule    string    `json:"rule,omitempty"` // the ask of the rules; left out: an operator's or a bot's
	Topic   string    `json:"topic,omitempty"`
	Subject string    `json:"subject,omitempty"`
	Title   string    `json:"title,omitempty"`
	Outcome string    `json:"outcome"` // sent, or unknown: it is being asked, or nobody can tell whether it arrived
	Code    string    `json:"code,omitempty"`
}

// Moment is one thing that happened to a person, or that is planned.
type Moment struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"` // consent decision delivery ask reply tags window silence
	Rule    string    `json:"rule,omitempty"`
	Topic   string    `json:"topic,omitempty"`
	Subject string    `json:"subject,omitempty"`
	What    string    `json:"what"`
}

// everything stands for all topics.
const everything = "*"

// Subscriber shows everything that is known of a person. Errors: otn.ErrNotFound for somebody of whom nothing is known.
func (h *Host) Subscriber(channel, subscriber string) (SubscriberView, error) {
	if err := h.isOpen(); err != nil {
		return SubscriberView{}, err
	}
	p := h.ledger.Person(channel, subscriber)
	v := SubscriberView{Channel: channel, Subscriber: subscriber, Tags: []string{}, Consents: []ConsentView{}, Deliveries: []DeliveryView{}, Asks: []AskView{}, Timeline: []Moment{}}
	for _, part := range []func(*SubscriberView, otn.PersonID) error{h.showConsents, h.showDeliveries, h.showAsks, h.showWindow, h.showSilence, h.showTags} {
		if err := part(&v, p); err != nil {
			return SubscriberView{}, fmt.Errorf("core: subscriber: %w", err)
		}
	}
	if len(v.Timeline)+len(v.Tags)+len(v.Asks) == 0 {
		return SubscriberView{}, fmt.Errorf("core: nothing is known of %s through %s: %w", subscriber, channel, otn.ErrNotFound)
	}
	slices.SortStableFunc(v.Timeline, func(a, b Moment) int { return a.At.Compare(b.At) })
	return v, nil
}

func (h *Host) showConsents(v *SubscriberView, p otn.PersonID) error {
	consents, err := h.ledger.Of(p)
	if err != nil {
		return err
	}
	for i := range consents {
		c := consentView(&consents[i])
		c.Subscriber = v.Subscriber // of a spent token the store keeps a hash alone
		v.Consents = append(v.Consents, c)
		reasons, err := h.reasons(p, &consents[i], "")
		if err != nil {
			return err
		}
		for _, r := range reasons {
			v.Timeline = append(v.Timeline, momentOf(r))
		}
	}
	reasons, err := h.personal(p, "")
	for _, r := range reasons {
		v.Timeline = append(v.Timeline, momentOf(r))
	}
	return err
}

// momentOf is a reason as a moment.
func momentOf(r Reason) Moment {
	m := Moment{At: r.At, Kind: "decision", Rule: r.Rule, Topic: r.Topic, Subject: r.Subject, What: r.Verdict + ": " + r.Because}
	switch r.Verdict {
	case "granted", string(ledger.Expired), string(ledger.Withdrawn):
		m.Kind, m.What = "consent", r.Because
	case "planned", "asked", "not asked":
		m.Kind = "ask"
	case "said", "not said":
		m.Kind = "reply"
	case "tagged":
		m.Kind, m.What = "tags", r.Because
	case otn.Sent.String(), otn.Refused.String(), otn.Deferred.String(), otn.Invalid.String(), otn.Unknown.String():
		m.Kind = "delivery"
		if r.Run == "" {
			m.Kind = "ask"
		}
	}
	return m
}

func (h *Host) showDeliveries(v *SubscriberView, p otn.PersonID) error {
	found, err := h.deliveriesOf(p)
	if err != nil {
		return err
	}
	for _, d := range found {
		one, err := h.deliveryView(d)
		if err != nil {
			return err
		}
		one.Subscriber = v.Subscriber
		v.Deliveries = append(v.Deliveries, one)
	}
	return nil
}

func (h *Host) showAsks(v *SubscriberView, p otn.PersonID) error {
	asks, err := h.asksOf(p)
	for _, a := range asks {
		one := AskView{At: a.At, Rule: a.Rule, Topic: a.Topic, Subject: a.Subject, Title: a.Title, Code: a.Code, Outcome: otn.Unknown.String()}
		if a.Outcome != nil {
			one.Outcome = a.Outcome.String()
		}
		v.Asks = append(v.Asks, one)
	}
	return err
}

func (h *Host) showWindow(v *SubscriberView, p otn.PersonID) error {
	w, _, err := h.windowOf(p)
	if err != nil || w.Until.IsZero() {
		return err
	}
	v.Window = &WindowView{Until: w.Until, Cause: w.Cause, Open: closing(w).After(h.config.Clock.Now())}
	what := "the window closes"
	if w.Cause != "" {
		what += ", which a " + w.Cause + " opened"
	}
	v.Timeline = append(v.Timeline, Moment{At: w.Until, Kind: "window", What: what})
	return nil
}

func (h *Host) showSilence(v *SubscriberView, p otn.PersonID) error {
	stops, err := intake.Stops(h.ledger, p)
	for _, topic := range slices.Sorted(maps.Keys(stops)) {
		m := Moment{At: stops[topic], Kind: "silence", Topic: topic, What: "wants to hear no more of it"}
		if topic == "" {
			topic, m.What = everything, "wants to hear no more"
		}
		v.Silent = append(v.Silent, topic)
		v.Timeline = append(v.Timeline, m)
	}
	return err
}

func (h *Host) showTags(v *SubscriberView, p otn.PersonID) error {
	tags, _, err := h.tagsOf(p)
	v.Tags = append(v.Tags, tags...)
	return err
}
