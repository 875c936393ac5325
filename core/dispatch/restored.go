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

// restored pauses every run that is open and drops the timers that are past and by which somebody would be told or asked,
// where the store was restored. Cron lines are planned anew.
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

// dropPast drops the timers that are due by now, but for those that tell nobody.
func (d *Dispatch) dropPast(ctx context.Context) error {
	now := d.Clock.Now()
	if err := d.dropLines(ctx, now); err != nil {
		return err
	}
	var from ledger.TimerID
	for {
		some, err := d.Ledger.Timers(from, 256)
		if err != nil || len(some) == 0 || some[0].Due.After(now) {
			return err
		}
		var b ledger.Batch
		for _, t := range some {
			if t.Due.After(now) || t.Kind == PurgeTimer || t.Kind == d.Polls {
				continue
			}
			b.Done = append(b.Done, t.TimerID)
			if t.Kind == SendTimer {
				if err := d.lapse(ctx, t); err != nil {
					return err
				}
			}
		}
		if err := d.commit(ctx, &b); err != nil {
			return err
		}
		from = some[len(some)-1].TimerID
	}
}

// dropLines forgets the moments of cron lines that are past: the lines are planned anew.
func (d *Dispatch) dropLines(ctx context.Context, now time.Time) error {
	return d.eachDoc(cronPrefix, func(doc ledger.Doc) error {
		line, err := readDoc[planned](d, doc.Key)
		if err != nil || line.Due.After(now) {
			return err
		}
		return d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{put(doc.Key, planned{Last: line.Due})}})
	})
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
