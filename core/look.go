// A rule as it stands for one person now: for previews and explanations. Nothing is decided for good, and nothing is written.

package core

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// LookRequest names a rule and a person, and what it is about: left out, the subject that the person waits for.
type LookRequest struct {
	Rule      string            `json:"rule"`
	Subject   string            `json:"subject,omitempty"`
	Channel   string            `json:"channel"`
	Recipient string            `json:"recipient"`
	Fields    map[string]string `json:"fields,omitempty"` // of the trigger, for a rule that is on one; left out: those of the last one
}

// Look is all that a rule decides from for one person, as it is now.
type Look struct {
	Rules   otn.Rules
	Rule    otn.Rule
	Facts   otn.Facts
	Consent otn.Consent
	Holds   bool    // the person has this consent, and it waits; false: it is made up, as one that is given now without answers
	Last    *Reason // what the rule said of this consent the last time; nil: it never had to

	// Channels is what every channel can do; nil for one that cannot say.
	Channels map[string]*otn.Capabilities
}

// Look gathers the facts of a rule for one person. was is the subject before its last event, where the rule has looked at
// that; else it is the subject as it is now.
// Errors: otn.ErrNotFound for a rule or channel that is not there, otn.ErrInvalid where the subject cannot be told.
func (h *Host) Look(ctx context.Context, q LookRequest) (Look, error) {
	if err := h.isOpen(); err != nil {
		return Look{}, err
	}
	l := Look{Rules: h.Rules(), Channels: h.capabilities(ctx)}
	i := slices.IndexFunc(l.Rules.List(), func(r otn.Rule) bool { return r.ID == q.Rule })
	if i < 0 {
		return Look{}, fmt.Errorf("core: rule %q: %w", q.Rule, otn.ErrNotFound)
	}
	if _, ok := h.config.Channels[q.Channel]; !ok {
		return Look{}, fmt.Errorf("core: channel %q: %w", q.Channel, otn.ErrNotFound)
	}
	l.Rule = l.Rules.List()[i]
	held, err := h.consentFor(&l, q)
	if err != nil {
		return Look{}, err
	}
	if err := h.factsFor(&l); err != nil {
		return Look{}, err
	}
	if err := h.before(&l, held); err != nil {
		return Look{}, err
	}
	return l, l.fire(q.Fields)
}

// capabilities asks every channel what it can do.
func (h *Host) capabilities(ctx context.Context) map[string]*otn.Capabilities {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	all := map[string]*otn.Capabilities{}
	for name, ch := range h.config.Channels {
		all[name] = nil
		if d, ok := ch.(otn.Describer); ok {
			if about, err := d.Describe(ctx); err == nil {
				all[name] = &about.Capabilities
			}
		}
	}
	return all
}

// consentFor finds the consent that the rule would spend: of those that wait the one that ends first, as a run takes it.
// nil is a person who has none.
func (h *Host) consentFor(l *Look, q LookRequest) (held *ledger.Consent, err error) {
	person := h.ledger.Person(q.Channel, q.Recipient)
	all, err := h.ledger.Of(person)
	if err != nil {
		return nil, err
	}
	l.Consent = otn.Consent{Channel: q.Channel, Subscriber: otn.Subscriber{ID: q.Recipient}, Topic: l.Rule.Topic, Subject: q.Subject, GrantedAt: h.config.Clock.Now()}
	for i := range all {
		c := &all[i]
		if c.State != ledger.Waiting || c.Topic != l.Rule.Topic || q.Subject != "" && c.Subject != q.Subject || held != nil && !c.ExpiresAt.Before(held.ExpiresAt) {
			continue
		}
		held = c
	}
	if held != nil {
		l.Consent, l.Holds = held.Consent, true
	}
	if l.Consent.Subject == "" && l.Rule.Kind != otn.NoSubject {
		return nil, fmt.Errorf("core: %s waits for nothing of topic %s: name the subject that you mean: %w", q.Recipient, l.Rule.Topic, otn.ErrInvalid)
	}
	return held, h.dispatch.Meet(&l.Consent, person, h.config.Clock.Now())
}

// factsFor fills in the subject as it is, and what the rule was decided with the last time.
func (h *Host) factsFor(l *Look) error {
	subject := otn.Subject{Kind: l.Rule.Kind, ID: l.Consent.Subject}
	now := otn.Snapshot{}
	var err error
	if l.Rule.Kind != otn.NoSubject {
		var known bool
		if now, known, err = h.catalog.Snapshot(subject); err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("core: the shop has told nothing of %s %q: %w", subject.Kind, subject.ID, otn.ErrNotFound)
		}
	}
	if !l.Holds && now.Item != nil && now.Item.Known.Has(otn.FactPrice) {
		l.Consent.PriceThen = now.Item.Price
	}
	l.Facts = otn.Facts{Rule: l.Rule.ID, At: h.config.Clock.Now(), Now: now, Was: now}
	l.Facts.Last, _, err = h.dispatch.Last(l.Rule.ID, subject)
	return err
}

// before takes from the rule's last decision about this line what its event told, where that is still the last event, and
// what it said of the consent.
func (h *Host) before(l *Look, held *ledger.Consent) error {
	line := ledger.Line{Topic: l.Rule.Topic, Subject: l.Consent.Subject}
	decisions, err := h.ledger.LineDecisions(line, time.Time{}, time.Time{}, reasonsAtMost)
	if err != nil {
		return err
	}
	for _, d := range decisions { // newest first
		if d.Rule != l.Rule.ID {
			continue
		}
		var from dispatch.Decided
		if len(d.Facts) > 0 {
			if err := json.Unmarshal(d.Facts, &from); err != nil {
				return err
			}
		}
		l.Facts.Trigger = from.Facts.Trigger
		if from.Facts.Now.Rev == l.Facts.Now.Rev && from.Version != "" {
			l.Facts.Was, l.Facts.First = from.Facts.Was, from.Facts.First
		}
		return h.told(l, held, d)
	}
	return nil
}

func (h *Host) told(l *Look, c *ledger.Consent, d ledger.Decision) error {
	if c == nil || d.At.Before(c.GrantedAt) {
		return nil
	}
	l.Last = &Reason{At: d.At, Rule: d.Rule, Topic: c.Topic, Subject: c.Subject, Consent: c.ID.String(), Verdict: d.Verdict.String(), Because: d.Because}
	return h.retell(c.Person, c, d, l.Last)
}

// fire puts the request's own fields into the trigger of a rule that is on one.
func (l *Look) fire(fields map[string]string) error {
	if len(fields) == 0 {
		return nil
	}
	name, ok := "", false
	for _, on := range l.Rule.On {
		if name, ok = strings.CutPrefix(on, "trigger."); ok {
			break
		}
	}
	if !ok {
		return fmt.Errorf("core: rule %s is on no trigger: it takes no fields: %w", l.Rule.ID, otn.ErrInvalid)
	}
	t := otn.Trigger{Name: name, Subject: l.Consent.Subject}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		t.Fields = append(t.Fields, otn.Named{Name: field, Value: otn.StringValue(fields[field])})
	}
	named := t
	named.Channel, named.Subscriber = l.Consent.Channel, l.Consent.Subscriber
	typed, err := l.Rules.Trigger(named)
	if err != nil { // it names nobody, or there is another fault
		typed, err = l.Rules.Trigger(t)
	}
	if err != nil {
		return err
	}
	l.Facts.Trigger = &typed
	return nil
}
