// After a restore: what was under way when the backup was made does not go on by itself.

package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

const (
	restoredKey = "restored"
	cronPrefix  = CronTimer + "/"
)

// RestoredDoc says that the store was restored at a moment. Recover heeds it, once.
func RestoredDoc(at time.Time) *ledger.Doc { return put(restoredKey, at) }

// restored pauses every run that is open and drops the timers that are past, where the store was restored. Cron lines are planned anew.
func (d *Dispatch) restored(ctx context.Context) error {
	doc, ok, err := d.Ledger.Doc(restoredKey)
	if err != nil || !ok {
		return err
	}
	var at time.Time
	if err := decode(doc.Value, &at); err != nil {
		return err
	}
	why := "the store was restored from a backup at " + at.UTC().Format(time.RFC3339) + ": look at the run before it goes on"
	err = d.eachDoc(openPrefix, func(open ledger.Doc) error {
		id, err := openID(open)
		if err != nil {
			return err
		}
		return d.Pause(ctx, id, why)
	})
	if err != nil {
		return err
	}
	if err := d.dropPast(ctx); err != nil {
		return err
	}
	return d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{drop(restoredKey)}})
}

// dropPast drops the timers that are due by now.
func (d *Dispatch) dropPast(ctx context.Context) error {
	for {
		due, err := d.Ledger.Due(d.Clock.Now(), 256)
		if err != nil || len(due) == 0 {
			return err
		}
		var b ledger.Batch
		for _, t := range due {
			b.Done = append(b.Done, t.TimerID)
			if t.Kind == SendTimer {
				if err := d.lapse(ctx, t); err != nil {
					return err
				}
			}
		}
		err = d.eachDoc(cronPrefix, func(doc ledger.Doc) error {
			b.Docs = append(b.Docs, drop(doc.Key))
			return nil
		})
		if err != nil {
			return err
		}
		if err := d.commit(ctx, &b); err != nil {
			return err
		}
	}
}

// lapse ends a send whose moment had passed when the store was restored: the backup does not know whether it was made.
func (d *Dispatch) lapse(ctx context.Context, t ledger.Timer) error {
	var b sendBody
	if err := decode(t.Body, &b); err != nil {
		return err
	}
	err := d.cancelSend(ctx, b.run().ID, "its moment had passed when the store was restored from a backup")
	if errors.Is(err, otn.ErrNotFound) {
		return nil
	}
	return err
}
