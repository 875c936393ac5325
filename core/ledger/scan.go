// Scans of a waiting list: oldest first, fast, still sealed.

package ledger

import (
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Scan yields the waiting consents of a line, oldest first, with after < Seq < below, until yield returns false or limit
// rows were looked at. It passes over what is expired at now or under an open claim. last is where to go on from; done
// says that the end was reached. The Candidate is reused: Keep what should outlive the call. It may still show what
// another has just claimed: Commit decides.
func (l *Ledger) Scan(of Line, after, below uint64, limit int, now time.Time, yield func(*Candidate) bool) (last uint64, done bool, err error) {
	n := l.lineOf(of)
	if n == nil || below <= after+1 {
		return after, true, nil
	}
	l.mu.RLock()
	open := append([]*openClaim(nil), n.open...)
	l.mu.RUnlock()
	prefix := len(numberKey(spaceConsent, n.id))
	c := Candidate{Consent: otn.Consent{Topic: of.Topic, Subject: of.Subject}}
	var seen texts
	last, done = after, true
	looked, bad := 0, false
	err = l.engine.Scan(consentKey(place{n.id, after + 1}), consentKey(place{n.id, below}), func(key, v []byte) bool {
		if looked == limit {
			done = false
			return false
		}
		looked++
		seq, ok := readSeq(key, prefix)
		if !ok || !readRow(v, &c, &seen) {
			bad = true
			return false
		}
		last, c.Seq = seq, seq
		if !c.ExpiresAt.After(now) || claimed(open, seq) {
			return true
		}
		done = yield(&c)
		return done
	})
	if err == nil && bad {
		err = errDamaged
	}
	if err != nil {
		return last, false, fmt.Errorf("ledger: scan %s: %w", of.Topic, err)
	}
	return last, done, nil
}

func claimed(open []*openClaim, seq uint64) bool {
	for _, o := range open {
		if o.has(seq) {
			return true
		}
	}
	return false
}

// Unseal fills the token and the subscriber of a candidate, and says who it is.
func (l *Ledger) Unseal(c *Candidate) (otn.PersonID, error) {
	if err := l.unseal(c); err != nil {
		return otn.PersonID{}, fmt.Errorf("ledger: unseal %s: %w", c.ID, err)
	}
	return c.person, nil
}

// Candidate gives one waiting consent; not ok when it is claimed, doubtful, spent or expired at now.
func (l *Ledger) Candidate(of Line, seq uint64, now time.Time) (*Candidate, bool, error) {
	c, ok, err := l.waitingAt(of, seq, now)
	if err != nil {
		return nil, false, fmt.Errorf("ledger: candidate %d: %w", seq, err)
	}
	return c, ok, nil
}

func (l *Ledger) waitingAt(of Line, seq uint64, now time.Time) (*Candidate, bool, error) {
	n := l.lineOf(of)
	if n == nil {
		return nil, false, nil
	}
	v, there, err := l.get(consentKey(place{n.id, seq}))
	if err != nil || !there {
		return nil, false, err
	}
	c, err := l.candidate(place{n.id, seq}, v)
	if err != nil || !c.ExpiresAt.After(now) {
		return nil, false, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return c, n.claimOf(seq) == nil, nil
}

// candidate reads a row that is the caller's own.
func (l *Ledger) candidate(at place, row []byte) (*Candidate, error) {
	n := l.lineByID(at.line)
	if n == nil {
		return nil, errDamaged
	}
	c := &Candidate{Consent: otn.Consent{Topic: n.Topic, Subject: n.Subject, Seq: at.seq}}
	var seen texts
	if !readRow(row, c, &seen) {
		return nil, errDamaged
	}
	return c, nil
}

// Siblings are a person's waiting consents on a line, the one that expires first first.
func (l *Ledger) Siblings(p otn.PersonID, of Line, now time.Time) ([]*Candidate, error) {
	out, err := l.siblings(p, of, now)
	if err != nil {
		return nil, fmt.Errorf("ledger: siblings %s: %w", p, err)
	}
	return out, nil
}

func (l *Ledger) siblings(p otn.PersonID, of Line, now time.Time) (out []*Candidate, err error) {
	n := l.lineOf(of)
	if n == nil {
		return nil, nil
	}
	places, err := l.placesOf(p)
	for _, at := range places {
		if at.line != n.id {
			continue
		}
		c, ok, err := l.waitingAt(of, at.seq, now)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, c)
		}
	}
	sortByExpiry(out)
	return out, err
}

// placesOf are the places of all consents that a person ever gave, oldest first.
func (l *Ledger) placesOf(p otn.PersonID) ([]place, error) {
	v, _, err := l.get(personKey(p))
	if err != nil {
		return nil, err
	}
	r := reader{b: v}
	var out []place
	for len(r.b) > 0 {
		out = append(out, r.place())
	}
	return out, r.fault()
}
