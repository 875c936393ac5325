// What the Host tells of itself for curves and alerts: steps to its Meter, and how it stands.

package core

import (
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Standing is how a Host stands at one moment. Reading it costs a few bounded reads, however many consents there are.
type Standing struct {
	Topics   []TopicView      // with what stands where; those that the rules declare come first
	Expiring map[string]int64 // by topic: consents that wait and expire within ExpiresSoon

	Behind      int           // entries of the journal that are not decided yet, at most MaxBehind
	BehindSince time.Duration // how old the oldest of them is
	Due         int           // timers that are due and whose work is not done yet, at most MaxBehind
	DueSince    time.Duration // how long the oldest of them has been due
	Late        map[string]time.Duration
	Paused      map[string]bool // by channel: nothing is sent through it for now
}

// ExpiresSoon is what a Standing takes for soon, and MaxBehind how far it counts.
const (
	ExpiresSoon = 30 * 24 * time.Hour
	MaxBehind   = 1000
)

// Standing reads how the Host stands. Late is by channel how long the oldest work that its lane has has been due: how far
// behind its runs are. Errors: otn.ErrUnavailable while nothing is open, otn.ErrStore.
func (h *Host) Standing() (Standing, error) {
	topics, err := h.Topics()
	if err != nil {
		return Standing{}, err
	}
	now := h.config.Clock.Now()
	s := Standing{Topics: topics, Expiring: h.ledger.Expiring(now.Add(ExpiresSoon)), Late: map[string]time.Duration{}, Paused: map[string]bool{}}
	entries, err := h.dispatch.Undecided(MaxBehind)
	if err != nil {
		return Standing{}, fmt.Errorf("core: standing: %w", err)
	}
	if s.Behind = len(entries); s.Behind > 0 {
		s.BehindSince = max(0, now.Sub(entries[0].At))
	}
	due, err := h.ledger.Due(now, MaxBehind)
	if err != nil {
		return Standing{}, fmt.Errorf("core: standing: %w", err)
	}
	if s.Due = len(due); s.Due > 0 {
		s.DueSince = max(0, now.Sub(due[0].Due))
	}
	for _, l := range h.dispatch.Lanes() {
		s.Late[l.Name()] = l.Late(now)
		_, s.Paused[l.Name()] = h.dispatch.Resting(l.Name())
	}
	return s, nil
}

// step tells the Meter, where there is one.
func (h *Host) step(s otn.Step) {
	if h.config.Meter != nil {
		h.config.Meter.Step(s)
	}
}

// written is what the store tells of its writes; nil where nobody measures.
func (h *Host) written() func(began time.Time, rows int, store, witness time.Duration) {
	if h.config.Meter == nil {
		return nil
	}
	return func(began time.Time, rows int, store, witness time.Duration) {
		h.config.Meter.Step(otn.Step{Kind: otn.StoreStep, Began: began, Took: store, N: rows})
		if witness > 0 {
			h.config.Meter.Step(otn.Step{Kind: otn.WitnessStep, Began: began.Add(store), Took: witness})
		}
	}
}

// asked tells of an answer to a request for consent.
func (h *Host) asked(began time.Time, a *asking, answer error) {
	if h.config.Meter == nil {
		return
	}
	outcome, _ := otn.OutcomeOf(answer)
	h.config.Meter.Step(otn.Step{
		Kind: otn.AskStep, Instance: a.ask.Channel, Rule: a.rule, Topic: a.ask.Topic, Began: began, Took: h.config.Clock.Now().Sub(began), N: 1, Outcome: outcome,
	})
}
