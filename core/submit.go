// What is told to the Host: consents, observations, triggers, asks, sends. On disk when the call returns.

package core

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/intake"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Granted is what became of one consent. Added is false for a token that was granted before, whatever became of it since.
type Granted struct {
	ID    string `json:"id"`
	Added bool   `json:"added"`
}

// Grant keeps consents, in one batch. Each names its channel. Errors: otn.ErrNoToken, otn.ErrUnknownTopic, otn.ErrInvalid,
// otn.ErrNotFound for a channel that is not configured; nothing is kept then.
func (h *Host) Grant(ctx context.Context, consents ...otn.Consent) ([]Granted, error) {
	if err := h.await(ctx); err != nil {
		return nil, err
	}
	granted := make([]Granted, 0, len(consents))
	for _, c := range consents {
		if err := h.acceptable(&c); err != nil {
			return nil, err
		}
	}
	for rest := consents; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Channel == rest[0].Channel {
			n++
		}
		records := make([]otn.Record, n)
		for i := range n {
			records[i] = otn.Record{At: rest[i].GrantedAt, Consent: &rest[i]}
		}
		result, err := h.intake.Write(ctx, rest[0].Channel, records...)
		if err != nil {
			return granted, err
		}
		for _, g := range result.Consents {
			granted = append(granted, Granted{g.ID.String(), g.Added})
		}
		rest = rest[n:]
	}
	return granted, nil
}

// acceptable refuses a consent that could never be sent: unlike a webhook's, its giver can be told.
func (h *Host) acceptable(c *otn.Consent) error {
	topic, ok := h.Rules().Topic(c.Topic)
	switch {
	case h.config.Channels[c.Channel] == nil:
		return fmt.Errorf("core: channel %q: %w", c.Channel, otn.ErrNotFound)
	case c.Token.IsZero():
		return fmt.Errorf("core: %w", otn.ErrNoToken)
	case c.Subscriber.ID == "" || len(c.Subscriber.ID) > intake.MaxSubscriber:
		return fmt.Errorf("core: a subscriber's id has 1 to %d bytes: %w", intake.MaxSubscriber, otn.ErrInvalid)
	case !ok:
		return fmt.Errorf("core: %q: %w", c.Topic, otn.ErrUnknownTopic)
	}
	if err := subjectFits(topic, c.Subject); err != nil {
		return fmt.Errorf("core: %w", err)
	}
	for name, id := range map[string]string{"token": c.Token.Reveal(), "subscriber's id": c.Subscriber.ID, "subject": c.Subject} {
		if strings.TrimSpace(id) != id { // the same one without it would be another, and be told as well
			return fmt.Errorf("core: the %s begins or ends with a space: %w", name, otn.ErrInvalid)
		}
	}
	for _, a := range c.Answers {
		if err := answerFits(topic, a); err != nil {
			return fmt.Errorf("core: %w", err)
		}
	}
	return wellTimed(c)
}

func subjectFits(topic otn.Topic, subject string) error {
	switch {
	case topic.Subject == otn.NoSubject && subject != "":
		return fmt.Errorf("topic %s has no subject: %w", topic.ID, otn.ErrInvalid)
	case topic.Subject != otn.NoSubject && subject == "":
		return fmt.Errorf("topic %s wants a subject, the id of the %s: %w", topic.ID, topic.Subject, otn.ErrInvalid)
	}
	return nil
}

func answerFits(topic otn.Topic, a otn.Named) error {
	f, ok := topic.Answer(a.Name)
	if !ok {
		return fmt.Errorf("topic %s has no answer %q: %w", topic.ID, a.Name, otn.ErrInvalid)
	}
	if a.Value.Type() != otn.String {
		return nil
	}
	if _, err := otn.ParseValue(f.Type, a.Value.Text()); err != nil {
		return fmt.Errorf("answer %s: %w: %w", a.Name, err, otn.ErrInvalid)
	}
	return nil
}

// Observed counts what became of observations.
type Observed struct {
	Accepted int `json:"accepted"`
	Changed  int `json:"changed"`
}

// apiInstance is the instance under which what the operator says is recorded.
const apiInstance = "api"

// Observe keeps observations, in one batch, with the events they make. Errors: otn.ErrInvalid; nothing is kept then.
func (h *Host) Observe(ctx context.Context, observations ...otn.Observation) (Observed, error) {
	if err := h.await(ctx); err != nil {
		return Observed{}, err
	}
	records := make([]otn.Record, len(observations))
	for i := range observations {
		records[i].Observation = &observations[i]
	}
	r, err := h.intake.Write(ctx, apiInstance, records...)
	return Observed{r.Observations, r.Changed}, err
}

// Accepted says under which number something stands in the journal.
type Accepted struct {
	ID        string `json:"id,omitempty"`
	Duplicate bool   `json:"duplicate"`
}

// Trigger keeps a trigger. One whose Key was seen before is a duplicate and changes nothing. Errors: otn.ErrNotFound for
// a name that the rules do not declare and for the channel of a person whom it names, otn.ErrInvalid.
func (h *Host) Trigger(ctx context.Context, t otn.Trigger) (Accepted, error) {
	if err := h.await(ctx); err != nil {
		return Accepted{}, err
	}
	if t.Subscriber.ID != "" && h.config.Channels[t.Channel] == nil {
		return Accepted{}, fmt.Errorf("core: channel %q of the person whom the trigger names: %w", t.Channel, otn.ErrNotFound)
	}
	key := ""
	if t.Key != "" {
		key = "trigger/" + t.Name + "/" + t.Key
	}
	r, err := h.intake.Write(ctx, apiInstance, otn.Record{Key: key, Trigger: &t})
	if err != nil || r.Duplicates > 0 {
		return Accepted{Duplicate: r.Duplicates > 0}, err
	}
	return Accepted{ID: "e" + strconv.FormatUint(r.Seq, 10)}, nil
}

// sendPrefix is where the moment of each send is kept, for whoever asks for the same one again.
const sendPrefix = "sends/"

// sendSlack is how late the moment of a send may be: it was on its way.
const sendSlack = time.Minute

// Send makes an operator's own message due, now or at a time, for those who wait for a topic. The same Key again is a
// duplicate. Errors: otn.ErrUnknownTopic, otn.ErrInvalid, and the faults of its texts and its condition.
func (h *Host) Send(ctx context.Context, r SendRequest) (SendAnswer, error) {
	if err := h.await(ctx); err != nil {
		return SendAnswer{}, err
	}
	if r.Key == "" {
		r.Key = rand.Text()
	}
	topic, ok := h.Rules().Topic(r.Topic)
	if !ok {
		return SendAnswer{}, fmt.Errorf("core: send: %q: %w", r.Topic, otn.ErrUnknownTopic)
	}
	if topic.Subject == otn.NoSubject {
		if r.Subject != "" {
			return SendAnswer{}, fmt.Errorf("core: send: topic %s has no subject: %w", r.Topic, otn.ErrInvalid)
		}
		r.AllSubjects = true
	} else if (r.Subject == "") != r.AllSubjects {
		return SendAnswer{}, fmt.Errorf("core: send: name a subject of topic %s, or all subjects: %w", r.Topic, otn.ErrInvalid)
	}
	send := otn.Send{ID: "send-" + strings.ToLower(r.Key), Topic: r.Topic, Where: r.Where, Message: r.Message}
	rules, err := h.Rules().Once(send)
	if err != nil {
		return SendAnswer{}, err
	}
	now := h.config.Clock.Now()
	at := r.At
	if at.IsZero() {
		at = now
	}
	answer := SendAnswer{ID: send.ID}
	lines := h.linesOf(r)
	for _, line := range lines {
		n, err := h.reach(rules, send.ID, topic, line, now)
		if err != nil {
			return SendAnswer{}, err
		}
		answer.Reaches += n
	}
	if r.DryRun {
		return answer, nil
	}
	return h.schedule(ctx, send, rules, topic, r, at, answer)
}

func (h *Host) linesOf(r SendRequest) []ledger.Line {
	if r.AllSubjects {
		return h.ledger.Lines(r.Topic)
	}
	return []ledger.Line{{Topic: r.Topic, Subject: r.Subject}}
}

// schedule keeps the send's timer; what it will do is decided when it is due.
func (h *Host) schedule(ctx context.Context, send otn.Send, rules otn.Rules, topic otn.Topic, r SendRequest, at time.Time, answer SendAnswer) (SendAnswer, error) {
	timer, docs, run := dispatch.Schedule(send, rules, subjectOf(topic, r.Subject), r.AllSubjects, at, h.config.Clock.Now())
	kept := &ledger.Doc{Key: sendPrefix + send.ID, Value: mustJSON(at), Expect: ledger.Fresh}
	if at.Before(h.config.Clock.Now().Add(-sendSlack)) {
		if _, known, err := h.ledger.Doc(kept.Key); err != nil || !known {
			return SendAnswer{}, errors.Join(err, fmt.Errorf("core: send: %s has passed: %w", at.Format(time.RFC3339), otn.ErrInvalid))
		}
	}
	err := h.ledger.Commit(ctx, &ledger.Batch{Docs: append(docs, kept), Timers: []ledger.Timer{timer}})
	if errors.Is(err, otn.ErrConflict) {
		have, _, err := h.ledger.Doc(kept.Key)
		if err != nil {
			return SendAnswer{}, err
		}
		answer.Duplicate = true
		err = json.Unmarshal(have.Value, &answer.At)
		if !r.AllSubjects || topic.Subject == otn.NoSubject {
			answer.Runs = []string{dispatch.SendRun(send.ID, subjectOf(topic, r.Subject), answer.At).String()}
		}
		return answer, err
	}
	if err != nil {
		return SendAnswer{}, err
	}
	if r.At.After(h.config.Clock.Now()) {
		answer.At = at
		answer.Runs = []string{run.String()}
	} else {
		for _, line := range h.linesOf(r) {
			if h.ledger.Pending(line) > 0 {
				answer.Runs = append(answer.Runs, dispatch.SendRun(send.ID, subjectOf(topic, line.Subject), at).String())
			}
		}
	}
	h.ticked()
	return answer, nil
}

// reach counts the consents of a line that a send would spend now.
func (h *Host) reach(rules otn.Rules, rule string, topic otn.Topic, line ledger.Line, now time.Time) (n int64, err error) {
	snap, _, err := h.catalog.Snapshot(subjectOf(topic, line.Subject))
	if err != nil {
		return 0, err
	}
	page, err := rules.Open(otn.Facts{Rule: rule, At: now, Now: snap, Was: snap})
	if err != nil {
		return 0, err
	}
	needs := slices.ContainsFunc(rules.List(), func(r otn.Rule) bool { return r.ID == rule && r.NeedsPerson })
	after, done := uint64(0), false
	var failed error
	for !done {
		after, done, err = h.ledger.Scan(line, after, h.ledger.Head()+1, 10_000, now, func(c *ledger.Candidate) bool {
			if needs {
				failed = h.dispatch.Meet(&c.Consent, c.Person(), now)
			}
			if failed == nil && page.Select(&c.Consent) == otn.Yes {
				n++
			}
			return failed == nil
		})
		if err != nil || failed != nil {
			return 0, errors.Join(err, failed)
		}
	}
	return n, nil
}

func subjectOf(t otn.Topic, id string) otn.Subject {
	if t.Subject == otn.NoSubject || t.Subject == "" {
		return otn.Subject{}
	}
	return otn.Subject{Kind: t.Subject, ID: id}
}

// Resolve ends a delivery that is unknown as an operator says: sent, or lost, which lets the consent wait again at its
// place. Errors: otn.ErrNotFound, otn.ErrRefused when it is not unknown, or called lost while it is being sent again.
func (h *Host) Resolve(ctx context.Context, id string, sent bool) (DeliveryView, error) {
	if err := h.await(ctx); err != nil {
		return DeliveryView{}, err
	}
	delivery, err := otn.ParseDeliveryID(id)
	if err != nil {
		return DeliveryView{}, fmt.Errorf("core: delivery: %w: %w", err, otn.ErrInvalid)
	}
	d, ok, err := h.ledger.Delivery(delivery)
	switch {
	case err != nil:
		return DeliveryView{}, err
	case !ok:
		return DeliveryView{}, fmt.Errorf("core: delivery %s: %w", id, otn.ErrNotFound)
	case d.Open || d.Outcome != otn.Unknown:
		return DeliveryView{}, fmt.Errorf("core: delivery %s is %s, not unknown: %w", id, outcome(d), otn.ErrRefused)
	}
	r := ledger.Result{Outcome: otn.Deferred, At: h.config.Clock.Now(), Code: "resolved_lost", Detail: "an operator says that it was lost"}
	change := dispatch.Tally{Unknown: -1}
	if sent {
		r.Outcome, r.Code, r.Detail = otn.Sent, "resolved_sent", "an operator says that it was sent"
		change.Sent = 1
	}
	if err := h.dispatch.Resolve(ctx, delivery, r, change); err != nil {
		return DeliveryView{}, fmt.Errorf("core: %w", err)
	}
	if err := h.dispatch.StopAgain(ctx, d.Token); err != nil {
		return DeliveryView{}, err
	}
	return h.delivery(delivery)
}

// ticked tells the clock goroutine that a timer was set.
func (h *Host) ticked() {
	h.ticks.Add(1)
	select {
	case h.tick <- struct{}{}:
	default:
	}
}

// mustJSON writes one of this package's own types, all of which JSON can hold.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("core: %T does not encode: %v", v, err))
	}
	return b
}
