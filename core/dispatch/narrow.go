// Looks over a line: through an index by answer where a rule says who is certainly not meant, else from end to end. Both
// show the same people to whom it matters, in the same order.

package dispatch

import (
	"context"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// rangeAtMost is how many are looked up one by one; behind that, and where they are much of the line, it is scanned.
const rangeAtMost = 10_000

// look yields those who wait on a run's line behind a number and whom rules can mean, oldest first; without rules,
// everybody. wide remembers for the rest of a run that its rule narrows the line by too little. See ledger.Scan for the rest.
func (d *Dispatch) look(run *Run, rules otn.Page, wide *bool, after uint64, now time.Time, yield func(*ledger.Candidate) bool) (last uint64, done bool, err error) {
	line := run.Line()
	if rules != nil && !*wide {
		most := int(min(rangeAtMost, d.Ledger.Pending(line)/4+16))
		for _, in := range rules.Ranges() {
			last, done, found, err := d.Ledger.Range(line, in, after, run.Below, most, now, yield)
			if err != nil || found {
				return last, done, err
			}
		}
		*wide = true
	}
	return d.Ledger.Scan(line, after, run.Below, scanAtOnce, now, yield)
}

// wantIndexes has the ledger keep an index for each answer that a rule compares.
func (d *Dispatch) wantIndexes(ctx context.Context) error {
	var wanted []ledger.Indexed
	have := map[ledger.Indexed]bool{}
	for _, r := range d.Current().List() {
		for _, answer := range r.Compares {
			if w := (ledger.Indexed{Topic: r.Topic, Answer: answer}); !have[w] {
				have[w] = true
				wanted = append(wanted, w)
			}
		}
	}
	if err := d.Ledger.Index(ctx, wanted); err != nil {
		return err
	}
	signal(d.unindexed)
	return nil
}

// Backfill makes indexes good for those who waited before they were wanted, whenever there are such, until ctx is done.
func (d *Dispatch) Backfill(ctx context.Context) error {
	for ctx.Err() == nil {
		more, err := d.Ledger.Backfill(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		if more {
			continue
		}
		d.Clock.Wait(ctx, time.Time{}, d.unindexed)
	}
	return nil
}
