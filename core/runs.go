// Runs, listed: a page looks at a bounded number of them, whatever it is asked for.

package core

import (
	"github.com/onetimenotify/otn/core/dispatch"
)

// runsLook bounds how many runs a page looks at.
const runsLook = 1000

// Runs lists runs, newest first; before them the sends that are not due yet. A call looks at a bounded number of them: with
// a next there may be more, however few it gives.
func (h *Host) Runs(q RunQuery) (list []RunView, next string, err error) {
	if err := h.isOpen(); err != nil {
		return nil, "", err
	}
	if q.Cursor == "" {
		if list, err = h.scheduled(q); err != nil {
			return nil, "", err
		}
	}
	limit, before, looked := limitOf(q.Limit), q.Cursor, 0
	for looked < runsLook {
		runs, err := h.runsBefore(q, before, limit)
		if err != nil {
			return nil, "", err
		}
		for _, run := range runs {
			before = run.ID.String()
			looked++
			if q.Rule != "" && q.Rule != run.Rule {
				continue
			}
			v, err := h.runView(run)
			if err != nil {
				return nil, "", err
			}
			if !q.wants(v) {
				continue
			}
			if list = append(list, v); len(list) >= limit {
				return list, before, nil
			}
		}
		if len(runs) < limit {
			return list, "", nil
		}
	}
	return list, before, nil
}

// runsBefore are the next runs to look at: of those that are not over alone, where none else is asked for.
func (h *Host) runsBefore(q RunQuery, before string, limit int) ([]*dispatch.Run, error) {
	switch q.State {
	case dispatch.IsHolding, dispatch.IsWaiting, dispatch.IsRunning, dispatch.IsPaused:
		return h.dispatch.OpenBefore(before, limit)
	}
	return h.dispatch.RunsBefore(before, limit)
}

func (q *RunQuery) wants(v RunView) bool {
	return (q.Rule == "" || v.Rule == q.Rule) && (q.State == "" || v.State == q.State)
}

// scheduled are the sends that are not due yet.
func (h *Host) scheduled(q RunQuery) (list []RunView, err error) {
	if q.State != "" && q.State != dispatch.IsWaiting {
		return nil, nil
	}
	runs, err := h.dispatch.Scheduled()
	for _, run := range runs {
		if v := scheduledView(run); q.wants(v) {
			list = append(list, v)
		}
	}
	return list, err
}
