// Runs that are open: how many, which of them want a word, and a list of them that is bounded.

package dispatch

import (
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/core/otn"
)

// CountOpen is how many runs are neither done nor cancelled. It reads no disk.
func (d *Dispatch) CountOpen() int64 { return d.Ledger.Tracked(openPrefix) }

// PausedRuns lists up to limit runs that wait for an operator, newest first, and says how many there are. It reads no disk
// to find them.
func (d *Dispatch) PausedRuns(limit int) (runs []*Run, n int) {
	d.mu.Lock()
	for _, c := range d.courses {
		if c.Paused != "" {
			runs = append(runs, c.run)
		}
	}
	d.mu.Unlock()
	slices.SortFunc(runs, func(a, b *Run) int { return slices.Compare(b.ID[:], a.ID[:]) }) // an id begins with its moment
	n = len(runs)
	return runs[:min(n, limit)], n
}

// openAtMost bounds how many open runs are looked through for the newest ones.
const openAtMost = 10_000

// OpenBefore lists up to limit open runs, newest first, that are older than the id before; all for "". Of more than 10,000
// it lists the oldest ones.
func (d *Dispatch) OpenBefore(before string, limit int) (runs []*Run, err error) {
	docs, err := d.Ledger.Docs(openPrefix, "", openAtMost)
	if err != nil {
		return nil, err
	}
	last := otn.RunID{}
	if before != "" {
		if last, err = otn.ParseRunID(before); err != nil {
			return nil, fmt.Errorf("dispatch: run: %w: %w", err, otn.ErrInvalid)
		}
	}
	for _, doc := range slices.Backward(docs) {
		id, err := openID(doc)
		if err != nil {
			return nil, err
		}
		if before != "" && slices.Compare(id[:], last[:]) >= 0 {
			continue
		}
		run, ok, err := d.Run(id)
		if err != nil {
			return nil, err
		}
		if ok {
			runs = append(runs, run)
		}
		if len(runs) == limit {
			break
		}
	}
	return runs, nil
}
