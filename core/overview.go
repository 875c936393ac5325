// The overview: what an operator sees first. Every number of it is a counter that changes with what it counts.

package core

// Overview is how the whole shop stands.
type Overview struct {
	Waiting   int64     `json:"waiting"` // consents, of all topics
	Claimed   int64     `json:"claimed"`
	Sent      int64     `json:"sent"`
	Refused   int64     `json:"refused"`
	Unknown   int64     `json:"unknown"` // an operator says what became of them
	Expired   int64     `json:"expired"`
	Withdrawn int64     `json:"withdrawn"`
	OpenRuns  int64     `json:"open_runs"`   // neither done nor cancelled
	Paused    int       `json:"paused_runs"` // of them: an operator approves or resumes each
	Decide    []RunView `json:"decide"`      // the newest of those
}

// decideAtMost is how many runs the overview lists.
const decideAtMost = 20

// Overview tells how the whole shop stands, at the same cost however much is in the store.
func (h *Host) Overview() (Overview, error) {
	if err := h.isOpen(); err != nil {
		return Overview{}, err
	}
	o := Overview{OpenRuns: h.dispatch.CountOpen(), Decide: []RunView{}}
	for _, c := range h.ledger.Topics() {
		o.Waiting += c.Waiting
		o.Claimed += c.Claimed
		o.Sent += c.Sent
		o.Refused += c.Refused
		o.Unknown += c.Unknown
		o.Expired += c.Expired
		o.Withdrawn += c.Withdrawn
	}
	runs, paused := h.dispatch.PausedRuns(decideAtMost)
	o.Paused = paused
	for _, run := range runs {
		v, err := h.runView(run)
		if err != nil {
			return o, err
		}
		o.Decide = append(o.Decide, v)
	}
	return o, nil
}
