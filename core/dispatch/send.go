// Sending: each member of a claimed page goes through the channel, at its pace, as many at once as it takes.

package dispatch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// SendTimeout is how long one send may take before its outcome counts as unknown.
const SendTimeout = 30 * time.Second

// job is one member of a page on its way.
type job struct {
	page *page
	i    int
	done func()
}

// Carry sends what Run hands it, until Run ends. What is claimed is sent: a stop does not turn it into an unknown.
func (l *Lane) Carry(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for j := range l.jobs {
		l.send(ctx, j.page, j.i)
		j.done()
	}
}

// carry hands a page over and waits for all answers. Members that are not handed over any more, because the daemon stops,
// the channel wants a pause, or they want to hear no more, end as untouched.
func (l *Lane) carry(ctx context.Context, pg *page) {
	var answers sync.WaitGroup
	free := make(chan struct{}, min(max(l.can.MaxInFlight, 1), MaxCarriers))
	done := func() { <-free; answers.Done() }
	for i := range pg.picks {
		if !l.pace.wait(ctx, l.d.Clock, l.limit()) || pg.halt.Load() {
			pg.untouched(i, len(pg.picks))
			break
		}
		free <- struct{}{}
		if pg.halt.Load() {
			pg.untouched(i, len(pg.picks))
			break
		}
		if l.d.unwanted(pg.picks[i].id, pg.picks[i].person) {
			pg.untouched(i, i+1)
			<-free
			continue
		}
		answers.Add(1)
		l.jobs <- job{pg, i, done}
	}
	answers.Wait()
}

// untouched says that some members were not handed over.
func (pg *page) untouched(from, to int) {
	for i := from; i < to; i++ {
		pg.result[i].Untouched = true
		pg.result[i].Outcome = otn.Deferred
	}
}

// send makes one attempt and notes its answer, in the marks first.
func (l *Lane) send(ctx context.Context, pg *page, i int) {
	p := &pg.picks[i]
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	began := l.began()
	pg.claim.Handed(i)
	receipt, err := l.attempt(ctx, otn.Delivery{
		ID: otn.NewDeliveryID(pg.claim.Run, p.person), Channel: l.name, Token: p.consent.Token, Subscriber: p.consent.Subscriber,
		Message: p.message, Attempt: p.attempt, Deadline: l.d.Clock.Now().Add(SendTimeout),
	})
	outcome, se := otn.OutcomeOf(err)
	pg.claim.Answered(i, outcome)
	r := &pg.result[i]
	r.Outcome, r.At, r.ProviderID, r.Code = outcome, l.d.Clock.Now(), receipt.ProviderID, receipt.Code
	l.answered(began, pg, i)
	if se == nil {
		return
	}
	pg.errs[i] = se
	r.Code, r.Detail = se.Code, detail(se)
	if se.Scope == otn.ChannelScope && (outcome == otn.Deferred || outcome == otn.Invalid) {
		pg.halt.Store(true)
	}
}

// attempt calls the channel. A channel that panics harms this delivery only.
func (l *Lane) attempt(ctx context.Context, d otn.Delivery) (r otn.Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &otn.SendError{Outcome: otn.Unknown, Code: "panic", Err: fmt.Errorf("the channel panicked: %v", p)}
		}
	}()
	return l.channel.Send(ctx, d)
}

// maxDetail bounds what is kept of a channel's words.
const maxDetail = 512

func detail(se *otn.SendError) string {
	if se.Err == nil {
		return ""
	}
	s := se.Err.Error()
	return s[:min(len(s), maxDetail)]
}
