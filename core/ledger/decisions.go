// Decisions: why something happened or did not, newest first, bounded by age.

package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Rows of a day lie together, newest day first, so that trimming takes whole days; in a day each owner's are newest first.
const (
	aboutLine = iota
	aboutPerson
)

func decisionDay(d uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{spaceDecision}, math.MaxUint32-d)
}

func ownerOfPerson(p otn.PersonID) []byte { return append([]byte{aboutPerson}, p[:]...) }

func ownerOfLine(n Line) []byte { return appendText(appendText([]byte{aboutLine}, n.Topic), n.Subject) }

func (g *group) decide(d *Decision, seq uint64, index int) {
	owner := ownerOfLine(d.Line)
	if d.Person != (otn.PersonID{}) {
		owner = ownerOfPerson(d.Person)
	}
	key := append(decisionDay(dayOf(d.At)), owner...)
	key = binary.BigEndian.AppendUint64(key, ^instant(d.At))
	key = appendOrd(appendOrd(key, seq), uint64(index))
	g.set(key, packDecision(d))
	g.seen(d.At)
}

func packDecision(d *Decision) []byte {
	b := []byte{rowVersion, byte(d.Verdict)}
	b = appendText(appendText(b, d.Line.Topic), d.Line.Subject)
	b = append(b, d.Person[:]...)
	b = appendTime(b, d.At)
	b = appendText(b, d.Rule)
	b = append(b, d.Run[:]...)
	b = appendText(b, d.Because)
	return append(b, d.Facts...)
}

func readDecision(v []byte) (d Decision, ok bool) {
	r := reader{b: v}
	if r.byte() != rowVersion {
		return d, false
	}
	d.Verdict = otn.Verdict(r.byte())
	d.Line = Line{r.text(), r.text()}
	copy(d.Person[:], r.bytes(personSize))
	d.At, d.Rule = r.time(), r.text()
	copy(d.Run[:], r.bytes(runSize))
	d.Because = r.text()
	d.Facts = slices.Clone(r.b)
	return d, !r.bad
}

// DecisionsOf lists the decisions about one person, newest first.
func (l *Ledger) DecisionsOf(p otn.PersonID, limit int) ([]Decision, error) {
	out, err := l.decisions(ownerOfPerson(p), time.Time{}, time.Time{}, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: decisions of %s: %w", p, err)
	}
	return out, nil
}

// LineDecisions lists the decisions about a whole line that were made at since or later, and not after until, where there is
// one, newest first.
func (l *Ledger) LineDecisions(of Line, since, until time.Time, limit int) ([]Decision, error) {
	out, err := l.decisions(ownerOfLine(of), since, until, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: decisions about %s: %w", of.Topic, err)
	}
	return out, nil
}

// decisions walks the days that hold any, and in each the owner's rows.
func (l *Ledger) decisions(owner []byte, since, until time.Time, limit int) (out []Decision, err error) {
	at := []byte{spaceDecision}
	if !until.IsZero() {
		at = decisionDay(dayOf(until))
	}
	for len(out) < limit {
		d, there, err := l.firstDecisionDay(at)
		if err != nil || !there || d < dayOf(since) {
			return out, err
		}
		prefix := append(decisionDay(d), owner...)
		begin, bad := prefix, false
		if !until.IsZero() && d == dayOf(until) {
			begin = binary.BigEndian.AppendUint64(slices.Clone(prefix), ^instant(until))
		}
		err = l.engine.Scan(begin, after(prefix), func(_, v []byte) bool {
			dec, ok := readDecision(v)
			if bad = !ok; bad || len(out) >= limit || dec.At.Before(since) {
				return false
			}
			out = append(out, dec)
			return true
		})
		if err == nil && bad {
			err = errDamaged
		}
		if err != nil {
			return nil, err
		}
		at = after(decisionDay(d))
	}
	return out, nil
}

// firstDecisionDay finds the newest day that has decisions, from a key on.
func (l *Ledger) firstDecisionDay(from []byte) (d uint32, there bool, err error) {
	err = l.engine.Scan(from, []byte{spaceDecision + 1}, func(key, _ []byte) bool {
		if there = len(key) >= 5; there {
			d = math.MaxUint32 - binary.BigEndian.Uint32(key[1:5])
		}
		return false
	})
	return d, there, err
}

// Trim forgets the decisions that were made before a moment.
func (l *Ledger) Trim(ctx context.Context, before time.Time) error {
	border := dayOf(before)
	var old [][]byte
	err := l.engine.Scan(decisionDay(border), after(decisionDay(border)), func(key, v []byte) bool {
		if d, ok := readDecision(v); ok && d.At.Before(before) {
			old = append(old, slices.Clone(key))
		}
		return true
	})
	if err == nil {
		err = l.do(ctx, &turn{size: 64 + 64*len(old), build: func(g *group) error {
			g.changes = append(g.changes, Change{DeleteRange, after(decisionDay(border)), []byte{spaceDecision + 1}})
			for _, key := range old {
				g.drop(key)
			}
			return nil
		}})
	}
	if err != nil {
		return fmt.Errorf("ledger: trim: %w", err)
	}
	return nil
}
