// What the Host shows of its state. Nothing here changes anything.

package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/dispatch"
	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// How many rows a page of a list has.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

func limitOf(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, maxLimit)
}

// Topics counts the consents of every topic: those that the rules declare, and others that consents are kept for.
func (h *Host) Topics() ([]TopicView, error) {
	if err := h.isOpen(); err != nil {
		return nil, err
	}
	counts := h.ledger.Topics()
	var list []TopicView
	for _, t := range h.Rules().Topics() {
		list = append(list, topicView(t, counts[t.ID]))
		delete(counts, t.ID)
	}
	rest := make([]TopicView, 0, len(counts))
	for id, c := range counts {
		v := topicView(otn.Topic{ID: id}, c)
		v.Undeclared = true
		rest = append(rest, v)
	}
	slices.SortFunc(rest, func(a, b TopicView) int { return cmp.Compare(a.ID, b.ID) })
	return append(list, rest...), nil
}

func topicView(t otn.Topic, c ledger.Counts) TopicView {
	return TopicView{
		ID: t.ID, Use: t.Use, Subject: t.Subject, Waiting: c.Waiting, Claimed: c.Claimed, Sent: c.Sent, Refused: c.Refused,
		Unknown: c.Unknown, Expired: c.Expired, Withdrawn: c.Withdrawn, NextExpiry: c.NextExpiry,
	}
}

// Consents lists consents: a person's, oldest first, or those of a topic and subject. A call looks at a bounded number of
// them: with a next there may be more, however few it gives.
func (h *Host) Consents(q ConsentQuery) (list []ConsentView, next string, err error) {
	if err := h.isOpen(); err != nil {
		return nil, "", err
	}
	var consents []ledger.Consent
	if q.Subscriber != "" {
		consents, err = h.consentsOf(q)
	} else {
		consents, next, err = h.consentsWhere(q)
	}
	if err != nil {
		return nil, "", fmt.Errorf("core: consents: %w", err)
	}
	list = make([]ConsentView, len(consents))
	for i := range consents {
		list[i] = consentView(&consents[i])
	}
	return list, next, nil
}

func (h *Host) consentsOf(q ConsentQuery) ([]ledger.Consent, error) {
	consents, err := h.ledger.Of(h.ledger.Person(q.Channel, q.Subscriber))
	return slices.DeleteFunc(consents, func(c ledger.Consent) bool {
		return q.Topic != "" && c.Topic != q.Topic || q.Subject != "" && c.Subject != q.Subject || q.State != "" && string(c.State) != q.State
	}), err
}

func (h *Host) consentsWhere(q ConsentQuery) (list []ledger.Consent, next string, err error) {
	lq := ledger.ConsentQuery{Topic: q.Topic, Subject: q.Subject, State: ledger.State(q.State), Limit: limitOf(q.Limit)}
	if q.Cursor != "" {
		if lq.Cursor, err = strconv.ParseUint(q.Cursor, 10, 64); err != nil {
			return nil, "", fmt.Errorf("cursor %q: %w", q.Cursor, otn.ErrInvalid)
		}
	}
	list, cursor, err := h.ledger.Consents(lq)
	if err != nil || cursor == 0 {
		return list, "", err
	}
	return list, strconv.FormatUint(cursor, 10), nil
}

// Consent finds one consent by its id. Errors: otn.ErrNotFound, otn.ErrInvalid.
func (h *Host) Consent(id string) (ConsentView, error) {
	if err := h.isOpen(); err != nil {
		return ConsentView{}, err
	}
	token, err := otn.ParseTokenID(id)
	if err != nil {
		return ConsentView{}, fmt.Errorf("core: consent: %w: %w", err, otn.ErrInvalid)
	}
	c, ok, err := h.ledger.Consent(token)
	if err != nil {
		return ConsentView{}, err
	}
	if !ok {
		return ConsentView{}, fmt.Errorf("core: consent %s: %w", id, otn.ErrNotFound)
	}
	return consentView(&c), nil
}

func consentView(c *ledger.Consent) ConsentView {
	v := ConsentView{
		ID: c.ID.String(), State: string(c.State), Channel: c.Channel, Subscriber: c.Subscriber.ID, Topic: c.Topic, Subject: c.Subject,
		PriceThen: c.PriceThen, GrantedAt: c.GrantedAt, ExpiresAt: c.ExpiresAt, Ref: c.Ref,
	}
	if c.Run != (otn.RunID{}) {
		v.Run = c.Run.String()
	}
	for _, a := range c.Answers {
		if v.Answers == nil {
			v.Answers = map[string]string{}
		}
		v.Answers[a.Name] = a.Value.String()
	}
	return v
}

func scheduledView(r *dispatch.Run) RunView {
	v := plainView(r)
	v.State, v.Until, v.Why = dispatch.IsWaiting, r.At, "a send that is due then"
	return v
}

// RunByID finds a run, or a send that is not due yet. Errors: otn.ErrNotFound.
func (h *Host) RunByID(id string) (RunView, error) {
	if err := h.isOpen(); err != nil {
		return RunView{}, err
	}
	run, err := otn.ParseRunID(id)
	if err != nil {
		return RunView{}, fmt.Errorf("core: run: %w: %w", err, otn.ErrInvalid)
	}
	made, ok, err := h.dispatch.Run(run)
	if err != nil {
		return RunView{}, err
	}
	if ok {
		return h.runView(made)
	}
	if made, ok, err = h.dispatch.ScheduledRun(run); err != nil {
		return RunView{}, err
	}
	if !ok {
		return RunView{}, fmt.Errorf("core: run %s: %w", id, otn.ErrNotFound)
	}
	return scheduledView(made), nil
}

func plainView(r *dispatch.Run) RunView {
	v := RunView{ID: r.ID.String(), Rule: r.Rule, Version: r.Version, Topic: r.Topic, Subject: r.Subject.ID, Cause: string(r.Cause), At: r.At}
	if r.Trigger != nil {
		v.Cause = "trigger." + r.Trigger.Name
	}
	return v
}

func (h *Host) runView(r *dispatch.Run) (RunView, error) {
	s, err := h.dispatch.Stand(r.ID)
	if err != nil {
		return RunView{}, err
	}
	v := plainView(r)
	v.State, v.Why, v.Until, v.Wave, v.WantsApproval = s.State, s.Why, s.Until, s.Wave, s.Approve
	v.Seen, v.Selected, v.Sent, v.Refused, v.Deferred, v.Unknown = s.Seen, s.Selected, s.Sent, s.Refused, s.Deferred, s.Unknown
	v.Undecided, v.Failed = s.Undecided, s.Failed
	return v, nil
}

// deliveriesOf finds a person's deliveries: by their consents' lines, and the runs decided there.
func (h *Host) deliveriesOf(p otn.PersonID) ([]ledger.Delivery, error) {
	consents, err := h.ledger.Of(p)
	if err != nil {
		return nil, err
	}
	runs := map[otn.RunID]bool{}
	for _, c := range consents {
		if c.Run != (otn.RunID{}) {
			runs[c.Run] = true
		}
		decisions, err := h.ledger.LineDecisions(ledger.Line{Topic: c.Topic, Subject: c.Subject}, c.GrantedAt, lastOf(&c), maxLimit)
		if err != nil {
			return nil, err
		}
		for _, d := range decisions {
			if d.Run != (otn.RunID{}) {
				runs[d.Run] = true
			}
		}
	}
	var found []ledger.Delivery
	for run := range runs {
		d, ok, err := h.ledger.Told(run, p)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b ledger.Delivery) int { return a.First.Compare(b.First) })
	return found, nil
}

// DeliveryByID finds a delivery. Errors: otn.ErrNotFound, otn.ErrInvalid.
func (h *Host) DeliveryByID(id string) (DeliveryView, error) {
	if err := h.isOpen(); err != nil {
		return DeliveryView{}, err
	}
	d, err := otn.ParseDeliveryID(id)
	if err != nil {
		return DeliveryView{}, fmt.Errorf("core: delivery: %w: %w", err, otn.ErrInvalid)
	}
	return h.delivery(d)
}

func (h *Host) delivery(id otn.DeliveryID) (DeliveryView, error) {
	d, ok, err := h.ledger.Delivery(id)
	if err != nil {
		return DeliveryView{}, err
	}
	if !ok {
		return DeliveryView{}, fmt.Errorf("core: delivery %s: %w", id, otn.ErrNotFound)
	}
	return h.deliveryView(d)
}

func (h *Host) deliveryView(d ledger.Delivery) (DeliveryView, error) { return h.deliveryViews()(d) }

// deliveryOf shows a delivery of a run; nil for a run that nobody made.
func (h *Host) deliveryOf(run *dispatch.Run, d ledger.Delivery) (DeliveryView, error) {
	v := DeliveryView{
		ID: d.ID.String(), Run: d.ID.Run().String(), Channel: d.Channel, Topic: d.Line.Topic, Subject: d.Line.Subject, Consent: d.Token.String(),
		Outcome: outcome(d), Probably: d.Probably, Attempts: d.Attempts, First: d.First, At: d.At, Code: d.Code, Detail: d.Detail, ProviderID: d.ProviderID,
	}
	if run != nil {
		v.Rule = run.Rule
	}
	if !d.Open && (d.Outcome == otn.Sent || d.Outcome == otn.Refused) {
		return v, nil // nothing is kept of whom it was for
	}
	c, ok, err := h.ledger.Consent(d.Token)
	if err == nil && ok {
		v.Subscriber = c.Subscriber.ID
	}
	return v, err
}

// outcome is a delivery's outcome in a word; one that is under way has none yet.
func outcome(d ledger.Delivery) string {
	if d.Open {
		return "sending"
	}
	return d.Outcome.String()
}

// Instances lists the channels and the sources as they stand.
func (h *Host) Instances(ctx context.Context) (channels, sources []InstanceView) {
	for name, ch := range h.config.Channels {
		v := h.describe(ctx, name, ch)
		if h.isOpen() == nil {
			if lane, ok := h.dispatch.Lane(name); ok {
				if p, paused := lane.Paused(); paused && v.State == "ready" {
					v.State, v.LastError = "paused", p.Reason
				}
			}
		}
		if r := h.config.Rates[name]; r > 0 && (v.Rate == 0 || r < v.Rate) {
			v.Rate = r
		}
		channels = append(channels, v)
	}
	for name, s := range h.config.Sources {
		if _, polled := h.config.Polls[name]; !polled {
			sources = append(sources, h.describe(ctx, name, s))
		}
	}
	for name := range h.config.Polls {
		sources = append(sources, h.polledSource(ctx, name))
	}
	byName := func(a, b InstanceView) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(channels, byName)
	slices.SortFunc(sources, byName)
	return channels, sources
}

// polledSource is a source that is polled, with how that goes.
func (h *Host) polledSource(ctx context.Context, name string) InstanceView {
	v := h.describe(ctx, name, h.config.Polls[name].Poller)
	if h.isOpen() != nil {
		return v
	}
	poll, wrong, err := h.pollers[name].view()
	if err != nil {
		wrong = err.Error()
	}
	if v.Poll = &poll; wrong != "" && v.State == "ready" {
		v.State, v.LastError = "degraded", wrong
	}
	return v
}

// describeTimeout bounds the wait for an instance that does not say what it is.
const describeTimeout = 2 * time.Second

// describe asks an instance what it is, and adds how it listens.
func (h *Host) describe(ctx context.Context, name string, instance any) InstanceView {
	v := InstanceView{Name: name, State: "ready"}
	d, ok := instance.(otn.Describer)
	if !ok {
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	about, err := d.Describe(ctx)
	if err != nil {
		v.State, v.LastError = "degraded", err.Error()
		return v
	}
	v.Plugin, v.Version, v.Account, v.Rate = about.Name, about.Version, about.Account, about.Capabilities.Rate
	h.hears(&v, about.Capabilities.Listens)
	return v
}
