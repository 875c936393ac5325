// Channels that rest: because they ask for it, are not there, or are blocked by their platform.

package dispatch

import (
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Pause is why a channel sends nothing.
type Pause struct {
	Until  time.Time `json:"until,omitzero"` // zero: until somebody or the platform ends it
	Reason string    `json:"reason"`
}

// A channel's pauses are two documents, so that each has one who writes it: that of its platform, and that which it asked for.
func blockKey(channel string) string { return pausePrefix + channel }
func restKey(channel string) string  { return restPrefix + channel }

// Paused says why the lane sends nothing, if it does not.
func (l *Lane) Paused() (Pause, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused == nil {
		return Pause{}, false
	}
	return *l.paused, true
}

// pause lets the lane rest, unless a rest that lasts longer is there: it reports which.
func (l *Lane) pause(p Pause) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.paused; have != nil && (have.Until.IsZero() || !p.Until.IsZero() && have.Until.After(p.Until)) {
		return false
	}
	l.paused = &p
	return true
}

func (l *Lane) resume() {
	l.mu.Lock()
	l.paused = nil
	l.mu.Unlock()
	signal(l.wake)
}

// rested ends a pause that is over at now, and reports whether none is left.
func (l *Lane) rested(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.paused; p != nil && !p.Until.IsZero() && !p.Until.After(now) {
		l.paused = nil
	}
	return l.paused == nil
}

// waits reports whether the channel is paused, and until when; a pause that is over is forgotten.
func (l *Lane) waits() (time.Time, bool) {
	now := l.d.Clock.Now()
	if l.rested(now) {
		return time.Time{}, false
	}
	if p, ok := l.Paused(); ok && !p.Until.IsZero() {
		return p.Until, true
	}
	return now.Add(time.Hour), true
}

// The wait of a lane whose channel is not there, or wants a rest and does not say how long; doubling.
const (
	firstBreath = 250 * time.Millisecond
	lastBreath  = 30 * time.Second
)

// breathe waits for a channel that is not there.
func (l *Lane) breathe(err error) {
	l.backoff = min(max(l.backoff*2, firstBreath), lastBreath)
	l.pause(Pause{Until: l.d.Clock.Now().Add(l.backoff), Reason: err.Error()})
}

// rest pauses the channel, and writes it down where it lasts.
func (l *Lane) rest(pg *page, p Pause) {
	if l.pause(p) && p.Until.Sub(l.d.Clock.Now()) >= lasting {
		pg.rest = &p
	}
}

// Notice is the document by which a channel pauses or resumes as the platform says, nil where it does neither. It goes into
// the batch that records the notice.
func (d *Dispatch) Notice(n otn.ChannelNotice) *ledger.Doc {
	switch n.Level {
	case otn.Blocked:
		return put(blockKey(n.Channel), Pause{Reason: "blocked by the platform: " + n.Reason})
	case otn.Unblocked:
		return drop(blockKey(n.Channel))
	}
	return nil
}

// Heed makes a notice that is on disk take effect.
func (d *Dispatch) Heed(n otn.ChannelNotice) {
	l, ok := d.lanes[n.Channel]
	if !ok {
		return
	}
	switch n.Level {
	case otn.Blocked:
		l.pause(Pause{Reason: "blocked by the platform: " + n.Reason})
	case otn.Unblocked:
		l.resume()
	}
}
