// Timers that are due: what happens to a run is decided here, retries and resends go to their lane.

package dispatch

import (
	"context"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// The kinds of timers that dispatch sets and takes.
const (
	CronTimer   = "cron"
	OnceTimer   = "once" // a rule's single moment
	SendTimer   = "send"
	RetryTimer  = "retry"
	ResendTimer = "resend"
	HoldTimer   = "ripe" // a hold, or a gathering, is over
	WaveTimer   = "wave" // the next wave of a run
	PassTimer   = "pass" // a lane walks over a run's line again
	BeatTimer   = "beat" // a sign of life
)

// retryBody is a part of a run to be looked at again by one lane.
type retryBody struct {
	Run     otn.RunID `json:"run"`
	Channel string    `json:"channel"`
	Seqs    []uint64  `json:"seqs"`
}

// resendBody is a doubt to be tried again with the same token.
type resendBody struct {
	Delivery otn.DeliveryID `json:"delivery"`
	Channel  string         `json:"channel"`
}

func (d *Dispatch) timer(ctx context.Context, t ledger.Timer) error {
	switch t.Kind {
	case CronTimer:
		return d.cronDue(ctx, t)
	case OnceTimer:
		return d.onceDue(ctx, t)
	case HoldTimer:
		return d.ripen(ctx, t)
	case WaveTimer:
		return d.waveOver(ctx, t)
	case BeatTimer:
		return d.beats(ctx, t)
	case PassTimer:
		return d.passDue(ctx, t)
	case SendTimer:
		return d.sendDue(ctx, t)
	case RetryTimer:
		return d.retryDue(ctx, t)
	case ResendTimer:
		return d.resendDue(ctx, t)
	}
	return nil
}

// retryDue gives those who were put off to their lane.
func (d *Dispatch) retryDue(ctx context.Context, t ledger.Timer) error {
	var b retryBody
	if err := decode(t.Body, &b); err != nil {
		return err
	}
	run, ok, err := d.Run(b.Run)
	if err != nil || !ok {
		return err
	}
	return d.toLane(ctx, b.Channel, &task{run: run, seqs: b.Seqs, timer: &t.TimerID})
}

// resendDue gives a doubt to its lane.
func (d *Dispatch) resendDue(ctx context.Context, t ledger.Timer) error {
	var b resendBody
	if err := decode(t.Body, &b); err != nil {
		return err
	}
	return d.toLane(ctx, b.Channel, &task{doubt: &b.Delivery, timer: &t.TimerID})
}

// toLane gives a task to its lane, if that is here. A run that was cancelled tells nobody any more.
func (d *Dispatch) toLane(ctx context.Context, channel string, t *task) error {
	c, _, err := d.readCourse(t.of())
	if err != nil {
		return err
	}
	if c.Stage == Cancelled {
		return d.commit(ctx, &ledger.Batch{Done: []ledger.TimerID{*t.timer}})
	}
	if l, here := d.lanes[channel]; here {
		l.add(t)
	}
	return nil
}

// passDue sends a lane over a run's line again. Its timer can go at once: the next start gives every open run to its lanes anyway.
func (d *Dispatch) passDue(ctx context.Context, t ledger.Timer) error {
	var b retryBody
	if err := decode(t.Body, &b); err != nil {
		return err
	}
	run, ok, err := d.Run(b.Run)
	if err != nil {
		return err
	}
	_, open, err := d.Ledger.Doc(openPrefix + b.Run.String())
	if err != nil {
		return err
	}
	if l, here := d.lanes[b.Channel]; here && ok && open {
		if err := d.afresh(ctx, b.Run); err != nil {
			return err
		}
		d.mu.Lock()
		if c := d.courses[b.Run]; c != nil {
			c.active[b.Channel] = true
		}
		d.mu.Unlock()
		l.add(&task{run: run, rewind: true})
	}
	return d.commit(ctx, &ledger.Batch{Done: []ledger.TimerID{t.TimerID}, Lazy: true})
}
