// What is known of one person over all their consents: how many wait, and when they were told something.

package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// WaitingOf is how many consents of a person wait at now, of all topics. What is claimed or in doubt does not.
func (l *Ledger) WaitingOf(p otn.PersonID, now time.Time) (n int64, err error) {
	places, err := l.placesOf(p)
	for _, at := range places {
		if err != nil {
			break
		}
		line := l.lineByID(at.line)
		if line == nil {
			err = errDamaged
			break
		}
		var waits bool
		if _, waits, err = l.waitingAt(line.Line, at.seq, now); waits {
			n++
		}
	}
	if err != nil {
		return 0, fmt.Errorf("ledger: waiting of %s: %w", p, err)
	}
	return n, nil
}

// GiverOf is a person whose consents were listed by Of.
func GiverOf(p otn.PersonID, consents []Consent) Giver {
	g := Giver{Person: p}
	for i := range consents {
		g.Last = max(g.Last, consents[i].Seq)
	}
	return g
}

// MessagesTo are the moments behind since at which a person got a message, or may have got one, oldest first: through any
// run, on any line. One that is on its way counts from its claim.
func (l *Ledger) MessagesTo(p otn.PersonID, since time.Time) ([]time.Time, error) {
	places, err := l.placesOf(p)
	var out []time.Time
	for _, at := range places {
		var when time.Time
		if when, err = l.toldAt(at); err != nil {
			break
		}
		if when.After(since) {
			out = append(out, when)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: messages to %s: %w", p, err)
	}
	slices.SortFunc(out, time.Time.Compare)
	return out, nil
}

// toldAt is when the message of one consent went out, or may have; zero when none did.
func (l *Ledger) toldAt(at place) (time.Time, error) {
	l.mu.RLock()
	var open *openClaim
	if n := l.lineAt[at.line]; n != nil {
		open = n.claimOf(at.seq)
	}
	l.mu.RUnlock()
	if open != nil {
		return open.at, nil
	}
	e, ok, err := l.endedAt(at, nil)
	if err != nil || !ok || e.fate != fateSent && e.fate != fateUnknown {
		return time.Time{}, err
	}
	return time.UnixMilli(e.at).UTC(), nil
}
