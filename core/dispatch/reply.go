// What leaves beside the messages that spend a token, at the same pace: replies into an open window, requests for consent.

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Can is what a channel can do now. Errors: otn.ErrNotFound for one that is not there, and the channel's own while it is down.
func (d *Dispatch) Can(ctx context.Context, channel string) (otn.Capabilities, error) {
	l, ok := d.lanes[channel]
	if !ok {
		return otn.Capabilities{}, fmt.Errorf("channel %q: %w", channel, otn.ErrNotFound)
	}
	describer, ok := l.channel.(otn.Describer)
	if !ok {
		return otn.Capabilities{Sends: true}, nil
	}
	about, err := describer.Describe(ctx)
	return about.Capabilities, err
}

// Turn waits until a request for consent or a reply may leave through a channel: it takes a place in the channel's pace, as
// every message does. Not ok when ctx is done first. A channel that is not there, or cannot say its rate, keeps nobody waiting.
func (d *Dispatch) Turn(ctx context.Context, channel string) bool {
	l, ok := d.lanes[channel]
	if !ok {
		return ctx.Err() == nil
	}
	can, err := d.Can(ctx, channel)
	if err != nil {
		can = otn.Capabilities{} // the rate that is configured holds
	}
	return l.pace.wait(ctx, d.Clock, l.slower(can.Rate))
}

// slower is the smaller of the configured rate and the channel's own; 0 is none.
func (l *Lane) slower(own float64) float64 {
	if l.rate > 0 && (own == 0 || l.rate < own) {
		return l.rate
	}
	return own
}

// Resting is until when a channel sends nothing, and why: zero for as long as an operator or the platform wants.
func (d *Dispatch) Resting(channel string) (Pause, bool) {
	l, ok := d.lanes[channel]
	if !ok {
		return Pause{}, false
	}
	p, ok := l.Paused()
	if !ok || !p.Until.IsZero() && !p.Until.After(d.Clock.Now()) {
		return Pause{}, false
	}
	return p, true
}

// Reply says something into a subscriber's open window, once: nothing is claimed and nothing is spent. Who calls it has
// taken a Turn and written down that it is said. Errors: those of otn.Channel's Send; otn.ErrNotFound and Invalid for a channel
// that is not there or does not reply.
func (d *Dispatch) Reply(ctx context.Context, r otn.Delivery) (otn.Receipt, error) {
	l, ok := d.lanes[r.Channel]
	if !ok {
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Invalid, Scope: otn.ChannelScope, Code: "no_channel", Err: otn.ErrNotFound}
	}
	if !r.Reply || !r.Token.IsZero() {
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Invalid, Code: "no_reply", Err: errors.New("a reply spends no token")}
	}
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	r.Deadline = d.Clock.Now().Add(SendTimeout)
	began := l.began()
	receipt, err := l.attempt(ctx, r)
	l.replied(began, err)
	return receipt, err
}

// ReplyID names a reply that follows a consent: the same for the same consent, and that of no delivery.
func ReplyID(c otn.TokenID, s otn.Subject, p otn.PersonID, at time.Time) otn.DeliveryID {
	return otn.NewDeliveryID(otn.NewRunID("then", s, "r"+c.String(), at), p)
}
