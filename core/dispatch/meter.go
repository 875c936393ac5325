// What the lanes tell of their steps, and how long they have had something to do.

package dispatch

import (
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// began is the moment at which a step begins; zero where nobody measures.
func (l *Lane) began() time.Time {
	if l.d.Meter == nil {
		return time.Time{}
	}
	return l.d.Clock.Now()
}

// stepped tells of a step of a page that has ended now.
func (l *Lane) stepped(began time.Time, kind otn.StepKind, pg *page, n int) {
	if l.d.Meter == nil {
		return
	}
	s := l.stepOf(pg.task.run, kind, began, l.d.Clock.Now())
	s.N, s.Page = n, pg.claim.Page
	l.d.Meter.Step(s)
}

// answered tells of the answer that a member of a page got.
func (l *Lane) answered(began time.Time, pg *page, i int) {
	if l.d.Meter == nil {
		return
	}
	r := &pg.result[i]
	s := l.stepOf(pg.task.run, otn.SendStep, began, r.At)
	s.N, s.Page, s.Member, s.Outcome = 1, pg.claim.Page, i, r.Outcome
	l.d.Meter.Step(s)
}

// resent tells of a doubt that was sent again.
func (l *Lane) resent(began time.Time, id otn.RunID, outcome otn.Outcome) {
	if l.d.Meter == nil {
		return
	}
	ended := l.d.Clock.Now()
	run, ok, err := l.d.Run(id)
	if err != nil || !ok {
		run = &Run{ID: id} // counted all the same
	}
	s := l.stepOf(run, otn.SendStep, began, ended)
	s.N, s.Outcome = 1, outcome
	l.d.Meter.Step(s)
}

// replied tells of a reply.
func (l *Lane) replied(began time.Time, err error) {
	if l.d.Meter != nil {
		outcome, _ := otn.OutcomeOf(err)
		l.d.Meter.Step(otn.Step{Kind: otn.ReplyStep, Instance: l.name, Began: began, Took: l.d.Clock.Now().Sub(began), N: 1, Outcome: outcome})
	}
}

// ended tells of a run that is over.
func (l *Lane) ended(run *Run) {
	if l.d.Meter == nil {
		return
	}
	s := l.stepOf(run, otn.RunStep, run.At, l.d.Clock.Now())
	s.Instance, s.Event = "", run.event()
	l.d.Meter.Step(s)
}

// event is the number of the event that made the run; 0 where none in the journal did.
func (r *Run) event() uint64 {
	if r.Write == 0 {
		return 0
	}
	return r.Below
}

func (l *Lane) stepOf(run *Run, kind otn.StepKind, began, ended time.Time) otn.Step {
	return otn.Step{Kind: kind, Instance: l.name, Rule: run.Rule, Topic: run.Topic, Began: began, Took: ended.Sub(began), Write: run.Write, Run: run.ID}
}

// Late is for how long the lane has had something to do that it has not come to the end of: a run without a plan since its
// cause, any other work since the lane got it; 0 for a lane that rests because nothing is left.
func (l *Lane) Late(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	late := time.Duration(0)
	for _, t := range l.going {
		late = max(late, now.Sub(t.since))
	}
	for _, t := range l.tasks {
		late = max(late, now.Sub(t.since))
	}
	return late
}

// sinceOf is when the work of a task became due.
func (l *Lane) sinceOf(t *task) time.Time {
	if t.run != nil && t.seqs == nil && t.run.Plan == (otn.Plan{}) {
		return t.run.At
	}
	return l.d.Clock.Now()
}
